//! A TOML table read key by key: each key is asked for once, and what nobody
//! asked for is an unknown key, with the nearest known one.

use crate::error::{Error, Result};
use crate::place::Place;
use crate::platform::{Platform, Support};
use crate::suggestion::nearest;
use crate::toml::{self, Data};
use mirror::name::NameError;
use std::path::Path;

/// Most entries of one table or list: no real manifest comes near, and each is looked up with its place.
const MOST: usize = 1_000;

pub struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
    /// `[package]`, for messages.
    label: String,
    start: usize,
    table: &'a toml::Table<'a>,
    known: Vec<String>,
}

/// One value and where it stands.
#[derive(Clone, Copy)]
pub struct Value<'a> {
    path: &'a Path,
    text: &'a str,
    key: &'a str,
    value: &'a toml::Value<'a>,
}

impl<'a> Reader<'a> {
    pub fn top(path: &'a Path, text: &'a str, table: &'a toml::Table<'a>) -> Self {
        Self { path, text, label: "mzp.toml".into(), start: 0, table, known: Vec::new() }
    }

    /// The keys in the file's order.
    pub fn keys(&self) -> Vec<String> {
        self.table.entries.iter().map(|entry| entry.key.to_string()).collect()
    }

    /// Where a key stands; the table's start when it is not there.
    pub fn place_of(&self, key: &str) -> Place {
        let offset = self.table.entry(key).map_or(self.start, |entry| entry.key_span.start);
        Place::at(self.path, self.text, offset)
    }

    fn value(&mut self, key: &str) -> Option<Value<'a>> {
        self.known.push(key.to_string());
        let entry = self.table.entry(key)?;
        Some(Value { path: self.path, text: self.text, key: &entry.key, value: &entry.value })
    }

    pub fn get<T>(&mut self, key: &str, read: impl FnOnce(Value<'a>) -> Result<T>) -> Result<Option<T>> {
        self.value(key).map(read).transpose()
    }

    pub fn require<T>(&mut self, key: &'_ str, read: impl FnOnce(Value<'a>) -> Result<T>) -> Result<T> {
        match self.value(key) {
            Some(v) => read(v),
            None => Err(Error::Missing {
                place: Place::at(self.path, self.text, self.start),
                table: self.label.clone(),
                // The keys that are required are few and fixed.
                key: ["name", "version", "package"].into_iter().find(|k| *k == key).unwrap_or("value"),
            }),
        }
    }

    pub fn table(&mut self, key: &str) -> Result<Option<Reader<'a>>> {
        let label = match self.label.as_str() {
            "mzp.toml" => format!("[{key}]"),
            outer => format!("{}.{key}]", outer.trim_end_matches(']')),
        };
        self.value(key).map(|v| v.into_table(&label)).transpose()
    }

    pub fn require_table(&mut self, key: &str) -> Result<Reader<'a>> {
        let label = format!("[{key}]");
        self.require(key, |v| v.into_table(&label))
    }

    /// Refuses the keys that nobody asked for.
    pub fn done(self) -> Result<()> {
        for key in self.keys() {
            if !self.known.contains(&key) {
                let suggestion = nearest(&key, self.known.iter().map(String::as_str)).map(String::from);
                return Err(Error::UnknownKey {
                    place: self.place_of(&key),
                    table: self.label,
                    key,
                    suggestion,
                });
            }
        }
        Ok(())
    }
}

impl<'a> Value<'a> {
    pub fn place(&self) -> Place {
        Place::at(self.path, self.text, self.value.span.start)
    }
    fn wrong(&self, expected: &'static str) -> Error {
        Error::Type { place: self.place(), key: self.key.to_string(), expected }
    }
    fn too_many(&self) -> Error {
        Error::TooMany { place: self.place(), key: self.key.to_string(), limit: MOST }
    }
    pub fn is_table(&self) -> bool {
        self.value.table().is_some()
    }
    pub fn into_table(self, label: &str) -> Result<Reader<'a>> {
        match &self.value.data {
            Data::Table(table) if table.entries.len() > MOST => Err(self.too_many()),
            Data::Table(table) => Ok(Reader {
                path: self.path,
                text: self.text,
                label: label.to_string(),
                start: self.value.span.start,
                table,
                known: Vec::new(),
            }),
            _ => Err(self.wrong("a table")),
        }
    }
    fn str(&self, expected: &'static str) -> Result<&'a str> {
        self.value.text().ok_or_else(|| self.wrong(expected))
    }
    pub fn string(self) -> Result<String> {
        self.str("a string").map(String::from)
    }
    pub fn boolean(self) -> Result<bool> {
        self.value.truth().ok_or_else(|| self.wrong("true or false"))
    }
    pub fn list<T>(self, read: impl Fn(Value<'a>) -> Result<T>) -> Result<Vec<T>> {
        match self.value.list() {
            Some(items) if items.len() > MOST => Err(self.too_many()),
            Some(items) => items.iter().map(|value| read(Value { value, ..self })).collect(),
            _ => Err(self.wrong("a list")),
        }
    }
    pub fn strings(self) -> Result<Vec<String>> {
        self.list(|v| v.str("a list of strings").map(String::from))
    }
    pub fn parsed<T>(self, parse: impl FnOnce(&str) -> std::result::Result<T, NameError>) -> Result<T> {
        self.parsed_as("a string", parse)
    }
    pub fn parsed_as<T>(
        self,
        expected: &'static str,
        parse: impl FnOnce(&str) -> std::result::Result<T, NameError>,
    ) -> Result<T> {
        parse(self.str(expected)?).map_err(|source| Error::Name { place: self.place(), source })
    }
    pub fn platform(self) -> Result<&'static Platform> {
        let name = self.str("a string")?;
        Platform::find(name).ok_or_else(|| self.unknown_platform(name))
    }
    pub fn support(self) -> Result<Support> {
        let name = self.str("a list of strings")?;
        Support::find(name).ok_or_else(|| self.unknown_platform(name))
    }
    fn unknown_platform(&self, name: &str) -> Error {
        Error::UnknownPlatform {
            place: Some(self.place()),
            name: name.to_string(),
            suggestion: Platform::suggest(name).map(String::from),
        }
    }
}
