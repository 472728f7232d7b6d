//! The top-level items of a MinZ text: imports, functions and whatever else
//! stands there, each with its tokens. What is not recognised is an item too
//! (it is kept, never dropped).

use super::{Kind, Token, tokens};
use crate::error::{Error, Result};
use crate::place::Place;
use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    pub kind: ItemKind,
    pub public: bool,
    /// Indices into the tokens.
    pub tokens: Range<usize>,
    /// Index of the token that is its name.
    pub name: Option<usize>,
    /// Bytes of `pub` and the blanks after it; empty when it is not public.
    pub visibility: Range<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemKind {
    Import(Import),
    Function,
    /// `const`, `global`, `let`
    Value,
    /// `struct`, `enum`, `type`, …
    Type,
    Other,
}

/// `import a.b.c as d;`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    pub path: Vec<String>,
    pub alias: Option<String>,
    /// `import a.b.*;`
    pub star: bool,
}

/// What no item can be called: words that begin one.
pub(crate) const WORDS: [&str; 13] = [
    "pub", "export", "import", "asm", "inline", "extern", "fun", "fn", "const", "global", "let", "var",
    "struct",
];

/// A text with its tokens and items.
#[derive(Debug, Clone)]
pub struct Source {
    pub text: String,
    pub tokens: Vec<Token>,
    pub items: Vec<Item>,
    /// Name → the first item that has it.
    names: HashMap<Box<str>, usize>,
}

impl Source {
    pub fn read(file: &Path, text: String) -> Result<Self> {
        let tokens = tokens(file, &text)?;
        let items = Items { file, text: &text, tokens: &tokens, at: 0 }.all()?;
        let mut names = HashMap::new();
        for (i, item) in items.iter().enumerate() {
            if let Some(name) = item.name {
                names.entry(tokens[name].text(&text).into()).or_insert(i);
            }
        }
        Ok(Self { text, tokens, items, names })
    }

    /// An item's bytes.
    pub fn span(&self, item: &Item) -> Range<usize> {
        self.tokens[item.tokens.start].start..self.tokens[item.tokens.end - 1].end
    }

    pub fn name(&self, item: &Item) -> Option<&str> {
        item.name.map(|t| self.tokens[t].text(&self.text))
    }

    /// The item of that name.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.names.get(name).copied()
    }
}

struct Items<'a> {
    file: &'a Path,
    text: &'a str,
    tokens: &'a [Token],
    at: usize,
}

impl Items<'_> {
    fn is(&self, i: usize, text: &str) -> bool {
        self.tokens.get(i).is_some_and(|t| t.is(self.text, text))
    }
    fn fail(&self, token: usize, what: &'static str) -> Error {
        let at = self.tokens.get(token).map_or(self.text.len(), |t| t.start);
        Error::Text { place: Place::at(self.file, self.text, at), what }
    }

    fn all(mut self) -> Result<Vec<Item>> {
        let mut out = Vec::new();
        while self.at < self.tokens.len() {
            if self.is(self.at, ";") {
                self.at += 1;
            } else {
                out.push(self.item()?);
            }
        }
        Ok(out)
    }

    /// The index after the bracket that closes the one at `open`.
    fn matching(&self, open: usize) -> Result<usize> {
        let mut wanted = Vec::new();
        for (i, t) in self.tokens.iter().enumerate().skip(open).filter(|(_, t)| t.kind == Kind::Sign) {
            match t.text(self.text) {
                "(" => wanted.push(")"),
                "[" => wanted.push("]"),
                "{" => wanted.push("}"),
                found @ (")" | "]" | "}") if wanted.pop() != Some(found) => {
                    return Err(self.fail(i, "a closing bracket of another kind than its opening one"));
                }
                _ => {}
            }
            if wanted.is_empty() {
                return Ok(i + 1);
            }
        }
        Err(self.fail(open, "a bracket that is never closed"))
    }

    fn item(&mut self) -> Result<Item> {
        let start = self.at;
        let (mut public, mut visibility, mut i) = (false, 0..0, start);
        while let Some(t) = self.tokens.get(i) {
            match (t.kind, t.text(self.text)) {
                (Kind::Word, "pub" | "export") => {
                    let end = self.tokens.get(i + 1).map_or(t.end, |n| n.start);
                    (public, visibility) = (true, t.start..end);
                    i += 1;
                }
                (Kind::Word, "asm" | "inline" | "extern") => i += 1,
                // `#[…]`, and `@abi("…") fun …`
                (Kind::Sign, "#") if self.is(i + 1, "[") => i = self.matching(i + 1)?,
                (Kind::Directive, _) if self.is(i + 1, "(") => {
                    let after = self.matching(i + 1)?;
                    let next = |w| self.is(after, w);
                    if !(next("fun") || next("fn") || next("pub") || next("asm") || next("struct")) {
                        break;
                    }
                    i = after;
                }
                _ => break,
            }
        }
        let word = self.tokens.get(i).map_or("", |t| t.text(self.text));
        let named = |mut i: usize| {
            while self.is(i, "mut") {
                i += 1;
            }
            self.tokens.get(i).filter(|t| t.kind == Kind::Word).map(|_| i)
        };
        let (kind, name) = match word {
            "import" => return self.import(start, i),
            "fun" | "fn" => (ItemKind::Function, named(i + 1)),
            "const" | "global" | "let" | "var" => (ItemKind::Value, named(i + 1)),
            "struct" | "enum" | "type" | "interface" | "union" | "bits" => (ItemKind::Type, named(i + 1)),
            _ => (ItemKind::Other, None),
        };
        // Whoever called something so would see every such word of the program renamed with it.
        if let Some(i) = name
            && WORDS.contains(&self.tokens[i].text(self.text))
        {
            return Err(self.fail(i, "a name that is a word of the language"));
        }
        let ends_at_brace = kind != ItemKind::Value;
        let end = self.end(i, ends_at_brace)?;
        self.at = end;
        Ok(Item { kind, public, tokens: start..end, name, visibility })
    }

    /// The index after an item's last token.
    fn end(&self, from: usize, ends_at_brace: bool) -> Result<usize> {
        let mut i = from;
        while i < self.tokens.len() {
            let t = &self.tokens[i];
            match (t.kind, t.text(self.text)) {
                (Kind::Sign, ";") => return Ok(i + 1),
                (Kind::Sign, open @ ("(" | "[" | "{")) => {
                    i = self.matching(i)?;
                    if open == "{" && ends_at_brace {
                        return Ok(i);
                    }
                    continue;
                }
                (Kind::Sign, ")" | "]" | "}") => {
                    return Err(self.fail(i, "a closing bracket without its opening one"));
                }
                (Kind::Raw, _) if ends_at_brace => return Ok(i + 1),
                _ => {}
            }
            i += 1;
        }
        // Without this the compiler would drop it in silence.
        Err(self.fail(from, "a declaration that does not end"))
    }

    fn import(&mut self, start: usize, at: usize) -> Result<Item> {
        let mut i = at + 1;
        let mut import = Import { path: Vec::new(), alias: None, star: false };
        if self.tokens.get(i).is_some_and(|t| t.kind == Kind::Literal) {
            return Err(self.fail(i, "the compiler ignores an import in quotes: write `import name;`"));
        }
        loop {
            match self.tokens.get(i) {
                Some(t) if t.kind == Kind::Word => import.path.push(t.text(self.text).to_string()),
                Some(t) if t.is(self.text, "*") && !import.path.is_empty() => import.star = true,
                _ => return Err(self.fail(i, "an import needs a module's name")),
            }
            i += 1;
            if import.star || !self.is(i, ".") {
                break;
            }
            i += 1;
        }
        if self.is(i, "-") {
            return Err(self.fail(i, "an import has no `-`: write `_` for it"));
        }
        if self.is(i, "as") {
            match self.tokens.get(i + 1) {
                Some(t) if t.kind == Kind::Word && !import.star => {
                    import.alias = Some(t.text(self.text).to_string());
                }
                _ => return Err(self.fail(i + 1, "an alias must be a name")),
            }
            i += 2;
        }
        if !self.is(i, ";") {
            return Err(self.fail(i.min(self.tokens.len().saturating_sub(1)), "an import ends with `;`"));
        }
        self.at = i + 1;
        Ok(Item {
            kind: ItemKind::Import(import),
            public: false,
            tokens: start..i + 1,
            name: None,
            visibility: 0..0,
        })
    }
}
