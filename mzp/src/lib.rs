//! The MinZ mode: packages for Z80 and 6502 machines, from `mzp.toml` to a
//! unit that the compiler really accepts. `README.md` beside this crate is the
//! manual of the file formats.
//!
//! The way through the rooms: [`manifest`] → [`solve`] (what to take) →
//! [`lockfile`] → [`install`] (into `packages/`) → [`expand`] (`@if`, `@define`, `@include`) → [`program`] (what `main`
//! reaches) → [`bundle`] or [`stage`] (what the compiler is given) →
//! [`compiler`] → [`assembler`] → [`container`] or [`machine`].
//!
//! The crate takes values and returns values and errors. It never prints,
//! never reads the environment, never exits. It knows nothing of npm.

#![cfg_attr(not(feature = "network"), allow(unused_imports, unused_variables))]

pub mod assembler;
pub mod build;
pub mod bundle;
pub mod cache;
pub mod catalogue;
pub mod clean;
pub mod compiler;
pub mod container;
pub mod doctor;
pub mod error;
pub mod expand;
pub mod feature;
pub mod graph;
pub mod imports;
pub mod index;
pub mod init;
pub mod install;
pub mod lockfile;
pub mod machine;
pub mod manifest;
pub mod origin;
pub mod outdated;
pub mod package;
pub mod pins;
pub mod place;
pub mod platform;
pub mod program;
pub mod publish;
pub mod registry;
pub mod requirement;
pub mod shake;
pub mod solve;
pub mod source;
pub mod stage;
pub mod suggestion;
pub mod test;
pub mod text;
pub mod toml;
pub mod tool;
pub mod upstream;

pub use error::{Error, Result};
