//! MinZ text, read as far as mzp needs it: tokens, and the top-level items they
//! make ([`items`]). Not a parser: what stands inside a function is only words.
//!
//! What could mislead a search for words is kept apart: comments are skipped,
//! string and character literals, assembly (`asm { … }`, `@asm { … }`, the body
//! of an `asm fun`) and raw text (`[[[ … ]]]`) are one token each.

pub mod items;
#[cfg(test)]
mod tests;

use crate::error::{Error, Result};
use crate::place::Place;
use std::path::Path;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Word,
    Number,
    /// A string or character literal, quotes included.
    Literal,
    /// `@name`
    Directive,
    /// Assembly between braces, or `[[[ … ]]]` whole.
    Raw,
    /// One character of anything else.
    Sign,
}

/// A token and its bytes in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    pub kind: Kind,
    pub start: usize,
    pub end: usize,
}

impl Token {
    pub fn text<'a>(&self, source: &'a str) -> &'a str {
        &source[self.start..self.end]
    }
    pub fn is(&self, source: &str, text: &str) -> bool {
        self.kind != Kind::Literal && self.text(source) == text
    }
}

/// All tokens of a text. `file` only serves messages.
pub fn tokens(file: &Path, text: &str) -> Result<Vec<Token>> {
    Lexer { file, text, at: 0, assembly: Assembly::None, out: Vec::with_capacity(text.len() / 5) }.run()
}

struct Lexer<'a> {
    file: &'a Path,
    text: &'a str,
    at: usize,
    assembly: Assembly,
    out: Vec<Token>,
}

/// Whether a `{` that comes opens assembly. Never true beyond the end of an item: what an item's text
/// means does not depend on what stands before it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Assembly {
    None,
    /// Behind `asm` and what may stand between it and `{` or `fun`.
    Named,
    /// Behind `asm fun`, with so many brackets open.
    Header(u32),
}

impl Assembly {
    /// After one more token.
    fn then(self, token: &str) -> Self {
        match (self, token) {
            (_, "asm" | "@asm") => Self::Named,
            (Self::Named, "inline" | "extern" | "pub" | "export") => Self::Named,
            (Self::Named, "fun" | "fn") => Self::Header(0),
            (Self::Header(n), "(" | "[") => Self::Header(n + 1),
            (Self::Header(n), ")" | "]") => n.checked_sub(1).map_or(Self::None, Self::Header),
            (Self::Header(0), ";") | (Self::Header(_), "}" | "{") | (Self::None | Self::Named, _) => {
                Self::None
            }
            (Self::Header(n), _) => Self::Header(n),
        }
    }

    fn opens(self) -> bool {
        matches!(self, Self::Named | Self::Header(0))
    }
}

impl Lexer<'_> {
    fn fail(&self, at: usize, what: &'static str) -> Error {
        Error::Text { place: Place::at(self.file, self.text, at), what }
    }

    fn push(&mut self, kind: Kind, length: usize) {
        self.assembly = match kind {
            Kind::Literal | Kind::Number => self.assembly.then(""),
            Kind::Raw => Assembly::None,
            _ => self.assembly.then(&self.text[self.at..self.at + length]),
        };
        self.out.push(Token { kind, start: self.at, end: self.at + length });
        self.at += length;
    }

    fn run(mut self) -> Result<Vec<Token>> {
        while let Some(c) = self.text[self.at..].chars().next() {
            let rest = &self.text[self.at..];
            match c {
                _ if c.is_whitespace() => self.at += c.len_utf8(),
                '/' if rest.starts_with("//") => self.at += rest.find('\n').unwrap_or(rest.len()),
                '/' if rest.starts_with("/*") => match rest[2..].find("*/") {
                    Some(end) => self.at += end + 4,
                    None => return Err(self.fail(self.at, "a comment that does not end")),
                },
                '"' => {
                    let length = self.string(rest)?;
                    self.push(Kind::Literal, length);
                }
                '\'' => match character(rest) {
                    Some(length) => self.push(Kind::Literal, length),
                    None => self.push(Kind::Sign, 1),
                },
                '@' => {
                    let length = 1 + word(&rest[1..]);
                    self.push(if length > 1 { Kind::Directive } else { Kind::Sign }, length);
                }
                '[' if rest.starts_with("[[[") => match rest.find("]]]") {
                    Some(end) => self.push(Kind::Raw, end + 3),
                    None => return Err(self.fail(self.at, "a `[[[` without its `]]]`")),
                },
                '{' if self.assembly.opens() => {
                    self.push(Kind::Sign, 1);
                    let length = self.assembly()?;
                    if length > 0 {
                        self.push(Kind::Raw, length);
                    }
                }
                _ if c.is_ascii_digit() => {
                    let length = rest.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
                    self.push(Kind::Number, length);
                }
                _ if c.is_alphabetic() || c == '_' => self.push(Kind::Word, word(rest)),
                _ => self.push(Kind::Sign, c.len_utf8()),
            }
        }
        Ok(self.out)
    }

    fn string(&self, rest: &str) -> Result<usize> {
        let mut escaped = false;
        for (i, b) in rest.bytes().enumerate().skip(1) {
            match b {
                b'\n' => break,
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => return Ok(i + 1),
                _ => {}
            }
        }
        Err(self.fail(self.at, "a string that does not end on its line"))
    }

    /// Bytes up to the `}` that closes the assembly block. A `;` comment may
    /// hold braces and quotes.
    fn assembly(&self) -> Result<usize> {
        let rest = &self.text.as_bytes()[self.at..];
        let (mut depth, mut i) = (0, 0);
        while i < rest.len() {
            match rest[i] {
                b';' => {
                    while i + 1 < rest.len() && rest[i + 1] != b'\n' && !closes(&rest[i..]) {
                        i += 1
                    }
                }
                b'{' => depth += 1,
                b'}' if depth == 0 => return Ok(i),
                b'}' => depth -= 1,
                _ => {}
            }
            i += 1;
        }
        Err(self.fail(self.at - 1, "assembly without its `}`"))
    }
}

/// A comment's line that has the block's `}` at its very end: `{ ret ; done }`.
fn closes(rest: &[u8]) -> bool {
    let line = rest.split(|b| *b == b'\n').next().unwrap_or(&[]);
    line.get(1) == Some(&b'}') && line[2..].iter().all(u8::is_ascii_whitespace)
}

fn word(rest: &str) -> usize {
    rest.char_indices().find(|(_, c)| !(c.is_alphanumeric() || *c == '_')).map_or(rest.len(), |(i, _)| i)
}

/// `'a'` or `'\n'`; a lone `'` (as in `ex af, af'`) is none.
fn character(rest: &str) -> Option<usize> {
    let mut chars = rest.char_indices().skip(1);
    let (_, first) = chars.next()?;
    if first == '\\' {
        chars.next()?;
    }
    match chars.next()? {
        (i, '\'') if first != '\n' => Some(i + 1),
        _ => None,
    }
}
