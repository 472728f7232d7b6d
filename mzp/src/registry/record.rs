//! The index record of a version as mirrors hold it, written when it is packed
//! and read by the solver.
//!
//! What only MinZ needs stands in the record's `extra`, sorted by key:
//!
//! | key | value |
//! |---|---|
//! | `description` | one line |
//! | `keywords` | joined by commas |
//! | `feature.NAME` | what it brings, joined by commas |
//! | `targets` | `supported`, joined by commas |
//! | `wants.NAME` or `wants.NAME@PLATFORM` | features of that dependency, joined by commas; `!default` without its defaults |

use crate::error::Result;
use crate::feature::Part;
use crate::manifest::Manifest;
use crate::platform::{Platform, Support};
use crate::requirement::Requirement;
use crate::solve::{Candidate, Need};
use mirror::name::{MinzName, NameError};
use mirror::record::{Dependency, DependencyKind, VersionRecord};
use mirror::version::Version;

/// Names a record that breaks its grammar.
pub fn readable<T>(name: &MinzName, version: &Version, read: std::result::Result<T, NameError>) -> Result<T> {
    read.map_err(|e| {
        mirror::Error::Record { key: format!("{name} {version} ({e})"), what: "cannot be read" }.into()
    })
}

/// What solving needs of a record. Nothing in it is trusted.
pub fn candidate(record: &VersionRecord) -> std::result::Result<Candidate, NameError> {
    let extra = |key: &str| extra(record, key);
    let words =
        |text: &str| -> Vec<String> { text.split(',').filter(|w| !w.is_empty()).map(String::from).collect() };
    let mut out = Candidate {
        sha256: record.sha256,
        // A machine that this version does not know cannot be built for either.
        supported: words(extra("targets").unwrap_or("")).iter().filter_map(|t| Support::find(t)).collect(),
        ..Candidate::default()
    };
    for d in record.dependencies.iter().filter(|d| d.kind != DependencyKind::Dev) {
        let platform = match d.condition.as_str() {
            "" => None,
            name => match Platform::find(name) {
                Some(p) => Some(p),
                None => continue,
            },
        };
        let wants = extra(&wants_key(d)).unwrap_or("");
        let mut features = words(wants);
        features.retain(|f| f != "!default");
        features.iter().try_for_each(|f| crate::feature::check_name(f))?;
        out.needs.push(Need {
            name: MinzName::parse(&d.name)?,
            requirement: Requirement::parse(&d.range)?,
            platform,
            optional: d.kind == DependencyKind::Optional,
            features,
            default_features: !wants.split(',').any(|w| w == "!default"),
        });
    }
    for (key, value) in &record.extra {
        if let Some(name) = key.strip_prefix("feature.") {
            let parts = words(value).iter().map(|p| Part::parse(p)).collect::<std::result::Result<_, _>>()?;
            out.features.push((name.to_string(), parts));
        }
    }
    Ok(out)
}

/// What a record says under one of the keys that only MinZ needs.
pub fn extra<'a>(record: &'a VersionRecord, key: &str) -> Option<&'a str> {
    record.extra.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str())
}

fn wants_key(d: &Dependency) -> String {
    if d.condition.is_empty() {
        format!("wants.{}", d.name)
    } else {
        format!("wants.{}@{}", d.name, d.condition)
    }
}

/// The record of a package whose manifest this is; hash and sizes are the caller's.
pub fn record(manifest: &Manifest) -> VersionRecord {
    let mut record = VersionRecord::new(manifest.version.clone());
    let mut extra: Vec<(String, String)> = Vec::new();
    for (platform, d) in manifest.all_dependencies() {
        let dependency = Dependency {
            name: d.name.to_string(),
            range: d.requirement.to_string(),
            kind: if d.optional { DependencyKind::Optional } else { DependencyKind::Normal },
            condition: platform.map_or(String::new(), |p| p.name.to_string()),
        };
        let mut wants = d.features.clone();
        if !d.default_features {
            wants.push("!default".into());
        }
        if !wants.is_empty() {
            extra.push((wants_key(&dependency), wants.join(",")));
        }
        record.dependencies.push(dependency);
    }
    mirror::order::sort_by(&mut record.dependencies, |a, b| {
        (&a.name, &a.condition).cmp(&(&b.name, &b.condition))
    });
    for f in &manifest.features {
        let parts: Vec<_> = f.parts.iter().map(ToString::to_string).collect();
        extra.push((format!("feature.{}", f.name), parts.join(",")));
    }
    if !manifest.supported.is_empty() {
        let names: Vec<_> = manifest.supported.iter().map(Support::name).collect();
        extra.push(("targets".into(), names.join(",")));
    }
    if let Some(description) = &manifest.description {
        extra.push(("description".into(), description.chars().take(500).collect()));
    }
    if !manifest.keywords.is_empty() {
        // What has a comma in it is two.
        extra.push(("keywords".into(), manifest.keywords.join(",").chars().take(500).collect()));
    }
    mirror::order::sort(&mut extra);
    record.extra = extra;
    record
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn a_record_says_what_the_manifest_said() {
        let text = "[package]\nname = \"gfx\"\nversion = \"1.2.0\"\ndescription = \"d\"\n[dependencies]\ncore = \"1\"\nutils = { version = \">=0.3, <2\", features = [\"a\", \"b\"], default-features = false, optional = true }\n[platform-dependencies.cpm]\ncore = \"1.2\"\n[targets]\nsupported = [\"z80\", \"c64\"]\n[features]\nx = [\"src/x.minz\", \"utils/fast\"]\n[dev-dependencies]\ntesting = \"1\"\n[metadata]\nkeywords = [\"fast\", \"tiny\"]\n";
        let manifest = Manifest::parse(Path::new("mzp.toml"), text).unwrap();
        let record = record(&manifest);
        let keys: Vec<_> = record.extra.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(
            keys,
            [
                "description=d",
                "feature.x=src/x.minz,utils/fast",
                "keywords=fast,tiny",
                "targets=z80,c64",
                "wants.utils=a,b,!default"
            ]
        );
        let candidate = candidate(&record).unwrap();
        let mut expected: Vec<_> = manifest.all_dependencies().map(|(p, d)| Need::of(p, d)).collect();
        mirror::order::sort_by_key(&mut expected, |n| (n.name.clone(), n.platform.map(|p| p.name)));
        assert_eq!(candidate.needs, expected);
        assert_eq!(candidate.features[0].1, manifest.features[0].parts);
        assert_eq!(candidate.supported, manifest.supported);
    }

    #[test]
    fn a_hostile_record_is_an_error_not_a_path() {
        let mut record = VersionRecord::new(Version::new(1, 0, 0));
        record.dependencies.push(Dependency {
            name: "../../etc".into(),
            range: "1".into(),
            kind: DependencyKind::Normal,
            condition: String::new(),
        });
        assert!(candidate(&record).is_err());
        record.dependencies.clear();
        record.extra.push(("feature.x".into(), "../x.minz".into()));
        assert!(candidate(&record).is_err());
    }
}
