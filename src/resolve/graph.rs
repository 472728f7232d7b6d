//! The result of a resolution, and what a lockfile holds: which packages, at
//! which versions, and which package each dependency edge points to.
//!
//! Plain data, no I/O. The resolver makes it, `lockfile` writes and reads it,
//! `install` turns it into a tree. It is the union for all platforms: what is
//! not for this one is left out when a tree is planned, never here.

use mirror::digest::Integrity;
use mirror::name::{BinName, PackageName, RelPath};
use mirror::version::Version;

/// Index into [`Graph::packages`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PackageId(pub u32);

impl PackageId {
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Graph {
    /// Sorted by path; the project itself is `""`.
    pub importers: Vec<Importer>,
    /// Sorted by (name, version, variant), so that ids are stable.
    pub packages: Vec<Package>,
    /// Folders that the hoisted layout has elsewhere than it would by the rest
    /// alone (`install::hoist`), from the project's root; sorted.
    pub places: Vec<String>,
}

/// A manifest whose dependencies were asked for: the project, or a workspace member.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Importer {
    /// Path from the project's root with `/`; `""` is the root.
    pub path: String,
    /// Sorted by alias.
    pub dependencies: Vec<Wanted>,
    /// What was put in the place of packages' own words, and by what; in the manifest's order.
    pub overrides: Vec<(String, String)>,
}

/// One dependency of an importer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub alias: PackageName,
    /// The range as the manifest has it (`^1.2.0`, `latest`, `npm:x@1`).
    pub range: String,
    pub group: Group,
    /// `None`: an optional dependency that could not be had, or an optional peer that nothing provides.
    pub target: Option<PackageId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Group {
    Normal,
    Dev,
    Optional,
    Peer,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// The package's own name (an alias is the edge's business).
    pub name: PackageName,
    pub version: Version,
    /// 0, or 1, 2, … where the same version is used with different resolved
    /// dependencies (peer contexts, or nested copies that npm would make).
    pub variant: u32,
    /// The authority the name belongs to: `npm`, or `npm+<url>` (see [`mirror::record::Key`]).
    pub source: String,
    /// `None` only for what has no archive (a linked folder).
    pub integrity: Option<Integrity>,
    /// Archive URL where it cannot be derived from the source, name and version.
    pub tarball: Option<String>,
    /// Sorted by alias.
    pub dependencies: Vec<Edge>,
    /// Sorted by command name.
    pub bins: Vec<(BinName, RelPath)>,
    /// npm's platform filters, each entry possibly `!negated`; empty: any.
    pub os: Vec<String>,
    pub cpu: Vec<String>,
    pub libc: Vec<String>,
    /// `engines.node` as written.
    pub engines: Vec<(String, String)>,
    /// Names that lie inside the archive (their own trees are not our business).
    pub bundled: Vec<String>,
    /// Wants to run a lifecycle script at install.
    pub install_script: bool,
    pub deprecated: Option<String>,
}

impl Package {
    /// One of which nothing else is known.
    pub fn new(name: PackageName, version: Version, source: &str) -> Self {
        Self {
            name,
            version,
            variant: 0,
            source: source.into(),
            integrity: None,
            tarball: None,
            dependencies: Vec::new(),
            bins: Vec::new(),
            os: Vec::new(),
            cpu: Vec::new(),
            libc: Vec::new(),
            engines: Vec::new(),
            bundled: Vec::new(),
            install_script: false,
            deprecated: None,
        }
    }
}

/// The source of a folder of the project begins so; the rest is its path from the project's root.
pub const LINK: &str = "link:";

/// The source of an archive of this machine begins so; the rest is its path from the project's root.
pub const PACKED: &str = "file:";

impl Package {
    /// An archive that no mirror has, by its path from the project's root.
    pub fn packed(&self) -> Option<&str> {
        self.source.strip_prefix(PACKED)
    }
    /// Of this machine: no registry knows it.
    pub fn is_local(&self) -> bool {
        self.is_linked() || self.packed().is_some()
    }
    /// A folder of the project, which no mirror has.
    pub fn is_linked(&self) -> bool {
        self.folder().is_some()
    }
    /// Its path from the project's root.
    pub fn folder(&self) -> Option<&str> {
        self.source.strip_prefix(LINK)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// The folder name the depending package looks for.
    pub alias: PackageName,
    /// As the depending package wrote it.
    pub range: String,
    pub kind: EdgeKind,
    /// `None`: optional (or optional peer) and not there.
    pub target: Option<PackageId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EdgeKind {
    Normal,
    Optional,
    Peer,
    PeerOptional,
}

impl Graph {
    pub fn package(&self, id: PackageId) -> &Package {
        &self.packages[id.index()]
    }
    /// The shortest way from the project to a package: `name@version` of each step, without the package itself.
    pub fn chain(&self, to: PackageId) -> Vec<String> {
        let mut from: Vec<Option<Option<PackageId>>> = vec![None; self.packages.len()];
        let mut queue = std::collections::VecDeque::new();
        for id in self.importers.iter().flat_map(|i| &i.dependencies).filter_map(|w| w.target) {
            if from[id.index()].is_none() {
                from[id.index()] = Some(None);
                queue.push_back(id);
            }
        }
        while let Some(id) = queue.pop_front() {
            if id == to {
                break;
            }
            for target in self.package(id).dependencies.iter().filter_map(|e| e.target) {
                if from[target.index()].is_none() {
                    from[target.index()] = Some(Some(id));
                    queue.push_back(target);
                }
            }
        }
        let mut chain = Vec::new();
        let mut at = to;
        while let Some(Some(Some(parent))) = from.get(at.index()) {
            at = *parent;
            chain.push(format!("{}@{}", self.package(at).name, self.package(at).version));
        }
        chain.reverse();
        chain
    }

    /// The packages that are members of the workspace, with their paths.
    pub fn members(&self) -> impl Iterator<Item = (PackageId, &str)> {
        self.ids().filter_map(|id| {
            let path = self.package(id).folder()?;
            self.importers.binary_search_by(|i| i.path.as_str().cmp(path)).is_ok().then_some((id, path))
        })
    }

    pub fn ids(&self) -> impl Iterator<Item = PackageId> + use<> {
        (0..self.packages.len() as u32).map(PackageId)
    }
}
