//! The command table: every command of the project, also the ones that this
//! version does not have, with their options, arguments and examples.
//!
//! A file for each family. To add a command: a row here, a line in
//! [`crate::commands`]. The rules of the table are tests in [`checks`].

mod about;
mod caches;
#[cfg(test)]
mod checks;
mod environments;
mod mirror;
mod mzp;
mod packages;
mod registries;
mod scripts;
mod services;
mod trust;
pub mod variables;

use super::command::{Command, Flag, Kind, flag};
use super::invocation::Program;

/// A heading of the overall help, and the commands under it.
pub struct Family {
    pub title: &'static str,
    pub rows: &'static [Command],
}

/// What a build for MinZ alone has.
#[cfg(not(feature = "npm"))]
pub static FAMILIES: &[Family] = &[
    Family { title: "Mirrors", rows: mirror::ROWS },
    Family { title: "MinZ", rows: mzp::ROWS },
    Family { title: "Caches and store", rows: caches::ROWS },
    Family { title: "About pantry", rows: about::ROWS },
];

/// `pantry`'s families, in the order of the overall help.
#[cfg(feature = "npm")]
pub static FAMILIES: &[Family] = &[
    Family { title: "Packages", rows: packages::ROWS },
    Family { title: "Scripts and programs", rows: scripts::ROWS },
    Family { title: "Mirrors", rows: mirror::ROWS },
    Family { title: "MinZ", rows: mzp::ROWS },
    Family { title: "Signing", rows: trust::ROWS },
    Family { title: "Registries", rows: registries::ROWS },
    Family { title: "Caches and store", rows: caches::ROWS },
    Family { title: "Environments", rows: environments::ROWS },
    Family { title: "Services", rows: services::ROWS },
    Family { title: "About pantry", rows: about::ROWS },
];

/// `mzp`'s families: its own rows, which `pantry mzp` shares.
static MZP_FAMILIES: &[Family] = &[
    Family { title: "MinZ packages", rows: mzp::MEMBERS },
    Family { title: "About mzp", rows: about::ROWS },
];

/// The families of the program as it was called.
pub fn families(program: Program) -> &'static [Family] {
    match program {
        Program::Pantry => FAMILIES,
        Program::Mzp => MZP_FAMILIES,
    }
}

/// The rows that can be the first word after the program's name.
pub fn roots(program: Program) -> impl Iterator<Item = &'static Command> {
    families(program).iter().flat_map(|family| family.rows.iter())
}

/// The row that `word` names after the program's name.
pub fn root(program: Program, word: &str) -> Option<&'static Command> {
    roots(program).find(|row| row.answers_to(word))
}

/// The canonical path of a root row: `mzp`'s own rows lie below `mzp`.
pub fn root_path(program: Program, row: &'static Command) -> String {
    // By address within the one static: `init` is a row of both programs.
    let own = program == Program::Mzp && MZP_FAMILIES[0].rows.iter().any(|member| std::ptr::eq(member, row));
    if own { format!("mzp {}", row.name) } else { row.name.to_string() }
}

/// The row at a canonical path.
pub fn find(path: &str) -> Option<&'static Command> {
    let mut words = path.split(' ');
    let mut row = root(Program::Pantry, words.next()?)?;
    for word in words {
        row = row.member(word)?;
    }
    Some(row)
}

/// The options of every command.
pub static GLOBAL: &[Flag] = &[
    flag("help", "Show help for the command").short('h'),
    flag("version", "Show the version").short('V'),
    flag("verbose", "Say more about what is done").short('v').conflicts(&["quiet"]),
    flag("quiet", "Say nothing but errors").short('q').conflicts(&["verbose"]),
    flag("offline", "Make no network connection; use mirrors only"),
    flag("mirror", "Use this mirror before the home mirror").value("DIR", Kind::Dir).repeats(),
];

/// For commands that list or report.
const JSON: &[Flag] = &[flag("json", "Print one JSON document on standard output")];

/// For commands that show a plan first.
const DRY_RUN: &[Flag] = &[flag("dry-run", "Show what would be done and do nothing").short('n')];

/// For commands that may talk to a registry.
const NETWORK: &[Flag] = &[
    flag("prefer-offline", "Take what a mirror has without asking whether there is something newer"),
    flag("registry", "Use this npm registry for this run").value("URL", Kind::Url),
    flag("cafile", "Trust these certificates (PEM) in place of the system's").value("FILE", Kind::File),
];

/// For commands that work on members of a workspace.
const FILTER: &[Flag] = &[flag(
    "filter",
    "Only for workspace members of this name or folder: `web`, `packages/*`, `web...`, `!web`",
)
.short('F')
.value("PATTERN", Kind::Text)
.repeats()];

const GLOBAL_INSTALL: &[Flag] = &[
    flag("global", "Work on the user's own packages, outside of projects").short('g').conflicts(&["user"]),
    flag("user", "The same").short('u').conflicts(&["global"]),
];
