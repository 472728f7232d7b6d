//! Which version of a package a dependency gets (npm-pick-manifest): the one
//! that `latest` points to when it will do, else the highest that satisfies;
//! a deprecated one, or one whose `engines` do not fit, only when there is no
//! other. Only versions that can be had are looked at.

use super::engines::Node;
use super::index::Candidates;
use super::range::Range;
use super::spec::Wanted;
use crate::error::Result;
use mirror::version::Version;

/// What else bears on the choice.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// What `engines.node` is compared with.
    pub node: Node,
    /// Take nothing published later (Unix seconds). What has no date passes.
    pub before: Option<u64>,
    /// Packages for which `before` does not count: names, or beginnings with `*`.
    pub exempt: Vec<String>,
}

impl Rules {
    /// What bears on the choice of this package.
    pub fn of(&self, name: &str) -> Self {
        let is = |e: &String| e.strip_suffix('*').map_or(e == name, |start| name.starts_with(start));
        let exempt = self.before.is_some() && self.exempt.iter().any(is);
        Self { before: self.before.filter(|_| !exempt), exempt: Vec::new(), ..self.clone() }
    }

    pub fn in_time(&self, candidates: &dyn Candidates, i: usize) -> bool {
        self.before.is_none_or(|before| candidates.published(i) <= before)
    }
}

/// The place of the version to take; `None`: there is none that can be had.
pub fn choose(candidates: &dyn Candidates, wanted: &Wanted, rules: &Rules) -> Result<Option<usize>> {
    let node = &rules.node;
    let fits = &mut |i| Ok(node.is_unknown() || node.fits(&candidates.load(i)?.engines));
    choose_with(candidates, wanted, rules, fits)
}

/// The same, where somebody knows better how to find out whether a version is for the node that is here.
pub fn choose_with(
    candidates: &dyn Candidates,
    wanted: &Wanted,
    rules: &Rules,
    fits: &mut dyn FnMut(usize) -> Result<bool>,
) -> Result<Option<usize>> {
    let range = match wanted {
        Wanted::Unsupported(_) | Wanted::Member(_) | Wanted::Link(_) | Wanted::Packed(_) => return Ok(None),
        Wanted::Version(version, _) => {
            return Ok(find(candidates, version)
                .filter(|&i| candidates.is_available(i) && rules.in_time(candidates, i)));
        }
        Wanted::Tag(tag) => {
            let Some(version) = candidates.tag(tag).and_then(|v| Version::parse(v).ok()) else {
                // A mirror that was filled from plain archives knows no tags: the highest is the latest.
                return match Range::parse("*").filter(|_| &**tag == "latest") {
                    Some(all) => choose_with(candidates, &Wanted::Range(all), rules, fits),
                    None => Ok(None),
                };
            };
            return match find(candidates, &version) {
                Some(i) if !rules.in_time(candidates, i) => {
                    let range = Range::parse(&format!("<={version}"));
                    range
                        .map_or(Ok(None), |range| choose_with(candidates, &Wanted::Range(range), rules, fits))
                }
                found => Ok(found.filter(|&i| candidates.is_available(i))),
            };
        }
        Wanted::Range(range) => range,
    };
    if let Some(latest) = candidates.tag("latest").and_then(|v| Version::parse(v).ok())
        && (range.is_star() || range.satisfies(&latest))
        && let Some(i) = find(candidates, &latest)
        && candidates.is_available(i)
        && rules.in_time(candidates, i)
        && !candidates.is_deprecated(i)
        && fits(i)?
    {
        return Ok(Some(i));
    }
    // The best so far, by what speaks against it: nothing, deprecation, engines, both.
    let mut best = [None; 4];
    for i in (0..candidates.len()).rev() {
        let Ok(version) = Version::parse(candidates.version(i)) else { continue };
        if !range.satisfies(&version) || !candidates.is_available(i) || !rules.in_time(candidates, i) {
            continue;
        }
        let against = usize::from(candidates.is_deprecated(i)) + if fits(i)? { 0 } else { 2 };
        best[against].get_or_insert(i);
        if against == 0 {
            break;
        }
    }
    Ok(best.into_iter().flatten().next())
}

/// A version's place, by precedence.
pub fn find(candidates: &dyn Candidates, version: &Version) -> Option<usize> {
    let (mut low, mut high) = (0, candidates.len());
    while low < high {
        let middle = low + (high - low) / 2;
        let here = Version::parse(candidates.version(middle)).ok()?;
        match here.cmp_precedence(version) {
            std::cmp::Ordering::Less => low = middle + 1,
            std::cmp::Ordering::Greater => high = middle,
            std::cmp::Ordering::Equal => return Some(middle),
        }
    }
    None
}
