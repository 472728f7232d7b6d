//! Where something stands in a text file, and the line that shows it.

use crate::dependency::redact;
use mirror::name::escape;
use std::fmt;
use std::path::{Path, PathBuf};

/// A place as people count: both from 1, the column in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    pub line: u32,
    pub column: u32,
}

impl Position {
    /// The place of byte `offset` of `text` (its end when the offset lies beyond).
    pub fn of(text: &str, offset: usize) -> Self {
        let (line, start) = line_at(text, offset);
        let before = text.get(start..floor(text, offset)).unwrap_or("");
        // A byte order mark takes no room on the screen.
        let column = before.chars().filter(|&c| c != '\u{feff}').count() + 1;
        Self { line, column: u32::try_from(column).unwrap_or(u32::MAX) }
    }
}
impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// A line of a file with the place in it that an error is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    pub path: PathBuf,
    pub position: Position,
    /// The line, safe for a terminal and without passwords of addresses; of a long line only what surrounds the
    /// place, with `…` where something was left out.
    pub text: String,
    /// How many characters of `text` stand before the place: where a `^` goes.
    pub caret: usize,
}

/// Most characters shown on either side of the place.
const AROUND: usize = 60;

impl Excerpt {
    pub fn new(path: &Path, text: &str, offset: usize) -> Self {
        let offset = floor(text, offset);
        let (_, start) = line_at(text, offset);
        let line = text[start..].split(['\n', '\r']).next().unwrap_or("").trim_start_matches('\u{feff}');
        let start = start + if text[start..].starts_with('\u{feff}') { 3 } else { 0 };
        let at = offset.saturating_sub(start).min(line.len());
        let (before, after) = line.split_at(at);
        let shown = |part: &str| {
            let part: String = part.replace('\t', " ").split_inclusive(['"', ' ']).map(redact).collect();
            escape(&part).into_owned()
        };
        let mut text_out = String::new();
        let cut = before.char_indices().rev().nth(AROUND).map_or(0, |(i, _)| i);
        if cut > 0 {
            text_out.push('…');
        }
        text_out.push_str(&shown(&before[cut..]));
        let caret = text_out.chars().count();
        let end = after.char_indices().nth(AROUND).map_or(after.len(), |(i, _)| i);
        text_out.push_str(&shown(&after[..end]));
        if end < after.len() {
            text_out.push('…');
        }
        Self { path: path.to_path_buf(), position: Position::of(text, offset), text: text_out, caret }
    }
}
/// `path:line:column`.
impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", escape(&self.path.display().to_string()), self.position)
    }
}

/// The nearest character boundary at or before `offset`.
fn floor(text: &str, offset: usize) -> usize {
    text.floor_char_boundary(offset)
}

/// Number (from 1) and first byte of the line that holds `offset`.
fn line_at(text: &str, offset: usize) -> (u32, usize) {
    let before = &text.as_bytes()[..offset.min(text.len())];
    let count = before.iter().filter(|&&b| b == b'\n').count();
    let start = before.iter().rposition(|&b| b == b'\n').map_or(0, |i| i + 1);
    (u32::try_from(count).unwrap_or(u32::MAX - 1) + 1, start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_as_people_do() {
        let text = "\u{feff}{\r\n  \"é\": x\r\n}";
        let at = text.find('x').unwrap();
        assert_eq!(Position::of(text, at), Position { line: 2, column: 8 });
        assert_eq!(Position::of(text, 3), Position { line: 1, column: 1 });
        assert_eq!(Position::of(text, 9_999), Position { line: 3, column: 2 });
        // In the middle of a character.
        assert_eq!(Position::of("é", 1), Position { line: 1, column: 1 });
    }

    #[test]
    fn excerpts_are_short_and_safe() {
        let e = Excerpt::new(Path::new("a/pantry.json"), "{\n\t\"a\": \u{1b}[31m\n}", 9);
        assert_eq!((e.to_string().as_str(), e.text.as_str()), ("a/pantry.json:2:8", " \"a\": \\u{1b}[31m"));
        assert_eq!(e.text.chars().nth(e.caret), Some('['));
        let long = format!("{}!{}", "a".repeat(500), "b".repeat(500));
        let e = Excerpt::new(Path::new("x"), &long, 500);
        assert_eq!(e.position.column, 501);
        assert_eq!(e.text.chars().nth(e.caret), Some('!'));
        assert!(e.text.chars().count() < 130 && e.text.starts_with('…') && e.text.ends_with('…'));
        let secret = r#"{"a": "https://me:s3cret@example.com/x", "b": 1 2}"#;
        let e = Excerpt::new(Path::new("x"), secret, secret.find('2').unwrap());
        assert_eq!(e.text, r#"{"a": "https://***@example.com/x", "b": 1 2}"#);
        assert_eq!(e.text.chars().nth(e.caret), Some('2'));
        let e = Excerpt::new(Path::new("x"), "", 0);
        assert_eq!((e.position, e.text.as_str(), e.caret), (Position { line: 1, column: 1 }, "", 0));
    }
}
