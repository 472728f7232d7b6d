//! Choosing versions. Pure: the index is asked through a trait, nothing here
//! reads a file or a socket.
//!
//! [`resolve`] chooses what npm 11 would choose for the same manifests and the
//! same index (arborist's ideal tree), and gives it as a [`graph::Graph`].
//! npm's answer depends on where in `node_modules` things end up, so a tree is
//! built here as npm builds it:
//!
//! ```text
//! spec, range, choose    what a dependency's value asks for, and the version it gets
//! engines                whether a package is for the node that is here
//! overrides              values that the project puts in the place of packages' own
//! names                  names, values and manifests as small numbers
//! tree                   folders and edges; an edge always points to what Node would find
//! build                  the loop: load what a node lacks, place it, look at those it disturbs
//! peers                  a package and its peers loaded side by side, to agree before they are placed
//! place                  how high it can go: free, replace, keep, conflict
//! finish                 failed optional branches and leftovers out; the tree as a graph, and where its
//!                        folders are not where the graph alone would have them
//! edit                   an edit that leaves alone what is locked, answered without the tree
//! failure                why not, and what was let pass
//! ```
//!
//! What is knowingly not as in npm: an `npm-shrinkwrap.json` inside a package
//! is not looked at; git repositories and addresses are refused until their
//! sources exist; `workspace:` means a member, as in pnpm and yarn.

mod build;
pub mod choose;
pub mod collate;
pub mod edit;
pub mod engines;
pub mod failure;
mod finish;
pub mod graph;
pub mod index;
mod names;
pub mod overrides;
mod peers;
mod place;
pub mod range;
pub mod spec;
mod tree;

#[cfg(test)]
mod tests;

pub use choose::Rules;
pub use failure::{Failure, Missing, PeerConflict, Reason, Step, Warning};
pub use overrides::{Override, Selector};

use graph::{EdgeKind, Graph, Group};
use index::Index;
use mirror::name::{BinName, PackageName, RelPath};
use mirror::record::VersionRecord;
use mirror::version::Version;
use names::Kind;

/// What is to be resolved.
#[derive(Debug, Clone, Default)]
pub struct Request<'a> {
    /// The project (path `""`) and its workspace members, in any order.
    pub importers: Vec<ImporterRequest>,
    /// What was chosen last time: kept wherever it still satisfies, with no
    /// question to the index.
    pub locked: Option<&'a Graph>,
    /// Packages to choose anew wherever they are, though the lock has them.
    pub update: Vec<PackageName>,
    /// Dependencies of an importer (its path, the alias) that the user just
    /// named: chosen anew.
    pub explicit: Vec<(String, PackageName)>,
    pub rules: Rules,
    /// Peers are neither installed nor checked (npm's `legacy-peer-deps`).
    pub legacy_peers: bool,
    /// Peers that contradict each other are an error wherever they are (npm's `strict-peer-deps`).
    pub strict_peers: bool,
    /// What is there is kept before a newer version is put beside it (npm's `prefer-dedupe`).
    pub prefer_dedupe: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImporterRequest {
    /// From the project's root with `/`; `""` is the root.
    pub path: String,
    /// In any order.
    pub dependencies: Vec<Requested>,
    /// Those of the project count. In the order of the manifests: of two that match, the first does.
    pub overrides: Vec<Override>,
    /// Those of the project count: members of the workspace, and other folders that manifests name.
    pub folders: Vec<Folder>,
    /// Those of the project count: archives that manifests name.
    pub packed: Vec<Packed>,
}

/// An archive of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// From the project's root with `/`; `../` in front where it lies outside.
    pub path: String,
    pub name: PackageName,
    /// What its own package.json says; its hash as SHA-512.
    pub record: VersionRecord,
}

/// A folder that is a package: what depends on it gets a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// From the project's root with `/`; `../` in front where it lies outside.
    pub path: String,
    pub name: PackageName,
    pub version: Version,
    pub bins: Vec<(BinName, RelPath)>,
    /// Of the workspace: the project itself gets a link in any case.
    pub member: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requested {
    pub alias: PackageName,
    /// As the manifest has it.
    pub range: String,
    pub group: Group,
    /// A peer with `peerDependenciesMeta.optional`.
    pub optional_peer: bool,
}

impl ImporterRequest {
    /// As a lock records them, each key once.
    pub fn overrides_as_text(&self) -> Vec<(String, String)> {
        let mut all: Vec<(String, String)> = Vec::with_capacity(self.overrides.len());
        for o in &self.overrides {
            let key = o.to_string();
            if !all.iter().any(|known| known.0 == key) {
                all.push((key, o.value.clone()));
            }
        }
        all
    }
}

impl Requested {
    fn kind(&self) -> Kind {
        match self.group {
            Group::Normal => Kind::Normal,
            Group::Dev => Kind::Dev,
            Group::Optional => Kind::Optional,
            Group::Peer if self.optional_peer => Kind::PeerOptional,
            Group::Peer => Kind::Peer,
        }
    }
}

impl From<EdgeKind> for Kind {
    fn from(kind: EdgeKind) -> Self {
        match kind {
            EdgeKind::Normal => Self::Normal,
            EdgeKind::Optional => Self::Optional,
            EdgeKind::Peer => Self::Peer,
            EdgeKind::PeerOptional => Self::PeerOptional,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution {
    pub graph: Graph,
    /// Each once, in the order in which they came up.
    pub warnings: Vec<Warning>,
}

/// Chooses what npm would choose. A lock never makes fail what would succeed
/// without one: its graph may be such that peers cannot all be kept beside
/// their dependants once something has changed. What is chosen without it
/// comes with [`Warning::LockLeft`].
pub fn resolve(request: &Request<'_>, index: &dyn Index) -> Result<Resolution, Failure> {
    if let Some(resolution) = edit::answer(request, Some(index)) {
        return Ok(resolution);
    }
    let failure = match attempt(request, index) {
        Err(failure) if request.locked.is_some() && failure.is_of_the_tree() => failure,
        answer => return answer,
    };
    let Ok(mut anew) = attempt(&Request { locked: None, ..request.clone() }, index) else {
        return Err(failure);
    };
    anew.warnings.insert(0, Warning::LockLeft(failure.to_string()));
    Ok(anew)
}

fn attempt(request: &Request<'_>, index: &dyn Index) -> Result<Resolution, Failure> {
    let mut builder = build::Builder::new(request, index)?;
    builder.run()?;
    finish::prune(&mut builder)?;
    Ok(finish::resolution(builder, request))
}

/// The tree that [`resolve`] builds, before it becomes a graph: each folder's
/// path from the project and what lies there, sorted by path. For comparing
/// with npm's.
pub fn tree(request: &Request<'_>, index: &dyn Index) -> Result<Vec<(String, String)>, Failure> {
    let mut builder = build::Builder::new(request, index)?;
    builder.run()?;
    finish::prune(&mut builder)?;
    Ok(finish::listing(&builder))
}
