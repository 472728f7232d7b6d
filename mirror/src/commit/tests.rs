use super::*;
use crate::batch::tests::{archive, new_mirror, nobody, noise, put};
use crate::gc;
use crate::mirror::Prefix;
use crate::record::Key;
use crate::verify::{tests::filled, verify};
use crate::version::Version;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for e in std::fs::read_dir(from).unwrap() {
        let p = e.unwrap().path();
        let t = to.join(p.file_name().unwrap());
        if p.is_dir() { copy(&p, &t) } else { _ = std::fs::copy(&p, &t).unwrap() }
    }
}

fn whole(m: &Mirror) {
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

#[derive(Debug, Clone)]
enum Op {
    Put(u8, u8),
    Absent(u8, u8),
    Remove(u8, Option<u8>),
    Commit,
    Relaxed,
    Abandon,
    Gc,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (0u8..6, 0u8..4).prop_map(|(n, v)| Op::Put(n, v)),
        2 => (0u8..6, 0u8..4).prop_map(|(n, v)| Op::Absent(n, v)),
        2 => (0u8..6, proptest::option::of(0u8..4)).prop_map(|(n, v)| Op::Remove(n, v)),
        3 => Just(Op::Commit),
        1 => Just(Op::Relaxed),
        1 => Just(Op::Abandon),
        1 => Just(Op::Gc),
    ]
}

/// name → version → whether its archive is here.
type Model = BTreeMap<u8, BTreeMap<u8, bool>>;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Any sequence of changes, commits and clean-ups says what a map says.
    #[test]
    fn behaves_like_a_map(ops in proptest::collection::vec(op(), 1..40)) {
        let (_dir, m) = new_mirror();
        let mut model = Model::new();
        let mut pending = model.clone();
        let mut batch = Batch::begin(&m, 0).unwrap();
        let content = |n: u8, v: u8| if n == 5 { noise(u32::from(v) + 1, 263_000) } else { vec![n, v] };
        for op in ops.into_iter().chain([Op::Commit, Op::Gc]) {
            let commit = matches!(op, Op::Commit);
            match op {
                Op::Put(n, v) => {
                    put(&batch, &format!("p{n}"), &[(&format!("{v}.0.0"), &content(n, v))]);
                    pending.entry(n).or_default().insert(v, true);
                }
                Op::Absent(n, v) => {
                    let mut r = RecordBuilder::new(Key::npm(&format!("p{n}")));
                    r.checked = 1;
                    r.push_version(&VersionRecord::new(Version::new(u64::from(v), 0, 0))).unwrap();
                    batch.put_view(&RecordView::parse(r.finish().unwrap().into()).unwrap()).unwrap();
                    pending.entry(n).or_default().entry(v).or_insert(false);
                }
                Op::Remove(n, None) => {
                    batch.remove(&Key::npm(&format!("p{n}")), None);
                    pending.remove(&n);
                }
                Op::Remove(n, Some(v)) => {
                    batch.remove(&Key::npm(&format!("p{n}")), Some(&Version::new(u64::from(v), 0, 0)));
                    if let Some(p) = pending.get_mut(&n) {
                        p.remove(&v);
                        if p.is_empty() {
                            pending.remove(&n);
                        }
                    }
                }
                Op::Commit | Op::Relaxed => {
                    let done = std::mem::replace(&mut batch, Batch::begin(&m, 0).unwrap());
                    if commit { done.commit(&mut nobody) } else { done.commit_relaxed(&mut nobody) }.unwrap();
                    model = pending.clone();
                }
                Op::Abandon => {
                    std::mem::replace(&mut batch, Batch::begin(&m, 0).unwrap()).abandon();
                    pending = model.clone();
                }
                Op::Gc => _ = gc::run(&m, &mut nobody).unwrap(),
            }
            let now = m.refresh().unwrap();
            let mut seen = Model::new();
            now.for_each(Prefix::All, &mut |view| {
                let name = view.key().name[1..].parse().unwrap();
                let versions = (0..view.len()).map(|i| (view.version(i)[..1].parse().unwrap(), view.is_present(i)));
                seen.insert(name, versions.collect());
                Ok(())
            }).unwrap();
            prop_assert_eq!(&seen, &model);
            for (n, versions) in &model {
                for (v, here) in versions {
                    let found = archive(&now, &format!("p{n}"), &format!("{v}.0.0"));
                    prop_assert_eq!(found, here.then(|| content(*n, *v)));
                }
            }
        }
        whole(&m.refresh().unwrap());
    }
}
