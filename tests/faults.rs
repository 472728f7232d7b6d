//! Kills and failing system calls in the middle of commands that write (DESIGN section 8, promises 3 and 4).
//!
//! For each command: the world before is copied, the command runs under strace, which at the n-th mutating system call
//! either kills it or lets the call fail; then what must hold holds: the mirror verifies and lists what it listed, the lock
//! is the old or the new one, the manifest is untouched, and running the command again gives what an undisturbed run gives,
//! with nothing left over. `make test` takes a dozen points a command, spread over all of them; `make faults`
//! (`PANTRY_FAULTS=all`) takes every one. One worker, so that a run's calls come in the same order every time.

#![allow(clippy::disallowed_methods)] // a test

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use support::package::{Package, described};
use support::process::{self, Output, Run};
use support::registry::Registry;
use support::{diff, listing};

const MUTATING: &str = "write,pwrite64,writev,rename,renameat,renameat2,mkdir,mkdirat,unlink,unlinkat,rmdir,link,linkat,\
symlink,symlinkat,ftruncate,fallocate,fsync,fdatasync,syncfs,sync_file_range,chmod,fchmod,fchmodat,copy_file_range,sendfile,utimensat";

const CATALOGUE: &str = "left@1.0.0 right@^1 bin:left=cli.js\nleft@2.0.0 right@^2\nright@1.0.0\nright@2.0.0\n\
other@1.0.0\nlate@1.0.0\n@scope/tool@1.0.0 left@1\n";

/// A directory that holds everything a command touches, and a copy of it as it was before.
struct World {
    base: tempfile::TempDir,
    env: Vec<(String, String)>,
}

impl World {
    /// `live` is prepared by the commands of `before`.
    fn new(manifest: &str, before: &[&[&str]], registry: Option<&Registry>) -> Self {
        let base = tempfile::tempdir().expect("a directory");
        let live = base.path().join("live");
        for dir in ["work", "home", "pantry", "tmp", "tgz"] {
            fs::create_dir_all(live.join(dir)).expect("makes directories");
        }
        fs::write(live.join("work/package.json"), manifest).expect("writes the manifest");
        for package in packages() {
            let name =
                format!("{}-{}.tgz", package.name.trim_start_matches('@').replace('/', "-"), package.version);
            fs::write(live.join("tgz").join(name), package.tarball()).expect("writes a tarball");
        }
        let at = |name: &str| live.join(name).to_string_lossy().into_owned();
        let env = vec![
            ("PATH".to_owned(), std::env::var("PATH").unwrap_or_default()),
            ("HOME".into(), at("home")),
            ("PANTRY_HOME".into(), at("pantry")),
            ("TMPDIR".into(), at("tmp")),
            ("PANTRY_CONCURRENCY".into(), "1".into()),
            ("LANG".into(), "C.UTF-8".into()),
            (
                "npm_config_registry".into(),
                registry.map_or_else(|| "http://127.0.0.1:9".into(), Registry::url),
            ),
        ];
        let world = Self { base, env };
        for command in before {
            let out = world.pantry(command, &[]);
            assert_eq!(out.status, 0, "{command:?}: {}", String::from_utf8_lossy(&out.stderr));
        }
        copy(&world.live(), &world.seed());
        world
    }

    fn live(&self) -> PathBuf {
        self.base.path().join("live")
    }

    fn seed(&self) -> PathBuf {
        self.base.path().join("seed")
    }

    fn restore(&self) {
        fs::remove_dir_all(self.live()).expect("removes the live copy");
        copy(&self.seed(), &self.live());
    }

    fn pantry(&self, args: &[&str], prefix: &[&str]) -> Output {
        let mut argv: Vec<_> = prefix.iter().map(Into::into).collect();
        argv.push(process::pantry().into());
        argv.extend(args.iter().map(Into::into));
        let cwd = self.live().join("work");
        Run { argv, env: self.env.clone(), cwd, stdin: Vec::new(), limit: Duration::from_secs(60) }
            .run()
            .expect("starts")
    }

    fn has_mirror(&self) -> bool {
        self.live().join("mirror/ROOT.A").exists()
    }

    /// All that must be the same after a rerun: the project, and what the mirror says that it holds.
    fn outcome(&self) -> String {
        let skip = [".pantry*".to_owned()];
        let mut text = listing::list(&self.live().join("work"), &skip, true).expect("lists");
        for mirror in ["mirror", "pantry/mirror"] {
            if self.live().join(mirror).join("ROOT.A").exists() {
                let list = self.pantry(&["mirror", "list", &self.live().join(mirror).to_string_lossy()], &[]);
                text.push_str(&format!("{mirror}: {}\n", String::from_utf8_lossy(&list.stdout)));
            }
        }
        text
    }

    fn temporaries(&self) -> Vec<String> {
        let list = listing::list(&self.live(), &["node_modules".into()], false).expect("lists");
        let below_tmp = |path: &str| {
            let path = path.to_ascii_lowercase();
            path.split('/').rev().skip(1).any(|part| part == "tmp" || part == ".tmp")
        };
        list.lines()
            .filter_map(|l| l.get(3..))
            .filter(|p| below_tmp(p.trim_end_matches('/')))
            .map(str::to_owned)
            .collect()
    }

    fn lock(&self) -> Option<Vec<u8>> {
        fs::read(self.live().join("work/pantry.lock")).ok()
    }
}

fn packages() -> Vec<Package> {
    described(&[("CATALOGUE".into(), CATALOGUE.into())]).expect("a catalogue")
}

/// With hard links, modes and times: the store's files are links of the project's.
fn copy(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-a").arg(from).arg(to).status().expect("cp");
    assert!(done.success());
}

enum Fault {
    Kill,
    /// The n-th call fails with this error, once or from then on.
    Error(&'static str, bool),
}

fn everything() -> bool {
    std::env::var("PANTRY_FAULTS").is_ok_and(|v| v == "all")
}

/// What can be disturbed: strace counts each system call of each thread by itself, so a point is "the n-th `rename`".
/// What only speaks to the terminal is left out.
fn calls(trace: &str) -> Vec<(String, usize)> {
    let mut counts = BTreeMap::<(&str, &str), usize>::new();
    let (mut points, mut spoken) = (Vec::new(), Vec::new());
    for line in trace.lines() {
        let Some((thread, call)) = line.split_once(' ') else { continue };
        let call = call.trim_start();
        let Some((name, _)) = call.split_once('(') else { continue };
        let count = counts.entry((thread, name)).or_default();
        *count += 1;
        let point = (name.to_owned(), *count);
        if call.starts_with("write(1,") || call.starts_with("write(2,") {
            spoken.push(point);
        } else if !points.contains(&point) {
            points.push(point);
        }
    }
    // The n-th write of one thread may be the n-th of another too, and that one a message.
    points.retain(|point| !spoken.contains(point));
    points
}

/// All of them, or a dozen spread evenly, always with the first and the last.
fn sample(calls: &[(String, usize)]) -> Vec<(String, usize)> {
    if everything() || calls.len() <= 12 {
        return calls.to_vec();
    }
    (0..12).map(|n| calls[n * (calls.len() - 1) / 11].clone()).collect()
}

fn disturb(name: &str, world: &World, command: &[&str], fault: &Fault) {
    if process::can("strace") != Some(true) {
        support::say(&format!("SKIPPED: {name}: no strace here"));
        return;
    }
    let trace = world.base.path().join("trace").to_string_lossy().into_owned();
    let watch = ["strace", "-f", "-qq", "-o", &trace, "-e", &format!("trace={MUTATING}")];
    let undisturbed = world.pantry(command, &watch);
    assert_eq!(undisturbed.status, 0, "{name}: {}", String::from_utf8_lossy(&undisturbed.stderr));
    let calls = calls(&fs::read_to_string(&trace).expect("a trace"));
    assert!(!calls.is_empty(), "{name}: no mutating call at all");
    let (wanted, new_lock) = (world.outcome(), world.lock());
    world.restore();
    let old_lock = world.lock();
    let old_list = world.has_mirror().then(|| world.outcome());
    let points = sample(&calls);
    for (call, n) in &points {
        world.restore();
        let inject = match fault {
            Fault::Kill => format!("inject={call}:signal=KILL:when={n}"),
            Fault::Error(error, once) => {
                format!("inject={call}:error={error}:when={n}{}", if *once { "" } else { "+" })
            }
        };
        let prefix =
            ["strace", "-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={MUTATING}"), "-e", &inject];
        let hit = world.pantry(command, &prefix);
        let place = format!("{name}, {inject}");
        let said = String::from_utf8_lossy(&hit.stderr).into_owned();
        assert!(!hit.timed_out, "{place}: hangs");
        assert!(!said.contains("panicked"), "{place}: {said}");
        if let Fault::Error(_, once) = fault {
            assert!((0..=4).contains(&hit.status), "{place}: status {}: {said}", hit.status);
            // From then on every write fails, that of the message too.
            let mute = !*once && call == "write";
            assert!(hit.status == 0 || mute || !said.trim().is_empty(), "{place}: fails without a word");
        }
        let manifest = (
            fs::read(world.live().join("work/package.json")),
            fs::read(world.seed().join("work/package.json")),
        );
        assert_eq!(manifest.0.ok(), manifest.1.ok(), "{place}: the manifest changed");
        let lock = world.lock();
        assert!(lock == old_lock || lock == new_lock, "{place}: the lock is neither old nor new: {lock:?}");
        if old_list.is_some() {
            let verify = world.pantry(&["mirror", "verify", "../mirror"], &[]);
            assert_eq!(
                verify.status,
                0,
                "{place}: the mirror is damaged: {}",
                String::from_utf8_lossy(&verify.stderr)
            );
        }
        let done_already = world.outcome() == wanted;
        let again = world.pantry(command, &[]);
        let said = String::from_utf8_lossy(&again.stderr).into_owned();
        // What was done already may be refused the second time (`init`, `remove`); what it left is then for `gc`.
        assert!(again.status == 0 || done_already, "{place}: the rerun fails: {said}");
        if again.status != 0 {
            let gc = world.pantry(&["mirror", "gc", "../mirror"], &[]);
            assert_eq!(gc.status, 0, "{place}: gc: {}", String::from_utf8_lossy(&gc.stderr));
        }
        let now = world.outcome();
        assert!(now == wanted, "{place}: the rerun gives another result:\n{}", diff::lines(&wanted, &now));
        assert_eq!(world.temporaries(), Vec::<String>::new(), "{place}: left behind after the rerun");
    }
    support::say(&format!("faults: {name}: {} of {} points", points.len(), calls.len()));
}

const MANIFEST: &str = r#"{"dependencies": {"left": "^1.0.0", "@scope/tool": "1"}}"#;
const ADD: &[&str] = &[
    "mirror",
    "add",
    "--mirror",
    "../mirror",
    "../tgz/left-1.0.0.tgz",
    "../tgz/left-2.0.0.tgz",
    "../tgz/right-1.0.0.tgz",
    "../tgz/right-2.0.0.tgz",
    "../tgz/scope-tool-1.0.0.tgz",
    "../tgz/other-1.0.0.tgz",
];
const INIT: &[&str] = &["mirror", "init", "../mirror"];
const ADD_LATE: &[&str] = &["mirror", "add", "--mirror", "../mirror", "../tgz/late-1.0.0.tgz"];
const INSTALL: &[&str] = &["install", "--offline", "--mirror", "../mirror"];

#[test]
fn mirror_init_killed_anywhere() {
    disturb("mirror init", &World::new(MANIFEST, &[], None), INIT, &Fault::Kill);
}

#[test]
fn mirror_add_killed_anywhere() {
    disturb("mirror add", &World::new(MANIFEST, &[INIT, ADD], None), ADD_LATE, &Fault::Kill);
}

#[test]
fn mirror_remove_killed_anywhere() {
    let remove = ["mirror", "remove", "--mirror", "../mirror", "other@1.0.0"];
    disturb("mirror remove", &World::new(MANIFEST, &[INIT, ADD], None), &remove, &Fault::Kill);
}

#[test]
fn mirror_gc_killed_anywhere() {
    let remove: &[&str] = &["mirror", "remove", "--mirror", "../mirror", "other@1.0.0"];
    let gc = ["mirror", "gc", "../mirror"];
    disturb("mirror gc", &World::new(MANIFEST, &[INIT, ADD, ADD_LATE, remove], None), &gc, &Fault::Kill);
}

#[test]
fn mirror_pull_killed_anywhere() {
    let registry = Registry::start(packages()).expect("a loopback port");
    let pull = ["mirror", "pull", "--mirror", "../mirror", "left@1"];
    disturb("mirror pull", &World::new(MANIFEST, &[INIT, ADD_LATE], Some(&registry)), &pull, &Fault::Kill);
}

#[test]
fn install_killed_anywhere() {
    disturb("install", &World::new(MANIFEST, &[INIT, ADD], None), INSTALL, &Fault::Kill);
}

#[test]
fn linker_change_killed_anywhere() {
    let isolated = ["install", "--offline", "--mirror", "../mirror", "--linker", "isolated"];
    disturb("linker change", &World::new(MANIFEST, &[INIT, ADD, INSTALL], None), &isolated, &Fault::Kill);
}

#[test]
fn upgrade_killed_anywhere() {
    let world = World::new(MANIFEST, &[INIT, ADD, INSTALL], None);
    for dir in [world.live(), world.seed()] {
        fs::write(dir.join("work/package.json"), r#"{"dependencies": {"left": "^2.0.0", "other": "1"}}"#)
            .expect("writes");
    }
    disturb("upgrade", &world, INSTALL, &Fault::Kill);
}

#[test]
fn mirror_add_with_an_io_error_anywhere() {
    disturb(
        "mirror add, EIO",
        &World::new(MANIFEST, &[INIT, ADD], None),
        ADD_LATE,
        &Fault::Error("EIO", true),
    );
}

#[test]
fn mirror_add_with_no_space_from_anywhere_on() {
    disturb(
        "mirror add, ENOSPC",
        &World::new(MANIFEST, &[INIT, ADD], None),
        ADD_LATE,
        &Fault::Error("ENOSPC", false),
    );
}

#[test]
fn install_with_an_io_error_anywhere() {
    disturb("install, EIO", &World::new(MANIFEST, &[INIT, ADD], None), INSTALL, &Fault::Error("EIO", true));
}

#[test]
fn install_with_no_space_from_anywhere_on() {
    disturb(
        "install, ENOSPC",
        &World::new(MANIFEST, &[INIT, ADD], None),
        INSTALL,
        &Fault::Error("ENOSPC", false),
    );
}
