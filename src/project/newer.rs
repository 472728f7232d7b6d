//! Which newer versions of a project's own dependencies there are: for `outdated`, and for
//! `update --latest`, which lets go of the manifest's ranges.

use crate::error::Result;
use crate::resolve::Requested;
use crate::resolve::choose::{Rules, choose};
use crate::resolve::graph::Group;
use crate::resolve::index::{Candidates, Index};
use crate::resolve::spec::{Spec, Wanted};
use mirror::name::PackageName;
use mirror::version::Version;

/// A dependency whose best versions were looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Newer {
    pub alias: PackageName,
    /// The package behind it.
    pub name: PackageName,
    pub group: Group,
    /// The highest that the manifest allows, and the one that is tagged `latest`, as far as they can be had.
    pub wanted: Option<Version>,
    pub latest: Option<Version>,
}

/// Looks one dependency up; `None` for what comes from no registry, or is unknown to it.
pub fn look(index: &dyn Index, requested: &Requested, rules: &Rules) -> Result<Option<Newer>> {
    let spec = Spec::parse(&requested.range);
    let Some(name) = spec.registry_name(&requested.alias) else { return Ok(None) };
    let Some(candidates) = index.package(&name)? else { return Ok(None) };
    let rules = rules.of(name.as_str());
    let wanted = version(&*candidates, &spec.wanted, &rules)?;
    let mut latest = version(&*candidates, &Wanted::Tag("latest".into()), &rules)?;
    if latest.is_none() {
        // What is tagged cannot be had here: the highest that can.
        latest = version(&*candidates, &Spec::parse("*").wanted, &rules)?;
    }
    Ok(Some(Newer { alias: requested.alias.clone(), name, group: requested.group, wanted, latest }))
}

fn version(candidates: &dyn Candidates, wanted: &Wanted, rules: &Rules) -> Result<Option<Version>> {
    let found = choose(candidates, wanted, rules)?;
    Ok(found.and_then(|i| Version::parse(candidates.version(i)).ok()))
}

/// A dependency that goes to the newest version: what the resolver is asked for, and what is written.
pub struct Raised {
    pub asked: String,
    pub written: String,
}

/// Where the newest version is beyond what the manifest allows, or newer than a range that names one
/// version. Never a step back. The manifest's own way of writing ranges stays.
pub fn raise(requested: &Requested, newer: &Newer, prefix: &str) -> Option<Raised> {
    let latest = newer.latest.as_ref()?;
    let spec = Spec::parse(&requested.range);
    let range = match (&spec.package, requested.range.rfind('@')) {
        (Some(_), Some(at)) if at > "npm:".len() => &requested.range[at + 1..],
        (Some(_), _) => "*",
        (None, _) => requested.range.as_str(),
    };
    let prefix = match (range.chars().next()?, &spec.wanted) {
        ('^', _) if !range.contains(' ') => "^",
        ('~', _) if !range.contains(' ') => "~",
        (_, Wanted::Version(..)) => "",
        // A tag, `*` or `>=1` goes along by itself.
        (_, Wanted::Tag(_)) => return None,
        _ if newer.wanted.as_ref() == Some(latest) => return None,
        _ => prefix,
    };
    if newer.wanted.as_ref().is_some_and(|wanted| wanted.cmp_precedence(latest).is_gt()) {
        return None;
    }
    let with = |range: String| match &spec.package {
        Some(name) => format!("npm:{name}@{range}"),
        None => range,
    };
    Some(Raised { asked: with(latest.to_string()), written: with(format!("{prefix}{latest}")) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_raised_in_their_own_style() {
        let name = PackageName::parse("left").unwrap();
        for (range, wanted, latest, expected) in [
            ("^1.0.0", "1.5.0", "2.1.0", Some("^2.1.0")),
            ("^1.0.0", "1.5.0", "1.5.0", Some("^1.5.0")),
            ("~1.0.0", "1.0.9", "2.1.0", Some("~2.1.0")),
            ("1.0.0", "1.0.0", "2.1.0", Some("2.1.0")),
            ("1.x", "1.5.0", "2.1.0", Some(">2.1.0")),
            (">=1", "2.1.0", "2.1.0", None),
            ("*", "2.1.0", "2.1.0", None),
            ("next", "3.0.0-rc.1", "2.1.0", None),
            ("^3.0.0-rc.1", "3.0.0-rc.1", "2.1.0", None),
            ("npm:real@^1", "1.5.0", "2.1.0", Some("npm:real@^2.1.0")),
        ] {
            let version = |text| Some(Version::parse(text).unwrap());
            let requested = Requested {
                alias: name.clone(),
                range: range.into(),
                group: Group::Normal,
                optional_peer: false,
            };
            let newer = Newer {
                alias: name.clone(),
                name: name.clone(),
                group: Group::Normal,
                wanted: version(wanted),
                latest: version(latest),
            };
            let raised = raise(&requested, &newer, ">").map(|r| r.written);
            assert_eq!(raised.as_deref(), expected, "{range}");
        }
    }
}
