//! From a graph to a finished `node_modules`: plan the units of the chosen
//! linker, compare with what stands, put the difference in place.

use super::apply::{self, Changes};
use super::build::{Builder, Ladder, has_symlinks};
use super::fill;
use super::hoist;
use super::listing::{BootId, Stored};
use super::scripts::{self, Job};
use super::select::Selection;
use super::state::{Draft, Fingerprint, Input, State};
use super::store::{Key, Store};
use super::unit::{Digest, Linker, Op, Unit};
use super::{difference, hoisted, isolated, shared};
use crate::error::{Error, Result};
use crate::resolve::graph::{Graph, Importer, PackageId};
use mirror::name::PackageName;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Everything the tree depends on.
pub struct Wanted<'a> {
    pub project: &'a Path,
    pub graph: &'a Graph,
    pub selection: &'a Selection,
    pub linker: Linker,
    pub options: Fingerprint,
    /// Packages whose scripts may run, by package.
    pub own: &'a [bool],
    /// Link everything again, whatever the state says.
    pub force: bool,
    /// What is not ours goes too.
    pub prune: bool,
    /// Folders that lie in the place of packages.
    pub links: &'a [(PackageName, PathBuf)],
    pub threads: usize,
}

impl Wanted<'_> {
    /// Whether the tree of that folder of the workspace is looked at.
    fn is_for(&self, path: &str) -> bool {
        let importers = self.graph.importers.iter().zip(&self.selection.importers);
        importers.filter(|(i, _)| i.path == path).all(|(_, on)| *on)
    }
}

/// What was done, and how files got into the tree.
pub struct Done {
    /// Folders of members that hold packages whose scripts would have run in the project's own tree.
    pub unrun: Vec<String>,
    pub changes: Changes,
    /// Scripts that are to run now.
    pub jobs: Vec<Job>,
    pub packages: usize,
    pub way: &'static str,
    /// From the store it could not be linked; a symbolic link was not possible.
    pub without_symlinks: bool,
}

/// What the tree is made from, and what must be in the store before [`build`] can run.
pub struct Needs {
    /// Store key per package of the graph; `None` for what is not installed.
    pub keys: Vec<Option<Key>>,
    pub listings: HashMap<Key, Stored>,
    pub missing: Vec<PackageId>,
    shared: Option<Shared>,
}

struct Shared {
    folders: shared::Folders,
    trusted: shared::Trusted,
    to_make: Vec<PackageId>,
}

/// Looks at the store. With `force` every entry is compared with its checksums.
/// For `linker=store` only packages whose shared folder is wanting are looked at.
pub fn needs(wanted: &Wanted<'_>, store: &Store) -> Result<Needs> {
    let Wanted { graph, selection, threads, force, .. } = *wanted;
    let keys = fill::keys(graph, &selection.included)?;
    let shared = (wanted.linker == Linker::Store).then(|| {
        let folders = shared::Folders::of(graph, &keys);
        let trusted = if force { shared::Trusted::none(store) } else { shared::Trusted::read(store) };
        let to_make = shared::wanting(graph, &folders, &trusted);
        Shared { folders, trusted, to_make }
    });
    let (listings, missing) = match &shared {
        None => fill::present(store, &keys, threads, force)?,
        Some(shared) => {
            let mut some = vec![None; keys.len()];
            shared.to_make.iter().for_each(|id| some[id.index()] = keys[id.index()]);
            fill::present(store, &some, threads, force)?
        }
    };
    Ok(Needs { keys, listings, missing, shared })
}

/// Puts the tree in place. The project must be locked, the store complete. `save` writes the
/// lockfile, and gives the inputs as they were when they were read; it is called when
/// nothing but renames is left to do.
pub fn build(
    wanted: &Wanted<'_>,
    store: &Store,
    needs: &Needs,
    save: &mut dyn FnMut() -> Result<Vec<Input>>,
) -> Result<Done> {
    let Wanted { project, linker, .. } = *wanted;
    apply::recover(project)?;
    let before = if wanted.force { None } else { State::read(project) };
    let boot = BootId::of(&[project, store.dir()]);
    let mut before = before.filter(|s| s.is_trusted(boot));
    if let Some(before) = before.as_mut().filter(|_| wanted.prune) {
        let strangers = before.strangers(project);
        before.units.extend(strangers.into_iter().map(|path| (path, Digest([0; 16]))));
    }
    let volume = apply::open_dir(project)?;
    let symlinks = has_symlinks(volume_fd(&volume), apply::OLD).map_err(Error::io("write to", project))?;
    if !symlinks && linker != Linker::Hoisted {
        return Err(Box::new(Error::NoSymlinks { project: project.to_path_buf(), linker: linker.name() }));
    }
    // Its links are text.
    if linker == Linker::Store && store.dir().to_str().is_none() {
        let source = std::io::Error::other("its path is not valid UTF-8; use --linker hoisted");
        return Err(Box::new(Error::Io { action: "link to", path: store.dir().to_path_buf(), source }));
    }
    let ladder = Ladder::for_volume(volume_fd(&volume));
    let builder = Builder { store, listings: &needs.listings, ladder: &ladder, threads: wanted.threads };
    let mut trees = units(wanted, needs, &builder, symlinks)?;
    let mut units = trees.remove(0).1;
    trees.retain(|(path, _)| wanted.is_for(path));
    if !wanted.is_for("") && linker != Linker::Hoisted {
        // Links for the project's own code, which are not asked for now: those that stand.
        let stands = |unit: &Unit| before.iter().flat_map(|b| &b.units).any(|(path, _)| *path == unit.path);
        units.retain(|unit| unit.path.starts_with(".pantry/") || stands(unit));
    }
    for (name, folder) in wanted.links {
        units.retain(|unit| unit.path != name.as_str());
        let target = folder.to_string_lossy().into_owned();
        units.push(Unit::new(name.to_string(), vec![Op::Link { at: String::new(), target }]));
    }
    if !symlinks && !trees.is_empty() {
        return Err(Box::new(Error::NoSymlinks { project: project.to_path_buf(), linker: linker.name() }));
    }
    // Members first: until the project's own state is written, nothing says that all is done.
    let mut changes = Changes::default();
    let (mut beside, mut unrun) = (Vec::new(), Vec::new());
    if !trees.is_empty() {
        apply::open_members(project)?;
    }
    for (path, units) in &trees {
        let done = member(&project.join(path), wanted, &builder, units, boot)?;
        changes = changes.and(done);
        if !units.is_empty() {
            beside.push(path.clone());
        }
        let own = units.iter().filter(|unit| unit.has_own());
        unrun.extend(own.map(|unit| format!("{path}/node_modules/{}", unit.path)));
    }
    let packages = wanted.selection.included.iter().filter(|i| **i).count();
    let names = difference::names(wanted.graph, wanted.selection);
    let mut draft = Draft::new(boot, wanted.options, packages, &units, names);
    (draft.beside, draft.inputs) = (beside, trees.len());
    let settle = apply::Settle { save, draft: &draft };
    let own = match before {
        Some(before) => apply::by_units(project, &builder, &units, &before, settle)?,
        None if apply::is_pinned(project) => {
            apply::by_units(project, &builder, &units, &State::foreign(project), settle)?
        }
        None => apply::whole(project, &builder, &units, settle)?,
    };
    apply::close_members(project)?;
    let changes = changes.and(own);
    // Only a tree with files of its own has to be asked for what waits in it.
    let jobs = match units.iter().any(Unit::has_own).then(|| State::read(project)).flatten() {
        Some(state) => scripts::jobs(wanted.graph, &needs.keys, &units, &state.todo),
        None => Vec::new(),
    };
    Ok(Done { unrun, changes, jobs, packages, way: ladder.name(), without_symlinks: !symlinks })
}

/// A member's own `node_modules`: what cannot lie in the project's, with the books of a tree of its own.
fn member(
    folder: &Path,
    wanted: &Wanted<'_>,
    builder: &Builder<'_>,
    units: &[Unit],
    boot: BootId,
) -> Result<Changes> {
    apply::recover(folder)?;
    let before = State::read(folder).filter(|s| !wanted.force && s.is_trusted(boot));
    if units.is_empty() && !folder.join("node_modules").exists() {
        return Ok(Changes::default());
    }
    let draft = Draft::new(boot, wanted.options, units.len(), units, String::new());
    let settle = apply::Settle { save: &mut || Ok(Vec::new()), draft: &draft };
    if units.is_empty() {
        return apply::empty(folder, builder, before.unwrap_or_else(|| State::foreign(folder)), settle);
    }
    match before {
        Some(before) => apply::by_units(folder, builder, units, &before, settle),
        None if apply::is_pinned(folder) => {
            apply::by_units(folder, builder, units, &State::foreign(folder), settle)
        }
        None => apply::whole(folder, builder, units, settle),
    }
}

/// The units of every importer, the project's own first.
fn units(
    wanted: &Wanted<'_>,
    needs: &Needs,
    builder: &Builder<'_>,
    symlinks: bool,
) -> Result<Vec<(String, Vec<Unit>)>> {
    let (graph, included, keys) = (wanted.graph, &wanted.selection.included, &needs.keys);
    let nothing = Importer::default();
    // The root sorts first.
    let root = graph.importers.first().filter(|i| i.path.is_empty());
    let mut trees = vec![(String::new(), Vec::new())];
    trees.extend(graph.importers.iter().filter(|i| !i.path.is_empty()).map(|i| (i.path.clone(), Vec::new())));
    let placements = match wanted.linker {
        // Of the whole graph, also for a few members: a later install of all has nothing to move.
        Linker::Hoisted => hoist::place(graph, included)?,
        Linker::Isolated => {
            trees[0].1 = isolated::packages(graph, keys, wanted.own);
            trees[0].1.extend(isolated::undeclared(graph, keys));
            Vec::new()
        }
        Linker::Store => {
            if let Some(Shared { folders, trusted, to_make }) = &needs.shared {
                shared::ensure(graph, keys, folders, to_make, trusted, builder)?;
            }
            Vec::new()
        }
    };
    let skipped = usize::from(root.is_none());
    for (i, (_, units)) in trees.iter_mut().enumerate() {
        let at = i.checked_sub(skipped);
        let importer = at.and_then(|at| graph.importers.get(at)).unwrap_or(&nothing);
        match (wanted.linker, &needs.shared) {
            (Linker::Hoisted, _) => {
                if let Some(at) = at.filter(|at| *at < graph.importers.len()) {
                    *units = hoisted::units(graph, at as u32, &placements, keys, wanted.own, symlinks);
                }
            }
            (Linker::Isolated, _) => units.extend(isolated::links(graph, importer, keys, included)),
            (Linker::Store, Some(shared)) => {
                *units = shared::units(graph, importer, included, &shared.folders, builder.store);
            }
            (Linker::Store, None) => {}
        }
    }
    Ok(trees)
}

fn volume_fd(fd: &rustix::fd::OwnedFd) -> rustix::fd::BorrowedFd<'_> {
    rustix::fd::AsFd::as_fd(fd)
}
