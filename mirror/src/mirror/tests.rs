use super::*;
use crate::batch::Batch;
use crate::batch::tests::{archive, new_mirror, noise};
use crate::commit::seal::write_slot;
use crate::verify::tests::filled;

/// Whatever is where a slot should be: the other one is the mirror, and says why it is.
#[test]
fn a_slot_that_is_none_leaves_the_other() {
    let (_dir, m) = filled();
    let path = m.layout().path(SLOTS[m.chosen()]);
    let kept = std::fs::read(&path).unwrap();
    let other = m.layout().path(SLOTS[1 - m.chosen()]);
    for (what, make) in [
        ("is missing", &(|| {}) as &dyn Fn()),
        ("is not 4,096 bytes long", &|| file::write_scratch(&path, &[b' '; 4097]).unwrap()),
        ("is not 4,096 bytes long", &|| file::write_scratch(&path, &kept[..4095]).unwrap()),
        ("is not a regular file", &|| std::os::unix::fs::symlink(&other, &path).unwrap()),
        ("does not match its checksum", &|| {
            let mut torn = kept.clone();
            torn[0] = b'9';
            file::write_scratch(&path, &torn).unwrap();
        }),
    ] {
        std::fs::remove_file(&path).unwrap();
        make();
        let m = Mirror::open(m.dir()).unwrap();
        assert_eq!(m.sequence(), 2, "{what}");
        assert!(m.fallback().unwrap().contains(what), "{:?}", m.fallback());
        if what == "is missing" {
            file::write_scratch(&path, b"").unwrap();
        }
    }
    // A folder there is no slot either, and one that holds both is no mirror to read.
    for p in [&path, &other] {
        std::fs::remove_file(p).unwrap();
        std::fs::create_dir(p).unwrap();
    }
    assert!(Mirror::open(m.dir()).is_err());
    assert!(matches!(Mirror::open(&m.dir().join("SNP")), Err(Error::NotAMirror { .. })));
    assert!(matches!(Mirror::open(&m.dir().join("nowhere")), Err(Error::NotAMirror { .. })));
}

/// Snapshots that match their hash and are none of this format.
#[test]
fn a_snapshot_that_cannot_be_read_is_named() {
    let opened = |change: &dyn Fn(String) -> String, sequence: u64| {
        let (_dir, m) = new_mirror();
        let text = change(String::from_utf8(m.snapshot().to_bytes()).unwrap());
        let temp = m.dir().join("TMP/by-hand");
        file::write_scratch(&temp, text.as_bytes()).unwrap();
        let hash = Hash::of(text.as_bytes());
        m.layout().place(&temp, Folder::Snapshots, &hash, text.len() as u64).unwrap();
        let root = Root { sequence, snapshot: hash, length: text.len() as u64, signature: None };
        (0..2).for_each(|slot| write_slot(m.layout(), slot, &root).unwrap());
        Mirror::open(m.dir()).map(|m| m.sequence()).map_err(|e| e.to_string())
    };
    assert_eq!(opened(&|t| t.replace("label test", "label other"), 1), Ok(1));
    let said = |change: &dyn Fn(String) -> String, sequence| opened(change, sequence).unwrap_err();
    assert!(said(&|t| t.replace("mirror 1", "mirror 2"), 1).contains("format version 2"));
    assert!(said(&|t| t.replace("label test", "label a b"), 1).contains("line 3 is wrong"));
    assert!(said(&|t| t, 2).contains("its sequence is not the root slot's"));
}

#[test]
fn an_archive_that_is_not_where_its_record_says_is_an_error() {
    let (_dir, m) = filled();
    let found = m.find_archive(&Key::npm("p1"), "1.0.0").unwrap().unwrap();
    assert_eq!(archive(&m, "p1", "1.0.0"), Some(noise(1, 200)));
    let Location::Pack { pack, offset } = found.location else { panic!("{found:?}") };
    let at = |location, size| {
        let v = VersionRecord { location, size, ..found.clone() };
        match m.read_archive("p1", &v) {
            Ok(mut source) => io::copy(&mut source, &mut io::sink()).map_err(|e| e.to_string()),
            Err(e) => Err(e.to_string()),
        }
    };
    assert_eq!(at(Location::Pack { pack, offset }, 200), Ok(200));
    let behind = at(Location::Pack { pack, offset }, 1 << 30).unwrap_err();
    assert!(behind.contains("an archive lies behind its end"), "{behind}");
    let absent = "the archive of p1@1.0.0 is not in the mirror";
    assert_eq!(at(Location::Absent, 200), Err(absent.into()));
    assert_eq!(at(Location::Pack { pack: Hash::of(b"other"), offset }, 200), Err(absent.into()));
    assert_eq!(at(Location::Blob, 200), Err(absent.into()));
}

/// On a medium that shows its names in lower case everything is read, and nothing written.
#[test]
fn a_lower_case_medium_is_only_read() {
    let (dir, _) = filled();
    let mut folders = vec![dir.path().to_path_buf()];
    while let Some(folder) = folders.pop() {
        for e in std::fs::read_dir(folder).unwrap() {
            let path = e.unwrap().path();
            let lower = path.with_file_name(path.file_name().unwrap().to_str().unwrap().to_lowercase());
            std::fs::rename(&path, &lower).unwrap();
            if lower.is_dir() {
                folders.push(lower);
            }
        }
    }
    let m = Mirror::open(dir.path()).unwrap();
    assert_eq!((m.sequence(), m.is_read_only()), (3, true));
    for (name, bytes) in [("p1", noise(1, 200)), ("blob", noise(1, 262_200)), ("parts", noise(2, 300_000))] {
        assert_eq!(archive(&m, name, "1.0.0"), Some(bytes));
    }
    assert!(matches!(Batch::begin(&m, 0), Err(Error::ReadOnly { .. })));
}
