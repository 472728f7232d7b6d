//! Names, ranges and manifests as small numbers, so that the tree compares
//! and looks them up without touching text.

use super::graph::PackageId;
use super::spec::Spec;
use mirror::name::PackageName;
use mirror::record::VersionRecord;
use mirror::version::Version;
use std::collections::HashMap;
use std::rc::Rc;

/// A folder's or package's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(pub u32);

/// A name without regard to case: two folders that differ only in case are one
/// on many disks, so npm lets them share a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fold(pub u32);

/// A dependency's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpecId(pub u32);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ManifestId(pub u32);

/// What npm calls an edge's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    Normal,
    Dev,
    Optional,
    Peer,
    PeerOptional,
}

impl Kind {
    pub fn is_peer(self) -> bool {
        matches!(self, Self::Peer | Self::PeerOptional)
    }
    pub fn is_optional(self) -> bool {
        matches!(self, Self::Optional | Self::PeerOptional)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dep {
    pub name: Name,
    pub spec: SpecId,
    pub kind: Kind,
}

/// What a package depends on, in the order in which npm makes the edges.
#[derive(Debug, Default)]
pub struct Dependencies {
    list: Vec<Dep>,
    /// Places in the list, by name.
    by_fold: Vec<(Fold, u32)>,
}

impl Dependencies {
    /// npm makes a package's edges kind by kind; a later one of the same name
    /// takes the earlier one's place, at the end.
    pub fn new(mut list: Vec<Dep>, names: &Names) -> Self {
        mirror::order::sort_by_key(&mut list, |d| match d.kind {
            Kind::Peer => 0,
            Kind::PeerOptional => 1,
            Kind::Normal => 2,
            Kind::Optional => 3,
            Kind::Dev => 4,
        });
        let mut last = HashMap::with_capacity(list.len());
        last.extend(list.iter().enumerate().map(|(i, d)| (names.fold(d.name), i)));
        let mut i = 0;
        list.retain(|d| {
            i += 1;
            last[&names.fold(d.name)] == i - 1
        });
        let mut by_fold: Vec<_> = list.iter().zip(0..).map(|(d, i)| (names.fold(d.name), i)).collect();
        mirror::order::sort(&mut by_fold);
        Self { list, by_fold }
    }

    pub fn list(&self) -> &[Dep] {
        &self.list
    }
    /// Where in the list a name is.
    pub fn position(&self, fold: Fold) -> Option<usize> {
        let at = self.by_fold.binary_search_by_key(&fold, |d| d.0).ok()?;
        Some(self.by_fold[at].1 as usize)
    }
}

/// A version of a package, or an importer.
#[derive(Debug)]
pub struct Manifest {
    pub name: Name,
    pub version: Version,
    pub dependencies: Dependencies,
    /// Peers that make no edges, for the graph to show whom they find (`legacy-peer-deps`).
    pub peers: Vec<Dep>,
    /// Lie inside the archive; never placed.
    pub bundled: Vec<Name>,
    pub origin: Origin,
}

/// Where everything else about a package is written.
#[derive(Debug)]
pub enum Origin {
    Importer,
    /// A folder that the manifests name, by its place in [`super::ImporterRequest::folders`].
    Folder {
        at: u32,
        path: Rc<str>,
    },
    Index {
        source: Rc<str>,
        record: Rc<VersionRecord>,
    },
    Locked(PackageId),
}

/// One of each.
#[derive(Default)]
pub struct Names {
    texts: Vec<(PackageName, Fold)>,
    by_text: HashMap<PackageName, Name>,
    by_fold: HashMap<Box<str>, Fold>,
    specs: Vec<(Box<str>, Spec)>,
    by_value: HashMap<Box<str>, SpecId>,
}

impl Names {
    pub fn name(&mut self, text: &PackageName) -> Name {
        if let Some(&name) = self.by_text.get(text) {
            return name;
        }
        let next = Fold(self.by_fold.len() as u32);
        let folded = text.as_str().to_ascii_lowercase().into_boxed_str();
        let fold = *self.by_fold.entry(folded).or_insert(next);
        let name = Name(self.texts.len() as u32);
        self.texts.push((text.clone(), fold));
        self.by_text.insert(text.clone(), name);
        name
    }

    /// The name, where it has come up.
    pub fn known(&self, text: &PackageName) -> Option<Name> {
        self.by_text.get(text).copied()
    }

    /// Whether it has come up, in whatever case.
    pub fn has(&self, text: &PackageName) -> bool {
        !self.by_fold.is_empty() && self.by_fold.contains_key(text.as_str().to_ascii_lowercase().as_str())
    }

    pub fn spec(&mut self, value: &str) -> SpecId {
        if let Some(&spec) = self.by_value.get(value) {
            return spec;
        }
        let spec = SpecId(self.specs.len() as u32);
        self.specs.push((value.into(), Spec::parse(value)));
        self.by_value.insert(value.into(), spec);
        spec
    }

    pub fn text(&self, name: Name) -> &PackageName {
        &self.texts[name.0 as usize].0
    }
    pub fn fold(&self, name: Name) -> Fold {
        self.texts[name.0 as usize].1
    }
    pub fn folds(&self) -> usize {
        self.by_fold.len()
    }
    pub fn value(&self, spec: SpecId) -> &str {
        &self.specs[spec.0 as usize].0
    }
    pub fn parsed(&self, spec: SpecId) -> &Spec {
        &self.specs[spec.0 as usize].1
    }
}
