//! Why no versions fit: PubGrub's derivation turned into the steps a person
//! follows from the project down.

use super::{Node, Provider, Request, Versions};
use crate::error::Error;
use crate::place::Place;
use crate::requirement::Requirement;
use mirror::name::{MinzName, escape};
use mirror::order::{Map, Set};
use mirror::version::Version;
use pubgrub::{DerivationTree, External};
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

/// The steps of a conflict, in reading order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    pub project: MinzName,
    pub steps: Vec<Step>,
    /// The packages that cannot be satisfied, each with what is present of it.
    pub present: Vec<(MinzName, Vec<Version>)>,
    /// What in mzp.toml could be changed.
    pub change: Option<Change>,
}

/// One entry of mzp.toml with which everything would fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub name: MinzName,
    pub place: Option<Place>,
    /// In place of what it asks for.
    pub requirement: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// `dependant` (`None`: the project) needs `dependency`.
    Needs {
        dependant: Option<(MinzName, Vec<Version>)>,
        dependency: MinzName,
        /// As written, joined by commas when versions differ in it.
        requirement: String,
        place: Option<Place>,
    },
    /// These versions cannot be used at all.
    Unusable { name: MinzName, versions: Vec<Version>, reason: String },
}

impl Step {
    fn dependant(&self) -> Option<&MinzName> {
        match self {
            Self::Needs { dependant, .. } => dependant.as_ref().map(|(n, _)| n),
            Self::Unusable { name, .. } => Some(name),
        }
    }
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no set of versions fits")?;
        for step in &self.steps {
            match step {
                Step::Needs { dependant, dependency, requirement, place } => {
                    match dependant {
                        None => write!(f, "\n  {} needs {dependency} {}", self.project, escape(requirement))?,
                        Some((n, v)) => {
                            write!(f, "\n  {n} {} needs {dependency} {}", some(v), escape(requirement))?;
                        }
                    }
                    if let Some(place) = place {
                        write!(f, " ({place})")?;
                    }
                }
                Step::Unusable { name, versions, reason } => {
                    write!(f, "\n  {name} {} {}", some(versions), escape(reason))?;
                }
            }
        }
        for (name, versions) in &self.present {
            write!(f, "\n  present of {name}: {}", some(versions))?;
        }
        Ok(())
    }
}

/// At most six versions, the newest.
fn some(versions: &[Version]) -> String {
    let skipped = versions.len().saturating_sub(6);
    let names: Vec<_> = versions[skipped..].iter().map(Version::to_string).collect();
    format!("{}{}", if skipped > 0 { "…, " } else { "" }, names.join(", "))
}

type Tree = DerivationTree<Node, Versions, String>;

pub(super) fn explain(provider: &Provider<'_>, tree: &Tree) -> Error {
    let mut steps = Vec::new();
    for external in externals(tree) {
        let step = match external {
            External::FromDependencyOf(from, set, to, _) => needs(provider, from, set, to),
            External::Custom(node, set, reason) => node.package().map(|name| Step::Unusable {
                name: name.clone(),
                versions: inside(provider, name, set),
                reason: reason.clone(),
            }),
            External::NotRoot(..) | External::NoVersions(..) => None,
        };
        if let Some(step) = step
            && !steps.contains(&step)
        {
            steps.push(step);
        }
    }
    let steps = in_order(steps);
    if let Some(unknown) = unknown(provider, &steps) {
        return unknown;
    }
    let mut askers: Map<&MinzName, usize> = Map::new();
    for step in &steps {
        if let Step::Needs { dependency, .. } = step {
            *askers.or_insert_with(dependency, || 0) += 1;
        }
    }
    // What two ask for, or what has nothing to offer to the one who asks.
    let mut blamed: Set<&MinzName> = Set::new();
    blamed.extend(steps.iter().filter_map(|s| match s {
        Step::Needs { dependency, requirement, .. } => {
            let none = Requirement::parse(requirement)
                .is_ok_and(|r| provider.versions(dependency).is_ok_and(|v| !v.iter().any(|v| r.matches(v))));
            (none || askers.get(dependency).is_some_and(|n| *n > 1)).then_some(dependency)
        }
        Step::Unusable { .. } => None,
    }));
    let present = blamed
        .into_iter()
        .map(|n| (n.clone(), provider.versions(n).map(|v| v.to_vec()).unwrap_or_default()))
        .collect();
    let change = change(provider, &steps);
    Error::Conflict(Box::new(Conflict { project: provider.request.project.clone(), steps, present, change }))
}

/// Most entries that are tried.
const TRIED: usize = 8;

/// The first entry of the project's in these steps that, asking for any version, lets everything fit; those
/// of the packages that are fought over before the others.
fn change(provider: &Provider<'_>, steps: &[Step]) -> Option<Change> {
    let request = provider.request;
    let named = |name: &MinzName| {
        steps
            .iter()
            .any(|s| matches!(s, Step::Needs { dependant: None, dependency, .. } if dependency == name))
    };
    let asked = |name: &MinzName| {
        steps.iter().filter(|s| matches!(s, Step::Needs { dependency, .. } if dependency == name)).count()
    };
    let mut entries: Vec<_> =
        request.needs.iter().enumerate().filter(|(_, (need, _))| named(&need.name)).collect();
    mirror::order::sort_by_key(&mut entries, |(i, (need, _))| (asked(&need.name) < 2, *i));
    for (i, (need, place)) in entries.into_iter().take(TRIED) {
        let mut needs = request.needs.clone();
        needs[i].0.requirement = Requirement::any();
        let relaxed = Request {
            project: request.project.clone(),
            needs,
            platforms: request.platforms.clone(),
            preferred: Map::new(),
            first: &[],
            source: request.source,
        };
        let provider = Provider::new(&relaxed);
        if let Ok(solution) = pubgrub::resolve(&provider, Node::Root, Version::new(0, 0, 0))
            && let Some(version) = solution.get(&Node::Package(need.name.clone()))
        {
            let (name, place) = (need.name.clone(), place.clone());
            return Some(Change { name, place, requirement: Requirement::caret(version) });
        }
    }
    None
}

/// The leaves of the derivation, shared parts once, without recursion.
fn externals(tree: &Tree) -> Vec<&External<Node, Versions, String>> {
    let (mut out, mut seen, mut stack) = (Vec::new(), HashSet::new(), vec![tree]);
    while let Some(node) = stack.pop() {
        match node {
            DerivationTree::External(e) => out.push(e),
            DerivationTree::Derived(d) => {
                for cause in [&d.cause2, &d.cause1] {
                    if seen.insert(Arc::as_ptr(cause)) {
                        stack.push(cause);
                    }
                }
            }
        }
    }
    out
}

fn inside(provider: &Provider<'_>, name: &MinzName, set: &Versions) -> Vec<Version> {
    let all = provider.versions(name).map(|v| v.to_vec()).unwrap_or_default();
    all.into_iter().filter(|v| set.contains(v)).collect()
}

fn needs(provider: &Provider<'_>, from: &Node, set: &Versions, to: &Node) -> Option<Step> {
    let dependency = to.package()?.clone();
    let Some(name) = from.package() else {
        let (need, place) = provider.request.needs.iter().find(|(n, _)| n.name == dependency)?;
        return Some(Step::Needs {
            dependant: None,
            dependency,
            requirement: need.requirement.to_string(),
            place: place.clone(),
        });
    };
    if *name == dependency {
        return None; // a feature and its package
    }
    let versions = inside(provider, name, set);
    let mut texts: Vec<String> = Vec::new();
    for v in &versions {
        // Only what was looked at: explaining reads nothing new.
        let known = provider.candidates.borrow().get(&(name.clone(), v.clone())).cloned();
        for need in known.iter().flat_map(|c| &c.needs).filter(|n| n.name == dependency) {
            let text = need.requirement.to_string();
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
    }
    Some(Step::Needs {
        dependant: Some((name.clone(), versions)),
        dependency,
        requirement: texts.join(" or "),
        place: None,
    })
}

/// From the project down: a step stands after one that brings its dependant in.
fn in_order(mut left: Vec<Step>) -> Vec<Step> {
    let mut reached: Set<MinzName> = Set::new();
    let mut out = Vec::new();
    loop {
        let (ready, rest): (Vec<_>, Vec<_>) =
            left.into_iter().partition(|s| s.dependant().is_none_or(|n| reached.contains(n)));
        left = rest;
        if ready.is_empty() {
            out.append(&mut left);
            return out;
        }
        for step in &ready {
            if let Step::Needs { dependency, .. } = step {
                reached.insert(dependency.clone());
            }
        }
        out.extend(ready);
    }
}

/// The first package in the chain that no source knows.
fn unknown(provider: &Provider<'_>, steps: &[Step]) -> Option<Error> {
    let (name, mut at) = steps.iter().find_map(|s| match s {
        Step::Needs { dependant, dependency, .. } => {
            let known = provider.versions(dependency).is_ok_and(|v| !v.is_empty());
            (!known).then(|| (dependency.clone(), dependant.clone()))
        }
        Step::Unusable { .. } => None,
    })?;
    let mut chain = Vec::new();
    while let Some((n, versions)) = at {
        chain.push(match versions.last() {
            Some(v) => format!("{n} {v}"),
            None => n.to_string(),
        });
        if chain.len() > steps.len() {
            break;
        }
        at = steps.iter().find_map(|s| match s {
            Step::Needs { dependant, dependency, .. } if *dependency == n => Some(dependant.clone()),
            _ => None,
        })?;
    }
    chain.push(provider.request.project.to_string());
    chain.reverse();
    let suggestion = provider.request.source.suggest(&name);
    let registry = provider.request.source.asked(&name);
    Some(Error::UnknownPackage { name, chain, suggestion, registry })
}
