//! From a graph to npm's tree of `node_modules` folders, with nothing but the
//! graph to go by: every package lies as high as it can without standing
//! between another one and what that one needs.
//!
//! What always holds of the result: for every package in it, each dependency
//! that the graph gives a target is found by Node's rule (look into
//! `node_modules` here, then in the folder above, …) and is that target.
//!
//! The order is npm's: importers first, then folder by folder, shallow ones
//! first and by path; a folder's dependencies by name, each with its peers
//! beside it. The whole graph is placed and what is not wanted here is left
//! out afterwards, as npm does it: another platform's packages take the same
//! places everywhere.

use crate::resolve::Failure;
use crate::resolve::collate;
use crate::resolve::graph::{EdgeKind, Graph, PackageId};
use crate::resolve::spec::Spec;
use mirror::name::PackageName;
use std::cell::Cell;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::ops::Range;

/// A folder of `node_modules`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// From the project: `node_modules/a/node_modules/@s/b`, `packages/x/node_modules/c`.
    pub path: String,
    pub package: PackageId,
    /// The folder's name.
    pub alias: PackageName,
    /// The folder it is nested in, by its place in the list; `None`: directly in an importer.
    pub parent: Option<u32>,
    /// That importer, or the one around `parent`; its place in the graph.
    pub importer: u32,
    /// It is not a copy but a symbolic link to that folder, one of those it is
    /// nested in. Ends the rare loop in which two versions of two packages need each other.
    pub link: Option<u32>,
}

/// A hostile graph can make a tree that is exponential in its size,
pub const MOST_PLACES: usize = 20_000;
/// or one that takes cubic time: so many folders are looked at on the ways up
/// (a workspace of 920 packages: 22,000).
const MOST_LOOKS: u64 = 100_000_000;
/// No system opens a longer path; a hostile graph nests without end.
pub const LONGEST_PATH: usize = 4096;
/// Peers whose peers are looked at in turn before something is placed.
const DEEPEST_PEERS: usize = 500;
const NONE: u32 = u32::MAX;

/// The tree of `graph`, parents before what is nested in them, in the order in
/// which they were placed; without packages that are not `included` (one flag
/// per package) and what is nested in those.
pub fn place(graph: &Graph, included: &[bool]) -> Result<Vec<Placement>, Failure> {
    let mut hoister = Hoister::new(graph);
    hoister.run()?;
    Ok(hoister.placements(included))
}

struct Folder {
    package: u32,
    alias: u32,
    parent: u32,
    importer: u32,
    depth: u32,
    /// Of its path, in bytes.
    length: u32,
    link: u32,
    /// (alias, folder), sorted.
    children: Vec<(u32, u32)>,
}

#[derive(Clone, Copy)]
struct Need {
    alias: u32,
    target: u32,
    kind: EdgeKind,
}

/// Depth, a key that sorts as the path does, folder.
type Turn = (u32, Box<[u8]>, u32);

struct Hoister<'g> {
    graph: &'g Graph,
    /// Aliases in npm's order; a folder's alias is its place in here. Names
    /// that differ in case only are one folder on many disks: `fold` is the
    /// first of them.
    aliases: Vec<&'g PackageName>,
    fold: Vec<u32>,
    /// Needs of packages, then of importers, one slice each.
    needs: Vec<Need>,
    spans: Vec<(u32, u32)>,
    folders: Vec<Folder>,
    /// Folders whose package needs that name, by `fold`.
    needers: Vec<Vec<u32>>,
    queue: BinaryHeap<Reverse<Turn>>,
    /// Needs of optional peers, looked at when all else stands.
    later: Vec<(u32, Need)>,
    /// Per package: optional peers that are not there (`fold` and range). A
    /// version that would not do must not come into sight.
    absent: Vec<Vec<(u32, Spec)>>,
    /// Folders whose package has such an optional peer, by `fold`.
    averse: Vec<Vec<u32>>,
    looks: Cell<u64>,
}

impl<'g> Hoister<'g> {
    fn new(graph: &'g Graph) -> Self {
        let packages = graph.packages.iter().map(|p| p.dependencies.len()).sum::<usize>();
        let mut ids: HashMap<&PackageName, u32> = HashMap::with_capacity(graph.packages.len());
        let mut aliases: Vec<&PackageName> = Vec::with_capacity(graph.packages.len());
        let names = graph.packages.iter().flat_map(|p| &p.dependencies);
        let names = names.filter(|e| e.target.is_some()).map(|e| &e.alias);
        let members = graph.members().map(|(id, _)| &graph.package(id).name);
        let direct = graph.importers.iter().flat_map(|i| &i.dependencies).map(|w| &w.alias);
        for name in names.chain(direct).chain(members) {
            ids.entry(name).or_insert_with(|| {
                aliases.push(name);
                0
            });
        }
        mirror::order::sort_by(&mut aliases, |a, b| collate::compare(a.as_str(), b.as_str()));
        for (i, &name) in aliases.iter().enumerate() {
            ids.insert(name, i as u32);
        }
        // Names that are equal but for case stand side by side.
        let mut fold: Vec<u32> = (0..aliases.len() as u32).collect();
        for i in 1..aliases.len() {
            if aliases[i].as_str().eq_ignore_ascii_case(aliases[i - 1].as_str()) {
                fold[i] = fold[i - 1];
            }
        }
        let mut absent = vec![Vec::new(); graph.packages.len() + graph.importers.len()];
        for (package, absent) in graph.packages.iter().zip(&mut absent) {
            for edge in &package.dependencies {
                // Where nothing in the graph has that name, nothing can come into sight.
                if let (EdgeKind::PeerOptional, None, Some(&id)) =
                    (edge.kind, edge.target, ids.get(&edge.alias))
                {
                    absent.push((fold[id as usize], Spec::parse(&edge.range)));
                }
            }
        }
        let mut needs = Vec::with_capacity(packages);
        let mut spans = Vec::with_capacity(graph.packages.len() + graph.importers.len());
        for package in &graph.packages {
            let start = needs.len();
            for edge in &package.dependencies {
                if let Some(target) = edge.target {
                    needs.push(Need { alias: ids[&edge.alias], target: target.0, kind: edge.kind });
                }
            }
            mirror::order::sort_by_key(&mut needs[start..], |n| n.alias);
            spans.push((start as u32, needs.len() as u32));
        }
        for importer in &graph.importers {
            let start = needs.len();
            for wanted in &importer.dependencies {
                if let Some(target) = wanted.target {
                    let need = Need { alias: ids[&wanted.alias], target: target.0, kind: EdgeKind::Normal };
                    needs.push(need);
                }
            }
            // The project has a link to every member, whoever needs it.
            for (id, _) in graph.members().filter(|_| importer.path.is_empty()) {
                let need = Need { alias: ids[&graph.package(id).name], target: id.0, kind: EdgeKind::Normal };
                match needs[start..].iter_mut().find(|n| n.alias == need.alias) {
                    Some(own) => *own = need,
                    None => needs.push(need),
                }
            }
            mirror::order::sort_by_key(&mut needs[start..], |n| n.alias);
            spans.push((start as u32, needs.len() as u32));
        }
        let needers = vec![Vec::new(); aliases.len()];
        let averse = vec![Vec::new(); aliases.len()];
        Self {
            graph,
            aliases,
            fold,
            needs,
            spans,
            folders: Vec::with_capacity(graph.packages.len() + 16),
            needers,
            queue: BinaryHeap::new(),
            later: Vec::new(),
            absent,
            averse,
            looks: Cell::new(0),
        }
    }

    fn run(&mut self) -> Result<(), Failure> {
        let count = self.graph.packages.len() as u32;
        let root = self.graph.importers.iter().position(|i| i.path.is_empty());
        for i in 0..self.graph.importers.len() as u32 {
            let outer = root.filter(|&r| r != i as usize).map_or(NONE, |r| r as u32);
            self.folders.push(Folder {
                package: count + i,
                alias: NONE,
                parent: outer,
                importer: i,
                depth: 0,
                length: self.graph.importers[i as usize].path.len() as u32,
                link: NONE,
                children: Vec::new(),
            });
        }
        for i in 0..self.graph.importers.len() as u32 {
            self.register(i);
        }
        // npm comes to the members when the project's own tree stands.
        let members = (0..self.graph.importers.len() as u32).filter(|&i| Some(i as usize) != root);
        for first in root.map(|r| r as u32).into_iter().chain(members) {
            self.enqueue(first);
            while let Some(Reverse((_, _, folder))) = self.queue.pop() {
                self.settle(folder)?;
            }
        }
        while let Some((folder, need)) = self.later.pop() {
            if self.target_seen(folder, need.alias) != Some(need.target) {
                self.put(folder, need)?;
                while let Some(Reverse((_, _, folder))) = self.queue.pop() {
                    self.settle(folder)?;
                }
            }
        }
        Ok(())
    }

    /// Places what a folder's package needs and does not find.
    fn settle(&mut self, folder: u32) -> Result<(), Failure> {
        let (start, end) = self.spans[self.folders[folder as usize].package as usize];
        for i in start..end {
            let need = self.needs[i as usize];
            if need.kind == EdgeKind::PeerOptional {
                self.later.push((folder, need));
            } else if self.target_seen(folder, need.alias) != Some(need.target) {
                self.put(folder, need)?;
            }
        }
        Ok(())
    }

    /// Finds the place for what `folder` needs, and then for its peers, and theirs.
    fn put(&mut self, folder: u32, need: Need) -> Result<(), Failure> {
        // Folders with what of their package's needs has not been looked at; a stack, since the chain may be long.
        let mut open = Vec::new();
        open.extend(self.put_alone(folder, need)?);
        while let Some((new, rest)) = open.last_mut() {
            let (new, Some(i)) = (*new, rest.next()) else {
                open.pop();
                continue;
            };
            let peer = self.needs[i as usize];
            if peer.kind == EdgeKind::Peer && self.target_seen(new, peer.alias) != Some(peer.target) {
                open.extend(self.put_alone(new, peer)?);
            }
        }
        Ok(())
    }

    /// Places what `folder` needs; the new folder, unless it is a link, and the span of its package's needs.
    fn put_alone(&mut self, folder: u32, need: Need) -> Result<Option<(u32, Range<u32>)>, Failure> {
        let (mut found, mut at) = (None, folder);
        loop {
            // What lies here would hide all that is further up.
            if self.child(at, need.alias).is_some() {
                break;
            }
            if self.is_top(at) || !self.has_peer(at, need.alias) {
                if !self.is_free(at, need.alias, need.target) {
                    break;
                }
                if self.peers_fit(at, need.target, &mut Vec::new()) {
                    found = Some(at);
                } else if found.is_some() {
                    break;
                }
                // Else a peer of its own is another one here, and may be the right one further up.
            }
            at = self.folders[at as usize].parent;
            if at == NONE {
                break;
            }
        }
        // There is always room inside the dependant itself.
        let (at, forced) = found.map_or((folder, true), |at| (at, false));
        let new = self.add(at, need.alias, need.target)?;
        if forced {
            // Folders in there may have looked past it until now.
            let disturbed: Vec<u32> = self.needers[self.fold[need.alias as usize] as usize]
                .iter()
                .copied()
                .filter(|&n| n != folder && self.is_inside(n, at))
                .collect();
            disturbed.into_iter().for_each(|n| self.enqueue(n));
        }
        if self.folders[new as usize].link != NONE {
            return Ok(None);
        }
        let (start, end) = self.spans[need.target as usize];
        Ok(Some((new, start..end)))
    }

    /// Whether `target` may lie in `at` under that name, but for its peers.
    /// Nothing of that name is in there.
    fn is_free(&self, at: u32, alias: u32, target: u32) -> bool {
        if self.looks.get() > MOST_LOOKS || self.need(at, alias).is_some_and(|n| n.target != target) {
            return false;
        }
        let above = self.folders[at as usize].parent;
        let hidden = if above == NONE { None } else { self.find(above, alias) };
        let there = hidden.map(|f| self.folders[f as usize].package);
        // Those below who are content with what they see must not lose sight of
        // it; an optional peer that is to come must not find another one first.
        let objects = |&n: &u32| {
            self.is_inside(n, at)
                && self.need(n, alias).is_some_and(|need| {
                    need.target != target
                        && match there {
                            Some(there) => need.target == there,
                            None => need.kind == EdgeKind::PeerOptional,
                        }
                })
                && self.find(n, alias) == hidden
        };
        if self.needers[self.fold[alias as usize] as usize].iter().any(objects) {
            return false;
        }
        let version = &self.graph.packages[target as usize].version;
        let fold = self.fold[alias as usize];
        let averse = |&n: &u32| {
            let absent = &self.absent[self.folders[n as usize].package as usize];
            self.is_inside(n, at)
                && absent.iter().any(|(f, spec)| *f == fold && !spec.is_satisfied_by(version))
                && self.find(n, alias).is_none()
        };
        !self.averse[fold as usize].iter().any(averse)
    }

    /// Whether the peers of `target`, lying in `at`, are there or above, or may come there.
    /// What was found to fit stays in `path` and is not looked at again.
    fn peers_fit(&self, at: u32, target: u32, path: &mut Vec<u32>) -> bool {
        path.push(target);
        let (start, end) = self.spans[target as usize];
        (start..end).all(|i| {
            let peer = self.needs[i as usize];
            self.look(path.len());
            if !is_peer(peer.kind) || path.contains(&peer.target) || path.len() > DEEPEST_PEERS {
                return true;
            }
            let place = self.deepest(at, peer.alias);
            match self.child(place, peer.alias) {
                Some(there) => self.folders[there as usize].package == peer.target,
                None => {
                    self.find(place, peer.alias)
                        .is_some_and(|f| self.folders[f as usize].package == peer.target)
                        || self.is_free(place, peer.alias, peer.target)
                            && self.peers_fit(place, peer.target, path)
                }
            }
        })
    }

    fn add(&mut self, parent: u32, alias: u32, target: u32) -> Result<u32, Failure> {
        if self.folders.len() >= MOST_PLACES {
            return Err(Failure::TooLarge { places: MOST_PLACES });
        }
        if self.looks.get() > MOST_LOOKS {
            return Err(Failure::TooLarge { places: MOST_LOOKS as usize });
        }
        let length = self.folders[parent as usize].length as usize
            + "/node_modules/".len()
            + self.aliases[alias as usize].as_str().len();
        if length > LONGEST_PATH {
            return Err(Failure::TooDeep);
        }
        let id = self.folders.len() as u32;
        let mut twin = parent;
        while !self.is_top(twin) && self.folders[twin as usize].package != target {
            twin = self.folders[twin as usize].parent;
        }
        let link = if self.is_top(twin) { NONE } else { twin };
        let Folder { importer, depth, .. } = self.folders[parent as usize];
        self.folders.push(Folder {
            package: target,
            alias,
            parent,
            importer,
            depth: depth + 1,
            length: length as u32,
            link,
            children: Vec::new(),
        });
        let fold = self.fold[alias as usize];
        let children = &mut self.folders[parent as usize].children;
        let at = children.partition_point(|c| c.0 < fold);
        children.insert(at, (fold, id));
        if link == NONE {
            self.register(id);
            self.enqueue(id);
        }
        Ok(id)
    }

    fn register(&mut self, folder: u32) {
        let (start, end) = self.spans[self.folders[folder as usize].package as usize];
        for need in &self.needs[start as usize..end as usize] {
            self.needers[self.fold[need.alias as usize] as usize].push(folder);
        }
        for (fold, _) in &self.absent[self.folders[folder as usize].package as usize] {
            self.averse[*fold as usize].push(folder);
        }
    }

    fn enqueue(&mut self, folder: u32) {
        let mut path = String::new();
        self.path(folder, &mut path);
        let mut key = Vec::with_capacity(path.len() * 2 + 1);
        collate::key(&path, &mut key);
        self.queue.push(Reverse((self.folders[folder as usize].depth, key.into(), folder)));
    }

    fn look(&self, folders: usize) {
        self.looks.set(self.looks.get() + folders as u64);
    }

    fn is_top(&self, folder: u32) -> bool {
        self.folders[folder as usize].alias == NONE
    }

    fn child(&self, folder: u32, alias: u32) -> Option<u32> {
        let children = &self.folders[folder as usize].children;
        children.binary_search_by_key(&self.fold[alias as usize], |c| c.0).ok().map(|i| children[i].1)
    }

    /// What Node finds under that name from `folder`.
    fn find(&self, mut folder: u32, alias: u32) -> Option<u32> {
        while folder != NONE {
            self.look(1);
            if let Some(child) = self.child(folder, alias) {
                return Some(child);
            }
            folder = self.folders[folder as usize].parent;
        }
        None
    }

    /// The package that `folder` gets under exactly that name.
    fn target_seen(&self, folder: u32, alias: u32) -> Option<u32> {
        let found = &self.folders[self.find(folder, alias)? as usize];
        (found.alias == alias).then_some(found.package)
    }

    fn need(&self, folder: u32, alias: u32) -> Option<Need> {
        let (start, end) = self.spans[self.folders[folder as usize].package as usize];
        let needs = &self.needs[start as usize..end as usize];
        let fold = self.fold[alias as usize];
        let at = needs.partition_point(|n| n.alias < fold);
        needs[at..].first().filter(|n| self.fold[n.alias as usize] == fold).copied()
    }

    /// Where what `folder` needs may lie at the deepest: peers not inside it.
    fn deepest(&self, folder: u32, alias: u32) -> u32 {
        let mut at = folder;
        while self.folders[at as usize].parent != NONE && self.has_peer(at, alias) {
            at = self.folders[at as usize].parent;
        }
        at
    }

    /// Whether that name is a peer of `folder`'s package, there or not: it must not lie inside.
    fn has_peer(&self, folder: u32, alias: u32) -> bool {
        let fold = self.fold[alias as usize];
        self.need(folder, alias).is_some_and(|n| is_peer(n.kind))
            || self.absent[self.folders[folder as usize].package as usize].iter().any(|(f, _)| *f == fold)
    }

    fn is_inside(&self, mut folder: u32, of: u32) -> bool {
        while folder != NONE {
            self.look(1);
            if folder == of {
                return true;
            }
            folder = self.folders[folder as usize].parent;
        }
        false
    }

    fn path(&self, folder: u32, out: &mut String) {
        let Folder { parent, alias, importer, .. } = self.folders[folder as usize];
        if self.is_top(folder) {
            return out.push_str(&self.graph.importers[importer as usize].path);
        }
        self.path(parent, out);
        if !out.is_empty() {
            out.push('/');
        }
        out.push_str("node_modules/");
        out.push_str(self.aliases[alias as usize].as_str());
    }

    fn placements(&self, included: &[bool]) -> Vec<Placement> {
        let mut places = vec![NONE; self.folders.len()];
        let mut out: Vec<Placement> = Vec::with_capacity(self.folders.len());
        let importers = self.graph.importers.len();
        for (i, folder) in self.folders.iter().enumerate().skip(importers) {
            let top = (folder.parent as usize) < importers;
            let parent = places[folder.parent as usize];
            if !included.get(folder.package as usize).is_some_and(|&w| w) || !top && parent == NONE {
                continue;
            }
            places[i] = out.len() as u32;
            let alias = self.aliases[folder.alias as usize];
            let base = match top {
                true => self.graph.importers[folder.importer as usize].path.as_str(),
                false => out[parent as usize].path.as_str(),
            };
            let mut path = String::with_capacity(base.len() + alias.as_str().len() + 14);
            path.push_str(base);
            if !base.is_empty() {
                path.push('/');
            }
            path.push_str("node_modules/");
            path.push_str(alias.as_str());
            out.push(Placement {
                path,
                package: PackageId(folder.package),
                alias: alias.clone(),
                parent: (!top).then_some(parent),
                importer: folder.importer,
                link: (folder.link != NONE).then(|| places[folder.link as usize]),
            });
        }
        out
    }
}

fn is_peer(kind: EdgeKind) -> bool {
    matches!(kind, EdgeKind::Peer | EdgeKind::PeerOptional)
}

#[cfg(test)]
#[path = "hoist_tests.rs"]
pub mod tests;
