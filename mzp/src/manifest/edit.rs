//! Changes to `mzp.toml` that keep its comments, order and layout: each is a change of the text between two places of the tree
//! that it was read as, and what follows is read anew.

use crate::error::{Error, Result};
use crate::origin::Origin;
use crate::place::Place;
use crate::platform::Platform;
use crate::toml::{self, Data, Entry, How};
use mirror::name::MinzName;
use std::ops::Range;
use std::path::Path;

/// A table of dependencies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Table {
    #[default]
    Dependencies,
    Dev,
    Platform(&'static Platform),
}

/// Keys that say where a dependency comes from; it has one of them.
const ORIGINS: [&str; 5] = ["version", "registry", "path", "github", "url"];

/// Sets the version of a dependency, adding it (and its table) where needed. An entry that is a table
/// keeps its other keys. Out of tables that it would stand in for a second time it goes. Returns the new text.
pub fn set_dependency(
    path: &Path,
    text: &str,
    table: Table,
    name: &MinzName,
    requirement: &str,
) -> Result<String> {
    set(path, text, table, name, "version", requirement, &[])
}

/// Sets where a dependency comes from, in place of its version and of what was said before.
pub fn set_origin(path: &Path, text: &str, table: Table, name: &MinzName, origin: &Origin) -> Result<String> {
    let (key, said) = match origin {
        Origin::Registry => return Ok(text.to_string()),
        Origin::Named(url) => ("registry", url.to_string()),
        Origin::Folder(folder) => ("path", folder.to_string()),
        Origin::Github(repository) => ("github", repository.to_string()),
        Origin::Archive(url) => ("url", url.to_string()),
    };
    set(path, text, table, name, key, &said, &ORIGINS)
}

/// Takes a dependency out of every dependency table; comments above it stay, and a table that has nothing
/// left, not even a comment, goes. `None`: it is in none.
pub fn remove_dependency(path: &Path, text: &str, name: &MinzName) -> Result<Option<String>> {
    without(path, text, name, &|_| true)
}

fn set(
    path: &Path,
    text: &str,
    table: Table,
    name: &MinzName,
    key: &str,
    said: &str,
    gone: &[&str],
) -> Result<String> {
    let said = quoted(said);
    let alone = if key == "version" { said.clone() } else { format!("{{ {key} = {said} }}") };
    let mut text = text.to_string();
    let (range, new) = entered(path, &text, table, name, &alone)?;
    text.replace_range(range, &new);
    loop {
        let top = read(path, &text)?;
        let Some(list) = lists(&top).into_iter().find(|list| list.table == table) else { break };
        let Some(entry) = list.inner.get(name.as_str()).and_then(toml::Value::table) else { break };
        let within = list.within || list.inner.how == How::Inline;
        if let Some(other) = gone.iter().find_map(|other| entry.entry(other).filter(|_| *other != key)) {
            let range = room(&text, other, within || entry.how == How::Inline);
            text.replace_range(range, "");
            continue;
        }
        let (range, new) = match entry.get(key) {
            Some(old) => (old.span.clone(), said),
            None => insertion(&text, entry, within, &format!("{key} = {said}")),
        };
        text.replace_range(range, &new);
        break;
    }
    Ok(without(path, &text, name, &|other| replaces(table, other))?.unwrap_or(text))
}

/// Whether what is added to one table goes out of another: of all, but for one platform it may stand
/// beside another platform's.
fn replaces(table: Table, other: Table) -> bool {
    table != other && !matches!((table, other), (Table::Platform(_), Table::Platform(_)))
}

/// The change that makes an entry, or gives one that is no table its new value.
fn entered(
    path: &Path,
    text: &str,
    table: Table,
    name: &MinzName,
    alone: &str,
) -> Result<(Range<usize>, String)> {
    let top = read(path, text)?;
    let lists = lists(&top);
    let list = lists.iter().find(|list| list.table == table);
    if let Some(old) = list.and_then(|list| list.inner.get(name.as_str())) {
        return Ok(match old.table() {
            Some(_) => (0..0, String::new()),
            None => (old.span.clone(), alone.to_string()),
        });
    }
    // What another table says of it comes along.
    let mut others = lists.iter().filter(|list| replaces(table, list.table));
    let said = others.find_map(|list| list.inner.get(name.as_str())?.table());
    let value = said.map_or_else(|| alone.to_string(), |said| inline(text, said));
    let new = format!("{name} = {value}");
    if let Some(list) = list {
        return Ok(match first_header(list.inner).filter(|_| list.inner.how == How::Implied) {
            // Its tables have headers, and it has none of its own.
            Some(first) => {
                let at = with_comments(text, line_start(text, first));
                (at..at, format!("{}{nl}{new}{nl}{nl}", header(table), nl = line_feed(text)))
            }
            None => insertion(text, list.inner, list.within, &new),
        });
    }
    let (key, machine) = match table {
        Table::Dependencies => ("dependencies", None),
        Table::Dev => ("dev-dependencies", None),
        Table::Platform(platform) => ("platform-dependencies", Some(platform.name)),
    };
    let wrong = |value: &toml::Value<'_>, key: &str| Error::Type {
        place: Place::at(path, text, value.span.start),
        key: key.into(),
        expected: "a table",
    };
    if let Some(value) = top.get(key) {
        match (value.table(), machine) {
            (Some(tables), Some(machine)) => match tables.get(machine) {
                Some(value) => return Err(wrong(value, machine)),
                None if matches!(tables.how, How::Inline | How::Dotted) => {
                    return Ok(insertion(text, tables, false, &format!("{machine} = {{ {new} }}")));
                }
                None => {}
            },
            _ => return Err(wrong(value, key)),
        }
    }
    let nl = line_feed(text);
    let gap = match text.trim_end_matches(['\n', '\r']) {
        "" => text.len()..text.len(),
        rest if rest.len() == text.len() => text.len()..text.len(),
        rest => rest.len()..text.len(),
    };
    let above = if gap.start == 0 { String::new() } else { format!("{nl}{nl}") };
    Ok((gap, format!("{above}{}{nl}{new}{nl}", header(table))))
}

fn header(table: Table) -> String {
    match table {
        Table::Dependencies => "[dependencies]".into(),
        Table::Dev => "[dev-dependencies]".into(),
        Table::Platform(platform) => format!("[platform-dependencies.{}]", platform.name),
    }
}

fn inline(text: &str, table: &toml::Table<'_>) -> String {
    let said: Vec<_> = table
        .entries
        .iter()
        .map(|entry| format!("{} = {}", entry.key, &text[entry.value.span.clone()]))
        .collect();
    format!("{{ {} }}", said.join(", "))
}

/// Where and how a new entry is put into a table that is there. `within`: all of it lies in braces.
fn insertion(text: &str, table: &toml::Table<'_>, within: bool, new: &str) -> (Range<usize>, String) {
    let last =
        table.entries.iter().filter_map(|entry| Some((entry, end(&entry.value)?))).max_by_key(|last| last.1);
    let key = |entry: &Entry<'_>| match table.how {
        How::Dotted => text[entry.start..entry.key_span.start].to_string() + new,
        _ => new.to_string(),
    };
    match last {
        Some((entry, end)) if within || table.how == How::Inline => (end..end, format!(", {}", key(entry))),
        None if table.how == How::Inline => (table.span.clone(), format!("{{ {new} }}")),
        last => {
            let (end, new) = last.map_or((table.span.end, new.to_string()), |(entry, end)| (end, key(entry)));
            let (at, nl) = (line_end(text, end), line_feed(text));
            let above = if text[..at].ends_with('\n') { "" } else { nl };
            (at..at, format!("{above}{new}{nl}"))
        }
    }
}

/// Where a value ends; `None`: it is a table under a header.
fn end(value: &toml::Value<'_>) -> Option<usize> {
    match &value.data {
        Data::Table(table) => match table.how {
            How::Inline => Some(value.span.end),
            How::Dotted => table.entries.iter().filter_map(|entry| end(&entry.value)).max(),
            How::Header | How::Implied => None,
        },
        Data::Tables(_) => None,
        _ => Some(value.span.end),
    }
}

fn first_header(table: &toml::Table<'_>) -> Option<usize> {
    let inner = table.entries.iter().filter_map(|entry| entry.value.table());
    inner
        .filter_map(
            |inner| if inner.how == How::Header { Some(inner.span.start) } else { first_header(inner) },
        )
        .min()
}

/// Takes a dependency out of some of the tables.
fn without(path: &Path, text: &str, name: &MinzName, of: &dyn Fn(Table) -> bool) -> Result<Option<String>> {
    let (mut text, mut found) = (text.to_string(), false);
    loop {
        let top = read(path, &text)?;
        let lists = lists(&top);
        let mut lists = lists.iter().filter(|list| of(list.table));
        let Some((list, entry)) = lists.find_map(|list| Some((list, list.inner.entry(name.as_str())?)))
        else {
            return Ok(found.then_some(text));
        };
        found = true;
        let range = room(&text, entry, list.within || list.inner.how == How::Inline);
        let last = list.inner.how == How::Header && list.inner.entries.len() == 1;
        let header = list.inner.span.start;
        text.replace_range(range, "");
        if last {
            drop_header(&mut text, header);
        }
    }
}

/// What goes with an entry, or with the first of its keys where it was written as several. `within`: it stands in braces.
fn room(text: &str, entry: &Entry<'_>, within: bool) -> Range<usize> {
    let (mut start, mut end) = (entry.start, entry.value.span.end);
    if let Some(table) = entry.value.table() {
        match (table.how, table.entries.first()) {
            (How::Dotted | How::Implied, Some(first)) => return room(text, first, within),
            (How::Header, _) => {
                start = table.span.start;
                end = table
                    .entries
                    .iter()
                    .filter_map(|entry| self::end(&entry.value))
                    .fold(table.span.end, usize::max);
            }
            _ => {}
        }
    }
    if !within {
        return line_start(text, start)..line_end(text, end);
    }
    let space = [' ', '\t', '\r', '\n'];
    let (before, behind) = (text[..start].trim_end_matches(space), text[end..].trim_start_matches(space));
    match behind.strip_prefix(',') {
        Some(behind) => start..text.len() - behind.trim_start_matches(space).len(),
        None if before.ends_with(',') => before.len() - 1..end,
        None if before.ends_with('{') => before.len()..text.len() - behind.len(),
        None => start..end,
    }
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

/// A table of dependencies in the text.
struct List<'t, 'a> {
    table: Table,
    inner: &'t toml::Table<'a>,
    /// It stands in the braces of another.
    within: bool,
}

/// The tables of dependencies that there are. A machine's may have any of its names.
fn lists<'t, 'a>(top: &'t toml::Table<'a>) -> Vec<List<'t, 'a>> {
    let mut out = Vec::new();
    for (key, table) in [("dependencies", Table::Dependencies), ("dev-dependencies", Table::Dev)] {
        out.extend(top.get(key).and_then(toml::Value::table).map(|inner| List {
            table,
            inner,
            within: false,
        }));
    }
    if let Some(machines) = top.get("platform-dependencies").and_then(toml::Value::table) {
        let within = machines.how == How::Inline;
        out.extend(machines.entries.iter().filter_map(|entry| {
            let table = Table::Platform(Platform::find(&entry.key)?);
            Some(List { table, inner: entry.value.table()?, within })
        }));
    }
    out
}

/// The text as a tree.
pub(super) fn read<'a>(path: &Path, text: &'a str) -> Result<toml::Table<'a>> {
    toml::parse(text).map_err(|wrong| Error::Syntax {
        place: Place::at(path, text, wrong.offset),
        message: wrong.message.into(),
    })
}

/// A text as TOML has it.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out + "\""
}

fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |i| i + 1)
}

/// Where the next line begins.
fn line_end(text: &str, at: usize) -> usize {
    text[at..].find('\n').map_or(text.len(), |i| at + i + 1)
}

/// The start of the comment lines directly above a line.
fn with_comments(text: &str, mut at: usize) -> usize {
    while at > 0 && text[line_start(text, at - 1)..at].trim_start().starts_with('#') {
        at = line_start(text, at - 1);
    }
    at
}

fn line_feed(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}
