//! `@if(condition) { … } else { … }`, decided before the compiler sees the text:
//! the real one knows neither the block form nor any `TARGET`.
//!
//! The part that is not taken, and the words around the part that is, become
//! blanks; every line keeps its number and every character its column. The
//! expression form `@if(cond, a, b)` is the compiler's own and stays.
//!
//! A condition is made of `TARGET_SPECTRUM` (a platform or CPU of the table),
//! `TARGET == "spectrum"`, `TARGET != "…"`, `DEBUG`, `true`, `false`, `!`,
//! `&&`, `||` and parentheses.

use crate::error::{Error, Result};
use crate::place::Place;
use crate::platform::Platform;
use crate::source::{Kind, Token, tokens};
use std::ops::Range;
use std::path::Path;

/// What conditions are asked about.
#[derive(Debug, Clone, Copy)]
pub struct Environment {
    pub platform: &'static Platform,
    /// Not a release build.
    pub debug: bool,
}

/// Deepest nesting of blocks and of parentheses in a condition.
const DEPTH: usize = 64;

/// The text with every `@if` block decided.
pub fn evaluate(file: &Path, text: &str, environment: &Environment) -> Result<String> {
    if !text.contains("@if") {
        return Ok(text.to_string());
    }
    let tokens = tokens(file, text)?;
    let mut blank = Vec::new();
    let reader = Reader { file, text, tokens: &tokens, environment };
    reader.blocks(0..tokens.len(), &mut blank, 0)?;
    let mut bytes = text.as_bytes().to_vec();
    for range in blank {
        // A character of several bytes becomes as many blanks: columns to its
        // right shift, but such text is inside comments or strings only.
        bytes[range].iter_mut().filter(|b| **b != b'\n' && **b != b'\r').for_each(|b| *b = b' ');
    }
    String::from_utf8(bytes)
        .map_err(|_| Error::Text { place: Place::at(file, text, 0), what: "text that is not UTF-8" })
}

struct Reader<'a> {
    file: &'a Path,
    text: &'a str,
    tokens: &'a [Token],
    environment: &'a Environment,
}

impl Reader<'_> {
    fn is(&self, i: usize, text: &str) -> bool {
        self.tokens.get(i).is_some_and(|t| t.is(self.text, text))
    }
    fn place(&self, i: usize) -> Place {
        Place::at(self.file, self.text, self.tokens.get(i).map_or(self.text.len(), |t| t.start))
    }
    fn fail(&self, i: usize, what: &'static str) -> Error {
        Error::Text { place: self.place(i), what }
    }
    fn close(&self, open: usize, end: usize) -> Result<usize> {
        let mut depth = 0;
        for i in open..end {
            match self.tokens[i].kind {
                Kind::Sign => match self.tokens[i].text(self.text) {
                    "(" | "{" | "[" => depth += 1,
                    ")" | "}" | "]" => {
                        depth -= 1;
                        if depth == 0 {
                            return Ok(i);
                        }
                    }
                    _ => {}
                },
                _ => continue,
            }
        }
        Err(self.fail(open, "a bracket that is never closed"))
    }

    /// Decides the blocks among these tokens; bytes to blank out are added.
    fn blocks(&self, range: Range<usize>, blank: &mut Vec<Range<usize>>, depth: usize) -> Result<()> {
        if depth > DEPTH {
            return Err(self.fail(range.start, "too many @if inside one another"));
        }
        let mut i = range.start;
        while i < range.end {
            if !(self.is(i, "@if") && self.is(i + 1, "(")) {
                i += 1;
                continue;
            }
            let closing = self.close(i + 1, range.end)?;
            if !self.is(closing + 1, "{") {
                i = closing + 1;
                continue;
            }
            i = self.chain(i, closing, range.end, blank, depth)?;
        }
        Ok(())
    }

    /// One `@if … else @if … else …`; returns the token after it.
    fn chain(
        &self,
        start: usize,
        closing: usize,
        end: usize,
        blank: &mut Vec<Range<usize>>,
        depth: usize,
    ) -> Result<usize> {
        let byte = |i: usize| self.tokens[i].start;
        let (mut head, mut closing, mut taken) = (start, closing, false);
        loop {
            let mut condition = Condition { reader: self, at: head + 2, end: closing };
            let holds = condition.any(0)?;
            if condition.at != closing {
                return Err(self.fail(condition.at, "a condition that cannot be read here"));
            }
            let open = closing + 1;
            let close = self.close(open, end)?;
            self.part(head, open, close, holds && !taken, blank, depth)?;
            taken |= holds;
            let after = close + 1;
            if !self.is(after, "else") && !self.is(after, "@else") {
                return Ok(after);
            }
            blank.push(byte(after)..self.tokens[after].end);
            let next = after + 1;
            if (self.is(next, "@if") || self.is(next, "if")) && self.is(next + 1, "(") {
                head = next;
                closing = self.close(next + 1, end)?;
                if !self.is(closing + 1, "{") {
                    return Err(self.fail(closing, "an @if without its block"));
                }
                continue;
            }
            if !self.is(next, "{") {
                return Err(self.fail(next.min(self.tokens.len() - 1), "an else without its block"));
            }
            let close = self.close(next, end)?;
            self.part(next, next, close, !taken, blank, depth)?;
            return Ok(close + 1);
        }
    }

    /// Keeps or blanks what stands between `open` and `close`; the words from
    /// `head` on and the braces always go.
    fn part(
        &self,
        head: usize,
        open: usize,
        close: usize,
        keep: bool,
        blank: &mut Vec<Range<usize>>,
        depth: usize,
    ) -> Result<()> {
        let (from, to) = (self.tokens[head].start, self.tokens[close].end);
        if keep {
            blank.push(from..self.tokens[open].end);
            blank.push(self.tokens[close].start..to);
            self.blocks(open + 1..close, blank, depth + 1)
        } else {
            blank.push(from..to);
            Ok(())
        }
    }
}

struct Condition<'a> {
    reader: &'a Reader<'a>,
    at: usize,
    end: usize,
}

impl Condition<'_> {
    fn sign(&mut self, text: &str) -> bool {
        let fits = text.char_indices().all(|(i, c)| {
            let t = self.at + i;
            t < self.end && self.reader.is(t, c.encode_utf8(&mut [0; 4]))
        });
        if fits {
            self.at += text.len();
        }
        fits
    }
    fn any(&mut self, depth: usize) -> Result<bool> {
        let mut holds = self.all(depth)?;
        while self.sign("||") {
            holds |= self.all(depth)?;
        }
        Ok(holds)
    }
    fn all(&mut self, depth: usize) -> Result<bool> {
        let mut holds = self.one(depth)?;
        while self.sign("&&") {
            holds &= self.one(depth)?;
        }
        Ok(holds)
    }
    fn one(&mut self, depth: usize) -> Result<bool> {
        if depth > DEPTH {
            return Err(self.reader.fail(self.at, "a condition with too many parentheses"));
        }
        if self.sign("!") {
            return self.one(depth + 1).map(|b| !b);
        }
        if self.sign("(") {
            let holds = self.any(depth + 1)?;
            return if self.sign(")") {
                Ok(holds)
            } else {
                Err(self.reader.fail(self.at, "a `)` is missing"))
            };
        }
        let Some(token) =
            self.reader.tokens.get(self.at).filter(|t| self.at < self.end && t.kind == Kind::Word)
        else {
            return Err(self.reader.fail(self.at, "a condition is missing"));
        };
        let (here, word) = (self.at, token.text(self.reader.text));
        let platform = self.reader.environment.platform;
        self.at += 1;
        match word {
            "true" => Ok(true),
            "false" => Ok(false),
            "DEBUG" => Ok(self.reader.environment.debug),
            "TARGET" => {
                let equal = self.sign("==");
                if !equal && !self.sign("!=") {
                    return Err(self.reader.fail(self.at, "TARGET is compared with == or !="));
                }
                let Some(t) = self.reader.tokens.get(self.at).filter(|t| t.kind == Kind::Literal) else {
                    return Err(self.reader.fail(self.at, "TARGET is compared with a name in quotes"));
                };
                let name = t.text(self.reader.text).trim_matches('"');
                self.known(self.at, name, name)?;
                self.at += 1;
                Ok(platform.answers_to(name) == equal)
            }
            _ => match word.strip_prefix("TARGET_") {
                Some(name) => {
                    self.known(here, word, name)?;
                    Ok(platform.answers_to(name))
                }
                None => Err(self.unknown(here, word, None)),
            },
        }
    }
    fn known(&self, at: usize, word: &str, name: &str) -> Result<()> {
        if Platform::is_known_word(name) {
            return Ok(());
        }
        let suggestion =
            Platform::suggest(&name.to_ascii_lowercase()).map(|s| match word.strip_prefix("TARGET_") {
                Some(_) => format!("TARGET_{}", s.to_ascii_uppercase()),
                None => s.to_string(),
            });
        Err(self.unknown(at, word, suggestion))
    }
    fn unknown(&self, at: usize, word: &str, suggestion: Option<String>) -> Error {
        Error::Condition { place: self.reader.place(at), word: word.to_string(), suggestion }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(text: &str, target: &str) -> std::result::Result<String, String> {
        let environment = Environment { platform: Platform::find(target).unwrap(), debug: true };
        evaluate(Path::new("m.minz"), text, &environment).map_err(|e| e.to_string())
    }
    /// Without the blanks.
    fn left(text: &str, target: &str) -> String {
        run(text, target).unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_designs_import() {
        let text = "import a;\n@if(TARGET_SPECTRUM) {\n    import zx_hardware;\n}\nfun main() -> void {}\n";
        let spectrum = run(text, "spectrum").unwrap();
        assert_eq!(spectrum.lines().nth(2), Some("    import zx_hardware;"));
        assert_eq!(spectrum.len(), text.len(), "columns and lines stay");
        assert_eq!(left(text, "cpm"), "import a; fun main() -> void {}");
    }

    #[test]
    fn conditions() {
        for (condition, spectrum, c64) in [
            ("TARGET == \"spectrum\"", true, false),
            ("TARGET != \"spectrum\"", false, true),
            ("TARGET_Z80", true, false),
            ("!TARGET_6502 && DEBUG", true, false),
            ("TARGET_C64 || TARGET_CPM", false, true),
            ("(TARGET_C64 || TARGET_SPECTRUM) && !false", true, true),
        ] {
            let text = format!("@if({condition}) {{ yes }} else {{ no }}");
            let word = |b| if b { "yes" } else { "no" };
            assert_eq!(left(&text, "spectrum"), word(spectrum), "{condition}");
            assert_eq!(left(&text, "c64"), word(c64), "{condition}");
        }
        let chain = "@if(TARGET_CPM) { a @if(DEBUG) { b } } else @if(TARGET_MSX) { c } else { d } e";
        assert_eq!(left(chain, "cpm"), "a b e");
        assert_eq!(left(chain, "msx"), "c e");
        assert_eq!(left(chain, "gb"), "d e");
    }

    #[test]
    fn the_expression_form_and_text_stay() {
        for text in ["let x: u8 = @if(1 == 1, 10, 20);", "// @if(NOPE) { }", "\"@if(X) { }\""] {
            assert_eq!(run(text, "cpm").unwrap(), text);
        }
    }

    #[test]
    fn what_cannot_be_decided_is_an_error() {
        for (text, expected) in [
            ("@if(TARGET_SPECTRUN) { }", "m.minz:1:5: `TARGET_SPECTRUN` is nothing that @if can ask for"),
            ("\n @if(FOO) { }", "m.minz:2:6: `FOO` is nothing that @if can ask for"),
            ("@if(TARGET == \"vic20\") { }", "m.minz:1:15: `vic20` is nothing that @if can ask for"),
            ("@if(DEBUG DEBUG) { }", "m.minz:1:11: a condition that cannot be read here"),
            ("@if() { }", "m.minz:1:5: a condition is missing"),
            ("@if(DEBUG) { ", "m.minz:1:12: a bracket that is never closed"),
            ("@if(DEBUG) { } else x", "m.minz:1:21: an else without its block"),
        ] {
            assert_eq!(run(text, "spectrum").unwrap_err(), expected, "{text}");
        }
        let deep = format!("@if({}DEBUG) {{ }}", "!".repeat(100));
        assert!(run(&deep, "cpm").unwrap_err().contains("too many parentheses"));
        let deep = format!("{} {}", "@if(DEBUG) { ".repeat(100), "}".repeat(100));
        assert!(run(&deep, "cpm").unwrap_err().contains("too many @if"));
    }
}
