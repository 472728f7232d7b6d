//! One unit out of a whole program, for any version of the compiler: no imports
//! are left, so nothing depends on how it resolves them; private helpers are
//! there; each thing has one name of its own.
//!
//! The compiler makes a label from the last three `_`-separated parts of a
//! function's name and its parameter types, so names are joined without `_`:
//! `draw_all` of `zx_graphics.sprites` becomes `zxGraphicsSpritesDrawAll`. What
//! the main file calls by a name without `_` keeps it.
//!
//! The map tells for each line of the unit which line of which file it is.

use crate::error::Result;
use crate::program::names::{References, To, references};
use crate::program::{Program, Target};
use crate::shake;
use crate::source::Kind;
use crate::source::items::ItemKind;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::Range;

#[derive(Debug)]
pub struct Bundle {
    pub text: String,
    /// For each line, from the first: module and line there (from 1), or `None`
    /// for a line that mzp added.
    pub map: Vec<Option<(usize, u32)>>,
    /// New name → the name as the user knows it (`module.name`).
    pub names: HashMap<String, String>,
    /// For each module: bytes in the unit, and bytes of items left out.
    pub sizes: Vec<(usize, usize)>,
}

pub fn bundle(program: &Program) -> Result<Bundle> {
    let references = references(program)?;
    let keep = shake::reached(program, &references);
    let names = new_names(program, &keep);
    let mut out = Writer { text: String::new(), map: Vec::new(), fresh: true };

    let mut builtins = BTreeSet::new();
    for m in &program.modules {
        for r in &m.imports {
            if let Target::Builtin(name) = &r.target {
                builtins.insert(name.as_str());
            }
        }
    }
    for name in builtins {
        out.own(&format!("import {name};\n"));
    }

    let mut sizes = Vec::new();
    for (m, module) in program.modules.iter().enumerate() {
        let (mut kept, mut dropped) = (0, 0);
        let kept_any = keep[m].iter().any(|k| *k);
        if kept_any {
            let header = match &module.package {
                Some(package) => format!("// {package}: {}\n", module.path),
                None => format!("// {}\n", module.path),
            };
            out.own(&header);
        }
        let (mut line, mut counted) = (1, 0);
        for (i, item) in module.source.items.iter().enumerate() {
            let span = module.source.span(item);
            line += module.source.text[counted..span.start].matches('\n').count() as u32;
            counted = span.start;
            if matches!(item.kind, ItemKind::Import(_)) {
                continue;
            }
            if !keep[m][i] {
                dropped += span.len();
                continue;
            }
            let before = out.text.len();
            let edits = edits(&references, &names, (m, i), item.visibility.clone());
            out.copy((m, line), &module.source.text, span, &edits);
            out.end_line();
            kept += out.text.len() - before;
        }
        sizes.push((kept, dropped));
    }
    let names = names
        .into_iter()
        .filter_map(|((m, i), new)| {
            let module = &program.modules[m];
            let old = module.source.name(&module.source.items[i])?;
            let full =
                if m + 1 == program.modules.len() { old.into() } else { format!("{}.{old}", module.path) };
            (full != new).then_some((new, full))
        })
        .collect();
    Ok(Bundle { text: out.text, map: out.map, names, sizes })
}

/// What is replaced in an item, in order.
fn edits(
    references: &References,
    names: &HashMap<(usize, usize), String>,
    (m, i): (usize, usize),
    visibility: Range<usize>,
) -> Vec<(Range<usize>, String)> {
    let mut out: Vec<_> = references[m][i]
        .iter()
        .filter_map(|r| match &r.to {
            To::Item(id) => Some((r.span.clone(), names.get(id)?.clone())),
            To::Builtin(name) => Some((r.span.clone(), name.clone())),
        })
        .collect();
    if !visibility.is_empty() {
        out.push((visibility, String::new()));
    }
    mirror::order::sort_by_key(&mut out, |(span, _)| span.start);
    out
}

/// A name of its own for each kept item that has one.
fn new_names(program: &Program, keep: &[Vec<bool>]) -> HashMap<(usize, usize), String> {
    // Every word of the program: a new name must not be hidden by a local one.
    let mut taken: HashSet<String> = HashSet::new();
    for m in &program.modules {
        for t in m.source.tokens.iter().filter(|t| t.kind == Kind::Word) {
            taken.insert(t.text(&m.source.text).to_ascii_lowercase());
        }
    }
    let mut out = HashMap::new();
    let last = program.modules.len() - 1;
    // The main file first: its names are the ones a person looks for.
    for m in std::iter::once(last).chain(0..last) {
        let module = &program.modules[m];
        for (i, item) in module.source.items.iter().enumerate() {
            let Some(name) = module.source.name(item).filter(|_| keep[m][i]) else { continue };
            let plain = m == last && (item.kind != ItemKind::Function || !name.contains('_'));
            if plain {
                out.insert((m, i), name.to_string());
                continue;
            }
            let wanted = if m == last { camel(name) } else { camel(&format!("{}_{name}", module.path)) };
            let mut new = wanted.clone();
            let mut n = 2;
            while !taken.insert(new.to_ascii_lowercase()) {
                new = format!("{wanted}{n}");
                n += 1;
            }
            out.insert((m, i), new);
        }
    }
    out
}

/// `zx_graphics.MAX_ITEMS` → `zxGraphicsMAXITEMS`
fn camel(text: &str) -> String {
    let mut out = String::new();
    for word in text.split(['_', '.']).filter(|w| !w.is_empty()) {
        let mut chars = word.chars();
        match chars.next() {
            Some(first) if !out.is_empty() => out.extend(first.to_uppercase()),
            Some(first) => out.push(first),
            None => {}
        }
        out.push_str(chars.as_str());
    }
    // A name does not begin with a digit.
    if out.starts_with(|c: char| c.is_ascii_digit()) { format!("m{out}") } else { out }
}

struct Writer {
    text: String,
    map: Vec<Option<(usize, u32)>>,
    /// The next character begins a line.
    fresh: bool,
}

impl Writer {
    /// Text that is all of one line of a module, or nobody's.
    fn push(&mut self, text: &str, origin: Option<(usize, u32)>) {
        for line in text.split_inclusive('\n') {
            if self.fresh {
                self.map.push(origin);
            }
            self.text.push_str(line);
            self.fresh = line.ends_with('\n');
        }
    }
    fn own(&mut self, text: &str) {
        self.push(text, None);
    }
    fn end_line(&mut self) {
        if !self.fresh {
            self.own("\n");
        }
    }
    /// Copies a part of a module's text, which begins in that line of it, with replacements.
    fn copy(
        &mut self,
        (module, mut line): (usize, u32),
        text: &str,
        span: Range<usize>,
        edits: &[(Range<usize>, String)],
    ) {
        let mut at = span.start;
        for (replaced, new) in edits.iter().chain([&(span.end..span.end, String::new())]) {
            for piece in text[at..replaced.start].split_inclusive('\n') {
                self.push(piece, Some((module, line)));
                line += u32::from(piece.ends_with('\n'));
            }
            self.push(new, Some((module, line)));
            line += text[replaced.clone()].matches('\n').count() as u32;
            at = replaced.end;
        }
    }
}
