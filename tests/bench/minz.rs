//! The MinZ figures of DESIGN section 9: `cargo bench --bench minz`. Lines `NAME: VALUE ms (budget N)`, each the median of 20.
//!
//! - `resolve`: versions for a project of 100 packages, from a newly opened mirror of 1,000, of twelve versions each, in process;
//! - `update`: the same by the program, `mzp update --dry-run`;
//! - `build, unchanged`: `mzp build` of that program, with nothing to do. No compiler is needed: a script stands in for it.

#![allow(clippy::disallowed_methods, clippy::print_stdout)] // a benchmark prints

use mirror::Mirror;
use mirror::batch::Batch;
use mirror::mirror::InitOptions;
use mirror::record::Record;
use mzp::install::{Options, plan};
use mzp::manifest::Manifest;
use mzp::registry::{Registry, key, record};
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

const PACKAGES: usize = 1_000;
const NEEDED: usize = 100;
const RUNS: usize = 20;

/// A package needs the three behind it among those that the project needs.
fn manifest(n: usize, version: usize) -> String {
    let needs: String = (n + 1..NEEDED.min(n + 4)).map(|d| format!("package-{d} = \"^1.2.0\"\n")).collect();
    format!("[package]\nname = \"package-{n}\"\nversion = \"1.{version}.0\"\n[dependencies]\n{needs}")
}

fn fill(dir: &Path) {
    let mirror = Mirror::init(dir, &InitOptions::default()).expect("a mirror");
    let batch = Batch::begin(&mirror, 0).expect("a batch");
    let mut writer = batch.archive().expect("an archive");
    writer.write_all(b"one for all: none is unpacked").expect("bytes");
    let location = writer.finish().expect("an archive").location;
    for n in 0..PACKAGES {
        let mut of = None;
        let mut versions = Vec::new();
        for version in 0..12 {
            let manifest = Manifest::parse(Path::new("mzp.toml"), &manifest(n, version)).expect("a manifest");
            let mut one = record(&manifest);
            one.sha256 = Some(mirror::digest::Hash::of(manifest.name.as_str().as_bytes()));
            one.location = location.clone();
            versions.push(one);
            of = Some(key(&manifest.name));
        }
        let (etag, tags, key) = (String::new(), Vec::new(), of.expect("twelve"));
        batch
            .put(&Record { key, complete: false, checked: 0, etag, modified: 0, tags, versions })
            .expect("put");
    }
    batch.commit(&mut |_| {}).expect("a commit");
}

fn median(name: &str, budget: u32, run: &mut dyn FnMut()) {
    let mut times: Vec<f64> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed().as_secs_f64() * 1000.0
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!("{name}: {:.1} ms (budget {budget})", times[RUNS / 2]);
}

fn main() {
    let dir = tempfile::tempdir().expect("a folder");
    let at = |path: &str| dir.path().join(path);
    fill(&at("mirror"));
    let write = |path: &str, text: &str| {
        std::fs::create_dir_all(at(path).parent().expect("below")).expect("a folder");
        std::fs::write(at(path), text).expect("a file");
    };
    write(
        "game/mzp.toml",
        "[package]\nname = \"game\"\nversion = \"0.1.0\"\n[dependencies]\npackage-0 = \"1\"\n",
    );
    median("resolve", 20, &mut || {
        let registry = Registry::new(vec![at("mirror")], None, Box::new(|_| {}));
        let plan = plan(&at("game"), &registry, &Options::default()).expect("versions that fit");
        assert_eq!(plan.lock.packages.len(), NEEDED);
    });
    // What the compiler would write.
    write("mz", "#!/bin/sh\n[ \"$1\" = --help ] && echo ' -o, --output' && exit\necho main: > main.a80\n");
    std::fs::set_permissions(at("mz"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("a mode");
    write("plain/mzp.toml", "[package]\nname = \"plain\"\nversion = \"0.1.0\"\n");
    let modules: String = (0..50).map(|n| format!("import m{n};\n")).collect();
    write("plain/src/main.minz", &format!("{modules}fun main() -> void {{ m1.f7(); }}\n"));
    for n in 0..50 {
        let functions: String =
            (0..20).map(|f| format!("pub fun f{f}() -> void {{ @print(\"{n} {f}\"); }}\n")).collect();
        write(&format!("plain/src/m{n}.minz"), &functions);
    }
    let pantry = |folder: &str, words: &str| {
        let done = Command::new(env!("CARGO_BIN_EXE_pantry"))
            .args(words.split(' '))
            .env_clear()
            .env("HOME", at("home"))
            .env("PATH", "/usr/bin:/bin")
            .env("MZ", at("mz"))
            .env("PANTRY_MIRROR", at("mirror"))
            .env("PANTRY_SIGNATURES", "off")
            .current_dir(at(folder))
            .output()
            .expect("it starts");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    median("update", 20, &mut || pantry("game", "mzp update --dry-run --offline"));
    pantry("plain", "mzp build");
    median("build, unchanged", 10, &mut || pantry("plain", "mzp build"));
}
