//! The command line: one table ([`table`]) and the loops over it.
//!
//! | room | what it makes of the table |
//! |---|---|
//! | [`parse`] | arguments → [`Invocation`]; pure: no file, variable or terminal is touched |
//! | [`suggest`] | «did you mean …?» |
//! | [`help`] | `pantry help …`, `-h` |
//! | [`man`] | `pantry man` (roff) |
//! | [`complete`] | `pantry complete bash\|zsh\|fish` |
//!
//! The words of the table ([`text`]) lie apart, compressed.
//!
//! What a command *does* is not here: [`crate::commands`] maps a row's path
//! (`mirror pull`) to a function. A row without a function keeps its place in
//! the table, and help says that it is not in this version.

pub mod command;
pub mod complete;
pub mod help;
pub mod invocation;
pub mod man;
pub mod parse;
pub mod suggest;
pub mod table;
pub mod text;

pub use command::{Argument, Command, Flag, Kind};
pub use invocation::{Invocation, Program};
pub use parse::parse;

/// Tells whether a row of the table has a function in this build; asked by
/// help and man, answered by [`crate::commands::is_built`].
pub type IsBuilt = fn(&str) -> bool;
