//! Which packages of a graph this install needs: the groups that were asked
//! for, minus what is not for this platform.
//!
//! An optional dependency that does not fit the platform, or requires something
//! that does not, is left out with everything that only it needs. A required
//! package that does not fit is kept and named in `unfit`, so that the caller
//! can refuse (npm: EBADPLATFORM).

use super::platform::Platform;
use crate::resolve::graph::{EdgeKind, Graph, Group, PackageId};

/// Which of the manifest's groups are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Groups {
    pub dev: bool,
    pub optional: bool,
}

pub struct Selection {
    /// One flag per package of the graph.
    pub included: Vec<bool>,
    /// Required, but not for this platform.
    pub unfit: Vec<PackageId>,
    /// Optional and left out because of the platform.
    pub skipped: Vec<PackageId>,
}

/// `failed`: packages whose scripts have failed here, which fit as little as those for other platforms.
pub fn select(graph: &Graph, groups: Groups, platform: &Platform, failed: &[PackageId]) -> Selection {
    let mut fits: Vec<bool> =
        graph.packages.iter().map(|p| platform.accepts(&p.os, &p.cpu, &p.libc)).collect();
    failed.iter().for_each(|id| fits[id.index()] = false);
    let broken = broken(graph, &fits);
    let mut included = vec![false; graph.packages.len()];
    let mut skipped = Vec::new();
    // Every member is linked, whoever needs it.
    let mut stack: Vec<PackageId> = graph.members().map(|m| m.0).collect();
    for wanted in graph.importers.iter().flat_map(|i| &i.dependencies) {
        let Some(id) = wanted.target else { continue };
        match wanted.group {
            Group::Normal | Group::Peer => stack.push(id),
            Group::Dev if groups.dev => stack.push(id),
            Group::Optional if groups.optional && broken[id.index()] => skipped.push(id),
            Group::Optional if groups.optional => stack.push(id),
            Group::Dev | Group::Optional => {}
        }
    }
    while let Some(id) = stack.pop() {
        if std::mem::replace(&mut included[id.index()], true) {
            continue;
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
    let unfit = graph.ids().filter(|id| included[id.index()] && !fits[id.index()]).collect();
    skipped.retain(|id| !included[id.index()]);
    mirror::order::sort(&mut skipped);
    skipped.dedup();
    Selection { included, unfit, skipped }
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
