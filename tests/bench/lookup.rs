//! Benchmark 9: package lookups in a mirror of 100,000 packages, in process. The specification says 42 µs, mean of 1,000.
//!
//! 12 versions of three dependencies each; the thousand that are asked for lie all over the mirror, no two lookups ask for the
//! same. Lines for `bench.py`, each `NAME: VALUE UNIT`:
//!
//! - `cold`, `lookup`: the mean of 1,000 in a newly opened mirror, and once more when their fences have been read;
//! - `cold-reads`, `cold-bytes`: the most that opening the mirror and one lookup read from files, of 100 tries;
//! - `warm-reads`: the most that one lookup reads whose fence is known, of 1,000.
//!
//! Reads are the process's own count in `/proc/self/io`; where there is none, those lines are left out.

#![allow(clippy::disallowed_methods, clippy::print_stdout)] // a benchmark prints

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use mirror::batch::Batch;
use mirror::mirror::{InitOptions, Mirror};
use mirror::record::{Dependency, DependencyKind, Key, Record, VersionRecord};
use mirror::version::Version;

const PACKAGES: usize = 100_000;
const LOOKUPS: usize = 1_000;

/// Neighbours in number are far apart in the alphabet.
fn name(n: usize) -> String {
    format!("package-{:06}", n.wrapping_mul(7_919) % PACKAGES)
}

/// The n-th name that is asked for.
fn asked(n: usize) -> Key {
    Key::npm(&name(n * (PACKAGES / LOOKUPS) + 1))
}

fn version(n: usize, minor: usize) -> VersionRecord {
    let mut record = VersionRecord::new(Version::parse(&format!("1.{minor}.0")).expect("a version"));
    let kind = DependencyKind::Normal;
    record.dependencies = (1..4)
        .map(|d| Dependency { kind, name: name(n + d), range: "^1.0.0".into(), condition: String::new() })
        .collect();
    record
}

fn build(dir: &Path) {
    let options = InitOptions { label: "bench".into(), ..InitOptions::default() };
    let mirror = Mirror::init(dir, &options).expect("makes a mirror");
    let batch = Batch::begin(&mirror, 0).expect("begins");
    for n in 0..PACKAGES {
        let record = Record {
            key: Key::npm(&name(n)),
            complete: true,
            checked: 1,
            etag: "\"etag\"".into(),
            modified: 1,
            tags: vec![("latest".into(), "1.11.0".into())],
            versions: (0..12).map(|minor| version(n, minor)).collect(),
        };
        batch.put(&record).expect("puts");
    }
    batch.commit(&mut |_| {}).expect("commits");
}

fn look_up(mirror: &Mirror, key: &Key) {
    let view = mirror.lookup(key).expect("reads").expect("is there");
    black_box(view.tag("latest"));
}

/// Reads and bytes so far, by this process.
fn read_so_far() -> Option<(u64, u64)> {
    let text = fs::read_to_string("/proc/self/io").ok()?;
    let of = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    Some((of("syscr:")?, of("rchar:")?))
}

/// What `work` reads, less what asking for the count reads itself.
fn reads_of(work: impl FnOnce()) -> Option<(u64, u64)> {
    let (a, b) = (read_so_far()?, read_so_far()?);
    work();
    let c = read_so_far()?;
    Some(((c.0 - b.0).saturating_sub(b.0 - a.0), (c.1 - b.1).saturating_sub(b.1 - a.1)))
}

fn most(each: impl Iterator<Item = Option<(u64, u64)>>) -> Option<(u64, u64)> {
    each.collect::<Option<Vec<_>>>()?.into_iter().reduce(|a, b| (a.0.max(b.0), a.1.max(b.1)))
}

fn main() {
    let dir = tempfile::tempdir().expect("a directory");
    build(dir.path());
    let open = || Mirror::open(dir.path()).expect("opens");
    let mirror = open();
    for pass in ["cold", "lookup"] {
        let began = Instant::now();
        for n in 0..LOOKUPS {
            look_up(&mirror, &asked(n));
        }
        println!("{pass}: {:.1} µs", began.elapsed().as_secs_f64() * 1e6 / LOOKUPS as f64);
    }
    if let Some((reads, bytes)) = most((0..100).map(|n| reads_of(|| look_up(&open(), &asked(n * 10))))) {
        println!("cold-reads: {reads} reads");
        println!("cold-bytes: {:.1} KiB", bytes as f64 / 1024.0);
    }
    if let Some((reads, _)) = most((0..LOOKUPS).map(|n| reads_of(|| look_up(&mirror, &asked(n))))) {
        println!("warm-reads: {reads} reads");
    }
}
