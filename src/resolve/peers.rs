//! Trying a package out with its peers. A virtual root shows what the
//! dependant asks for; the package and its peers, and their peers, are loaded
//! into it side by side, so that they agree before anything is placed.
//! (npm: nodeFromEdge and loadPeerSet.)

use super::build::Builder;
use super::collate;
use super::failure::Failure;
use super::names::Kind;
use super::tree::{EdgeId, NodeId, NodeSet};

/// Peers of peers of peers, and packages loaded for one dependency's sake. npm
/// knows no limit and does not end where two versions of two packages ask for
/// each other in turn; past these, what is loaded is left as it is.
const DEEPEST: u32 = 100;
const MOST_LOADED: u32 = 3_000;

impl Builder<'_> {
    /// The tree in which `source`'s dependencies are tried out.
    pub fn virtual_root(&mut self, source: NodeId, reuse: bool) -> NodeId {
        match self.tree.node(source).virtual_root {
            Some(root) if reuse => root,
            _ => self.tree.add_virtual_root(source),
        }
    }

    /// The package that `edge` asks for, loaded into `set` (a new virtual root
    /// of its dependant when there is none) together with its peers. Where
    /// `second` asks for the same name and is content with less, its choice is
    /// taken if both are content with that.
    pub fn load(
        &mut self,
        edge: EdgeId,
        set: Option<NodeId>,
        second: Option<EdgeId>,
        required: &mut NodeSet,
        depth: u32,
    ) -> Result<NodeId, Failure> {
        let from = self.tree.edge(edge).from;
        let set = match set {
            Some(set) => set,
            None => self.virtual_root(from, false),
        };
        let first = self.load_into(edge, set)?;
        let mut node = first;
        if let Some(second) = second
            && !self.tree.is_valid(second)
        {
            let other = self.load_into(second, set)?;
            if self.tree.is_valid(edge) {
                node = other;
            } else {
                self.tree.attach(first, set);
            }
        }
        let counts = |e: EdgeId| {
            let edge = self.tree.edge(e);
            required.contains(edge.from) && edge.kind != Kind::PeerOptional
        };
        if counts(edge) || second.is_some_and(counts) {
            required.insert(node);
        }
        self.loads = if depth == 0 { 0 } else { self.loads + 1 };
        if depth < DEEPEST && self.loads < MOST_LOADED {
            self.load_peers(node, required, depth + 1)?;
        }
        Ok(node)
    }

    /// A node for what `edge` asks for, in `set`.
    fn load_into(&mut self, edge: EdgeId, set: NodeId) -> Result<NodeId, Failure> {
        let (name, spec) = (self.tree.edge(edge).name, self.tree.edge(edge).spec);
        let node = match self.choose(name, spec)? {
            Ok(manifest) => self.tree.add(name, Some(manifest), None),
            Err(reason) => {
                let failure = self.fail(name, spec, reason);
                self.tree.add(name, None, Some(failure))
            }
        };
        self.tree.attach(node, set);
        Ok(node)
    }

    /// Loads what `node` needs as peers beside it. Where two disagree, the
    /// dependant's own wish comes first, then what is there already; a
    /// disagreement within what the project itself asks for is an error
    /// (`strict-peer-deps`: any).
    fn load_peers(&mut self, node: NodeId, required: &mut NodeSet, depth: u32) -> Result<(), Failure> {
        let mut edges: Vec<EdgeId> = self.tree.node(node).edges_out.clone();
        edges.retain(|&e| {
            let edge = self.tree.edge(e);
            edge.kind.is_peer() && !(edge.to.is_some() && self.tree.is_valid(e))
        });
        mirror::order::sort_by(&mut edges, |&a, &b| {
            let text = |e| self.tree.names.text(self.tree.edge(e).name).as_str();
            collate::compare(text(a), text(b))
        });
        for edge in edges {
            // A compatible peer may have taken this node's place in the meantime.
            let Some(set) = self.tree.node(node).parent else { return Ok(()) };
            let to = self.tree.edge(edge).to;
            if to.is_some() && self.tree.is_valid(edge) {
                continue;
            }
            let asked = self.tree.wish(set, self.tree.edge(edge).fold);
            let source = self.tree.node(set).source;
            let may_pass = !self.strict_peers && !source.is_some_and(|s| self.tree.is_importer(s));
            let Some(current) = to else {
                let Some(asked) = asked else {
                    self.load(edge, Some(set), None, required, depth)?;
                    continue;
                };
                let dep = self.load(asked, Some(set), Some(edge), required, depth)?;
                if self.tree.is_valid(edge) {
                    continue;
                }
                if may_pass || !required.contains(dep) {
                    self.tree.edge_mut(edge).conflicted = true;
                    continue;
                }
                if self.tree.node(node).parent.is_none() {
                    return Ok(());
                }
                return Err(self.peers_disagree(edge));
            };
            // Something is there that will not do. Would what will do please the others, too?
            let dep = self.load(edge, None, None, required, depth)?;
            if self.tree.can_replace(dep, current, &[]) {
                self.load(edge, Some(set), None, required, depth)?;
                continue;
            }
            if may_pass || !required.contains(self.tree.edge(edge).from) {
                continue;
            }
            return Err(self.peers_disagree(edge));
        }
        Ok(())
    }

    fn peers_disagree(&self, edge: EdgeId) -> Failure {
        let there = self.tree.resolve(self.tree.edge(edge).from, self.tree.edge(edge).fold);
        Failure::PeerConflict(Box::new(self.peer_conflict(edge, there)))
    }
}
