//! The npm registry, and whatever speaks its protocol.

pub mod crawl;
pub mod fetch;
pub mod packument;
pub mod registry;
mod scan;
pub mod upstream;
