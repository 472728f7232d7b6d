//! What a mirror is: a package registry that is a plain directory.
//!
//! The crate takes values and returns values and errors. It never prints,
//! never reads the environment, never exits.

pub mod archive;
pub mod batch;
pub mod bundle;
pub mod commit;
pub mod diff;
pub mod digest;
pub mod error;
pub mod file;
pub mod gc;
pub mod held;
pub mod http;
mod layout;
mod left;
pub mod lock;
pub mod mirror;
pub mod name;
pub mod order;
pub mod pack;
pub mod record;
pub mod repair;
pub mod root;
mod segment;
pub mod snapshot;
pub mod sync;
pub mod time;
pub mod trust;
pub mod verify;
pub mod version;
pub mod want;

pub use batch::Batch;
pub use error::Error;
pub use mirror::Mirror;
pub use segment::inflate;
