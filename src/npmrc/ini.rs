//! The text of an `.npmrc`, as npm's own parser (`ini`) reads it.
//!
//! - `; …` and `# …` are comments, also behind a value unless escaped (`\;`, `\#`).
//! - `key = value`; `key` alone means `true`; blanks around both go away.
//! - `"…"` is a JSON string, `'…'` is taken as it is.
//! - `key[] = value` lines make a list. `[section]` starts settings that npm
//!   does not look at, and nor do we.
//! - `${VAR}` is the variable's value; `${VAR?}` nothing when it is not set,
//!   `${VAR-word}` and `${VAR:-word}` the word; `\${VAR}` is meant literally.

use crate::json::{Scanner, Syntax};

/// All settings in the order of the file.
pub(super) fn parse(text: &str) -> Vec<(String, String)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut out = Vec::new();
    for line in text.split(['\r', '\n']) {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with([';', '#']) {
            continue;
        }
        if line.starts_with('[') && trimmed.ends_with(']') {
            break;
        }
        let (key, value) = match line.split_once('=') {
            Some((key, value)) => (clean(key), clean(value)),
            None => (clean(line), "true".into()),
        };
        if !key.is_empty() {
            out.push((key, value));
        }
    }
    out
}

/// A key or value without blanks, quotes, escapes and comment.
fn clean(text: &str) -> String {
    let text = text.trim();
    let quoted = |q| text.len() > 1 && text.starts_with(q) && text.ends_with(q);
    if quoted('\'') {
        return text[1..text.len() - 1].to_string();
    }
    if quoted('"') {
        let mut json = Scanner::new(text, Syntax::Json);
        return match (json.string(), json.end()) {
            (Ok(decoded), Ok(())) => decoded.into_owned(),
            _ => text.to_string(),
        };
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            ';' | '#' => break,
            '\\' => match chars.next() {
                Some(c @ (';' | '#' | '\\')) => out.push(c),
                Some(c) => out.extend(['\\', c]),
                None => out.push('\\'),
            },
            c => out.push(c),
        }
    }
    out.trim_end().to_string()
}

/// Text with its variables put in.
pub(super) struct Expanded {
    pub text: String,
    /// A variable without a fallback was not set; its `${VAR}` still stands there.
    pub unset: bool,
}

/// One `${…}` at the start of `text` (behind the `${`): name, fallback, length with the brace.
fn reference(text: &str) -> Option<(&str, Option<&str>, usize)> {
    let end = text.find(['}', '{', '$'])?;
    if text.as_bytes()[end] != b'}' || end == 0 {
        return None;
    }
    let inner = &text[..end];
    let (name, fallback) = if let Some(name) = inner.strip_suffix('?') {
        (name, Some(""))
    } else if let Some((name, word)) = inner.split_once(":-").or_else(|| inner.split_once('-')) {
        (name, Some(word))
    } else {
        (inner, None)
    };
    (!name.is_empty()).then_some((name, fallback, end + 1))
}

pub(super) fn has_expansion(text: &str) -> bool {
    text.match_indices("${").any(|(i, _)| {
        let slashes = text[..i].bytes().rev().take_while(|&b| b == b'\\').count();
        slashes % 2 == 0 && reference(&text[i + 2..]).is_some()
    })
}

/// Puts variables in. What a variable holds is not expanded again.
pub(super) fn expand(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Expanded {
    let mut out = Expanded { text: String::with_capacity(text.len()), unset: false };
    let mut rest = text;
    while let Some(i) = rest.find("${") {
        let Some((name, fallback, length)) = reference(&rest[i + 2..]) else {
            out.text.push_str(&rest[..i + 2]);
            rest = &rest[i + 2..];
            continue;
        };
        let slashes = rest[..i].bytes().rev().take_while(|&b| b == b'\\').count();
        let (before, whole) = (&rest[..i - slashes], &rest[i..i + 2 + length]);
        out.text.push_str(before);
        out.text.extend(std::iter::repeat_n('\\', slashes / 2));
        if slashes % 2 == 1 {
            out.text.push_str(whole);
        } else {
            match variable(name).or_else(|| fallback.map(Into::into)) {
                Some(value) => out.text.push_str(&value),
                None => {
                    out.unset = true;
                    out.text.push_str(whole);
                }
            }
        }
        rest = &rest[i + 2 + length..];
    }
    out.text.push_str(rest);
    out
}
