//! An edit of the manifests that leaves alone what the lock holds: dependencies
//! that go, and dependencies that nothing there has to do with.
//!
//! What the resolver does with a lock is to make the tree again that it was
//! made from, to look at every edge, and to load what is missing. Where every
//! edge is content, what goes takes along what nobody else leads to, and what
//! comes shares no name with what is there, the answer can be told without the
//! tree:
//!
//! ```text
//! kept      what importers still lead to, not counting optional peers (npm's rule for a tree that changes)
//! new       the new dependencies, resolved by themselves
//! answer    kept ∪ new; folders lie where they lay
//! ```
//!
//! Everything else (overrides, folders, archives of this machine, variants,
//! peers that were let pass, optional dependencies that could not be had, names
//! that both sides use) is the resolver's. That both say the same is tested
//! over random registries (`tests`).

use super::build::Builder;
use super::finish;
use super::graph::{Edge, EdgeKind, Graph, Group, Importer, PackageId, Wanted};
use super::index::{Candidates, Index};
use super::names::Names;
use super::{ImporterRequest, Request, Requested, Resolution};
use crate::error::Error;
use mirror::name::PackageName;
use mirror::version::Version;
use std::rc::Rc;

/// The answer to a request that asks for less than the lock was made for, or for more that has nothing to do
/// with the rest; without an index only for less.
pub fn answer(request: &Request<'_>, index: Option<&dyn Index>) -> Option<Resolution> {
    let (locked, asked) = simple(request)?;
    let before = &locked.importers.first()?.dependencies;
    let added = difference(before, &asked.dependencies)?;
    if added.is_empty() && asked.dependencies.len() == before.len() || index.is_none() && !added.is_empty() {
        return None;
    }
    let edit = Edit::of(locked, asked, &added)?;
    let mut new = Resolution { graph: Graph::default(), warnings: Vec::new() };
    if let Some(index) = index.filter(|_| !added.is_empty()) {
        let own = added.into_iter().cloned().collect();
        let importers = vec![ImporterRequest { dependencies: own, ..ImporterRequest::default() }];
        let request = Request { importers, locked: None, ..request.clone() };
        let fence = Fence { index, edit: &edit };
        let mut builder = Builder::new(&request, &fence).ok()?;
        builder.run().ok()?;
        (builder.from_lock, builder.changed) = (true, true);
        finish::prune(&mut builder).ok()?;
        // What was only tried would have met what is there, too.
        let names = &builder.tree.names;
        if edit.knows(|name| names.has(name), |_| true) {
            return None;
        }
        new = finish::resolution(builder, &request);
    }
    Some(Resolution { graph: edit.joined(new.graph)?, warnings: new.warnings })
}

/// The lock and the project's own dependencies, where there is nothing else.
fn simple<'a>(request: &'a Request<'_>) -> Option<(&'a Graph, &'a ImporterRequest)> {
    let (Some(locked), [asked]) = (request.locked, request.importers.as_slice()) else { return None };
    let [importer] = locked.importers.as_slice() else { return None };
    let plain = importer.overrides.is_empty()
        && importer.path.is_empty()
        && asked.path.is_empty()
        && asked.overrides.is_empty()
        && asked.folders.is_empty()
        && asked.packed.is_empty();
    // Whom the user named is chosen anew.
    let named = |w: &Wanted| request.explicit.iter().any(|(_, alias)| *alias == w.alias);
    let chosen_anew = !request.update.is_empty() || importer.dependencies.iter().any(named);
    let otherwise = request.prefer_dedupe || request.legacy_peers;
    // Names are looked for one by one.
    let edges = locked.packages.iter().map(|p| p.dependencies.len()).sum::<usize>();
    let large = asked.dependencies.len().max(importer.dependencies.len()) > 1_000 || edges > 20_000;
    (plain
        && !chosen_anew
        && !otherwise
        && !large
        && locked.packages.iter().all(|p| p.variant == 0 && !p.is_local()))
    .then_some((locked, asked))
}

/// What is asked for and not locked; `None` where a dependency was changed, or a name stands in two groups.
fn difference<'a>(locked: &[Wanted], asked: &'a [Requested]) -> Option<Vec<&'a Requested>> {
    let mut added = Vec::new();
    for (i, d) in asked.iter().enumerate() {
        if asked[..i].iter().any(|other| other.alias == d.alias) {
            return None;
        }
        let mut named = locked.iter().filter(|w| w.alias == d.alias);
        match (named.next(), named.next()) {
            (None, _) => added.push(d),
            (Some(w), None) if w.group == d.group && w.range == d.range => {}
            _ => return None,
        }
    }
    Some(added)
}

struct Edit<'a> {
    locked: &'a Graph,
    asked: &'a ImporterRequest,
    /// By package of the lock.
    kept: Vec<bool>,
}

impl<'a> Edit<'a> {
    fn of(locked: &'a Graph, asked: &'a ImporterRequest, added: &[&Requested]) -> Option<Self> {
        let mut specs = Names::default();
        let mut is_content = |range: &str, version: &Version| {
            let spec = specs.spec(range);
            specs.parsed(spec).is_satisfied_by(version)
        };
        for package in &locked.packages {
            for edge in &package.dependencies {
                match edge.target {
                    Some(to) if is_content(&edge.range, &locked.package(to).version) => {}
                    None if edge.kind == EdgeKind::PeerOptional => {}
                    _ => return None,
                }
            }
        }
        let mut kept = vec![false; locked.packages.len()];
        let mut own = Vec::new();
        for wanted in &locked.importers.first()?.dependencies {
            if !asked.dependencies.iter().any(|d| d.alias == wanted.alias) {
                continue;
            }
            let to = wanted.target?;
            if !is_content(&wanted.range, &locked.package(to).version) {
                return None;
            }
            own.push((&wanted.alias, to));
        }
        let mut open: Vec<PackageId> = own.iter().map(|o| o.1).collect();
        while let Some(id) = open.pop() {
            if !std::mem::replace(&mut kept[id.index()], true) {
                let edges = &locked.package(id).dependencies;
                let followed = edges.iter().filter(|e| e.kind != EdgeKind::PeerOptional);
                open.extend(followed.filter_map(|e| e.target));
            }
        }
        // What only an optional peer leads to goes, folder by folder. There is one folder alone of what is the only
        // one of its name, and is the project's own or keeps to nobody's side.
        let lone = |alias: &PackageName, to: PackageId| {
            let free = || {
                let peer = |e: &Edge| matches!(e.kind, EdgeKind::Peer | EdgeKind::PeerOptional);
                locked.places.is_empty() && !locked.package(to).dependencies.iter().any(peer)
            };
            let names = |e: &&Edge| e.alias.as_str().eq_ignore_ascii_case(alias.as_str());
            let mut named = locked.packages.iter().flat_map(|p| &p.dependencies).filter(names);
            (own.contains(&(alias, to)) || free()) && named.all(|e| e.target == Some(to))
        };
        for package in locked.ids().filter(|id| kept[id.index()]).map(|id| locked.package(id)) {
            let mut optional = package.dependencies.iter().filter(|e| e.kind == EdgeKind::PeerOptional);
            if !optional.all(|e| e.target.is_none_or(|to| lone(&e.alias, to))) {
                return None;
            }
        }
        // An optional peer of the project's own is nobody's business until somebody else brings it.
        let own_peer = |d: &&Requested| d.group == Group::Peer;
        if added.iter().any(own_peer) {
            return None;
        }
        Some(Self { locked, asked, kept })
    }

    /// What is kept, and beside it `new`, which has no name in common with it.
    fn joined(&self, new: Graph) -> Option<Graph> {
        let Self { locked, asked, kept } = self;
        let mut places = self.places()?;
        places.extend(new.places);
        mirror::order::sort(&mut places);
        // Both are sorted by name and version.
        let mut packages = Vec::with_capacity(locked.packages.len() + new.packages.len());
        let mut ids = vec![PackageId(0); locked.packages.len()];
        let mut new_ids = Vec::with_capacity(new.packages.len());
        let mut coming = new.packages.into_iter().peekable();
        for id in locked.ids().filter(|id| kept[id.index()]) {
            let package = locked.package(id);
            while let Some(next) = coming.next_if(|next| next.name < package.name) {
                new_ids.push(PackageId(packages.len() as u32));
                packages.push((true, next));
            }
            ids[id.index()] = PackageId(packages.len() as u32);
            packages.push((false, package.clone()));
        }
        for next in coming {
            new_ids.push(PackageId(packages.len() as u32));
            packages.push((true, next));
        }
        let moved = |(is_new, mut package): (bool, super::graph::Package)| {
            let ids = if is_new { &new_ids } else { &ids };
            for target in package.dependencies.iter_mut().filter_map(|e| e.target.as_mut()) {
                *target = ids[target.index()];
            }
            package
        };
        let packages = packages.into_iter().map(moved).collect();
        let before = &locked.importers.first()?.dependencies;
        let coming = new.importers.into_iter().next().unwrap_or_default().dependencies;
        let wanted = |d: &Requested| {
            let (list, ids) = match coming.iter().find(|w| w.alias == d.alias) {
                Some(w) => (w, &new_ids),
                None => (before.iter().find(|w| w.alias == d.alias)?, &ids),
            };
            Some(Wanted { target: Some(ids[list.target?.index()]), ..list.clone() })
        };
        let mut dependencies = asked.dependencies.iter().map(wanted).collect::<Option<Vec<_>>>()?;
        mirror::order::sort_by(&mut dependencies, |a, b| a.alias.cmp(&b.alias));
        let importers = vec![Importer { dependencies, ..Importer::default() }];
        Some(Graph { importers, packages, places })
    }

    /// Whether any of these packages of the lock has or asks for such a name.
    fn knows(&self, is: impl Fn(&PackageName) -> bool, of: impl Fn(PackageId) -> bool) -> bool {
        self.locked.ids().filter(|id| of(*id)).any(|id| {
            let package = self.locked.package(id);
            is(&package.name) || package.dependencies.iter().any(|e| is(&e.alias))
        })
    }

    /// Where folders of what is kept lie elsewhere than the graph alone says.
    fn places(&self) -> Option<Vec<String>> {
        let Self { locked, asked, kept } = self;
        let mut gone = Names::default();
        for id in locked.ids().filter(|id| !kept[id.index()]) {
            gone.name(&locked.package(id).name);
            locked.package(id).dependencies.iter().for_each(|e| _ = gone.name(&e.alias));
        }
        for wanted in locked.importers.iter().flat_map(|i| &i.dependencies) {
            if !asked.dependencies.iter().any(|d| d.alias == wanted.alias) {
                gone.name(&wanted.alias);
            }
        }
        // What shares no name with the rest was in nobody's way, and nobody was in its.
        if self.knows(|name| gone.has(name), |id| kept[id.index()]) {
            return None;
        }
        let stays = |place: &&String| {
            let name = place.rsplit("node_modules/").next().and_then(|name| PackageName::parse(name).ok());
            !name.is_some_and(|name| gone.has(&name))
        };
        Some(locked.places.iter().filter(stays).cloned().collect())
    }
}

/// Nobody is asked for what the lock knows: whoever comes across it is not answered here.
struct Fence<'a> {
    index: &'a dyn Index,
    edit: &'a Edit<'a>,
}

impl Index for Fence<'_> {
    fn package(&self, name: &PackageName) -> Result<Option<Rc<dyn Candidates>>, Box<Error>> {
        if self.edit.knows(|known| known == name, |_| true) {
            return Ok(None);
        }
        self.index.package(name)
    }
}

#[cfg(test)]
mod tests;
