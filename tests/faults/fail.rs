//! The n-th operation fails, once or from then on: DESIGN section 8, promise 4.
//!
//! The command says what failed and why, and leaves everything as it was, or it did what it should all the same; then,
//! without the fault, it gives what an undisturbed run gives, with nothing left over. An interrupted call is simply
//! made again. Who says that it is done has made it last: no sync that fails is passed over ([`NEED_NOT_LAST`]).

use std::collections::BTreeSet;

use crate::kill::{Known, again, dead};
use crate::points::{self, ALL, Point, spread};
use crate::scenes::{self, Scene};
use crate::support::{process, say};
use crate::world::{World, difference};
use crate::{Failures, everything};

struct Fault {
    error: &'static str,
    /// One of these stands in the message.
    reasons: &'static [&'static str],
    calls: &'static [&'static str],
    from_then_on: bool,
}

const WRITES: &[&str] = &[
    "write",
    "pwrite64",
    "writev",
    "mkdir",
    "mkdirat",
    "link",
    "linkat",
    "symlink",
    "symlinkat",
    "rename",
    "renameat",
    "renameat2",
    "ftruncate",
    "fallocate",
    "fsync",
    "fdatasync",
    "syncfs",
    "copy_file_range",
    "sendfile",
];
/// Of these every point is taken: that one is not listened to shows at that one alone.
const SYNCS: &[&str] = &["fsync", "fdatasync", "syncfs"];
const REMOVES: &[&str] = &["unlink", "unlinkat", "rmdir", "fchmod", "fchmodat", "chmod", "utimensat"];
const READS: &[&str] =
    &["open", "openat", "read", "pread64", "readv", "getdents64", "readlink", "readlinkat", "flock"];
/// What POSIX lets a signal interrupt. (`close` too, but that is never to be repeated.)
const INTERRUPTIBLE: &[&str] = &[
    "open",
    "openat",
    "read",
    "pread64",
    "readv",
    "write",
    "pwrite64",
    "writev",
    "fsync",
    "fdatasync",
    "ftruncate",
    "flock",
    "copy_file_range",
    "sendto",
    "recvfrom",
];
const OPENS: &[&str] = &["open", "openat", "socket", "pipe2", "eventfd2", "dup"];
/// What may get lost though the command succeeds, and why: `/NAME>` as strace shows the end of a path.
const NEED_NOT_LAST: &[(&str, &str)] =
    &[("/LOCK>", "who holds a lock is only told to those who wait; written again by the next who has it")];
const DISK: &[&str] = &["input/output error"];
const FULL: &[&str] = &["no space left", "not enough space", "the disk is full"];
const READ_ONLY: &[&str] = &["read-only"];
const TOO_MANY: &[&str] = &["too many open files"];

const FAULTS: [Fault; 11] = [
    Fault { error: "EIO", reasons: DISK, calls: SYNCS, from_then_on: false },
    Fault { error: "EIO", reasons: DISK, calls: WRITES, from_then_on: false },
    Fault { error: "EIO", reasons: DISK, calls: WRITES, from_then_on: true },
    Fault { error: "EIO", reasons: DISK, calls: REMOVES, from_then_on: false },
    Fault { error: "EIO", reasons: DISK, calls: READS, from_then_on: false },
    Fault { error: "ENOSPC", reasons: FULL, calls: WRITES, from_then_on: false },
    Fault { error: "ENOSPC", reasons: FULL, calls: WRITES, from_then_on: true },
    Fault { error: "EROFS", reasons: READ_ONLY, calls: WRITES, from_then_on: true },
    Fault { error: "EMFILE", reasons: TOO_MANY, calls: OPENS, from_then_on: false },
    Fault { error: "EMFILE", reasons: TOO_MANY, calls: OPENS, from_then_on: true },
    Fault { error: "EINTR", reasons: &[], calls: INTERRUPTIBLE, from_then_on: false },
];

/// Points for each other fault of each command.
fn most() -> usize {
    let few = if everything() { usize::MAX } else { 2 };
    std::env::var("PANTRY_FAULTS_MOST").ok().and_then(|v| v.parse().ok()).unwrap_or(few)
}

fn fail_everywhere(scenes: Vec<Scene>) {
    let mut failures = Failures::default();
    for scene in crate::wanted(scenes) {
        if process::can("strace") != Some(true) {
            say(&format!("SKIPPED: errors in {}: no strace here", scene.name));
            continue;
        }
        let world = World::new(scene);
        let old = Known::of(&world, "before");
        let all = points::of(&world, ALL);
        let new = Known::of(&world, "undisturbed");
        let counted = world.counted("undisturbed");
        let mut counts = String::new();
        for fault in &FAULTS {
            // `opendir` is not among what may be interrupted.
            let fits = |p: &&Point| {
                let spared = p.speaks || (fault.error == "EINTR" && p.folder);
                fault.calls.contains(&p.call.as_str()) && !spared
            };
            let list: Vec<Point> = all.list.iter().filter(fits).cloned().collect();
            let chosen = spread(&list, if fault.calls == SYNCS { usize::MAX } else { most() });
            for point in &chosen {
                failures.attempt(|| fail(&world, fault, point, all.threads > 1, &old, &new, &counted));
            }
            let then = if fault.from_then_on { " on" } else { "" };
            counts.push_str(&format!(" {}{then} {}/{}", fault.error, chosen.len(), list.len()));
        }
        say(&format!("faults: errors: {}:{counts}", world.name()));
    }
    failures.none();
}

fn fail(
    world: &World,
    fault: &Fault,
    point: &Point,
    threads: bool,
    old: &Known,
    new: &Known,
    counted: &[String],
) {
    let Point { call, n, .. } = point;
    let inject =
        format!("{call}:error={}:when={n}{}", fault.error, if fault.from_then_on { "+" } else { "" });
    let place = format!("{}, {inject}", world.name());
    world.restore();
    let trace = world.base().join("hit");
    let hit =
        world.pantry(world.command(), &points::strace(world, ALL, &trace.to_string_lossy(), Some(&inject)));
    let said = String::from_utf8_lossy(&hit.stderr).into_owned();
    assert!(!hit.timed_out, "{place}: hangs");
    // The system did not get as far as the program.
    if hit.status == 127 && said.contains("error while loading shared libraries") {
        return;
    }
    assert!(!said.contains("panicked"), "{place}: {said}");
    // Calls are counted for each thread: another one's n-th may be that of a message, which is lost then.
    let unheard = (fault.from_then_on || threads) && call == "write";
    let not_kept = unheard || said.contains("not kept in the home mirror");
    assert!([0, 1, 3, 4].contains(&hit.status), "{place}: status {}: {said}", hit.status);
    if hit.status == 0 {
        if fault.error != "EINTR" {
            let trace = std::fs::read_to_string(&trace).expect("a trace");
            let mut lost = lost(&trace);
            // That is told, see below.
            lost.retain(|l| !(not_kept && l.contains("/pantry/mirror")));
            lost.retain(|l| !(said.contains(" not remembered") && l.contains("/pantry/trust")));
            // What a sync leaves for others beside what it brought.
            lost.retain(|l| !(said.contains("is not told how far") && l.contains("/live/")));
            assert!(lost.is_empty(), "{place}: done, though this was not made to last: {lost:#?}: {said}");
        }
        let now = world.look();
        let tidy =
            |text: &str| text.lines().filter(|l| !is_leftover(l)).map(str::to_owned).collect::<Vec<_>>();
        let done = tidy(&now.project) == tidy(&new.look.project);
        // A copy for later that could not be kept is told, and does not matter enough to fail.
        let untold = now.mirrors != new.look.mirrors && !not_kept;
        assert!(done && !untold, "{place}: done, and not so: {said}\n{}", difference(&new.look, &now));
        if now.mirrors != new.look.mirrors {
            world.must(world.command());
            assert!(world.look().project == new.look.project, "{place}: the rerun gives another result");
            return;
        }
    } else {
        assert!(fault.error != "EINTR", "{place}: an interrupted call is made again: {said}");
        let lower = said.to_lowercase();
        let named = fault.reasons.iter().any(|r| lower.contains(r)) && said.contains('/');
        assert!(unheard || named, "{place}: the message names no file or no reason: {said}");
        let now = dead(world, &place, "", old, new).project;
        unchanged(world, &place, &said, &now, old, new);
        if not_kept {
            world.must(world.command());
            assert!(world.look().project == new.look.project, "{place}: the rerun gives another result");
            return;
        }
    }
    again(world, &place, new, counted);
}

/// What a trace says was not made to last, because the call that should have done that was made to fail.
fn lost(trace: &str) -> Vec<&str> {
    let failed = trace.lines().filter(|l| l.contains("(INJECTED)"));
    let synced = failed.filter(|l| SYNCS.iter().any(|call| l.contains(&format!("{call}("))));
    synced.filter(|l| !NEED_NOT_LAST.iter().any(|(path, _)| l.contains(path))).collect()
}

/// After a failure: nothing but what was there, what should be there, and what the next run clears away.
fn unchanged(world: &World, place: &str, said: &str, now: &str, old: &Known, new: &Known) {
    let known: BTreeSet<&str> = old.look.project.lines().chain(new.look.project.lines()).collect();
    let stray: Vec<&str> = now.lines().filter(|l| !known.contains(l) && !is_leftover(l)).collect();
    assert!(stray.is_empty(), "{place}: failed, and left {stray:#?}: {said}");
    // A change that has begun is carried out by the next run.
    if world.changes_as_a_whole() && !now.contains("/.pantry/journal ") {
        let tree = |project: &str| -> Vec<String> {
            let other = |l: &&str| {
                let books = l.contains("pantry.lock ") || l.starts_with("work: f  package.json ");
                !is_leftover(l) && !books && !l.contains("node_modules/.cache")
            };
            project.lines().filter(other).map(str::to_owned).collect()
        };
        let tree_now = tree(now);
        let whole = tree_now == tree(&old.look.project) || tree_now == tree(&new.look.project);
        assert!(whole, "{place}: failed, and the project is neither old nor new: {said}\n{now}");
    }
}

/// What a run clears away that finds it.
fn is_leftover(line: &str) -> bool {
    let path = line.get(line.find(": ").map_or(0, |at| at + 5)..).unwrap_or_default();
    let path = path.split(' ').next().unwrap_or_default();
    let ours = ["node_modules/.pantry/", ".node_modules-", "packages/.staging/", "build/"];
    let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let temporary = name.len() > 17
        && name.starts_with('.')
        && name.as_bytes()[name.len() - 17] == b'.'
        && name[name.len() - 16..].bytes().all(|b| b.is_ascii_hexdigit());
    ours.iter().any(|o| path.starts_with(o))
        || temporary
        || name.ends_with(".part")
        || [".mzp-unfinished", ".pantry.lock.next"].contains(&name)
}

#[test]
fn mirror_commands_with_an_error_anywhere() {
    fail_everywhere(scenes::mirror());
}

#[test]
fn syncs_with_an_error_anywhere() {
    // Every sync call of each is a point.
    let few = ["sync --both", "mirror key create"];
    fail_everywhere(scenes::syncs().into_iter().filter(|s| everything() || few.contains(&s.name)).collect());
}

#[test]
fn online_commands_with_an_error_anywhere() {
    fail_everywhere(scenes::online());
}

#[test]
fn first_installs_with_an_error_anywhere() {
    fail_everywhere(scenes::first_installs());
}

#[test]
fn changing_installs_with_an_error_anywhere() {
    fail_everywhere(scenes::changing_installs());
}

#[test]
fn edits_with_an_error_anywhere() {
    fail_everywhere(scenes::edits());
}

#[test]
fn cache_clear_with_an_error_anywhere() {
    fail_everywhere(scenes::caches());
}

#[test]
fn minz_commands_with_an_error_anywhere() {
    fail_everywhere(scenes::minz());
}
