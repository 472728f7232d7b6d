//! Where a package goes: as high in the tree as it can without a conflict,
//! together with its peers (npm: CanPlaceDep and PlaceDep).
//!
//! At every folder on the way up the answer is one of four: nothing is in the
//! way (`Free`); what is there can be replaced (`Replace`); what is there will
//! do (`Keep`); or neither (`Conflict`), which ends the climb.

use super::build::Builder;
use super::collate;
use super::failure::{Failure, PeerConflict};
use super::names::Fold;
use super::tree::{EdgeId, NodeId, NodeSet};
use crate::install::hoist;
use std::cmp::Ordering;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Free,
    Replace,
    Keep,
    Conflict,
}

/// The answer for one folder.
#[derive(Clone)]
struct Check {
    target: NodeId,
    verdict: Verdict,
    /// The same, not counting its peers.
    alone: Verdict,
    /// The first peer that conflicts: its edge, and what is in its way.
    peer: Option<(EdgeId, NodeId)>,
}

/// The package whose peer is being looked at; the first one is the entry.
#[derive(Clone, Copy)]
struct Above {
    /// The deepest place where it could lie.
    deepest: NodeId,
    entry: EdgeId,
}

/// What a placement did.
pub struct Placed {
    pub edge: EdgeId,
    /// The new node, unless what was there is kept or nothing could be done.
    pub node: Option<NodeId>,
    /// [`Verdict::Free`] or [`Verdict::Replace`] when there is a new node.
    pub alone: Verdict,
    /// Nodes that lost a dependency and have to be looked at again.
    pub again: Vec<NodeId>,
    /// Its peers.
    pub children: Vec<Placed>,
}

/// Everything that is the same for a package and its peers.
#[derive(Clone, Copy)]
struct Job {
    explicit: bool,
    /// The edge that was asked for.
    top: EdgeId,
    /// Peers of peers so far.
    depth: usize,
}

/// Peers whose peers are looked at in turn; npm has no limit, hostile metadata would have no end.
const DEEPEST_PEERS: usize = 500;
/// The same while they are placed, where each stands on the stack.
const DEEPEST_PLACED: usize = 200;
/// Looks at peers of one placement that are allowed to repeat themselves.
const REPEATED_CHECKS: u32 = 20_000;

/// One walk over peers of peers.
struct Walk {
    path: Vec<NodeId>,
    count: u32,
    done: Vec<(NodeId, NodeId)>,
}

impl Builder<'_> {
    /// Finds the place for `dep`, which is to satisfy `edge`, and puts it there.
    pub fn place(&mut self, edge: EdgeId, dep: NodeId, explicit: bool) -> Result<Placed, Failure> {
        self.place_one(edge, dep, None, Job { explicit, top: edge, depth: 0 })
    }

    fn place_one(
        &mut self,
        edge: EdgeId,
        dep: NodeId,
        above: Option<Above>,
        job: Job,
    ) -> Result<Placed, Failure> {
        let mut placed =
            Placed { edge, node: None, alone: Verdict::Keep, again: Vec::new(), children: Vec::new() };
        let fold = self.tree.edge(edge).fold;
        let name = self.tree.edge(edge).name;
        let fine = self.tree.edge(edge).to.is_some() && self.tree.is_valid(edge);
        if fine && !job.explicit && !self.updates.contains(&name) {
            return Ok(placed);
        }
        let start = self.tree.deepest(above.map_or(self.tree.edge(edge).from, |a| a.deepest), fold);
        let here = Above { deepest: start, entry: above.map_or(edge, |a| a.entry) };

        let (mut found, mut found_alone): (Option<Check>, Option<Check>) = (None, None);
        let climb: Vec<NodeId> = self.tree.ancestry(start).collect();
        for target in climb {
            let asks = self.tree.edge_named(target, fold);
            if !self.tree.is_top(target) && asks.is_some_and(|e| self.tree.edge(e).kind.is_peer()) {
                continue;
            }
            let mut walk = Walk { path: Vec::new(), count: 0, done: Vec::new() };
            let prefer = self.prefer_dedupe || self.tree.edge(edge).kind.is_peer();
            let check = self.check(dep, edge, target, above, prefer, job.explicit, &mut walk);
            if check.alone != Verdict::Conflict {
                found_alone = Some(check.clone());
            }
            if check.verdict == Verdict::Conflict {
                break;
            }
            found = Some(check);
            if self.tree.node(dep).failure.is_some() {
                break;
            }
        }
        let check = match (found, found_alone) {
            (Some(check), _) => check,
            (None, alone) => {
                if self.strict_peers || self.is_ours(job.top) {
                    let conflict = self.explain(job.top, alone.as_ref());
                    return Err(Failure::PeerConflict(Box::new(conflict)));
                }
                match alone {
                    Some(check) => check,
                    None => {
                        self.let_pass(edge);
                        return Ok(placed);
                    }
                }
            }
        };
        let target = check.target;
        let verdict = if check.verdict == Verdict::Conflict { check.alone } else { check.verdict };
        if verdict == Verdict::Keep {
            if self.tree.edge(edge).kind.is_peer() && !self.tree.is_valid(edge) {
                self.let_pass(edge);
            } else if !self.tree.rules.is_empty() {
                self.clear_way(edge, target);
            }
            self.prune_duplicates(target, job.explicit, true);
            return Ok(placed);
        }
        placed.alone = check.alone;

        // A loop of nesting (a@1 → b@1 → a@2 → b@2 → a@1 …) ends in a link to what is above.
        let twin = self.tree.ancestry(target).find(|&p| !self.tree.is_top(p) && self.tree.matches(p, dep));
        if let Some(twin) = twin {
            let node = self.tree.add(name, None, None);
            let manifest = self.tree.node(twin).manifest;
            let target_of_link = self.tree.node(twin).link.unwrap_or(twin);
            let link = self.tree.node_mut(node);
            link.manifest = manifest;
            link.link = Some(target_of_link);
            self.tree.attach(node, target);
            placed.node = Some(node);
            return Ok(placed);
        }

        if self.tree.path_length(target) > hoist::LONGEST_PATH {
            return Err(Failure::TooDeep);
        }
        let virtual_root = self.tree.node(dep).parent;
        let (manifest, failure) = (self.tree.node(dep).manifest, self.tree.node(dep).failure);
        let node = self.tree.add(self.tree.node(dep).name, manifest, failure);
        placed.node = Some(node);
        match self.tree.child(target, fold) {
            Some(old) => self.replace(old, node, &mut placed.again),
            None => self.tree.attach(node, target),
        }
        if self.tree.edge(edge).kind.is_peer() && !self.tree.satisfies(node, edge) {
            self.let_pass(edge);
        }
        // An update may have put a better one further up.
        if let Some(to) = self.tree.edge(edge).to
            && to != node
            && self.tree.is_valid(edge)
        {
            self.prune_duplicates(to, job.explicit, false);
        }
        for other in self.tree.named(self.tree.node(node).name) {
            if self.tree.in_project(other) && !self.tree.is_top(other) && self.tree.is_inside(other, target) {
                self.prune_duplicates(other, job.explicit, false);
                if self.tree.in_project(other) {
                    for kid in self.children_in_order(other) {
                        self.prune_duplicates(kid, job.explicit, false);
                    }
                }
            }
        }
        let Some(virtual_root) = virtual_root else { return Ok(placed) };
        for e in self.tree.node(node).edges_out.clone() {
            let peer_edge = self.tree.edge(e);
            if !peer_edge.kind.is_peer() || peer_edge.conflicted || self.tree.is_valid(e) {
                continue;
            }
            // None in the set: an optional peer. Not content with it: what is there is accepted.
            let Some(peer) = self.tree.child(virtual_root, peer_edge.fold) else { continue };
            if self.tree.satisfies(peer, e) {
                // Two that push each other out would go on without end.
                if job.depth == DEEPEST_PLACED {
                    self.let_pass(e);
                    continue;
                }
                let deeper = Job { depth: job.depth + 1, ..job };
                placed.children.push(self.place_one(e, peer, Some(here), deeper)?);
            }
        }
        Ok(placed)
    }

    /// What lies nearer than the one that is kept and will not do goes, where nobody else is content with
    /// it. (npm leaves it, and the override is not kept: a package moves under another rule and takes along
    /// what was nested in it.)
    fn clear_way(&mut self, edge: EdgeId, target: NodeId) {
        while let Some(to) = self.tree.edge(edge).to
            && !self.tree.satisfies(to, edge)
            && self.tree.node(to).parent != Some(target)
            && !self.tree.node(to).edges_in.iter().any(|&e| self.tree.is_valid(e))
        {
            self.tree.detach(to);
        }
    }

    /// Whether `dep` can lie in `target`. Changes nothing.
    #[allow(clippy::too_many_arguments)]
    fn check(
        &self,
        dep: NodeId,
        edge: EdgeId,
        target: NodeId,
        above: Option<Above>,
        prefer: bool,
        explicit: bool,
        walk: &mut Walk,
    ) -> Check {
        walk.count += 1;
        let fold = self.tree.edge(edge).fold;
        let deepest = self.tree.deepest(above.map_or(self.tree.edge(edge).from, |a| a.deepest), fold);
        let mut probe = Probe {
            dep,
            edge,
            target,
            here: Above { deepest, entry: above.map_or(edge, |a| a.entry) },
            is_peer: above.is_some(),
            prefer,
            explicit,
            peers: None,
            alone: None,
            conflict: None,
        };
        let verdict = self.verdict(&mut probe, walk);
        Check { target, verdict, alone: probe.alone.unwrap_or(verdict), peer: probe.conflict }
    }

    fn verdict(&self, p: &mut Probe, walk: &mut Walk) -> Verdict {
        let t = &self.tree;
        let fold = t.edge(p.edge).fold;
        let current = t.child(p.target, fold);
        if t.node(p.dep).failure.is_some() {
            return if current.is_some() { Verdict::Replace } else { Verdict::Free };
        }
        let asks = t.edge_named(p.target, fold);
        if !t.is_top(p.target) && asks.is_some_and(|e| t.edge(e).kind.is_peer()) {
            return Verdict::Conflict;
        }
        match current {
            Some(current) => self.verdict_on(current, p, walk),
            None => {
                if asks.is_some_and(|e| e != p.edge && !t.satisfies(p.dep, e)) {
                    return Verdict::Conflict;
                }
                // Those below who now see past this folder must be content.
                let hidden =
                    if p.target == t.edge(p.here.entry).from { None } else { t.resolve(p.target, fold) };
                let objects = |&e: &EdgeId| {
                    t.is_inside(t.edge(e).from, p.target) && t.is_valid(e) && !t.satisfies(p.dep, e)
                };
                if hidden.is_some_and(|h| t.node(h).edges_in.iter().any(objects)) {
                    return Verdict::Conflict;
                }
                self.with_peers(Verdict::Free, p, walk)
            }
        }
    }

    /// Something of that name is there already.
    fn verdict_on(&self, current: NodeId, p: &mut Probe, walk: &mut Walk) -> Verdict {
        let t = &self.tree;
        let overridden = !t.satisfies(p.dep, p.edge);
        if t.matches(p.dep, current) && (t.satisfies(current, p.edge) || overridden) {
            return if p.explicit { Verdict::Replace } else { Verdict::Keep };
        }
        let newer = t.compare(p.dep, current).is_some_and(Ordering::is_ge);
        let replaceable = t.can_replace(p.dep, current, &[]);
        if newer && replaceable && self.with_peers(Verdict::Replace, p, walk) != Verdict::Conflict {
            return Verdict::Replace;
        }
        if t.satisfies(current, p.edge) && (!p.explicit || p.prefer) {
            return Verdict::Keep;
        }
        if p.prefer
            && !newer
            && replaceable
            && self.with_peers(Verdict::Replace, p, walk) != Verdict::Conflict
        {
            return Verdict::Replace;
        }
        // It could lie deeper: leave the current one alone.
        if p.target != p.here.deepest {
            return Verdict::Conflict;
        }
        // Where the dependant itself is, a dependency that is no peer must lie.
        let is_peer = t.edge(p.edge).kind.is_peer();
        if !is_peer && p.target == t.edge(p.edge).from {
            return self.with_peers(Verdict::Replace, p, walk);
        }
        if !p.is_peer && !is_peer {
            return Verdict::Conflict;
        }
        if self.sets_can_move(current, p) {
            self.with_peers(Verdict::Replace, p, walk)
        } else {
            Verdict::Conflict
        }
    }

    /// Whether every peer set that holds `current` can be replaced by the new
    /// one, or nested deeper.
    fn sets_can_move(&self, current: NodeId, p: &Probe) -> bool {
        let t = &self.tree;
        let Some(set_root) = t.node(p.dep).parent else { return false };
        let new_set: Vec<Fold> = t.node(set_root).children.iter().map(|c| c.0).collect();
        let mut can_move = true;
        for (entry, members) in t.peer_sets(current) {
            if entry == p.edge || entry == p.here.entry {
                continue;
            }
            let Some(entry_node) = t.edge(entry).to else { continue };
            let replacement = t.child(set_root, t.names.fold(t.node(entry_node).name));
            match replacement {
                Some(new) if t.can_replace(new, entry_node, &new_set) => continue,
                None if self.can_clobber(entry_node, set_root) => continue,
                _ => {}
            }
            for member in members {
                let fold = t.names.fold(t.node(member).name);
                let deep = t.deepest(t.edge(entry).from, fold);
                if deep == p.target || t.is_inside(p.target, deep) {
                    can_move = false;
                    break;
                }
            }
        }
        can_move
    }

    /// Whether all that `entry` needs as peers is content with the new set.
    fn can_clobber(&self, entry: NodeId, set_root: NodeId) -> bool {
        let t = &self.tree;
        let mut walk = NodeSet::default();
        walk.insert(entry);
        let mut i = 0;
        while i < walk.list.len() {
            for &e in &t.node(walk.list[i]).edges_out {
                if !t.edge(e).kind.is_peer() || !t.is_valid(e) {
                    continue;
                }
                match (t.child(set_root, t.edge(e).fold), t.edge(e).to) {
                    (Some(new), _) if !t.satisfies(new, e) => return false,
                    (None, Some(to)) => {
                        walk.insert(to);
                    }
                    _ => {}
                }
            }
            i += 1;
        }
        true
    }

    /// `verdict`, if the peers can go along.
    fn with_peers(&self, verdict: Verdict, p: &mut Probe, walk: &mut Walk) -> Verdict {
        p.alone = Some(verdict);
        if let Some(peers) = p.peers {
            return peers;
        }
        let mut result = verdict;
        walk.path.push(p.dep);
        for &e in &self.tree.node(p.dep).edges_out {
            let (true, Some(peer)) = (self.tree.edge(e).kind.is_peer(), self.tree.edge(e).to) else {
                continue;
            };
            if walk.path.contains(&peer) || walk.path.len() > DEEPEST_PEERS {
                continue;
            }
            // The peer may have to lie further up than the package itself.
            let target = self.tree.deepest(p.target, self.tree.edge(e).fold);
            if walk.count > REPEATED_CHECKS {
                if walk.done.contains(&(peer, target)) {
                    continue;
                }
                walk.done.push((peer, target));
            }
            let check = self.check(peer, e, target, Some(p.here), true, false, walk);
            if check.verdict == Verdict::Conflict {
                result = Verdict::Conflict;
                if p.conflict.is_none() {
                    let there = self.tree.child(target, self.tree.edge(e).fold);
                    p.conflict = check.peer.or(there.map(|there| (e, there)));
                }
            }
        }
        walk.path.pop();
        p.peers = Some(result);
        result
    }

    /// Puts `new` in the place of `old`; what only `old` needed goes, and peer
    /// sets that are no longer content are taken out to be placed deeper.
    fn replace(&mut self, old: NodeId, new: NodeId, again: &mut Vec<NodeId>) {
        let Some(target) = self.tree.node(old).parent else { return };
        let t = &self.tree;
        let mut orphans = Vec::new();
        for &e in &t.node(old).edges_out {
            if let Some(to) = t.edge(e).to
                && t.edge_named(new, t.edge(e).fold).is_none()
            {
                orphans.extend(t.gather(&[to], |t, e| t.edge(e).to != Some(to)).list);
            }
        }
        let mut pruned = Vec::new();
        let mut warn = Vec::new();
        for &e in &t.node(old).edges_in {
            let edge = t.edge(e);
            if t.satisfies(new, e)
                || !edge.kind.is_peer()
                || t.node(edge.from).parent != Some(target)
                || edge.conflicted
            {
                continue;
            }
            for (entry, _) in t.peer_sets(edge.from) {
                let Some(node) = t.edge(entry).to else { continue };
                if !t.is_importer(t.edge(entry).from) {
                    pruned.extend(
                        t.gather(&[node], |t, e| t.edge(e).to != Some(node) && !t.edge(e).conflicted).list,
                    );
                } else {
                    warn.push(e);
                }
            }
        }
        for e in warn {
            self.let_pass(e);
        }
        self.tree.replace(old, new);
        self.prune_for(new, &orphans);
        for n in pruned {
            again.extend(self.tree.node(n).edges_in.iter().map(|&e| self.tree.edge(e).from));
            self.tree.detach(n);
        }
    }

    /// Removes what nobody needs now that `node` stands where another one was.
    fn prune_for(&mut self, node: NodeId, orphans: &[NodeId]) {
        let t = &self.tree;
        let mut unneeded = NodeSet::default();
        for &e in &t.node(node).edges_out {
            if let Some(to) = t.edge(e).to
                && !t.is_valid(e)
            {
                unneeded.insert(to);
            }
        }
        for &dep in orphans {
            for n in t.gather(&[dep], |t, e| t.edge(e).to != Some(dep) && t.is_valid(e)).list {
                unneeded.insert(n);
            }
        }
        let counts = |t: &super::tree::Tree, e: EdgeId| {
            t.edge(e).from != node && t.edge(e).to != Some(node) && t.is_valid(e)
        };
        for n in t.gather(&unneeded.list, counts).list {
            self.tree.detach(n);
        }
    }

    /// Removes a node that a better or equal one further up makes needless;
    /// with `descend`, else looks at what is nested in it.
    fn prune_duplicates(&mut self, node: NodeId, explicit: bool, descend: bool) {
        if self.is_duplicate(node, explicit) {
            let counts = |t: &super::tree::Tree, e: EdgeId| t.edge(e).to != Some(node) && t.is_valid(e);
            for n in self.tree.gather(&[node], counts).list {
                self.tree.detach(n);
            }
            return;
        }
        if descend {
            for kid in self.children_in_order(node) {
                self.prune_duplicates(kid, explicit, true);
            }
            if node == self.tree.root {
                for member in self.members.clone() {
                    for kid in self.children_in_order(member) {
                        self.prune_duplicates(kid, explicit, true);
                    }
                }
            }
        }
    }

    /// Whether everybody who uses it would be as well off with what lies above.
    fn is_duplicate(&self, node: NodeId, explicit: bool) -> bool {
        let t = &self.tree;
        let Some(above) = t.above(node).and_then(|p| t.above(p)) else { return false };
        if t.node(node).edges_in.is_empty() {
            return true;
        }
        let Some(other) = t.resolve(above, t.names.fold(t.node(node).name)) else { return false };
        if t.matches(other, node) {
            return true;
        }
        let better = |o: Ordering| o.is_eq() || explicit || o.is_gt() && !t.is_overridden(node);
        t.can_replace(other, node, &[]) && t.compare(other, node).is_some_and(better)
    }

    fn children_in_order(&self, node: NodeId) -> Vec<NodeId> {
        let mut kids: Vec<NodeId> = self.tree.node(node).children.iter().map(|c| c.1).collect();
        let text = |&n: &NodeId| self.tree.names.text(self.tree.node(n).name).as_str();
        mirror::order::sort_by(&mut kids, |a, b| collate::compare(text(a), text(b)));
        kids
    }

    /// Whether a conflict over this edge concerns the project itself, which is
    /// then asked to decide; other conflicts are let pass with a warning.
    fn is_ours(&self, edge: EdgeId) -> bool {
        let t = &self.tree;
        let from = t.edge(edge).from;
        if t.is_importer(from) {
            return true;
        }
        if !t.edge(edge).kind.is_peer() {
            return false;
        }
        let mut has_peer_edges = false;
        for &e in &t.node(from).edges_in {
            if t.edge(e).kind.is_peer() {
                has_peer_edges = true;
            } else if t.is_importer(t.edge(e).from) {
                return true;
            }
        }
        has_peer_edges && t.peer_sets(from).iter().any(|(entry, _)| t.is_importer(t.edge(*entry).from))
    }

    /// Accepts that an edge will not be satisfied. What is still so at the end is warned of.
    fn let_pass(&mut self, edge: EdgeId) {
        self.tree.edge_mut(edge).conflicted = true;
    }

    fn explain(&self, edge: EdgeId, alone: Option<&Check>) -> PeerConflict {
        match alone.and_then(|c| c.peer) {
            Some((edge, there)) => self.peer_conflict(edge, Some(there)),
            None => {
                let there = self.tree.resolve(self.tree.edge(edge).from, self.tree.edge(edge).fold);
                self.peer_conflict(edge, there)
            }
        }
    }
}

/// One package in one folder, while its verdict is found.
struct Probe {
    dep: NodeId,
    edge: EdgeId,
    target: NodeId,
    here: Above,
    /// It is the peer of something that is being placed.
    is_peer: bool,
    prefer: bool,
    explicit: bool,
    /// What its peers came to; they are asked once.
    peers: Option<Verdict>,
    alone: Option<Verdict>,
    conflict: Option<(EdgeId, NodeId)>,
}
