//! From a graph to npm's tree of `node_modules` folders, with nothing but the
//! graph to go by: every package lies as high as it can without standing
//! between another one and what that one needs, but for folders of which it is
//! recorded that they lie elsewhere (`places`).
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

mod folders;
mod places;

pub use places::{Model, places};

use crate::resolve::Failure;
use crate::resolve::graph::{EdgeKind, Graph, PackageId};
use crate::resolve::spec::Spec;
use mirror::name::PackageName;
use std::cell::Cell;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
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
    let mut hoister = Hoister::new(graph, &graph.places, None);
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
    /// Its number in the model, where it stands as there.
    model: Option<u32>,
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
    /// Folders that lie elsewhere than they would, sorted, and which aliases are among them.
    places: &'g [String],
    is_recorded: Vec<bool>,
    model: Option<&'g dyn Model>,
    /// Where the model has folders that would have come elsewhere.
    deviations: Vec<String>,
}

impl Hoister<'_> {
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
                model: self.model.and_then(|m| m.importer(&self.graph.importers[i as usize].path)),
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
        let (mut at, mut forced) = match self.recorded(folder, need) {
            Some(at) => (at, true),
            // There is always room inside the dependant itself.
            None => self.highest(folder, need).map_or((folder, true), |at| (at, false)),
        };
        if let Some(model) = self.model
            && let Some(other) = self.modelled(model, folder, need, at)
        {
            (at, forced) = (other, true);
            self.deviations.push(self.path_in(at, need.alias));
        }
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

    /// The highest place where what `folder` needs is in nobody's way.
    fn highest(&self, folder: u32, need: Need) -> Option<u32> {
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
        found
    }

    /// Whether `target` may lie in `at` under that name, but for its peers.
    /// Nothing of that name is in there.
    fn is_free(&self, at: u32, alias: u32, target: u32) -> bool {
        if self.need(at, alias).is_some_and(|n| n.target != target) {
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
        self.looks.get() <= MOST_LOOKS
            && !self.needers[self.fold[alias as usize] as usize].iter().any(objects)
            && self.is_unseen(at, alias, target)
    }

    /// Whether `target` may lie in `at` when those who lose sight of what they need get their own.
    fn is_open(&self, at: u32, alias: u32, target: u32) -> bool {
        self.need(at, alias).is_none_or(|n| n.target == target) && self.is_unseen(at, alias, target)
    }

    /// Whether nobody in `at` gets to see a version that would not do.
    fn is_unseen(&self, at: u32, alias: u32, target: u32) -> bool {
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
}

fn is_peer(kind: EdgeKind) -> bool {
    matches!(kind, EdgeKind::Peer | EdgeKind::PeerOptional)
}

#[cfg(test)]
pub mod tests;
