//! The program that a build is about: every module that `main` reaches, with
//! its text (conditions decided), its items and where its imports lead.
//!
//! Modules stand in dependency order, what is imported before what imports it,
//! `main` last: the order in which the compiler can take them.

pub mod active;
pub mod names;
#[cfg(test)]
mod tests;

use crate::error::{Error, Result};
use crate::expand::script::{Include, Script};
use crate::expand::{Environment, Origin, Scope, expand};
use crate::imports::{self, Found};
use crate::place::Place;
use crate::source::items::{Import, ItemKind, Source};
use active::Active;
use mirror::name::MinzName;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Most modules of one program.
pub const MODULES: usize = 10_000;

#[derive(Debug)]
pub struct Program {
    pub modules: Vec<Module>,
}

#[derive(Debug)]
pub struct Module {
    /// As it is imported from elsewhere: `zx_graphics.sprites`; `main` for the main file.
    pub path: String,
    /// `None`: the project's own.
    pub package: Option<MinzName>,
    /// As messages name it: relative to the project where it lies inside.
    pub file: PathBuf,
    pub source: Source,
    /// Where its text comes from.
    pub origin: Origin,
    pub imports: Vec<Resolved>,
}

impl Module {
    /// The user's place of a byte of its text.
    pub fn place(&self, offset: usize) -> Place {
        self.origin.place(offset)
    }
}

/// One import and where it leads.
#[derive(Debug)]
pub struct Resolved {
    /// Index of its item.
    pub item: usize,
    pub import: Import,
    pub target: Target,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    Module(usize),
    /// A module inside the compiler.
    Builtin(String),
}

impl Program {
    pub fn main(&self) -> &Module {
        &self.modules[self.modules.len() - 1]
    }

    /// Reads `main`, with what is included at its head, and all that it reaches. `scripts`: of packages.
    pub fn load(
        active: &Active<'_>,
        main: &Path,
        environment: &Environment,
        head: &[Include],
        scripts: &[(MinzName, Script)],
    ) -> Result<Self> {
        let (modules, by_file) = (Vec::new(), HashMap::new());
        let mut loader =
            Loader { active, environment, others: environment.of_others(), scripts, modules, by_file };
        loader.open(main.to_path_buf(), "main".into(), None, head)?;
        // Depth first, each module left when all its imports were: (module, next import).
        let (mut order, mut stack, mut entered) = (Vec::new(), vec![(0usize, 0usize)], vec![true]);
        while let Some((module, next)) = stack.pop() {
            if next == loader.modules[module].imports.len() {
                order.push(module);
                continue;
            }
            stack.push((module, next + 1));
            let target = loader.follow(module, next)?;
            entered.resize(loader.modules.len(), false);
            if let Target::Module(to) = target
                && !entered[to]
            {
                entered[to] = true;
                stack.push((to, 0));
            }
        }
        let mut position = vec![0; order.len()];
        order.iter().enumerate().for_each(|(new, &old)| position[old] = new);
        let mut modules: Vec<Option<Module>> = loader.modules.into_iter().map(Some).collect();
        let mut sorted = Vec::with_capacity(order.len());
        for old in order {
            let Some(mut module) = modules[old].take() else { continue };
            for r in &mut module.imports {
                if let Target::Module(to) = &mut r.target {
                    *to = position[*to];
                }
            }
            sorted.push(module);
        }
        let program = Self { modules: sorted };
        match program.main().source.find("main") {
            Some(i) if program.main().source.items[i].kind == ItemKind::Function => Ok(program),
            _ => Err(Error::NoMain { path: program.main().file.clone() }),
        }
    }
}

struct Loader<'a> {
    active: &'a Active<'a>,
    environment: &'a Environment,
    /// The packages'.
    others: Environment,
    /// The build scripts of some of them.
    scripts: &'a [(MinzName, Script)],
    modules: Vec<Module>,
    by_file: HashMap<PathBuf, usize>,
}

impl Loader<'_> {
    fn open(
        &mut self,
        file: PathBuf,
        path: String,
        package: Option<MinzName>,
        head: &[Include],
    ) -> Result<usize> {
        if self.modules.len() >= MODULES {
            return Err(Error::TooLarge { what: "modules in one program", limit: MODULES });
        }
        let shown = file.strip_prefix(self.active.root()).unwrap_or(&file).to_path_buf();
        let project = self.active.root();
        let mut environment = if package.is_none() { self.environment } else { &self.others };
        let mut head = head;
        let own;
        if let Some((name, script)) = self.scripts.iter().find(|(name, _)| Some(name) == package.as_ref()) {
            own = Environment { definitions: script.definitions.clone(), ..self.others.clone() };
            environment = &own;
            // What imports say by the package's name alone.
            if path == name.as_str().replace('-', "_") {
                head = &script.includes;
            }
        }
        let folder = package.as_ref().map_or(project.to_path_buf(), |name| self.active.folder(name));
        let expanded = expand(&file, Scope { package: &folder, project }, environment, head)?;
        let (text, origin) = (expanded.text, expanded.origin);
        let source = Source::read(&shown, text.clone()).map_err(|e| origin.relocate(&text, e))?;
        let imports = source
            .items
            .iter()
            .enumerate()
            .filter_map(|(item, i)| match &i.kind {
                ItemKind::Import(import) => {
                    // Filled in when it is followed.
                    let target = Target::Builtin(String::new());
                    Some(Resolved { item, import: import.clone(), target })
                }
                _ => None,
            })
            .collect();
        let index = self.modules.len();
        self.by_file.insert(file, index);
        self.modules.push(Module { path, package, file: shown, source, origin, imports });
        Ok(index)
    }

    fn follow(&mut self, module: usize, import: usize) -> Result<Target> {
        let m = &self.modules[module];
        let target = match imports::resolve(self.active, m, &m.imports[import])? {
            Found::Builtin(name) => Target::Builtin(name),
            Found::File { file, path, package } => Target::Module(match self.by_file.get(&file) {
                Some(&i) => i,
                None => self.open(file, path, package, &[])?,
            }),
        };
        self.modules[module].imports[import].target = target.clone();
        Ok(target)
    }
}
