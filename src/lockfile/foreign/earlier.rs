//! The lockfiles of the earlier pantry, two formats under one name. They hold
//! names and versions; who depends on whom is for the index to say.
//!
//! ```text
//! {"version": "1.0",   "packages": {"a@1.0.0": {"name": "a", "version": "1.0.0", "resolved": "registry:a@1.0.0"}}}
//! {"version": "1.0.0", "lockfileVersion": 2, "workspaces": {…},
//!                      "packages": {"a@1.0.0": {…, "source": "npm", "integrity": "sha512-…"}}}
//! ```

use super::problem::{Fault, Problem, at, common, named};
use super::{importers, takes};
use crate::json::{Scanner, Syntax, loose};
use crate::lockfile::{self, DEFAULT_SOURCE};
use crate::resolve::ImporterRequest;
use crate::resolve::graph::{Graph, Package, PackageId};
use crate::resolve::spec::Spec;
use mirror::digest::Integrity;
use mirror::name::PackageName;
use mirror::version::Version;

pub fn document(text: &str, asked: &[ImporterRequest]) -> Result<Graph, Fault> {
    let mut json = Scanner::new(text, Syntax::Json);
    let mut packages: Option<Vec<Package>> = None;
    json.object()?;
    while let Some(key) = json.key()? {
        match &*key.name {
            "packages" => {
                let mut list = Vec::new();
                loose::members(&mut json, |json, key| {
                    list.extend(package(json, &key.name, key.offset)?);
                    Ok::<_, Fault>(())
                })?;
                packages = Some(list);
            }
            _ => drop(json.skip()?),
        }
    }
    json.end()?;
    let Some(packages) = packages else {
        return Err(Fault { offset: None, problem: common(lockfile::Problem::NoSection("packages")) });
    };
    let importers = importers(asked, |_, d| {
        let name = Spec::parse(&d.range).package.unwrap_or_else(|| d.alias.clone());
        let fits = |i: &usize| packages[*i].name == name && takes(&d.range, &packages[*i].version);
        let best = (0..packages.len()).filter(fits).max_by_key(|&i| &packages[i].version);
        best.map(|i| PackageId(i as u32))
    });
    Ok(Graph { importers, packages, ..Graph::default() })
}

/// `None`: something that is not of an npm registry, which the manifests ask for by themselves.
fn package(json: &mut Scanner<'_>, key: &str, offset: usize) -> Result<Option<Package>, Fault> {
    let split = key.get(1..).and_then(|t| t.find('@')).map(|i| (&key[..=i], &key[i + 2..]));
    let Some((name, version)) = split else { return at(offset, Problem::BadKey(key.into())) };
    let (mut integrity, mut source) = (None, None);
    loose::members::<Fault>(json, |json, field| {
        match &*field.name {
            "integrity" => integrity = loose::text(json)?,
            "source" => source = loose::text(json)?,
            _ => drop(json.skip()?),
        }
        Ok(())
    })?;
    if source.is_some_and(|s| s != "npm") {
        return Ok(None);
    }
    let name = named(offset, PackageName::parse(name))?;
    let version = named(offset, Version::parse_loose(version))?;
    // It put other words there as well, and trusted them.
    let integrity = integrity.and_then(|text| Integrity::parse(&text).ok());
    Ok(Some(Package { integrity, ..Package::new(name, version, DEFAULT_SOURCE) }))
}
