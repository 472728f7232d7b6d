//! A writer of JSON: closures nest as the document does, so that what comes out
//! is always one valid document. Two spaces of indentation; keys in the order
//! they are written (the same input gives the same bytes).
//!
//! ```
//! let text = pantry::ui::json::object(|o| {
//!     o.text("name", "react");
//!     o.array("tags", |a| a.text("latest"));
//! });
//! assert_eq!(text, "{\n  \"name\": \"react\",\n  \"tags\": [\n    \"latest\"\n  ]\n}");
//! ```

use std::fmt::Write as _;

/// A whole document that is an object, without a line feed at its end.
pub fn object(fill: impl FnOnce(&mut Object<'_>)) -> String {
    let mut out = String::new();
    nest_object(&mut out, 0, fill);
    out
}

/// A whole document that is an array.
pub fn array(fill: impl FnOnce(&mut Array<'_>)) -> String {
    let mut out = String::new();
    nest_array(&mut out, 0, fill);
    out
}

pub struct Object<'a> {
    out: &'a mut String,
    depth: usize,
    empty: bool,
}

impl Object<'_> {
    pub fn text(&mut self, key: &str, value: &str) {
        self.key(key);
        quote(self.out, value);
    }
    /// `null` when there is none.
    pub fn maybe_text(&mut self, key: &str, value: Option<&str>) {
        self.key(key);
        match value {
            Some(value) => quote(self.out, value),
            None => self.out.push_str("null"),
        }
    }
    pub fn number(&mut self, key: &str, value: u64) {
        self.key(key);
        let _ = write!(self.out, "{value}");
    }
    pub fn truth(&mut self, key: &str, value: bool) {
        self.key(key);
        self.out.push_str(if value { "true" } else { "false" });
    }
    pub fn null(&mut self, key: &str) {
        self.key(key);
        self.out.push_str("null");
    }
    pub fn object(&mut self, key: &str, fill: impl FnOnce(&mut Object<'_>)) {
        self.key(key);
        nest_object(self.out, self.depth, fill);
    }
    pub fn array(&mut self, key: &str, fill: impl FnOnce(&mut Array<'_>)) {
        self.key(key);
        nest_array(self.out, self.depth, fill);
    }
    /// A list of texts.
    pub fn texts<S: AsRef<str>>(&mut self, key: &str, values: impl IntoIterator<Item = S>) {
        self.array(key, |list| values.into_iter().for_each(|value| list.text(value.as_ref())));
    }

    fn key(&mut self, key: &str) {
        separate(self.out, self.depth, &mut self.empty);
        quote(self.out, key);
        self.out.push_str(": ");
    }
}

pub struct Array<'a> {
    out: &'a mut String,
    depth: usize,
    empty: bool,
}

impl Array<'_> {
    pub fn text(&mut self, value: &str) {
        separate(self.out, self.depth, &mut self.empty);
        quote(self.out, value);
    }
    pub fn number(&mut self, value: u64) {
        separate(self.out, self.depth, &mut self.empty);
        let _ = write!(self.out, "{value}");
    }
    pub fn object(&mut self, fill: impl FnOnce(&mut Object<'_>)) {
        separate(self.out, self.depth, &mut self.empty);
        nest_object(self.out, self.depth, fill);
    }
    pub fn array(&mut self, fill: impl FnOnce(&mut Array<'_>)) {
        separate(self.out, self.depth, &mut self.empty);
        nest_array(self.out, self.depth, fill);
    }
}

// What is generic is written out once for each use: as little as possible.

fn nest_object(out: &mut String, depth: usize, fill: impl FnOnce(&mut Object<'_>)) {
    out.push('{');
    let mut object = Object { out, depth: depth + 1, empty: true };
    fill(&mut object);
    close(object.out, depth, object.empty, '}');
}

fn nest_array(out: &mut String, depth: usize, fill: impl FnOnce(&mut Array<'_>)) {
    out.push('[');
    let mut array = Array { out, depth: depth + 1, empty: true };
    fill(&mut array);
    close(array.out, depth, array.empty, ']');
}

fn close(out: &mut String, depth: usize, empty: bool, bracket: char) {
    if !empty {
        start_line(out, depth);
    }
    out.push(bracket);
}

fn separate(out: &mut String, depth: usize, empty: &mut bool) {
    if !std::mem::replace(empty, false) {
        out.push(',');
    }
    start_line(out, depth);
}

fn start_line(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth));
}

/// A JSON string. What a terminal might act on is escaped too, so that a
/// document can be looked at without harm; it reads back as the same text.
fn quote(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if acts_on_terminal(c) => escape(out, c),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// JSON from elsewhere, as it is but for what a terminal might act on; it reads back as the same.
pub fn safe(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    for c in raw.chars() {
        if !matches!(c, '\n' | '\r' | '\t') && acts_on_terminal(c) {
            escape(&mut out, c);
        } else {
            out.push(c);
        }
    }
    out
}

fn escape(out: &mut String, c: char) {
    let mut units = [0; 2];
    for unit in c.encode_utf16(&mut units) {
        let _ = write!(out, "\\u{unit:04x}");
    }
}

fn acts_on_terminal(c: char) -> bool {
    let mut bytes = [0; 4];
    matches!(mirror::name::escape(c.encode_utf8(&mut bytes)), std::borrow::Cow::Owned(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_and_nested() {
        assert_eq!(object(|_| {}), "{}");
        assert_eq!(array(|_| {}), "[]");
        let text = object(|o| {
            o.number("n", u64::MAX);
            o.truth("yes", true);
            o.null("nothing");
            o.maybe_text("none", None);
            o.object("o", |o| o.array("a", |_| {}));
            o.array("list", |a| {
                a.number(1);
                a.object(|_| {});
                a.array(|a| a.text("x"));
            });
        });
        assert_eq!(
            text,
            "{\n  \"n\": 18446744073709551615,\n  \"yes\": true,\n  \"nothing\": null,\n  \"none\": null,\n  \
             \"o\": {\n    \"a\": []\n  },\n  \"list\": [\n    1,\n    {},\n    [\n      \"x\"\n    ]\n  ]\n}"
        );
    }

    proptest::proptest! {
        /// Whatever the text, another reader gets it back, and no control
        /// character reaches the terminal.
        #[test]
        fn any_text_survives(key in ".*", value in "\\PC*|[\\x00-\\x1f\u{7f}-\u{9f}\u{202e}\"\\\\😀]*") {
            let text = object(|o| o.text(&key, &value));
            let read: miniserde::json::Object = miniserde::json::from_str(&text).unwrap();
            let found = read.iter().next().map(|(k, v)| (k.clone(), v)).unwrap();
            proptest::prop_assert_eq!(&found.0, &key);
            proptest::prop_assert!(matches!(found.1, miniserde::json::Value::String(s) if *s == value));
            proptest::prop_assert!(!text.chars().any(|c| c.is_control() && c != '\n'));
        }
    }
}
