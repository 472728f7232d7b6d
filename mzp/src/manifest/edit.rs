//! Changes to `mzp.toml` that keep its comments, order and layout.

use crate::error::{Error, Result};
use crate::origin::Origin;
use crate::place::Place;
use crate::platform::Platform;
use mirror::name::MinzName;
use std::path::Path;
use toml_edit::{DocumentMut, Item, TableLike, value};

/// A table of dependencies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Table {
    #[default]
    Dependencies,
    Dev,
    Platform(&'static Platform),
}

/// Sets the version of a dependency, adding it (and its table) where needed. An
/// entry that is a table keeps its other keys. Returns the new text.
pub fn set_dependency(
    path: &Path,
    text: &str,
    table: Table,
    name: &MinzName,
    requirement: &str,
) -> Result<String> {
    let mut document = parse(path, text)?;
    let list = list(path, text, document.as_table_mut(), table)?;
    match list.get_mut(name.as_str()) {
        Some(old) => match old.as_table_like_mut() {
            Some(t) => match t.get_mut("version") {
                Some(version) => put(version, requirement),
                None => drop(t.insert("version", value(requirement))),
            },
            None => put(old, requirement),
        },
        None => drop(list.insert(name.as_str(), value(requirement))),
    }
    Ok(document.to_string())
}

/// Sets where a dependency comes from, in place of its version and of what was said before.
pub fn set_origin(path: &Path, text: &str, table: Table, name: &MinzName, origin: &Origin) -> Result<String> {
    let mut document = parse(path, text)?;
    let list = list(path, text, document.as_table_mut(), table)?;
    let (key, said) = match origin {
        Origin::Registry => return Ok(text.to_string()),
        Origin::Named(url) => ("registry", url.to_string()),
        Origin::Folder(folder) => ("path", folder.to_string()),
        Origin::Github(repository) => ("github", repository.to_string()),
        Origin::Archive(url) => ("url", url.to_string()),
    };
    if let Some(old) = list.get_mut(name.as_str()).and_then(Item::as_table_like_mut) {
        for other in ["version", "registry", "path", "github", "url"].iter().filter(|other| **other != key) {
            old.remove(other);
        }
        match old.get_mut(key) {
            Some(item) => put(item, &said),
            None => drop(old.insert(key, value(said))),
        }
        return Ok(document.to_string());
    }
    let mut entry = toml_edit::InlineTable::new();
    entry.insert(key, said.into());
    let mut entry = toml_edit::Value::InlineTable(entry);
    let decor = list.get(name.as_str()).and_then(Item::as_value).map(|v| v.decor().clone());
    if let Some(decor) = decor {
        *entry.decor_mut() = decor;
    }
    list.insert(name.as_str(), Item::Value(entry));
    Ok(document.to_string())
}

fn list<'a>(
    path: &Path,
    text: &str,
    top: &'a mut toml_edit::Table,
    table: Table,
) -> Result<&'a mut dyn TableLike> {
    match table {
        Table::Dependencies => child(path, text, top, "dependencies", false),
        Table::Dev => child(path, text, top, "dev-dependencies", false),
        Table::Platform(platform) => {
            let tables = child(path, text, top, "platform-dependencies", true)?;
            // It may stand there under another of its names.
            let is = |key: &&str| Platform::find(key) == Some(platform);
            let key = tables.iter().map(|(key, _)| key).find(is).unwrap_or(platform.name).to_string();
            child(path, text, tables, &key, false)
        }
    }
}

/// A new value in an old one's place, with the comment behind it.
fn put(item: &mut Item, requirement: &str) {
    let decor = item.as_value().map(|v| v.decor().clone());
    *item = value(requirement);
    if let (Some(v), Some(decor)) = (item.as_value_mut(), decor) {
        *v.decor_mut() = decor;
    }
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

fn child<'a>(
    path: &Path,
    text: &str,
    parent: &'a mut dyn TableLike,
    key: &str,
    implicit: bool,
) -> Result<&'a mut dyn TableLike> {
    let entry = parent.entry(key).or_insert_with(|| {
        let mut table = toml_edit::Table::new();
        table.set_implicit(implicit);
        Item::Table(table)
    });
    entry.as_table_like_mut().ok_or_else(|| Error::Type {
        place: Place::at(path, text, 0),
        key: key.into(),
        expected: "a table",
    })
}
