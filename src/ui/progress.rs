//! Progress of work that may take more than a second.
//!
//! A [`Progress`] is cheap to clone and may be moved by any thread. Nothing is
//! drawn before the work has taken [`PATIENCE`], so that quick work does not
//! flicker, and nothing at all where there is no terminal: then a step costs
//! one relaxed addition. On a terminal a line appears after that time whether
//! anything has moved or not: a server that does not answer is seen to be waited for.

#[cfg(feature = "npm")]
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

/// How long work may take before a bar appears.
const PATIENCE: Duration = Duration::from_millis(700);
/// How often a bar is drawn, at most, per second.
const FRAMES: u8 = 12;
/// How often it moves without news.
const TURN: Duration = Duration::from_millis(120);

/// A build for MinZ alone draws none.
#[cfg(not(feature = "npm"))]
enum ProgressBar {}

#[cfg(not(feature = "npm"))]
impl ProgressBar {
    fn set_position(&self, _: u64) {}
    fn finish_and_clear(&self) {}
    fn suspend<T>(&self, write: impl FnOnce() -> T) -> T {
        write()
    }
}

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
    bar: OnceLock<ProgressBar>,
}

/// What is being done; what is done of it is counted from 0.
struct Stage {
    what: String,
    unit: Unit,
    /// 0: not known.
    total: u64,
}

impl Progress {
    pub(super) fn new(what: &str, unit: Unit, speaks: bool, shown: bool, unicode: bool) -> Self {
        let inner = Arc::new(Inner {
            unicode,
            speaks,
            shown: AtomicBool::new(shown),
            done: AtomicU64::new(0),
            stage: Mutex::new(Stage { what: what.to_string(), unit, total: 0 }),
            bar: OnceLock::new(),
        });
        if shown && cfg!(feature = "npm") {
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
        *stage = Stage { what: what.to_string(), unit, total };
        self.0.done.store(0, Relaxed);
        if let Some(bar) = self.0.bar.get() {
            self.0.dress(bar, &stage);
        }
    }

    /// Says how much there is to do in all; may grow while the work goes on.
    pub fn set_total(&self, total: u64) {
        let mut stage = self.0.stage();
        stage.total = total;
        if let Some(bar) = self.0.bar.get() {
            self.0.dress(bar, &stage);
        }
    }

    /// So much more is done.
    pub fn add(&self, count: u64) {
        let done = self.0.done.fetch_add(count, Relaxed) + count;
        if let Some(bar) = self.0.bar.get() {
            bar.set_position(done);
        }
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
        let _stage = self.0.stage();
        self.0.shown.store(false, Relaxed);
        if let Some(bar) = self.0.bar.get() {
            bar.finish_and_clear();
        }
    }

    /// Runs `write` while the bar is off the screen.
    pub(super) fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        match self.0.bar.get() {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }
}

impl Inner {
    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(not(feature = "npm"))]
    fn appear(&self) {}

    #[cfg(not(feature = "npm"))]
    fn dress(&self, _: &ProgressBar, _: &Stage) {}

    /// The bar comes onto the screen, unless the work is over. Under the lock of
    /// the stage, so that it does not come after [`Progress::finish`].
    #[cfg(feature = "npm")]
    fn appear(&self) {
        let stage = self.stage();
        if self.shown.load(Relaxed) {
            let target = ProgressDrawTarget::stderr_with_hz(FRAMES);
            let bar = self.bar.get_or_init(|| ProgressBar::with_draw_target(None, target));
            self.dress(bar, &stage);
            bar.enable_steady_tick(TURN);
        }
    }

    #[cfg(feature = "npm")]
    fn dress(&self, bar: &ProgressBar, stage: &Stage) {
        let template = match (stage.total, stage.unit) {
            (0, Unit::Bytes) => "{spinner} {msg}: {decimal_bytes}",
            (0, Unit::Packages) => "{spinner} {msg}: {human_pos} packages",
            (_, Unit::Bytes) => "{spinner} {msg} [{bar:24}] {decimal_bytes} of {decimal_total_bytes}",
            (_, Unit::Packages) => "{spinner} {msg} [{bar:24}] {human_pos} of {human_len} packages",
        };
        // The templates are ours; should one be wrong, the default style shows.
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(match self.unicode {
                true => style.progress_chars("█▉▊▋▌▍▎▏ "),
                false => style.progress_chars("=> ").tick_chars("|/-\\ "),
            });
        }
        match stage.total {
            0 => bar.unset_length(),
            total => bar.set_length(total),
        }
        bar.set_position(self.done.load(Relaxed));
        bar.set_message(stage.what.clone());
    }
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
        assert!(progress.0.bar.get().is_none());
        progress.finish();
    }

    #[test]
    fn quick_work_shows_no_bar() {
        let progress = Progress::new("x", Unit::Bytes, true, true, false);
        progress.set_total(10);
        progress.add(10);
        assert!(progress.0.bar.get().is_none());
        progress.finish();
        progress.0.appear();
        assert!(progress.0.bar.get().is_none(), "what is finished does not appear");
    }

    #[test]
    fn every_stage_is_dressed() {
        let progress = Progress::new("x", Unit::Packages, false, false, true);
        let bar = ProgressBar::hidden();
        for (unit, total) in [(Unit::Bytes, 0), (Unit::Bytes, 10), (Unit::Packages, 10), (Unit::Packages, 0)]
        {
            progress.stage("y", unit, total);
            progress.add(3);
            progress.0.dress(&bar, &progress.0.stage());
            assert_eq!((bar.message().as_str(), bar.position()), ("y", 3));
            assert_eq!(bar.length(), (total > 0).then_some(total));
        }
    }
}
