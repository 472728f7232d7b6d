//! Which locked packages have newer versions, which of these an update would
//! take, and what holds the others back.

use crate::error::{Error, Result};
use crate::install::{Options, choose};
use crate::lockfile;
use crate::origin::Origin;
use crate::platform::{Support, supports};
use crate::registry::{Registry, candidate, readable};
use crate::solve::project_needs;
use mirror::name::MinzName;
use mirror::version::Version;
use std::path::Path;

#[derive(Debug)]
pub struct Outdated {
    pub name: MinzName,
    pub current: Version,
    /// What an update takes.
    pub allowed: Version,
    /// The newest that is no pre-release, unless all are.
    pub newest: Version,
    /// Why an update does not take the newest.
    pub held: Vec<Hold>,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Hold {
    /// Somebody (`None`: the manifest) asks for others.
    Requirement { by: Option<(MinzName, Version)>, requirement: String },
    /// It is for other machines.
    Targets(Vec<&'static str>),
    /// What it needs does not fit with the rest.
    Needs,
}

/// Sorted by name. Changes nothing.
pub fn outdated(project: &Path, registry: &Registry) -> Result<Vec<Outdated>> {
    let choice = choose(project, registry, &Options { update: Some(Vec::new()), ..Options::default() })?;
    let manifest = &choice.manifest;
    let Some(old) = &choice.old else {
        return Err(Error::NoLock { path: manifest.root().join(lockfile::FILE) });
    };
    let mut out = Vec::new();
    for locked in &old.packages {
        let name = &locked.name;
        // What an update no longer needs is not behind.
        let Some(allowed) = choice.lock.get(name).map(|p| p.version.clone()) else { continue };
        // What is where it is has no newer version anywhere else.
        let Some(origin @ (Origin::Registry | Origin::Named(_))) = choice.lock.get(name).map(|p| &p.origin)
        else {
            continue;
        };
        let newest = registry.newest(origin, name)?.filter(|newest| *newest > allowed);
        let newest = newest.unwrap_or_else(|| allowed.clone());
        if newest == locked.version && allowed == locked.version {
            continue;
        }
        let mut held = Vec::new();
        if newest != allowed {
            let project = project_needs(manifest).into_iter().map(|(need, _)| (None, need));
            let packages = choice.lock.packages.iter().flat_map(|p| {
                p.needs.iter().map(move |need| (Some((p.name.clone(), p.version.clone())), need.clone()))
            });
            for (by, need) in project.chain(packages) {
                if need.name == *name && !need.requirement.matches(&newest) {
                    held.push(Hold::Requirement { by, requirement: need.requirement.to_string() });
                }
            }
            if held.is_empty() {
                let supported =
                    readable(name, &newest, candidate(&registry.record(origin, name, &newest)?))?.supported;
                held.push(match manifest.platforms().iter().any(|p| supports(&supported, p)) {
                    true => Hold::Needs,
                    false => Hold::Targets(supported.iter().map(Support::name).collect()),
                });
            }
        }
        out.push(Outdated { name: name.clone(), current: locked.version.clone(), allowed, newest, held });
    }
    Ok(out)
}
