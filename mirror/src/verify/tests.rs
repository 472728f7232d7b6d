use super::*;
use crate::batch::tests::{new_mirror, nobody, put};
use crate::batch::{self, Batch};

fn noise(seed: u32, len: usize) -> Vec<u8> {
    batch::tests::noise(seed, len)
}

/// Two commits: packs, a blob, a blob in parts, two levels.
pub(crate) fn filled() -> (tempfile::TempDir, Mirror) {
    let (dir, m) = new_mirror();
    let mut b = Batch::begin(&m, 0).unwrap();
    b.part = 270_000;
    b.set_date(2);
    for i in 0..30 {
        put(&b, &format!("p{i}"), &[("1.0.0", &noise(i, 200)), ("1.1.0", &noise(i + 100, 50))]);
    }
    put(&b, "blob", &[("1.0.0", &noise(1, 262_200))]);
    put(&b, "parts", &[("1.0.0", &noise(2, 300_000))]);
    b.commit(&mut nobody).unwrap();
    let b = Batch::begin(&m, 0).unwrap();
    b.set_date(3);
    put(&b, "p3", &[("2.0.0", b"two")]);
    b.commit(&mut nobody).unwrap();
    let m = m.refresh().unwrap();
    (dir, m)
}

#[test]
fn a_whole_mirror_is_whole() {
    let (_dir, m) = filled();
    let mut last = 0;
    let r = verify(&m, &mut |p| {
        assert!(p.bytes > last);
        last = p.bytes;
    })
    .unwrap();
    assert_eq!(r.damaged, []);
    assert_eq!((r.records, r.archives), (32, 63));
    assert!(r.bytes > 560_000 && r.files > 9, "{r:?}");
}

/// Flips bits all over every file but the locks; each one is found.
#[test]
fn flipped_bits_are_found() {
    let (dir, m) = filled();
    let mut files = vec![];
    let mut folders = vec![dir.path().to_path_buf()];
    while let Some(d) = folders.pop() {
        for e in std::fs::read_dir(d).unwrap() {
            let p = e.unwrap().path();
            if p.is_dir() { folders.push(p) } else { files.push(p) }
        }
    }
    // Old state: the first snapshot is referred to by no slot any more.
    let orphan = |p: &Path| {
        p.parent().unwrap().ends_with("SNP")
            && std::fs::read(p).unwrap().starts_with(b"pantry-mirror 1\n")
            && {
                let text = std::fs::read_to_string(p).unwrap();
                text.contains("\nsequence 1\n")
            }
    };
    files.retain(|p| !p.ends_with("LOCK") && !p.ends_with("PIN") && !orphan(p));
    assert!(files.len() >= 10, "{files:?}");
    let m2 = m;
    for path in files {
        let bytes = std::fs::read(&path).unwrap();
        let bits = bytes.len() * 8;
        let step = (bits / 40).max(1);
        for bit in (0..bits).step_by(step).chain([bits - 1]) {
            let mut b = bytes.clone();
            b[bit / 8] ^= 1 << (bit % 8);
            file::replace_scratch(&path, &b).unwrap();
            // A fresh look, as a new process has: what is open stays as it was.
            match Mirror::open(m2.dir()) {
                Ok(m) => {
                    let r = verify(&m, &mut |_| {}).unwrap();
                    assert!(!r.damaged.is_empty(), "{} bit {bit}", path.display());
                }
                Err(e) => panic!("{} bit {bit}: {e}", path.display()),
            }
        }
        file::replace_scratch(&path, &bytes).unwrap();
    }
    let m = Mirror::open(m2.dir()).unwrap();
    assert_eq!(verify(&m, &mut |_| {}).unwrap().damaged, []);
}

#[test]
fn missing_files_links_and_pipes_are_found_without_hanging() {
    let (_dir, m) = filled();
    let packs: Vec<_> = std::fs::read_dir(m.dir().join("PAK")).unwrap().map(|e| e.unwrap().path()).collect();
    std::fs::remove_file(&packs[0]).unwrap();
    let found = |m: &Mirror| verify(m, &mut |_| {}).unwrap().damaged;
    assert!(found(&Mirror::open(m.dir()).unwrap()).iter().any(|d| d.path == packs[0]));
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &packs[0], rustix::fs::FileType::Fifo, mode, 0).unwrap();
    assert!(found(&Mirror::open(m.dir()).unwrap()).iter().any(|d| d.what.contains("regular")));
    std::fs::remove_file(&packs[0]).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", &packs[0]).unwrap();
    assert!(found(&Mirror::open(m.dir()).unwrap()).iter().any(|d| d.what.contains("regular")));
}
