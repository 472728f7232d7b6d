//! Choosing versions: one of each package, the highest that satisfies all who
//! need it. The search is PubGrub's; this room gives it packages, features and
//! platforms, and words nothing but facts ([`Conflict`]).
//!
//! The answer is the union over the given platforms, so that one lock serves
//! them all. Features are nodes of their own in PubGrub's graph: a feature of a
//! version needs exactly that version, and whatever it turns on.

mod explain;
#[cfg(test)]
mod tests;

pub use explain::{Change, Conflict, Step};

use crate::error::{Error, Result};
use crate::feature::Part;
use crate::manifest::Manifest;
use crate::origin::Origin;
use crate::place::Place;
use crate::platform::{Platform, Support, supports};
use crate::requirement::Requirement;
use mirror::digest::Hash;
use mirror::name::MinzName;
use mirror::order::Map;
use mirror::version::Version;
use pubgrub::{
    Dependencies, DependencyConstraints, DependencyProvider, PackageResolutionStatistics, PubGrubError,
    Ranges,
};
use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;

/// Where packages are looked up.
pub trait PackageSource {
    /// What may be chosen, ascending. Empty: the name is unknown.
    fn versions(&self, name: &MinzName) -> Result<Vec<Version>>;
    /// What one of these versions needs and offers.
    fn dependencies(&self, name: &MinzName, version: &Version) -> Result<Candidate>;
    /// A known name close to an unknown one.
    fn suggest(&self, _name: &MinzName) -> Option<String> {
        None
    }
    /// The registry that does not have a name either.
    fn asked(&self, _name: &MinzName) -> Option<String> {
        None
    }
}

/// One version of a package, as far as solving needs to know it.
#[derive(Debug, Clone, Default)]
pub struct Candidate {
    pub needs: Vec<Need>,
    pub features: Vec<(String, Vec<Part>)>,
    /// Empty: every platform.
    pub supported: Vec<Support>,
    /// SHA-256 of its archive; `None`: not known.
    pub sha256: Option<Hash>,
    pub origin: Origin,
}

/// One dependency of a package or of the project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    pub name: MinzName,
    pub requirement: Requirement,
    /// Only for builds for this platform.
    pub platform: Option<&'static Platform>,
    pub optional: bool,
    /// Sorted.
    pub features: Vec<String>,
    pub default_features: bool,
}

/// What a project asks for.
pub struct Request<'a> {
    pub project: MinzName,
    pub needs: Vec<(Need, Option<Place>)>,
    pub platforms: Vec<&'static Platform>,
    /// Versions to keep where they fit: what the lock had.
    pub preferred: Map<MinzName, Version>,
    /// Decided before the others, so that these move rather than stay for their sake.
    pub first: &'a [MinzName],
    pub source: &'a dyn PackageSource,
}

/// One chosen package.
#[derive(Debug, Clone)]
pub struct Chosen {
    pub name: MinzName,
    pub version: Version,
    pub sha256: Option<Hash>,
    pub origin: Origin,
    /// Those of its needs that were followed.
    pub needs: Vec<Need>,
}

impl Need {
    pub fn of(platform: Option<&'static Platform>, d: &crate::manifest::Dependency) -> Self {
        let mut features = d.features.clone();
        mirror::order::sort(&mut features);
        features.dedup();
        Self {
            name: d.name.clone(),
            requirement: d.requirement.clone(),
            platform,
            optional: d.optional,
            features,
            default_features: d.default_features,
        }
    }
}

/// The needs of a project: all its tables, every feature on, so that the lock
/// holds whatever a build of it may want. Sorted.
pub fn project_needs(manifest: &Manifest) -> Vec<(Need, Option<Place>)> {
    let mut out: Vec<_> =
        manifest.all_dependencies().chain(manifest.dev_dependencies.iter().map(|d| (None, d))).collect();
    mirror::order::sort_by_key(&mut out, |(p, d)| (d.name.clone(), p.map(|p| p.name), d.place.line));
    out.into_iter()
        .map(|(platform, d)| {
            let mut need = Need { optional: false, ..Need::of(platform, d) };
            for part in manifest.features.iter().flat_map(|f| &f.parts) {
                if let Part::Of(package, feature) = part
                    && *package == need.name
                    && !need.features.contains(feature)
                {
                    need.features.push(feature.clone());
                }
            }
            mirror::order::sort(&mut need.features);
            (need, Some(d.place.clone()))
        })
        .collect()
}

/// Chooses. The result is sorted by name.
pub fn solve(request: &Request<'_>) -> Result<Vec<Chosen>> {
    let provider = Provider::new(request);
    let solution = match pubgrub::resolve(&provider, Node::Root, Version::new(0, 0, 0)) {
        Ok(solution) => solution,
        Err(PubGrubError::NoSolution(tree)) => return Err(explain::explain(&provider, &tree)),
        Err(
            PubGrubError::ErrorRetrievingDependencies { source, .. }
            | PubGrubError::ErrorChoosingVersion { source, .. }
            | PubGrubError::ErrorInShouldCancel(source),
        ) => return Err(source),
    };
    let mut versions = Map::new();
    for (node, version) in solution.iter() {
        if let Node::Package(name) = node {
            versions.insert(name.clone(), version.clone());
        }
    }
    versions
        .iter()
        .map(|(name, version)| {
            let candidate = provider.candidate(name, version)?;
            let mut needs: Vec<_> = candidate
                .needs
                .iter()
                .filter(|n| {
                    provider.applies(n) && versions.get(&n.name).is_some_and(|v| n.requirement.matches(v))
                })
                .cloned()
                .collect();
            mirror::order::sort_by_key(&mut needs, |n| (n.name.clone(), n.platform.map(|p| p.name)));
            let (sha256, origin) = (candidate.sha256, candidate.origin.clone());
            Ok(Chosen { name: name.clone(), version: version.clone(), sha256, origin, needs })
        })
        .collect()
}

/// What PubGrub decides about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Node {
    Root,
    Package(MinzName),
    Feature(MinzName, String),
}

impl Node {
    fn package(&self) -> Option<&MinzName> {
        match self {
            Self::Root => None,
            Self::Package(n) | Self::Feature(n, _) => Some(n),
        }
    }
}
impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str("the project"),
            Self::Package(n) => n.fmt(f),
            Self::Feature(n, feature) => write!(f, "{n}/{feature}"),
        }
    }
}

type Versions = Ranges<Version>;

struct Provider<'a> {
    request: &'a Request<'a>,
    versions: RefCell<HashMap<MinzName, Rc<[Version]>>>,
    candidates: RefCell<HashMap<(MinzName, Version), Rc<Candidate>>>,
}

impl<'a> Provider<'a> {
    fn new(request: &'a Request<'a>) -> Self {
        Self { request, versions: RefCell::default(), candidates: RefCell::default() }
    }

    fn versions(&self, name: &MinzName) -> Result<Rc<[Version]>> {
        if let Some(list) = self.versions.borrow().get(name) {
            return Ok(list.clone());
        }
        let list: Rc<[Version]> = self.request.source.versions(name)?.into();
        self.versions.borrow_mut().insert(name.clone(), list.clone());
        Ok(list)
    }

    fn candidate(&self, name: &MinzName, version: &Version) -> Result<Rc<Candidate>> {
        let key = (name.clone(), version.clone());
        if let Some(c) = self.candidates.borrow().get(&key) {
            return Ok(c.clone());
        }
        let candidate = Rc::new(self.request.source.dependencies(name, version)?);
        self.candidates.borrow_mut().insert(key, candidate.clone());
        Ok(candidate)
    }

    fn applies(&self, need: &Need) -> bool {
        need.platform.is_none_or(|p| self.request.platforms.contains(&p))
    }

    /// Exactly the present versions that a requirement matches, as few ranges:
    /// the requirement's own rules about pre-releases need nothing more.
    fn range(&self, name: &MinzName, requirement: &Requirement) -> Result<Versions> {
        use std::ops::Bound::{Excluded, Included, Unbounded};
        let versions = self.versions(name)?;
        let mut range = Ranges::empty();
        let mut start = None;
        for v in versions.iter() {
            match (start, requirement.matches(v)) {
                (None, true) => start = Some(v),
                (Some(from), false) => {
                    range = range
                        .union(&Ranges::from_range_bounds((Included(from.clone()), Excluded(v.clone()))));
                    start = None;
                }
                _ => {}
            }
        }
        if let Some(from) = start {
            range = range.union(&Ranges::from_range_bounds((Included(from.clone()), Unbounded)));
        }
        Ok(range)
    }

    fn add(&self, out: &mut Vec<(Node, Versions)>, need: &Need) -> Result<()> {
        let range = self.range(&need.name, &need.requirement)?;
        let mut put = |node: Node| match out.iter_mut().find(|(n, _)| *n == node) {
            Some((_, have)) => *have = have.intersection(&range),
            None => out.push((node, range.clone())),
        };
        put(Node::Package(need.name.clone()));
        if need.default_features {
            put(Node::Feature(need.name.clone(), "default".into()));
        }
        for f in &need.features {
            put(Node::Feature(need.name.clone(), f.clone()));
        }
        Ok(())
    }

    /// What turning on one feature of one version needs; `None`: it has no such feature.
    fn feature_needs(
        &self,
        name: &MinzName,
        version: &Version,
        feature: &str,
    ) -> Result<Option<Vec<(Node, Versions)>>> {
        let candidate = self.candidate(name, version)?;
        let exactly = Ranges::singleton(version.clone());
        let mut out = vec![(Node::Package(name.clone()), exactly.clone())];
        let optional = |wanted: &str| {
            let wanted = wanted.to_string();
            candidate.needs.iter().filter(move |n| n.name.as_str() == wanted && self.applies(n))
        };
        let Some((_, parts)) = candidate.features.iter().find(|(n, _)| n == feature) else {
            let mut found = feature == "default";
            for need in optional(feature).filter(|n| n.optional) {
                found = true;
                self.add(&mut out, need)?;
            }
            return Ok(found.then_some(out));
        };
        for part in parts {
            match part {
                Part::File(_) => {}
                Part::Name(other) if candidate.features.iter().any(|(n, _)| n == other) => {
                    if other != feature {
                        out.push((Node::Feature(name.clone(), other.clone()), exactly.clone()));
                    }
                }
                Part::Name(other) => {
                    for need in optional(other) {
                        self.add(&mut out, need)?;
                    }
                }
                Part::Of(package, theirs) => {
                    for need in optional(package.as_str()) {
                        let mut need = need.clone();
                        need.features.push(theirs.clone());
                        self.add(&mut out, &need)?;
                    }
                }
            }
        }
        Ok(Some(out))
    }
}

impl DependencyProvider for Provider<'_> {
    type P = Node;
    type V = Version;
    type VS = Versions;
    type Priority = (u32, bool, bool, Reverse<usize>);
    type M = String;
    type Err = Error;

    fn prioritize(
        &self,
        node: &Node,
        range: &Versions,
        conflicts: &PackageResolutionStatistics,
    ) -> Self::Priority {
        let count = node.package().map_or(0, |name| {
            self.versions(name).map_or(0, |v| v.iter().filter(|v| range.contains(*v)).count())
        });
        let first = node.package().is_some_and(|name| self.request.first.contains(name));
        (conflicts.conflict_count(), first, !matches!(node, Node::Feature(..)), Reverse(count))
    }

    fn choose_version(&self, node: &Node, range: &Versions) -> Result<Option<Version>> {
        let Some(name) = node.package() else { return Ok(Some(Version::new(0, 0, 0))) };
        if let Some(v) = self.request.preferred.get(name)
            && range.contains(v)
            && self.versions(name)?.contains(v)
        {
            return Ok(Some(v.clone()));
        }
        Ok(self.versions(name)?.iter().rev().find(|v| range.contains(*v)).cloned())
    }

    fn get_dependencies(
        &self,
        node: &Node,
        version: &Version,
    ) -> Result<Dependencies<Node, Versions, String>> {
        let mut out = Vec::new();
        match node {
            Node::Root => {
                for (need, _) in self.request.needs.iter().filter(|(n, _)| self.applies(n)) {
                    self.add(&mut out, need)?;
                }
            }
            Node::Package(name) => {
                let candidate = self.candidate(name, version)?;
                if !self.request.platforms.iter().any(|p| supports(&candidate.supported, p)) {
                    let names: Vec<_> = candidate.supported.iter().map(Support::name).collect();
                    return Ok(Dependencies::Unavailable(format!("supports only {}", names.join(", "))));
                }
                for need in candidate.needs.iter().filter(|n| !n.optional && self.applies(n)) {
                    self.add(&mut out, need)?;
                }
            }
            Node::Feature(name, feature) => match self.feature_needs(name, version, feature)? {
                Some(needs) => out = needs,
                None => return Ok(Dependencies::Unavailable(format!("has no feature `{feature}`"))),
            },
        }
        Ok(Dependencies::Available(DependencyConstraints::from_iter(out)))
    }
}
