//! Many processes over one store and two mirrors (DESIGN section 8, promise 4): sixteen at a time install in projects of
//! their own and in one together, from mirrors and from a registry, while others add, remove, pull, clean up, verify, export,
//! clear and check the store. Nobody may fail, no tree may be torn, nothing acknowledged may be missing, nothing may stay.
//!
//! `make test` lets them run for eight seconds, `make test-full` and `make many` for a minute (`PANTRY_MANY`: seconds).
//! Who waits for whom is in `waiting.rs`.

#![allow(clippy::disallowed_methods)] // a test

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use support::package::{Package, described};
use support::process::{self, Output, Run};
use support::registry::Registry;
use support::{diff, listing};

const CATALOGUE: &str = "left@1.0.0 right@^1 @scope/tool@1 bin:left=cli.js\nleft@2.0.0 right@^2\nright@1.0.0\nright@2.0.0 deep@1\n\
@scope/tool@1.0.0 left@2 bin:tool=t.js\ndeep@1.0.0 deeper@1\ndeeper@1.0.0 left@1\nother@1.0.0 right@2\n";

/// What the projects ask for: each its own, the last one shared.
const MANIFESTS: [&str; 6] = [
    r#"{"dependencies": {"left": "1", "other": "1"}}"#,
    r#"{"dependencies": {"left": "2"}}"#,
    r#"{"dependencies": {"@scope/tool": "1", "right": "1"}}"#,
    r#"{"dependencies": {"deep": "1", "left": "2"}}"#,
    r#"{"dependencies": {"other": "1", "deeper": "1"}}"#,
    r#"{"dependencies": {"left": "1", "deep": "1"}}"#,
];
const SHARED: usize = 5;
const LINKERS: [&str; 3] = ["hoisted", "isolated", "store"];

struct World {
    base: tempfile::TempDir,
    registry: Registry,
    until: Instant,
    /// Trees that an undisturbed install gives, per project and linker.
    wanted: Vec<Vec<String>>,
    added: Mutex<BTreeSet<String>>,
    runs: AtomicUsize,
}

impl World {
    fn at(&self, name: &str) -> PathBuf {
        self.base.path().join(name)
    }

    /// Runs pantry in a folder below the base; anything but status 0 is a failure, and so is what lasts too long.
    fn ok(&self, folder: &str, args: &[&str]) -> Output {
        let mut env = process::homes(self.base.path());
        env.push(("npm_config_registry".into(), self.registry.url()));
        let mut argv: Vec<_> = vec![process::pantry().into()];
        argv.extend(args.iter().map(Into::into));
        let run = Run {
            argv,
            env,
            cwd: self.at(folder),
            stdin: Vec::new(),
            // Who cleans up or clears waits until nobody reads, which may be when all others have ended.
            limit: duration() + Duration::from_secs(300),
        };
        let out = run.run().expect("starts");
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(!out.timed_out, "{folder}: {args:?} hangs: {said}");
        assert_eq!(out.status, 0, "{folder}: {args:?}: {said}");
        self.runs.fetch_add(1, Relaxed);
        out
    }

    fn install(&self, project: &str, linker: &str, more: &[&str]) {
        let mut args =
            vec!["install", "--offline", "--linker", linker, "--mirror", "../one", "--mirror", "../two"];
        args.extend(more);
        self.ok(project, &args);
    }

    fn tree(&self, project: &str) -> String {
        let text = listing::list(&self.at(project).join("node_modules"), &[".pantry/state".into()], true);
        text.expect("a tree")
    }

    fn goes_on(&self) -> bool {
        Instant::now() < self.until
    }
}

fn duration() -> Duration {
    let named = std::env::var("PANTRY_MANY").ok().and_then(|n| n.parse().ok());
    let full = std::env::var_os("PANTRY_TEST_FULL").is_some_and(|v| !v.is_empty());
    Duration::from_secs(named.unwrap_or(if full { 60 } else { 8 }))
}

fn packages(catalogue: &str) -> Vec<Package> {
    described(&[("CATALOGUE".into(), catalogue.into())]).expect("a catalogue")
}

fn tarballs(dir: &Path, packages: &[Package]) -> Vec<String> {
    fs::create_dir_all(dir).expect("makes a directory");
    let write = |p: &Package| {
        let path =
            dir.join(format!("{}-{}.tgz", p.name.trim_start_matches('@').replace('/', "-"), p.version));
        fs::write(&path, p.tarball()).expect("writes a tarball");
        path.to_string_lossy().into_owned()
    };
    packages.iter().map(write).collect()
}

/// Numbers that differ, and are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
    fn rest(&mut self, most: u64) {
        std::thread::sleep(Duration::from_millis(self.roll(most)));
    }
}

fn world() -> World {
    let base = tempfile::tempdir().expect("a directory");
    for dir in ["home", "pantry", "tmp", "anywhere", "online"] {
        fs::create_dir_all(base.path().join(dir)).expect("makes directories");
    }
    for (i, manifest) in MANIFESTS.iter().enumerate() {
        fs::create_dir(base.path().join(format!("p{i}"))).expect("makes a project");
        fs::write(base.path().join(format!("p{i}/package.json")), manifest).expect("writes");
    }
    let upstream = (0..400).map(|i| format!("far{i}@1.0.0\n")).collect::<String>()
        + "net@1.0.0 net-dep@1\nnet-dep@1.0.0\n";
    fs::write(base.path().join("online/package.json"), r#"{"dependencies": {"net": "1"}}"#).expect("writes");
    let registry = Registry::start(packages(&upstream)).expect("a loopback port");
    let now = Instant::now();
    let mut world = World {
        base,
        registry,
        until: now,
        wanted: Vec::new(),
        added: Mutex::default(),
        runs: AtomicUsize::new(0),
    };
    let archives = tarballs(&world.at("tgz"), &packages(CATALOGUE));
    for mirror in ["../one", "../two"] {
        world.ok("anywhere", &["mirror", "init", mirror]);
        let mut add = vec!["mirror", "add", "--mirror", mirror];
        add.extend(archives.iter().map(String::as_str));
        world.ok("anywhere", &add);
    }
    for i in 0..MANIFESTS.len() {
        let project = format!("p{i}");
        let trees = LINKERS.map(|linker| {
            world.install(&project, linker, &["--force"]);
            world.tree(&project)
        });
        world.wanted.push(trees.to_vec());
    }
    world.until = Instant::now() + duration();
    world
}

/// In a project of its own: the tree is the wanted one whenever an install says that it is done.
fn alone(world: &World, i: usize) {
    let (project, mut dice) = (format!("p{i}"), Dice(i as u64));
    while world.goes_on() {
        let linker = dice.roll(3) as usize;
        let more: &[&str] = if dice.roll(4) == 0 { &["--force"] } else { &[] };
        match dice.roll(4) {
            0 => fs::remove_dir_all(world.at(&project).join("node_modules")).expect("removes"),
            1 => fs::remove_file(world.at(&project).join("pantry.lock")).expect("removes"),
            _ => {}
        }
        world.install(&project, LINKERS[linker], more);
        let (wanted, now) = (&world.wanted[i][linker], world.tree(&project));
        assert!(
            *wanted == now,
            "{project}, {}: another tree:\n{}",
            LINKERS[linker],
            diff::lines(wanted, &now)
        );
        dice.rest(60);
    }
}

/// Together with others in one project, each with its own linker.
fn together(world: &World, linker: usize) {
    let mut dice = Dice(100 + linker as u64);
    while world.goes_on() {
        let more: &[&str] = if dice.roll(4) == 0 { &["--force"] } else { &[] };
        world.install(&format!("p{SHARED}"), LINKERS[linker], more);
        dice.rest(100);
    }
}

/// New archives, one or three at a time; from time to time some that go again.
fn add(world: &World, mirror: &str, worker: u64) {
    let mut dice = Dice(200 + worker);
    let target = format!("../{mirror}");
    for n in 0.. {
        if !world.goes_on() {
            return;
        }
        let names: Vec<String> = (0..=dice.roll(3)).map(|k| format!("new{worker}x{n}x{k}@1.0.0")).collect();
        let archives = tarballs(&world.at(&format!("made{worker}")), &packages(&names.join("\n")));
        let mut args = vec!["mirror", "add", "--mirror", &target];
        args.extend(archives.iter().map(String::as_str));
        world.ok("anywhere", &args);
        let mut stay = names.as_slice();
        if dice.roll(2) == 0 {
            world.ok("anywhere", &["mirror", "remove", "--mirror", &target, &names[0]]);
            stay = &names[1..];
        }
        world.added.lock().expect("whole").extend(stay.iter().map(|name| format!("{mirror} {name}")));
        dice.rest(80);
    }
}

fn pull(world: &World) {
    for n in 0..400 {
        if !world.goes_on() {
            return;
        }
        let name = format!("far{n}");
        world.ok("anywhere", &["mirror", "pull", "--mirror", "../one", &name]);
        world.added.lock().expect("whole").insert(format!("one {name}@1.0.0"));
    }
}

fn again_and_again(world: &World, folder: &str, args: &[&str], rest: u64) {
    let mut dice = Dice(300 + rest);
    while world.goes_on() {
        world.ok(folder, args);
        dice.rest(rest);
    }
}

/// From the registry, written through to the home mirror, with the lock and sometimes the tree gone.
fn online(world: &World) {
    let mut dice = Dice(400);
    while world.goes_on() {
        let _ = fs::remove_file(world.at("online/pantry.lock"));
        if dice.roll(2) == 0 {
            let _ = fs::remove_dir_all(world.at("online/node_modules"));
        }
        world.ok("online", &["install"]);
        assert!(world.at("online/node_modules/net-dep/package.json").exists());
        world.ok("online", &["mirror", "verify"]);
    }
}

fn export(world: &World) {
    let mut dice = Dice(500);
    while world.goes_on() {
        let _ = fs::remove_dir_all(world.at("out"));
        world.ok("anywhere", &["mirror", "export", "../out", "--as", "tgz-dir", "--mirror", "../one"]);
        for package in packages(CATALOGUE) {
            let name =
                format!("{}-{}.tgz", package.name.trim_start_matches('@').replace('/', "-"), package.version);
            assert_eq!(fs::read(world.at("out").join(&name)).ok(), Some(package.tarball()), "{name}");
        }
        dice.rest(200);
    }
}

#[test]
fn sixteen_processes_over_one_store_and_two_mirrors() {
    let world = &world();
    std::thread::scope(|scope| {
        (0..SHARED).for_each(|i| drop(scope.spawn(move || alone(world, i))));
        (0..LINKERS.len()).for_each(|i| drop(scope.spawn(move || together(world, i))));
        scope.spawn(|| add(world, "one", 0));
        scope.spawn(|| add(world, "two", 1));
        scope.spawn(|| pull(world));
        scope.spawn(|| again_and_again(world, "anywhere", &["mirror", "gc", "../one"], 300));
        scope.spawn(|| again_and_again(world, "anywhere", &["mirror", "verify", "../one"], 100));
        scope.spawn(|| online(world));
        scope.spawn(|| export(world));
        scope.spawn(|| {
            again_and_again(world, "anywhere", &["store", "verify"], 50);
        });
        scope.spawn(|| again_and_again(world, "anywhere", &["cache:clear"], 700));
    });
    let shared = world.tree(&format!("p{SHARED}"));
    assert!(world.wanted[SHARED].contains(&shared), "the shared project is torn:\n{shared}");
    for mirror in ["one", "two"] {
        let path = format!("../{mirror}");
        world.ok("anywhere", &["mirror", "verify", &path]);
        let list = world.ok("anywhere", &["mirror", "list", &path, "--versions"]);
        let list = String::from_utf8_lossy(&list.stdout).into_owned();
        for package in world.added.lock().expect("whole").iter() {
            let (of, name) = package.split_once(' ').expect("two words");
            let (name, _) = name.rsplit_once('@').expect("a version");
            assert!(
                of != mirror
                    || list.lines().any(|l| l.split_whitespace().any(|w| w.split('@').next() == Some(name))),
                "{package} was acknowledged and is not there:\n{list}"
            );
        }
        world.ok("anywhere", &["mirror", "gc", &path]);
        world.ok("anywhere", &["mirror", "verify", &path]);
        assert_eq!(fs::read_dir(world.at(mirror).join("TMP")).expect("TMP").count(), 0, "{mirror}/TMP");
    }
    world.ok("anywhere", &["store", "verify"]);
    world.ok("anywhere", &["mirror", "verify"]);
    let left = |folder: &str| fs::read_dir(world.at(folder)).map_or(0, Iterator::count);
    for folder in ["tmp", "pantry/mirror/TMP", "pantry/store/tmp", "pantry/store.going"] {
        assert_eq!(left(folder), 0, "left in {folder}");
    }
    let packages = world.added.lock().expect("whole").len();
    support::say(&format!(
        "many: {} runs in {:?}, {packages} packages added",
        world.runs.load(Relaxed),
        duration()
    ));
}
