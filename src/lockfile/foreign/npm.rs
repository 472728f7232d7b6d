//! npm's package-lock.json (and npm-shrinkwrap.json), versions 2 and 3 → the
//! resolved [`Graph`]. It is only read; what we write is `pantry.lock`.
//!
//! ```text
//! "packages": {
//!   "":                            the project                      importer ""
//!   "packages/a":                  a workspace's folder             importer, and a `link:` package
//!   "node_modules/a":              {"resolved": "packages/a", "link": true}: stands for that folder
//!   "node_modules/strip":          {"name": "strip-ansi", …}: an alias
//!   "node_modules/x/node_modules/y"  what x finds when it looks for y
//! }
//! ```
//!
//! An entry tells what its package asks for; what it gets is what Node would
//! find, looking upwards from the entry's folder. Entries that are one version
//! of one package and find the same become one package of the graph; those
//! that find something else become its variants, as in `resolve`. Entries that
//! nothing leads to, and those that lie inside another package's archive
//! (`inBundle`), are left out. Where the graph alone would be laid out
//! otherwise, it has the folders' places with it ([`Graph::places`]).
//!
//! npm writes fields as the packages had them, so a field of an odd kind counts
//! as not there; names, versions and paths are checked all the same. An address
//! is kept only where it is not the registry's usual one, and never with a user
//! name or password. An integrity may be missing (npm loses it at times), but
//! then so it is in the graph: who takes the archive has to make one.
//!
//! Not here: version 1 (it does not say where packages go), git repositories,
//! archives beside the project.

mod connect;
pub(super) mod entry;

use super::problem::{Fault, Problem, at, common};
use crate::json::{Kind, Scanner, Syntax};
use crate::lockfile;
use crate::resolve::graph::Graph;
pub(super) use connect::graph;
use entry::Entry;
use std::collections::HashMap;

/// The newest version of the format that is known.
const NEWEST: u64 = 3;

/// The entries, and where each path's is.
#[derive(Default)]
pub(super) struct Entries<'a> {
    list: Vec<Entry<'a>>,
    by_path: HashMap<String, usize>,
}

pub(super) fn document(text: &str) -> Result<Graph, Fault> {
    let mut json = Scanner::new(text, Syntax::Json);
    let mut entries = None;
    let mut version = None;
    json.object()?;
    while let Some(key) = json.key()? {
        match &*key.name {
            "lockfileVersion" => version = Some(self::version(&mut json)?),
            "packages" if entries.is_some() => {
                return at(key.offset, common(lockfile::Problem::Twice(key.name.into_owned())));
            }
            "packages" => entries = Some(packages(&mut json)?),
            _ => drop(json.skip()?),
        }
    }
    json.end()?;
    let nowhere = |problem| Err(Fault { offset: None, problem });
    match (version, entries) {
        (None, _) => nowhere(Problem::NoVersion),
        (_, None) => nowhere(common(lockfile::Problem::NoSection("packages"))),
        (Some(()), Some(entries)) => graph(entries),
    }
}

impl<'a> Entries<'a> {
    /// Each path stands once.
    pub fn push(&mut self, entry: Entry<'a>) -> Result<(), Fault> {
        if self.by_path.insert(entry.path.clone(), self.list.len()).is_some() {
            return at(entry.offset, common(lockfile::Problem::Twice(entry.path)));
        }
        self.list.push(entry);
        Ok(())
    }
}

fn version(json: &mut Scanner<'_>) -> Result<(), Fault> {
    let kind = json.peek()?;
    let offset = json.offset();
    match if kind == Kind::Number { json.number()?.parse::<u64>().ok() } else { None } {
        Some(1) => at(offset, Problem::TooOld),
        Some(2..=NEWEST) => Ok(()),
        Some(n) if n > NEWEST => at(offset, Problem::TooNew(n.to_string())),
        _ => at(offset, Problem::NoVersion),
    }
}

fn packages<'a>(json: &mut Scanner<'a>) -> Result<Entries<'a>, Fault> {
    let mut entries = Entries::default();
    json.object()?;
    while let Some(key) = json.key()? {
        let entry = entry::read(json, &key)?;
        entries.push(entry)?;
    }
    Ok(entries)
}

#[cfg(test)]
mod tests;
