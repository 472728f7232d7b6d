//! The condition of an `@if`: `TARGET_SPECTRUM` (a platform or CPU of the table), `TARGET == "spectrum"`,
//! `!=`, `DEBUG`, a defined name alone (it is neither empty nor `0` nor `false`) or compared with a value,
//! `true`, `false`, `!`, `&&`, `||` and parentheses.

use super::{DEPTH, Expander, Reading, is_on};
use crate::error::{Error, Result};
use crate::platform::Platform;
use crate::source::Kind;
use crate::suggestion::nearest;
use std::ops::Range;

pub(super) struct Condition<'a> {
    expander: &'a Expander<'a>,
    reader: &'a Reading<'a>,
    at: usize,
    end: usize,
}

impl Condition<'_> {
    /// Whether what stands in these tokens holds.
    pub fn decide(expander: &Expander<'_>, reader: &Reading<'_>, range: Range<usize>) -> Result<bool> {
        let mut condition = Condition { expander, reader, at: range.start, end: range.end };
        let holds = condition.any(0)?;
        if condition.at != range.end {
            return Err(reader.fail(condition.at, "a condition that cannot be read here"));
        }
        Ok(holds)
    }

    fn sign(&mut self, text: &str) -> bool {
        let fits = text.char_indices().all(|(i, c)| {
            let t = self.at + i;
            t < self.end && self.reader.is(t, c.encode_utf8(&mut [0; 4]))
        });
        if fits {
            self.at += text.len();
        }
        fits
    }
    fn any(&mut self, depth: usize) -> Result<bool> {
        let mut holds = self.all(depth)?;
        while self.sign("||") {
            holds |= self.all(depth)?;
        }
        Ok(holds)
    }
    fn all(&mut self, depth: usize) -> Result<bool> {
        let mut holds = self.one(depth)?;
        while self.sign("&&") {
            holds &= self.one(depth)?;
        }
        Ok(holds)
    }
    fn one(&mut self, depth: usize) -> Result<bool> {
        if depth > DEPTH {
            return Err(self.reader.fail(self.at, "a condition with too many parentheses"));
        }
        if self.sign("!") {
            return self.one(depth + 1).map(|b| !b);
        }
        if self.sign("(") {
            let holds = self.any(depth + 1)?;
            return if self.sign(")") {
                Ok(holds)
            } else {
                Err(self.reader.fail(self.at, "a `)` is missing"))
            };
        }
        let Some(token) =
            self.reader.tokens.get(self.at).filter(|t| self.at < self.end && t.kind == Kind::Word)
        else {
            return Err(self.reader.fail(self.at, "a condition is missing"));
        };
        let (here, word) = (self.at, token.text(self.reader.text));
        let platform = self.expander.environment.platform;
        self.at += 1;
        match word {
            "true" => Ok(true),
            "false" => Ok(false),
            "DEBUG" => Ok(self.expander.environment.debug),
            "TARGET" => {
                let Some(equal) = self.equality() else {
                    return Err(self.reader.fail(self.at, "TARGET is compared with == or !="));
                };
                let Some(name) = self.reader.literal(self.at).filter(|_| self.at < self.end) else {
                    return Err(self.reader.fail(self.at, "TARGET is compared with a name in quotes"));
                };
                self.known(self.at, &name, &name)?;
                self.at += 1;
                Ok(platform.answers_to(&name) == equal)
            }
            _ => match word.strip_prefix("TARGET_") {
                Some(name) => {
                    self.known(here, word, name)?;
                    Ok(platform.answers_to(name))
                }
                None => self.defined(here, word),
            },
        }
    }

    /// `==` or `!=`, if one is next.
    fn equality(&mut self) -> Option<bool> {
        if self.sign("==") { Some(true) } else { self.sign("!=").then_some(false) }
    }

    /// A name that may be defined, alone or compared.
    fn defined(&mut self, here: usize, word: &str) -> Result<bool> {
        let value = self.expander.value(word);
        if value.is_none() && !self.expander.declared.contains(word) {
            let names = self.expander.declared.iter().map(String::as_str);
            let names = names.chain(self.expander.environment.definitions.names()).chain(["DEBUG", "TARGET"]);
            return Err(self.unknown(here, word, nearest(word, names).map(String::from)));
        }
        let Some(equal) = self.equality() else { return Ok(value.is_some_and(is_on)) };
        let wanted = match self.reader.literal(self.at) {
            Some(text) => Some(text),
            None => self.reader.plain(self.at).map(String::from),
        };
        let Some(wanted) = wanted.filter(|_| self.at < self.end) else {
            return Err(self.reader.fail(self.at, "a definition is compared with a value"));
        };
        self.at += 1;
        Ok((value == Some(wanted.as_str())) == equal)
    }

    fn known(&self, at: usize, word: &str, name: &str) -> Result<()> {
        if Platform::is_known_word(name) {
            return Ok(());
        }
        let suggestion =
            Platform::suggest(&name.to_ascii_lowercase()).map(|s| match word.strip_prefix("TARGET_") {
                Some(_) => format!("TARGET_{}", s.to_ascii_uppercase()),
                None => s.to_string(),
            });
        Err(self.unknown(at, word, suggestion))
    }
    fn unknown(&self, at: usize, word: &str, suggestion: Option<String>) -> Error {
        Error::Condition { place: self.reader.place(at), word: word.to_string(), suggestion }
    }
}
