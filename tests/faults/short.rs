//! Memory that runs short, threads that cannot be started: DESIGN section 8, promises 4 and 7.
//!
//! Without memory a Rust program is ended by its own runtime: that is as a kill, at a moment that the size decides. No
//! thread but the first is less speed and nothing else.

use crate::kill::{Known, again, dead};
use crate::points;
use crate::scenes::{self, Scene};
use crate::support::{process, say};
use crate::world::{World, difference};
use crate::{Failures, everything};

const STARTS: &str = "clone,clone3";
/// How a program may end that has no memory: an error, SIGABRT by the allocator (or by zlib-rs), SIGSEGV where the stack cannot grow.
const ENDS: [i32; 4] = [0, 1, 134, 139];

fn chosen() -> Vec<Scene> {
    let names = ["mirror add, the first", "mirror pull", "install, online", "install, hoisted", "upgrade"];
    let all = [scenes::mirror(), scenes::online(), scenes::first_installs(), scenes::changing_installs()];
    let found: Vec<_> =
        all.into_iter().flatten().filter(|s| everything() || names.contains(&s.name)).collect();
    assert!(found.len() >= names.len(), "scenes have other names");
    found
}

/// The same with so many bytes of address space.
fn limited(bytes: u64) -> [String; 2] {
    ["prlimit".into(), format!("--as={bytes}")]
}

#[test]
fn commands_without_the_memory() {
    if process::can("prlimit") != Some(true) {
        return say("SKIPPED: commands without the memory: no prlimit here");
    }
    let (mut failures, mut ends) = (Failures::default(), 0);
    for scene in chosen() {
        let world = World::crowded(scene);
        let old = Known::of(&world, "before");
        world.must(world.command());
        let new = Known::of(&world, "undisturbed");
        let counted = world.counted("undisturbed");
        // From where the program can be loaded at all, until it has had enough three times.
        let mut bytes = 1 << 20;
        while world.pantry("--version", &limited(bytes)).status != 0 {
            bytes += 256 << 10;
            assert!(bytes < 4 << 30, "{}: it is never loaded", world.name());
        }
        let (least, mut ended, mut enough) = (bytes, 0, 0);
        while enough < 3 {
            let place = format!("{}, {bytes} bytes", world.name());
            failures.attempt(|| {
                world.restore();
                let out = world.pantry(world.command(), &limited(bytes));
                let said = String::from_utf8_lossy(&out.stderr).into_owned();
                assert!(!out.timed_out, "{place}: hangs: {said}");
                assert!(ENDS.contains(&out.status), "{place}: status {}: {said}", out.status);
                assert!(!said.contains("failed to spawn thread"), "{place}: {said}");
                let _ = dead(&world, &place, &said, &old, &new);
                again(&world, &place, &new, &counted);
                enough = if out.status == 0 { enough + 1 } else { 0 };
                ended += usize::from(out.status != 0);
            });
            bytes += if everything() { bytes / 100 } else { bytes / 32 };
            assert!(bytes < 4 << 30, "{place}: there is never enough");
        }
        ends += ended;
        say(&format!("faults: memory: {}: {ended} ends from {} KB on", world.name(), least >> 10));
    }
    failures.none();
    assert!(ends > 0, "every command had enough from the beginning");
}

#[test]
fn commands_without_other_threads() {
    if process::can("strace") != Some(true) {
        return say("SKIPPED: commands without other threads: no strace here");
    }
    let mut failures = Failures::default();
    for scene in chosen() {
        let world = World::crowded(scene);
        world.must(world.command());
        let new = Known::of(&world, "undisturbed");
        for when in ["1+", "1", "2+"] {
            let inject = format!("{STARTS}:error=EAGAIN:when={when}");
            let place = format!("{}, {inject}", world.name());
            failures.attempt(|| {
                world.restore();
                let strace = points::strace(&world, STARTS, "/dev/null", Some(&inject));
                let out = world.pantry(world.command(), &strace);
                let said = String::from_utf8_lossy(&out.stderr);
                assert!(!out.timed_out, "{place}: hangs");
                assert_eq!(out.status, 0, "{place}: {said}");
                let now = world.look();
                assert!(now == new.look, "{place}: another result:\n{}", difference(&new.look, &now));
                world.verify(&place);
            });
        }
    }
    failures.none();
}
