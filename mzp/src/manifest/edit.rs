//! Changes to `mzp.toml` that keep its comments, order and layout.

use crate::error::{Error, Result};
use crate::place::Place;
use mirror::name::MinzName;
use std::path::Path;
use toml_edit::{DocumentMut, Item, Table, TableLike, value};

/// Sets the version of a dependency, adding it (and its table) where needed. An
/// entry that is a table keeps its other keys. Returns the new text.
pub fn set_dependency(
    path: &Path,
    text: &str,
    table: &str,
    name: &MinzName,
    requirement: &str,
) -> Result<String> {
    let mut document = parse(path, text)?;
    let entry = document.entry(table).or_insert_with(|| Item::Table(Table::new()));
    let list = table_of(path, text, entry)?;
    match list.get_mut(name.as_str()) {
        Some(old) if old.is_table_like() => {
            if let Some(t) = old.as_table_like_mut() {
                t.insert("version", value(requirement));
            }
        }
        Some(old) => *old = value(requirement),
        None => {
            list.insert(name.as_str(), value(requirement));
        }
    }
    Ok(document.to_string())
}

/// Takes a dependency out of every dependency table. `None`: it is in none.
pub fn remove_dependency(path: &Path, text: &str, name: &MinzName) -> Result<Option<String>> {
    let mut document = parse(path, text)?;
    let mut found = false;
    for table in ["dependencies", "dev-dependencies"] {
        if let Some(list) = document.get_mut(table).and_then(Item::as_table_like_mut) {
            found |= list.remove(name.as_str()).is_some();
        }
    }
    if let Some(tables) = document.get_mut("platform-dependencies").and_then(Item::as_table_like_mut) {
        for (_, list) in tables.iter_mut() {
            if let Some(list) = list.as_table_like_mut() {
                found |= list.remove(name.as_str()).is_some();
            }
        }
    }
    Ok(found.then(|| document.to_string()))
}

fn parse(path: &Path, text: &str) -> Result<DocumentMut> {
    text.parse().map_err(|e: toml_edit::TomlError| Error::Syntax {
        place: Place::at(path, text, e.span().map_or(0, |s| s.start)),
        message: e.message().to_string(),
    })
}

fn table_of<'a>(path: &Path, text: &str, item: &'a mut Item) -> Result<&'a mut dyn TableLike> {
    item.as_table_like_mut().ok_or_else(|| Error::Type {
        place: Place::at(path, text, 0),
        key: "dependencies".into(),
        expected: "a table",
    })
}
