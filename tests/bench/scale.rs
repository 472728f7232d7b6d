//! What a mirror of many packages takes: to fill, to open, to change a hundredth of, to carry to another one, to join with one that
//! has packages of its own, to clean up. Each phase is a process of its own, so that its peak of memory is its own.
//!
//! ```text
//! cargo bench --bench scale -- 100000            (a million: some minutes and 1.5 GB in TMPDIR)
//! ```
//! Three versions a package, one of which is here, of some 300 bytes that do not compress. A line a phase: seconds, MiB at most (the
//! kernel's `VmHWM`; DESIGN allows 64), files and bytes that are new in the folder afterwards.

#![allow(clippy::disallowed_methods, clippy::print_stdout)] // a benchmark prints

use std::env;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use mirror::batch::Batch;
use mirror::mirror::{InitOptions, Mirror};
use mirror::record::{Dependency, DependencyKind, Key, Record, VersionRecord};
use mirror::sync::{Carrier, Choice, Watch, Way, take};
use mirror::version::Version;

/// Packages that are put in by one commit.
const AT_ONCE: usize = 20_000;

/// As the binary sets it (`src/allocator.rs`): by itself glibc keeps the room of every buffer between what lives on.
const ALLOCATOR: [(&str, &str); 3] =
    [("MALLOC_MMAP_THRESHOLD_", "32768"), ("MALLOC_TRIM_THRESHOLD_", "65536"), ("MALLOC_ARENA_MAX", "2")];

const PHASES: [&str; 9] = [
    "fill",
    "open and look up 1,000",
    "change a hundredth",
    "sync into an empty mirror",
    "sync again",
    "change another hundredth",
    "sync the change",
    "sync with a mirror of its own hundredth",
    "gc",
];

fn main() {
    let arguments: Vec<String> = env::args().skip(1).filter(|a| a != "--bench").collect();
    match arguments.as_slice() {
        [phase, count, dir] => {
            let phase = phase.parse().expect("a number");
            run(phase, count.parse().expect("a number"), Path::new(dir));
            let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
            let peak = status
                .lines()
                .find_map(|l| l.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
            println!("{}", peak.map_or(0, |kib: u64| kib / 1024));
        }
        rest => {
            let count: usize = rest.first().and_then(|n| n.parse().ok()).unwrap_or(100_000);
            let dir = env::temp_dir().join(format!("scale-{}", std::process::id()));
            fs::create_dir_all(&dir).expect("a folder");
            println!("{count} packages");
            let mut before = size(&dir);
            for (i, name) in PHASES.iter().enumerate() {
                let begun = Instant::now();
                let me = env::current_exe().expect("this program");
                let ran = Command::new(me)
                    .args([&i.to_string(), &count.to_string()])
                    .envs(ALLOCATOR)
                    .arg(&dir)
                    .output()
                    .expect("runs");
                let took = begun.elapsed().as_secs_f64();
                assert!(ran.status.success(), "{name}: {}", String::from_utf8_lossy(&ran.stderr));
                let peak = String::from_utf8_lossy(&ran.stdout).trim().to_string();
                let now = size(&dir);
                println!(
                    "{name:42} {took:8.2} s {peak:>5} MiB {:6} files {:10} bytes",
                    now.0 as i64 - before.0 as i64,
                    now.1 as i64 - before.1 as i64
                );
                before = now;
            }
            fs::remove_dir_all(&dir).expect("goes");
        }
    }
}

fn run(phase: usize, count: usize, dir: &Path) {
    let (home, stick) = (dir.join("home"), dir.join("stick"));
    let hundredth = |from: usize| (0..count / 100).map(move |n| from + n * 100);
    match phase {
        0 => {
            init(&home);
            put(&home, &mut (0..count), count, 1);
        }
        1 => {
            let mirror = Mirror::open(&home).expect("opens");
            for n in 0..1_000 {
                let key = Key::npm(&name(n * (count / 1_000), count));
                assert!(mirror.lookup(&key).expect("reads").is_some());
            }
        }
        2 => put(&home, &mut hundredth(0), count, 2),
        3 => {
            init(&stick);
            assert_eq!(sync(&stick, &home), Way::Forward);
        }
        4 => assert_eq!(sync(&stick, &home), Way::Nothing),
        5 => put(&home, &mut hundredth(1), count, 3),
        6 => assert_eq!(sync(&stick, &home), Way::Forward),
        7 => {
            put(&stick, &mut (count..count + count / 100), count, 4);
            put(&home, &mut hundredth(2), count, 5);
            assert_eq!(sync(&stick, &home), Way::Joined);
            assert_eq!(sync(&home, &stick), Way::Forward);
        }
        _ => {
            mirror::gc::run(&Mirror::open(&stick).expect("opens"), &mut |_| {}).expect("cleans up");
        }
    }
}

fn init(dir: &Path) {
    Mirror::init(dir, &InitOptions::default()).expect("makes a mirror");
}

fn sync(target: &Path, from: &Path) -> Way {
    let open = |dir: &Path| Mirror::open_pinned(dir, &mut |_| {}).expect("opens");
    let watch = &mut Watch { progress: &mut |_, _| {}, waiting: &mut |_| {} };
    take(&open(target), &Carrier::folder(open(from)), &Choice::default(), watch).expect("syncs").way
}

/// Neighbours in number are far apart in the alphabet.
fn name(n: usize, count: usize) -> String {
    if n < count { format!("package-{:07}", n.wrapping_mul(7_919) % count) } else { format!("own-{n:07}") }
}

fn put(dir: &Path, which: &mut dyn Iterator<Item = usize>, count: usize, now: u64) {
    let mut which = which.peekable();
    while which.peek().is_some() {
        let mirror = Mirror::open(dir).expect("opens");
        let batch = Batch::begin(&mirror, 0).expect("begins");
        for n in which.by_ref().take(AT_ONCE) {
            let mut versions: Vec<VersionRecord> = (0..3).map(|minor| version(n, minor, count)).collect();
            let mut writer = batch.archive().expect("begins");
            writer.write_all(&noise(n as u64 + now * 1_000_003)).expect("writes");
            let minor = (now % 3) as usize;
            versions[minor] = writer.finish().expect("packs").of(version(n, minor, count));
            let record = Record {
                key: Key::npm(&name(n, count)),
                complete: true,
                checked: now,
                etag: "\"etag\"".into(),
                modified: now,
                tags: vec![("latest".into(), "1.2.0".into())],
                versions,
            };
            batch.put(&record).expect("puts");
        }
        batch.commit(&mut |_| {}).expect("commits");
    }
}

fn version(n: usize, minor: usize, count: usize) -> VersionRecord {
    let mut record = VersionRecord::new(Version::parse(&format!("1.{minor}.0")).expect("a version"));
    let kind = DependencyKind::Normal;
    record.dependencies = (1..4)
        .map(|d| Dependency {
            kind,
            name: name((n + d) % count, count),
            range: "^1.0.0".into(),
            condition: String::new(),
        })
        .collect();
    record
}

fn noise(seed: u64) -> Vec<u8> {
    let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    std::iter::repeat_with(|| {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        x.to_le_bytes()
    })
    .take(38)
    .flatten()
    .collect()
}

/// Files below a folder, and their bytes.
fn size(dir: &Path) -> (u64, u64) {
    let mut total = (0, 0);
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let meta = entry.metadata().expect("a file");
        let (files, bytes) = if meta.is_dir() { size(&entry.path()) } else { (1, meta.len()) };
        total = (total.0 + files, total.1 + bytes);
    }
    total
}
