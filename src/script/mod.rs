//! Running scripts: what a manifest's `scripts` say, in the surroundings that they rely on.
//!
//! `sh -c TEXT`, with npm's variables and every `node_modules/.bin` upwards on `PATH`.

pub mod process;
pub mod quote;
pub mod surroundings;

pub use surroundings::{Owner, Surroundings};
