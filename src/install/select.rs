//! Which packages of a graph this install needs: the groups that were asked
//! for, minus what is not for this platform.
//!
//! An optional dependency that does not fit the platform, or requires something
//! that does not, is left out with everything that only it needs. A required
//! package that does not fit is kept and named in `unfit`, so that the caller
//! can refuse (npm: EBADPLATFORM).

use super::platform::Platform;
use crate::resolve::graph::{EdgeKind, Graph, Group, Importer, PackageId};

/// Which of the manifest's groups are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Groups {
    pub dev: bool,
    pub optional: bool,
}

pub struct Selection {
    /// One flag per package of the graph.
    pub included: Vec<bool>,
    /// One per importer: whether its folder is among those that are installed for.
    pub importers: Vec<bool>,
    /// Required, but not for this platform.
    pub unfit: Vec<PackageId>,
    /// Optional and left out because of the platform.
    pub skipped: Vec<PackageId>,
}

/// `failed`: packages whose scripts have failed here, which fit as little as those for other platforms.
/// `unwanted`: also what is left out where it is optional, but may be required.
/// `only`: for these folders of the workspace, and the members that they need.
pub fn select(
    graph: &Graph,
    groups: Groups,
    platform: &Platform,
    failed: &[PackageId],
    unwanted: &[PackageId],
    only: Option<&[String]>,
) -> Selection {
    let mut fits: Vec<bool> =
        graph.packages.iter().map(|p| platform.accepts(&p.os, &p.cpu, &p.libc)).collect();
    failed.iter().for_each(|id| fits[id.index()] = false);
    let may_be: Vec<PackageId> = unwanted.iter().copied().filter(|id| fits[id.index()]).collect();
    may_be.iter().for_each(|id| fits[id.index()] = false);
    let broken = broken(graph, &fits);
    let mut included = vec![false; graph.packages.len()];
    let mut skipped = Vec::new();
    let chosen = |path: &str| only.is_none_or(|only| only.iter().any(|p| p == path));
    let mut importers: Vec<bool> = graph.importers.iter().map(|i| chosen(&i.path)).collect();
    // Every member is linked, whoever needs it.
    let mut stack: Vec<PackageId> = graph.members().filter(|m| chosen(m.1)).map(|m| m.0).collect();
    let wants = |importer: &Importer, stack: &mut Vec<PackageId>, skipped: &mut Vec<PackageId>| {
        for wanted in &importer.dependencies {
            let Some(id) = wanted.target else { continue };
            match wanted.group {
                Group::Normal | Group::Peer => stack.push(id),
                Group::Dev if groups.dev => stack.push(id),
                Group::Optional if groups.optional && broken[id.index()] => skipped.push(id),
                Group::Optional if groups.optional => stack.push(id),
                Group::Dev | Group::Optional => {}
            }
        }
    };
    let asking = graph.importers.iter().zip(&importers).filter(|(_, on)| **on);
    asking.for_each(|(importer, _)| wants(importer, &mut stack, &mut skipped));
    while let Some(id) = stack.pop() {
        if std::mem::replace(&mut included[id.index()], true) {
            continue;
        }
        // A member that a chosen one needs.
        if let Some(path) = graph.package(id).folder()
            && let Ok(at) = graph.importers.binary_search_by(|i| i.path.as_str().cmp(path))
            && !std::mem::replace(&mut importers[at], true)
        {
            wants(&graph.importers[at], &mut stack, &mut skipped);
        }
        for edge in &graph.package(id).dependencies {
            let Some(target) = edge.target else { continue };
            match edge.kind {
                EdgeKind::Normal | EdgeKind::Peer => stack.push(target),
                EdgeKind::Optional if groups.optional && broken[target.index()] => skipped.push(target),
                EdgeKind::Optional if groups.optional => stack.push(target),
                // An optional peer is never installed for its own sake.
                EdgeKind::Optional | EdgeKind::PeerOptional => {}
            }
        }
    }
    may_be.iter().for_each(|id| fits[id.index()] = true);
    let unfit = graph.ids().filter(|id| included[id.index()] && !fits[id.index()]).collect();
    skipped.retain(|id| !included[id.index()]);
    mirror::order::sort(&mut skipped);
    skipped.dedup();
    Selection { included, importers, unfit, skipped }
}

/// Packages that cannot work on this platform: they do not fit it, or something they require does not.
fn broken(graph: &Graph, fits: &[bool]) -> Vec<bool> {
    let mut broken: Vec<bool> = fits.iter().map(|f| !f).collect();
    if fits.iter().all(|f| *f) {
        return broken;
    }
    let mut requirers: Vec<Vec<PackageId>> = vec![Vec::new(); graph.packages.len()];
    for id in graph.ids() {
        let required = graph.package(id).dependencies.iter().filter(|e| e.kind == EdgeKind::Normal);
        required.filter_map(|e| e.target).for_each(|target| requirers[target.index()].push(id));
    }
    let mut stack: Vec<PackageId> = graph.ids().filter(|id| broken[id.index()]).collect();
    while let Some(id) = stack.pop() {
        for &requirer in &requirers[id.index()] {
            if !std::mem::replace(&mut broken[requirer.index()], true) {
                stack.push(requirer);
            }
        }
    }
    broken
}
