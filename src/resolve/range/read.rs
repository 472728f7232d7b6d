//! From text to parts of comparators, with npm's second readings.

use super::word::{
    Refused, Word, bound, comparator, hyphen, identifier, read_word, whole, without_operator, without_star,
};
use super::{Comparator, Op, Range};
use std::borrow::Cow;

/// JavaScript's `\s`.
pub(super) fn is_blank(c: char) -> bool {
    (c.is_whitespace() && c != '\u{85}') || c == '\u{feff}'
}

pub(super) struct Reader {
    pub(super) loose: bool,
    pub(super) range: Range,
}

impl Reader {
    pub(super) fn part(&mut self, part: &str) -> Result<(), Refused> {
        let part = tidy(part);
        let start = self.range.comparators.len();
        let (mut any, mut never) = (false, false);
        if let Some((from, to)) = hyphen(&part, self.loose) {
            let words = [from.at_least()?, to.at_most()?];
            any = words.iter().all(|w| matches!(w, Word::Any));
            for word in words {
                self.take(word, &mut never);
            }
        } else {
            let mut words = part.split(' ').peekable();
            let mut first = true;
            while let Some(word) = words.next() {
                let word = match read_word(word, self.loose)? {
                    Word::Bad => self.second_reading(word)?,
                    word => word,
                };
                if matches!(word, Word::Bad) && !self.loose {
                    return Err(Refused);
                }
                // npm loses a wildcard that stands between other words.
                any |= matches!(word, Word::Any) && (first || words.peek().is_none());
                first = false;
                self.take(word, &mut never);
            }
        }
        if never {
            self.range.comparators.truncate(start);
            self.range.comparators.push(never_comparator());
        }
        if any || self.range.comparators.len() > start {
            self.range.ends.push(self.range.comparators.len() as u32);
        }
        Ok(())
    }

    /// npm deletes the first `*` with its operator from a word it could not
    /// read; a full version may be left.
    fn second_reading(&self, word: &str) -> Result<Word, Refused> {
        let Some(rest) = without_star(word) else { return Ok(Word::Bad) };
        if rest.is_empty() {
            return Ok(Word::Any);
        }
        match whole(without_operator(&rest), self.loose) {
            Some(p) if !p.numbers.contains(&None) => comparator(&rest, self.loose),
            _ => Ok(Word::Bad),
        }
    }

    fn take(&mut self, word: Word, never: &mut bool) {
        match word {
            Word::Never => *never = true,
            Word::One(c) => self.range.comparators.push(c),
            Word::Two(a, b) => self.range.comparators.extend([a, b]),
            Word::Any | Word::Bad => {}
        }
    }
}

/// `<0.0.0-0`, below which there is no version.
pub(super) fn never_comparator() -> Comparator {
    Comparator { op: Op::Less, version: bound(0, 0, 0) }
}

/// Blanks collapsed and trimmed, build metadata removed, no blank between an
/// operator and its version. Borrowed when the text is tidy already.
pub(super) fn tidy(part: &str) -> Cow<'_, str> {
    let part = part.trim_matches(is_blank);
    if !part.bytes().any(|b| b == b'+' || !b.is_ascii_graphic()) {
        return part.into();
    }
    let mut text = String::with_capacity(part.len());
    for c in part.chars() {
        if !is_blank(c) {
            text.push(c);
        } else if !text.ends_with(' ') {
            text.push(' ');
        }
    }
    if text.contains('+') {
        text = without_build(&text);
    }
    if text.contains(' ') { glued(&text).into() } else { text.into() }
}

/// No blank between an operator and the version it belongs to.
pub(super) fn glued(text: &str) -> String {
    let b = text.as_bytes();
    let mut out = Vec::with_capacity(b.len());
    let mut i = 0;
    while i < b.len() {
        let mut op = i + usize::from(matches!(b[i], b'<' | b'>'));
        op += usize::from(b.get(op) == Some(&b'='));
        let blank = op + usize::from(b.get(op) == Some(&b' '));
        let skip = b[blank..].iter().take_while(|c| matches!(c, b'v' | b'=' | b' ')).count();
        if b.get(blank + skip).is_some_and(|c| c.is_ascii_digit() || matches!(c, b'x' | b'X' | b'*')) {
            out.extend_from_slice(&b[i..op]);
            // A blank with no operator in front separates two comparators.
            out.extend_from_slice(&b[if op == i { op } else { blank }..=blank + skip]);
            i = blank + skip + 1;
            continue;
        }
        out.push(b[i]);
        i += 1;
    }
    // Only blanks were left out.
    let text = String::from_utf8(out).unwrap_or_default();
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(i) = rest.find(['~', '^']) {
        let (head, tail) = rest.split_at(i);
        // `~>` is an older spelling of `~`.
        let after = tail[1..].strip_prefix(' ').or_else(|| tail.strip_prefix("~> "));
        out.push_str(head);
        out.push_str(&tail[..1]);
        rest = after.unwrap_or(&tail[1..]);
    }
    out + rest
}

pub(super) fn without_build(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(plus) = rest.find('+') {
        let after = &rest[plus + 1..];
        let mut n = identifier(after);
        if n == 0 {
            out.push_str(&rest[..=plus]);
            rest = after;
            continue;
        }
        while let Some(next) = after[n..].strip_prefix('.') {
            match identifier(next) {
                0 => break,
                m => n += 1 + m,
            }
        }
        out.push_str(&rest[..plus]);
        rest = &after[n..];
    }
    out.push_str(rest);
    out
}
