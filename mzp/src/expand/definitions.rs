//! Names that have a value: `--define NAME=VALUE`, `@define("NAME", "VALUE")`.

use mirror::order::Map;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Definitions(Map<String, String>);

/// What a name stands for that was given none.
pub(super) const ON: &str = "1";

impl Definitions {
    /// `NAME` or `NAME=VALUE`, as `--define` has it. `Err`: what is wrong.
    pub fn add(&mut self, text: &str) -> Result<(), &'static str> {
        let (name, value) = text.split_once('=').unwrap_or((text, ON));
        if value.chars().any(char::is_control) {
            return Err("a control character in its value");
        }
        may_be_defined(name)?;
        self.0.insert(name.to_string(), value.to_string());
        Ok(())
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    pub(super) fn set(&mut self, name: &str, value: String) {
        self.0.insert(name.to_string(), value);
    }

    /// These, and of the others those that are not among them.
    pub fn or(mut self, others: &Self) -> Self {
        for (name, value) in others.0.iter() {
            self.0.or_insert_with(name.clone(), || value.clone());
        }
        self
    }
}

/// Whether a value means yes to an `@if` that asks for nothing more.
pub fn is_on(value: &str) -> bool {
    !matches!(value, "" | "0" | "false")
}

pub(super) fn may_be_defined(name: &str) -> Result<(), &'static str> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(word) {
        return Err(
            "a name that can be defined has letters, digits and `_`, and does not begin with a digit",
        );
    }
    if name == "TARGET" || name.starts_with("TARGET_") || name == "true" || name == "false" {
        return Err("a name that has its meaning already");
    }
    if name == "DEBUG" {
        return Err("DEBUG is set by --release or --define DEBUG=0 alone");
    }
    if crate::source::items::WORDS.contains(&name) {
        return Err("a word of the language cannot be defined");
    }
    Ok(())
}
