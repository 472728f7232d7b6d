//! Log lines for people who look for a fault: `PANTRY_LOG` (subsystems) and
//! `PANTRY_LOG_LEVEL`. Off unless asked for.

use std::io::Write;

/// From the fewest lines to the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl Level {
    pub const NAMES: [(&'static str, Self); 5] = [
        ("error", Self::Error),
        ("warn", Self::Warn),
        ("info", Self::Info),
        ("debug", Self::Debug),
        ("trace", Self::Trace),
    ];
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Subsystem {
    Cache,
    Install,
    Mirror,
    Mzp,
    Network,
    Resolve,
}

impl Subsystem {
    pub const NAMES: [(&'static str, Self); 6] = [
        ("cache", Self::Cache),
        ("install", Self::Install),
        ("mirror", Self::Mirror),
        ("mzp", Self::Mzp),
        ("network", Self::Network),
        ("resolve", Self::Resolve),
    ];
    fn bit(self) -> u8 {
        1 << (self as u8)
    }
    fn name(self) -> &'static str {
        Self::NAMES[self as usize].0
    }
}

/// Says which lines are wanted, and writes them. Two bytes: copy it into threads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Logger {
    level: Option<Level>,
    subsystems: u8,
}

impl Logger {
    /// All subsystems when none is named.
    pub fn new(level: Level, subsystems: &[Subsystem]) -> Self {
        let named = subsystems.iter().fold(0, |bits, subsystem| bits | subsystem.bit());
        Self { level: Some(level), subsystems: if named == 0 { u8::MAX } else { named } }
    }

    pub fn wants(self, level: Level, subsystem: Subsystem) -> bool {
        self.level.is_some_and(|most| level <= most) && self.subsystems & subsystem.bit() != 0
    }

    /// Writes `trace network: …`; the text is made only when it is wanted.
    pub fn log(self, level: Level, subsystem: Subsystem, text: impl FnOnce() -> String) {
        if self.wants(level, subsystem) {
            let name = Level::NAMES[level as usize].0;
            let line = format!("{name} {}: {}\n", subsystem.name(), text());
            // One call, so that lines of several threads do not mix.
            let _ = std::io::stderr().write_all(line.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_in_the_order_of_their_values() {
        for (index, (_, level)) in Level::NAMES.iter().enumerate() {
            assert_eq!(*level as usize, index);
        }
        for (index, (_, subsystem)) in Subsystem::NAMES.iter().enumerate() {
            assert_eq!(*subsystem as usize, index);
        }
    }

    #[test]
    fn only_what_is_asked_for() {
        assert!(!Logger::default().wants(Level::Error, Subsystem::Network));
        let some = Logger::new(Level::Info, &[Subsystem::Network]);
        assert!(some.wants(Level::Info, Subsystem::Network));
        assert!(!some.wants(Level::Debug, Subsystem::Network));
        assert!(!some.wants(Level::Error, Subsystem::Cache));
        assert!(Logger::new(Level::Trace, &[]).wants(Level::Trace, Subsystem::Mzp));
    }
}
