//! The pull scanner. Its user walks the document in order:
//!
//! ```
//! # use pantry::json::{Scanner, Syntax};
//! let mut json = Scanner::new(r#"{"a": 1, "b": ["x", "y"]}"#, Syntax::Json);
//! let mut seen = Vec::new();
//! json.object()?;
//! while let Some(key) = json.key()? {
//!     match &*key.name {
//!         "b" => {
//!             json.array()?;
//!             while json.element()? {
//!                 seen.push(json.string()?);
//!             }
//!         }
//!         _ => drop(json.skip()?),
//!     }
//! }
//! json.end()?;
//! assert_eq!(seen, ["x", "y"]);
//! # Ok::<(), pantry::json::Error>(())
//! ```
//!
//! Text borrows from the input where it holds no escape. The grammar is RFC
//! 8259, strictly; [`Syntax::Jsonc`] adds `//` and `/* */` comments and a comma
//! before a closing bracket, nothing else. A byte order mark in front is
//! passed over. Duplicate keys are the user's business.

use std::borrow::Cow;
use std::fmt;

/// Deepest nesting. Manifests and lockfiles use less than ten.
const DEPTH: u32 = 128;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syntax {
    Json,
    Jsonc,
}

/// What kind of value comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Object,
    Array,
    String,
    Number,
    Bool,
    Null,
}

impl Kind {
    /// With its article, for messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Object => "an object",
            Self::Array => "an array",
            Self::String => "a string",
            Self::Number => "a number",
            Self::Bool => "true or false",
            Self::Null => "null",
        }
    }
}

/// A property's name and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key<'a> {
    pub name: Cow<'a, str>,
    /// Byte offset of its opening quote.
    pub offset: usize,
}

/// What is wrong, and at which byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Error {
    pub offset: usize,
    pub problem: Problem,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// The text ends in the middle of a value.
    Ends,
    Expected {
        what: &'static str,
        found: char,
    },
    /// A value of another kind than its field has.
    Wrong {
        expected: &'static str,
        found: Kind,
    },
    NotUtf8,
    TooDeep,
    BadEscape,
    ControlCharacter,
    LoneSurrogate,
    BadNumber,
    Comment,
    OpenComment,
    TrailingComma,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ends => f.write_str("the text ends in the middle"),
            Self::Expected { what, found } => {
                write!(f, "expected {what}, found `{}`", mirror::name::escape(&found.to_string()))
            }
            Self::Wrong { expected, found } => write!(f, "expected {expected}, found {}", found.name()),
            Self::NotUtf8 => f.write_str("this is not UTF-8 text"),
            Self::TooDeep => write!(f, "nested deeper than {DEPTH} levels"),
            Self::BadEscape => f.write_str("not an escape that JSON knows"),
            Self::ControlCharacter => {
                f.write_str("a control character inside a string (write it as an escape)")
            }
            Self::LoneSurrogate => f.write_str("half of a surrogate pair: not a character"),
            Self::BadNumber => f.write_str("not a number as JSON writes it"),
            Self::Comment => f.write_str("comments are not allowed in this file"),
            Self::OpenComment => f.write_str("this comment is never closed"),
            Self::TrailingComma => {
                f.write_str("a comma before a closing bracket is not allowed in this file")
            }
        }
    }
}
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem.fmt(f)
    }
}
impl std::error::Error for Error {}

type Result<T> = std::result::Result<T, Error>;

/// The bytes of a file as text, or where they stop being UTF-8.
pub fn text(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|e| Error { offset: e.valid_up_to(), problem: Problem::NotUtf8 })
}

#[derive(Clone)]
pub struct Scanner<'a> {
    text: &'a str,
    /// Next byte to look at.
    pos: usize,
    syntax: Syntax,
    depth: u32,
    /// No key or element of the innermost container has been read yet.
    fresh: bool,
}

impl<'a> Scanner<'a> {
    pub fn new(text: &'a str, syntax: Syntax) -> Self {
        let pos = if text.starts_with('\u{feff}') { 3 } else { 0 };
        Self { text, pos, syntax, depth: 0, fresh: false }
    }

    /// The whole text, for messages.
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// The kind of the value that comes next; [`Scanner::offset`] is then its first byte.
    pub fn peek(&mut self) -> Result<Kind> {
        self.blanks()?;
        Ok(match self.byte() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::String,
            Some(b'-' | b'0'..=b'9') => Kind::Number,
            Some(b't' | b'f') => Kind::Bool,
            Some(b'n') => Kind::Null,
            _ => return Err(self.expected("a value")),
        })
    }

    /// The byte that is looked at next. After [`Scanner::peek`] or
    /// [`Scanner::element`] the first byte of the value.
    pub fn offset(&self) -> usize {
        self.pos
    }

    pub fn object(&mut self) -> Result<()> {
        self.want(Kind::Object, "an object")?;
        self.enter()
    }

    pub fn array(&mut self) -> Result<()> {
        self.want(Kind::Array, "an array")?;
        self.enter()
    }

    /// The next key of the innermost object, its `:` passed; `None` when the
    /// object ends. Every key's value has to be read or skipped.
    pub fn key(&mut self) -> Result<Option<Key<'a>>> {
        if !self.more(b'}', "`,` or `}`", "a key in double quotes or `}`")? {
            return Ok(None);
        }
        if self.byte() != Some(b'"') {
            return Err(self.expected("a key in double quotes"));
        }
        let offset = self.pos;
        let name = self.quoted()?;
        self.blanks()?;
        if self.byte() != Some(b':') {
            return Err(self.expected("`:`"));
        }
        self.pos += 1;
        Ok(Some(Key { name, offset }))
    }

    /// Whether the innermost array has another element, which comes next.
    pub fn element(&mut self) -> Result<bool> {
        self.more(b']', "`,` or `]`", "a value or `]`")
    }

    pub fn string(&mut self) -> Result<Cow<'a, str>> {
        self.want(Kind::String, "a string")?;
        self.quoted()
    }

    pub fn boolean(&mut self) -> Result<bool> {
        self.want(Kind::Bool, "true or false")?;
        if self.byte() == Some(b't') {
            self.word("true").map(|()| true)
        } else {
            self.word("false").map(|()| false)
        }
    }

    pub fn null(&mut self) -> Result<()> {
        self.want(Kind::Null, "null")?;
        self.word("null")
    }

    /// A number as it is written.
    pub fn number(&mut self) -> Result<&'a str> {
        self.want(Kind::Number, "a number")?;
        let (start, bytes) = (self.pos, self.text.as_bytes());
        let digits = |from: usize| bytes[from..].iter().take_while(|b| b.is_ascii_digit()).count();
        let mut at = start + usize::from(bytes[start] == b'-');
        let whole = digits(at);
        let mut good = whole > 0 && (whole == 1 || bytes[at] != b'0');
        at += whole;
        if bytes.get(at) == Some(&b'.') {
            let n = digits(at + 1);
            good &= n > 0;
            at += 1 + n;
        }
        if matches!(bytes.get(at), Some(b'e' | b'E')) {
            at += 1;
            at += usize::from(matches!(bytes.get(at), Some(b'+' | b'-')));
            let n = digits(at);
            good &= n > 0;
            at += n;
        }
        // `1x`, `0x1`, `1.2.3`: the rest belongs to what was meant as a number.
        good &= !bytes
            .get(at)
            .is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'+' | b'-'));
        if !good {
            let cut = at >= bytes.len() && !bytes[bytes.len() - 1].is_ascii_digit();
            let problem = if cut { Problem::Ends } else { Problem::BadNumber };
            return Err(Error { offset: start, problem });
        }
        self.pos = at;
        Ok(&self.text[start..at])
    }

    /// Passes over one whole value, checking its grammar, and gives its text.
    pub fn skip(&mut self) -> Result<&'a str> {
        let mut kind = self.peek()?;
        let (start, base) = (self.pos, self.depth);
        // One bit a level: set for an object. DEPTH levels fit exactly.
        let mut objects = 0u128;
        loop {
            match kind {
                Kind::Object => {
                    self.object()?;
                    objects = objects << 1 | 1;
                }
                Kind::Array => {
                    self.array()?;
                    objects <<= 1;
                }
                Kind::String => self.pass_string()?,
                Kind::Number => drop(self.number()?),
                Kind::Bool => drop(self.boolean()?),
                Kind::Null => self.null()?,
            }
            loop {
                if self.depth == base {
                    return Ok(&self.text[start..self.pos]);
                }
                if if objects & 1 == 1 { self.key()?.is_some() } else { self.element()? } {
                    break;
                }
                objects >>= 1;
            }
            kind = self.peek()?;
        }
    }

    /// Nothing but blanks may follow the document's value.
    pub fn end(&mut self) -> Result<()> {
        self.blanks()?;
        if self.pos < self.text.len() { Err(self.expected("the end of the file")) } else { Ok(()) }
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.pos).copied()
    }

    fn expected(&self, what: &'static str) -> Error {
        let problem = match self.text.get(self.pos..).and_then(|t| t.chars().next()) {
            Some(found) => Problem::Expected { what, found },
            None => Problem::Ends,
        };
        Error { offset: self.pos, problem }
    }

    fn want(&mut self, kind: Kind, expected: &'static str) -> Result<()> {
        let found = self.peek()?;
        if found == kind {
            Ok(())
        } else {
            Err(Error { offset: self.pos, problem: Problem::Wrong { expected, found } })
        }
    }

    fn enter(&mut self) -> Result<()> {
        if self.depth == DEPTH {
            return Err(Error { offset: self.pos, problem: Problem::TooDeep });
        }
        self.depth += 1;
        self.pos += 1;
        self.fresh = true;
        Ok(())
    }

    /// Up to the next member of the innermost container, or past its end.
    fn more(&mut self, close: u8, separator: &'static str, member: &'static str) -> Result<bool> {
        self.blanks()?;
        if self.byte() == Some(close) {
            return self.leave();
        }
        if std::mem::take(&mut self.fresh) {
            return if matches!(self.byte(), None | Some(b',')) {
                Err(self.expected(member))
            } else {
                Ok(true)
            };
        }
        if self.byte() != Some(b',') {
            return Err(self.expected(separator));
        }
        let comma = self.pos;
        self.pos += 1;
        self.blanks()?;
        if self.byte() == Some(close) {
            if self.syntax == Syntax::Json {
                return Err(Error { offset: comma, problem: Problem::TrailingComma });
            }
            return self.leave();
        }
        if self.byte().is_none() { Err(self.expected(member)) } else { Ok(true) }
    }

    fn leave(&mut self) -> Result<bool> {
        self.pos += 1;
        self.depth = self.depth.saturating_sub(1);
        self.fresh = false;
        Ok(false)
    }

    fn blanks(&mut self) -> Result<()> {
        let bytes = self.text.as_bytes();
        loop {
            match bytes.get(self.pos) {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.pos += 1,
                Some(b'/') => self.comment()?,
                _ => return Ok(()),
            }
        }
    }

    fn comment(&mut self) -> Result<()> {
        let (start, rest) = (self.pos, &self.text[self.pos..]);
        let length = match rest.as_bytes().get(1) {
            Some(b'/') => rest.find(['\n', '\r']).unwrap_or(rest.len()),
            Some(b'*') => match rest[2..].find("*/") {
                Some(n) => n + 4,
                None => return Err(Error { offset: start, problem: Problem::OpenComment }),
            },
            _ => return Err(self.expected("a value or a comment")),
        };
        if self.syntax == Syntax::Json {
            return Err(Error { offset: start, problem: Problem::Comment });
        }
        self.pos += length;
        Ok(())
    }

    fn word(&mut self, word: &'static str) -> Result<()> {
        let rest = &self.text[self.pos..];
        if rest.starts_with(word) {
            self.pos += word.len();
            return Ok(());
        }
        Err(if word.starts_with(rest) {
            Error { offset: self.text.len(), problem: Problem::Ends }
        } else {
            self.expected("true, false or null")
        })
    }

    /// A string whose opening quote comes next.
    fn quoted(&mut self) -> Result<Cow<'a, str>> {
        let bytes = self.text.as_bytes();
        let start = self.pos + 1;
        let mut at = start;
        while let Some(&b) = bytes.get(at) {
            match b {
                b'"' => {
                    self.pos = at + 1;
                    return Ok(Cow::Borrowed(&self.text[start..at]));
                }
                b'\\' => return self.escaped(start, at),
                0..=0x1f => return Err(Error { offset: at, problem: Problem::ControlCharacter }),
                _ => at += 1,
            }
        }
        Err(Error { offset: at, problem: Problem::Ends })
    }

    /// Passes over a string without decoding it. Halves of surrogate pairs are
    /// no text, but JSON allows them where nobody asks for the text.
    fn pass_string(&mut self) -> Result<()> {
        let bytes = self.text.as_bytes();
        let mut at = self.pos + 1;
        loop {
            match bytes.get(at) {
                None => return Err(Error { offset: at, problem: Problem::Ends }),
                Some(b'"') => {
                    self.pos = at + 1;
                    return Ok(());
                }
                Some(b'\\') => {
                    at += match self.escape(at) {
                        Ok((_, length)) => length,
                        Err(Error { problem: Problem::LoneSurrogate, .. }) => 6,
                        Err(e) => return Err(e),
                    }
                }
                Some(0..=0x1f) => return Err(Error { offset: at, problem: Problem::ControlCharacter }),
                Some(_) => at += 1,
            }
        }
    }

    /// The rest of a string that began at `start` and holds an escape at `at`.
    fn escaped(&mut self, start: usize, mut at: usize) -> Result<Cow<'a, str>> {
        let bytes = self.text.as_bytes();
        let mut out = String::from(&self.text[start..at]);
        let mut plain = at;
        loop {
            match bytes.get(at) {
                None => return Err(Error { offset: at, problem: Problem::Ends }),
                Some(b'"') => {
                    out.push_str(&self.text[plain..at]);
                    self.pos = at + 1;
                    return Ok(Cow::Owned(out));
                }
                Some(b'\\') => {
                    out.push_str(&self.text[plain..at]);
                    let (c, length) = self.escape(at)?;
                    out.push(c);
                    at += length;
                    plain = at;
                }
                Some(0..=0x1f) => return Err(Error { offset: at, problem: Problem::ControlCharacter }),
                Some(_) => at += 1,
            }
        }
    }

    /// The character that the escape at `at` stands for, and the escape's length.
    fn escape(&self, at: usize) -> Result<(char, usize)> {
        let bad = |problem| Error { offset: at, problem };
        let simple = match self.text.as_bytes().get(at + 1) {
            None => return Err(bad(Problem::Ends)),
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                // Cut short is torn, not wrong.
                let cut = self.text.len() < at + 6;
                let high =
                    self.hex(at + 2).ok_or(bad(if cut { Problem::Ends } else { Problem::BadEscape }))?;
                if let Some(c) = char::from_u32(high) {
                    return Ok((c, 6));
                }
                let low = (self.text.get(at + 6..at + 8) == Some("\\u")).then(|| self.hex(at + 8)).flatten();
                return match low {
                    Some(low @ 0xdc00..=0xdfff) if high < 0xdc00 => {
                        let c = char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00));
                        c.map(|c| (c, 12)).ok_or(bad(Problem::LoneSurrogate))
                    }
                    _ => Err(bad(Problem::LoneSurrogate)),
                };
            }
            Some(_) => return Err(bad(Problem::BadEscape)),
        };
        Ok((simple, 2))
    }

    fn hex(&self, at: usize) -> Option<u32> {
        let digits = self.text.get(at..at + 4)?;
        digits.bytes().all(|b| b.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok()).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn whole(text: &str, syntax: Syntax) -> Result<&str> {
        let mut s = Scanner::new(text, syntax);
        let value = s.skip()?;
        s.end()?;
        // What is passed over is what is read, but for halves of surrogate pairs.
        let mut s = Scanner::new(text, syntax);
        if s.peek()? == Kind::String {
            s.string()?;
        }
        Ok(value)
    }

    #[test]
    fn accepts_what_rfc_8259_allows() {
        for text in [
            "0",
            "-0",
            "1.5e+3",
            "-12.0E-1",
            "true",
            "false",
            "null",
            r#""""#,
            "[]",
            "{}",
            " [ ] ",
            r#"{"a":[1,{"b":null},"\u00e9\ud83d\ude00\/"]}"#,
            "\u{feff}{}",
            "[[[[]]],{}]",
            "\"\u{2028}\u{7f}\"",
        ] {
            assert!(whole(text, Syntax::Json).is_ok(), "{text}");
        }
        let commented = "// a\n{/* b */\"a\" /**/: /*,*/ [1, 2, /* x */], // c\r\n}\n// end";
        assert!(whole(commented, Syntax::Jsonc).is_ok());
    }

    #[test]
    fn refuses_the_rest_at_the_right_place() {
        use Problem::*;
        let cases: &[(&str, usize, Problem)] = &[
            ("", 0, Ends),
            ("  ", 2, Ends),
            ("[1", 2, Ends),
            ("{\"a\"", 4, Ends),
            ("{\"a\":", 5, Ends),
            ("{\"a\":1,", 7, Ends),
            ("\"abc", 4, Ends),
            ("\"a\\", 2, Ends),
            ("tru", 3, Ends),
            ("-", 0, Ends),
            ("01", 0, BadNumber),
            ("[1.]", 1, BadNumber),
            ("[1e]", 1, BadNumber),
            ("[0x10]", 1, BadNumber),
            ("[-a]", 1, BadNumber),
            ("[1,]", 2, TrailingComma),
            ("{\"a\":1,}", 6, TrailingComma),
            ("[,1]", 1, Expected { what: "a value or `]`", found: ',' }),
            ("[1,,2]", 3, Expected { what: "a value", found: ',' }),
            ("[1 2]", 3, Expected { what: "`,` or `]`", found: '2' }),
            ("{\"a\" 1}", 5, Expected { what: "`:`", found: '1' }),
            ("{a:1}", 1, Expected { what: "a key in double quotes", found: 'a' }),
            ("{'a':1}", 1, Expected { what: "a key in double quotes", found: '\'' }),
            ("{\"a\":1]", 6, Expected { what: "`,` or `}`", found: ']' }),
            ("{} x", 3, Expected { what: "the end of the file", found: 'x' }),
            ("nul!", 0, Expected { what: "true, false or null", found: 'n' }),
            ("// x\n1", 0, Comment),
            ("/* x", 0, OpenComment),
            ("\"\\x\"", 1, BadEscape),
            ("\"\\u12\" ]", 1, BadEscape),
            ("\"\\u+123\"", 1, BadEscape),
            ("\"\\ud800\"", 1, LoneSurrogate),
            ("\"\\udc00\\ud800\"", 1, LoneSurrogate),
            ("\"\\ud800\\u0041\"", 1, LoneSurrogate),
            ("\"a\nb\"", 2, ControlCharacter),
        ];
        for &(text, offset, problem) in cases {
            assert_eq!(whole(text, Syntax::Json), Err(Error { offset, problem }), "{text}");
        }
        assert_eq!(text(b"ab\xff"), Err(Error { offset: 2, problem: NotUtf8 }));
        let mut s = Scanner::new("[1]", Syntax::Json);
        assert_eq!(
            s.object(),
            Err(Error { offset: 0, problem: Wrong { expected: "an object", found: Kind::Array } })
        );
    }

    #[test]
    fn half_a_pair_is_passed_over_but_not_read() {
        let text = r#"{"a": "\udc00 \ud800 \ud83d\ude00", "b": "\ud800"}"#;
        assert_eq!(whole(text, Syntax::Json), Ok(text));
        let mut s = Scanner::new(text, Syntax::Json);
        s.object().unwrap();
        s.key().unwrap();
        assert_eq!(s.string().unwrap_err(), Error { offset: 7, problem: Problem::LoneSurrogate });
    }

    #[test]
    fn depth_is_bounded_without_recursion() {
        for open in ["[", "{\"a\":"] {
            let deep = open.repeat(200_000);
            let e = whole(&deep, Syntax::Jsonc).unwrap_err();
            assert_eq!(e.problem, Problem::TooDeep);
            assert_eq!(e.offset, 128 * open.len());
        }
        let fits = format!("{}{}", "[".repeat(128), "]".repeat(128));
        assert!(whole(&fits, Syntax::Json).is_ok());
    }

    #[test]
    fn gives_values_with_their_places() {
        let text = r#"{"x": ["a\tb", true, null, -1.5], "y": {"z": 1}}"#;
        let mut s = Scanner::new(text, Syntax::Json);
        s.object().unwrap();
        let key = s.key().unwrap().unwrap();
        assert_eq!((&*key.name, key.offset), ("x", 1));
        s.array().unwrap();
        assert!(s.element().unwrap());
        assert_eq!(s.string().unwrap(), "a\tb");
        assert!(s.element().unwrap() && s.boolean().unwrap() && s.element().unwrap());
        s.null().unwrap();
        assert!(s.element().unwrap());
        assert_eq!((s.offset(), s.number().unwrap()), (27, "-1.5"));
        assert!(!s.element().unwrap());
        assert_eq!(s.key().unwrap().unwrap().name, "y");
        assert_eq!(s.skip().unwrap(), r#"{"z": 1}"#);
        assert_eq!(s.key().unwrap(), None);
        s.end().unwrap();
    }

    proptest! {
        #[test]
        fn strings_come_back(text in any::<String>()) {
            let mut out = String::new();
            super::super::push_string(&mut out, &text);
            let mut s = Scanner::new(&out, Syntax::Json);
            prop_assert_eq!(&*s.string().unwrap(), text.as_str());
            prop_assert!(out.chars().all(|c| !c.is_control()));
        }

        #[test]
        fn never_panics(text in "[\\[\\]{}\",:/*\\\\ue0-9a-f \n.-]{0,60}") {
            for syntax in [Syntax::Json, Syntax::Jsonc] {
                if let Err(e) = whole(&text, syntax) {
                    prop_assert!(e.offset <= text.len());
                }
            }
        }
    }
}
