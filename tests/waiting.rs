//! Who waits for whom (DESIGN section 8, promise 4): every lock there is, its holder stopped. Whoever needs it says what it
//! waits for, goes on when the holder is killed, and ends when it is interrupted itself. Nobody waits in a circle.
//!
//! How long that takes (a moment) is said, not checked: it is the machine's. Nobody but the killed holder would ever let
//! go, so who goes on at all does so for that reason.

#![allow(clippy::disallowed_methods)] // a test

mod support;

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use support::package::described;
use support::process::{self, Output, Run, Running};
use support::registry::{Registry, Trouble};

/// More than anything takes that does end, on however busy a machine.
const LONG: Duration = Duration::from_secs(300);

struct World {
    base: tempfile::TempDir,
    registry: Registry,
}

impl World {
    fn new() -> Self {
        let packages =
            described(&[("CATALOGUE".into(), "left@1.0.0 right@1\nright@1.0.0\nother@1.0.0\n".into())]);
        let packages = packages.expect("a catalogue");
        let base = tempfile::tempdir().expect("a directory");
        for dir in ["work", "home", "pantry", "tmp", "game", "game/src"] {
            fs::create_dir(base.path().join(dir)).expect("makes directories");
        }
        let write = |name: &str, text: &[u8]| fs::write(base.path().join(name), text).expect("writes");
        write("work/package.json", br#"{"dependencies": {"left": "1"}}"#);
        write("game/mzp.toml", b"[package]\nname = \"game\"\nversion = \"1.0.0\"\n");
        write("game/src/main.minz", b"fun main() -> void {}\n");
        for package in &packages {
            write(&format!("{}.tgz", package.name), &package.tarball());
        }
        let world = Self { base, registry: Registry::start(packages).expect("a loopback port") };
        for args in [
            &["mirror", "init", "../one"] as &[&str],
            &["mirror", "init", "../two"],
            &["mirror", "add", "--mirror", "../one", "../left.tgz", "../right.tgz"],
            &["mirror", "add", "--mirror", "../two", "../left.tgz", "../right.tgz", "../other.tgz"],
        ] {
            assert_eq!(world.run(args).status, 0, "{args:?}");
        }
        // A home mirror, and a store.
        assert_eq!(world.run(&["install"]).status, 0);
        world
    }

    fn at(&self, name: &str) -> PathBuf {
        self.base.path().join(name)
    }

    fn spawn(&self, argv: &[&str]) -> Running {
        let mut env = process::homes(self.base.path());
        env.push(("npm_config_registry".into(), self.registry.url()));
        let run = Run {
            argv: argv.iter().map(Into::into).collect(),
            env,
            cwd: self.at("work"),
            stdin: Vec::new(),
            limit: LONG,
        };
        run.spawn().expect("starts")
    }

    fn run(&self, args: &[&str]) -> Output {
        let pantry = process::pantry().to_string_lossy().into_owned();
        let argv: Vec<&str> = std::iter::once(pantry.as_str()).chain(args.iter().copied()).collect();
        self.spawn(&argv).wait().expect("ends")
    }

    /// Runs it with its standard error in a file, which can be read while it runs.
    fn watched(&self, folder: &str, args: &[&str]) -> Running {
        let pantry = process::pantry().to_string_lossy().into_owned();
        let mut argv = vec!["sh", "-c", r#"cd ../$0 && exec "$@" 2>../said"#, folder, &pantry];
        argv.extend(args);
        fs::write(self.at("said"), "").expect("writes");
        self.spawn(&argv)
    }

    fn said(&self) -> String {
        fs::read_to_string(self.at("said")).unwrap_or_default()
    }

    /// Whether it says that, sooner or later.
    fn hears(&self, text: &str) -> bool {
        comes(|| self.said().contains(text))
    }

    /// A process that holds the lock of a file or directory, and stands still.
    fn holder(&self, kind: &str, lock: &str) -> Running {
        let (path, ready) = (self.at(lock), self.at("ready"));
        let _ = fs::remove_file(&ready);
        let hold = format!("touch '{}'; exec sleep 10000", ready.display());
        let holder = self.spawn(&["flock", kind, &path.to_string_lossy(), "sh", "-c", &hold]);
        assert!(comes(|| ready.exists()), "{} does not appear", ready.display());
        signal(&holder, Signal::STOP);
        holder
    }
}

fn comes(mut what: impl FnMut() -> bool) -> bool {
    let until = Instant::now() + LONG / 3;
    while !what() {
        if Instant::now() > until {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    true
}

fn signal(running: &Running, signal: Signal) {
    let group = i32::try_from(running.id()).ok().and_then(Pid::from_raw).expect("a process");
    kill_process_group(group, signal).expect("a signal arrives");
}

const PROJECT: &str = "Waiting for another process to finish with this project";
const STORE: &str = "Waiting for other processes to finish with the store";
const MIRROR: &str = "Waiting for another process to finish with the mirror";

/// How it is held, what, who needs it, and what is said.
const LOCKS: [(&str, &str, &[&str], &str); 12] = [
    ("-x", "work", &["install", "--offline", "--mirror", "../one", "--force", "--json"], PROJECT),
    ("-x", "pantry/store", &["install", "--offline", "--mirror", "../one", "--force", "--json"], STORE),
    (
        "-x",
        "one/PIN",
        &["install", "--offline", "--mirror", "../one", "--frozen-lockfile", "--force", "--json"],
        MIRROR,
    ),
    ("-x", "one/PIN", &["mirror", "list", "../one", "--json"], MIRROR),
    ("-x", "two/LOCK", &["mirror", "add", "--mirror", "../two", "../other.tgz", "--json"], MIRROR),
    ("-x", "one/LOCK", &["mirror", "pull", "--mirror", "../one", "left@1", "--json"], MIRROR),
    ("-x", "one/LOCK", &["mirror", "gc", "../one", "--json"], MIRROR),
    ("-s", "one/PIN", &["mirror", "gc", "../one", "--json"], MIRROR),
    ("-x", "pantry/mirror/LOCK", &["install", "--force", "--json"], MIRROR),
    ("-s", "pantry/store", &["cache:clear", "--json"], STORE),
    ("-x", "pantry/store", &["store", "verify", "--json"], STORE),
    ("-x", "game", &["mzp", "install", "--json"], PROJECT),
];

#[test]
fn whoever_waits_says_for_what_and_goes_on_when_the_holder_is_killed() {
    if process::find("flock").is_none() {
        return support::say("SKIPPED: waiting: no flock here");
    }
    let world = World::new();
    let (mut stopping, mut going_on) = (Duration::ZERO, Duration::ZERO);
    for (kind, lock, args, words) in LOCKS {
        let place = format!("{args:?} with {lock} held");
        let folder = if lock == "game" { "game" } else { "work" };
        prepare(&world, lock);
        // Interrupted while it waits.
        let holder = world.holder(kind, lock);
        let waiter = world.watched(folder, args);
        assert!(world.hears(words), "{place}: it says only {:?}", world.said());
        assert!(!world.said().contains('\x1b'), "{place}: escapes without a terminal");
        let begun = Instant::now();
        signal(&waiter, Signal::INT);
        let out = waiter.wait().expect("ends");
        assert_eq!((out.status, out.timed_out), (130, false), "{place}");
        stopping = stopping.max(begun.elapsed());
        // And again, until the holder is killed.
        forget(&world, lock);
        let waiter = world.watched(folder, args);
        assert!(world.hears(words), "{place}: it says only {:?}", world.said());
        let begun = Instant::now();
        holder.kill();
        holder.wait().expect("ends");
        let out = waiter.wait().expect("ends");
        assert_eq!((out.status, out.timed_out), (0, false), "{place}: {}", world.said());
        going_on = going_on.max(begun.elapsed());
        let text = String::from_utf8(out.stdout).expect("UTF-8");
        let json: Result<miniserde::json::Value, _> = miniserde::json::from_str(&text);
        assert!(json.is_ok(), "{place}: not one document: {text}");
        assert_eq!(fs::read_dir(world.at("tmp")).expect("TMPDIR").count(), 0, "{place}: leftovers");
    }
    support::say(&format!("waiting: at most {stopping:?} to stop, {going_on:?} to go on and end"));
}

/// What the command will need the lock for.
fn prepare(world: &World, lock: &str) {
    match lock {
        "pantry/store" => drop(fs::create_dir_all(world.at("pantry/store"))),
        "pantry/mirror/LOCK" => {
            fs::remove_dir_all(world.at("pantry/mirror")).expect("removes");
            assert_eq!(world.run(&["mirror", "init", "../pantry/mirror"]).status, 0);
        }
        "one/LOCK" => drop(world.run(&["mirror", "remove", "--mirror", "../one", "left"])),
        _ => {}
    }
    forget(world, lock);
}

/// What was done before the wait, and would not be done again.
fn forget(world: &World, lock: &str) {
    if matches!(lock, "one/PIN" | "pantry/mirror/LOCK") {
        let _ = fs::remove_dir_all(world.at("pantry/store"));
    }
    if lock == "pantry/mirror/LOCK" {
        let _ = fs::remove_file(world.at("work/pantry.lock"));
    }
}

/// A real install that holds its project, stopped in the middle; the next one waits, and has it once that is killed.
#[test]
fn a_killed_install_frees_its_project() {
    let world = World::new();
    fs::remove_file(world.at("work/pantry.lock")).expect("removes");
    // Nothing is known: it has to ask.
    fs::remove_dir_all(world.at("pantry")).expect("removes");
    world.registry.forget_requests();
    world.registry.trouble("*", Trouble::Hang, None);
    let first = world.watched("work", &["install", "--force", "-v"]);
    // It has the project when it asks the registry, which says nothing.
    assert!(comes(|| !world.registry.requests().is_empty()), "it asks nobody: {:?}", world.said());
    signal(&first, Signal::STOP);
    let second = world.watched("work", &["install", "--offline", "--mirror", "../one"]);
    assert!(world.hears(PROJECT), "it says only {:?}", world.said());
    first.kill();
    first.wait().expect("ends");
    let out = second.wait().expect("ends");
    assert_eq!((out.status, out.timed_out), (0, false), "{}", world.said());
}

/// Two projects with the same two mirrors in opposite orders, while both are cleaned up and filled: all end.
#[test]
fn two_projects_and_two_mirrors_never_wait_in_a_circle() {
    let world = World::new();
    fs::create_dir(world.at("also")).expect("makes a project");
    fs::copy(world.at("work/package.json"), world.at("also/package.json")).expect("copies");
    for round in 0..6 {
        let _ = fs::remove_dir_all(world.at("pantry/store"));
        let pantry = process::pantry().to_string_lossy().into_owned();
        let from = |folder: &str, args: &str| {
            let line = format!("cd ../{folder} && exec '{pantry}' {args}");
            (args.to_owned(), world.spawn(&["sh", "-c", &line]))
        };
        let all = [
            from("work", "install --force --offline --mirror ../one --mirror ../two"),
            from("also", "install --force --offline --mirror ../two --mirror ../one"),
            from("work", "install --force --mirror ../two --mirror ../one"),
            from("work", "mirror gc ../one"),
            from("work", "mirror gc ../two"),
            from("work", "mirror pull other --mirror ../one"),
            from("work", "mirror pull other --mirror ../two"),
            from("work", "mirror add ../other.tgz --mirror ../two"),
            from("also", "cache:clear"),
        ];
        for (args, running) in all {
            let out = running.wait().expect("ends");
            let said = String::from_utf8_lossy(&out.stderr).into_owned();
            assert_eq!((out.status, out.timed_out), (0, false), "round {round}: {args}: {said}");
        }
        for mirror in ["../one", "../two"] {
            assert_eq!(world.run(&["mirror", "verify", mirror]).status, 0);
            assert_eq!(world.run(&["mirror", "remove", "--mirror", mirror, "other"]).status, 0);
        }
    }
}
