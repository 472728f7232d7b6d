//! SIGKILL at every system call that changes something: DESIGN section 8, promise 3.
//!
//! While the command is dead: mirrors verify and list what they listed (or the new), files of the user's are the old or
//! the new, every package in `node_modules` is whole. Then the command again gives what an undisturbed run gives, with
//! nothing left over; or the command before it brings back what was there.

use std::collections::BTreeMap;

use crate::points::{self, MUTATING, spread};
use crate::scenes::{self, Scene};
use crate::support::{process, say};
use crate::world::{Look, World, difference};
use crate::{Failures, everything, tally};

fn kill_everywhere(scenes: Vec<Scene>) {
    let mut failures = Failures::default();
    for scene in crate::wanted(scenes) {
        if process::can("strace") != Some(true) {
            say(&format!("SKIPPED: kills in {}: no strace here", scene.name));
            continue;
        }
        let world = World::new(scene);
        let old = Known::of(&world, "before");
        let points = points::of(&world, MUTATING);
        let new = Known::of(&world, "undisturbed");
        let counted = world.counted("undisturbed");
        let chosen = if everything() { points.list.clone() } else { spread(&points.list, 10) };
        let mut missed = 0;
        for (i, point) in chosen.iter().enumerate() {
            failures.attempt(|| {
                let mut n = point.n;
                let (place, hit) = loop {
                    let inject = format!("{}:signal=KILL:when={n}", point.call);
                    world.restore();
                    let strace = points::strace(&world, MUTATING, "/dev/null", Some(&inject));
                    let hit = world.pantry(world.command(), &strace);
                    // Where threads race, none may have as many calls of a kind as one had before.
                    if hit.status != 0 || points.threads == 1 || n == 1 {
                        break (format!("{}, {inject}", world.name()), hit);
                    }
                    n -= 1;
                };
                assert!(!hit.timed_out, "{place}: hangs");
                let said = String::from_utf8_lossy(&hit.stderr).into_owned();
                if hit.status == 0 && points.threads > 1 {
                    missed += 1;
                    return;
                }
                assert_eq!(hit.status, 137, "{place}: was not killed: {said}");
                let _ = dead(&world, &place, &said, &old, &new);
                match world.back().filter(|_| i % 2 == 1) {
                    Some(back) => brought_back(&world, &place, back, &old),
                    None => again(&world, &place, &new, &counted),
                }
            });
        }
        assert!(missed * 10 <= chosen.len(), "{}: {missed} points were not met", world.name());
        tally("killed", world.name(), chosen.len() - missed, &points);
    }
    failures.none();
}

/// What there was to see before the command, or after it.
pub struct Known {
    pub look: Look,
    owned: Vec<(&'static str, Option<Vec<u8>>)>,
    units: BTreeMap<String, String>,
}

impl Known {
    pub fn of(world: &World, place: &str) -> Self {
        if place != "before" || !world.is_rotten() {
            world.verify(place);
        }
        Self { look: world.look(), owned: world.owned(), units: world.units() }
    }
}

/// What a reader finds now.
pub fn dead(world: &World, place: &str, said: &str, old: &Known, new: &Known) -> Look {
    for ((file, now), (before, after)) in world.owned().iter().zip(old.owned.iter().zip(&new.owned)) {
        let fits = *now == before.1 || *now == after.1;
        let text = now.as_ref().map(|t| String::from_utf8_lossy(t));
        assert!(fits, "{place}: {file} is neither old nor new: {text:?}");
    }
    if !world.is_rotten() {
        world.verify(place);
    }
    let look = world.look();
    for line in &look.mirrors {
        let known = old.look.mirrors.contains(line) || new.look.mirrors.contains(line);
        assert!(known, "{place}: a mirror lists what it never held: {line}");
    }
    for line in old.look.mirrors.intersection(&new.look.mirrors) {
        assert!(look.mirrors.contains(line), "{place}: a mirror has lost {line}");
    }
    for (unit, text) in world.units() {
        let whole = [old, new].iter().any(|k| k.units.get(&unit) == Some(&text));
        assert!(whole, "{place}: {unit} is neither old nor new:\n{text}");
    }
    for aside in world.asides() {
        let whole = [old, new].iter().any(|k| k.units == aside);
        assert!(whole, "{place}: beside node_modules, what says it is finished is not: {aside:#?}");
    }
    // What was reported as done is done.
    if said.contains("ok: ") {
        assert!(
            look.project == new.look.project && look.mirrors == new.look.mirrors,
            "{place}: reported, and not so: {said}"
        );
    }
    look
}

fn brought_back(world: &World, place: &str, back: &str, old: &Known) {
    let out = world.pantry(back, &[]);
    assert_eq!(out.status, 0, "{place}: {back}: {}", String::from_utf8_lossy(&out.stderr));
    // The store has more than before.
    let now = Look { rest: old.look.rest.clone(), ..world.look() };
    assert!(now == old.look, "{place}: {back} does not bring it back:\n{}", difference(&old.look, &now));
}

pub fn again(world: &World, place: &str, new: &Known, counted: &[String]) {
    let again = world.pantry(world.command(), &[]);
    let said = String::from_utf8_lossy(&again.stderr).into_owned();
    let now = world.look();
    // What was done already may be refused the second time (`init`, `remove`).
    let done = now.project == new.look.project && now.mirrors == new.look.mirrors;
    assert!(again.status == 0 || done, "{place}: the rerun fails: {said}");
    assert!(now == new.look, "{place}: the rerun gives another result:\n{}", difference(&new.look, &now));
    world.verify(place);
    assert_eq!(world.counted(place), counted, "{place}: the mirror has other files after a clean-up");
}

#[test]
fn mirror_commands_killed_anywhere() {
    kill_everywhere(scenes::mirror());
}

#[test]
fn syncs_killed_anywhere() {
    kill_everywhere(scenes::syncs());
}

#[test]
fn online_commands_killed_anywhere() {
    kill_everywhere(scenes::online());
}

#[test]
fn first_installs_killed_anywhere() {
    kill_everywhere(scenes::first_installs());
}

#[test]
fn changing_installs_killed_anywhere() {
    kill_everywhere(scenes::changing_installs());
}

#[test]
fn edits_killed_anywhere() {
    kill_everywhere(scenes::edits());
}

#[test]
fn cache_clear_killed_anywhere() {
    kill_everywhere(scenes::caches());
}

#[test]
fn minz_commands_killed_anywhere() {
    kill_everywhere(scenes::minz());
}
