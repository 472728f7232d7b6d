//! The graph as numbers, and the folders that stand so far: who lies where,
//! what is found from there, what its package needs.

use super::{Folder, Hoister, LONGEST_PATH, MOST_LOOKS, MOST_PLACES, Model, NONE, Need, Placement, is_peer};
use crate::resolve::Failure;
use crate::resolve::collate;
use crate::resolve::graph::{EdgeKind, Graph, PackageId};
use crate::resolve::spec::Spec;
use mirror::name::PackageName;
use std::cell::Cell;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

impl<'g> Hoister<'g> {
    pub(super) fn new(graph: &'g Graph, places: &'g [String], model: Option<&'g dyn Model>) -> Self {
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
        let mut is_recorded = vec![false; aliases.len()];
        for place in places {
            let name = place.rsplit("node_modules/").next().and_then(|name| PackageName::parse(name).ok());
            if let Some(&id) = name.as_ref().and_then(|name| ids.get(name)) {
                is_recorded[id as usize] = true;
            }
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
            places,
            is_recorded,
            model,
            deviations: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, parent: u32, alias: u32, target: u32) -> Result<u32, Failure> {
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
            model: self.model.and_then(|model| {
                let from = self.folders[parent as usize].model?;
                let (above, it) = model.find(from, self.aliases[alias as usize])?;
                (above == from).then_some(it)
            }),
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

    pub(super) fn register(&mut self, folder: u32) {
        let (start, end) = self.spans[self.folders[folder as usize].package as usize];
        for need in &self.needs[start as usize..end as usize] {
            self.needers[self.fold[need.alias as usize] as usize].push(folder);
        }
        for (fold, _) in &self.absent[self.folders[folder as usize].package as usize] {
            self.averse[*fold as usize].push(folder);
        }
    }

    pub(super) fn enqueue(&mut self, folder: u32) {
        let mut path = String::new();
        self.path(folder, &mut path);
        let mut key = Vec::with_capacity(path.len() * 2 + 1);
        collate::key(&path, &mut key);
        self.queue.push(Reverse((self.folders[folder as usize].depth, key.into(), folder)));
    }

    pub(super) fn look(&self, folders: usize) {
        self.looks.set(self.looks.get() + folders as u64);
    }

    pub(super) fn is_top(&self, folder: u32) -> bool {
        self.folders[folder as usize].alias == NONE
    }

    pub(super) fn child(&self, folder: u32, alias: u32) -> Option<u32> {
        let children = &self.folders[folder as usize].children;
        children.binary_search_by_key(&self.fold[alias as usize], |c| c.0).ok().map(|i| children[i].1)
    }

    /// What Node finds under that name from `folder`.
    pub(super) fn find(&self, mut folder: u32, alias: u32) -> Option<u32> {
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
    pub(super) fn target_seen(&self, folder: u32, alias: u32) -> Option<u32> {
        let found = &self.folders[self.find(folder, alias)? as usize];
        (found.alias == alias).then_some(found.package)
    }

    pub(super) fn need(&self, folder: u32, alias: u32) -> Option<Need> {
        let (start, end) = self.spans[self.folders[folder as usize].package as usize];
        let needs = &self.needs[start as usize..end as usize];
        let fold = self.fold[alias as usize];
        let at = needs.partition_point(|n| n.alias < fold);
        needs[at..].first().filter(|n| self.fold[n.alias as usize] == fold).copied()
    }

    /// Where what `folder` needs may lie at the deepest: peers not inside it.
    pub(super) fn deepest(&self, folder: u32, alias: u32) -> u32 {
        let mut at = folder;
        while self.folders[at as usize].parent != NONE && self.has_peer(at, alias) {
            at = self.folders[at as usize].parent;
        }
        at
    }

    /// Whether that name is a peer of `folder`'s package, there or not: it must not lie inside.
    pub(super) fn has_peer(&self, folder: u32, alias: u32) -> bool {
        let fold = self.fold[alias as usize];
        self.need(folder, alias).is_some_and(|n| is_peer(n.kind))
            || self.absent[self.folders[folder as usize].package as usize].iter().any(|(f, _)| *f == fold)
    }

    pub(super) fn is_inside(&self, mut folder: u32, of: u32) -> bool {
        while folder != NONE {
            self.look(1);
            if folder == of {
                return true;
            }
            folder = self.folders[folder as usize].parent;
        }
        false
    }

    pub(super) fn path(&self, folder: u32, out: &mut String) {
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

    pub(super) fn placements(&self, included: &[bool]) -> Vec<Placement> {
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
