//! Progress of work that may take more than a second.
//!
//! A [`Progress`] is cheap to clone and may be moved by any thread. Nothing is
//! drawn before the work has taken [`PATIENCE`], so that quick work does not
//! flicker, and nothing at all where there is no terminal: then a step costs
//! one relaxed addition. On a terminal a line appears after that time whether
//! anything has moved or not: a server that does not answer is seen to be waited for.

use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long work may take before a bar appears.
const PATIENCE: Duration = Duration::from_millis(700);
/// How often it is drawn.
const TURN: Duration = Duration::from_millis(120);
/// Cells of the bar.
const WIDTH: u64 = 24;
/// Back to the line's start, and all of it away; no terminal breaks a line between the last two.
const CLEAR: &str = "\r\x1b[K";
const UNBROKEN: &str = "\x1b[?7l";
const BROKEN: &str = "\x1b[?7h";

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Bytes,
    Packages,
}

#[derive(Clone)]
pub struct Progress(Arc<Inner>);

struct Inner {
    unicode: bool,
    /// Lines may be said (not with `--quiet`).
    speaks: bool,
    /// On a terminal, and not finished.
    shown: AtomicBool,
    done: AtomicU64,
    stage: Mutex<Stage>,
}

/// What is being done; what is done of it is counted from 0.
struct Stage {
    what: String,
    unit: Unit,
    /// 0: not known.
    total: u64,
    /// The line stands on the screen.
    drawn: bool,
}

impl Progress {
    pub(super) fn new(what: &str, unit: Unit, speaks: bool, shown: bool, unicode: bool) -> Self {
        let inner = Arc::new(Inner {
            unicode,
            speaks,
            shown: AtomicBool::new(shown),
            done: AtomicU64::new(0),
            stage: Mutex::new(Stage { what: what.to_string(), unit, total: 0, drawn: false }),
        });
        if shown {
            let inner = inner.clone();
            // Without the thread there is no bar, and nothing else is missing.
            let _ = std::thread::Builder::new().stack_size(128 * 1024).spawn(move || {
                std::thread::sleep(PATIENCE);
                inner.appear();
            });
        }
        Self(inner)
    }

    /// Progress that nobody sees; for operations called without a [`super::Ui`].
    pub fn hidden() -> Self {
        Self::new("", Unit::Packages, false, false, false)
    }

    /// Something else is done from here on, counted from 0. `total` 0: not known.
    pub fn stage(&self, what: &str, unit: Unit, total: u64) {
        let mut stage = self.0.stage();
        (stage.what, stage.unit, stage.total) = (what.to_string(), unit, total);
        self.0.done.store(0, Relaxed);
    }

    /// Says how much there is to do in all; may grow while the work goes on.
    pub fn set_total(&self, total: u64) {
        self.0.stage().total = total;
    }

    /// So much more is done.
    pub fn add(&self, count: u64) {
        self.0.done.fetch_add(count, Relaxed);
    }

    pub fn done(&self) -> u64 {
        self.0.done.load(Relaxed)
    }

    /// A line on standard error, from whatever thread, above the bar if there is one.
    pub fn status(&self, text: &str) {
        if self.0.speaks {
            let line = format!("{text}\n");
            // Nothing can be done when that fails.
            let _ = self.aside(|| std::io::stderr().write_all(line.as_bytes()));
        }
    }

    /// Takes the bar off the screen, for good.
    pub fn finish(&self) {
        let mut stage = self.0.stage();
        self.0.shown.store(false, Relaxed);
        stage.clear();
    }

    /// Runs `write` while the bar is off the screen; it comes back with its next turn.
    pub(super) fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        let mut stage = self.0.stage();
        stage.clear();
        write()
    }
}

impl Inner {
    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Draws until the work is over. Under the lock of the stage, so that nothing comes after [`Progress::finish`].
    fn appear(&self) {
        for turn in 0.. {
            let mut stage = self.stage();
            if !self.shown.load(Relaxed) {
                return;
            }
            stage.drawn = true;
            let line = stage.line(self.done.load(Relaxed), turn, self.unicode);
            show(&[CLEAR, UNBROKEN, &line, BROKEN].concat());
            drop(stage);
            std::thread::sleep(TURN);
        }
    }
}

impl Stage {
    fn clear(&mut self) {
        if std::mem::take(&mut self.drawn) {
            show(CLEAR);
        }
    }

    /// `⠁ Installing [████▌        ] 12 of 40 packages`
    fn line(&self, done: u64, turn: usize, unicode: bool) -> String {
        let turns = if unicode { "⠁⠂⠄⡀⢀⠠⠐⠈" } else { "|/-\\" };
        let turns: Vec<char> = turns.chars().collect();
        let spinner = turns[turn % turns.len()];
        let what = &self.what;
        match (self.total, self.unit) {
            (0, Unit::Bytes) => format!("{spinner} {what}: {}", size(done)),
            (0, Unit::Packages) => format!("{spinner} {what}: {done} packages"),
            (total, unit) => {
                let bar = bar(done, total, unicode);
                let of = match unit {
                    Unit::Bytes => format!("{} of {}", size(done), size(total)),
                    Unit::Packages => format!("{done} of {total} packages"),
                };
                format!("{spinner} {what} [{bar}] {of}")
            }
        }
    }
}

fn bar(done: u64, total: u64, unicode: bool) -> String {
    let eighths = u128::from(done.min(total)) * u128::from(WIDTH * 8) / u128::from(total.max(1));
    let (full, rest) = (eighths as usize / 8, eighths as usize % 8);
    let (cell, parts) = if unicode { ("█", "▏▎▍▌▋▊▉") } else { ("=", ">>>>>>>") };
    let mut bar = cell.repeat(full);
    bar.extend(rest.checked_sub(1).and_then(|part| parts.chars().nth(part)));
    let cells = full + usize::from(rest > 0);
    bar + &" ".repeat(WIDTH as usize - cells)
}

/// A count of bytes for people: `12 B`, `3.4 KB`, `56 MB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KB", "MB", "GB", "TB"];
    // In whole numbers: what prints fractions is large.
    let (mut value, mut unit, mut one) = (bytes, 0, 1);
    while value >= 1000 && unit + 1 < UNITS.len() {
        value /= 1000;
        unit += 1;
        one *= 1000;
    }
    let tenths = (bytes as u128 * 10 + one / 2) / one;
    match unit {
        0 => format!("{bytes} B"),
        _ if tenths >= 1000 => format!("{} {}", (bytes as u128 + one / 2) / one, UNITS[unit]),
        _ => format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit]),
    }
}

/// Nothing can be done when that fails.
fn show(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_without_a_terminal() {
        let progress = Progress::hidden();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..100).for_each(|_| progress.add(1)));
            }
        });
        assert_eq!(progress.done(), 400);
        progress.0.appear();
        assert!(!progress.0.stage().drawn);
        progress.finish();
    }

    #[test]
    fn quick_work_shows_no_bar() {
        let progress = Progress::new("x", Unit::Bytes, true, true, false);
        progress.set_total(10);
        progress.add(10);
        assert!(!progress.0.stage().drawn);
        progress.finish();
        progress.0.appear();
        assert!(!progress.0.stage().drawn, "what is finished does not appear");
    }

    #[test]
    fn every_stage_has_its_line() {
        let progress = Progress::new("x", Unit::Packages, false, false, true);
        for (unit, total, unicode, line) in [
            (Unit::Bytes, 0, false, "/ y: 3 B"),
            (Unit::Bytes, 1_234_567, true, "⠂ y [                        ] 3 B of 1.2 MB"),
            (Unit::Packages, 10, true, "⠂ y [███████▏                ] 3 of 10 packages"),
            (Unit::Packages, 10, false, "/ y [=======>                ] 3 of 10 packages"),
            (Unit::Packages, 2, false, "/ y [========================] 3 of 2 packages"),
            (Unit::Packages, 0, true, "⠂ y: 3 packages"),
        ] {
            progress.stage("y", unit, total);
            progress.add(3);
            assert_eq!(progress.0.stage().line(progress.done(), 1, unicode), line);
        }
    }
}
