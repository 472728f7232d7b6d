use super::*;
use crate::batch::tests::{archive, noise, put};
use crate::file;
use crate::mirror::InitOptions;
use crate::record::{Key, Location, VersionRecord};
use crate::root::Slot;
use crate::sync::{Choice, take};
use crate::verify::tests::filled;
use crate::verify::verify;
use std::collections::BTreeMap;
use std::path::Path;

fn watched<T>(f: impl FnOnce(&mut Watch<'_>) -> T) -> T {
    let mut alone = |who: &str| panic!("waited for {who}");
    f(&mut Watch { progress: &mut |_, _| {}, waiting: &mut alone })
}

/// As the command does it: slots, then the rest.
fn repair(dir: &Path, others: &[&Path], forget: bool) -> Report {
    let slots = watched(|w| slots(dir, false, w.waiting)).unwrap();
    let open = |dir: &Path| Mirror::open_pinned(dir, &mut |_| {}).unwrap();
    let others: Vec<Carrier> = others.iter().map(|dir| Carrier::folder(open(dir))).collect();
    let help = Help { others: &others, keys: None, forget };
    let mut report = watched(|w| run(&open(dir), &help, w)).unwrap();
    report.found.extend(slots);
    report
}

fn is_whole(dir: &Path) -> bool {
    verify(&Mirror::open(dir).unwrap(), &mut |_| {}).unwrap().damaged.is_empty()
}

/// Everything but the locks and what no state needs any more.
fn tree(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut out = BTreeMap::new();
    let mut folders = vec![dir.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.ends_with("LOCK") && !path.ends_with("PIN") {
                let bytes = std::fs::read(&path).unwrap();
                out.insert(path.strip_prefix(dir).unwrap().into(), bytes);
            }
        }
    }
    out
}

/// The same content under the names that it deserves: a repaired file may have a numbered one.
fn contents(dir: &Path) -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = tree(dir).into_values().collect();
    all.sort();
    all
}

fn copy(dir: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    for (path, bytes) in tree(dir) {
        std::fs::create_dir_all(to.path().join(&path).parent().unwrap()).unwrap();
        file::replace_scratch(&to.path().join(path), &bytes).unwrap();
    }
    for name in layout_folders() {
        let _ = std::fs::create_dir(to.path().join(name));
    }
    to
}

fn layout_folders() -> [&'static str; 9] {
    crate::layout::FOLDERS
}

fn another(id: u8) -> (tempfile::TempDir, Mirror) {
    let dir = tempfile::tempdir().unwrap();
    let options = InitOptions { id: Some([id; 16]), date: Some(1), ..InitOptions::default() };
    let made = Mirror::init(dir.path(), &options).unwrap();
    (dir, made)
}

fn sync(to: &Path, from: &Path) {
    let (to, from) = (Mirror::open(to).unwrap(), Carrier::folder(Mirror::open(from).unwrap()));
    let report = watched(|w| take(&to, &from, &Choice::default(), w)).unwrap();
    assert_eq!((report.damaged, report.conflicts), (vec![], vec![]));
}

/// Files that a state needs: all but the first snapshot, which no slot names any more.
fn objects(dir: &Path) -> Vec<PathBuf> {
    let first = b"\nsequence 1\n";
    let names = |bytes: &[u8]| bytes.windows(first.len()).any(|w| w == first);
    let all = tree(dir).into_iter();
    all.filter(|(path, bytes)| !(path.starts_with("SNP") && names(bytes))).map(|(path, _)| path).collect()
}

fn flip(path: &Path, bit: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    let at = bit % (bytes.len() * 8);
    bytes[at / 8] ^= 1 << (at % 8);
    file::replace_scratch(path, &bytes).unwrap();
}

#[test]
fn any_damage_to_any_file_is_undone_with_a_copy() {
    let (dir, _) = filled();
    let dir = dir.path();
    let spare = copy(dir);
    let whole = contents(dir);
    type Damage = (&'static str, fn(&Path));
    let damages: [Damage; 6] = [
        ("a bit", |path| flip(path, 12_345_677)),
        ("first bit", |path| flip(path, 0)),
        ("missing", |path| std::fs::remove_file(path).unwrap()),
        ("cut short", |path| file::replace_scratch(path, b"cut").unwrap()),
        ("a link", |path| {
            std::fs::remove_file(path).unwrap();
            std::os::unix::fs::symlink("/etc/hostname", path).unwrap();
        }),
        ("a folder", |path| {
            std::fs::remove_file(path).unwrap();
            std::fs::create_dir(path).unwrap();
        }),
    ];
    for object in objects(dir) {
        for (name, damage) in damages {
            let place = format!("{name}: {}", object.display());
            if name == "a folder" && !object.starts_with("PAK") {
                continue;
            }
            let dir = copy(spare.path());
            let dir = dir.path();
            damage(&dir.join(&object));
            let report = repair(dir, &[spare.path()], false);
            assert!(!report.found.is_empty(), "{place}");
            assert_eq!(report.lost, [], "{place}");
            assert!(is_whole(dir), "{place}");
            assert!(contents(dir) == whole, "{place}: not what it was");
            // What has a numbered name now is damaged in its turn.
            let again = objects(dir).into_iter().filter(|o| o.extension() == Some("000".as_ref()));
            for object in again.collect::<Vec<_>>() {
                damage(&dir.join(object));
                assert_eq!(repair(dir, &[spare.path()], false).lost, [], "{place}, again");
                assert!(contents(dir) == whole, "{place}: not what it was, again");
            }
        }
    }
    assert_eq!(repair(dir, &[spare.path()], false), Report::default());
    assert_eq!(std::fs::read_dir(dir.join("TMP")).unwrap().count(), 0);
}

#[test]
fn a_mirror_that_took_the_state_over_has_all_but_what_is_ones_own() {
    let (dir, _) = filled();
    let (other, _) = another(9);
    sync(other.path(), dir.path());
    let folders = ["PAK", "BLB", "SEG"];
    for object in objects(dir.path()).iter().filter(|o| folders.iter().any(|f| o.starts_with(f))) {
        flip(&dir.path().join(object), 9_999);
        assert_eq!(repair(dir.path(), &[other.path()], false).lost, [], "{}", object.display());
        assert!(is_whole(dir.path()));
    }
    // All at once, folders and all.
    for folder in folders {
        std::fs::remove_dir_all(dir.path().join(folder)).unwrap();
    }
    assert_eq!(repair(dir.path(), &[other.path()], false).lost, []);
    assert!(is_whole(dir.path()));
}

#[test]
fn archives_come_one_by_one_from_a_mirror_that_packed_them_otherwise() {
    let (dir, mirror) = filled();
    let (other, theirs) = another(9);
    // All the same archives but one, in another order.
    let batch = Batch::begin(&theirs, 0).unwrap();
    // (The noise of 6 and of 7 is the same.)
    for i in (0..30).rev().filter(|i| i / 2 != 3) {
        put(&batch, &format!("p{i}"), &[("1.1.0", &noise(i + 100, 50)), ("1.0.0", &noise(i, 200))]);
    }
    batch.commit(&mut |_| {}).unwrap();
    let packs = mirror.snapshot().packs.clone();
    let pack = |n: usize| files::path(mirror.layout(), Folder::Packs, &packs[n].hash);
    let large = usize::from(packs[1].bytes > packs[0].bytes);
    let lay = |name: &str| match mirror.find_archive(&Key::npm(name), "1.0.0").unwrap() {
        Some(VersionRecord { location: Location::Pack { offset, .. }, .. }) => 8 * (offset as usize + 9),
        other => panic!("{other:?}"),
    };
    let vector = mirror.snapshot().vector.clone();
    flip(&pack(large), lay("p5"));
    let report = repair(dir.path(), &[other.path()], false);
    assert_eq!((report.lost, report.mended.len()), (vec![], 2), "{:?}", report.mended);
    let now = Mirror::open(dir.path()).unwrap();
    assert!(is_whole(dir.path()) && now.snapshot().vector == vector);
    for i in 0..30 {
        assert_eq!(archive(&now, &format!("p{i}"), "1.0.0"), Some(noise(i, 200)));
        assert_eq!(archive(&now, &format!("p{i}"), "1.1.0"), Some(noise(i + 100, 50)));
    }
    assert_eq!(repair(dir.path(), &[other.path()], false), Report::default());

    // What nobody has is named and stays; the rest is mended.
    let (dir, mirror) = filled();
    for name in ["p7", "p8"] {
        flip(&files::path(mirror.layout(), Folder::Packs, &packs[large].hash), lay(name));
    }
    let report = repair(dir.path(), &[other.path()], false);
    assert_eq!(report.mended.iter().map(|m| m.what.as_str()).collect::<Vec<_>>(), ["p8@1.0.0", "p9@1.0.0"]);
    let lost: Vec<&str> = report.lost.iter().map(|d| d.what.as_str()).collect();
    assert!(lost.contains(&"the archive of p7@1.0.0 is damaged"), "{lost:?}");
    assert!(!lost.iter().any(|what| what.contains("p8")), "{lost:?}");
    // Let go, the mirror is whole; it knows that there is such an archive, and takes it again.
    let report = repair(dir.path(), &[other.path()], true);
    assert_eq!(report.lost, []);
    assert_eq!(report.forgotten, ["the archive of p6@1.0.0", "the archive of p7@1.0.0"]);
    assert!(is_whole(dir.path()));
    let (spare, whole) = filled();
    sync(dir.path(), spare.path());
    assert_eq!(archive(&Mirror::open(dir.path()).unwrap(), "p7", "1.0.0"), archive(&whole, "p7", "1.0.0"));
}

#[test]
fn records_that_nobody_has_are_named_and_forgotten_only_when_asked() {
    let (dir, mirror) = filled();
    let (other, theirs) = another(9);
    sync(other.path(), dir.path());
    // The other one goes on, and its segments become others.
    let batch = Batch::begin(&theirs.refresh().unwrap(), 0).unwrap();
    put(&batch, "more", &[("1.0.0", b"more")]);
    batch.commit(&mut |_| {}).unwrap();
    crate::gc::run(&theirs.refresh().unwrap(), &mut |_| {}).unwrap();
    let base = mirror.snapshot().segments[0].clone();
    flip(&files::path(mirror.layout(), Folder::Segments, &base.file.hash), 8 * 20);
    let before = tree(dir.path());
    let report = repair(dir.path(), &[other.path()], false);
    assert!(report.lost.iter().any(|d| d.what.contains("from the record of blob on")), "{:?}", report.lost);
    assert_eq!((report.mended, tree(dir.path()) == before), (vec![], true));
    let report = repair(dir.path(), &[other.path()], true);
    assert_eq!(report.lost, []);
    assert!(is_whole(dir.path()));
    let now = Mirror::open(dir.path()).unwrap();
    assert_eq!((archive(&now, "p1", "1.0.0"), archive(&now, "p3", "2.0.0")), (None, Some(b"two".to_vec())));
    // It says so to others, and gets it back.
    sync(dir.path(), other.path());
    let now = Mirror::open(dir.path()).unwrap();
    assert_eq!(archive(&now, "p1", "1.0.0"), Some(noise(1, 200)));
    assert!(is_whole(dir.path()));
}

/// The list of blobs follows from the records: exactly, or as far as they need it.
#[test]
fn the_blob_list_is_made_anew() {
    for removed in [false, true] {
        let (dir, mirror) = filled();
        if removed {
            let batch = Batch::begin(&mirror, 0).unwrap();
            batch.remove(&Key::npm("blob"), None);
            batch.commit(&mut |_| {}).unwrap();
        }
        let (list, _) = Mirror::open(dir.path()).unwrap().snapshot().blobs.unwrap();
        let (other, _) = another(9);
        // Only to say of which parts the one consists.
        let parts = copy(dir.path());
        std::fs::remove_file(files::path(mirror.layout(), Folder::Snapshots, &list.hash)).unwrap();
        assert!(!repair(dir.path(), &[other.path()], false).lost.is_empty());
        let report = repair(dir.path(), &[parts.path()], false);
        assert_eq!(report.lost, [], "{removed}");
        assert!(is_whole(dir.path()));
        let now = Mirror::open(dir.path()).unwrap();
        assert_eq!(archive(&now, "parts", "1.0.0"), Some(noise(2, 300_000)));
    }
}

#[test]
fn wrong_bytes_are_not_taken_from_anywhere() {
    let (dir, mirror) = filled();
    let spare = copy(dir.path());
    let pack = files::path(mirror.layout(), Folder::Packs, &mirror.snapshot().packs[0].hash);
    let name = pack.strip_prefix(dir.path()).unwrap();
    flip(&pack, 800);
    // The same place there.
    flip(&spare.path().join(name), 801);
    let report = repair(dir.path(), &[spare.path()], false);
    assert!(!report.lost.is_empty());
    assert_eq!(report.mended, []);
}

/// A last state that is lost had a number that others may have seen.
#[test]
fn no_number_is_given_twice() {
    let (dir, mirror) = filled();
    let (chosen, sequence) = (mirror.chosen(), mirror.sequence());
    let last = files::path(mirror.layout(), Folder::Snapshots, &mirror.snapshot_file().hash);
    std::fs::remove_file(last).unwrap();
    let now = Mirror::open(dir.path()).unwrap();
    assert!(now.sequence() < sequence && now.is_behind());
    let origin = now.snapshot().origin();
    let report = repair(dir.path(), &[], false);
    assert!(!report.lost.is_empty() && report.forgotten.is_empty());
    assert_eq!(repair(dir.path(), &[], true).lost, []);
    let now = Mirror::open(dir.path()).unwrap();
    assert_eq!((now.sequence(), now.chosen()), (sequence + 1, chosen));
    assert_ne!(now.snapshot().origin(), origin);
    // The slot itself: a commit that comes first goes on behind what may have been.
    file::replace_scratch(&dir.path().join(crate::layout::SLOTS[now.chosen()]), b"torn").unwrap();
    let torn = Mirror::open(dir.path()).unwrap();
    let batch = Batch::begin(&torn, 0).unwrap();
    put(&batch, "new", &[("1.0.0", b"new")]);
    batch.commit(&mut |_| {}).unwrap();
    let after = Mirror::open(dir.path()).unwrap();
    assert_eq!(after.sequence(), torn.sequence() + 2);
    assert!(matches!(after.slots(), [Slot::Valid(_), Slot::Valid(_)]));
}
