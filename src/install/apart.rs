//! An edit that keeps to itself: what comes and what goes shares no name with
//! what stays. Then what stays lies where it lay: no folder of the one is ever
//! in the way of the other (`hoist` looks at nothing but who needs a name and
//! who has it), and only what comes has to be laid out.

use super::difference::Difference;
use crate::resolve::graph::{Edge, Graph, Importer, Package, PackageId, Wanted};
use mirror::name::PackageName;

/// Names are compared one by one.
const MOST_NAMES: usize = 64;

pub struct Apart<'g> {
    /// What comes, by itself.
    pub graph: Graph,
    /// Its packages in the whole graph.
    pub ids: Vec<PackageId>,
    /// Names of folders that go.
    pub gone: Vec<&'g PackageName>,
}

impl Apart<'_> {
    /// Whether that is all that an install changes.
    pub fn explains(&self, old: &Graph, difference: &Difference) -> bool {
        let is = |package: &Package, text: &str| {
            text.rsplit_once('@').is_some_and(|(name, version)| {
                package.name.as_str() == name && package.version.to_string() == version
            })
        };
        let went = |text: &String| {
            let named = |p: &&Package| self.gone.contains(&&p.name) && is(p, text);
            old.packages.iter().any(|p| named(&p))
        };
        difference.changed.is_empty()
            && difference.added.iter().all(|text| self.graph.packages.iter().any(|p| is(p, text)))
            && difference.removed.iter().all(went)
    }
}

/// What has become of a graph, where the rest stays as it is. Commands of what comes or goes may be
/// those of others: such an edit does not keep to itself. Nor is a workspace looked at.
pub fn between<'g>(old: &'g Graph, new: &'g Graph) -> Option<Apart<'g>> {
    let ([before], [after]) = (old.importers.as_slice(), new.importers.as_slice()) else { return None };
    if !old.places.is_empty() || !new.places.is_empty() || !before.path.is_empty() || !after.path.is_empty() {
        return None;
    }
    let now = matched(old, new);
    let mut is_old = vec![false; new.packages.len()];
    now.iter().flatten().for_each(|id| is_old[id.index()] = true);
    let ids: Vec<PackageId> = new.ids().filter(|id| !is_old[id.index()]).collect();
    let (mut coming, mut gone) = (Vec::new(), Vec::new());
    let mut own = vec![None; new.packages.len()];
    for (i, id) in ids.iter().enumerate() {
        own[id.index()] = Some(PackageId(i as u32));
        names_of(new.package(*id), &mut coming)?;
    }
    for (package, _) in old.packages.iter().zip(&now).filter(|(_, now)| now.is_none()) {
        names_of(package, &mut gone)?;
    }
    let is_new = |w: &&Wanted| w.target.is_some_and(|to| own[to.index()].is_some());
    let is_gone = |w: &&Wanted| w.target.is_some_and(|to| now[to.index()].is_none());
    coming.extend(after.dependencies.iter().filter(is_new).map(|w| &w.alias));
    gone.extend(before.dependencies.iter().filter(is_gone).map(|w| &w.alias));
    let known = |alias: &PackageName| {
        coming.iter().chain(&gone).any(|n| n.as_str().eq_ignore_ascii_case(alias.as_str()))
    };
    // What stays is as it was, asks for the same, and for none of these names.
    let same = |x: Option<PackageId>, y: Option<PackageId>| match x {
        Some(x) => y.is_some() && now[x.index()] == y,
        None => y.is_none(),
    };
    let edge = |(x, y): (&Edge, &Edge)| {
        x.alias == y.alias
            && x.kind == y.kind
            && x.range == y.range
            && same(x.target, y.target)
            && !known(&x.alias)
    };
    for (x, y) in old.packages.iter().zip(&now).filter_map(|(x, id)| Some((x, new.package((*id)?)))) {
        let stays = x.dependencies.len() == y.dependencies.len()
            && !known(&x.name)
            && !x.is_local()
            && (&x.source, &x.integrity, &x.bins, x.install_script)
                == (&y.source, &y.integrity, &y.bins, y.install_script)
            && (&x.os, &x.cpu, &x.libc, &x.engines) == (&y.os, &y.cpu, &y.libc, &y.engines);
        if !stays || !x.dependencies.iter().zip(&y.dependencies).all(edge) {
            return None;
        }
    }
    let (kept_before, kept_after) = (
        before.dependencies.iter().filter(|w| !is_gone(w)),
        after.dependencies.iter().filter(|w| !is_new(w)),
    );
    let wanted = |x: &Wanted, y: &Wanted| {
        x.alias == y.alias && x.group == y.group && same(x.target, y.target) && !known(&x.alias)
    };
    if kept_before.clone().count() != kept_after.clone().count()
        || !kept_before.zip(kept_after).all(|(x, y)| wanted(x, y))
    {
        return None;
    }
    let moved = |to: Option<PackageId>| to.map_or(Some(None), |to| own[to.index()].map(Some));
    let mut packages = Vec::with_capacity(ids.len());
    for id in &ids {
        let mut package = new.package(*id).clone();
        for edge in &mut package.dependencies {
            edge.target = moved(edge.target)?;
        }
        packages.push(package);
    }
    let mut dependencies: Vec<Wanted> = after.dependencies.iter().filter(is_new).cloned().collect();
    for wanted in &mut dependencies {
        wanted.target = moved(wanted.target)?;
    }
    let importers = vec![Importer { dependencies, ..Importer::default() }];
    Some(Apart { graph: Graph { importers, packages, places: Vec::new() }, ids, gone })
}

/// Which package of `new` is which of `old`; both are sorted.
fn matched(old: &Graph, new: &Graph) -> Vec<Option<PackageId>> {
    let mut next = new.ids().peekable();
    old.packages
        .iter()
        .map(|package| {
            let order = |id: &PackageId| {
                let other = new.package(*id);
                (&other.name, &other.version, other.variant).cmp(&(
                    &package.name,
                    &package.version,
                    package.variant,
                ))
            };
            while next.next_if(|id| order(id).is_lt()).is_some() {}
            next.next_if(|id| order(id).is_eq())
        })
        .collect()
}

/// Adds the names that a package has and asks for.
fn names_of<'g>(package: &'g Package, names: &mut Vec<&'g PackageName>) -> Option<()> {
    names.push(&package.name);
    names.extend(package.dependencies.iter().map(|e| &e.alias));
    (package.bins.is_empty() && !package.is_local() && names.len() <= MOST_NAMES).then_some(())
}

#[cfg(test)]
mod tests;
