//! What an edge asks for, by its own words or those of an override, and whether it gets it.

use super::{Edge, EdgeId, Handed, MOST_HANDED, Node, NodeId, Tree};
use crate::resolve::graph::PACKED;
use crate::resolve::names::Origin;
use crate::resolve::overrides::{self, RuleId};
use crate::resolve::spec::Wanted;

impl Tree {
    /// What an edge asks for in the context of its dependant.
    pub(super) fn overrule(&mut self, e: EdgeId) {
        let Edge { from, name, own, .. } = *self.edge(e);
        let Node { rule, name: from, .. } = *self.node(from);
        // A folder that a manifest names is what it is.
        if rule == overrides::NONE
            || matches!(
                self.names.parsed(own).wanted,
                Wanted::Member(_) | Wanted::Link(_) | Wanted::Packed(_)
            )
        {
            return;
        }
        let rule = self.rules.of_edge(rule, from, name, self.names.parsed(own));
        let spec = self.rules.value(rule, name).unwrap_or(own);
        let edge = self.edge_mut(e);
        (edge.rule, edge.spec) = (rule, spec);
    }

    pub(super) fn set_context(&mut self, id: NodeId, rule: RuleId, changes: &mut Vec<Handed>) {
        self.node_mut(id).rule = rule;
        self.moved.push(id);
        for i in 0..self.node(id).edges_out.len() {
            let e = self.node(id).edges_out[i];
            let before = self.edge(e).rule;
            self.overrule(e);
            let Edge { rule: now, to, .. } = *self.edge(e);
            if let Some(to) = to.filter(|_| now != before) {
                changes.push((to, before, now));
            }
        }
    }

    /// Gives contexts on from dependants to what they depend on, until all have theirs.
    pub(super) fn hand_on(&mut self, mut changes: Vec<Handed>) {
        let mut left = MOST_HANDED;
        while let (Some((id, gone, come)), true) = (changes.pop(), left > 0) {
            left -= 1;
            let have = self.node(id).rule;
            let mut now = have;
            if gone != overrides::NONE && gone == have {
                let ins = self.node(id).edges_in.iter().map(|&e| self.edge(e).rule);
                let both = |a: RuleId, b: RuleId| match (a, b) {
                    (overrides::NONE, other) | (other, overrides::NONE) => other,
                    _ => self.rules.specific(b, a).unwrap_or(a),
                };
                now = ins.fold(overrides::NONE, both);
                // Nobody: it is on its way to another place.
                if now == overrides::NONE {
                    self.node_mut(id).rule = now;
                    continue;
                }
            }
            if come != overrides::NONE {
                now =
                    if now == overrides::NONE { come } else { self.rules.specific(now, come).unwrap_or(now) };
            }
            if now != have {
                self.set_context(id, now, &mut changes);
            }
        }
    }

    /// Whether `node` would do for an edge.
    pub fn satisfies(&self, node: NodeId, e: EdgeId) -> bool {
        let edge = self.edge(e);
        if self.node(node).name != edge.name {
            return false;
        }
        // npm asks for the package behind an alias nowhere. Here what the project itself says counts.
        let strict = edge.spec != edge.own || self.is_top(edge.from);
        let fits = |spec| {
            let spec = self.names.parsed(spec);
            match self.manifest(node) {
                Some(m)
                    if strict
                        && !matches!(spec.wanted, Wanted::Link(_) | Wanted::Packed(_))
                        && *self.names.text(m.name)
                            != *spec.package.as_ref().unwrap_or(self.names.text(edge.name)) =>
                {
                    false
                }
                Some(m) => match (&spec.wanted, &m.origin) {
                    // A tag is something that a registry gave out.
                    (Wanted::Tag(_), Origin::Folder { .. }) => false,
                    (Wanted::Link(wanted), Origin::Folder { path, .. }) => **wanted == **path,
                    (Wanted::Packed(path), Origin::Index { source, .. }) => {
                        source.strip_prefix(PACKED) == Some(&**path)
                    }
                    (Wanted::Packed(_), _) => false,
                    (Wanted::Member(_) | Wanted::Link(_), origin)
                        if !matches!(origin, Origin::Folder { .. }) =>
                    {
                        false
                    }
                    _ => spec.is_satisfied_by(&m.version),
                },
                None => matches!(&spec.wanted, Wanted::Range(r) if r.is_star()),
            }
        };
        if edge.spec == edge.own || fits(edge.spec) {
            return fits(edge.spec);
        }
        // Its own words are met by a version that the override is not about.
        fits(edge.own)
            && self
                .rules
                .key(edge.rule)
                .is_some_and(|key| self.manifest(node).is_some_and(|m| !key.satisfies(&m.version)))
    }

    /// An edge is valid when what it points to satisfies it; nothing will do
    /// for an optional one, and a peer may not lie inside its dependant.
    pub fn is_valid(&self, e: EdgeId) -> bool {
        let edge = self.edge(e);
        match edge.to {
            None => edge.kind.is_optional(),
            Some(to) => {
                let local =
                    edge.kind.is_peer() && self.node(to).parent == Some(edge.from) && !self.is_top(edge.from);
                !local && self.satisfies(to, e) && !self.contexts_differ(edge.rule, to)
            }
        }
    }

    /// What a node depends on is chosen by rules that contradict those of a dependant.
    fn contexts_differ(&self, rule: RuleId, node: NodeId) -> bool {
        let there = self.node(node);
        rule != overrides::NONE
            && there.rule != overrides::NONE
            && !there.edges_out.is_empty()
            && self.rules.specific(rule, there.rule).is_none()
    }

    /// It is there because an override names exactly its version.
    pub fn is_overridden(&self, id: NodeId) -> bool {
        let (name, rule) = (self.node(id).name, self.node(id).rule);
        let exact = |spec| match (&self.names.parsed(spec).wanted, self.manifest(id)) {
            (Wanted::Version(version, _), Some(m)) => *version == m.version,
            _ => false,
        };
        self.rules.value(rule, name).is_some()
            && self.node(id).edges_in.iter().any(|&e| {
                let edge = self.edge(e);
                edge.rule != self.node(edge.from).rule && self.rules.value(edge.rule, name).is_some_and(exact)
            })
    }
}
