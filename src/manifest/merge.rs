//! From all that the manifests declare to what the project asks for: one
//! dependency a folder name.
//!
//! Within one manifest the groups overrule one another as in npm
//! (`Node._loadDeps` of its arborist), later ones the earlier: peer, normal,
//! optional, dev. Between pantry's file and package.json nothing is overruled:
//! the same words are one dependency, different ones are an error.

use super::{Declared, Error, Manifest, Problem, Warning};
use crate::json::Position;
use crate::resolve::graph::Group;
use mirror::name::PackageName;
use std::collections::BTreeMap;

/// One dependency that the project asks for, and the manifest that does.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    pub declared: &'a Declared,
    pub manifest: &'a Manifest,
}

#[derive(Debug, Clone)]
pub struct Merged<'a> {
    /// Sorted by alias, each once.
    pub requests: Vec<Request<'a>>,
    pub warnings: Vec<Warning>,
}

fn rank(d: &Declared) -> u8 {
    match (d.group, d.optional_peer) {
        (Group::Peer, false) => 0,
        (Group::Peer, true) => 1,
        (Group::Normal, _) => 2,
        (Group::Optional, _) => 3,
        (Group::Dev, _) => 4,
    }
}

/// Whether two declarations mean the same, whatever their words.
fn same(a: &Declared, b: &Declared) -> bool {
    match (a.dependency.npm(), b.dependency.npm()) {
        (Ok(x), Ok(y)) => x == y,
        _ => a.dependency.source == b.dependency.source,
    }
}

/// What `manifests` (of one folder) ask for together.
pub fn merge(manifests: &[Manifest]) -> Result<Merged<'_>, Error> {
    let mut all: BTreeMap<&PackageName, Request<'_>> = BTreeMap::new();
    let mut warnings = Vec::new();
    for manifest in manifests {
        for (alias, request) in within(manifest, &mut warnings)? {
            let Some(earlier) = all.get(alias) else {
                all.insert(alias, request);
                continue;
            };
            if !same(earlier.declared, request.declared) {
                let other = Box::new(earlier.manifest.excerpt(earlier.declared.offset));
                return Err(Error {
                    path: manifest.path.clone(),
                    problem: Problem::Contradiction { alias: alias.clone(), other },
                    excerpt: Some(Box::new(manifest.excerpt(request.declared.offset))),
                });
            }
        }
    }
    Ok(Merged { requests: all.into_values().collect(), warnings })
}

fn within<'a>(
    manifest: &'a Manifest,
    warnings: &mut Vec<Warning>,
) -> Result<BTreeMap<&'a PackageName, Request<'a>>, Error> {
    let mut chosen: BTreeMap<&PackageName, &Declared> = BTreeMap::new();
    for declared in &manifest.dependencies {
        let alias = &declared.dependency.alias;
        let Some(&earlier) = chosen.get(alias) else {
            chosen.insert(alias, declared);
            continue;
        };
        if rank(earlier) == rank(declared) {
            // `a/x` and `b/x` are two keys, but one folder.
            let first = Position::of(&manifest.text, earlier.offset);
            let problem = Problem::SameFolder { alias: alias.clone(), other: earlier.key.clone(), first };
            return Err(Error {
                path: manifest.path.clone(),
                problem,
                excerpt: Some(Box::new(manifest.excerpt(declared.offset))),
            });
        }
        let (winner, loser) =
            if rank(declared) > rank(earlier) { (declared, earlier) } else { (earlier, declared) };
        // A peer that is also a dev dependency is how libraries are written.
        if loser.group != Group::Peer && !same(winner, loser) {
            let excerpt = manifest.excerpt(loser.offset);
            warnings.push(Warning::Overruled { excerpt, alias: alias.clone(), by: winner.group });
        }
        chosen.insert(alias, winner);
    }
    let mut requests = BTreeMap::new();
    requests.extend(chosen.into_iter().map(|(alias, declared)| (alias, Request { declared, manifest })));
    Ok(requests)
}
