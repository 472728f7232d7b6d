//! Commands that are disturbed while they write: killed ([`kill`]), given errors ([`fail`]), a disk that is full
//! ([`full`]), memory and threads that run short ([`short`]), company that is killed as well ([`crowd`]). DESIGN section 8, promises 3 and 4.
//!
//! `make test` takes some points of every command, spread over all of them and the same every time; `make faults`
//! (`PANTRY_FAULTS=all`) takes every one, and prints the counts. `PANTRY_FAULTS_ONLY=repair` takes the scenes with that in their name.

#![allow(clippy::disallowed_methods)] // a test

#[path = "../support/mod.rs"]
mod support;

mod crowd;
mod fail;
mod full;
mod kill;
mod points;
mod scenes;
mod short;
mod world;

fn everything() -> bool {
    std::env::var("PANTRY_FAULTS").is_ok_and(|v| v == "all")
}

/// What was asked for of these.
fn wanted(mut scenes: Vec<scenes::Scene>) -> Vec<scenes::Scene> {
    let only = std::env::var("PANTRY_FAULTS_ONLY").unwrap_or_default();
    scenes.retain(|scene| scene.name.contains(&only));
    scenes
}

fn tally(what: &str, name: &str, points: usize, all: &points::Points) {
    support::say(&format!(
        "faults: {what}: {name}: {points} of {} points ({} calls, {} threads)",
        all.list.len(),
        all.calls,
        all.threads
    ));
}

/// What went wrong at each point: one defect often shows at several, and all of them are told.
#[derive(Default)]
struct Failures(Vec<String>);

impl Failures {
    fn attempt(&mut self, point: impl FnOnce()) {
        if let Err(panic) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(point)) {
            let text = panic.downcast_ref::<String>().cloned();
            self.0.push(text.unwrap_or_else(|| "a panic without words".into()));
        }
    }
    fn none(self) {
        assert!(self.0.is_empty(), "{} points fail:\n{}", self.0.len(), self.0.join("\n\n"));
    }
}
