//! What an install means for the packages of a project: which come, which get
//! another version, which go. Compared are the packages that the last install
//! noted in its [state](super::state) and those of the plan, so that the plan
//! of `--dry-run` and the summary afterwards say the same.

use super::select::Selection;
use crate::resolve::graph::Graph;
use std::cmp::Ordering;

/// A package with another version than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    pub name: String,
    pub from: String,
    pub to: String,
}

/// Sorted by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// `name@version`.
    pub added: Vec<String>,
    pub changed: Vec<Changed>,
    /// `name@version`.
    pub removed: Vec<String>,
}

/// The packages of a selection as the state file notes them: `name@version`,
/// sorted, with one blank between two. A package that stands there in several
/// variants is noted as often.
pub fn names(graph: &Graph, selection: &Selection) -> String {
    let packages = graph.packages.iter().zip(&selection.included).filter(|(_, on)| **on);
    let mut all: Vec<String> = packages.map(|(p, _)| format!("{}@{}", p.name, p.version)).collect();
    mirror::order::sort(&mut all);
    all.join(" ")
}

/// Of `all` that may be installed, takes what is noted in `names` into a selection for a few members.
pub fn keep(graph: &Graph, selection: &mut Selection, all: &[bool], names: &str) {
    let standing: std::collections::HashSet<&str> = names.split(' ').collect();
    for id in graph.ids().filter(|id| all[id.index()]) {
        let package = graph.package(id);
        let name = format!("{}@{}", package.name, package.version);
        selection.included[id.index()] |= standing.contains(name.as_str());
    }
}

impl Difference {
    /// Between two lists of [`names`].
    pub fn between(before: &str, after: &str) -> Self {
        // What both have is let out while both are in order: an edit leaves most as it is.
        let (mut only_before, mut only_after) = (Vec::new(), Vec::new());
        let (mut old, mut new) = (before.split(' ').peekable(), after.split(' ').peekable());
        while let (Some(a), Some(b)) = (old.peek(), new.peek()) {
            match a.cmp(b) {
                Ordering::Equal => _ = (old.next(), new.next()),
                Ordering::Less => only_before.extend(old.next()),
                Ordering::Greater => only_after.extend(new.next()),
            }
        }
        only_before.extend(old);
        only_after.extend(new);
        // By name, the versions that only the one has before those that only the other has.
        let mut parted: Vec<(&str, &str, bool)> = split(&only_before).map(|(n, v)| (n, v, false)).collect();
        parted.extend(split(&only_after).map(|(n, v)| (n, v, true)));
        mirror::order::sort_by(&mut parted, |a, b| a.0.cmp(b.0));
        let mut difference = Self::default();
        for versions in parted.chunk_by(|a, b| a.0 == b.0) {
            let name = versions[0].0;
            let (mut old, mut new) = (Vec::new(), Vec::new());
            for &(_, version, is_new) in versions {
                match old.iter().position(|v| *v == version).filter(|_| is_new) {
                    Some(same) => drop(old.remove(same)),
                    None if is_new => new.push(version),
                    None => old.push(version),
                }
            }
            let both = old.len().min(new.len());
            for (from, to) in old.iter().zip(&new) {
                let (from, to) = ((*from).to_string(), (*to).to_string());
                difference.changed.push(Changed { name: name.to_string(), from, to });
            }
            difference.removed.extend(old[both..].iter().map(|v| format!("{name}@{v}")));
            difference.added.extend(new[both..].iter().map(|v| format!("{name}@{v}")));
        }
        difference
    }

    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty()
    }

    /// How many packages it concerns.
    pub fn len(&self) -> usize {
        self.added.len() + self.changed.len() + self.removed.len()
    }
}

/// A name may begin with `@`, a version never holds one.
fn split<'a>(names: &[&'a str]) -> impl Iterator<Item = (&'a str, &'a str)> {
    names.iter().filter_map(|name| name.rsplit_once('@'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_changes_and_goes() {
        let found = Difference::between("@s/a@1.0.0 b@1.0.0 b@2.0.0 c@1.0.0", "@s/a@1.1.0 b@2.0.0 d@1.0.0");
        let (name, from, to) = ("@s/a".to_string(), "1.0.0".to_string(), "1.1.0".to_string());
        assert_eq!(found.changed, [Changed { name, from, to }]);
        assert_eq!(found.removed, ["b@1.0.0", "c@1.0.0"]);
        assert_eq!(found.added, ["d@1.0.0"]);
        assert_eq!(found.len(), 4);
        assert!(Difference::between("a@1.0.0 a@1.0.0", "a@1.0.0 a@1.0.0").is_empty());
        assert_eq!(Difference::between("", "a@1.0.0").added, ["a@1.0.0"]);
    }
}
