//! What the names in a program refer to: for every item, the words that mean an
//! item of the program, and which.
//!
//! This is a search over words, not a type checker. It knows the names of a
//! module, of what it imports (`alias.name`, `a.b.name`, `b.name`, or bare after
//! `import a.b.*`), and that a parameter, a local name or a field hides them.
//! What it does not know it leaves to the compiler.

use super::{Module, Program, Target};
use crate::error::{Error, Result};
use crate::source::items::ItemKind;
use crate::source::{Kind, Token, tokens};
use crate::suggestion::nearest;
use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

/// An item of a program: module and item indices.
pub type Id = (usize, usize);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Bytes of the module's text, the qualifying path included.
    pub span: Range<usize>,
    pub to: To,
    /// The path in front was written out in full: `zx_graphics.sprites.draw`.
    pub full: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum To {
    Item(Id),
    /// `module.name` inside the compiler, in full.
    Builtin(String),
}

/// For each module, for each item, its references in order.
pub type References = Vec<Vec<Vec<Reference>>>;

pub fn references(program: &Program) -> Result<References> {
    program
        .modules
        .iter()
        .enumerate()
        .map(|(m, module)| {
            let scope = Scope::of(program, m);
            (0..module.source.items.len()).map(|i| scope.item(i)).collect()
        })
        .collect()
}

struct Scope<'a> {
    program: &'a Program,
    module: &'a Module,
    index: usize,
    own: HashMap<&'a str, usize>,
    /// Path in front of a name → what it stands for, and whether it is the full path.
    paths: HashMap<Vec<&'a str>, (&'a Target, bool)>,
    /// Names that `import x.*` brought in.
    bare: HashMap<&'a str, Id>,
    /// Words in the longest path.
    longest: usize,
}

impl<'a> Scope<'a> {
    fn of(program: &'a Program, index: usize) -> Self {
        let module = &program.modules[index];
        let names = |m: &'a Module| {
            m.source.items.iter().enumerate().filter_map(move |(i, item)| Some((m.source.name(item)?, i)))
        };
        let own: HashMap<_, _> = names(module).collect();
        let (mut paths, mut bare) = (HashMap::new(), HashMap::new());
        for r in &module.imports {
            let path: Vec<&str> = r.import.path.iter().map(String::as_str).collect();
            if r.import.star
                && let Target::Module(to) = r.target
            {
                let target = &program.modules[to];
                bare.extend(
                    names(target).filter(|(_, i)| target.source.items[*i].public).map(|(n, i)| (n, (to, i))),
                );
            }
            if let Some(alias) = &r.import.alias {
                paths.insert(vec![alias.as_str()], (&r.target, false));
            } else if let [.., last] = path.as_slice() {
                paths.entry(vec![*last]).or_insert((&r.target, false));
            }
            let full = match &r.target {
                Target::Module(to) => program.modules[*to].path == path.join("."),
                Target::Builtin(name) => *name == path.join("."),
            };
            paths.insert(path, (&r.target, full && r.import.alias.is_none()));
        }
        let longest = paths.keys().map(Vec::len).max().unwrap_or(0);
        Self { program, module, index, own, paths, bare, longest }
    }

    fn item(&self, index: usize) -> Result<Vec<Reference>> {
        let item = &self.module.source.items[index];
        let mut out = Vec::new();
        if matches!(item.kind, ItemKind::Import(_)) {
            return Ok(out);
        }
        let all = &self.module.source.tokens[item.tokens.clone()];
        let locals = if item.kind == ItemKind::Function { self.locals(all) } else { BTreeSet::new() };
        let name = item.name.map(|n| n - item.tokens.start);
        self.walk(all, &locals, name, (self.index, index), &mut out)?;
        Ok(out)
    }

    fn text(&self, t: &Token) -> &'a str {
        t.text(&self.module.source.text)
    }

    /// Parameters, local names, loop variables.
    fn locals(&self, all: &[Token]) -> BTreeSet<&'a str> {
        let mut out = BTreeSet::new();
        let sign = |i: usize, s: &str| all.get(i).is_some_and(|t| t.kind == Kind::Sign && self.text(t) == s);
        let mut depth = 0;
        let mut in_parameters = true;
        for (i, t) in all.iter().enumerate() {
            match (t.kind, self.text(t)) {
                (Kind::Sign, "(") => depth += 1,
                (Kind::Sign, ")") => depth -= 1,
                (Kind::Sign, "{") => in_parameters = false,
                (Kind::Word, "let" | "var" | "for" | "mut") => {
                    if let Some(next) = all.get(i + 1).filter(|n| n.kind == Kind::Word) {
                        out.insert(self.text(next));
                    }
                }
                (Kind::Word, word) if in_parameters && depth > 0 && sign(i + 1, ":") => {
                    out.insert(word);
                }
                // `|x, y|` of a lambda
                (Kind::Word, word)
                    if i > 0
                        && (sign(i - 1, "|") || sign(i - 1, ","))
                        && (sign(i + 1, "|") || sign(i + 1, ",") || sign(i + 1, ":"))
                        && !in_parameters
                        && all[..i].iter().rev().take(16).any(|t| self.text(t) == "|") =>
                {
                    out.insert(word);
                }
                _ => {}
            }
        }
        out
    }

    fn walk(
        &self,
        all: &[Token],
        locals: &BTreeSet<&str>,
        name: Option<usize>,
        id: Id,
        out: &mut Vec<Reference>,
    ) -> Result<()> {
        let sign = |i: usize, s: &str| all.get(i).is_some_and(|t| t.kind == Kind::Sign && self.text(t) == s);
        let mut i = 0;
        while i < all.len() {
            let t = &all[i];
            if t.kind == Kind::Literal && i >= 2 && sign(i - 1, "(") && all[i - 2].kind == Kind::Directive {
                self.interpolated(t, locals, id, out)?;
            }
            let word = self.text(t);
            let after_dot = i > 0 && sign(i - 1, ".") && !(i > 1 && sign(i - 2, "."));
            if t.kind != Kind::Word || after_dot {
                i += 1;
                continue;
            }
            if name == Some(i) {
                out.push(Reference { span: t.start..t.end, to: To::Item(id), full: true });
                i += 1;
                continue;
            }
            if locals.contains(word) {
                i += 1;
                continue;
            }
            if let Some((reference, used)) = self.qualified(all, i)? {
                out.push(reference);
                i += used;
                continue;
            }
            // A field's name in a literal or a declaration: `{ x: 1, y: 2 }`.
            let field = sign(i + 1, ":") && i > 0 && (sign(i - 1, "{") || sign(i - 1, ","));
            if !field {
                let to =
                    self.own.get(word).map(|&o| (self.index, o)).or_else(|| self.bare.get(word).copied());
                if let Some(to) = to {
                    let full = to.0 == self.index;
                    out.push(Reference { span: t.start..t.end, to: To::Item(to), full });
                }
            }
            i += 1;
        }
        Ok(())
    }

    /// `a.b.name`, where `a.b` is imported: the reference and the tokens it takes.
    fn qualified(&self, all: &[Token], at: usize) -> Result<Option<(Reference, usize)>> {
        let mut chain = vec![self.text(&all[at])];
        let mut i = at + 1;
        while chain.len() <= self.longest
            && all.get(i).is_some_and(|t| t.kind == Kind::Sign && self.text(t) == ".")
            && all.get(i + 1).is_some_and(|t| t.kind == Kind::Word)
        {
            chain.push(self.text(&all[i + 1]));
            i += 2;
        }
        for cut in (1..chain.len()).rev() {
            let Some((target, full)) = self.paths.get(&chain[..cut]) else { continue };
            let (name, token) = (chain[cut], &all[at + 2 * cut]);
            let span = all[at].start..token.end;
            let to = match target {
                Target::Builtin(module) => To::Builtin(format!("{module}.{name}")),
                Target::Module(to) => To::Item((*to, self.member(*to, name, token)?)),
            };
            return Ok(Some((Reference { span, to, full: *full }, 2 * cut + 1)));
        }
        Ok(None)
    }

    /// The item of another module, which must be there and public.
    fn member(&self, to: usize, name: &str, token: &Token) -> Result<usize> {
        let target = &self.program.modules[to];
        let fail = |private, suggestion| Error::Reference {
            place: self.module.place(token.start),
            module: target.path.clone(),
            name: name.to_string(),
            private,
            suggestion,
        };
        match target.source.find(name) {
            Some(i) if to == self.index || target.source.items[i].public => Ok(i),
            Some(_) => Err(fail(true, None)),
            None => {
                let public = target.source.items.iter().filter(|i| i.public);
                let names = public.filter_map(|i| target.source.name(i));
                Err(fail(false, nearest(name, names).map(String::from)))
            }
        }
    }

    /// `@print("{LIVES} left")`: names between braces of a directive's text.
    fn interpolated(
        &self,
        literal: &Token,
        locals: &BTreeSet<&str>,
        id: Id,
        out: &mut Vec<Reference>,
    ) -> Result<()> {
        let text = self.text(literal);
        let mut rest = 0;
        while let Some(open) = text[rest..].find('{').map(|i| rest + i) {
            let Some(close) = text[open..].find('}').map(|i| open + i) else { break };
            rest = close + 1;
            // Whatever is no expression is only text.
            let Ok(inner) = tokens(&self.module.file, &text[open + 1..close]) else { continue };
            let shift = literal.start + open + 1;
            let inner: Vec<_> = inner
                .into_iter()
                .map(|t| Token { start: t.start + shift, end: t.end + shift, ..t })
                .collect();
            self.walk(&inner, locals, None, id, out)?;
        }
        Ok(())
    }
}
