use super::*;
use crate::batch::tests::{archive, nobody, noise, put};
use crate::record::Key;
use crate::verify::{tests::filled, verify};

fn files(m: &Mirror) -> usize {
    ["SNP", "SEG", "PAK"].iter().map(|f| list(&m.dir().join(f)).unwrap().len()).sum()
}

#[test]
fn what_was_removed_goes_and_the_rest_stays() {
    let (_dir, m) = filled();
    let b = Batch::begin(&m, 0).unwrap();
    b.remove(&Key::npm("parts"), None);
    b.remove(&Key::npm("p3"), None);
    b.commit(&mut nobody).unwrap();
    let m = m.refresh().unwrap();
    let planned = plan(&m).unwrap();
    assert_eq!((planned.packs.len(), planned.blobs.len()), (1, 1));
    crate::file::replace_scratch(&m.dir().join("PAK/readme.txt"), b"mine").unwrap();
    let done = run(&m, &mut nobody).unwrap();
    assert!(done.bytes() > 300_000, "{done:?}");
    assert!(m.dir().join("PAK/readme.txt").exists());
    let m = m.refresh().unwrap();
    assert_eq!(m.levels().len(), 1);
    assert_eq!(archive(&m, "p4", "1.0.0"), Some(noise(4, 200)));
    assert_eq!(archive(&m, "blob", "1.0.0"), Some(noise(1, 262_200)));
    assert!(m.lookup(&Key::npm("parts")).unwrap().is_none());
    assert_eq!(verify(&m, &mut |_| {}).unwrap().damaged, []);
    // Two snapshots, a blob list, a segment, a pack, somebody's text.
    assert_eq!(files(&m), 6);
    // And then there is nothing left to do.
    let sequence = m.sequence();
    let again = run(&m, &mut nobody).unwrap();
    assert_eq!((again.files, m.refresh().unwrap().sequence()), (vec![], sequence));
}

#[test]
fn leftovers_of_a_killed_commit_go() {
    let (_dir, m) = filled();
    let b = Batch::begin(&m, 0).unwrap();
    put(&b, "new", &[("1.0.0", b"new")]);
    // Killed after the renames: files without a snapshot that is true.
    let killed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _ = b.finish(true, None, &mut nobody, &mut |step| assert_ne!(step, "synced"));
    }));
    assert!(killed.is_err());
    let m = m.refresh().unwrap();
    assert!(m.lookup(&Key::npm("new")).unwrap().is_none());
    let done = run(&m, &mut nobody).unwrap();
    assert!(done.files.len() >= 3);
    assert_eq!(list(&m.dir().join("TMP")).unwrap(), Vec::<PathBuf>::new());
    assert_eq!(verify(&m.refresh().unwrap(), &mut |_| {}).unwrap().damaged, []);
}

/// While `gc` waits for a reader, others commit, and the reader itself may: it has what it
/// opened to the end, and what came meanwhile is not deleted with the rest.
#[test]
fn a_pinned_mirror_is_waited_for_and_commits_go_on() {
    let (_dir, m) = filled();
    let b = Batch::begin(&m, 0).unwrap();
    b.remove(&Key::npm("blob"), None);
    b.commit(&mut nobody).unwrap();
    let reader = Mirror::open_pinned(m.dir(), &mut nobody).unwrap();
    let refreshed = reader.refresh().unwrap();
    let (tx, rx) = std::sync::mpsc::channel();
    let other = m.clone();
    let thread = std::thread::spawn(move || run(&other, &mut |_| tx.send(()).unwrap()).unwrap());
    rx.recv().unwrap();
    // What the view from before refers to is all there.
    assert_eq!(archive(&m, "blob", "1.0.0"), Some(noise(1, 262_200)));
    let b = Batch::begin(&refreshed, 0).unwrap();
    put(&b, "late", &[("1.0.0", &noise(7, 300_000)), ("1.0.1", b"small")]);
    b.commit(&mut nobody).unwrap();
    drop(reader);
    assert!(!thread.is_finished(), "the refreshed view pins it too");
    drop(refreshed);
    assert!(!thread.join().unwrap().files.is_empty());
    let m = m.refresh().unwrap();
    assert_eq!(verify(&m, &mut |_| {}).unwrap().damaged, []);
    assert_eq!(archive(&m, "late", "1.0.0"), Some(noise(7, 300_000)));
    assert_eq!(archive(&m, "late", "1.0.1"), Some(b"small".to_vec()));
}

/// A repair that was killed leaves the damaged file beside the good one.
#[test]
fn of_files_with_one_name_those_stay_that_hold_what_is_needed() {
    let (dir, m) = filled();
    let pack = m.snapshot().packs[0];
    let (_, path) = m.layout().need(Folder::Packs, &pack.hash, pack.bytes).unwrap();
    let good = std::fs::read(&path).unwrap();
    let mut bad = good.clone();
    bad[20] ^= 1;
    let put = |ending: &str, bytes: &[u8]| {
        let path = path.with_extension(ending);
        crate::file::replace_scratch(&path, bytes).unwrap();
        path
    };
    let all = |paths: &[&PathBuf]| {
        run(&m.refresh().unwrap(), &mut |_| {}).unwrap();
        let mut left = list(&dir.path().join("PAK")).unwrap();
        left.retain(|p| p.with_extension("") == path.with_extension(""));
        left.sort();
        assert_eq!(left.iter().collect::<Vec<_>>(), paths);
        assert_eq!(verify(&m.refresh().unwrap(), &mut |_| {}).unwrap().damaged, []);
    };
    // The good one is numbered, and one more is behind it.
    crate::file::replace_scratch(&path, &bad).unwrap();
    let first = put("000", &good);
    put("001", &bad);
    all(&[&first]);
    // Twice the same; one that is damaged between others.
    let (first, second) = (put("000", &bad), put("001", &good));
    put("002", &good);
    all(&[&first, &second]);
}
