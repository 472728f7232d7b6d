//! pantry: the library behind the binary. See README.md, "The house", for the map.

// What a build for MinZ alone does not call is left out by the linker.
#![cfg_attr(not(feature = "npm"), allow(dead_code, unused_imports))]

pub mod cli;
pub mod commands;
pub mod dependency;
pub mod error;
pub mod import;
pub mod install;
pub mod json;
pub mod keyring;
pub mod lockfile;
pub mod manifest;
pub mod network;
pub mod npmrc;
pub mod opportunity;
pub mod project;
pub mod pull;
pub mod resolve;
pub mod script;
pub mod serve;
pub mod settings;
pub mod source;
pub mod supply;
pub mod tee;
pub mod ui;
pub mod wants;
