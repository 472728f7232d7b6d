use super::*;
use crate::batch::tests::{archive, new_mirror, nobody, noise, put};
use crate::gc;
use crate::mirror::Prefix;
use crate::record::Key;
use crate::verify::{tests::filled, verify};

pub(super) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for e in std::fs::read_dir(from).unwrap() {
        let p = e.unwrap().path();
        let t = to.join(p.file_name().unwrap());
        if p.is_dir() { copy(&p, &t) } else { _ = std::fs::copy(&p, &t).unwrap() }
    }
}

pub(super) fn whole(m: &Mirror) {
    assert_eq!(verify(m, &mut |_| {}).unwrap().damaged, []);
}

/// Whatever prefix of a commit's operations reached the disk, the mirror is the
/// old or the new one, whole, and takes the next commit.
#[test]
fn any_prefix_of_a_commit_is_the_old_or_the_new_state() {
    let (dir, m) = filled();
    let copies = tempfile::tempdir().unwrap();
    let b = Batch::begin(&m, 0).unwrap();
    put(&b, "new", &[("1.0.0", b"new")]);
    put(&b, "newblob", &[("1.0.0", &noise(77, 300_000))]);
    put(&b, "p3", &[("3.0.0", b"three")]);
    let mut steps = Vec::new();
    b.finish(true, &mut nobody, &mut |step| {
        copy(dir.path(), &copies.path().join(steps.len().to_string()));
        steps.push(step);
    })
    .unwrap();
    assert!(steps.len() >= 8, "{steps:?}");
    let slot = 1 - m.chosen();
    let written = std::fs::read(dir.path().join(SLOTS[slot])).unwrap();
    // The last write may be torn at any place.
    let synced = steps.iter().position(|s| *s == "synced").unwrap();
    for n in [1, 5, 66, 90, 120, 4000] {
        let to = copies.path().join(format!("torn{n}"));
        copy(&copies.path().join(synced.to_string()), &to);
        let mut torn = std::fs::read(to.join(SLOTS[slot])).unwrap();
        torn[..n].copy_from_slice(&written[..n]);
        file::replace_scratch(&to.join(SLOTS[slot]), &torn).unwrap();
    }
    let (mut old, mut new) = (0, 0);
    for e in std::fs::read_dir(copies.path()).unwrap() {
        let dir = e.unwrap().path();
        // A tear in the last bytes of the checksum is none where the old slot's bytes are the same there.
        let whole_slot = std::fs::read(dir.join(SLOTS[slot])).unwrap() == written;
        let m = Mirror::open(&dir).unwrap();
        assert_eq!(m.sequence(), if whole_slot { 4 } else { 3 });
        match m.sequence() {
            3 => {
                old += 1;
                assert!(m.lookup(&Key::npm("new")).unwrap().is_none());
                assert_eq!(archive(&m, "p3", "3.0.0"), None);
            }
            4 => {
                new += 1;
                assert_eq!(archive(&m, "new", "1.0.0"), Some(b"new".to_vec()));
                assert_eq!(archive(&m, "newblob", "1.0.0"), Some(noise(77, 300_000)));
                whole(&m);
            }
            n => panic!("{n}"),
        }
        assert_eq!(archive(&m, "p3", "2.0.0"), Some(b"two".to_vec()));
        // The same again, from what is there.
        let b = Batch::begin(&m, 0).unwrap();
        put(&b, "new", &[("1.0.0", b"new")]);
        put(&b, "newblob", &[("1.0.0", &noise(77, 300_000))]);
        put(&b, "p3", &[("3.0.0", b"three")]);
        b.commit(&mut nobody).unwrap();
        let m = m.refresh().unwrap();
        assert_eq!(m.sequence(), 4);
        assert_eq!(archive(&m, "newblob", "1.0.0"), Some(noise(77, 300_000)));
        whole(&m);
        assert_eq!(std::fs::read_dir(m.dir().join("TMP")).unwrap().count(), 0);
    }
    // New: at least after the last step, and where the torn write held the whole line.
    assert!(new >= 3 && old >= 8, "{new} {old}");
}

#[test]
fn a_damaged_snapshot_falls_back_to_the_other_slot() {
    let (_dir, m) = filled();
    let newest = m.snapshot_file();
    let (_, path) = m.layout().need(Folder::Snapshots, &newest.hash, newest.bytes).unwrap();
    for damage in [true, false] {
        if damage {
            let mut bytes = std::fs::read(&path).unwrap();
            bytes[100] ^= 1;
            file::replace_scratch(&path, &bytes).unwrap();
        } else {
            std::fs::remove_file(&path).unwrap();
        }
        let m = Mirror::open(m.dir()).unwrap();
        assert_eq!(m.sequence(), 2);
        assert!(m.fallback().is_some());
        assert_eq!(archive(&m, "p3", "1.0.0"), Some(noise(3, 200)));
    }
    let b = Batch::begin(&m, 0).unwrap();
    put(&b, "after", &[("1.0.0", b"x")]);
    b.commit(&mut nobody).unwrap();
    let m = Mirror::open(m.dir()).unwrap();
    assert_eq!((m.sequence(), m.fallback()), (3, None));
    whole(&m);
}

#[test]
fn opening_and_reading_writes_nothing() {
    let (dir, m) = filled();
    let list = |dir: &Path| {
        let mut all = vec![];
        let mut todo = vec![dir.to_path_buf()];
        while let Some(d) = todo.pop() {
            let meta = std::fs::metadata(&d).unwrap();
            all.push((d.clone(), meta.modified().unwrap(), meta.len()));
            if meta.is_dir() {
                todo.extend(std::fs::read_dir(&d).unwrap().map(|e| e.unwrap().path()));
            }
        }
        all.sort();
        all
    };
    let before = list(dir.path());
    let m = Mirror::open(m.dir()).unwrap();
    archive(&m, "blob", "1.0.0");
    archive(&m, "p1", "1.0.0");
    m.for_each(Prefix::All, &mut |_| Ok(())).unwrap();
    whole(&m);
    assert_eq!(gc::plan(&m).unwrap().deltas, 1);
    assert_eq!(list(dir.path()), before);
}

#[test]
fn deltas_stay_few_and_the_newest_wins() {
    let (_dir, m) = new_mirror();
    for i in 0..40u64 {
        let b = Batch::begin(&m, 0).unwrap();
        put(&b, &format!("p{}", i % 7), &[(&format!("1.0.{i}"), format!("{i}").as_bytes())]);
        if i % 2 == 0 { b.commit(&mut nobody) } else { b.commit_relaxed(&mut nobody) }.unwrap();
        let m = m.refresh().unwrap();
        assert!(m.levels().len() <= MAX_DELTAS + 1);
    }
    let m = m.refresh().unwrap();
    for i in 0..40u64 {
        let expected = i.to_string().into_bytes();
        assert_eq!(archive(&m, &format!("p{}", i % 7), &format!("1.0.{i}")), Some(expected));
    }
    whole(&m);
}

#[test]
fn two_batches_at_once_both_come_in() {
    let (_dir, m) = new_mirror();
    let (a, b) = (Batch::begin(&m, 0).unwrap(), Batch::begin(&m, 0).unwrap());
    put(&a, "shared", &[("1.0.0", b"one")]);
    put(&b, "shared", &[("2.0.0", b"two")]);
    let mut waited = 0;
    std::thread::scope(|s| {
        let first = s.spawn(|| a.commit(&mut |_| {}).unwrap());
        b.commit(&mut |_| waited += 1).unwrap();
        first.join().unwrap();
    });
    assert!(waited <= 1);
    let m = m.refresh().unwrap();
    assert_eq!(m.sequence(), 3);
    assert_eq!(archive(&m, "shared", "1.0.0"), Some(b"one".to_vec()));
    assert_eq!(archive(&m, "shared", "2.0.0"), Some(b"two".to_vec()));
}

#[test]
fn the_same_inputs_give_the_same_files() {
    let names = || {
        let (dir, m) = filled();
        let mut all = vec![];
        for f in ["SNP", "SEG", "PAK"] {
            all.extend(std::fs::read_dir(dir.path().join(f)).unwrap().map(|e| e.unwrap().file_name()));
        }
        all.sort();
        (all, std::fs::read(m.dir().join("ROOT.A")).unwrap())
    };
    assert_eq!(names(), names());
}
