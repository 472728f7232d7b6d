//! JSON tokens in a buffer that may end anywhere.
//!
//! A packument of twenty megabytes is looked at through a window of some
//! kilobytes: whoever meets the end of the window asks for more and begins the
//! current member again. So nothing here needs the whole document, and nothing
//! is looked at twice but the member at the window's end.
//!
//! Tolerant where registries are odd and where it costs nothing to be: what is
//! inside a skipped value is not checked beyond its strings and brackets.

use std::borrow::Cow;

/// Why a token could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// The window ends inside it.
    More,
    /// It is not what has to stand there.
    Bad(&'static str),
}

type Scanned<T> = Result<T, Stop>;

/// A string's content in the window, between its quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Span {
    start: u32,
    end: u32,
    escaped: bool,
}

impl Span {
    #[inline(always)]
    pub(super) fn bytes<'a>(&self, window: &'a [u8]) -> &'a [u8] {
        &window[self.start as usize..self.end as usize]
    }
    /// Its meaning, if it is UTF-8.
    pub(super) fn owned(&self, window: &[u8]) -> Option<String> {
        let raw = std::str::from_utf8(self.bytes(window)).ok()?;
        Some(if self.escaped { unescape(raw) } else { raw.to_string() })
    }
    /// Its meaning.
    pub(super) fn text<'a>(&self, window: &'a str) -> Cow<'a, str> {
        let raw = &window[self.start as usize..self.end as usize];
        if self.escaped { Cow::Owned(unescape(raw)) } else { Cow::Borrowed(raw) }
    }
}

pub(super) struct Scan<'a> {
    pub(super) window: &'a [u8],
    pub(super) at: usize,
}

impl<'a> Scan<'a> {
    pub(super) fn new(window: &'a [u8]) -> Self {
        Self { window, at: 0 }
    }

    /// The next byte that is not blank, not consumed.
    #[inline(always)]
    pub(super) fn peek(&mut self) -> Scanned<u8> {
        while let Some(&b) = self.window.get(self.at) {
            if b > b' ' {
                return Ok(b);
            }
            if !matches!(b, b' ' | b'\n' | b'\r' | b'\t') {
                return Err(Stop::Bad("a control character stands between values"));
            }
            self.at += 1;
        }
        Err(Stop::More)
    }

    #[inline(always)]
    pub(super) fn expect(&mut self, byte: u8, what: &'static str) -> Scanned<()> {
        if self.peek()? != byte {
            return Err(Stop::Bad(what));
        }
        self.at += 1;
        Ok(())
    }

    /// Consumes `byte` when it is next.
    #[inline(always)]
    pub(super) fn take(&mut self, byte: u8) -> Scanned<bool> {
        let found = self.peek()? == byte;
        self.at += usize::from(found);
        Ok(found)
    }

    pub(super) fn string(&mut self) -> Scanned<Span> {
        self.expect(b'"', "a string is missing")?;
        let start = self.at;
        let mut escaped = false;
        loop {
            self.at = special(self.window, self.at);
            match self.window.get(self.at) {
                None => return Err(Stop::More),
                Some(b'"') => break,
                Some(_) => {
                    // The character behind a backslash is never the end.
                    escaped = true;
                    self.at += 2;
                }
            }
        }
        let span = Span { start: start as u32, end: self.at as u32, escaped };
        self.at += 1;
        Ok(span)
    }

    /// The next key of an object, its colon consumed; `None` at the object's
    /// end. `first` is true before the first one.
    pub(super) fn key(&mut self, first: &mut bool) -> Scanned<Option<Span>> {
        if self.take(b'}')? {
            return Ok(None);
        }
        if !std::mem::take(first) {
            self.expect(b',', "a comma between members is missing")?;
        }
        let key = self.string()?;
        self.expect(b':', "a colon behind a key is missing")?;
        Ok(Some(key))
    }

    /// Whether another element comes; consumes the comma or the bracket.
    pub(super) fn element(&mut self, first: &mut bool) -> Scanned<bool> {
        if self.take(b']')? {
            return Ok(false);
        }
        if !std::mem::take(first) {
            self.expect(b',', "a comma between elements is missing")?;
        }
        Ok(true)
    }

    /// `true` or `false`, when one of them is next; otherwise skips the value.
    pub(super) fn boolean(&mut self) -> Scanned<Option<bool>> {
        let first = self.peek()?;
        let start = self.at;
        self.skip()?;
        Ok(match (first, &self.window[start..self.at]) {
            (b't', b"true") => Some(true),
            (b'f', b"false") => Some(false),
            _ => None,
        })
    }

    /// A whole number, when one is next; otherwise skips the value.
    pub(super) fn number(&mut self) -> Scanned<Option<u64>> {
        self.peek()?;
        let start = self.at;
        self.skip()?;
        Ok(std::str::from_utf8(&self.window[start..self.at]).ok().and_then(|t| t.parse().ok()))
    }

    /// A string, when one is next; otherwise skips the value.
    pub(super) fn string_or_skip(&mut self) -> Scanned<Option<Span>> {
        if self.peek()? == b'"' {
            return self.string().map(Some);
        }
        self.skip().map(|()| None)
    }

    /// Skips one value of any kind.
    pub(super) fn skip(&mut self) -> Scanned<()> {
        match self.peek()? {
            b'"' => self.string().map(|_| ()),
            b'{' | b'[' => {
                let mut depth = 0u64;
                loop {
                    match self.window.get(self.at) {
                        None => return Err(Stop::More),
                        Some(b'"') => {
                            self.string()?;
                            continue;
                        }
                        Some(b'{' | b'[') => depth += 1,
                        Some(b'}' | b']') => depth -= 1,
                        Some(_) => {}
                    }
                    self.at += 1;
                    if depth == 0 {
                        return Ok(());
                    }
                }
            }
            b'}' | b']' | b',' | b':' => Err(Stop::Bad("a value is missing")),
            _ => {
                let rest = &self.window[self.at..];
                let is_end =
                    |b: &u8| matches!(b, b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t' | b'"' | b':');
                self.at += rest.iter().position(is_end).ok_or(Stop::More)?;
                Ok(())
            }
        }
    }
}

/// The first `"` or `\` at or behind `at`; the window's end if there is none.
/// Eight bytes at a time: most of a packument is the inside of strings.
#[inline(always)]
fn special(window: &[u8], mut at: usize) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let zero = |x: u64| x.wrapping_sub(ONES) & !x & HIGH;
    while let Some(chunk) = window.get(at..at + 8) {
        let mut eight = [0; 8];
        eight.copy_from_slice(chunk);
        let x = u64::from_le_bytes(eight);
        let hit = zero(x ^ (ONES * b'"' as u64)) | zero(x ^ (ONES * b'\\' as u64));
        if hit != 0 {
            return at + (hit.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while window.get(at).is_some_and(|b| !matches!(b, b'"' | b'\\')) {
        at += 1;
    }
    at.min(window.len())
}

/// RFC 8259, section 7; what is no valid escape becomes U+FFFD.
fn unescape(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(i) = rest.find('\\') {
        out.push_str(&rest[..i]);
        rest = &rest[i + 1..];
        let mut chars = rest.chars();
        let c = chars.next().unwrap_or('\u{fffd}');
        rest = chars.as_str();
        match c {
            'b' => out.push('\u{8}'),
            'f' => out.push('\u{c}'),
            'n' => out.push('\n'),
            'r' => out.push('\r'),
            't' => out.push('\t'),
            'u' => {
                let Some(high) = hex(rest) else {
                    out.push('\u{fffd}');
                    continue;
                };
                rest = &rest[4..];
                let pair =
                    rest.strip_prefix("\\u").and_then(hex).filter(|low| (0xdc00..0xe000).contains(low));
                match (high, pair) {
                    (0xd800..0xdc00, Some(low)) => {
                        rest = &rest[6..];
                        let code = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
                        out.push(char::from_u32(code).unwrap_or('\u{fffd}'));
                    }
                    _ => out.push(char::from_u32(high).unwrap_or('\u{fffd}')),
                }
            }
            c => out.push(c),
        }
    }
    out.push_str(rest);
    out
}

fn hex(text: &str) -> Option<u32> {
    let digits = text.get(..4)?;
    digits.bytes().all(|b| b.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_and_escapes() {
        for (json, want) in [
            (r#""""#, ""),
            (r#""abcdefghij""#, "abcdefghij"),
            (r#""a\"b\\c\/d\n""#, "a\"b\\c/d\n"),
            (r#""\u003e=1""#, ">=1"),
            (r#""\ud83d\ude00x""#, "\u{1f600}x"),
            (r#""\ud83dx""#, "\u{fffd}x"),
            (r#""\uZZ""#, "\u{fffd}ZZ"),
            ("\"é\\t\"", "é\t"),
        ] {
            let mut s = Scan::new(json.as_bytes());
            let span = s.string().unwrap();
            assert_eq!((span.text(json).as_ref(), s.at), (want, json.len()), "{json}");
        }
    }

    #[test]
    fn cut_anywhere_it_asks_for_more() {
        let json = r#" {"a\"}":[1,{"b":"]}\\"},"x"],"c":true} "#;
        let end = json.trim_end().len();
        for cut in 0..=json.len() {
            let mut s = Scan::new(&json.as_bytes()[..cut]);
            let want = if cut < end { Err(Stop::More) } else { Ok(()) };
            assert_eq!(s.skip(), want, "{cut}");
        }
        for bad in ["}", "]", ",", ":", "\u{1}1"] {
            assert!(matches!(Scan::new(bad.as_bytes()).skip(), Err(Stop::Bad(_))), "{bad}");
        }
    }

    #[test]
    fn finds_every_special_byte() {
        for length in 0..40 {
            for at in 0..length {
                for byte in [b'"', b'\\'] {
                    let mut window = vec![0xa2u8; length];
                    window[at] = byte;
                    assert_eq!(special(&window, 0), at);
                    assert_eq!(special(&window, at + 1), length);
                }
            }
        }
    }
}
