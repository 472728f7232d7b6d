//! What mzp decides before the compiler sees a text: the real one knows no block
//! form of `@if`, no `TARGET`, no definitions, and passes over `@include`.
//!
//! - `@if(condition) { … } else { … }` ([`condition`]): the part that is not taken and the words around
//!   the part that is become blanks. The expression form `@if(cond, a, b)` is the compiler's own and stays.
//! - `@define("NAME", "VALUE")`: from here on, in this text and what it includes, the word NAME is VALUE;
//!   `@define("NAME")` is 1. The compiler's templates, `@define(…)[[[ … ]]]`, stay.
//! - `@include("file")`: the file's text in its place, expanded too.
//! - the project's own definitions ([`Definitions`]), which win over those in a text.
//!
//! Words in comments, in text in quotes and in assembly stay, and so do names behind a `.`. What comes
//! out has an [`Origin`]: messages name the user's file, line and column.

mod condition;
mod definitions;
mod origin;
pub mod script;
#[cfg(test)]
mod tests;

pub use definitions::{Definitions, is_on};
pub use origin::Origin;

use crate::error::{Error, Result};
use crate::place::Place;
use crate::platform::Platform;
use crate::source::{Kind, Token, tokens};
use crate::text;
use condition::Condition;
use script::Include;
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

/// What conditions are asked about.
#[derive(Debug, Clone)]
pub struct Environment {
    pub platform: &'static Platform,
    /// Not a release build.
    pub debug: bool,
    /// Those of the project: the command line's, then its `build.minz`'s.
    pub definitions: Definitions,
}

impl Environment {
    /// As packages see it: what a project defines is its own, they would be changed by names they have never heard of.
    pub fn of_others(&self) -> Self {
        Self { definitions: Definitions::default(), ..self.clone() }
    }
}

/// Where a text stands.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// The package's folder: no include leads out of it.
    pub package: &'a Path,
    /// The project's: messages name files relative to it.
    pub project: &'a Path,
}

impl Scope<'_> {
    fn shown<'a>(&self, file: &'a Path) -> &'a Path {
        file.strip_prefix(self.project).unwrap_or(file)
    }
}

#[derive(Debug)]
pub struct Expanded {
    pub text: String,
    pub origin: Origin,
}

/// Deepest nesting of blocks, of includes, and of parentheses in a condition.
const DEPTH: usize = 64;
/// Most files that one text includes.
const FILES: usize = 1000;

/// A file, behind what is included at its head.
pub fn expand(
    file: &Path,
    scope: Scope<'_>,
    environment: &Environment,
    head: &[Include],
) -> Result<Expanded> {
    let mut expander = Expander::new(scope, environment, false);
    for include in head {
        expander.include(&scope.package.join(script::FILE), &include.path, &include.place)?;
    }
    expander.read(file)?;
    Ok(expander.done())
}

struct Expander<'a> {
    scope: Scope<'a>,
    environment: &'a Environment,
    /// A build script: nothing is pasted, and `@build` opens its blocks.
    script: bool,
    /// Those of the text itself.
    local: Definitions,
    /// All that some `@define` names, taken or not: what a condition may ask for.
    declared: BTreeSet<String>,
    /// The script's.
    includes: Vec<Include>,
    /// Being read.
    open: Vec<PathBuf>,
    files: usize,
    out: Expanded,
}

/// One file on its way into the text.
struct Reading<'a> {
    file: &'a Path,
    shown: &'a Path,
    text: &'a str,
    tokens: &'a [Token],
    /// In the origin.
    index: usize,
    /// What of it was copied or left out.
    done: usize,
}

impl<'a> Expander<'a> {
    fn new(scope: Scope<'a>, environment: &'a Environment, script: bool) -> Self {
        Self {
            scope,
            environment,
            script,
            local: Definitions::default(),
            declared: BTreeSet::new(),
            includes: Vec::new(),
            open: Vec::new(),
            files: 0,
            out: Expanded { text: String::new(), origin: Origin::default() },
        }
    }

    fn done(self) -> Expanded {
        self.out
    }

    fn read(&mut self, file: &Path) -> Result<()> {
        let text: Rc<str> = text::require(file)?.into();
        let shown = self.scope.shown(file);
        let index = self.out.origin.file(shown, text.clone());
        let asked = ["@if", "@define", "@include", "@build"].iter().any(|word| text.contains(word));
        let defined = !self.environment.definitions.is_empty() || !self.local.is_empty();
        let tokens = if asked || defined { tokens(shown, &text)? } else { Vec::new() };
        let mut reading = Reading { file, shown, text: &text, tokens: &tokens, index, done: 0 };
        reading.declarations(&mut self.declared);
        self.walk(&mut reading, 0..tokens.len(), 0)?;
        self.copy(&mut reading, text.len())
    }

    /// Copies up to a byte.
    fn copy(&mut self, reading: &mut Reading<'_>, to: usize) -> Result<()> {
        if to > reading.done {
            self.out.origin.piece(self.out.text.len(), reading.index, reading.done, true);
            self.out.text.push_str(&reading.text[reading.done..to]);
            reading.done = to;
        }
        if self.out.text.len() as u64 > text::LIMIT {
            let path = self.scope.shown(reading.file).to_path_buf();
            return Err(Error::TooLong { path, limit: text::LIMIT });
        }
        Ok(())
    }

    /// Blanks for bytes; lines stay. A character of several bytes becomes as many blanks: such text is
    /// inside comments or strings only.
    fn blank(&mut self, reading: &mut Reading<'_>, bytes: Range<usize>) -> Result<()> {
        self.copy(reading, bytes.start)?;
        self.out.origin.piece(self.out.text.len(), reading.index, bytes.start, true);
        let blanks =
            reading.text[bytes.clone()].bytes().map(|b| if b == b'\n' || b == b'\r' { b } else { b' ' });
        self.out.text.extend(blanks.map(char::from));
        reading.done = bytes.end;
        Ok(())
    }

    fn blank_tokens(&mut self, reading: &mut Reading<'_>, tokens: Range<usize>) -> Result<()> {
        self.blank(reading, reading.tokens[tokens.start].start..reading.tokens[tokens.end - 1].end)
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.environment.definitions.get(name).or_else(|| self.local.get(name))
    }

    fn walk(&mut self, reading: &mut Reading<'_>, range: Range<usize>, depth: usize) -> Result<()> {
        if depth > DEPTH {
            return Err(reading.fail(range.start, "too many @if inside one another"));
        }
        let mut i = range.start;
        while i < range.end {
            let token = reading.tokens[i];
            i = match (token.kind, token.text(reading.text)) {
                (Kind::Directive, "@if") if reading.is(i + 1, "(") => {
                    let closing = reading.close(i + 1, range.end)?;
                    match reading.is(closing + 1, "{") {
                        true => self.chain(reading, i, closing, range.end, depth)?,
                        // The compiler's own form; names may stand in it.
                        false => i + 1,
                    }
                }
                (Kind::Directive, "@define") if reading.is(i + 1, "(") => {
                    self.define(reading, i, range.end)?
                }
                (Kind::Directive, "@include") if reading.is(i + 1, "(") => {
                    self.paste(reading, i, range.end)?
                }
                (Kind::Directive, "@build") if reading.is(i + 1, "{") => {
                    if !self.script {
                        return Err(reading.fail(i, "@build is for the build.minz of a project"));
                    }
                    let close = reading.close(i + 1, range.end)?;
                    self.blank_tokens(reading, i..i + 2)?;
                    self.walk(reading, i + 2..close, depth + 1)?;
                    self.blank_tokens(reading, close..close + 1)?;
                    close + 1
                }
                (Kind::Word, word) => {
                    if let Some(value) = self.value(word)
                        && !(i > 0 && reading.is(i - 1, "."))
                    {
                        let value = value.to_string();
                        self.copy(reading, token.start)?;
                        self.out.origin.piece(self.out.text.len(), reading.index, token.start, false);
                        self.out.text.push_str(&value);
                        reading.done = token.end;
                    }
                    i + 1
                }
                _ => i + 1,
            };
        }
        Ok(())
    }

    /// One `@if … else @if … else …`; returns the token after it.
    fn chain(
        &mut self,
        reading: &mut Reading<'_>,
        start: usize,
        closing: usize,
        end: usize,
        depth: usize,
    ) -> Result<usize> {
        let (mut head, mut closing, mut taken) = (start, closing, false);
        loop {
            let holds = Condition::decide(self, reading, head + 2..closing)?;
            let open = closing + 1;
            let close = reading.close(open, end)?;
            self.part(reading, head..open + 1, close, holds && !taken, depth)?;
            taken |= holds;
            let after = close + 1;
            if !reading.is(after, "else") && !reading.is(after, "@else") || after >= end {
                return Ok(after);
            }
            self.blank_tokens(reading, after..after + 1)?;
            let next = after + 1;
            if (reading.is(next, "@if") || reading.is(next, "if")) && reading.is(next + 1, "(") {
                head = next;
                closing = reading.close(next + 1, end)?;
                if !reading.is(closing + 1, "{") {
                    return Err(reading.fail(closing, "an @if without its block"));
                }
                continue;
            }
            if !reading.is(next, "{") {
                return Err(reading.fail(next.min(reading.tokens.len() - 1), "an else without its block"));
            }
            let close = reading.close(next, end)?;
            self.part(reading, next..next + 1, close, !taken, depth)?;
            return Ok(close + 1);
        }
    }

    /// Keeps or blanks what stands up to `close`; the head and the braces always go.
    fn part(
        &mut self,
        reading: &mut Reading<'_>,
        head: Range<usize>,
        close: usize,
        keep: bool,
        depth: usize,
    ) -> Result<()> {
        if !keep {
            return self.blank_tokens(reading, head.start..close + 1);
        }
        let inner = head.end..close;
        self.blank_tokens(reading, head)?;
        self.walk(reading, inner, depth + 1)?;
        self.blank_tokens(reading, close..close + 1)
    }

    /// `@define("NAME", "VALUE")`; returns the token after it.
    fn define(&mut self, reading: &mut Reading<'_>, at: usize, end: usize) -> Result<usize> {
        let close = reading.close(at + 1, end)?;
        if reading.tokens.get(close + 1).is_some_and(|t| t.kind == Kind::Raw) {
            return Ok(close + 2);
        }
        let name = reading.literal(at + 2);
        let value = match close - at {
            3 => Some(definitions::ON.to_string()),
            5 if reading.is(at + 3, ",") => match reading.literal(at + 4) {
                Some(text) => Some(text),
                None => reading.plain(at + 4).map(String::from),
            },
            _ => None,
        };
        let (Some(name), Some(value)) = (name, value) else {
            return Err(reading.fail(at, "a definition is written `@define(\"NAME\", \"VALUE\")`"));
        };
        definitions::may_be_defined(&name).map_err(|what| reading.fail(at + 2, what))?;
        if value.chars().any(char::is_control) {
            return Err(reading.fail(at + 4, "a control character in a definition"));
        }
        self.local.set(&name, value);
        let after = reading.statement(close);
        self.blank_tokens(reading, at..after)?;
        Ok(after)
    }

    /// `@include("file")`; returns the token after it.
    fn paste(&mut self, reading: &mut Reading<'_>, at: usize, end: usize) -> Result<usize> {
        let close = reading.close(at + 1, end)?;
        let (Some(path), 3) = (reading.literal(at + 2), close - at) else {
            return Err(reading.fail(at, "an include is written `@include(\"file\")`"));
        };
        let place = reading.place(at + 2);
        let after = reading.statement(close);
        if self.script {
            self.blank_tokens(reading, at..after)?;
            self.includes.push(Include { path, place });
        } else {
            self.copy(reading, reading.tokens[at].start)?;
            reading.done = reading.tokens[after - 1].end;
            self.include(reading.file, &path, &place)?;
        }
        Ok(after)
    }

    /// Reads another file in this place.
    fn include(&mut self, from: &Path, path: &str, place: &Place) -> Result<()> {
        let fail = |what| Error::Text { place: place.clone(), what };
        let file = inside(from, path, self.scope.package).ok_or_else(|| {
            fail("an include names a file of its own package, relative to the file it stands in")
        })?;
        let missing = |source| Error::Include { place: place.clone(), path: path.to_string(), source };
        // A link may lead elsewhere.
        let real = |path: &Path| path.canonicalize().map_err(missing);
        let (found, package) = (real(&file)?, real(self.scope.package)?);
        if !found.starts_with(&package) {
            return Err(fail("an include that a link leads out of its package"));
        }
        if self.open.contains(&found) {
            return Err(fail("a file that includes itself"));
        }
        self.files += 1;
        if self.open.len() >= DEPTH || self.files > FILES {
            return Err(fail("too many includes"));
        }
        self.open.push(found);
        self.read(&file).map_err(|e| match e {
            Error::Io { source, .. } => missing(source),
            e => e,
        })?;
        self.open.pop();
        if !self.out.text.ends_with('\n') {
            self.out.text.push('\n');
        }
        Ok(())
    }
}

/// The file that a path names beside another, if it stays in a folder. Nothing is looked at.
fn inside(from: &Path, path: &str, package: &Path) -> Option<PathBuf> {
    let mut below: Vec<&std::ffi::OsStr> = Vec::new();
    let folder = from.parent()?.strip_prefix(package).ok()?;
    if path.is_empty() || path.contains(['\\', ':']) || path.chars().any(char::is_control) {
        return None;
    }
    for part in folder.components().chain(Path::new(path).components()) {
        match part {
            Component::Normal(name) => below.push(name),
            Component::ParentDir => drop(below.pop()?),
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(below.iter().fold(package.to_path_buf(), |path, name| path.join(name)))
}

impl Reading<'_> {
    fn is(&self, i: usize, text: &str) -> bool {
        self.tokens.get(i).is_some_and(|t| t.is(self.text, text))
    }

    fn place(&self, i: usize) -> Place {
        Place::at(self.shown, self.text, self.tokens.get(i).map_or(self.text.len(), |t| t.start))
    }

    fn fail(&self, i: usize, what: &'static str) -> Error {
        Error::Text { place: self.place(i), what }
    }

    /// The text of a string.
    fn literal(&self, i: usize) -> Option<String> {
        let token = self.tokens.get(i).filter(|t| t.kind == Kind::Literal)?;
        let inner = token.text(self.text).strip_prefix('"')?.strip_suffix('"')?;
        Some(inner.replace("\\\"", "\"").replace("\\\\", "\\"))
    }

    /// A number or a word without quotes.
    fn plain(&self, i: usize) -> Option<&str> {
        let token = self.tokens.get(i).filter(|t| matches!(t.kind, Kind::Number | Kind::Word))?;
        Some(token.text(self.text))
    }

    /// The token after a directive that ends at `close`, and after its `;`.
    fn statement(&self, close: usize) -> usize {
        close + 1 + usize::from(self.is(close + 1, ";"))
    }

    fn declarations(&self, out: &mut BTreeSet<String>) {
        for (i, token) in self.tokens.iter().enumerate() {
            if token.is(self.text, "@define") && self.is(i + 1, "(") {
                out.extend(self.literal(i + 2));
            }
        }
    }

    /// The bracket that closes the one at `open`.
    fn close(&self, open: usize, end: usize) -> Result<usize> {
        let mut depth = 0;
        for i in open..end {
            match self.tokens[i].kind {
                Kind::Sign => match self.tokens[i].text(self.text) {
                    "(" | "{" | "[" => depth += 1,
                    ")" | "}" | "]" => {
                        depth -= 1;
                        if depth == 0 {
                            let pair = [self.tokens[open].text(self.text), self.tokens[i].text(self.text)];
                            if !matches!(pair, ["(", ")"] | ["{", "}"] | ["[", "]"]) {
                                return Err(self.fail(i, "a bracket that closes another kind"));
                            }
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
}
