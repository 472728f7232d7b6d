use super::*;
use crate::batch::tests::{archive, nobody, noise, put};
use crate::mirror::{InitOptions, Prefix};
use crate::record::{Location, Record};
use crate::verify::verify;
use crate::version::Version;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::io::Write;

fn mirror(id: u8) -> (tempfile::TempDir, Mirror) {
    let dir = tempfile::tempdir().unwrap();
    let options =
        InitOptions { label: format!("m{id}"), id: Some([id; 16]), date: Some(1), ..InitOptions::default() };
    let made = Mirror::init(dir.path(), &options).unwrap();
    (dir, made)
}

fn sync(target: &Mirror, from: &Mirror) -> Report {
    try_sync(target, from, &Choice::default()).unwrap()
}

fn try_sync(target: &Mirror, from: &Mirror, choice: &Choice<'_>) -> Result<Report> {
    let target = Mirror::open_pinned(target.dir(), &mut nobody).unwrap();
    let from = Carrier::folder(Mirror::open_pinned(from.dir(), &mut nobody).unwrap());
    take(&target, &from, choice, &mut Watch { progress: &mut |_, _| {}, waiting: &mut nobody })
}

/// A name and its archives by version.
type Package<'a> = (&'a str, &'a [(&'a str, &'a [u8])]);

fn commit(m: &Mirror, packages: &[Package<'_>]) {
    let m = m.refresh().unwrap();
    let batch = Batch::begin(&m, 0).unwrap();
    for (name, archives) in packages {
        put(&batch, name, archives);
    }
    batch.commit(&mut nobody).unwrap();
}

/// All that a mirror says, but for where its archives lie; every archive is read.
fn content(m: &Mirror) -> BTreeMap<String, Record> {
    let m = m.refresh().unwrap();
    assert_eq!(verify(&m, &mut |_| {}).unwrap().damaged, []);
    let mut all = BTreeMap::new();
    m.for_each(Prefix::All, &mut |view| {
        let mut record = view.to_record()?;
        for v in &mut record.versions {
            if v.location.is_present() {
                let bytes = archive(&m, &record.key.name, &v.version.to_string()).unwrap();
                assert_eq!(v.sha256, Some(Hash::of(&bytes)));
                v.location = Location::Blob;
            }
        }
        all.insert(record.key.name.clone(), record);
        Ok(())
    })
    .unwrap();
    all
}

fn files(m: &Mirror) -> Vec<String> {
    let mut out = Vec::new();
    let mut folders = vec![m.dir().to_path_buf()];
    while let Some(folder) = folders.pop() {
        for e in std::fs::read_dir(folder).unwrap() {
            let e = e.unwrap();
            if e.path().is_dir() {
                folders.push(e.path())
            } else {
                out.push(e.file_name().into_string().unwrap())
            }
        }
    }
    out.sort();
    out
}

#[test]
fn an_empty_mirror_takes_everything_over_and_then_nothing() {
    let ((_a, home), (_b, stick)) = (mirror(1), mirror(2));
    let blob = noise(3, 300_000);
    commit(&home, &[("a", &[("1.0.0", b"one"), ("2.0.0", &blob)])]);
    commit(&home, &[("b", &[("1.0.0", b"two")])]);
    let report = sync(&stick, &home);
    assert_eq!((report.way, report.records, report.found), (Way::Forward, 2, 0));
    assert_eq!(content(&stick), content(&home));
    let (before, sequence) = (files(&stick), stick.refresh().unwrap().sequence());
    for _ in 0..2 {
        assert_eq!(sync(&stick, &home), Report::default());
        assert_eq!(sync(&home, &stick), Report::default());
    }
    assert_eq!((files(&stick), stick.refresh().unwrap().sequence()), (before, sequence));
    // One package more: its record's segment and its pack move.
    commit(&home, &[("c", &[("1.0.0", b"three")])]);
    let report = sync(&stick, &home);
    assert_eq!((report.way, content(&stick)), (Way::Forward, content(&home)));
    assert!(report.bytes < 2_000, "{report:?}");
}

#[test]
fn both_directions_meet() {
    let ((_a, one), (_b, other)) = (mirror(1), mirror(2));
    commit(&one, &[("a", &[("1.0.0", b"one")]), ("both", &[("1.0.0", b"x"), ("2.0.0", b"y")])]);
    commit(&other, &[("b", &[("1.0.0", b"two")]), ("both", &[("1.0.0", b"x"), ("3.0.0", b"z")])]);
    let report = sync(&one, &other);
    assert_eq!((report.way, report.records, report.archives, report.files), (Way::Joined, 2, 2, 1));
    let report = sync(&other, &one);
    assert_eq!(report.way, Way::Forward);
    assert_eq!(content(&one), content(&other));
    assert_eq!(content(&one)["both"].versions.len(), 3);
    assert_eq!(sync(&one, &other).way, Way::Nothing);
    assert_eq!(sync(&other, &one).way, Way::Nothing);
}

#[test]
fn two_hashes_are_an_alarm_each_time_and_the_rest_goes_on() {
    let ((_a, one), (_b, other)) = (mirror(1), mirror(2));
    commit(&one, &[("a", &[("1.0.0", b"ours")])]);
    commit(&other, &[("a", &[("1.0.0", b"theirs"), ("2.0.0", b"two")]), ("b", &[("1.0.0", b"b")])]);
    for archives in [2, 0] {
        let report = sync(&one, &other);
        assert_eq!((report.way, report.archives), (Way::Joined, archives));
        let [conflict] = report.conflicts.as_slice() else { panic!("{report:?}") };
        assert_eq!((conflict.key.name.as_str(), conflict.version.as_str()), ("a", "1.0.0"));
        assert_ne!(conflict.ours, conflict.theirs);
    }
    assert_eq!(archive(&one.refresh().unwrap(), "a", "1.0.0").unwrap(), b"ours");
    assert_eq!(archive(&one.refresh().unwrap(), "a", "2.0.0").unwrap(), b"two");
}

/// What was removed here stays away, is not removed there, and comes back when it is wanted again.
#[test]
fn a_removal_is_this_mirrors_own() {
    let ((_a, one), (_b, other), (_c, third)) = (mirror(1), mirror(2), mirror(3));
    commit(&other, &[("a", &[("1.0.0", b"one"), ("2.0.0", b"two")]), ("b", &[("1.0.0", b"b")])]);
    sync(&one, &other);
    let batch = Batch::begin(&one.refresh().unwrap(), 0).unwrap();
    batch.remove(&Key::npm("a"), None);
    batch.commit(&mut nobody).unwrap();
    commit(&other, &[("a", &[("3.0.0", b"three")])]);
    sync(&one, &other);
    sync(&other, &one);
    assert_eq!(content(&one).keys().collect::<Vec<_>>(), ["b"]);
    assert_eq!(content(&other)["a"].versions.len(), 3);
    // Who reads from one of them takes no claims of others for granted.
    sync(&third, &one);
    assert_eq!(content(&third).keys().collect::<Vec<_>>(), ["b"]);
    sync(&third, &other);
    assert_eq!(content(&third), content(&other));
    commit(&one, &[("a", &[("1.0.0", b"one")])]);
    sync(&one, &other);
    assert_eq!(content(&one)["a"].versions.len(), 3);
}

#[test]
fn damage_there_costs_what_is_damaged() {
    let ((_a, one), (_b, other)) = (mirror(1), mirror(2));
    let blob = noise(3, 300_000);
    commit(&other, &[("a", &[("1.0.0", b"one")]), ("big", &[("1.0.0", &blob)])]);
    let shard = std::fs::read_dir(other.dir().join("BLB")).unwrap().next().unwrap().unwrap().path();
    let path = std::fs::read_dir(shard).unwrap().next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[7] ^= 1;
    crate::file::replace_scratch(&path, &bytes).unwrap();
    for _ in 0..2 {
        let report = sync(&one, &other);
        assert_eq!((report.way, report.damaged.len()), (Way::Joined, 1), "{report:?}");
        assert!(report.damaged[0].contains("BLB"), "{report:?}");
        let one = one.refresh().unwrap();
        assert_eq!(archive(&one, "a", "1.0.0").unwrap(), b"one");
        assert_eq!(archive(&one, "big", "1.0.0"), None);
    }
    bytes[7] ^= 1;
    crate::file::replace_scratch(&path, &bytes).unwrap();
    sync(&one, &other);
    assert_eq!(content(&one), content(&other));
}

/// All that is damaged is told at once, whichever of it was met first.
#[test]
fn each_damaged_file_is_named() {
    let ((_a, one), (_b, other)) = (mirror(1), mirror(2));
    let blobs: Vec<_> = [2, 4, 6].iter().map(|n| noise(*n, 300_000)).collect();
    commit(&other, &[("a", &[("1.0.0", b"one")]), ("b", &[("1.0.0", &blobs[0]), ("2.0.0", &blobs[1])])]);
    commit(&other, &[("c", &[("1.0.0", &blobs[2])])]);
    for blob in &blobs[..2] {
        let path = other.dir().join(format!(
            "BLB/{}/{}",
            layout::shard(&Hash::of(blob)),
            Hash::of(blob).file_name()
        ));
        let mut bytes = blob.clone();
        bytes[7] ^= 1;
        crate::file::replace_scratch(&path, &bytes).unwrap();
    }
    let choice = Choice { limit: Some(1 << 20), name: "1M".into(), ..Choice::default() };
    for choice in [&Choice::default(), &choice] {
        let report = try_sync(&one, &other, choice).unwrap();
        assert_eq!(report.damaged.len(), 2, "{report:?}");
        assert_eq!(archive(&one.refresh().unwrap(), "c", "1.0.0"), Some(blobs[2].clone()));
    }
}

#[test]
fn what_is_chosen_comes_and_the_rest_is_known() {
    let ((_a, one), (_b, other)) = (mirror(1), mirror(2));
    let blob = noise(3, 300_000);
    commit(&other, &[("a", &[("1.0.0", b"one")]), ("big", &[("1.0.0", &blob)]), ("c", &[("1.0.0", b"see")])]);
    let wanted = |key: &Key, _: &VersionRecord| key.name != "c";
    let choice = Choice { wanted: Some(&wanted), limit: Some(1000), name: "small".into() };
    let report = try_sync(&one, &other, &choice).unwrap();
    assert_eq!((report.archives, report.left_out, report.left_out_bytes), (1, 2, 300_003));
    let here = one.refresh().unwrap();
    assert_eq!(archive(&here, "a", "1.0.0").unwrap(), b"one");
    assert!(here.lookup(&Key::npm("c")).unwrap().is_some() && archive(&here, "c", "1.0.0").is_none());
    assert_eq!(try_sync(&one, &other, &choice).unwrap().way, Way::Nothing);
    // All of it later.
    sync(&one, &other);
    assert_eq!(content(&one), content(&other));
}

/// Files that an interrupted sync left are not copied again, unless they are torn.
#[test]
fn what_was_brought_is_found() {
    let ((_a, one), (_b, other)) = (mirror(1), mirror(2));
    let blob = noise(3, 300_000);
    commit(&other, &[("a", &[("1.0.0", b"one")]), ("big", &[("1.0.0", &blob)])]);
    let from = Carrier::folder(other.refresh().unwrap());
    let batch = Batch::begin(&one, 0).unwrap();
    let mut copying = Copying::new(one.layout(), &from, batch.dir.clone(), 0);
    let lacking = lacking(&one, &from).unwrap();
    for (folder, entry) in &lacking {
        let watch = &mut Watch { progress: &mut |_, _| {}, waiting: &mut nobody };
        let path = copying.bring(*folder, entry, watch).unwrap().unwrap();
        if *folder == Folder::Packs {
            // As a power cut leaves it: the length, not the bytes.
            crate::file::replace_scratch(&path, &vec![0; entry.bytes as usize]).unwrap();
        }
    }
    drop(batch);
    let report = sync(&one, &other);
    assert_eq!(report.found, lacking.len() as u64 - 1);
    assert_eq!(content(&one), content(&other));
}

/// Whichever way a sync writes, what killed writers left goes.
#[test]
fn leftovers_of_others_go_with_the_next_sync() {
    let ((_a, one), (_b, other)) = (mirror(1), mirror(2));
    let left = |m: &Mirror| m.dir().join("TMP/AAAAAAAA");
    for (to, from, name, way) in [
        (&one, &other, "a", Way::Forward),
        (&one, &other, "b", Way::Forward),
        (&other, &one, "c", Way::Joined),
    ] {
        if way == Way::Joined {
            commit(to, &[("own", &[("1.0.0", b"own")])]);
        }
        commit(from, &[(name, &[("1.0.0", b"one")])]);
        std::fs::create_dir(left(to)).unwrap();
        crate::file::write_scratch(&left(to).with_extension("LCK"), b"").unwrap();
        crate::file::write_scratch(&left(to).join("COPY"), b"half").unwrap();
        assert_eq!(sync(to, from).way, way);
        assert_eq!(std::fs::read_dir(to.dir().join("TMP")).unwrap().count(), 0, "{way:?}");
    }
}

/// One upstream that changes, three mirrors that hear from it now and then, and from each other.
#[derive(Debug, Clone)]
enum Op {
    /// A mirror asks about a package: all of it, or one version.
    Hear(usize, u8, Option<u8>),
    /// Upstream publishes, deprecates, moves `latest`.
    Change(u8, u8, bool),
    Sync(usize, usize),
    Remove(usize, u8),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0..3usize, 0..4u8, proptest::option::of(0..3u8)).prop_map(|(m, p, v)| Op::Hear(m, p, v)),
        3 => (0..4u8, 0..3u8, any::<bool>()).prop_map(|(p, v, d)| Op::Change(p, v, d)),
        4 => (0..3usize, 1..3usize).prop_map(|(a, b)| Op::Sync(a, (a + b) % 3)),
        1 => (0..3usize, 0..4u8).prop_map(|(m, p)| Op::Remove(m, p)),
    ]
}

#[derive(Default, Clone)]
struct Upstream {
    /// By version: whether it is deprecated.
    versions: BTreeMap<u8, bool>,
    latest: Option<u8>,
    modified: u64,
}

fn hear(m: &Mirror, name: &str, upstream: &Upstream, only: Option<u8>, now: u64) {
    let m = m.refresh().unwrap();
    let batch = Batch::begin(&m, 0).unwrap();
    let mut versions = Vec::new();
    for (v, deprecated) in &upstream.versions {
        let mut version = VersionRecord::new(Version::new(u64::from(*v), 0, 0));
        version.deprecated = deprecated.then(|| "do not".to_string());
        let bytes = format!("{name} {v}");
        version.integrity = Some(Hash::of(bytes.as_bytes()).into());
        if only == Some(*v) {
            let mut w = batch.archive().unwrap();
            w.write_all(bytes.as_bytes()).unwrap();
            version = w.finish().unwrap().of(version);
        }
        if only.is_none_or(|o| o == *v) {
            versions.push(version);
        }
    }
    let record = Record {
        key: Key::npm(name),
        complete: only.is_none(),
        checked: now,
        etag: String::new(),
        modified: upstream.modified,
        tags: upstream.latest.map(|v| ("latest".into(), format!("{v}.0.0"))).into_iter().collect(),
        versions,
    };
    batch.put(&record).unwrap();
    batch.commit(&mut nobody).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: ProptestConfig::default().cases / 8, failure_persistence: None, ..ProptestConfig::default()
    })]
    #[test]
    fn any_history_of_three_mirrors_ends_alike(ops in proptest::collection::vec(op(), 1..24)) {
        let mirrors = [mirror(1), mirror(2), mirror(3)];
        let m = |i: usize| &mirrors[i].1;
        let mut upstream = vec![Upstream::default(); 4];
        let mut removed = false;
        for (now, op) in ops.iter().enumerate() {
            let now = now as u64 + 10;
            match op {
                Op::Change(p, v, deprecated) => {
                    let u = &mut upstream[*p as usize];
                    u.versions.insert(*v, *deprecated);
                    (u.latest, u.modified) = (Some(*v), now);
                }
                Op::Hear(i, p, only) => hear(m(*i), &format!("p{p}"), &upstream[*p as usize], *only, now),
                Op::Sync(i, j) => {
                    sync(m(*i), m(*j));
                    // And again: there is nothing.
                    prop_assert_eq!(sync(m(*i), m(*j)).way, Way::Nothing);
                }
                Op::Remove(i, p) => {
                    removed = true;
                    let batch = Batch::begin(&m(*i).refresh().unwrap(), 0).unwrap();
                    batch.remove(&Key::npm(&format!("p{p}")), None);
                    batch.commit(&mut nobody).unwrap();
                }
            }
        }
        // Each hears what the others heard in the rounds before; then there is nothing more to hear.
        let round = [(0, 1), (1, 2), (2, 0), (1, 0), (2, 1), (0, 2)];
        for (i, j) in [round; 3].concat() {
            sync(m(i), m(j));
        }
        if !removed {
            prop_assert_eq!(content(m(0)), content(m(1)));
            prop_assert_eq!(content(m(0)), content(m(2)));
        }
        for (i, j) in round {
            prop_assert_eq!(sync(m(i), m(j)).way, Way::Nothing);
        }
        // Each has all that the others have, but for what was removed there on purpose.
        let all: Vec<_> = (0..3).map(|i| content(m(i))).collect();
        for i in 0..3 {
            let excluded = m(i).refresh().unwrap();
            for (name, record) in all.iter().flatten() {
                let key = Key::npm(name);
                let here = &all[i];
                if !excluded.snapshot().is_excluded(&key, None) {
                    prop_assert!(here.contains_key(name), "{} in {i}", name);
                    prop_assert!(record.versions.len() <= here[name].versions.len());
                }
            }
        }
    }
}
