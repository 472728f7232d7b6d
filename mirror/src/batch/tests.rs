use super::*;
use crate::mirror::{InitOptions, Prefix};
use crate::record::VersionRecord;
use std::io::Read;

pub(crate) fn new_mirror() -> (tempfile::TempDir, Mirror) {
    let dir = tempfile::tempdir().unwrap();
    let m = Mirror::init(
        dir.path(),
        &InitOptions { label: "test".into(), id: Some([7; 16]), date: Some(1), signer: None },
    )
    .unwrap();
    (dir, m)
}

pub(crate) fn nobody(who: &str) {
    panic!("waited for {who}");
}

/// A record with one present version for each archive.
pub(crate) fn put(batch: &Batch, name: &str, archives: &[(&str, &[u8])]) {
    let mut versions: Vec<VersionRecord> = archives
        .iter()
        .map(|(version, bytes)| {
            let mut w = batch.archive().unwrap();
            for chunk in bytes.chunks(100_000) {
                w.write_all(chunk).unwrap();
            }
            let stored = w.finish().unwrap();
            assert_eq!(stored.sha256, Hash::of(bytes));
            let mut v = VersionRecord::new(Version::parse(version).unwrap());
            (v.sha256, v.size, v.location) = (Some(stored.sha256), stored.size, stored.location);
            v.integrity = Some(stored.sha256.into());
            v
        })
        .collect();
    versions.sort_by(|a, b| a.version.cmp(&b.version));
    batch
        .put(&Record {
            key: Key::npm(name),
            complete: false,
            checked: 1,
            etag: String::new(),
            modified: 0,
            tags: vec![],
            versions,
        })
        .unwrap();
}

pub(crate) fn archive(m: &Mirror, name: &str, version: &str) -> Option<Vec<u8>> {
    let v = m.find_archive(&Key::npm(name), version).unwrap()?;
    let mut out = Vec::new();
    let mut s = m.read_archive(name, &v).unwrap();
    s.read_to_end(&mut out).unwrap();
    assert_eq!(s.len(), out.len() as u64);
    Some(out)
}

pub(crate) fn noise(seed: u32, len: usize) -> Vec<u8> {
    let mut x = seed | 1;
    (0..len)
        .map(|_| {
            x ^= x << 13;
            x ^= x >> 17;
            x ^= x << 5;
            x as u8
        })
        .collect()
}

#[test]
fn packs_blobs_and_blobs_in_parts() {
    let (_dir, m) = new_mirror();
    let mut b = Batch::begin(&m, 1000).unwrap();
    b.part = 300_000;
    let (small, big, huge) = (noise(1, 5000), noise(2, 280_000), noise(3, 1_000_000));
    put(&b, "small", &[("1.0.0", &small), ("2.0.0", b"")]);
    put(&b, "big", &[("1.0.0", &big)]);
    put(&b, "huge", &[("1.0.0", &huge), ("1.0.1", &huge)]);
    let report = b.commit(&mut nobody).unwrap();
    assert_eq!((report.sequence, report.records), (2, 3));
    assert_eq!(m.sequence(), 1);
    assert!(m.lookup(&Key::npm("small")).unwrap().is_none());
    let m = m.refresh().unwrap();
    assert_eq!(m.sequence(), 2);
    assert_eq!(archive(&m, "small", "1.0.0"), Some(small));
    assert_eq!(archive(&m, "small", "2.0.0"), Some(vec![]));
    assert_eq!(archive(&m, "big", "1.0.0"), Some(big));
    assert_eq!(archive(&m, "huge", "1.0.0").as_ref(), Some(&huge));
    assert_eq!(archive(&m, "huge", "1.0.1"), Some(huge));
    assert_eq!(archive(&m, "huge", "1.0.2"), None);
    assert_eq!((m.snapshot().packs.len(), m.snapshot().blobs.as_ref().unwrap().1), (1, 2));
    assert_eq!(std::fs::read_dir(m.dir().join("TMP")).unwrap().count(), 0);
    let mut names = Vec::new();
    m.for_each(Prefix::All, &mut |v| {
        names.push(v.key().name.clone());
        Ok(())
    })
    .unwrap();
    assert_eq!(names, ["big", "huge", "small"]);
}

#[test]
fn the_same_again_changes_nothing() {
    let (_dir, m) = new_mirror();
    for expected in [2, 2, 2] {
        let b = Batch::begin(&m, 0).unwrap();
        put(&b, "a", &[("1.0.0", b"x")]);
        put(&b, "big", &[("1.0.0", &noise(2, 280_000))]);
        assert_eq!(b.commit(&mut nobody).unwrap().sequence, expected);
    }
    assert_eq!(std::fs::read_dir(m.dir().join("PAK")).unwrap().count(), 1);
}

#[test]
fn two_hashes_for_one_version_are_refused() {
    let (_dir, m) = new_mirror();
    let b = Batch::begin(&m, 0).unwrap();
    put(&b, "a", &[("1.0.0", b"x")]);
    b.commit(&mut nobody).unwrap();
    let b = Batch::begin(&m, 0).unwrap();
    put(&b, "a", &[("1.0.0", b"y")]);
    put(&b, "b", &[("1.0.0", b"z")]);
    match b.commit(&mut nobody) {
        Err(Error::Conflict(c)) => assert_eq!((c.key.name.as_str(), c.version.as_str()), ("a", "1.0.0")),
        other => panic!("{other:?}"),
    }
    let m = m.refresh().unwrap();
    assert_eq!(m.sequence(), 2);
    assert_eq!(archive(&m, "a", "1.0.0"), Some(b"x".to_vec()));
    assert!(m.lookup(&Key::npm("b")).unwrap().is_none());
    assert_eq!(std::fs::read_dir(m.dir().join("TMP")).unwrap().count(), 0);
}

#[test]
fn removed_stays_removed_until_it_is_put_again() {
    let (_dir, m) = new_mirror();
    let b = Batch::begin(&m, 0).unwrap();
    put(&b, "a", &[("1.0.0", b"x"), ("2.0.0", b"y")]);
    put(&b, "b", &[("1.0.0", b"z")]);
    b.commit(&mut nobody).unwrap();
    let b = Batch::begin(&m, 0).unwrap();
    b.remove(&Key::npm("a"), Some(&Version::new(1, 0, 0)));
    b.remove(&Key::npm("b"), None);
    b.commit(&mut nobody).unwrap();
    let m = m.refresh().unwrap();
    assert_eq!(archive(&m, "a", "1.0.0"), None);
    assert_eq!(archive(&m, "a", "2.0.0"), Some(b"y".to_vec()));
    assert!(m.lookup(&Key::npm("b")).unwrap().is_none());
    assert!(m.snapshot().is_excluded(&Key::npm("b"), Some("1.0.0")));
    assert!(m.snapshot().is_excluded(&Key::npm("a"), Some("1.0.0")));
    assert!(!m.snapshot().is_excluded(&Key::npm("a"), Some("2.0.0")));
    let b = Batch::begin(&m, 0).unwrap();
    put(&b, "a", &[("1.0.0", b"x")]);
    b.commit(&mut nobody).unwrap();
    let m = m.refresh().unwrap();
    assert_eq!(archive(&m, "a", "1.0.0"), Some(b"x".to_vec()));
    assert_eq!(m.snapshot().exclusions.len(), 1);
}

#[test]
fn an_abandoned_batch_takes_along_what_dead_ones_left() {
    let (_dir, m) = new_mirror();
    for name in ["TMP/KILLED77.LCK", "TMP/KILLED88"] {
        file::replace_scratch(&m.dir().join(name), b"x").unwrap();
    }
    let alive = Batch::begin(&m, 0).unwrap();
    Batch::begin(&m, 0).unwrap().abandon();
    let left = || std::fs::read_dir(m.dir().join("TMP")).unwrap().count();
    assert_eq!(left(), 2, "the living one's folder and guard");
    alive.abandon();
    assert_eq!(left(), 0);
}

#[test]
fn a_dropped_batch_leaves_the_old_state_and_garbage_that_goes() {
    let (_dir, m) = new_mirror();
    let b = Batch::begin(&m, 0).unwrap();
    put(&b, "a", &[("1.0.0", &noise(5, 300_000))]);
    drop(b);
    assert_eq!(std::fs::read_dir(m.dir().join("TMP")).unwrap().count(), 0);
    // As a killed process leaves it: the folder stays, its lock is free.
    std::fs::create_dir(m.dir().join("TMP/KILLED77")).unwrap();
    file::replace_scratch(&m.dir().join("TMP/KILLED77/B1"), b"half").unwrap();
    file::replace_scratch(&m.dir().join("TMP/KILLED77.LCK"), b"process 1").unwrap();
    assert_eq!(std::fs::read_dir(m.dir().join("TMP")).unwrap().count(), 2);
    let alive = Batch::begin(&m, 0).unwrap();
    put(&alive, "alive", &[("1.0.0", &noise(6, 300_000))]);
    let b = Batch::begin(&m, 0).unwrap();
    put(&b, "b", &[("1.0.0", b"x")]);
    b.commit(&mut nobody).unwrap();
    assert_eq!(std::fs::read_dir(m.dir().join("TMP")).unwrap().count(), 2);
    alive.commit(&mut nobody).unwrap();
    let m = m.refresh().unwrap();
    assert!(m.lookup(&Key::npm("a")).unwrap().is_none());
    assert!(archive(&m, "alive", "1.0.0").is_some() && archive(&m, "b", "1.0.0").is_some());
    assert_eq!(std::fs::read_dir(m.dir().join("TMP")).unwrap().count(), 0);
}

#[test]
fn too_little_space_is_said_before_anything_is_written() {
    let (_dir, m) = new_mirror();
    assert!(matches!(Batch::begin(&m, u64::MAX), Err(Error::NoSpace { needed: u64::MAX, .. })));
    assert_eq!(std::fs::read_dir(m.dir().join("TMP")).unwrap().count(), 0);
}

/// What a resolver keeps of a package's record lies in the batch's file when it is long, and says the same.
#[test]
fn views_are_kept_and_many_records_go_through_the_file() {
    let (_dir, m) = new_mirror();
    assert_eq!(format!("{m:?}"), format!("Mirror({}, 1)", m.dir().display()));
    let b = Batch::begin(&m, 0).unwrap();
    b.set_label("kept");
    let record = |name: &str, versions: u64| {
        let version = |n| VersionRecord {
            tarball: Some(format!("https://example.com/{name}-{n}.tgz")),
            ..VersionRecord::new(Version::new(n, 0, 0))
        };
        let (key, etag, tags) = (Key::npm(name), "e".to_string(), vec![]);
        let versions = (0..versions).map(version).collect();
        let r = Record { key, complete: true, checked: 1, etag, modified: 0, tags, versions };
        let mut bytes = Vec::new();
        r.encode(&mut bytes).unwrap();
        (r, RecordView::parse(bytes.into()).unwrap())
    };
    let mut sizes = 0;
    for (name, versions) in [("short", 2), ("long", 200), ("longer", 3000)] {
        let (r, mut view) = record(name, versions);
        sizes += view.to_bytes().unwrap().len();
        b.keep_view(&mut view).unwrap();
        // Kept twice: the details are in the file already.
        b.keep_view(&mut view).unwrap();
        assert_eq!(view.to_record().unwrap(), r);
        assert_eq!(view.load(1).unwrap(), r.versions[1]);
        assert_eq!(Record::decode(&view.to_bytes().unwrap()).unwrap(), r);
        assert_eq!(format!("{view:?}"), format!("RecordView({:?}, {versions} versions)", r.key));
    }
    // More than is held in memory before it goes to the file.
    assert!(sizes > SPOOLED);
    for i in 0..40 {
        b.put_view(&record(&format!("p{i}"), 100).1).unwrap();
    }
    b.commit(&mut nobody).unwrap();
    let m = m.refresh().unwrap();
    assert_eq!(m.snapshot().label, "kept");
    for (name, versions) in [("short", 2), ("long", 200), ("longer", 3000), ("p0", 100), ("p39", 100)] {
        let found = m.lookup(&Key::npm(name)).unwrap().unwrap();
        assert_eq!(found.to_record().unwrap(), record(name, versions).0, "{name}");
    }
}

/// Room in a pack ends with 32 MiB; the next archive opens another.
#[test]
fn a_full_pack_is_closed() {
    let (_dir, m) = new_mirror();
    let b = Batch::begin(&m, 0).unwrap();
    let archives: Vec<Vec<u8>> = (0..132).map(|i| vec![i as u8; PACKED_BELOW as usize - 1]).collect();
    for (i, bytes) in archives.iter().enumerate() {
        put(&b, &format!("p{i}"), &[("1.0.0", bytes)]);
    }
    b.commit(&mut nobody).unwrap();
    let m = m.refresh().unwrap();
    assert_eq!(m.snapshot().packs.len(), 2);
    assert!(m.snapshot().packs.iter().all(|p| p.bytes <= crate::pack::MAX_PACK));
    for i in [0, 126, 127, 128, 131] {
        assert_eq!(archive(&m, &format!("p{i}"), "1.0.0").as_ref(), Some(&archives[i]), "{i}");
    }
}
