//! `mzp test`: each file of `tests/` is a program with an expectation in its first comment.
//!
//! ```text
//! // expect: Hi                a line that it prints; several stand for several lines
//! // targets: spectrum, cpm    platforms or CPUs that it is for (default: all that the project is for)
//! // max-cycles: 2000000       instead of the usual limit
//! ```
//!
//! The comment ends at the first line that is neither a `//` line nor empty. A test without `expect:` only
//! has to end. What it prints is compared without blanks and empty lines at the ends.

use crate::error::{Error, Result};
use crate::place::Place;
use crate::platform::{Platform, Support, supports};
use crate::text;
use std::path::{Path, PathBuf};

/// What a test's header says.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Expectation {
    /// Lines it prints, joined; `None`: nothing is expected of them.
    pub output: Option<String>,
    /// Empty: every platform.
    pub targets: Vec<Support>,
    pub cycles: Option<u64>,
}

impl Expectation {
    pub fn read(path: &Path) -> Result<Self> {
        let text = text::read(path, text::LIMIT)?
            .ok_or_else(|| Error::io("read", path)(std::io::ErrorKind::NotFound.into()))?;
        Self::parse(path, &text)
    }

    fn parse(path: &Path, text: &str) -> Result<Self> {
        let mut out = Self::default();
        let mut lines: Vec<&str> = Vec::new();
        let mut offset = 0;
        for line in text.split_inclusive('\n') {
            let at = offset;
            offset += line.len();
            let Some(comment) = line.trim().strip_prefix("//") else {
                if line.trim().is_empty() {
                    continue;
                }
                break;
            };
            let Some((key, value)) = comment.trim().split_once(':') else { continue };
            let fail = |what| Error::Text { place: Place::at(path, text, at), what };
            match key.trim() {
                "expect" => lines.push(value.strip_prefix(' ').unwrap_or(value)),
                "targets" | "target" => {
                    for name in value.split(',').map(str::trim).filter(|n| !n.is_empty()) {
                        let found = Support::find(name).ok_or_else(|| Error::UnknownPlatform {
                            place: Some(Place::at(path, text, at)),
                            name: name.into(),
                            suggestion: Platform::suggest(name).map(String::from),
                        })?;
                        out.targets.push(found);
                    }
                }
                "max-cycles" => {
                    let number = value.trim().replace('_', "").parse();
                    out.cycles = Some(number.map_err(|_| fail("max-cycles needs a number"))?);
                }
                _ => {}
            }
        }
        if !lines.is_empty() {
            out.output = Some(tidy(&lines.join("\n")));
        }
        Ok(out)
    }

    pub fn is_for(&self, platform: &Platform) -> bool {
        supports(&self.targets, platform)
    }

    /// `None`: it is what was expected; else both, as they were compared.
    pub fn difference(&self, printed: &[u8]) -> Option<(String, String)> {
        let expected = self.output.as_ref()?;
        let printed = tidy(&String::from_utf8_lossy(printed));
        (printed != *expected).then(|| (expected.clone(), printed))
    }
}

fn tidy(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n").trim_matches('\n').to_string()
}

/// The `.minz` files of a project's `tests/`, sorted; none where there is no such folder.
pub fn files(root: &Path) -> Result<Vec<PathBuf>> {
    let dir = root.join("tests");
    let entries = match std::fs::read_dir(&dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(Error::io("read", &dir)(e)),
    };
    let mut out = Vec::new();
    for entry in entries {
        let path = entry.map_err(Error::io("read", &dir))?.path();
        if path.extension().is_some_and(|e| e == "minz") && path.is_file() {
            out.push(path);
        }
    }
    mirror::order::sort(&mut out);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Expectation> {
        Expectation::parse(Path::new("t.minz"), text)
    }

    #[test]
    fn the_header_is_the_comment_at_the_top() {
        let text = "// Draws twice.\n\n// expect: one\n// expect:   two  \n// targets: cpm, 6502\n// max-cycles: 1_000\nfun main() -> void {}\n// expect: late\n";
        let e = parse(text).unwrap();
        assert_eq!((e.output.as_deref(), e.cycles), (Some("one\n  two"), Some(1000)));
        let covers = |name: &str| e.is_for(Platform::find(name).unwrap());
        assert!(covers("cpm") && covers("c64") && !covers("spectrum"));
        assert_eq!(e.difference(b"one\r\n  two\n\n"), None);
        assert_eq!(e.difference(b"one"), Some(("one\n  two".into(), "one".into())));
        let none = parse("fun main() -> void {}").unwrap();
        assert_eq!(none, Expectation::default());
        assert!(none.is_for(Platform::usual()) && none.difference(b"x").is_none());
    }

    #[test]
    fn what_is_wrong_in_it_has_its_line() {
        let message = |text: &str| parse(text).unwrap_err().to_string();
        assert_eq!(message("\n// max-cycles: many\n"), "t.minz:2:1: max-cycles needs a number");
        assert!(message("// targets: spectrun").starts_with("t.minz:1:1: "));
    }
}
