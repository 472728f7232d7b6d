//! The `store` linker: trees that all projects of a user share.
//!
//! ```text
//! $PANTRY_HOME/store/links/
//!   react-dom@19.2.0-<16 base32>/node_modules/
//!     react-dom/                     its files
//!     react                          → ../../react@19.2.0-<…>/node_modules/react
//! node_modules/react-dom             → $PANTRY_HOME/store/links/react-dom@19.2.0-<…>/node_modules/react-dom
//! node_modules/.bin/react            a script that starts it, with the project's packages in NODE_PATH
//! ```
//!
//! The 16 characters are a hash over the package and everything it can reach,
//! so equal folders have equal trees whatever project made them, and a project
//! costs one link per direct dependency. Packages that depend on each other in
//! a circle share one hash over the circle.

use super::bins::with_the_projects_packages;
use super::build::Builder;
use super::isolated::{bin_unit, direct, scope_directory, up};
use super::store::{Key, Store};
use super::unit::{Op, Unit};
use crate::error::{Error, Result};
use crate::resolve::graph::{Graph, Importer, PackageId};
use mirror::digest::{Hash, base32};
use rustix::fs::{Access, AtFlags};
use std::collections::{HashMap, HashSet};
use std::io;
use std::path::PathBuf;

/// Folder names of the included packages, by package.
pub struct Folders(Vec<Option<String>>);

impl Folders {
    pub fn of(graph: &Graph, keys: &[Option<Key>]) -> Self {
        let hashes = closure_hashes(graph, keys);
        let name = |id: PackageId| {
            let package = graph.package(id);
            let hash = hashes[id.index()].as_ref()?;
            let name = package.name.as_str().replace('/', "+");
            Some(format!("{name}@{}-{}", package.version, &base32(&hash.0[..10])))
        };
        Self(graph.ids().map(name).collect())
    }

    pub fn get(&self, id: PackageId) -> Option<&str> {
        self.0[id.index()].as_deref()
    }
}

/// The shared folders that this run may use as they are: made or checked since
/// the system started.
///
/// `links/trusted`: the boot id (16 bytes), then 8 bytes of hash per folder,
/// appended. A file of another start is worth nothing: what it names is checked
/// again. Losing lines in a race only means checking twice.
pub struct Trusted {
    path: PathBuf,
    hashes: HashSet<[u8; 8]>,
}

fn short(folder: &str) -> [u8; 8] {
    let mut out = [0; 8];
    out.copy_from_slice(&Hash::of(folder.as_bytes()).0[..8]);
    out
}

impl Trusted {
    pub fn read(store: &Store) -> Self {
        let path = store.dir().join("links").join("trusted");
        let bytes = std::fs::read(&path).unwrap_or_default();
        let hashes = match bytes.split_at_checked(16) {
            Some((boot, rest)) if boot == store.boot().0 => rest.as_chunks::<8>().0.iter().copied().collect(),
            _ => HashSet::new(),
        };
        Self { path, hashes }
    }

    /// Nothing is trusted: every folder is checked.
    pub fn none(store: &Store) -> Self {
        Self { path: store.dir().join("links").join("trusted"), hashes: HashSet::new() }
    }

    pub fn has(&self, folder: &str) -> bool {
        self.hashes.contains(&short(folder))
    }

    fn add(&self, store: &Store, folders: &[&str]) -> Result<()> {
        let io = |source| Box::new(Error::Io { action: "write", path: self.path.clone(), source });
        let mut bytes = Vec::with_capacity(16 + folders.len() * 8);
        if self.hashes.is_empty() {
            bytes.extend_from_slice(&store.boot().0);
        }
        folders.iter().for_each(|f| bytes.extend_from_slice(&short(f)));
        if self.hashes.is_empty() {
            let private = store.private_path()?;
            mirror::file::write_scratch(&private, &bytes)?;
            return std::fs::rename(&private, &self.path).map_err(io);
        }
        match std::fs::OpenOptions::new().append(true).open(&self.path) {
            Ok(mut file) => io::Write::write_all(&mut file, &bytes).map_err(io),
            // Another process has just found something damaged: all are looked at again.
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(e) => Err(io(e)),
        }
    }
}

/// The packages whose shared folder must be made or checked before use.
pub fn wanting(graph: &Graph, folders: &Folders, trusted: &Trusted) -> Vec<PackageId> {
    graph.ids().filter(|id| folders.get(*id).is_some_and(|f| !trusted.has(f))).collect()
}

/// Makes the shared folders of `ids` that are missing or not as they should be.
/// Each appears by one rename.
pub fn ensure(
    graph: &Graph,
    keys: &[Option<Key>],
    folders: &Folders,
    ids: &[PackageId],
    trusted: &Trusted,
    builder: &Builder<'_>,
) -> Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    let store = builder.store;
    let links = store.dir().join("links");
    let io = |source| Box::new(Error::Io { action: "create", path: links.clone(), source });
    mirror::file::make_dirs(&links)?;
    let fd = super::apply::open_dir(&links)?;
    let all: Vec<(PackageId, &str, Key)> =
        ids.iter().filter_map(|id| Some((*id, folders.get(*id)?, keys[id.index()]?))).collect();
    let mut missing = Vec::new();
    for (id, name, key) in &all {
        let unit = unit(graph, *id, name, *key, folders);
        if rustix::fs::accessat(&fd, *name, Access::EXISTS, AtFlags::empty()).is_err() {
            missing.push(unit);
        } else if !builder.matches(&fd, &unit) {
            let aside = store.private_path()?;
            std::fs::rename(links.join(name), &aside).map_err(io)?;
            let _ = std::fs::remove_dir_all(&aside);
            missing.push(unit);
        }
    }
    if !missing.is_empty() {
        let private = store.private_path()?;
        std::fs::create_dir(&private).map_err(io)?;
        let made = (|| {
            let base = super::apply::open_dir(&private)?;
            builder.build(&base, &private, &missing.iter().collect::<Vec<_>>(), &|_, u| u.path.clone())?;
            for unit in &missing {
                match rustix::fs::renameat(&base, unit.path.as_str(), &fd, unit.path.as_str()) {
                    Ok(()) => {}
                    // Another process was faster; the name says that the content is the same.
                    Err(rustix::io::Errno::NOTEMPTY | rustix::io::Errno::EXIST) => {}
                    Err(e) => return Err(io(e.into())),
                }
            }
            Ok(())
        })();
        let _ = std::fs::remove_dir_all(&private);
        made?;
    }
    trusted.add(store, &all.iter().map(|(_, name, _)| *name).collect::<Vec<_>>())
}

fn unit(graph: &Graph, id: PackageId, name: &str, key: Key, folders: &Folders) -> Unit {
    let package = graph.package(id);
    let own = package.name.as_str();
    let mut ops = vec![Op::Directory { at: "node_modules".into() }];
    scope_directory(&mut ops, "node_modules", own);
    // No script runs in what all projects share.
    ops.push(Op::Package { at: format!("node_modules/{own}"), key, own: false });
    for edge in &package.dependencies {
        let alias = edge.alias.as_str();
        let Some((target, folder)) = edge.target.and_then(|t| Some((t, folders.get(t)?))) else { continue };
        if alias == own {
            continue;
        }
        scope_directory(&mut ops, "node_modules", alias);
        let up = if alias.contains('/') { "../../.." } else { "../.." };
        let target = format!("{up}/{folder}/node_modules/{}", graph.package(target).name);
        ops.push(Op::Link { at: format!("node_modules/{alias}"), target });
    }
    Unit::new(name.to_string(), ops)
}

/// An importer's own units: a link per direct dependency, and `.bin`.
pub fn units(
    graph: &Graph,
    importer: &Importer,
    included: &[bool],
    folders: &Folders,
    store: &Store,
) -> Vec<Unit> {
    let links = store.dir().join("links");
    let mut units: Vec<Unit> = direct(importer)
        .filter_map(|(alias, id)| {
            let target = match graph.package(id).folder() {
                Some(_) if !included[id.index()] => return None,
                Some(path) => format!("{}{path}", up(importer, alias)),
                None => {
                    let inside = links.join(folders.get(id)?).join("node_modules");
                    inside.join(graph.package(id).name.as_str()).to_string_lossy().into_owned()
                }
            };
            Some(Unit::new(alias.to_string(), vec![Op::Link { at: String::new(), target }]))
        })
        .collect();
    let commands = bin_unit(graph, importer, included).into_iter().flat_map(|unit| unit.ops);
    let ops: Vec<Op> = commands
        .map(|op| match op {
            Op::Link { at, target } => Op::Script { at, text: with_the_projects_packages(&target) },
            other => other,
        })
        .collect();
    if !ops.is_empty() {
        units.push(Unit::new(".bin".into(), ops));
    }
    units
}

/// A hash per included package over all that it can reach, by Tarjan's strongly
/// connected components (iterative: graphs may be deep).
fn closure_hashes(graph: &Graph, keys: &[Option<Key>]) -> Vec<Option<Hash>> {
    let n = graph.packages.len();
    let targets = |i: usize| {
        graph.packages[i].dependencies.iter().filter_map(|e| {
            e.target.filter(|t| keys[t.index()].is_some()).map(|t| (e.alias.as_str(), t.index()))
        })
    };
    let mut hashes: Vec<Option<Hash>> = vec![None; n];
    let (mut index, mut low, mut on_stack) = (vec![usize::MAX; n], vec![0; n], vec![false; n]);
    let (mut next, mut stack) = (0, Vec::new());
    for root in 0..n {
        if keys[root].is_none() || index[root] != usize::MAX {
            continue;
        }
        let mut work: Vec<(usize, Vec<usize>)> = Vec::new();
        let enter = |v: usize, index: &mut Vec<usize>, low: &mut Vec<usize>, next: &mut usize| {
            index[v] = *next;
            low[v] = *next;
            *next += 1;
            (v, targets(v).map(|(_, t)| t).collect::<Vec<_>>())
        };
        stack.push(root);
        on_stack[root] = true;
        work.push(enter(root, &mut index, &mut low, &mut next));
        while let Some((v, rest)) = work.last_mut() {
            let v = *v;
            if let Some(w) = rest.pop() {
                if index[w] == usize::MAX {
                    stack.push(w);
                    on_stack[w] = true;
                    let frame = enter(w, &mut index, &mut low, &mut next);
                    work.push(frame);
                } else if on_stack[w] {
                    low[v] = low[v].min(index[w]);
                }
                continue;
            }
            work.pop();
            if let Some((parent, _)) = work.last() {
                low[*parent] = low[*parent].min(low[v]);
            }
            if low[v] == index[v] {
                let mut circle = Vec::new();
                while let Some(w) = stack.pop() {
                    on_stack[w] = false;
                    circle.push(w);
                    if w == v {
                        break;
                    }
                }
                hash_circle(graph, keys, &mut circle, &mut hashes);
            }
        }
    }
    hashes
}

fn hash_circle(graph: &Graph, keys: &[Option<Key>], circle: &mut [usize], hashes: &mut [Option<Hash>]) {
    mirror::order::sort_by(circle, |a, b| {
        let (a, b) = (&graph.packages[*a], &graph.packages[*b]);
        (a.name.as_str(), &a.version, a.variant).cmp(&(b.name.as_str(), &b.version, b.variant))
    });
    let place: HashMap<usize, usize> = circle.iter().enumerate().map(|(i, p)| (*p, i)).collect();
    let mut text = Vec::new();
    for &p in circle.iter() {
        let package = &graph.packages[p];
        text.extend_from_slice(package.name.as_str().as_bytes());
        text.push(b'@');
        text.extend_from_slice(package.version.to_string().as_bytes());
        text.push(0);
        text.extend_from_slice(keys[p].map(|k| k.as_str().to_string()).unwrap_or_default().as_bytes());
        for edge in &package.dependencies {
            let Some(target) = edge.target.filter(|t| keys[t.index()].is_some()) else { continue };
            text.push(0);
            text.extend_from_slice(edge.alias.as_str().as_bytes());
            match (place.get(&target.index()), hashes[target.index()]) {
                (Some(i), _) => text.extend_from_slice(&(*i as u32).to_le_bytes()),
                (None, Some(hash)) => text.extend_from_slice(&hash.0),
                (None, None) => {}
            }
        }
        text.push(b'\n');
    }
    let whole = Hash::of(&text);
    for (i, &p) in circle.iter().enumerate() {
        let mut own = whole.0.to_vec();
        own.extend_from_slice(&(i as u32).to_le_bytes());
        hashes[p] = Some(Hash::of(&own));
    }
}
