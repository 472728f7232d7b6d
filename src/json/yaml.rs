//! YAML as other package managers write it → JSON, so that one scanner and the
//! same readers serve both.
//!
//! ```text
//! importers:                          {"importers":{
//!   .:                                  ".":{
//!     dependencies:                       "dependencies":{
//!       '@types/node': ^22   # why    →     "@types/node":"^22"}}},
//! packages:                            "packages":[
//! - {name: a, os: [linux]}               {"name":"a","os":["linux"]}]}
//! ```
//!
//! A safe part of YAML 1.2: block and flow collections, plain and quoted text
//! on one line, `|` and `>` blocks, `?` keys, comments, several documents.
//! Anchors, aliases, tags, directives and text that goes on in the next line
//! are refused by name: none of the files read here needs them, and they are
//! what makes YAML a danger (a few lines of aliases are gigabytes).
//!
//! What looks like a number of JSON stays as it is written (`1.10` is `1.10`,
//! not 1.1), whatever else is no `true`, `false` or `null` is text. Nesting is
//! bounded. Two equal keys are the reader's business, as in JSON.

use super::push_string;
use std::fmt;

/// Deepest nesting; the scanner's own bound is higher.
const DEPTH: usize = 64;

/// One document of a file, as JSON.
#[derive(Debug, Default)]
pub struct Document {
    pub json: String,
    /// Where each token of `json` begins there, and in the file; ascending.
    places: Vec<(usize, usize)>,
}

impl Document {
    /// The byte of the file that byte `offset` of [`Document::json`] comes from.
    pub fn origin(&self, offset: usize) -> usize {
        let after = self.places.partition_point(|p| p.0 <= offset);
        self.places.get(after.saturating_sub(1)).map_or(0, |p| p.1)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Error {
    /// Bytes from the file's beginning.
    pub offset: usize,
    pub problem: &'static str,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.problem)
    }
}
impl std::error::Error for Error {}

type Result<T> = std::result::Result<T, Error>;

/// The documents of `text`, of which there is at least one; an empty one is `null`.
pub fn documents(text: &str) -> Result<Vec<Document>> {
    let start = if text.starts_with('\u{feff}') { 3 } else { 0 };
    let mut reader = Reader { text, start, at: start, out: Document::default() };
    let mut out = Vec::new();
    loop {
        reader.blanks()?;
        if reader.is_marker("---") {
            reader.at += 3;
            reader.blanks()?;
        }
        reader.value(0, 0)?;
        reader.blanks()?;
        out.push(std::mem::take(&mut reader.out));
        if reader.is_marker("...") {
            reader.at += 3;
            reader.blanks()?;
        }
        if reader.at == text.len() {
            return Ok(out);
        }
        if !reader.is_marker("---") {
            return reader.fail("this belongs to nothing above: look at the indentation");
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    /// Behind a byte order mark.
    start: usize,
    /// Next byte to look at.
    at: usize,
    out: Document,
}

impl<'a> Reader<'a> {
    fn fail<T>(&self, problem: &'static str) -> Result<T> {
        Err(Error { offset: self.at, problem })
    }

    fn byte(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + ahead).copied()
    }

    /// Whether the byte there parts words: a blank, a line's end, the end of all.
    fn is_gap(&self, ahead: usize) -> bool {
        matches!(self.byte(ahead), None | Some(b' ' | b'\t' | b'\r' | b'\n'))
    }

    /// Bytes from the beginning of the line.
    fn column(&self) -> usize {
        self.at - self.text[..self.at].rfind('\n').map_or(self.start, |n| n + 1)
    }

    fn is_marker(&self, marker: &str) -> bool {
        self.text[self.at..].starts_with(marker) && self.column() == 0 && self.is_gap(3)
    }

    /// Whether a document, and so every collection of it, ends here.
    fn is_over(&self) -> bool {
        self.at == self.text.len() || self.is_marker("---") || self.is_marker("...")
    }

    fn rest_of_line(&self) -> &'a str {
        let rest = &self.text[self.at..];
        rest.split(['\n', '\r']).next().unwrap_or(rest)
    }

    /// Passes blanks and a comment of this line; whether the line ends there.
    fn line_ends(&mut self) -> bool {
        let start = self.at;
        while matches!(self.byte(0), Some(b' ' | b'\t')) {
            self.at += 1;
        }
        if self.byte(0) == Some(b'#') && (self.at > start || self.column() == 0) {
            self.at += self.rest_of_line().len();
        }
        matches!(self.byte(0), None | Some(b'\r' | b'\n'))
    }

    /// Passes blanks, comments and empty lines.
    fn blanks(&mut self) -> Result<()> {
        loop {
            let indented = self.text[self.at..].trim_start_matches(' ');
            if self.column() == 0
                && indented.starts_with('\t')
                && !indented.trim_start_matches(['\t', ' ']).starts_with(['\r', '\n', '#'])
            {
                return self.fail("tabs cannot indent");
            }
            if !self.line_ends() || self.at == self.text.len() {
                return Ok(());
            }
            while matches!(self.byte(0), Some(b'\r' | b'\n')) {
                self.at += 1;
            }
        }
    }

    /// The next text of the output comes from here.
    fn mark(&mut self) {
        self.out.places.push((self.out.json.len(), self.at));
    }

    fn push_text(&mut self, text: &str) {
        push_string(&mut self.out.json, text);
    }

    /// A value in the block style whose lines are indented by at least `indent`; nothing there is `null`.
    fn value(&mut self, indent: usize, depth: usize) -> Result<()> {
        if depth > DEPTH {
            return self.fail("nested too deep");
        }
        let column = self.column();
        if self.is_over() || column < indent {
            self.mark();
            self.out.json.push_str("null");
            return Ok(());
        }
        if self.byte(0) == Some(b'-') && self.is_gap(1) {
            return self.sequence(column, depth);
        }
        if self.is_key()? {
            return self.mapping(column, depth);
        }
        self.scalar(indent, depth)
    }

    fn sequence(&mut self, column: usize, depth: usize) -> Result<()> {
        self.mark();
        self.out.json.push('[');
        let mut first = true;
        while !self.is_over() && self.column() == column && self.byte(0) == Some(b'-') && self.is_gap(1) {
            self.comma(&mut first);
            self.at += 1;
            self.blanks()?;
            self.value(column + 1, depth + 1)?;
            self.blanks()?;
        }
        self.close(']', column)
    }

    fn comma(&mut self, first: &mut bool) {
        if !std::mem::take(first) {
            self.out.json.push(',');
        }
    }

    /// Ends a block collection at `column`: what follows has to belong to one around it.
    fn close(&mut self, bracket: char, column: usize) -> Result<()> {
        if !self.is_over() && self.column() > column {
            return self.fail("this line is indented deeper than those it follows");
        }
        self.out.json.push(bracket);
        Ok(())
    }

    /// Whether a key of a mapping stands here; nothing is passed.
    fn is_key(&mut self) -> Result<bool> {
        if self.byte(0) == Some(b'?') && self.is_gap(1) {
            return Ok(true);
        }
        let start = self.at;
        if matches!(self.byte(0), Some(b'{' | b'[' | b'|' | b'>')) {
            return Ok(false);
        }
        let found = match self.byte(0) {
            Some(b'"' | b'\'') => self.quoted().is_ok(),
            _ => {
                self.at += self.plain(false).len();
                true
            }
        };
        while matches!(self.byte(0), Some(b' ' | b'\t')) {
            self.at += 1;
        }
        let found = found && self.byte(0) == Some(b':') && self.is_gap(1);
        self.at = start;
        Ok(found)
    }

    fn mapping(&mut self, column: usize, depth: usize) -> Result<()> {
        self.mark();
        self.out.json.push('{');
        let mut first = true;
        while !self.is_over() && self.column() == column {
            if !self.is_key()? {
                return self.fail("expected a key and `:`");
            }
            self.comma(&mut first);
            let long = self.byte(0) == Some(b'?');
            if long {
                self.at += 1;
                self.blanks()?;
            }
            self.key(false)?;
            if long {
                self.blanks()?;
            } else {
                self.line_ends();
            }
            if self.byte(0) != Some(b':') || !self.is_gap(1) {
                return self.fail("expected `:` after a key");
            }
            self.at += 1;
            self.out.json.push(':');
            if self.line_ends() {
                self.blanks()?;
                // A list may stand right under its key.
                let list = self.byte(0) == Some(b'-') && self.is_gap(1) && self.column() == column;
                self.value(column + usize::from(!list), depth + 1)?;
            } else if !long && (self.is_key()? || self.byte(0) == Some(b'-') && self.is_gap(1)) {
                return self.fail("a collection cannot begin in the line of its key");
            } else {
                self.value(column + 1, depth + 1)?;
            }
            self.blanks()?;
        }
        self.close('}', column)
    }

    fn key(&mut self, flow: bool) -> Result<()> {
        self.mark();
        let text = match self.byte(0) {
            Some(b'"' | b'\'') => self.quoted()?,
            _ => self.plain_text(flow)?.to_string(),
        };
        self.push_text(&text);
        Ok(())
    }

    /// Text, a number, a flow collection, a block of text.
    fn scalar(&mut self, indent: usize, depth: usize) -> Result<()> {
        match self.byte(0) {
            Some(b'{' | b'[') => self.flow(depth)?,
            Some(b'|' | b'>') => return self.block_text(indent),
            _ => self.leaf(false)?,
        }
        if self.line_ends() { Ok(()) } else { self.fail("unexpected text after a value") }
    }

    /// A value without parts.
    fn leaf(&mut self, flow: bool) -> Result<()> {
        self.mark();
        if matches!(self.byte(0), Some(b'"' | b'\'')) {
            let text = self.quoted()?;
            self.push_text(&text);
            return Ok(());
        }
        match self.plain_text(flow)? {
            "" | "~" | "null" | "Null" | "NULL" => self.out.json.push_str("null"),
            "true" | "True" | "TRUE" => self.out.json.push_str("true"),
            "false" | "False" | "FALSE" => self.out.json.push_str("false"),
            text if is_number(text) => self.out.json.push_str(text),
            text => self.push_text(text),
        }
        Ok(())
    }

    /// How far plain text goes from here: to `: `, ` #`, the line's end, in a flow collection also to its marks.
    fn plain(&self, flow: bool) -> &'a str {
        let line = self.rest_of_line();
        let bytes = line.as_bytes();
        let gap = |i: usize| matches!(bytes.get(i), None | Some(b' ' | b'\t'));
        let ends = |i: usize| match bytes[i] {
            b':' => gap(i + 1) || flow && matches!(bytes[i + 1], b',' | b'[' | b']' | b'{' | b'}'),
            b'#' => i > 0 && gap(i - 1),
            b',' | b'[' | b']' | b'{' | b'}' => flow,
            _ => false,
        };
        let end = (0..bytes.len()).find(|&i| ends(i)).unwrap_or(bytes.len());
        line[..end].trim_end_matches([' ', '\t'])
    }

    fn plain_text(&mut self, flow: bool) -> Result<&'a str> {
        match self.byte(0) {
            Some(b'&' | b'*') => return self.fail("anchors and aliases are not read here"),
            Some(b'!') => return self.fail("tags are not read here: quote a text that begins with `!`"),
            Some(b'%' | b'@' | b'`' | b'|' | b'>') => {
                return self.fail("text that begins like this has to be quoted");
            }
            Some(b'-' | b'?') if self.is_gap(1) => return self.fail("a list or a key cannot begin here"),
            _ => {}
        }
        let text = self.plain(flow);
        self.at += text.len();
        Ok(text)
    }

    /// Text in quotes, which ends in the same line.
    fn quoted(&mut self) -> Result<String> {
        let (start, quote) = (self.at, self.byte(0));
        self.at += 1;
        let mut out = String::new();
        loop {
            let Some(c) = self.text[self.at..].chars().next().filter(|c| !matches!(c, '\n' | '\r')) else {
                self.at = start;
                return self.fail("this text is not closed in its line");
            };
            self.at += c.len_utf8();
            match c {
                '\'' if quote == Some(b'\'') => {
                    if self.byte(0) != Some(b'\'') {
                        return Ok(out);
                    }
                    self.at += 1;
                    out.push('\'');
                }
                '"' if quote == Some(b'"') => return Ok(out),
                '\\' if quote == Some(b'"') => out.push(self.escaped()?),
                c => out.push(c),
            }
        }
    }

    /// What stands behind a backslash.
    fn escaped(&mut self) -> Result<char> {
        let c = self.byte(0).unwrap_or(b'\n');
        self.at += 1;
        let digits = match c {
            b'n' => return Ok('\n'),
            b't' => return Ok('\t'),
            b'r' => return Ok('\r'),
            b'0' => return Ok('\0'),
            b'e' => return Ok('\u{1b}'),
            b' ' | b'"' | b'/' | b'\\' => return Ok(char::from(c)),
            b'x' => 2,
            b'u' => 4,
            b'U' => 8,
            _ => 0,
        };
        self.at -= 1;
        let Some(mut code) = self.digits(1, digits) else { return self.fail("an unknown escape") };
        self.at += 1 + digits;
        // Two halves make one character, as JSON writes it.
        if (0xd800..0xdc00).contains(&code)
            && self.text[self.at..].starts_with("\\u")
            && let Some(low) = self.digits(2, 4).filter(|low| (0xdc00..0xe000).contains(low))
        {
            self.at += 6;
            code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        }
        char::from_u32(code).map_or_else(|| self.fail("an unknown escape"), Ok)
    }

    fn digits(&self, from: usize, count: usize) -> Option<u32> {
        let digits = self.text.get(self.at + from..self.at + from + count)?;
        u32::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with('+'))
    }

    /// `{a: 1, b: [c]}`, in as many lines as it takes.
    fn flow(&mut self, depth: usize) -> Result<()> {
        if depth > DEPTH {
            return self.fail("nested too deep");
        }
        let map = self.byte(0) == Some(b'{');
        let end = if map { b'}' } else { b']' };
        self.mark();
        self.out.json.push(if map { '{' } else { '[' });
        self.at += 1;
        let mut first = true;
        loop {
            self.blanks()?;
            if self.byte(0) == Some(end) {
                self.at += 1;
                self.out.json.push(char::from(end));
                return Ok(());
            }
            self.comma(&mut first);
            if map {
                self.flow_key()?;
                self.blanks()?;
                if self.byte(0) == Some(b':') {
                    self.at += 1;
                    self.blanks()?;
                }
                self.out.json.push(':');
            }
            match self.byte(0) {
                None => return self.fail("the text ends in the middle"),
                Some(b'{' | b'[') => self.flow(depth + 1)?,
                Some(b',') if !map => return self.fail("expected a value"),
                _ => self.leaf(true)?,
            }
            self.blanks()?;
            match self.byte(0) {
                Some(b',') => self.at += 1,
                Some(b) if b == end => {}
                None => return self.fail("the text ends in the middle"),
                _ => return self.fail("expected `,` or the closing bracket"),
            }
        }
    }

    fn flow_key(&mut self) -> Result<()> {
        if !matches!(self.byte(0), Some(b'"' | b'\'')) && self.plain(true).is_empty() {
            return self.fail("expected a key");
        }
        self.key(true)
    }

    /// `|` and `>`: the lines that follow and are indented.
    fn block_text(&mut self, indent: usize) -> Result<()> {
        self.mark();
        let folded = self.byte(0) == Some(b'>');
        self.at += 1;
        let (mut keep, mut fixed) = (None, None);
        while let Some(c) = self.byte(0) {
            match c {
                b'-' | b'+' if keep.is_none() => keep = Some(c == b'+'),
                b'1'..=b'9' if fixed.is_none() => fixed = Some(usize::from(c - b'0')),
                _ => break,
            }
            self.at += 1;
        }
        if !self.line_ends() {
            return self.fail("unexpected text after a value");
        }
        // The key's own column is one less than what its value needs at least.
        let mut width = fixed.map(|n| n + indent.saturating_sub(1));
        let mut lines: Vec<&str> = Vec::new();
        loop {
            let start = self.at;
            if self.text[self.at..].starts_with("\r\n") {
                self.at += 1;
            }
            self.at = self.text.len().min(self.at + 1);
            if self.at == self.text.len() {
                break;
            }
            let line = self.rest_of_line();
            let blanks = line.len() - line.trim_start_matches(' ').len();
            let empty = line.len() == blanks;
            if !empty && width.is_none() && blanks >= indent {
                width = Some(blanks);
            }
            if !empty && blanks < width.unwrap_or(indent.max(blanks + 1)) || self.is_marker("---") {
                self.at = start;
                break;
            }
            lines.push(line.get(width.unwrap_or(usize::MAX)..).unwrap_or(""));
            self.at += line.len();
        }
        let text = match folded {
            false => lines.join("\n") + "\n",
            true => fold(&lines) + "\n",
        };
        let bare = text.trim_end_matches('\n');
        match keep {
            Some(true) if !lines.is_empty() => self.push_text(&text),
            None if !bare.is_empty() => self.push_text(&text[..=bare.len()]),
            _ => self.push_text(bare),
        }
        Ok(())
    }
}

/// Lines of `>`: one line's end is a blank, more of them are one less; lines that are indented stay apart.
fn fold(lines: &[&str]) -> String {
    let mut out = String::new();
    let mut last: Option<&str> = None;
    let mut empty = 0;
    for &line in lines {
        if line.is_empty() {
            empty += 1;
            continue;
        }
        let apart = line.starts_with([' ', '\t']) || last.is_some_and(|l| l.starts_with([' ', '\t']));
        match last {
            Some(_) if empty == 0 && !apart => out.push(' '),
            Some(_) => (0..empty + usize::from(apart)).for_each(|_| out.push('\n')),
            None => (0..empty).for_each(|_| out.push('\n')),
        }
        out.push_str(line);
        (last, empty) = (Some(line), 0);
    }
    (0..empty).for_each(|_| out.push('\n'));
    out
}

/// A number in JSON's grammar.
fn is_number(text: &str) -> bool {
    let mut json = super::Scanner::new(text, super::Syntax::Json);
    text.starts_with(|c: char| c == '-' || c.is_ascii_digit()) && json.number().is_ok() && json.end().is_ok()
}

#[cfg(test)]
mod tests;
