use super::*;
use crate::batch::tests::{archive, new_mirror, nobody, noise, put};
use crate::gc;
use crate::layout::SLOTS;
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
    b.finish(true, None, &mut nobody, &mut |step| {
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
        // The same again, from what is there. A number that was on its way to a torn slot is not used.
        let next = 4 + u64::from(m.is_behind());
        let b = Batch::begin(&m, 0).unwrap();
        put(&b, "new", &[("1.0.0", b"new")]);
        put(&b, "newblob", &[("1.0.0", &noise(77, 300_000))]);
        put(&b, "p3", &[("3.0.0", b"three")]);
        b.commit(&mut nobody).unwrap();
        let m = m.refresh().unwrap();
        assert_eq!(m.sequence(), next);
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
    // Not 3: somebody may have seen that.
    assert_eq!((m.sequence(), m.fallback()), (4, None));
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

#[test]
fn a_delta_takes_in_what_is_not_much_larger_and_what_is_too_much() {
    let growing = |n: u32| (0..n).map(|i| 1000 * 3u64.pow(i)).collect::<Vec<_>>();
    let most = MAX_DELTAS as u32;
    let cases = [
        (vec![], 10, 0),
        (vec![100], 50, 1),
        (vec![100], 49, 0),
        // What was taken in makes it larger.
        (vec![10, 40, 120, 400], 10, 3),
        (vec![10, 60], 10, 1),
        (vec![1000, 10], 10, 0),
        (growing(most), 1, 0),
        (growing(most + 1), 1, 1),
        (growing(most + 2), 1, 2),
    ];
    for (levels, size, merged) in cases {
        assert_eq!(to_merge(levels.clone(), size), merged, "{size} onto {levels:?}");
    }
    // As large a commit as the mirror leaves one level, a small one does not rewrite it.
    let (_dir, m) = new_mirror();
    for (count, levels) in [(9, 1), (200, 1), (1, 2)] {
        let b = Batch::begin(&m, 0).unwrap();
        (0..count).for_each(|i| put(&b, &format!("p{count}-{i}"), &[("1.0.0", b"x")]));
        b.commit(&mut nobody).unwrap();
        assert_eq!(m.refresh().unwrap().levels().len(), levels, "{count}");
    }
}

fn load(m: &Mirror, name: &str) -> VersionRecord {
    m.lookup(&Key::npm(name)).unwrap().unwrap().load(0).unwrap()
}

fn put_as(b: &Batch, name: &str, v: VersionRecord) {
    let key = Key::npm(name);
    let (etag, tags, versions) = (String::new(), vec![], vec![v]);
    b.put(&crate::record::Record { key, complete: false, checked: 1, etag, modified: 0, tags, versions })
        .unwrap();
}

/// Where a record says that its archive lies counts only where it does lie there.
#[test]
fn a_place_in_another_mirror_is_none_here() {
    let (_theirs, from) = filled();
    let (_ours, to) = new_mirror();
    let b = Batch::begin(&to, 0).unwrap();
    put_as(&b, "packed", load(&from, "p1"));
    put_as(&b, "blob", load(&from, "blob"));
    b.commit(&mut nobody).unwrap();
    let to = to.refresh().unwrap();
    for name in ["packed", "blob"] {
        assert_eq!(load(&to, name).location, Location::Absent);
        assert_eq!(archive(&to, name, "1.0.0"), None);
    }
    whole(&to);
    // The same bytes under another name, where they are.
    let b = Batch::begin(&from, 0).unwrap();
    put_as(&b, "again", load(&from, "p1"));
    b.commit(&mut nobody).unwrap();
    let from = from.refresh().unwrap();
    assert_eq!(archive(&from, "again", "1.0.0"), Some(noise(1, 200)));
    whole(&from);
}

/// A large record that a relaxed commit stored as it is, the next thorough one deflates; deflated ones stay so.
#[test]
fn large_records_are_deflated_once() {
    let (_dir, m) = new_mirror();
    let segments = || -> u64 { m.refresh().unwrap().snapshot().segments.iter().map(|s| s.file.bytes).sum() };
    let commit = |name: &str, size: usize, compress: bool| {
        let b = Batch::begin(&m, 0).unwrap();
        let mut v = VersionRecord::new(crate::version::Version::new(1, 0, 0));
        v.tarball = Some("https://example.com/".to_string() + &"long/".repeat(size));
        put_as(&b, name, v);
        if compress { b.commit(&mut nobody) } else { b.commit_relaxed(&mut nobody) }.unwrap();
        assert_eq!(m.refresh().unwrap().levels().len(), 1, "it is merged with what was there");
    };
    commit("large", 4000, false);
    assert!(segments() > 20_000);
    commit("second", 16_000, true);
    let deflated = segments();
    assert!(deflated < 5_000, "{deflated}");
    commit("third", 1000, false);
    assert!(segments() < deflated + 10_000, "{}", segments());
    whole(&m.refresh().unwrap());
}

#[test]
fn the_blob_list_names_parts_only_where_there_are_some_and_goes_with_the_last_blob() {
    let (_dir, m) = filled();
    let (list, _) = m.snapshot().blobs.unwrap();
    let (_, path) = m.layout().need(Folder::Snapshots, &list.hash, list.bytes).unwrap();
    let text = std::fs::read_to_string(path).unwrap();
    let mut fields: Vec<usize> = text.lines().map(|l| l.split(' ').count()).collect();
    fields.sort_unstable();
    assert_eq!(fields, [2, 6], "{text}");
    let b = Batch::begin(&m, 0).unwrap();
    b.remove(&Key::npm("blob"), None);
    b.remove(&Key::npm("parts"), None);
    b.commit(&mut nobody).unwrap();
    let m = m.refresh().unwrap();
    let dead: HashSet<Hash> = gc::plan(&m).unwrap().blobs.into_iter().collect();
    assert_eq!(dead.len(), 2);
    let temporary = m.dir().join("TMP/by-hand");
    std::fs::create_dir(&temporary).unwrap();
    let drop = Dropping { blobs: dead, ..Dropping::default() };
    // The snapshot alone.
    assert_eq!(rewrite(&temporary, &m, &drop, false).unwrap().files, 1);
    let m = m.refresh().unwrap();
    assert_eq!(m.snapshot().blobs, None);
    whole(&m);
}

/// A slot that something has made longer or shorter is broken, and whole again when it is its turn.
#[test]
fn a_slot_of_a_wrong_length_is_mended_by_the_next_commit() {
    for len in [0, 5000] {
        let (_dir, m) = filled();
        let path = m.dir().join(SLOTS[1 - m.chosen()]);
        file::replace_scratch(&path, &vec![b' '; len]).unwrap();
        assert_eq!(Mirror::open(m.dir()).unwrap().sequence(), 3);
        let b = Batch::begin(&m, 0).unwrap();
        put(&b, "after", &[("1.0.0", b"x")]);
        b.commit(&mut nobody).unwrap();
        let m = Mirror::open(m.dir()).unwrap();
        assert_eq!((m.sequence(), m.fallback()), (5, None), "{len}");
        whole(&m);
    }
}
