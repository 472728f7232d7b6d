//! From a graph to a finished `node_modules`: plan the units of the chosen
//! linker, compare with what stands, put the difference in place.

use super::apart::Apart;
use super::apply::{self, Changes};
use super::bins::{self, Linked};
use super::build::{Builder, Ladder, has_symlinks};
use super::fill;
use super::hoist;
use super::listing::{BootId, Stored};
use super::scripts::{self, Job};
use super::select::Selection;
use super::state::{Draft, Fingerprint, Input, State};
use super::store::{Key, Store};
use super::unit::{Linker, Unit};
use super::{hoisted, isolated, shared};
use crate::error::{Error, Result};
use crate::resolve::graph::{Graph, Importer, PackageId};
use rustix::fd::AsFd;
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// Everything the tree depends on.
pub struct Wanted<'a> {
    pub project: &'a Path,
    pub graph: &'a Graph,
    pub selection: &'a Selection,
    /// Of the selection ([`super::difference::names`]).
    pub names: &'a str,
    pub linker: Linker,
    pub options: Fingerprint,
    /// Packages whose scripts may run, by package.
    pub own: &'a [bool],
    /// Link everything again, whatever the state says.
    pub force: bool,
    /// What is not ours goes too.
    pub prune: bool,
    /// Folders that lie in the place of packages.
    pub links: &'a [Linked],
    /// The tree that stands is current, but for this.
    pub apart: Option<&'a Apart<'a>>,
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
    pub changes: Changes,
    /// Scripts that are to run now.
    pub jobs: Vec<Job>,
    pub packages: usize,
    pub way: &'static str,
    /// From the store it could not be linked; a symbolic link was not possible.
    pub without_symlinks: bool,
}

/// What the tree is made from, and what must be in the store before [`build`] can run.
pub struct Plan {
    /// Store key per package of the graph; `None` for what is not installed.
    pub keys: Vec<Option<Key>>,
    /// Of the packages that have to be linked or copied from the store.
    pub listings: HashMap<Key, Stored>,
    /// Of these, what the store lacks.
    pub missing: Vec<PackageId>,
    own: Tree,
    /// Beside it, of a workspace's members.
    members: Vec<Tree>,
    shared: Option<Shared>,
    boot: BootId,
    symlinks: bool,
}

/// One `node_modules`.
struct Tree {
    /// Of the importer, relative to the project.
    path: String,
    units: Vec<Unit>,
    /// What the last install made of it; `None`: everything is made anew.
    before: Option<State>,
}

struct Shared {
    folders: shared::Folders,
    trusted: shared::Trusted,
    to_make: Vec<PackageId>,
}

/// Compares what is wanted with what stands, once [`apply::recover`] has run: only packages of units
/// that differ are looked for in the store (for `linker=store`: whose shared folder is wanting). With
/// `force` that is all of them, and every entry is compared with its checksums.
/// `state`: as it was read after that, if it was.
pub fn plan(wanted: &Wanted<'_>, store: &Store, mut state: Option<State>) -> Result<Plan> {
    let Wanted { project, graph, selection, linker, threads, force, .. } = *wanted;
    let volume = apply::open_dir(project)?;
    let symlinks = has_symlinks(volume.as_fd(), apply::OLD).map_err(Error::io("write to", project))?;
    let folders = || graph.ids().any(|id| graph.package(id).is_linked() && selection.included[id.index()]);
    let strict = (linker != Linker::Hoisted).then(|| linker.name());
    if !symlinks && (strict.is_some() || !wanted.links.is_empty() || folders()) {
        return Err(Box::new(Error::NoSymlinks { project: project.to_path_buf(), linker: strict }));
    }
    // Its links are text.
    if linker == Linker::Store && store.dir().to_str().is_none() {
        let source = std::io::Error::other("its path is not valid UTF-8; use --linker hoisted");
        return Err(Box::new(Error::Io { action: "link to", path: store.dir().to_path_buf(), source }));
    }
    if let (Some(apart), Some(standing)) = (wanted.apart, &state)
        && let Some(plan) = beside(wanted, apart, store, standing, symlinks)?
    {
        return Ok(Plan { own: Tree { before: state, ..plan.own }, ..plan });
    }
    let keys = fill::keys(graph, &selection.included)?;
    let shared = (linker == Linker::Store).then(|| Shared::of(graph, &keys, store, force));
    let boot = BootId::of(&[project, store.dir()]);
    let mut trees = trees(wanted, &keys, shared.as_ref(), store, symlinks)?;
    let mut own = trees.remove(0);
    let mut members = trees;
    members.retain(|tree| wanted.is_for(&tree.path));
    for tree in &members {
        apply::recover(&project.join(&tree.path))?;
    }
    for tree in std::iter::once(&mut own).chain(&mut members) {
        let before = state.take().or_else(|| State::read(&project.join(&tree.path)));
        tree.before = before.filter(|state| !force && state.is_trusted(boot));
    }
    if !wanted.is_for("") && linker != Linker::Hoisted {
        // Links for the project's own code, which are not asked for now: those that stand.
        let known = own.before.iter().flat_map(|before| &before.units);
        let standing: HashSet<&str> = known.map(|(path, _)| path.as_str()).collect();
        own.units.retain(|unit| unit.path.starts_with(".pantry/") || standing.contains(unit.path.as_str()));
    }
    wanted.links.iter().for_each(|linked| linked.put(&mut own.units));
    let mut needed: HashSet<Key> = HashSet::new();
    for tree in std::iter::once(&own).chain(&members) {
        match &tree.before {
            Some(before) => {
                let differing = apply::differing(&project.join(&tree.path), &tree.units, before);
                needed.extend(differing.into_iter().flat_map(Unit::packages));
            }
            None => needed.extend(tree.units.iter().flat_map(Unit::packages)),
        }
    }
    if let Some(shared) = &shared {
        needed.extend(shared.to_make.iter().filter_map(|id| keys[id.index()]));
    }
    let needed: Vec<Option<Key>> = keys.iter().map(|key| key.filter(|key| needed.contains(key))).collect();
    let (listings, missing) = fill::present(store, &needed, threads, force)?;
    Ok(Plan { keys, listings, missing, own, members, shared, boot, symlinks })
}

/// The plan for a tree of which all stands but what comes, and nothing goes but what shares no name with the
/// rest; `None` where the store lacks something.
fn beside(
    wanted: &Wanted<'_>,
    apart: &Apart<'_>,
    store: &Store,
    standing: &State,
    symlinks: bool,
) -> Result<Option<Plan>> {
    let included: Vec<bool> = apart.ids.iter().map(|id| wanted.selection.included[id.index()]).collect();
    let own = vec![false; included.len()];
    let keys = fill::keys(&apart.graph, &included)?;
    let shared = (wanted.linker == Linker::Store).then(|| Shared::of(&apart.graph, &keys, store, false));
    let (listings, missing) = fill::present(store, &keys, wanted.threads, false)?;
    if !missing.is_empty() {
        return Ok(None);
    }
    let alone = Wanted {
        graph: &apart.graph,
        selection: &Selection { included, importers: vec![true], unfit: Vec::new(), skipped: Vec::new() },
        own: &own,
        ..*wanted
    };
    let new = trees(&alone, &keys, shared.as_ref(), store, symlinks)?.remove(0).units;
    let is_gone = |path: &str| apart.gone.iter().any(|name| name.as_str() == path);
    let stays = standing.units.iter().filter(|(path, _)| !is_gone(path));
    let mut units: Vec<Unit> =
        stays.map(|(path, digest)| Unit { path: path.clone(), ops: Vec::new(), digest: *digest }).collect();
    for unit in new {
        let at = units.partition_point(|u| u.path < unit.path);
        units.insert(at, unit);
    }
    let own = Tree { path: String::new(), units, before: None };
    let boot = BootId::of(&[wanted.project, store.dir()]);
    Ok(Some(Plan { keys, listings, missing, own, members: Vec::new(), shared, boot, symlinks }))
}

impl Shared {
    fn of(graph: &Graph, keys: &[Option<Key>], store: &Store, force: bool) -> Self {
        let folders = shared::Folders::of(graph, keys);
        let trusted = if force { shared::Trusted::none(store) } else { shared::Trusted::read(store) };
        let to_make = shared::wanting(graph, &folders, &trusted);
        Self { folders, trusted, to_make }
    }
}

/// Puts the tree in place. The project must be locked, the store complete. `save` writes the
/// lockfile, and gives the inputs as they were when they were read; it is called when
/// nothing but renames is left to do.
pub fn build(
    wanted: &Wanted<'_>,
    store: &Store,
    plan: &Plan,
    save: &mut dyn FnMut() -> Result<Vec<Input>>,
) -> Result<Done> {
    let project = wanted.project;
    let Plan { own, members, .. } = plan;
    let ladder = Ladder::for_volume(apply::open_dir(project)?.as_fd());
    let builder = Builder { store, listings: &plan.listings, ladder: &ladder, threads: wanted.threads };
    if let Some(Shared { folders, trusted, to_make }) = &plan.shared {
        // What is planned beside a standing tree is the graph of what comes.
        let whole = plan.keys.len() == wanted.graph.packages.len();
        let graph = wanted.apart.filter(|_| !whole).map_or(wanted.graph, |apart| &apart.graph);
        shared::ensure(graph, &plan.keys, folders, to_make, trusted, &builder)?;
    }
    // Members first: until the project's own state is written, nothing says that all is done.
    let mut changes = Changes::default();
    let (mut beside, mut todo) = (Vec::new(), Vec::new());
    if !members.is_empty() {
        apply::open_members(project)?;
    }
    for tree in members {
        let done = member(&project.join(&tree.path), wanted, &builder, tree, plan.boot)?;
        changes = changes.and(done);
        if !tree.units.is_empty() {
            beside.push(tree.path.clone());
        }
        if tree.units.iter().any(Unit::has_own) {
            let state = State::read(&project.join(&tree.path)).unwrap_or_default();
            todo.extend(state.todo.iter().map(|unit| scripts::of_member(&tree.path) + unit));
        }
    }
    let packages = wanted.selection.included.iter().filter(|i| **i).count();
    let names = wanted.names.to_string();
    let mut draft = Draft::new(plan.boot, wanted.options, packages, &own.units, names);
    (draft.beside, draft.todo, draft.inputs) = (beside, todo, members.len());
    let settle = apply::Settle { save, draft: &draft };
    let strangers = match &own.before {
        Some(before) if wanted.prune => before.strangers(project),
        _ => Vec::new(),
    };
    let done = put(project, &builder, &own.units, own.before.as_ref(), &strangers, settle)?;
    apply::close_members(project)?;
    let changes = changes.and(done);
    // Only a tree with files of its own has to be asked for what waits in it.
    let mut all: Vec<(String, &[Unit])> = vec![(String::new(), &own.units)];
    all.extend(members.iter().map(|tree| (scripts::of_member(&tree.path), tree.units.as_slice())));
    let waits = all.iter().flat_map(|(_, units)| *units).any(Unit::has_own);
    let jobs = match waits.then(|| State::read(project)).flatten() {
        Some(state) => scripts::jobs(wanted.graph, &plan.keys, &all, &state.todo),
        None => Vec::new(),
    };
    let folders = wanted.graph.ids().filter(|id| wanted.selection.included[id.index()]);
    for package in folders.map(|id| wanted.graph.package(id)) {
        let Some(folder) = package.folder() else { continue };
        package
            .bins
            .iter()
            .for_each(|(_, path)| bins::allow_start(&project.join(folder).join(path.as_str())));
    }
    for linked in wanted.links {
        linked.bins.iter().for_each(|(_, path)| bins::allow_start(&linked.folder.join(path.as_str())));
    }
    Ok(Done { changes, jobs, packages, way: ladder.name(), without_symlinks: !plan.symlinks })
}

/// `strangers`: what goes although no install of ours put it there.
fn put(
    folder: &Path,
    builder: &Builder<'_>,
    units: &[Unit],
    before: Option<&State>,
    strangers: &[String],
    settle: apply::Settle<'_>,
) -> Result<Changes> {
    match before {
        Some(before) => apply::by_units(folder, builder, units, before, strangers, settle),
        None if apply::is_pinned(folder) => {
            apply::by_units(folder, builder, units, &State::foreign(folder), &[], settle)
        }
        None => apply::whole(folder, builder, units, settle),
    }
}

/// A member's own `node_modules`: what cannot lie in the project's, with the books of a tree of its own.
fn member(
    folder: &Path,
    wanted: &Wanted<'_>,
    builder: &Builder<'_>,
    tree: &Tree,
    boot: BootId,
) -> Result<Changes> {
    let Tree { units, before, .. } = tree;
    if units.is_empty() && !folder.join("node_modules").exists() {
        return Ok(Changes::default());
    }
    let draft = Draft::new(boot, wanted.options, units.len(), units, String::new());
    let settle = apply::Settle { save: &mut || Ok(Vec::new()), draft: &draft };
    if units.is_empty() {
        return match before {
            Some(before) => apply::empty(folder, builder, before, settle),
            None => apply::empty(folder, builder, &State::foreign(folder), settle),
        };
    }
    put(folder, builder, units, before.as_ref(), &[], settle)
}

/// The units of every importer, the project's own first.
fn trees(
    wanted: &Wanted<'_>,
    keys: &[Option<Key>],
    shared: Option<&Shared>,
    store: &Store,
    symlinks: bool,
) -> Result<Vec<Tree>> {
    let Wanted { graph, own, .. } = *wanted;
    let included = &wanted.selection.included;
    let nothing = Importer::default();
    // The root sorts first.
    let root = graph.importers.first().filter(|i| i.path.is_empty());
    let members = graph.importers.iter().filter(|i| !i.path.is_empty()).map(|i| i.path.clone());
    let paths = std::iter::once(String::new()).chain(members);
    let mut trees: Vec<Tree> = paths.map(|path| Tree { path, units: Vec::new(), before: None }).collect();
    let placements = match wanted.linker {
        // Of the whole graph, also for a few members: a later install of all has nothing to move.
        Linker::Hoisted => hoist::place(graph, included)?,
        Linker::Isolated => {
            trees[0].units = isolated::packages(graph, keys, own);
            trees[0].units.extend(isolated::undeclared(graph, keys));
            Vec::new()
        }
        Linker::Store => Vec::new(),
    };
    let skipped = usize::from(root.is_none());
    for (i, tree) in trees.iter_mut().enumerate() {
        let at = i.checked_sub(skipped);
        let importer = at.and_then(|at| graph.importers.get(at)).unwrap_or(&nothing);
        match (wanted.linker, shared) {
            (Linker::Hoisted, _) => {
                if let Some(at) = at.filter(|at| *at < graph.importers.len()) {
                    tree.units = hoisted::units(graph, at as u32, &placements, keys, own, symlinks);
                }
            }
            (Linker::Isolated, _) => tree.units.extend(isolated::links(graph, importer, keys, included)),
            (Linker::Store, Some(shared)) => {
                tree.units = shared::units(graph, importer, included, &shared.folders, store);
            }
            (Linker::Store, None) => {}
        }
    }
    Ok(trees)
}
