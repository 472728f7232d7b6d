//! Installing: from a manifest to a `node_modules`.
//!
//! ```text
//! run      the operation: what is asked → what is done → a report
//! select   which packages of the graph this platform and these groups need
//! fill     the store gets what is missing, from mirrors
//! hoist, hoisted, isolated, shared     the wanted tree as units, per linker
//! apart    an edit that changes nothing of what stays: only what comes is laid out
//! build    makes units on disk       apply   puts them in place, journalled
//! books    manifests and lock, written together
//! state    «nothing to do» in a few stats           difference   what an install changes, by package
//! scripts  whose scripts may run, and which have to
//! store, listing                     extracted packages, shared by all projects
//! cache    counting and clearing them     prune    what no project uses     verify   finding what was changed in them
//! ```

pub mod apart;
pub mod apply;
pub mod bins;
pub mod books;
pub mod build;
pub mod cache;
pub mod difference;
pub mod download;
pub mod engines;
pub mod fill;
pub mod hoist;
pub mod hoisted;
pub mod isolated;
pub mod listing;
pub mod platform;
pub mod prune;
pub mod run;
pub mod scripts;
pub mod select;
pub mod shared;
pub mod state;
pub mod store;
pub mod tree;
pub mod unit;
pub mod verify;

#[cfg(test)]
mod tests;
