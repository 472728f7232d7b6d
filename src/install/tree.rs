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
        return Err(Error::NoSymlinks { project: project.to_path_buf(), linker: linker.name() });
    }
    // Its links are text.
    if linker == Linker::Store && store.dir().to_str().is_none() {
        let source = std::io::Error::other("its path is not valid UTF-8; use --linker hoisted");
        return Err(Error::Io { action: "link to", path: store.dir().to_path_buf(), source });
    }
    let ladder = Ladder::for_volume(volume_fd(&volume));
    let builder = Builder { store, listings: &needs.listings, ladder: &ladder, threads: wanted.threads };
    let mut units = units(wanted, needs, &builder, symlinks)?;
    for (name, folder) in wanted.links {
        units.retain(|unit| unit.path != name.as_str());
        let target = folder.to_string_lossy().into_owned();
        units.push(Unit::new(name.to_string(), vec![Op::Link { at: String::new(), target }]));
    }
    let packages = wanted.selection.included.iter().filter(|i| **i).count();
    let names = difference::names(wanted.graph, wanted.selection);
    let draft = Draft::new(boot, wanted.options, packages, &units, names);
    let settle = apply::Settle { save, draft: &draft };
    let changes = match before {
        Some(before) => apply::by_units(project, &builder, &units, &before, settle)?,
        None if apply::is_pinned(project) => {
            apply::by_units(project, &builder, &units, &State::foreign(project), settle)?
        }
        None => apply::whole(project, &builder, &units, settle)?,
    };
    // Only a tree with files of its own has to be asked for what waits in it.
    let jobs = match units.iter().any(Unit::has_own).then(|| State::read(project)).flatten() {
        Some(state) => scripts::jobs(wanted.graph, &needs.keys, &units, &state.todo),
        None => Vec::new(),
    };
    Ok(Done { changes, jobs, packages, way: ladder.name(), without_symlinks: !symlinks })
}

fn units(wanted: &Wanted<'_>, needs: &Needs, builder: &Builder<'_>, symlinks: bool) -> Result<Vec<Unit>> {
    let graph = wanted.graph;
    let nothing = Importer::default();
    let importer = graph.importers.iter().find(|i| i.path.is_empty()).unwrap_or(&nothing);
    Ok(match wanted.linker {
        Linker::Hoisted => {
            let placements = hoist::place(graph, &wanted.selection.included)?;
            hoisted::units(graph, importer, &placements, &needs.keys, wanted.own, symlinks)
        }
        Linker::Isolated => isolated::units(graph, importer, &needs.keys, wanted.own),
        Linker::Store => match &needs.shared {
            Some(Shared { folders, trusted, to_make }) => {
                shared::ensure(graph, &needs.keys, folders, to_make, trusted, builder)?;
                shared::units(graph, importer, &needs.keys, folders, builder.store)
            }
            None => Vec::new(),
        },
    })
}

fn volume_fd(fd: &rustix::fd::OwnedFd) -> rustix::fd::BorrowedFd<'_> {
    rustix::fd::AsFd::as_fd(fd)
}
