//! An archive larger than the memory that reading it may take: added, verified, installed and exported again.
//!
//! `make test` takes 60 MB, `make test-full` (`PANTRY_TEST_FULL=1`) 300 MB; the bound on memory is the same, so whoever
//! holds an archive in memory fails with either.

#![allow(clippy::disallowed_methods)] // a test

mod support;

use std::fs::{self, File};
use std::io::{self, BufWriter, Read};
use std::path::Path;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use nix::sys::resource::{UsageWho, getrusage};
use sha2::{Digest, Sha256};
use support::process::{self, Run};

/// The most memory a command may have had resident, in KiB.
const MOST: i64 = 40_000;

/// Bytes that nothing can compress.
struct Noise(u64);

impl Read for Noise {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        for chunk in buffer.chunks_mut(8) {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            chunk.copy_from_slice(&self.0.to_le_bytes()[..chunk.len()]);
        }
        Ok(buffer.len())
    }
}

fn entry(tar: &mut tar::Builder<impl io::Write>, name: &str, size: u64, content: impl Read) {
    let mut header = tar::Header::new_ustar();
    header.set_size(size);
    header.set_mode(0o644);
    tar.append_data(&mut header, name, content.take(size)).expect("writes an entry");
}

/// Most of it in one file, a tenth in small ones.
fn write_archive(path: &Path, bytes: u64) {
    let out = BufWriter::new(File::create(path).expect("creates the archive"));
    let mut tar = tar::Builder::new(GzEncoder::new(out, Compression::none()));
    let manifest: &[u8] = br#"{"name": "large", "version": "1.0.0"}"#;
    entry(&mut tar, "package/package.json", manifest.len() as u64, manifest);
    let mut noise = Noise(0x9E37_79B9_7F4A_7C15);
    entry(&mut tar, "package/large.bin", bytes / 10 * 9, &mut noise);
    for n in 0..10 {
        entry(&mut tar, &format!("package/small/{n}.bin"), bytes / 100, &mut noise);
    }
    tar.into_inner()
        .and_then(GzEncoder::finish)
        .and_then(|mut out| io::Write::flush(&mut out))
        .expect("ends");
}

fn sha256(path: &Path) -> Vec<u8> {
    let mut hasher = Sha256::new();
    let mut file = File::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer).expect("reads") {
            0 => return hasher.finalize().to_vec(),
            n => hasher.update(&buffer[..n]),
        }
    }
}

/// Runs `pantry` in `dir`, which must succeed within [`MOST`]. The kernel keeps the peak of all processes so far
/// (and counts what this one had when it started them).
fn pantry(dir: &Path, args: &[&str]) {
    let mut argv = vec![process::pantry().into()];
    argv.extend(args.iter().map(Into::into));
    let at = |name: &str| dir.join(name).to_string_lossy().into_owned();
    let env = vec![
        ("HOME".to_owned(), at("home")),
        ("PANTRY_HOME".into(), at("home/pantry")),
        ("TMPDIR".into(), at("tmp")),
        ("PANTRY_CONCURRENCY".into(), "2".into()),
    ];
    let run = Run { argv, env, cwd: dir.join("work"), stdin: Vec::new(), limit: Duration::from_secs(600) };
    let out = run.run().expect("ends");
    let said = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status, 0, "{args:?}: {said}");
    let most = getrusage(UsageWho::RUSAGE_CHILDREN).expect("what they used").max_rss();
    support::say(&format!(
        "large archive: {} {}: {most} KiB in {:.1} s",
        args[0],
        args[1],
        out.took.as_secs_f64()
    ));
    assert!(most > 0, "{args:?}: its memory was not seen");
    assert!(most < MOST, "{args:?}: {most} KiB resident");
}

#[test]
fn goes_through_in_little_memory() {
    let bytes = if std::env::var_os("PANTRY_TEST_FULL").is_some() { 300_000_000 } else { 60_000_000 };
    let base = tempfile::tempdir().expect("a directory");
    let dir = base.path();
    for name in ["work", "home", "tmp"] {
        fs::create_dir(dir.join(name)).expect("makes directories");
    }
    let archive = dir.join("large.tgz");
    write_archive(&archive, bytes);
    assert!(fs::metadata(&archive).expect("is there").len() > bytes);
    let wanted = sha256(&archive);

    pantry(dir, &["mirror", "init", "../mirror"]);
    pantry(dir, &["mirror", "add", "--mirror", "../mirror", "../large.tgz"]);
    fs::remove_file(&archive).expect("removes the original");
    pantry(dir, &["mirror", "verify", "../mirror"]);
    pantry(dir, &["mirror", "export", "--as", "tgz-dir", "--mirror", "../mirror", "../out"]);
    let exported: Vec<_> = fs::read_dir(dir.join("out"))
        .expect("a folder")
        .map(|e| e.expect("an entry").path())
        .filter(|p| p.extension().is_some_and(|e| e == "tgz"))
        .collect();
    assert_eq!(exported.len(), 1, "{exported:?}");
    assert!(sha256(&exported[0]) == wanted, "exported otherwise than it was added");
    fs::remove_dir_all(dir.join("out")).expect("removes what was exported");

    fs::write(dir.join("work/package.json"), r#"{"dependencies": {"large": "1.0.0"}}"#).expect("writes");
    pantry(dir, &["install", "--offline", "--mirror", "../mirror"]);
    let installed = fs::metadata(dir.join("work/node_modules/large/large.bin")).expect("is installed");
    assert_eq!(installed.len(), bytes / 10 * 9);
}
