//! A mirror beside a map that says what it must hold: any sequence of changes,
//! commits, clean-ups, openings and crashes, compared after each.

use super::tests::{copy, whole};
use super::*;
use crate::batch::tests::{archive, new_mirror, nobody, noise};
use crate::error::Error;
use crate::gc;
use crate::mirror::Prefix;
use crate::record::{Key, Record};
use crate::version::Version;
use proptest::prelude::*;
use std::io::Write;

const NAMES: u8 = 7;
const VERSIONS: u8 = 4;

#[derive(Debug, Clone)]
enum Op {
    /// Versions of one package with their archives, and where `latest` points.
    Put(u8, Vec<u8>, Option<u8>),
    /// All that upstream has, nothing of it here: what it no longer lists goes, unless it is here.
    Known(u8, Vec<u8>),
    Remove(u8, Option<u8>),
    /// The same version with other bytes: the whole commit is refused.
    Conflict(u8),
    Label(u8),
    Commit,
    Relaxed,
    /// The machine stops after so many operations of the commit.
    Crash(u8),
    Abandon,
    Gc,
    Open,
}

fn op() -> impl Strategy<Value = Op> {
    let versions = || proptest::collection::vec(0..VERSIONS, 1..3);
    prop_oneof![
        8 => (0..NAMES, versions(), proptest::option::of(0..VERSIONS)).prop_map(|(n, v, t)| Op::Put(n, v, t)),
        2 => (0..NAMES, versions()).prop_map(|(n, v)| Op::Known(n, v)),
        3 => (0..NAMES, proptest::option::of(0..VERSIONS)).prop_map(|(n, v)| Op::Remove(n, v)),
        1 => (0..NAMES).prop_map(Op::Conflict),
        1 => (0u8..3).prop_map(Op::Label),
        5 => Just(Op::Commit),
        2 => Just(Op::Relaxed),
        2 => (0u8..12).prop_map(Op::Crash),
        1 => Just(Op::Abandon),
        1 => Just(Op::Gc),
        1 => Just(Op::Open),
    ]
}

/// What a mirror says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Model {
    label: String,
    packages: BTreeMap<u8, Package>,
    excluded: BTreeSet<(u8, Option<u8>)>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Package {
    /// Whether its archive is here.
    versions: BTreeMap<u8, bool>,
    latest: Option<u8>,
    complete: bool,
    checked: u64,
}

/// Two packages share their bytes, one has blobs, one a record of several pieces.
fn content(n: u8, v: u8) -> Vec<u8> {
    match n {
        5 => noise(u32::from(v) + 1, 263_000),
        3 | 4 => vec![3, v],
        _ => vec![n, v],
    }
}

fn key(n: u8) -> Key {
    Key::npm(&format!("p{n}"))
}

fn version(v: u8) -> Version {
    Version::new(u64::from(v), 0, 0)
}

struct World {
    dir: tempfile::TempDir,
    mirror: Mirror,
    batch: Option<Batch>,
    model: Model,
    pending: Model,
    conflict: bool,
    /// Upstream's clock: every answer is later than the one before.
    now: u64,
}

impl World {
    fn new() -> Self {
        let (dir, mirror) = new_mirror();
        let model = Model { label: "test".into(), ..Model::default() };
        let mut world =
            Self { dir, mirror, batch: None, pending: model.clone(), model, conflict: false, now: 1 };
        world.begin();
        world
    }

    fn begin(&mut self) {
        self.batch = Some(Batch::begin(&self.mirror, 0).unwrap());
        (self.pending, self.conflict) = (self.model.clone(), false);
    }

    fn batch(&self) -> &Batch {
        self.batch.as_ref().unwrap()
    }

    fn record(&mut self, n: u8, versions: Vec<VersionRecord>, latest: Option<u8>, complete: bool) -> Record {
        self.now += 1;
        let tags = latest.map(|v| ("latest".to_string(), version(v).to_string()));
        let mut versions = versions;
        versions.sort_by(|a, b| a.version.cmp(&b.version));
        versions.dedup_by(|a, b| a.version == b.version);
        let checked = self.now;
        let etag = if complete { format!("\"{checked}\"") } else { String::new() };
        Record {
            key: key(n),
            complete,
            checked,
            etag,
            modified: 0,
            tags: tags.into_iter().collect(),
            versions,
        }
    }

    fn stored(&self, n: u8, v: u8, bytes: &[u8]) -> VersionRecord {
        let mut w = self.batch().archive().unwrap();
        w.write_all(bytes).unwrap();
        let stored = w.finish().unwrap();
        let mut r = VersionRecord::new(version(v));
        (r.sha256, r.size, r.location) = (Some(stored.sha256), stored.size, stored.location);
        r.integrity = Some(stored.sha256.into());
        if n == 6 {
            r.tarball = Some("https://example.com/".to_string() + &"long/".repeat(4000));
        }
        r
    }

    fn put(&mut self, n: u8, vs: &[u8], latest: Option<u8>) {
        let versions = vs.iter().map(|v| self.stored(n, *v, &content(n, *v))).collect();
        let record = self.record(n, versions, latest, false);
        self.batch().put(&record).unwrap();
        let package = self.pending.packages.entry(n).or_default();
        for v in vs {
            package.versions.insert(*v, true);
            self.pending.excluded.remove(&(n, Some(*v)));
            self.pending.excluded.remove(&(n, None));
        }
        package.latest = latest.or(package.latest);
        // What upstream last said in full stays the last it said in full.
        if !package.complete {
            package.checked = record.checked;
        }
    }

    fn known(&mut self, n: u8, vs: &[u8]) {
        let versions = vs.iter().map(|v| VersionRecord::new(version(*v))).collect();
        let record = self.record(n, versions, Some(vs[0]), true);
        self.batch().put(&record).unwrap();
        let package = self.pending.packages.entry(n).or_default();
        package.versions.retain(|v, here| *here || vs.contains(v));
        for v in vs {
            package.versions.entry(*v).or_insert(false);
        }
        (package.latest, package.complete, package.checked) = (Some(vs[0]), true, record.checked);
    }

    fn remove(&mut self, n: u8, v: Option<u8>) {
        self.batch().remove(&key(n), v.map(version).as_ref());
        let excluded = &mut self.pending.excluded;
        if v.is_none() {
            excluded.retain(|(m, _)| *m != n);
        }
        excluded.insert((n, v));
        let Some(package) = self.pending.packages.get_mut(&n) else { return };
        if let Some(v) = v
            && package.versions.remove(&v).is_some()
        {
            package.complete = false;
            package.latest = package.latest.filter(|l| *l != v);
        }
        if v.is_none() || package.versions.is_empty() {
            self.pending.packages.remove(&n);
        }
    }

    /// Only where the version is here, so that there is something to contradict.
    fn contradict(&mut self, n: u8) {
        let Some(package) = self.pending.packages.get(&n) else { return };
        let Some(v) = package.versions.iter().find(|(_, here)| **here).map(|(v, _)| *v) else { return };
        let other = self.stored(n, v, b"other bytes");
        let record = self.record(n, vec![other], None, false);
        self.batch().put(&record).unwrap();
        self.conflict = true;
    }

    fn commit(&mut self, compress: bool, crash: Option<u8>) {
        let batch = self.batch.take().unwrap();
        let before = self.mirror.refresh().unwrap().sequence();
        let stopped = crash.map(|at| (at, tempfile::tempdir().unwrap()));
        let (mut steps, mut last) = (0, None);
        let done = batch.finish(compress, None, &mut nobody, &mut |step| {
            if let Some((_, to)) = stopped.as_ref().filter(|(at, _)| *at == steps) {
                copy(self.dir.path(), to.path());
                last = Some(step);
            }
            steps += 1;
        });
        match &done {
            Err(Error::Conflict(_)) => assert!(self.conflict),
            Err(e) => panic!("{e}"),
            Ok(report) => {
                assert!(!self.conflict);
                let changes = self.model != self.pending;
                assert!(report.sequence == before + 1 || (report.sequence == before && !changes));
                self.model = self.pending.clone();
            }
        }
        if let (Some((_, to)), Some(last)) = (stopped, last) {
            // Only what was on the disk at that moment is left; the machine starts again.
            self.dir = to;
            self.mirror = Mirror::open(self.dir.path()).unwrap();
            let new = self.mirror.sequence() == before + 1;
            assert_eq!(new, last == "rooted");
            if !new {
                self.model = self.seen(&self.mirror);
            }
            assert_eq!(self.mirror.fallback(), None);
        }
        self.begin();
    }

    /// What the mirror says by listing.
    fn seen(&self, now: &Mirror) -> Model {
        let number = |text: &str| text[..1].parse::<u8>().unwrap();
        let mut seen = Model { label: now.snapshot().label.clone(), ..Model::default() };
        now.for_each(Prefix::All, &mut |view| {
            let package = Package {
                versions: (0..view.len()).map(|i| (number(view.version(i)), view.is_present(i))).collect(),
                latest: view.tag("latest").map(number),
                complete: view.complete(),
                checked: view.checked(),
            };
            assert!(seen.packages.insert(number(&view.key().name[1..]), package).is_none());
            Ok(())
        })
        .unwrap();
        let excluded = now.snapshot().exclusions.iter();
        seen.excluded.extend(excluded.map(|e| (number(&e.key.name[1..]), e.version.as_deref().map(number))));
        seen
    }

    /// Listing, looking up, reading and checking all say what the map says.
    fn check(&self) {
        let now = self.mirror.refresh().unwrap();
        assert_eq!(self.seen(&now), self.model);
        assert!(now.levels().len() <= MAX_DELTAS + 1);
        for n in 0..NAMES {
            let found = now.lookup(&key(n)).unwrap();
            assert_eq!(found.is_some(), self.model.packages.contains_key(&n));
            for v in 0..VERSIONS {
                let known = self.model.packages.get(&n).and_then(|p| p.versions.get(&v));
                let bytes = archive(&now, &format!("p{n}"), &version(v).to_string());
                assert_eq!(bytes, (known == Some(&true)).then(|| content(n, v)), "p{n}@{v}");
                let excluded = now.snapshot().is_excluded(&key(n), Some(&version(v).to_string()));
                let all = |x: &Option<u8>| x.is_none() || *x == Some(v);
                assert_eq!(excluded, self.model.excluded.iter().any(|(m, x)| *m == n && all(x)));
            }
        }
        whole(&now);
    }

    fn run(&mut self, op: Op) {
        match op {
            Op::Put(n, vs, latest) => return self.put(n, &vs, latest),
            Op::Known(n, vs) => return self.known(n, &vs),
            Op::Remove(n, v) => return self.remove(n, v),
            Op::Conflict(n) => return self.contradict(n),
            Op::Label(l) => {
                self.pending.label = format!("label {l}");
                return self.batch().set_label(&self.pending.label);
            }
            Op::Commit => self.commit(true, None),
            Op::Relaxed => self.commit(false, None),
            Op::Crash(at) => self.commit(at % 2 == 0, Some(at)),
            Op::Abandon => {
                self.batch.take().unwrap().abandon();
                self.begin();
            }
            Op::Gc => {
                gc::run(&self.mirror, &mut nobody).unwrap();
                let plan = gc::plan(&self.mirror.refresh().unwrap()).unwrap();
                assert_eq!((plan.packs.len(), plan.blobs.len(), plan.deltas), (0, 0, 0));
                assert_eq!(plan.files, [], "a clean-up leaves nothing to clean");
            }
            Op::Open => self.mirror = Mirror::open(self.dir.path()).unwrap(),
        }
        self.check();
    }
}

/// Long ones: a sixth of the cases that other properties get (`PROPTEST_CASES`).
fn few() -> ProptestConfig {
    let all = ProptestConfig::default();
    ProptestConfig { cases: all.cases.div_ceil(6), ..all }
}

proptest! {
    #![proptest_config(few())]
    /// Any sequence of changes, commits, crashes and clean-ups says what a map says.
    #[test]
    fn behaves_like_a_map(ops in proptest::collection::vec(op(), 1..50)) {
        let mut world = World::new();
        for op in ops.into_iter().chain([Op::Commit, Op::Gc, Op::Open]) {
            world.run(op);
        }
    }
}

/// More deltas than there may be, and nothing gets lost when they are merged.
#[test]
fn many_small_commits_are_merged() {
    let mut world = World::new();
    // Large enough that no delta swallows it.
    for n in [5, 6] {
        world.put(n, &[0, 1, 2, 3], None);
    }
    world.commit(true, None);
    let mut most = 0;
    for i in 0..30 {
        world.put(i % 5, &[i / 5 % 4], Some(i / 5 % 4));
        if i % 7 == 3 {
            world.remove(i % 5, Some(i / 5 % 4));
        }
        world.commit(i % 2 == 0, None);
        world.check();
        most = most.max(world.mirror.refresh().unwrap().levels().len());
    }
    assert!(most > 1 && most <= MAX_DELTAS + 1, "{most}");
}
