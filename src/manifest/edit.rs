//! One dependency set or taken out of a manifest's text, everything else left
//! as its author wrote it: comments, order, indentation, line ends, commas.
//!
//! Done on the text itself, with the places that [`crate::json::Scanner`]
//! gives: an edit touches the bytes of one member and its comma, nothing is
//! printed anew. (jsonc-parser's tree was the other way; it turns one-line
//! objects into several lines, and would be linked for this alone.)
//!
//! A new member goes where the alphabet puts it if the table is in order,
//! otherwise to the end. What comes out has been read again: an edit never
//! leaves a manifest that cannot be read.

use super::{Error, Manifest, Problem, read};
use crate::json::{self, Excerpt, Scanner, Syntax, push_string};
use crate::resolve::graph::Group;
use std::ops::Range;

mod list;

pub use list::{include, leave_out};

/// The tables in the order in which they usually stand.
const TABLES: [(Group, &str); 4] = [
    (Group::Normal, "dependencies"),
    (Group::Dev, "devDependencies"),
    (Group::Optional, "optionalDependencies"),
    (Group::Peer, "peerDependencies"),
];

/// The manifest with `key` at `value` in `group`; `None` keeps the group it
/// counts in (npm: dev before optional, normal and peer; normal, if it is new).
/// Out of the other groups it is taken, but a peer may be a development
/// dependency as well. Of an object with a `version` only that version changes.
pub fn set(manifest: &Manifest, group: Option<Group>, key: &str, value: &str) -> Result<Manifest, Error> {
    apply(manifest, |text, syntax| {
        let mut text = text.to_string();
        let stands = places(&text, syntax, key)?;
        let counts = [Group::Dev, Group::Optional].into_iter().find(|g| stands.contains(g));
        let group = group.or(counts).or(stands.first().copied()).unwrap_or(Group::Normal);
        let beside = |g: Group| matches!((group, g), (Group::Dev, Group::Peer) | (Group::Peer, Group::Dev));
        for other in stands.into_iter().filter(|g| *g != group && !beside(*g)) {
            leave(&mut text, syntax, other, key)?;
        }
        put_in(&mut text, syntax, group, key, value)?;
        Ok(text)
    })
}

/// The manifest without `key` in any group; unchanged where it has none.
pub fn remove(manifest: &Manifest, key: &str) -> Result<Manifest, Error> {
    apply(manifest, |text, syntax| {
        let mut text = text.to_string();
        for group in places(&text, syntax, key)? {
            leave(&mut text, syntax, group, key)?;
        }
        Ok(text)
    })
}

/// The groups that hold `key`.
pub fn groups(manifest: &Manifest, key: &str) -> Vec<Group> {
    TABLES
        .iter()
        .map(|(group, _)| *group)
        .filter(|g| manifest.dependencies.iter().any(|d| d.group == *g && d.key == key))
        .collect()
}

fn apply(
    manifest: &Manifest,
    edit: impl FnOnce(&str, Syntax) -> Result<String, json::Error>,
) -> Result<Manifest, Error> {
    let text = edit(&manifest.text, manifest.format.syntax()).map_err(|e| Error {
        path: manifest.path.clone(),
        problem: Problem::Syntax(e.problem),
        excerpt: Some(Box::new(Excerpt::new(&manifest.path, &manifest.text, e.offset))),
    })?;
    read(text.as_bytes(), &manifest.path, manifest.format)
}

/// An object of the text; all offsets are of the whole text.
struct Object {
    /// From `{` to behind `}`.
    range: Range<usize>,
    members: Vec<Member>,
}

struct Member {
    key: String,
    /// Its opening quote.
    start: usize,
    value: Range<usize>,
}

impl Object {
    /// The object whose `{` stands at `start`, or is the first thing behind it.
    fn scan(text: &str, syntax: Syntax, start: usize) -> Result<Self, json::Error> {
        let mut members = Vec::new();
        let shift = |e: json::Error| json::Error { offset: e.offset + start, ..e };
        let mut json = Scanner::new(&text[start..], syntax);
        json.peek().map_err(shift)?;
        let open = json.offset() + start;
        json.object().map_err(shift)?;
        while let Some(key) = json.key().map_err(shift)? {
            json.peek().map_err(shift)?;
            let from = json.offset() + start;
            let length = json.skip().map_err(shift)?.len();
            let (key, key_start) = (key.name.into_owned(), key.offset + start);
            members.push(Member { key, start: key_start, value: from..from + length });
        }
        Ok(Self { range: open..json.offset() + start, members })
    }

    fn index(&self, key: &str) -> Option<usize> {
        self.members.iter().position(|m| m.key == key)
    }

    /// The table behind `name`; `None` where there is none, or `null`.
    fn table(&self, text: &str, syntax: Syntax, name: &str) -> Result<Option<Self>, json::Error> {
        let value = self.index(name).map(|i| self.members[i].value.clone());
        match value {
            Some(v) if text.as_bytes()[v.start] == b'{' => Self::scan(text, syntax, v.start).map(Some),
            _ => Ok(None),
        }
    }

    /// Members stand on lines of their own.
    fn is_tall(&self, text: &str) -> bool {
        match self.members.first() {
            Some(first) => text[self.range.start..first.start].contains('\n'),
            None => true,
        }
    }

    /// What stands before a member on its line.
    fn indent<'a>(&self, text: &'a str) -> Option<&'a str> {
        self.members.first().filter(|_| self.is_tall(text)).map(|m| indent_at(text, m.start))
    }
}

fn places(text: &str, syntax: Syntax, key: &str) -> Result<Vec<Group>, json::Error> {
    let root = Object::scan(text, syntax, 0)?;
    let mut found = Vec::new();
    for (group, name) in TABLES {
        if root.table(text, syntax, name)?.is_some_and(|t| t.index(key).is_some()) {
            found.push(group);
        }
    }
    Ok(found)
}

fn name_of(group: Group) -> &'static str {
    TABLES.iter().find(|(g, _)| *g == group).map_or("dependencies", |(_, name)| name)
}

fn put_in(
    text: &mut String,
    syntax: Syntax,
    group: Group,
    key: &str,
    value: &str,
) -> Result<(), json::Error> {
    let root = Object::scan(text, syntax, 0)?;
    let name = name_of(group);
    let mut quoted = String::new();
    push_string(&mut quoted, value);
    if let Some(table) = root.table(text, syntax, name)? {
        let Some(i) = table.index(key) else {
            let at = place_for(&table, key);
            insert(text, syntax, &root, &table, at, key, &quoted);
            return Ok(());
        };
        let old = table.members[i].value.clone();
        let is_object = text.as_bytes()[old.start] == b'{';
        let inner = if is_object { Some(Object::scan(text, syntax, old.start)?) } else { None };
        let version = inner.and_then(|o| o.index("version").map(|i| o.members[i].value.clone()));
        text.replace_range(version.unwrap_or(old), &quoted);
        return Ok(());
    }
    if let Some(i) = root.index(name) {
        // `"dependencies": null`
        text.replace_range(root.members[i].value.clone(), "{}");
        return put_in(text, syntax, group, key, value);
    }
    // Behind the tables that usually stand before it, else at the end.
    let earlier = TABLES.iter().take_while(|(g, _)| *g != group).filter_map(|(_, n)| root.index(n)).max();
    let at = earlier.map_or(root.members.len(), |i| i + 1);
    insert(text, syntax, &root, &root, at, name, "{}");
    put_in(text, syntax, group, key, value)
}

/// The index before which `key` goes.
fn place_for(table: &Object, key: &str) -> usize {
    let keys = || table.members.iter().map(|m| m.key.as_str());
    if !keys().is_sorted() {
        return table.members.len();
    }
    keys().position(|k| k > key).unwrap_or(table.members.len())
}

/// Puts `"key": value` before the `at`-th member of `object`.
fn insert(
    text: &mut String,
    syntax: Syntax,
    root: &Object,
    object: &Object,
    at: usize,
    key: &str,
    value: &str,
) {
    let eol = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let tall = object.is_tall(text) && (root.is_tall(text) || !object.members.is_empty());
    let colon = match root.members.first() {
        Some(m) if text.as_bytes()[m.value.start - 1] == b':' => ":",
        _ => ": ",
    };
    let mut member = String::new();
    push_string(&mut member, key);
    member.push_str(colon);
    member.push_str(value);
    let outer = indent_at(text, object.range.start).to_string();
    let unit = root.indent(text).filter(|i| !i.is_empty()).unwrap_or("  ").to_string();
    let indent = object.indent(text).map_or_else(|| format!("{outer}{unit}"), String::from);
    let Some(previous) = at.checked_sub(1).and_then(|i| object.members.get(i)) else {
        let inside = object.range.start + 1..object.range.end - 1;
        if !object.members.is_empty() {
            // Comments above the first member stay with it.
            let (gap, place) = match tall {
                true => (
                    format!("{eol}{indent}{member},"),
                    inside.start + same_line_comment(&text[inside.start..]),
                ),
                false => {
                    let space = if text[inside.start..].starts_with(' ') { " " } else { "" };
                    let after = if colon == ":" { "," } else { ", " };
                    let blanks =
                        text[inside.start..].len() - text[inside.start..].trim_start_matches(' ').len();
                    text.replace_range(inside.start..inside.start + blanks, "");
                    (format!("{space}{member}{after}"), inside.start)
                }
            };
            text.insert_str(place, &gap);
        } else if text[inside.clone()].trim().is_empty() {
            let new = if tall { format!("{eol}{indent}{member}{eol}{outer}") } else { member };
            text.replace_range(inside, &new);
        } else {
            // Only comments inside.
            let place = inside.start + same_line_comment(&text[inside.start..]);
            text.insert_str(place, &format!("{eol}{indent}{member}"));
        }
        return;
    };
    let comma = comma_after(text, previous.value.end);
    // A comma behind the last member stays one.
    let is_last = at == object.members.len();
    let ending = if !is_last || comma.is_some() { "," } else { "" };
    debug_assert!(is_last || comma.is_some() || syntax == Syntax::Jsonc);
    let from = comma.map_or(previous.value.end, |c| c + 1);
    if tall {
        let place = from + same_line_comment(&text[from..]);
        text.insert_str(place, &format!("{eol}{indent}{member}{ending}"));
        if comma.is_none() {
            text.insert(previous.value.end, ',');
        }
    } else {
        let space = if colon == ":" { "" } else { " " };
        let comma = if comma.is_none() { "," } else { "" };
        text.insert_str(from, &format!("{comma}{space}{member}{ending}"));
    }
}

/// Out of a group, and what is said about it as a peer.
fn leave(text: &mut String, syntax: Syntax, group: Group, key: &str) -> Result<(), json::Error> {
    take_out(text, syntax, name_of(group), key)?;
    if group == Group::Peer { take_out(text, syntax, "peerDependenciesMeta", key) } else { Ok(()) }
}

fn take_out(text: &mut String, syntax: Syntax, name: &str, key: &str) -> Result<(), json::Error> {
    let root = Object::scan(text, syntax, 0)?;
    let Some(table) = root.table(text, syntax, name)? else { return Ok(()) };
    let Some(i) = table.index(key) else { return Ok(()) };
    // A table that has nothing left goes too, unless a comment stands in it.
    let only = table.members.len() == 1;
    let around = [
        &text[table.range.start + 1..table.members[i].start],
        &text[table.members[i].value.end..table.range.end - 1],
    ];
    let bare = around.iter().all(|t| t.chars().all(|c| c.is_whitespace() || c == ','));
    match root.index(name) {
        Some(at) if only && bare => cut(text, &root, at),
        _ => cut(text, &table, i),
    }
    Ok(())
}

/// Takes the `i`-th member out, with its comma and its line.
fn cut(text: &mut String, object: &Object, i: usize) {
    let member = &object.members[i];
    let comma = comma_after(text, member.value.end);
    let mut end = comma.map_or(member.value.end, |c| c + 1);
    let line = text[..member.start].rfind('\n').map_or(0, |n| n + 1);
    let owns_line = text[line..member.start].trim().is_empty() && line > object.range.start;
    if owns_line {
        end += same_line_comment(&text[end..]);
    }
    let rest = &text[end..];
    let blanks = rest.len() - rest.trim_start_matches([' ', '\t']).len();
    let ends_line = rest[blanks..].starts_with(['\n', '\r']);
    let range = if owns_line && ends_line {
        // The line break in front goes with it, the one behind stays.
        let before = if text[..line].ends_with("\r\n") { line - 2 } else { line - 1 };
        before..end + blanks
    } else if comma.is_some() {
        member.start..end + blanks
    } else {
        let before = text[..member.start].trim_end_matches([' ', '\t']).len();
        if i > 0 { before..end } else { member.start..end }
    };
    text.replace_range(range, "");
    if comma.is_none() && i > 0 {
        // It was the last: the comma before it parts nothing any more.
        let before = object.members[i - 1].value.end;
        if let Some(at) = comma_after(text, before) {
            text.remove(at);
        }
    }
}

/// What stands before `at` on its line, if it is blank; of a longer beginning the blanks.
fn indent_at(text: &str, at: usize) -> &str {
    let line = text[..at].rfind('\n').map_or(0, |n| n + 1);
    let rest = text[line..at].trim_start_matches('\u{feff}');
    &rest[..rest.len() - rest.trim_start_matches([' ', '\t']).len()]
}

/// Length of blanks and comment up to the end of the line; 0 when something
/// else, or nothing but blanks, follows.
fn same_line_comment(rest: &str) -> usize {
    let line = rest.split(['\n', '\r']).next().unwrap_or("");
    let trimmed = line.trim_start();
    let is_comment = trimmed.starts_with("//")
        || (trimmed.starts_with("/*")
            && trimmed.find("*/").is_some_and(|e| trimmed[e + 2..].trim().is_empty()));
    if is_comment { line.trim_end().len() } else { 0 }
}

/// The comma that follows a value, behind blanks and comments.
fn comma_after(text: &str, mut at: usize) -> Option<usize> {
    loop {
        let rest = &text[at..];
        let trimmed = rest.trim_start();
        at += rest.len() - trimmed.len();
        if trimmed.starts_with(',') {
            return Some(at);
        }
        at += match (trimmed.starts_with("//"), trimmed.starts_with("/*")) {
            (true, _) => trimmed.find('\n')?,
            (_, true) => trimmed.find("*/")? + 2,
            _ => return None,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::super::Format;
    use super::*;

    pub fn manifest(text: &str, format: Format) -> Manifest {
        read(text.as_bytes(), format.file().as_ref(), format).unwrap_or_else(|e| panic!("{text}\n{e}"))
    }

    fn add(text: &str, group: Option<Group>, key: &str, value: &str) -> String {
        set(&manifest(text, Format::PantryJson), group, key, value).unwrap().text
    }

    fn drop_key(text: &str, key: &str) -> String {
        remove(&manifest(text, Format::PantryJson), key).unwrap().text
    }

    #[test]
    fn into_nothing() {
        let expected = "{\n  \"dependencies\": {\n    \"a\": \"^1\"\n  }\n}\n";
        assert_eq!(add("{}\n", None, "a", "^1"), expected);
        assert_eq!(add("{\n}\n", None, "a", "^1"), expected);
        let text = "{\n\t\"name\": \"x\"\n}";
        let expected = "{\n\t\"name\": \"x\",\n\t\"devDependencies\": {\n\t\t\"a\": \"1\"\n\t}\n}";
        assert_eq!(add(text, Some(Group::Dev), "a", "1"), expected);
        assert_eq!(
            add("{\"name\":\"x\"}", None, "a", "1"),
            "{\"name\":\"x\",\"dependencies\":{\"a\":\"1\"}}"
        );
        assert_eq!(
            add("{ \"name\": \"x\", \"dependencies\": {} }", None, "a", "1"),
            "{ \"name\": \"x\", \"dependencies\": {\"a\": \"1\"} }"
        );
        assert_eq!(
            add("{\n  \"dependencies\": null\n}", None, "a", "1"),
            "{\n  \"dependencies\": {\n    \"a\": \"1\"\n  }\n}"
        );
    }

    #[test]
    fn keeps_comments_order_and_commas() {
        let text = "{\n    // what it needs\n    \"dependencies\": { // all of it\n        // about b\n        \"b\": \"1\", // one\n        \"d\": \"1\" /* two */\n    },\n    \"scripts\": {}, // last\n}\n";
        let with = |key| add(text, None, key, "9");
        assert_eq!(with("a"), text.replace("all of it\n", "all of it\n        \"a\": \"9\",\n"));
        assert_eq!(with("c"), text.replace("// one\n", "// one\n        \"c\": \"9\",\n"));
        assert_eq!(with("e"), text.replace("\"1\" /* two */\n", "\"1\", /* two */\n        \"e\": \"9\"\n"));
        assert_eq!(with("b"), text.replace("\"b\": \"1\"", "\"b\": \"9\""));
        let trailing = text.replace("\"1\" /* two */", "\"1\", /* two */");
        let expected = trailing.replace("/* two */\n", "/* two */\n        \"e\": \"9\",\n");
        assert_eq!(add(&trailing, None, "e", "9"), expected);
        // A table that is not in order is added to at its end.
        let unsorted = "{\n  \"dependencies\": {\n    \"z\": \"1\",\n    \"b\": \"1\"\n  }\n}\n";
        assert_eq!(
            add(unsorted, None, "c", "9"),
            unsorted.replace("\"b\": \"1\"\n", "\"b\": \"1\",\n    \"c\": \"9\"\n")
        );
        let crlf = "\u{feff}{\r\n  \"dependencies\": {\r\n    \"b\": \"1\"\r\n  }\r\n}\r\n";
        assert_eq!(add(crlf, None, "c", "9"), crlf.replace("\"1\"\r\n", "\"1\",\r\n    \"c\": \"9\"\r\n"));
        let comment = "{\n  \"dependencies\": {\n    // none yet\n  }\n}\n";
        assert_eq!(add(comment, None, "c", "9"), comment.replace("{\n    //", "{\n    \"c\": \"9\"\n    //"));
        assert_eq!(
            add("{\"dependencies\": { \"b\": \"1\" }}", None, "a", "2"),
            "{\"dependencies\": { \"a\": \"2\", \"b\": \"1\" }}"
        );
        assert_eq!(
            add("{\"dependencies\":{\"b\":\"1\"}}", None, "c", "2"),
            "{\"dependencies\":{\"b\":\"1\",\"c\":\"2\"}}"
        );
        let object = "{\"dependencies\": {\"b\": {\"source\": \"npm\", \"version\": \"1\"}}}";
        assert_eq!(add(object, None, "b", "^2"), object.replace("\"1\"", "\"^2\""));
    }

    #[test]
    fn moves_between_groups() {
        let text = "{\n  \"dependencies\": {\n    \"a\": \"1\",\n    \"b\": \"1\"\n  },\n  \"devDependencies\": {\n    \"c\": \"1\"\n  },\n  \"peerDependencies\": {\n    \"a\": \"*\"\n  }\n}\n";
        let expected =
            text.replace("    \"a\": \"1\",\n", "").replace("    \"c\"", "    \"a\": \"2\",\n    \"c\"");
        assert_eq!(add(text, Some(Group::Dev), "a", "2"), expected);
        // Where nobody says which group, it stays where it is.
        assert_eq!(add(text, None, "c", "2"), text.replace("\"c\": \"1\"", "\"c\": \"2\""));
        // The last one takes its table with it.
        let expected = text
            .replace("  \"devDependencies\": {\n    \"c\": \"1\"\n  },\n", "")
            .replace("\"b\": \"1\"\n", "\"b\": \"1\",\n    \"c\": \"1\"\n");
        assert_eq!(add(text, Some(Group::Normal), "c", "1"), expected);
        assert_eq!(groups(&manifest(text, Format::PackageJson), "a"), [Group::Normal, Group::Peer]);
    }

    #[test]
    fn takes_out() {
        let text = "{\n  \"dependencies\": {\n    \"a\": \"1\", // first\n    // about b\n    \"b\": \"1\",\n    \"c\": \"1\"\n  },\n  \"x\": 1\n}\n";
        assert_eq!(drop_key(text, "a"), text.replace("    \"a\": \"1\", // first\n", ""));
        assert_eq!(drop_key(text, "b"), text.replace("    \"b\": \"1\",\n", ""));
        assert_eq!(drop_key(text, "c"), text.replace("\"b\": \"1\",\n    \"c\": \"1\"\n", "\"b\": \"1\"\n"));
        assert_eq!(drop_key(text, "zz"), text);
        let crlf = text.replace('\n', "\r\n");
        assert_eq!(drop_key(&crlf, "c"), drop_key(text, "c").replace('\n', "\r\n"));
        let one = "{\n  \"x\": 1,\n  \"dependencies\": {\n    \"a\": \"1\"\n  }\n}\n";
        assert_eq!(drop_key(one, "a"), "{\n  \"x\": 1\n}\n");
        assert_eq!(drop_key("{\"dependencies\":{\"a\":\"1\"}}", "a"), "{}");
        let wide = "{\"dependencies\": {\"a\": \"1\", \"b\": \"1\", \"c\": \"1\"}}";
        assert_eq!(drop_key(wide, "a"), "{\"dependencies\": {\"b\": \"1\", \"c\": \"1\"}}");
        assert_eq!(drop_key(wide, "b"), "{\"dependencies\": {\"a\": \"1\", \"c\": \"1\"}}");
        assert_eq!(drop_key(wide, "c"), "{\"dependencies\": {\"a\": \"1\", \"b\": \"1\"}}");
        let kept = "{\"dependencies\": {\n  // why\n  \"a\": \"1\"\n}}";
        assert_eq!(drop_key(kept, "a"), "{\"dependencies\": {\n  // why\n}}");
    }

    #[test]
    fn what_cannot_be_read_is_not_written() {
        let m = manifest("{}", Format::PackageJson);
        assert!(set(&m, None, "../x", "1").is_err());
        assert!(set(&m, None, "a", "^^1 or so").is_err());
    }

    proptest::proptest! {
        /// Any sequence of edits in any layout reads as what was asked for.
        #[test]
        fn edits_do_what_they_say(
            layout in 0usize..7,
            edits in proptest::collection::vec((0usize..6, 0usize..5, proptest::bool::ANY), 1..12),
        ) {
            let layouts = [
                "{}", "{\n}\n", "{\"name\": \"x\"}", "{\n  // c\n  \"dependencies\": {\n    \"b\": \"0\", // b\n  },\n}",
                "{\"dependencies\":{\"b\":\"0\"},\"x\":[1]}", "{ /* a */ \"dependencies\" /* b */ : /* c */ { /* d */ \"b\" : \"0\" /* e */ , /* f */ } /* g */ }",
                "{\r\n\t\"devDependencies\": {\r\n\t\t// only\r\n\t}, // x\r\n\t\"dependencies\": { \"b\": \"0\" }\r\n}",
            ];
            let keys = ["a", "b", "c", "@s/d", "e", "F"];
            let mut m = manifest(layouts[layout], Format::PantryJsonc);
            let mut expected: std::collections::BTreeMap<(&str, Group), String> =
                m.dependencies.iter().map(|d| ((keys[keys.iter().position(|k| *k == d.key).unwrap()], d.group), "0".to_string())).collect();
            for (key, what, flag) in edits {
                let key = keys[key];
                let text = if what == 0 {
                    expected.retain(|(k, _), _| *k != key);
                    remove(&m, key).unwrap().text
                } else {
                    let group = flag.then_some([Group::Peer, Group::Normal, Group::Dev, Group::Optional][what % 4]);
                    let stands: Vec<Group> = expected.keys().filter(|(k, _)| *k == key).map(|(_, g)| *g).collect();
                    let counts = [Group::Dev, Group::Optional, Group::Normal, Group::Peer].into_iter().find(|g| stands.contains(g));
                    let to = group.or(counts).unwrap_or(Group::Normal);
                    // A peer may be a development dependency as well; nothing else stands twice.
                    let pair = [Group::Dev, Group::Peer];
                    expected.retain(|(k, g), _| *k != key || pair.contains(g) && pair.contains(&to));
                    expected.insert((key, to), what.to_string());
                    set(&m, group, key, &what.to_string()).unwrap().text
                };
                for comment in ["// c", "// b\n", "/* a */", "/* g */", "// x"] {
                    if comment != "// b\n" && !text.contains(comment) {
                        proptest::prop_assert!(!layouts[layout].contains(comment), "{}", text);
                    }
                }
                m = manifest(&text, Format::PantryJsonc);
                let found: std::collections::BTreeMap<(&str, Group), String> = m
                    .dependencies
                    .iter()
                    .map(|d| {
                        let crate::dependency::Value::Text(v) = &d.value else { panic!() };
                        ((d.key.as_str(), d.group), v.clone())
                    })
                    .collect();
                proptest::prop_assert_eq!(&found, &expected, "{}", text);
            }
        }
    }
}
