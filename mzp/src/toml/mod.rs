//! TOML as a tree that knows where each thing stands: for messages with a place, and for changes that touch nothing else.
//!
//! Strict where strictness finds slips (keys and tables that are there twice, strings, numbers); a float or a date is told from
//! a slip by its beginning alone ([`Data::Other`]), since no file that is read with this has one.
//! TOML 1.1: lines and a last comma in inline tables, `\e` and `\xHH`.

mod read;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::ops::Range;

pub use read::parse;

/// Most keys of one table: looking one up goes through them.
const MOST_KEYS: usize = 4_000;
/// Most tables and lists in each other, and parts of a key.
const DEEPEST: usize = 64;

/// What is wrong with a text, and where (in bytes).
#[derive(Debug, PartialEq, Eq)]
pub struct Wrong {
    pub offset: usize,
    pub message: &'static str,
}

/// How a table was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// Only tables inside it have headers.
    Implied,
    Header,
    /// By keys such as `a.b`.
    Dotted,
    Inline,
}

#[derive(Debug)]
pub struct Table<'a> {
    pub how: How,
    /// Its header with the brackets, or all of the braces; the key where it has neither.
    pub span: Range<usize>,
    /// In the file's order.
    pub entries: Vec<Entry<'a>>,
}

#[derive(Debug)]
pub struct Entry<'a> {
    /// Where the key begins that this is the last part of, or a part.
    pub start: usize,
    pub key: Cow<'a, str>,
    pub key_span: Range<usize>,
    pub value: Value<'a>,
}

#[derive(Debug)]
pub struct Value<'a> {
    pub span: Range<usize>,
    pub data: Data<'a>,
}

#[derive(Debug)]
pub enum Data<'a> {
    Text(Cow<'a, str>),
    /// As it was written.
    Integer(&'a str),
    Truth(bool),
    List(Vec<Value<'a>>),
    /// Tables under headers of the form `[[key]]`.
    Tables(Vec<Value<'a>>),
    Table(Table<'a>),
    /// A float, a date or a time.
    Other,
}

impl<'a> Table<'a> {
    fn new(how: How, span: Range<usize>) -> Self {
        Self { how, span, entries: Vec::new() }
    }

    pub fn entry(&self, key: &str) -> Option<&Entry<'a>> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    pub fn get(&self, key: &str) -> Option<&Value<'a>> {
        self.entry(key).map(|entry| &entry.value)
    }
}

impl<'a> Value<'a> {
    pub fn text(&self) -> Option<&str> {
        match &self.data {
            Data::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn truth(&self) -> Option<bool> {
        match self.data {
            Data::Truth(truth) => Some(truth),
            _ => None,
        }
    }

    /// A whole number that is not negative.
    pub fn number(&self) -> Option<u64> {
        let Data::Integer(written) = self.data else { return None };
        let (digits, radix) = match written.get(..2) {
            Some("0x") => (&written[2..], 16),
            Some("0o") => (&written[2..], 8),
            Some("0b") => (&written[2..], 2),
            _ => (written, 10),
        };
        u64::from_str_radix(&digits.replace('_', ""), radix).ok()
    }

    /// A list, however it was written.
    pub fn list(&self) -> Option<&[Value<'a>]> {
        match &self.data {
            Data::List(list) | Data::Tables(list) => Some(list),
            _ => None,
        }
    }

    pub fn table(&self) -> Option<&Table<'a>> {
        match &self.data {
            Data::Table(table) => Some(table),
            _ => None,
        }
    }
}
