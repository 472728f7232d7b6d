//! From text to tree.

use super::{DEEPEST, Data, Entry, How, MOST_KEYS, Table, Value, Wrong};
use std::borrow::Cow;
use std::ops::Range;

type Result<T> = std::result::Result<T, Wrong>;

/// Reads a document.
///
/// # Errors
/// The first thing that is wrong, and where.
pub fn parse(text: &str) -> Result<Table<'_>> {
    let mut root = Table::new(How::Header, 0..0);
    let mut reader = Reader { text, at: if text.starts_with('\u{feff}') { 3 } else { 0 } };
    let mut table = &mut root;
    loop {
        reader.blank()?;
        match reader.peek() {
            None => return Ok(root),
            Some(b'[') => table = reader.header(&mut root)?,
            Some(_) => reader.entry(table, 0)?,
        }
        reader.spaces();
        reader.comment()?;
        if reader.peek().is_some() && !reader.line_end()? {
            return reader.wrong("the end of the line was expected");
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

/// A part of a key.
type Part<'a> = (Cow<'a, str>, Range<usize>);

impl<'a> Reader<'a> {
    fn wrong<T>(&self, message: &'static str) -> Result<T> {
        Err(Wrong { offset: self.at, message })
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn follows(&self, text: &str) -> bool {
        self.text.as_bytes()[self.at..].starts_with(text.as_bytes())
    }

    fn take(&mut self, byte: u8) -> bool {
        let taken = self.peek() == Some(byte);
        self.at += usize::from(taken);
        taken
    }

    fn spaces(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t')) {
            self.at += 1;
        }
    }

    /// Goes behind the end of a line when one is here.
    fn line_end(&mut self) -> Result<bool> {
        let carriage = self.take(b'\r');
        match self.take(b'\n') {
            false if carriage => self.wrong("a carriage return without a line feed"),
            ended => Ok(ended),
        }
    }

    fn comment(&mut self) -> Result<()> {
        if self.take(b'#') {
            while let Some(byte) = self.peek().filter(|byte| !matches!(byte, b'\r' | b'\n')) {
                self.printable(byte)?;
            }
        }
        Ok(())
    }

    /// Goes behind a byte that a comment or a text may have.
    fn printable(&mut self, byte: u8) -> Result<()> {
        if byte.is_ascii_control() && byte != b'\t' {
            return self.wrong("a control character");
        }
        self.at += 1;
        Ok(())
    }

    /// Spaces, empty lines and comments.
    fn blank(&mut self) -> Result<()> {
        loop {
            self.spaces();
            self.comment()?;
            if !self.line_end()? {
                return Ok(());
            }
        }
    }

    /// `[a.b]` or `[[a.b]]`: the table that the lines below fill.
    fn header<'t>(&mut self, root: &'t mut Table<'a>) -> Result<&'t mut Table<'a>> {
        let start = self.at;
        self.at += 1;
        let many = self.take(b'[');
        let mut key = self.key()?;
        if !self.take(b']') || many && !self.take(b']') {
            return self.wrong("`]` was expected");
        }
        let span = start..self.at;
        let Some((last, place)) = key.pop() else { return Ok(root) };
        let mut table = root;
        let begin = key.first().map_or(place.start, |(_, place)| place.start);
        for (part, place) in key {
            let at = place.start;
            let value = table.reach(part, place, begin, How::Implied)?;
            table = match &mut value.data {
                Data::Table(inner) if inner.how != How::Inline => inner,
                Data::Tables(list) => match list.last_mut().map(|last| &mut last.data) {
                    Some(Data::Table(inner)) => inner,
                    _ => return clash(at),
                },
                _ => return clash(at),
            };
        }
        let new = Table::new(How::Header, span.clone());
        let at = place.start;
        if many {
            let value = match table.entries.iter().position(|entry| entry.key == last) {
                Some(i) => &mut table.entries[i].value,
                None => table.push(
                    last,
                    place,
                    begin,
                    Value { span: span.clone(), data: Data::Tables(Vec::new()) },
                )?,
            };
            let Data::Tables(list) = &mut value.data else { return clash(at) };
            list.push(Value { span, data: Data::Table(new) });
            return match list.last_mut().map(|last| &mut last.data) {
                Some(Data::Table(inner)) => Ok(inner),
                _ => clash(at),
            };
        }
        let value = table.reach(last, place, begin, How::Implied)?;
        match &mut value.data {
            Data::Table(inner) if inner.how == How::Implied => {
                (inner.how, inner.span, value.span) = (How::Header, span.clone(), span);
                Ok(inner)
            }
            _ => clash(at),
        }
    }

    /// `key = value`.
    fn entry(&mut self, table: &mut Table<'a>, depth: usize) -> Result<()> {
        let mut key = self.key()?;
        if !self.take(b'=') {
            return self.wrong("`=` was expected");
        }
        self.spaces();
        let Some((last, place)) = key.pop() else { return Ok(()) };
        let begin = key.first().map_or(place.start, |(_, place)| place.start);
        let mut table = table;
        for (part, place) in key {
            let at = place.start;
            match &mut table.reach(part, place, begin, How::Dotted)?.data {
                Data::Table(inner) if matches!(inner.how, How::Dotted | How::Implied) => table = inner,
                _ => return clash(at),
            }
        }
        if table.entry(&last).is_some() {
            return clash(place.start);
        }
        let value = self.value(depth)?;
        table.push(last, place, begin, value).map(drop)
    }

    /// The parts of a key, and the spaces behind it.
    fn key(&mut self) -> Result<Vec<Part<'a>>> {
        let mut parts = Vec::new();
        loop {
            self.spaces();
            let start = self.at;
            let part = match self.peek() {
                Some(b'"' | b'\'') if self.follows("\"\"\"") || self.follows("'''") => {
                    return self.wrong("a key has one line");
                }
                Some(b'"' | b'\'') => self.string()?,
                _ => Cow::Borrowed(
                    self.word(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')),
                ),
            };
            if self.at == start {
                return self.wrong("a key was expected");
            }
            parts.push((part, start..self.at));
            if parts.len() > DEEPEST {
                return self.wrong("a key of too many parts");
            }
            self.spaces();
            if !self.take(b'.') {
                return Ok(parts);
            }
        }
    }

    fn word(&mut self, fits: fn(&u8) -> bool) -> &'a str {
        let start = self.at;
        self.at += self.text.as_bytes()[start..].iter().take_while(|byte| fits(byte)).count();
        &self.text[start..self.at]
    }

    fn value(&mut self, depth: usize) -> Result<Value<'a>> {
        if depth > DEEPEST {
            return self.wrong("too many tables and lists in each other");
        }
        let start = self.at;
        let data = match self.peek() {
            Some(b'"' | b'\'') => Data::Text(self.string()?),
            Some(b'[') => {
                let mut list = Vec::new();
                self.items(b']', &mut |reader| reader.value(depth + 1).map(|value| list.push(value)))?;
                Data::List(list)
            }
            Some(b'{') => {
                let mut table = Table::new(How::Inline, start..start);
                self.items(b'}', &mut |reader| reader.entry(&mut table, depth + 1))?;
                table.span.end = self.at;
                Data::Table(table)
            }
            _ => self.scalar()?,
        };
        Ok(Value { span: start..self.at, data })
    }

    /// What commas part, up to the bracket that closes.
    fn items(&mut self, close: u8, item: &mut dyn FnMut(&mut Self) -> Result<()>) -> Result<()> {
        self.at += 1;
        loop {
            self.blank()?;
            if self.take(close) {
                return Ok(());
            }
            item(self)?;
            self.blank()?;
            if !self.take(b',') {
                return match self.take(close) {
                    true => Ok(()),
                    false if close == b']' => self.wrong("`,` or `]` was expected"),
                    false => self.wrong("`,` or `}` was expected"),
                };
            }
        }
    }

    fn scalar(&mut self) -> Result<Data<'a>> {
        let start = self.at;
        let word = self
            .word(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'_' | b'.' | b':'));
        let bytes = word.as_bytes();
        let unsigned = word.strip_prefix(['+', '-']).unwrap_or(word);
        let decimal = |digits: &str| digits == "0" || !digits.starts_with('0') && grouped(digits, 10);
        let based = |digits: &str, radix| unsigned == word && grouped(digits, radix);
        let integer = match word.get(..2) {
            Some("0x") => based(&word[2..], 16),
            Some("0o") => based(&word[2..], 8),
            Some("0b") => based(&word[2..], 2),
            _ => decimal(unsigned),
        };
        if integer {
            return Ok(Data::Integer(word));
        }
        let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
        match word {
            "true" => return Ok(Data::Truth(true)),
            "false" => return Ok(Data::Truth(false)),
            _ if matches!(unsigned, "inf" | "nan") => return Ok(Data::Other),
            // A date or a time; between the two there may be a space.
            _ if matches!((digits, bytes.get(digits)), (4, Some(b'-')) | (2, Some(b':'))) => {
                let rest = &self.text.as_bytes()[self.at..];
                if digits == 4 && matches!(rest, [b' ', hour, ..] if hour.is_ascii_digit()) {
                    self.at += 1;
                    self.word(|byte| {
                        byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.' | b':')
                    });
                }
                return Ok(Data::Other);
            }
            _ => {}
        }
        let whole = unsigned.split(['.', 'e', 'E']).next().unwrap_or_default();
        let tail = &unsigned[whole.len()..];
        if decimal(whole) && tail.ends_with(|last: char| last.is_ascii_digit()) {
            return Ok(Data::Other);
        }
        self.at = start;
        self.wrong(if word.is_empty() {
            "a value was expected"
        } else {
            "not a value: a text stands in quotes"
        })
    }

    /// A text of one of the four kinds, from its first quote on.
    fn string(&mut self) -> Result<Cow<'a, str>> {
        let quote = self.text.as_bytes()[self.at];
        let (fence, escapes) = (if quote == b'"' { "\"\"\"" } else { "'''" }, quote == b'"');
        let many = self.follows(fence);
        self.at += if many { 3 } else { 1 };
        if many {
            self.line_end()?;
        }
        // Where the part begins that is not in `out` yet.
        let mut start = self.at;
        let mut out = String::new();
        loop {
            let here = self.at;
            let Some(byte) = self.peek() else { return self.wrong("a text without its last quote") };
            match byte {
                _ if byte == quote && (!many || self.follows(fence)) => {
                    self.at += if many { 3 } else { 1 };
                    let mut end = here;
                    // Up to two quotes may stand before the last three.
                    while many && end < here + 2 && self.take(quote) {
                        end += 1;
                    }
                    let last = &self.text[start..end];
                    return Ok(if out.is_empty() { Cow::Borrowed(last) } else { Cow::Owned(out + last) });
                }
                b'\\' if escapes => {
                    out.push_str(&self.text[start..here]);
                    self.at += 1;
                    self.escape(many, &mut out)?;
                    start = self.at;
                }
                b'\r' | b'\n' if many => {
                    self.line_end()?;
                }
                b'\r' | b'\n' => return self.wrong("a text without its last quote"),
                _ => self.printable(byte)?,
            }
        }
    }

    /// What stands behind a backslash.
    fn escape(&mut self, many: bool, out: &mut String) -> Result<()> {
        let at = self.at - 1;
        let wrong = Wrong { offset: at, message: "an escape that TOML does not know" };
        let Some(byte) = self.peek() else { return Err(wrong) };
        if many && matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
            self.spaces();
            if !self.line_end()? {
                return Err(wrong);
            }
            while matches!(self.peek(), Some(b' ' | b'\t')) || self.line_end()? {
                self.spaces();
            }
            return Ok(());
        }
        self.at += 1;
        let digits = match byte {
            b'x' => 2,
            b'u' => 4,
            b'U' => 8,
            _ => {
                out.push(match byte {
                    b'"' | b'\\' => char::from(byte),
                    b'b' => '\u{8}',
                    b'e' => '\u{1b}',
                    b'f' => '\u{c}',
                    b'n' => '\n',
                    b'r' => '\r',
                    b't' => '\t',
                    _ => return Err(wrong),
                });
                return Ok(());
            }
        };
        let hex = self.text.as_bytes().get(self.at..self.at + digits).unwrap_or_default();
        let hex =
            std::str::from_utf8(hex).ok().filter(|hex| hex.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let found = hex.and_then(|hex| char::from_u32(u32::from_str_radix(hex, 16).ok()?));
        out.push(found.ok_or(wrong)?);
        self.at += digits;
        Ok(())
    }
}

/// Digits, with single `_` between them.
fn grouped(digits: &str, radix: u32) -> bool {
    digits.split('_').all(|group| !group.is_empty() && group.chars().all(|digit| digit.is_digit(radix)))
}

fn clash<T>(offset: usize) -> Result<T> {
    Err(Wrong { offset, message: "duplicate key" })
}

impl<'a> Table<'a> {
    fn push(
        &mut self,
        key: Cow<'a, str>,
        key_span: Range<usize>,
        start: usize,
        value: Value<'a>,
    ) -> Result<&mut Value<'a>> {
        let offset = key_span.start;
        if self.entries.len() == MOST_KEYS {
            return Err(Wrong { offset, message: "more keys in a table than anybody needs" });
        }
        self.entries.push(Entry { start, key, key_span, value });
        match self.entries.last_mut() {
            Some(entry) => Ok(&mut entry.value),
            None => clash(offset),
        }
    }

    /// The value of a key, which becomes a table where there is none.
    fn reach(
        &mut self,
        key: Cow<'a, str>,
        place: Range<usize>,
        start: usize,
        how: How,
    ) -> Result<&mut Value<'a>> {
        match self.entries.iter().position(|entry| entry.key == key) {
            Some(i) => Ok(&mut self.entries[i].value),
            None => {
                let span = place.clone();
                self.push(
                    key,
                    place,
                    start,
                    Value { span: span.clone(), data: Data::Table(Table::new(how, span)) },
                )
            }
        }
    }
}
