//! Where a run's packages come from: its mirrors, in their order, and (unless
//! it is offline) the registries behind them.
//!
//! This is what stands between the install operation, which only knows
//! [`Supply`], and the sources: [`offline`] asks nobody, [`online`] asks the
//! registries and keeps what it gets in the home mirror.

pub mod offline;
pub mod online;

use crate::error::{Error, Missing, Result, Seen, Whereabouts};
use crate::install::download::Job;
use crate::install::fill::record_key;
use crate::install::run::Resolved;
use crate::resolve::failure::Reason;
use crate::resolve::graph::{Edge, EdgeKind, Graph, Package, PackageId};
use crate::resolve::index::Index;
use crate::resolve::{Failure, ImporterRequest, Resolution, Warning};
use crate::source::mirrors::Mirrors;
use crate::wants::Misses;
use mirror::digest::Integrity;
use mirror::name::PackageName;
use mirror::record::{Dependency, DependencyKind, Ecosystem, Key, VersionRecord};

/// Looks at what there is before versions are chosen, and changes what is asked for.
pub type Prepare<'a> = dyn Fn(&dyn Index, &mut Vec<ImporterRequest>) -> Result<()> + 'a;
/// Looks things up in the index of a run.
pub type Look<'a> = dyn FnMut(&dyn Index) -> Result<()> + 'a;

/// A resolution as the install wants it: every package with a strong hash, our
/// own where the upstream has none and a mirror has the archive. The ids that
/// still have none.
fn finished(resolution: Resolution, mirrors: &Mirrors) -> Result<(Resolved, Vec<PackageId>)> {
    let mut graph = resolution.graph;
    let mut weak = Vec::new();
    for id in graph.ids() {
        let package = graph.package(id);
        // Of a folder of the project there is no archive.
        if package.is_linked() || is_strong(package.integrity.as_ref()) {
            continue;
        }
        let found = mirrors.archive(&record_key(package), &package.version, package.integrity.as_ref())?;
        match found.and_then(|(_, record)| record.sha256) {
            Some(sha256) => graph.packages[id.index()].integrity = Some(Integrity::from(sha256)),
            None => weak.push(id),
        }
    }
    Ok((Resolved { graph, warnings: worded(&resolution.warnings) }, weak))
}

/// More optional dependencies left out than this are told in one line.
const TOLD: usize = 3;

/// The warnings' words; many dependencies left out become one warning.
pub fn worded(warnings: &[Warning]) -> Vec<String> {
    let left_out = |w: &&Warning| matches!(w, Warning::LeftOut(_));
    let names: Vec<&str> = warnings
        .iter()
        .filter_map(|w| match w {
            Warning::LeftOut(missing) => Some(missing.package.as_str()),
            _ => None,
        })
        .collect();
    if names.len() <= TOLD {
        return warnings.iter().map(ToString::to_string).collect();
    }
    let mut words: Vec<String> = warnings.iter().filter(|w| !left_out(w)).map(ToString::to_string).collect();
    let (count, shown) = (names.len(), names[..TOLD].join(", "));
    words.push(format!(
        "{count} optional dependencies cannot be had here and were left out: {} and {} more",
        mirror::name::escape(&shown),
        count - TOLD
    ));
    words
}

fn is_strong(integrity: Option<&Integrity>) -> bool {
    integrity.is_some_and(|i| i.algorithm().is_strong())
}

/// What has to be fetched for a package of a graph.
pub fn job(package: &Package) -> Job {
    Job {
        name: package.name.clone(),
        version: package.version.clone(),
        source: package.source.clone(),
        integrity: package.integrity.clone(),
        tarball: package.tarball.clone(),
        bins: package.bins.iter().map(|(_, path)| path.clone()).collect(),
    }
}

/// The index record of a package that only a lock has told about.
pub fn version_record(package: &Package) -> VersionRecord {
    let dependency = |edge: &Edge| Dependency {
        name: edge.alias.to_string(),
        range: edge.range.clone(),
        kind: match edge.kind {
            EdgeKind::Normal => DependencyKind::Normal,
            EdgeKind::Optional => DependencyKind::Optional,
            EdgeKind::Peer => DependencyKind::Peer,
            EdgeKind::PeerOptional => DependencyKind::PeerOptional,
        },
        condition: String::new(),
    };
    VersionRecord {
        integrity: package.integrity.clone(),
        tarball: package.tarball.clone(),
        dependencies: package.dependencies.iter().map(dependency).collect(),
        bundled: package.bundled.clone(),
        bins: package.bins.iter().map(|(n, p)| (n.to_string(), p.to_string())).collect(),
        os: package.os.clone(),
        cpu: package.cpu.clone(),
        libc: package.libc.clone(),
        engines: package.engines.clone(),
        install_script: package.install_script,
        deprecated: package.deprecated.clone(),
        ..VersionRecord::new(package.version.clone())
    }
}

/// Why the first of these locked packages cannot be had from mirrors, and who wants it. All are noted.
pub fn missing(mirrors: &Mirrors, graph: &Graph, ids: &[PackageId], misses: &Misses) -> Result<Error> {
    for id in ids {
        let package = graph.package(*id);
        misses.note(record_key(package), &package.version.to_string());
    }
    let id = ids[0];
    let package = graph.package(id);
    let version = package.version.to_string();
    let (mut whereabouts, mut label) = (Whereabouts::Unknown, None);
    for mirror in mirrors.iter() {
        let Some(view) = mirror.lookup(&record_key(package))? else { continue };
        whereabouts = match view.find(&version) {
            Some(i) if view.is_present(i) && !is_same(&view.load(i)?, package.integrity.as_ref()) => {
                // There, but with other bytes than the lock has seen: never a mere absence.
                let found = view.load(i)?.integrity.map(|i| i.to_string()).unwrap_or_default();
                return Ok(Error::OtherBytes {
                    package: format!("{}@{version}", package.name).into(),
                    mirror: mirror.dir().into(),
                    locked: package.integrity.as_ref().map(ToString::to_string).unwrap_or_default().into(),
                    found: found.into(),
                });
            }
            // Its file has gone from under the index, or it was removed on purpose.
            Some(i) => known(&view, i)?,
            None => continue,
        };
        if matches!(whereabouts, Whereabouts::ArchiveAbsent { .. }) {
            label = labelled(mirror);
        }
        break;
    }
    let last_seen = misses.seen(&record_key(package), Some(&version), mirrors).or(label);
    Ok(Error::Missing(Box::new(Missing {
        package: package.name.to_string(),
        range: version,
        chain: graph.chain(id),
        whereabouts,
        last_seen,
    })))
}

fn is_same(record: &VersionRecord, integrity: Option<&Integrity>) -> bool {
    record.integrity.as_ref() == integrity || record.sha256.map(Integrity::from).as_ref() == integrity
}

/// Of a version whose archive is absent: it was here once, or only its name came by.
fn known(view: &mirror::record::RecordView, i: usize) -> Result<Whereabouts> {
    let version = view.version(i).to_string();
    if view.load(i)?.sha256.is_some() {
        return Ok(Whereabouts::ArchiveAbsent { version });
    }
    Ok(Whereabouts::KnownUpstream { version, as_of: view.checked() })
}

/// The mirror itself as the last that had what its index still names.
fn labelled(mirror: &mirror::Mirror) -> Option<Seen> {
    let label = mirror.snapshot().label.clone();
    (!label.is_empty()).then_some(Seen { label, date: 0 })
}

/// The resolver's reason; which mirror an archive was last seen on is added here. `source`: the authority of a
/// name; `noted`: what is missing goes on the want-list.
pub fn failure(
    mut failure: Failure,
    mirrors: &Mirrors,
    misses: &Misses,
    source: &dyn Fn(&PackageName) -> String,
    noted: bool,
) -> Box<Error> {
    let all = if let Failure::Missing(all) = &mut failure { all.as_mut_slice() } else { &mut [] };
    for missing in all {
        let Ok(name) = PackageName::parse(&missing.package) else { continue };
        let (version, was_here) = match &missing.reason {
            Reason::UnknownName | Reason::NoVersion { .. } => (None, false),
            Reason::Absent { version, was_here, .. } => (Some(version.clone()), *was_here),
            Reason::NoMember { .. } | Reason::Unsupported(_) => continue,
        };
        let key = Key { ecosystem: Ecosystem::Npm, source: source(&name), name: missing.package.clone() };
        if !matches!(missing.reason, Reason::NoVersion { .. }) {
            let label = || mirrors.iter().find_map(labelled).filter(|_| was_here);
            missing.last_seen = misses.seen(&key, version.as_deref(), mirrors).or_else(label);
        }
        if noted {
            misses.note(key, missing.bare_range());
        }
    }
    Box::<Error>::from(failure)
}
