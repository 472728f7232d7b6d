//! What the compiler says, brought back to what the user wrote: line numbers of
//! the unit become places, names that mzp made become the user's names.

use crate::error::Message;
use crate::place::Place;
use std::collections::HashMap;

/// The way back from a unit.
pub struct Map<'a> {
    /// The user's place for line and column of `main.minz`. Columns are 0 when
    /// the compiler gave none.
    pub place: &'a dyn Fn(u32, u32) -> Option<Place>,
    /// The user's place for a word such as `@peek` that the compiler names without a line.
    pub word: &'a dyn Fn(&str) -> Option<Place>,
    /// Made name → the user's.
    pub names: &'a HashMap<String, String>,
}

/// Most messages that are passed on.
const MOST: usize = 50;

/// `Error: …` and the numbered lines after it, from stderr.
pub fn errors(stderr: &str, map: &Map<'_>) -> Vec<Message> {
    let numbered: Vec<&str> = stderr.lines().filter_map(|l| number(l.trim_start())).collect();
    let lines = if numbered.is_empty() {
        stderr
            .lines()
            .map(str::trim)
            .filter(|l| !l.is_empty())
            .take_while(|l| !l.starts_with("Usage:"))
            .collect()
    } else {
        numbered
    };
    lines.into_iter().take(MOST).map(|l| message(l, map)).collect()
}

/// `Warning: …`, from stdout.
pub fn warnings(stdout: &str, map: &Map<'_>) -> Vec<Message> {
    let lines = stdout.lines().map(str::trim_start);
    lines.filter_map(|l| l.strip_prefix("Warning:")).take(MOST).map(|l| message(l.trim(), map)).collect()
}

/// Operations that are only comments in the output, by function.
pub fn left_out(found: &[(&str, &str)], map: &Map<'_>) -> Vec<Message> {
    let word = |(function, operation): &(&str, &str)| {
        let function = function.split('$').next().unwrap_or(function);
        let text = format!("in function {function}: {operation} is a comment in what it wrote, and no code");
        Message { place: None, text: rename(&text, map) }
    };
    found.iter().take(MOST).map(word).collect()
}

/// `1. text`
fn number(line: &str) -> Option<&str> {
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    (digits > 0).then(|| line[digits..].strip_prefix(". ")).flatten()
}

fn message(text: &str, map: &Map<'_>) -> Message {
    let text = text.strip_prefix("Error: ").unwrap_or(text);
    let Some((before, line, column, after)) = position(text) else {
        let word = text.split_whitespace().rev().find(|word| word.starts_with('@'));
        let place = word.and_then(|word| (map.word)(word));
        let text = if place.is_some() { text.trim_start_matches("error ") } else { text };
        return Message { place, text: rename(text, map) };
    };
    match (map.place)(line, column) {
        // `error in function f: line 2, col 5: what` → `in function f: what`
        Some(place) => {
            let before = before.trim_end_matches([' ', ':', ',']).trim_start_matches("error ");
            let text = if before.is_empty() { after.to_string() } else { format!("{before}: {after}") };
            Message { place: Some(place), text: rename(&text, map) }
        }
        None => Message { place: None, text: rename(text, map) },
    }
}

/// Splits at `line N` and, where it follows, `, col M`.
fn position(text: &str) -> Option<(&str, u32, u32, &str)> {
    let at = text
        .match_indices("line ")
        .map(|(i, _)| i)
        .find(|i| text[i + 5..].starts_with(|c: char| c.is_ascii_digit()))?;
    let take = |s: &str| s.bytes().take_while(u8::is_ascii_digit).count();
    let rest = &text[at + 5..];
    let digits = take(rest);
    let line = rest[..digits].parse().ok()?;
    let mut rest = &rest[digits..];
    let mut column = 0;
    for word in [", col ", ", column ", ":"] {
        if let Some(tail) = rest.strip_prefix(word)
            && take(tail) > 0
        {
            column = tail[..take(tail)].parse().ok()?;
            rest = &tail[take(tail)..];
            break;
        }
    }
    Some((&text[..at], line, column, rest.trim_start_matches([':', ' '])))
}

fn rename(text: &str, map: &Map<'_>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut word = String::new();
    let flush = |word: &mut String, out: &mut String| {
        out.push_str(map.names.get(word.as_str()).unwrap_or(word));
        word.clear();
    };
    for c in text.chars() {
        if c.is_alphanumeric() || c == '_' {
            word.push(c);
        } else {
            flush(&mut word, &mut out);
            out.push(c);
        }
    }
    flush(&mut word, &mut out);
    out
}
