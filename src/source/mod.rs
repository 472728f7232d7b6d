//! Where packages come from: mirrors (directories) first, upstreams after.

pub mod media;
pub mod mirrors;
pub mod npm;
