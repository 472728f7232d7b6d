//! What a lookup costs: `cargo run --release -p mirror --example lookup [PACKAGES]`.
//!
//! Makes a mirror of that many packages (1,000 unless told) with two to forty
//! versions each, in three commits, and looks a thousand of them up: once each
//! with a fresh handle (cold: what a process that needs one package pays), then
//! all with one handle (fences in memory). Reads are counted by the kernel
//! (`/proc/self/io`), the page cache is warm.

#![allow(clippy::print_stdout, clippy::disallowed_methods)] // it measures and prints

use mirror::batch::Batch;
use mirror::mirror::{InitOptions, Mirror};
use mirror::record::{Dependency, DependencyKind, Key, RecordBuilder, RecordView, VersionRecord};
use mirror::version::Version;
use std::time::{Duration, Instant};

fn io() -> (u64, u64) {
    let text = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    let field = |name: &str| {
        let line = text.lines().find_map(|l| l.strip_prefix(name));
        line.and_then(|v| v.trim().parse().ok()).unwrap_or(0)
    };
    (field("syscr:"), field("rchar:"))
}

/// What reading the counters themselves costs.
fn overhead() -> (u64, u64) {
    let (a, b) = (io(), io());
    (b.0 - a.0, b.1 - a.1)
}

fn measure(label: &str, n: u64, f: impl FnOnce()) {
    let extra = overhead();
    let before = io();
    let start = Instant::now();
    f();
    let time: Duration = start.elapsed();
    let after = io();
    println!(
        "{label:<28} {:>8.1} us  {:>6.2} reads  {:>8.1} KiB",
        time.as_secs_f64() * 1e6 / n as f64,
        (after.0 - before.0 - extra.0) as f64 / n as f64,
        (after.1 - before.1 - extra.1) as f64 / 1024.0 / n as f64
    );
}

fn name(i: usize) -> String {
    let i = i.wrapping_mul(2_654_435_761) % 1_000_000_007;
    if i.is_multiple_of(3) { format!("@scope{}/name-{i}", i % 89) } else { format!("package-{i}") }
}

fn record(i: usize) -> RecordView {
    let mut b = RecordBuilder::new(Key::npm(&name(i)));
    (b.complete, b.checked) = (true, 1);
    b.tags.push(("latest".into(), "1.0.0".into()));
    for k in 0..2 + (i * i) % 39 {
        let mut v = VersionRecord::new(Version::new(1, k as u64, 0));
        let hash = mirror::digest::Hash::of(format!("{i} {k}").as_bytes());
        v.integrity = Some(hash.into());
        v.dependencies = (0..5)
            .map(|d| Dependency {
                name: name(i / 2 + d),
                range: format!("^{d}.{}.0", k / 4),
                kind: DependencyKind::Normal,
                condition: String::new(),
            })
            .collect();
        v.published = 1_600_000_000 + (i * 1000 + k) as u64;
        b.push_version(&v).expect("a record");
    }
    RecordView::parse(b.finish().expect("a record").into()).expect("a record")
}

fn main() {
    let packages: usize = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(1000);
    for compress in [true, false] {
        let dir = tempfile::tempdir().expect("a directory");
        let mut m = Mirror::init(dir.path(), &InitOptions::default()).expect("a mirror");
        let start = Instant::now();
        for part in 0..3 {
            let b = Batch::begin(&m, 0).expect("a batch");
            for i in (0..packages).filter(|i| (i % 100 == 7) as usize + (i % 1000 == 77) as usize == part) {
                b.put_view(&record(i)).expect("put");
            }
            let report = if compress { b.commit(&mut |_| {}) } else { b.commit_relaxed(&mut |_| {}) };
            report.expect("a commit");
            m = m.refresh().expect("the mirror");
        }
        let bytes: u64 = m.snapshot().segments.iter().map(|s| s.file.bytes).sum();
        println!(
            "{packages} packages, {}, {} segments, {:.1} MB of index, made in {:.2} s",
            if compress { "deflated" } else { "stored" },
            m.snapshot().segments.len(),
            bytes as f64 / 1e6,
            start.elapsed().as_secs_f64()
        );
        let n = packages.min(1000);
        let keys: Vec<Key> = (0..n).map(|i| Key::npm(&name(i * (packages / n)))).collect();
        let found = |m: &Mirror, k: &Key| assert!(m.lookup(k).expect("reads").is_some());
        measure("open and look up, cold", n as u64, || {
            keys.iter().for_each(|k| found(&Mirror::open(dir.path()).expect("opens"), k));
        });
        let m = Mirror::open(dir.path()).expect("opens");
        measure("look up, first pass", n as u64, || keys.iter().for_each(|k| found(&m, k)));
        measure("look up, fences in memory", n as u64, || keys.iter().for_each(|k| found(&m, k)));
        measure("and decode one version", n as u64, || {
            for k in &keys {
                let view = m.lookup(k).expect("reads").expect("is there");
                view.load(view.len() - 1).expect("decodes");
            }
        });
    }
}
