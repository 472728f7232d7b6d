//! JSON as this project reads it: pulled token by token from text that is
//! already in memory, with the place of everything, without building a tree.
//!
//! One scanner serves the lockfile (strict JSON, speed matters) and the
//! manifests (JSONC: comments and trailing commas, positions matter). It never
//! recurses: nesting is counted and bounded, so no input overflows the stack.
//!
//! Not here: what fields mean (their readers know), and edits that keep
//! comments (`manifest::edit`).

pub mod loose;
mod position;
mod scanner;
pub mod yaml;

pub use position::{Excerpt, Position};
pub use scanner::{Error, Key, Kind, Problem, Scanner, Syntax, text};

/// Appends `text` as a JSON string, quotes included.
///
/// Besides what JSON demands, what a terminal or an editor would obey is
/// escaped (C1 controls, bidirectional controls, line separators), so that
/// nobody reviewing a lockfile is shown something else than what it says.
pub fn push_string(out: &mut String, text: &str) {
    out.push('"');
    push_escaped(out, text);
    out.push('"');
}

/// The same without the quotes.
pub fn push_escaped(out: &mut String, text: &str) {
    // Nearly all that is written.
    if text.bytes().all(|b| (b' '..0x7f).contains(&b) && b != b'"' && b != b'\\') {
        return out.push_str(text);
    }
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control()
                || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}') =>
            {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                out.push_str("\\u");
                for shift in [12, 8, 4, 0] {
                    out.push(char::from(HEX[(u32::from(c) >> shift & 15) as usize]));
                }
            }
            c => out.push(c),
        }
    }
}
