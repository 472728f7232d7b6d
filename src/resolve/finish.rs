//! From the finished tree to a graph: optional branches that could not be had
//! and leftovers go; nodes that are the same package with the same
//! dependencies become one; a package that stands in the tree with different
//! dependencies becomes several variants.

use super::build::Builder;
use super::failure::{Failure, Warning};
use super::graph::{Edge, EdgeKind, Graph, Importer, LINK, PACKED, Package, PackageId, Wanted};
use super::names::{Kind, ManifestId, Name, Origin, SpecId};
use super::tree::{EdgeId, NodeId, NodeSet};
use super::{Request, Resolution, collate};
use crate::install::hoist;
use mirror::name::{BinName, PackageName, RelPath};
use std::collections::HashMap;
use std::rc::Rc;

/// Removes what could not be had, with the optional branch around it, and what
/// nothing leads to. What is required and could not be had is the error.
pub fn prune(b: &mut Builder<'_>) -> Result<(), Failure> {
    let required = reach(b, |k| !k.is_optional());
    let all = reach(b, |_| true);
    let mut missing = Vec::new();
    let mut left_out = Vec::new();
    for &node in &all.list {
        let Some(failure) = b.tree.node(node).failure else { continue };
        let wanted_by = |strict: bool| {
            b.tree.node(node).edges_in.iter().find_map(|&e| {
                let edge = b.tree.edge(e);
                (!strict || required.contains(edge.from) && !edge.kind.is_optional()).then_some(edge.from)
            })
        };
        let is_required = required.contains(node);
        let chain = wanted_by(is_required).or_else(|| wanted_by(false)).map_or_else(Vec::new, |n| b.chain(n));
        let entry = b.missing(failure, chain);
        if is_required {
            missing.push(entry);
        } else {
            left_out.push((node, entry));
        }
    }
    if !missing.is_empty() {
        return Err(Failure::Missing(missing));
    }
    for (node, entry) in left_out {
        b.warnings.push(Warning::LeftOut(entry));
        for n in optional_branch(b, node) {
            b.tree.detach(n);
        }
    }
    // As npm: what only an optional peer leads to goes when a locked tree was changed, else stays.
    let strict = b.from_lock && b.changed;
    let used = reach(b, |k| !strict || k != Kind::PeerOptional);
    let mut kept = NodeSet::default();
    for &node in &used.list {
        b.tree.ancestry(node).for_each(|n| {
            kept.insert(n);
        });
    }
    for node in b
        .tree
        .subtree(b.tree.root)
        .into_iter()
        .chain(b.members.iter().flat_map(|&m| b.tree.subtree(m)).collect::<Vec<_>>())
    {
        if !kept.contains(node) {
            b.tree.detach(node);
        }
    }
    // Peers that were let pass and that nothing has satisfied since.
    for &node in &reach(b, |_| true).list {
        for e in b.tree.node(node).edges_out.clone() {
            let edge = b.tree.edge(e);
            if b.tree.is_valid(e) || edge.kind == Kind::Optional || is_bundled(b, e) {
                continue;
            }
            let conflict = Box::new(b.peer_conflict(e, edge.to));
            // Overrides may have brought what its dependant would not have taken.
            if !edge.kind.is_peer() && (edge.to.is_none() || b.tree.rules.is_empty()) {
                // npm would leave a hole: a package whose peers exclude the package itself.
                return Err(Failure::PeerConflict(conflict));
            }
            b.warnings.push(Warning::PeerConflict(conflict));
        }
    }
    Ok(())
}

/// All that importers lead to over edges of these kinds.
fn reach(b: &Builder<'_>, follow: impl Fn(Kind) -> bool) -> NodeSet {
    let mut set = NodeSet::default();
    set.insert(b.tree.root);
    b.members.iter().for_each(|&m| {
        set.insert(m);
    });
    let mut i = 0;
    while i < set.list.len() {
        let node = set.list[i];
        i += 1;
        if let Some(target) = b.tree.node(node).link {
            set.insert(target);
        }
        for &e in &b.tree.node(node).edges_out {
            let edge = b.tree.edge(e);
            if let Some(to) = edge.to
                && follow(edge.kind)
            {
                set.insert(to);
            }
        }
    }
    set
}

/// Everything up to the optional dependencies that lead to `node`, and what only that needs.
fn optional_branch(b: &Builder<'_>, node: NodeId) -> Vec<NodeId> {
    let mut set = NodeSet::default();
    set.insert(node);
    let mut i = 0;
    while i < set.list.len() {
        for &e in &b.tree.node(set.list[i]).edges_in {
            let edge = b.tree.edge(e);
            if !edge.kind.is_optional() && !b.tree.is_importer(edge.from) {
                set.insert(edge.from);
            }
        }
        i += 1;
    }
    let inside = |e: EdgeId| b.tree.edge(e).to.is_some_and(|to| set.contains(to));
    b.tree.gather(&set.list, |_, e| !inside(e)).list
}

/// Every folder's path and `name@version`, sorted.
pub fn listing(b: &Builder<'_>) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for top in std::iter::once(b.tree.root).chain(b.members.iter().copied()) {
        for node in b.tree.subtree(top) {
            if let (false, Some(m)) = (node == top, b.tree.manifest(node)) {
                all.push((b.path(node), format!("{}@{}", b.tree.names.text(m.name), m.version)));
            }
        }
    }
    mirror::order::sort(&mut all);
    all
}

/// What a package depends on: name, value, kind, and what it comes to in the graph.
type Link = (Name, SpecId, Kind, Option<NodeId>);

/// Of a package, by name but for what its archive holds. Peers that make no edges find whom they find.
fn links(b: &Builder<'_>, n: NodeId) -> Vec<Link> {
    let edges = b.tree.node(n).edges_out.iter().filter(|&&e| !is_bundled(b, e));
    let mut links: Vec<Link> = edges
        .map(|&e| {
            let edge = b.tree.edge(e);
            (edge.name, edge.own, edge.kind, target(b, e))
        })
        .collect();
    let Some(m) = b.tree.manifest(n) else { return links };
    for peer in &m.peers {
        let fold = b.tree.names.fold(peer.name);
        if m.dependencies.position(fold).is_none() && links.iter().all(|l| l.0 != peer.name) {
            let found = b.tree.resolve(n, fold).filter(|&f| f != n && b.tree.node(f).name == peer.name);
            let found = found.map(|f| b.tree.node(f).link.unwrap_or(f));
            links.push((peer.name, peer.spec, peer.kind, found));
        }
    }
    links
}

/// What an edge comes to in the graph.
fn target(b: &Builder<'_>, e: EdgeId) -> Option<NodeId> {
    let edge = b.tree.edge(e);
    let to = edge.to?;
    // A peer that was let pass is what Node will find; an optional dependency of the wrong version counts as absent.
    if edge.kind == Kind::Optional && !b.tree.is_valid(e) {
        return None;
    }
    Some(b.tree.node(to).link.unwrap_or(to))
}

fn is_bundled(b: &Builder<'_>, e: EdgeId) -> bool {
    let edge = b.tree.edge(e);
    b.tree.manifest(edge.from).is_some_and(|m| m.bundled.contains(&edge.name))
}

pub fn resolution(mut b: Builder<'_>, request: &Request<'_>) -> Resolution {
    let nodes = in_order(&b);
    let classes = classes(&b, &nodes);
    // The first node of each class, in order of name, version and place.
    let mut first: Vec<NodeId> = Vec::new();
    let mut known = vec![false; classes.count];
    for &n in &nodes {
        if !std::mem::replace(&mut known[classes.of(n) as usize], true) {
            first.push(n);
        }
    }
    let id = |n: NodeId| b.tree.manifest(n).map(|m| (b.tree.names.text(m.name), &m.version));
    mirror::order::sort_by(&mut first, |&x, &y| id(x).cmp(&id(y)));
    let mut ids = vec![PackageId(0); classes.count];
    for (i, &n) in first.iter().enumerate() {
        ids[classes.of(n) as usize] = PackageId(i as u32);
    }
    let target_id = |e: EdgeId| target(&b, e).map(|to| ids[classes.of(to) as usize]);

    let mut warnings = Vec::new();
    let mut packages: Vec<Package> = Vec::with_capacity(first.len());
    for &n in &first {
        let (Some(manifest), Some(m)) = (b.tree.node(n).manifest, b.tree.manifest(n)) else { continue };
        let edge = |(name, value, kind, target): Link| Edge {
            alias: b.tree.names.text(name).clone(),
            range: b.tree.names.value(value).to_string(),
            kind: match kind {
                Kind::Normal | Kind::Dev => EdgeKind::Normal,
                Kind::Optional => EdgeKind::Optional,
                Kind::Peer => EdgeKind::Peer,
                Kind::PeerOptional => EdgeKind::PeerOptional,
            },
            // A peer may find what nothing leads to.
            target: target.and_then(|to| ids.get(classes.of(to) as usize).copied()),
        };
        let mut dependencies: Vec<Edge> = links(&b, n).into_iter().map(edge).collect();
        mirror::order::sort_by(&mut dependencies, |x, y| x.alias.cmp(&y.alias));
        let variant = match packages.last() {
            Some(last) if Some((&last.name, &last.version)) == id(n) => last.variant + 1,
            _ => 0,
        };
        let name = b.tree.names.text(m.name).clone();
        packages.push(package(&b, request, manifest, name, variant, dependencies, &mut warnings));
    }
    let importers = importers(&b, request, &target_id);
    b.warnings.extend(warnings);
    let mut once = Vec::new();
    for warning in std::mem::take(&mut b.warnings) {
        if !once.contains(&warning) && !was_told(&warning, request) {
            once.push(warning);
        }
    }
    let mut graph = Graph { importers, packages, places: Vec::new() };
    // What cannot be laid out is told by whoever is to lay it out.
    graph.places = hoist::places(&graph, &b).unwrap_or_default();
    Resolution { graph, warnings: once }
}

/// What the lock leaves out as well was told when it was made.
fn was_told(warning: &Warning, request: &Request<'_>) -> bool {
    let (Warning::LeftOut(missing), Some(locked)) = (warning, request.locked) else { return false };
    let by_project = locked.importers.iter().flat_map(|i| &i.dependencies);
    let mut by_project = by_project.map(|w| (&w.alias, &w.range, w.target));
    let by_packages = locked.packages.iter().flat_map(|p| &p.dependencies);
    let mut by_packages = by_packages.map(|e| (&e.alias, &e.range, e.target));
    let same = |(alias, range, target): (&PackageName, &String, Option<PackageId>)| {
        target.is_none()
            && *range == missing.range
            && (alias.as_str() == missing.package || range.starts_with("npm:"))
    };
    by_project.any(same) || by_packages.any(same)
}

/// The tree that was built is the model of the one that is laid out.
impl hoist::Model for Builder<'_> {
    fn importer(&self, path: &str) -> Option<u32> {
        Self::importer(self, path).map(|node| node.0)
    }

    fn find(&self, from: u32, alias: &PackageName) -> Option<(u32, u32)> {
        let name = self.tree.names.known(alias)?;
        let node = self.tree.resolve(NodeId(from), self.tree.names.fold(name))?;
        let parent = self.tree.node(node).parent.filter(|_| self.tree.node(node).name == name)?;
        Some((parent.0, node.0))
    }
}

/// All nodes that importers lead to, links as what they point to: shallow ones
/// first, then by path.
fn in_order(b: &Builder<'_>) -> Vec<NodeId> {
    let mut nodes: Vec<(u32, Vec<u8>, NodeId)> = Vec::new();
    for &node in &reach(b, |_| true).list {
        if b.tree.node(node).link.is_none() && !b.tree.is_importer(node) {
            let mut key = Vec::new();
            collate::key(&b.path(node), &mut key);
            nodes.push((b.tree.depth(node), key, node));
        }
    }
    mirror::order::sort(&mut nodes);
    nodes.into_iter().map(|n| n.2).collect()
}

struct Classes {
    of: Vec<u32>,
    count: usize,
}

impl Classes {
    fn of(&self, node: NodeId) -> u32 {
        self.of[node.0 as usize]
    }
}

/// Nodes of one package at one version are the same as long as their edges
/// lead to the same: begin with all of them together, part those that differ,
/// until nothing changes.
fn classes(b: &Builder<'_>, nodes: &[NodeId]) -> Classes {
    let mut of = vec![u32::MAX; b.tree.nodes.len()];
    let mut groups: HashMap<(u32, u32), u32> = HashMap::new();
    let mut sizes: Vec<u32> = Vec::new();
    // Manifests of one version may have been loaded twice (from a lock, and anew).
    let mut versions: HashMap<(Name, String), u32> = HashMap::new();
    for &n in nodes {
        let Some(m) = b.tree.manifest(n) else { continue };
        let next = versions.len() as u32;
        let mut text = m.version.to_string();
        match &m.origin {
            Origin::Folder { path: own, .. } => text.extend(["\n", own]),
            Origin::Index { source: own, .. } if own.starts_with(PACKED) => text.extend(["\n", own]),
            _ => {}
        }
        let version = *versions.entry((m.name, text)).or_insert(next);
        let next = groups.len() as u32;
        let class = *groups.entry((version, 0)).or_insert(next);
        if class as usize == sizes.len() {
            sizes.push(0);
        }
        sizes[class as usize] += 1;
        of[n.0 as usize] = class;
    }
    let doubled: Vec<NodeId> = nodes
        .iter()
        .copied()
        .filter(|n| sizes.get(of[n.0 as usize] as usize).is_some_and(|&s| s > 1))
        .collect();
    let mut count = sizes.len();
    loop {
        let mut parts: HashMap<(u32, Vec<u32>), u32> = HashMap::new();
        let mut taken = vec![false; count];
        let before = count;
        let mut changes = Vec::new();
        for &n in &doubled {
            let mut seen: Vec<u32> = Vec::new();
            for (name, _, _, target) in links(b, n) {
                seen.push(name.0);
                seen.push(target.map_or(u32::MAX, |to| of[to.0 as usize]));
            }
            let class = of[n.0 as usize];
            let part = *parts.entry((class, seen)).or_insert_with(|| {
                if std::mem::replace(&mut taken[class as usize], true) {
                    count += 1;
                    count as u32 - 1
                } else {
                    class
                }
            });
            if part != class {
                changes.push((n, part));
            }
        }
        for (n, part) in changes {
            of[n.0 as usize] = part;
        }
        if count == before {
            return Classes { of, count };
        }
    }
}

fn package(
    b: &Builder<'_>,
    request: &Request<'_>,
    manifest: ManifestId,
    name: PackageName,
    variant: u32,
    dependencies: Vec<Edge>,
    warnings: &mut Vec<Warning>,
) -> Package {
    let m = &b.tree.manifests[manifest.0 as usize];
    let (source, record) = match &m.origin {
        Origin::Index { source, record } => (source, Rc::clone(record)),
        Origin::Locked(id) if request.locked.is_some_and(|g| id.index() < g.packages.len()) => {
            let locked = request.locked.map(|g| g.package(*id).clone());
            return locked
                .map_or_else(|| bare(name.clone(), m, variant), |p| Package { variant, dependencies, ..p });
        }
        Origin::Folder { at, path } => {
            let root = request.importers.iter().find(|i| i.path.is_empty());
            let bins = root.and_then(|r| r.folders.get(*at as usize)).map(|f| f.bins.clone());
            let package = bare(name, m, variant);
            return Package { source: format!("{LINK}{path}"), bins: bins.unwrap_or_default(), ..package };
        }
        Origin::Locked(_) | Origin::Importer => return bare(name, m, variant),
    };
    let mut bins = Vec::with_capacity(record.bins.len());
    for (command, path) in &record.bins {
        // As npm: the last part of the name, whatever stands before it.
        let last = command.rsplit(['/', '\\', ':']).next().unwrap_or(command);
        match (BinName::parse(last), RelPath::normalise(path)) {
            (Ok(command), Ok(path)) => bins.push((command, path)),
            _ => warnings.push(Warning::Bin {
                package: format!("{name}@{}", m.version),
                command: command.clone(),
                path: path.clone(),
            }),
        }
    }
    mirror::order::sort(&mut bins);
    bins.dedup_by(|x, y| x.0 == y.0);
    Package {
        name,
        version: m.version.clone(),
        variant,
        source: source.to_string(),
        integrity: record.integrity.clone(),
        tarball: record.tarball.clone(),
        dependencies,
        bins,
        os: record.os.clone(),
        cpu: record.cpu.clone(),
        libc: record.libc.clone(),
        engines: record.engines.clone(),
        bundled: record.bundled.clone(),
        install_script: record.install_script,
        deprecated: record.deprecated.clone(),
    }
}

fn bare(name: PackageName, m: &super::names::Manifest, variant: u32) -> Package {
    Package { variant, ..Package::new(name, m.version.clone(), "") }
}

fn importers(
    b: &Builder<'_>,
    request: &Request<'_>,
    id: &dyn Fn(EdgeId) -> Option<PackageId>,
) -> Vec<Importer> {
    let mut importers: Vec<Importer> = request
        .importers
        .iter()
        .map(|i| {
            let node = b.importer(&i.path);
            let mut dependencies: Vec<Wanted> = i
                .dependencies
                .iter()
                .map(|d| {
                    let edge = node.and_then(|n| b.edge_of(n, &d.alias));
                    Wanted {
                        alias: d.alias.clone(),
                        range: d.range.clone(),
                        group: d.group,
                        target: edge.and_then(id),
                    }
                })
                .collect();
            mirror::order::sort_by(&mut dependencies, |x, y| (&x.alias, x.group).cmp(&(&y.alias, y.group)));
            Importer { path: i.path.clone(), dependencies, overrides: i.overrides_as_text() }
        })
        .collect();
    mirror::order::sort_by(&mut importers, |x, y| x.path.cmp(&y.path));
    importers
}
