//! The program as files for the compiler's own import: `main.minz` and beside
//! it each module under its path (`zx_graphics.minz`,
//! `zx_graphics/sprites.minz`), found from the working directory. Every line
//! stands where the user wrote it.
//!
//! The compiler ignores imports inside modules, so `main.minz` imports them all,
//! dependencies first, on its first line. Some programs cannot be built this way
//! ([`Trap`]); they are bundled.

use crate::error::Result;
use crate::imports::BUILTIN;
use crate::place::Place;
use crate::program::names::{References, To, references};
use crate::program::{Module, Program, Target};
use crate::source::items::ItemKind;
use mirror::name::RelPath;
use std::collections::BTreeSet;
use std::path::Path;

#[derive(Debug)]
pub struct Staged {
    /// Sorted by path; `main.minz` among them.
    pub files: Vec<(RelPath, String)>,
    /// Index of the module that each file is.
    pub modules: Vec<usize>,
    /// Why the compiler would not take it; empty: it does.
    pub traps: Vec<Trap>,
}

/// Something that works in MinZ as designed, and not in the compiler's modules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trap {
    pub place: Place,
    pub why: &'static str,
}

/// Where packages lie in the staged tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Everything beside `main.minz`.
    Flat,
    /// `packages/zx_graphics/src/lib.minz`, as `--packages=packages` wants it.
    Packages,
}

pub fn stage(program: &Program, layout: Layout) -> Result<Staged> {
    let references = references(program)?;
    let mut files: Vec<(RelPath, String, usize)> = Vec::new();
    for (m, module) in program.modules.iter().enumerate() {
        let is_main = m + 1 == program.modules.len();
        let text = if is_main && layout == Layout::Flat {
            main(program, module)
        } else {
            module.source.text.clone()
        };
        let path = path(module, is_main, layout);
        let path =
            RelPath::parse(&path).map_err(|source| crate::Error::Name { place: module.place(0), source })?;
        files.push((path, text, m));
    }
    mirror::order::sort_by(&mut files, |a, b| a.0.cmp(&b.0));
    let modules = files.iter().map(|f| f.2).collect();
    let files = files.into_iter().map(|(p, t, _)| (p, t)).collect();
    Ok(Staged { files, modules, traps: traps(program, &references) })
}

fn path(module: &Module, is_main: bool, layout: Layout) -> String {
    if is_main {
        return "main.minz".into();
    }
    let path = module.path.replace('.', "/");
    match (&module.package, layout) {
        (Some(package), Layout::Packages) => {
            let folder = package.as_str().replace('-', "_");
            match path.strip_prefix(&format!("{folder}/")) {
                Some(rest) => format!("packages/{folder}/src/{rest}.minz"),
                None => format!("packages/{folder}/src/lib.minz"),
            }
        }
        _ => format!("{path}.minz"),
    }
}

/// The main file with every module imported on its first line and its own
/// imports blanked out.
fn main(program: &Program, module: &Module) -> String {
    let mut bytes = module.source.text.as_bytes().to_vec();
    for r in &module.imports {
        let span = module.source.span(&module.source.items[r.item]);
        bytes[span].iter_mut().filter(|b| **b != b'\n').for_each(|b| *b = b' ');
    }
    let mut head = String::new();
    let mut builtins: BTreeSet<String> = BTreeSet::new();
    for r in &module.imports {
        if let Target::Builtin(name) = &r.target {
            builtins.insert(match &r.import.alias {
                Some(alias) => format!("import {name} as {alias}; "),
                None => format!("import {name}; "),
            });
        }
    }
    builtins.iter().for_each(|b| head.push_str(b));
    for (i, m) in program.modules.iter().enumerate().take(program.modules.len() - 1) {
        let alias = module
            .imports
            .iter()
            .filter(|r| r.target == Target::Module(i))
            .find_map(|r| r.import.alias.as_ref());
        match alias {
            Some(alias) => head.push_str(&format!("import {} as {alias}; ", m.path)),
            None => head.push_str(&format!("import {}; ", m.path)),
        }
    }
    head + &String::from_utf8_lossy(&bytes)
}

/// Modules that newer compilers would rather take from a folder `stdlib` of the project's: they look there, upwards
/// from where they work, before they look beside the main file.
pub fn elsewhere(program: &Program, root: &Path) -> Vec<Trap> {
    let folders = [root.join("build/stdlib"), root.join("stdlib")];
    if !folders.iter().any(|folder| folder.is_dir()) {
        return Vec::new();
    }
    let modules = program.modules.iter().take(program.modules.len() - 1);
    let found =
        |m: &&Module| folders.iter().any(|folder| folder.join(path(m, false, Layout::Flat)).is_file());
    modules.filter(found).map(|m| Trap { place: m.place(0), why: SHADOWED_BY_FOLDER }).collect()
}

const SHADOWED_BY_FOLDER: &str = "the compiler would take the file of this name in the folder `stdlib`";

/// The one that a compiler with `--packages` has too.
pub const SHADOWED: &str = "the compiler has a module of this name inside, which wins";

/// Most traps that are told: one is enough for a bundle.
const MOST: usize = 100;

fn traps(program: &Program, references: &References) -> Vec<Trap> {
    let mut out = Vec::new();
    let last = program.modules.len() - 1;
    for (m, module) in program.modules.iter().enumerate() {
        let source = &module.source;
        let mut trap = |offset: usize, why| {
            if out.len() < MOST || why == SHADOWED {
                out.push(Trap { place: module.place(offset), why });
            }
        };
        if m != last && BUILTIN.contains(&module.path.as_str()) {
            trap(0, SHADOWED);
        }
        for r in &module.imports {
            let at = source.span(&source.items[r.item]).start;
            if r.import.star {
                trap(at, "the compiler does not expand `.*`");
            }
            if let Target::Module(to) = r.target {
                if to >= m {
                    trap(at, "modules import one another in a circle");
                }
                if m == last && r.import.alias.is_some() {
                    let elsewhere = |other: &Module| other.imports.iter().any(|o| o.target == r.target);
                    if program.modules[..last].iter().any(elsewhere) {
                        trap(at, "a module that others need too cannot be renamed here");
                    }
                }
            } else if m != last {
                trap(at, "the compiler ignores imports inside modules");
            }
        }
        let mut used = BTreeSet::new();
        for r in references[m].iter().flatten() {
            if let To::Item((to, i)) = r.to
                && to == m
                && source.tokens[source.items[i].name.unwrap_or(0)].start != r.span.start
            {
                used.insert(i);
            }
        }
        for (i, item) in source.items.iter().enumerate() {
            let start = source.span(item).start;
            if m != last && item.kind == ItemKind::Type {
                trap(start, "the compiler cannot import types");
            }
            let own = matches!(item.kind, ItemKind::Function | ItemKind::Value) && used.contains(&i);
            if m != last && !item.public && own {
                trap(start, "the compiler does not see what is not `pub`, not even from its own module");
            }
            for r in &references[m][i] {
                let To::Item((to, _)) = r.to else { continue };
                if to == m || r.full {
                    continue;
                }
                let written = &source.text[r.span.clone()];
                let alias = module
                    .imports
                    .iter()
                    .any(|o| o.import.alias.as_ref().is_some_and(|a| written.starts_with(&format!("{a}."))));
                if m != last || !alias {
                    trap(r.span.start, "the compiler knows modules by their full name only");
                }
            }
        }
    }
    out
}
