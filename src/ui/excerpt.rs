//! The line of a file that an error is about, with a caret under the place:
//!
//! ```text
//! error: package.json:3:14: expected a value
//!   |
//! 3 |     "react": ^18
//!   |              ^
//! ```
//!
//! The line is already safe for a terminal and short ([`crate::json::Excerpt`]).

use crate::json::Excerpt;

/// The three lines; nothing when there is no line to show.
pub fn render(excerpt: &Excerpt) -> Option<String> {
    if excerpt.text.is_empty() {
        return None;
    }
    let number = excerpt.position.line.to_string();
    let margin = " ".repeat(number.len());
    let indent = " ".repeat(excerpt.caret);
    Some(format!("{margin} |\n{number} | {}\n{margin} | {indent}^", excerpt.text.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn points_at_the_place() {
        let text = "{\n\t\"a\": \u{1b}tru\n}\n";
        let at = text.find("tru").unwrap();
        let shown = render(&Excerpt::new(Path::new("a.json"), text, at)).unwrap();
        assert_eq!(shown, "  |\n2 |  \"a\": \\u{1b}tru\n  |             ^");
        assert_eq!(render(&Excerpt::new(Path::new("a.json"), "", 0)), None);
    }
}
