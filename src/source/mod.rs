//! Where packages come from: mirrors (directories) first, upstreams after.

pub mod mirrors;
pub mod npm;
