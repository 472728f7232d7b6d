//! What the mirrors say about packages: one of them in full, or those that some
//! words lead to. Nothing in a record is trusted.

use crate::error::{Error, Result};
use crate::origin::Origin;
use crate::registry::{Registry, candidate, extra, readable};
use crate::solve::{Candidate, PackageSource};
use mirror::name::MinzName;
use mirror::record::VersionRecord;
use mirror::version::Version;
use std::collections::HashMap;

#[derive(Debug)]
pub struct Info {
    /// Ascending.
    pub versions: Vec<Version>,
    pub record: VersionRecord,
    pub candidate: Candidate,
}

impl Info {
    pub fn extra(&self, key: &str) -> Option<&str> {
        extra(&self.record, key)
    }
}

/// All about a version, the newest where none is given.
pub fn info(registry: &Registry, name: &MinzName, version: Option<&Version>) -> Result<Info> {
    let versions = registry.versions(name)?;
    let Some(newest) = registry.newest(&Origin::Registry, name)? else {
        let suggestion = registry.suggest(name);
        let registry = registry.asked(name);
        return Err(Error::UnknownPackage { name: name.clone(), chain: Vec::new(), suggestion, registry });
    };
    let version = version.unwrap_or(&newest);
    if !versions.contains(version) {
        let (name, version) = (name.clone(), version.clone());
        return Err(Error::AbsentVersion { name, version, present: versions });
    }
    let record = registry.record(&Origin::Registry, name, version)?;
    let candidate = readable(name, version, candidate(&record))?;
    Ok(Info { versions, record, candidate })
}

/// A package that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    pub name: String,
    pub version: Version,
    pub description: String,
    /// 0: the name itself; 1: all words are in the name; 2: they are in the text.
    rank: u8,
}

/// Packages with all the words in name, description or keywords of their newest
/// version, the best first; at most `most`, and how many there are.
pub fn search(registry: &Registry, words: &[&str], most: usize) -> Result<(Vec<Hit>, usize)> {
    let words: Vec<String> = words.iter().map(|w| w.to_lowercase()).collect();
    let whole = words.join("-");
    let mut hits: HashMap<String, Hit> = HashMap::new();
    registry.for_each(&mut |view| {
        let present = (0..view.len()).filter(|i| view.is_present(*i));
        let parsed = present.filter_map(|i| Some((Version::parse(view.version(i)).ok()?, i)));
        let Some((version, i)) =
            parsed.max_by(|a, b| (!a.0.is_prerelease(), &a.0).cmp(&(!b.0.is_prerelease(), &b.0)))
        else {
            return Ok(());
        };
        let name = &view.key().name;
        let record = view.load(i)?;
        let description = extra(&record, "description").unwrap_or_default();
        let text =
            format!("{name} {description} {}", extra(&record, "keywords").unwrap_or_default()).to_lowercase();
        let rank = match () {
            () if *name == whole => 0,
            () if words.iter().all(|w| name.contains(w.as_str())) => 1,
            () if words.iter().all(|w| text.contains(w.as_str())) => 2,
            () => return Ok(()),
        };
        let hit =
            Hit { name: name.clone(), version, description: description.chars().take(200).collect(), rank };
        // The newest that any mirror has speaks for the package.
        if hits.get(name).is_none_or(|other| other.version < hit.version) {
            hits.insert(name.clone(), hit);
        }
        Ok(())
    })?;
    let all = hits.len();
    let mut hits: Vec<Hit> = hits.into_values().collect();
    mirror::order::sort_by(&mut hits, |a, b| (a.rank, &a.name).cmp(&(b.rank, &b.name)));
    hits.truncate(most);
    Ok((hits, all))
}
