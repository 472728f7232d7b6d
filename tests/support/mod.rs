//! What the tests of the built binary stand on.
//!
//! * [`archive`], [`script`], [`case`] and the `steps_*` rooms run the script tests of `tests/scripts`
//!   (`tests/README.md` is their manual);
//! * [`package`] and [`hostile`] make tarballs, well-formed ones and the other kind;
//! * [`registry`] is a loopback npm registry that serves them, counts what it is asked and misbehaves on demand;
//!   [`tls`] puts it behind certificates, good ones and the other kind;
//! * [`process`] runs programs with a scrubbed environment and a time limit; [`listing`] and [`diff`] compare trees and texts.
//!
//! Nothing here knows how pantry works inside: only its command line, its files and its exit statuses.

// Each test binary uses its own part of this.
#![allow(dead_code)]

pub mod archive;
pub mod case;
pub mod diff;
pub mod hostile;
pub mod listing;
pub mod package;
pub mod process;
pub mod registry;
pub mod script;
pub mod steps_check;
pub mod steps_files;
pub mod steps_run;
pub mod steps_world;
pub mod tls;

/// Past the capturing of test output: what was left out must be seen.
pub fn say(message: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "{message}");
}
