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
    let mut requests: Vec<Request<'_>> = Vec::new();
    let mut warnings = Vec::new();
    for manifest in manifests {
        requests.extend(within(manifest, &mut warnings)?);
    }
    mirror::order::sort_by(&mut requests, |a, b| alias(a.declared).cmp(alias(b.declared)));
    for two in requests.windows(2) {
        let (earlier, request) = (two[0], two[1]);
        if alias(earlier.declared) == alias(request.declared) && !same(earlier.declared, request.declared) {
            let other = Box::new(earlier.manifest.excerpt(earlier.declared.offset));
            return Err(Error {
                path: request.manifest.path.clone(),
                problem: Problem::Contradiction { alias: alias(request.declared).clone(), other },
                excerpt: Some(Box::new(request.manifest.excerpt(request.declared.offset))),
            });
        }
    }
    requests.dedup_by(|later, first| alias(later.declared) == alias(first.declared));
    Ok(Merged { requests, warnings })
}

fn alias(declared: &Declared) -> &PackageName {
    &declared.dependency.alias
}

/// One request a name, sorted.
fn within<'a>(manifest: &'a Manifest, warnings: &mut Vec<Warning>) -> Result<Vec<Request<'a>>, Error> {
    let mut all: Vec<&Declared> = manifest.dependencies.iter().collect();
    mirror::order::sort_by(&mut all, |a, b| alias(a).cmp(alias(b)));
    let mut requests: Vec<Request<'_>> = Vec::with_capacity(all.len());
    for declared in all {
        let Some(last) = requests.last_mut().filter(|r| alias(r.declared) == alias(declared)) else {
            requests.push(Request { declared, manifest });
            continue;
        };
        let earlier = last.declared;
        if rank(earlier) == rank(declared) {
            // `a/x` and `b/x` are two keys, but one folder.
            let first = Position::of(&manifest.text, earlier.offset);
            let (alias, other) = (alias(declared).clone(), earlier.key.clone());
            return Err(Error {
                path: manifest.path.clone(),
                problem: Problem::SameFolder { alias, other, first },
                excerpt: Some(Box::new(manifest.excerpt(declared.offset))),
            });
        }
        let (winner, loser) =
            if rank(declared) > rank(earlier) { (declared, earlier) } else { (earlier, declared) };
        // A peer that is also a dev dependency is how libraries are written.
        if loser.group != Group::Peer && !same(winner, loser) {
            let excerpt = manifest.excerpt(loser.offset);
            warnings.push(Warning::Overruled { excerpt, alias: alias(declared).clone(), by: winner.group });
        }
        last.declared = winner;
    }
    Ok(requests)
}
