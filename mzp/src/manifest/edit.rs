//! Changes to `mzp.toml` that keep its comments, order and layout.

use crate::error::{Error, Result};
use crate::origin::Origin;
use crate::place::Place;
use crate::platform::Platform;
use mirror::name::MinzName;
use std::ops::Range;
use std::path::Path;
use toml_edit::{Document, DocumentMut, InlineTable, Item, TableLike, value};

/// A table of dependencies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Table {
    #[default]
    Dependencies,
    Dev,
    Platform(&'static Platform),
}

/// Sets the version of a dependency, adding it (and its table) where needed. An entry that is a table
/// keeps its other keys. Out of tables that it would stand in for a second time it goes. Returns the new text.
pub fn set_dependency(
    path: &Path,
    text: &str,
    table: Table,
    name: &MinzName,
    requirement: &str,
) -> Result<String> {
    let mut document = parse(path, text)?;
    let list = list(path, text, &mut document, table, name)?;
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
    alone(path, &document, table, name)
}

/// Whether what is added to one table goes out of another: of all, but for one platform it may stand
/// beside another platform's.
fn replaces(table: Table, other: Table) -> bool {
    table != other && !matches!((table, other), (Table::Platform(_), Table::Platform(_)))
}

fn alone(path: &Path, document: &DocumentMut, table: Table, name: &MinzName) -> Result<String> {
    let text = document.to_string();
    Ok(without(path, &text, name, &|other| replaces(table, other))?.unwrap_or(text))
}

fn inline(table: &dyn TableLike) -> Item {
    let mut out = InlineTable::new();
    for (key, item) in table.iter() {
        out.extend(item.as_value().map(|value| (key, value.clone().decorated(" ", ""))));
    }
    out.fmt();
    value(out)
}

/// Sets where a dependency comes from, in place of its version and of what was said before.
pub fn set_origin(path: &Path, text: &str, table: Table, name: &MinzName, origin: &Origin) -> Result<String> {
    let mut document = parse(path, text)?;
    let list = list(path, text, &mut document, table, name)?;
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
        return alone(path, &document, table, name);
    }
    let mut entry = InlineTable::new();
    entry.insert(key, said.into());
    let mut entry = toml_edit::Value::InlineTable(entry);
    let decor = list.get(name.as_str()).and_then(Item::as_value).map(|v| v.decor().clone());
    if let Some(decor) = decor {
        *entry.decor_mut() = decor;
    }
    list.insert(name.as_str(), Item::Value(entry));
    alone(path, &document, table, name)
}

/// The table that an entry is to stand in, with what another says of it beside its version.
fn list<'a>(
    path: &Path,
    text: &str,
    document: &'a mut DocumentMut,
    table: Table,
    name: &MinzName,
) -> Result<&'a mut dyn TableLike> {
    let old = lists(document.as_table())
        .into_iter()
        .filter(|(other, _)| replaces(table, *other))
        .find_map(|(_, list)| list.as_table_like()?.get(name.as_str())?.as_table_like().map(inline));
    let top = document.as_table_mut();
    let list = match table {
        Table::Dependencies => child(path, text, top, "dependencies", false)?,
        Table::Dev => child(path, text, top, "dev-dependencies", false)?,
        Table::Platform(platform) => {
            let tables = child(path, text, top, "platform-dependencies", true)?;
            // It may stand there under another of its names.
            let is = |key: &&str| Platform::find(key) == Some(platform);
            let key = tables.iter().map(|(key, _)| key).find(is).unwrap_or(platform.name).to_string();
            child(path, text, tables, &key, false)?
        }
    };
    if let (None, Some(old)) = (list.get(name.as_str()), old) {
        list.insert(name.as_str(), old);
    }
    Ok(list)
}

/// A new value in an old one's place, with the comment behind it.
fn put(item: &mut Item, requirement: &str) {
    let decor = item.as_value().map(|v| v.decor().clone());
    *item = value(requirement);
    if let (Some(v), Some(decor)) = (item.as_value_mut(), decor) {
        *v.decor_mut() = decor;
    }
}

/// Takes a dependency out of every dependency table; comments above it stay, and a table that has nothing
/// left, not even a comment, goes. `None`: it is in none.
pub fn remove_dependency(path: &Path, text: &str, name: &MinzName) -> Result<Option<String>> {
    without(path, text, name, &|_| true)
}

/// The same for some of the tables.
fn without(path: &Path, text: &str, name: &MinzName, of: &dyn Fn(Table) -> bool) -> Result<Option<String>> {
    let (mut text, mut found) = (text.to_string(), false);
    loop {
        // With the spans that a document to be edited has no more.
        let document = Document::parse(text.clone()).map_err(|e| syntax(path, &text, &e))?;
        let lists = lists(document.as_table());
        let Some(list) = lists
            .into_iter()
            .filter(|(place, _)| of(*place))
            .map(|(_, list)| list)
            .find(|list| list.as_table_like().is_some_and(|list| list.contains_key(name.as_str())))
        else {
            return Ok(found.then_some(text));
        };
        found = true;
        match lines_of(&text, list, name) {
            Some(lines) => {
                let emptied =
                    list.as_table().filter(|t| t.len() == 1 && !t.is_implicit()).and_then(|t| t.span());
                text.replace_range(lines, "");
                if let Some(header) = emptied {
                    drop_header(&mut text, header.start);
                }
            }
            // Inside one line, or scattered over several.
            None => {
                let mut document = parse(path, &text)?;
                for list in lists_mut(document.as_table_mut()) {
                    if of(list.0) && list.1.contains_key(name.as_str()) {
                        list.1.remove(name.as_str());
                        break;
                    }
                }
                text = document.to_string();
            }
        }
    }
}

/// The whole lines that an entry of a table takes.
fn lines_of(text: &str, list: &Item, name: &MinzName) -> Option<Range<usize>> {
    let list = list.as_table().filter(|t| !t.is_dotted())?;
    let (key, item) = list.get_key_value(name.as_str())?;
    let (start, end) = match item {
        Item::Value(value) if !value.as_inline_table().is_some_and(InlineTable::is_dotted) => {
            (key.span()?.start, value.span()?.end)
        }
        Item::Table(table) if !table.is_dotted() => {
            let header = table.span()?;
            let ends = table.iter().map(|(_, item)| item.span().map_or(0, |span| span.end));
            (header.start, ends.fold(header.end, usize::max))
        }
        _ => return None,
    };
    let start = text[..start].rfind('\n').map_or(0, |i| i + 1);
    Some(start..text[end..].find('\n').map_or(text.len(), |i| end + i + 1))
}

/// Takes away the header of an empty table and the empty lines behind it, unless a comment stands there. What
/// stands directly above the next header belongs to that.
fn drop_header(text: &mut String, header: usize) {
    let start = text[..header].rfind('\n').map_or(0, |i| i + 1);
    let below = text[header..].find('\n').map_or(text.len(), |i| header + i + 1);
    let (mut end, mut empty) = (below, below);
    let mut rest = text[below..].split_inclusive('\n').peekable();
    while let Some(line) = rest.next_if(|line| !line.trim_start().starts_with('[')) {
        end += line.len();
        if line.trim().is_empty() {
            empty = end;
        }
    }
    let last = rest.peek().is_none();
    let cut = if last { end } else { empty };
    if !text[below..cut].trim().is_empty() {
        return;
    }
    text.replace_range(start..cut, "");
    if last {
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
}

/// The tables of dependencies that there are.
fn lists(top: &toml_edit::Table) -> Vec<(Table, &Item)> {
    let named = [("dependencies", Table::Dependencies), ("dev-dependencies", Table::Dev)];
    let named = named.into_iter().filter_map(|(key, table)| Some((table, top.get(key)?)));
    let platforms = top.get("platform-dependencies").and_then(Item::as_table_like);
    let platforms = platforms.into_iter().flat_map(TableLike::iter);
    named
        .chain(platforms.filter_map(|(key, list)| Some((Table::Platform(Platform::find(key)?), list))))
        .collect()
}

fn lists_mut(top: &mut toml_edit::Table) -> Vec<(Table, &mut dyn TableLike)> {
    let mut out: Vec<(Table, &mut dyn TableLike)> = Vec::new();
    for (key, item) in top.iter_mut() {
        let Some(list) = item.as_table_like_mut() else { continue };
        match key.get() {
            "dependencies" => out.push((Table::Dependencies, list)),
            "dev-dependencies" => out.push((Table::Dev, list)),
            "platform-dependencies" => out.extend(list.iter_mut().filter_map(|(key, list)| {
                Some((Table::Platform(Platform::find(key.get())?), list.as_table_like_mut()?))
            })),
            _ => {}
        }
    }
    out
}

fn syntax(path: &Path, text: &str, e: &toml_edit::TomlError) -> Error {
    Error::Syntax {
        place: Place::at(path, text, e.span().map_or(0, |s| s.start)),
        message: e.message().to_string(),
    }
}

fn parse(path: &Path, text: &str) -> Result<DocumentMut> {
    text.parse().map_err(|e| syntax(path, text, &e))
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
