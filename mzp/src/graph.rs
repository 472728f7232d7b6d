//! Who depends on whom: what the lock holds for all targets together, or what of
//! it one target and its features need. Walked as a tree, and upwards as the
//! chains that lead to a package.

use crate::lockfile::Lock;
use crate::manifest::Manifest;
use crate::platform::Platform;
use crate::program::active::Active;
use crate::solve::Need;
use mirror::name::MinzName;
use mirror::order::{Map, Set};
use mirror::version::Version;

/// Steps of the search for chains: enough for any real project, and an end for
/// a graph whose chains nobody can count.
const STEPS: usize = 100_000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    pub need: Need,
    /// Of `[dev-dependencies]`.
    pub dev: bool,
}

#[derive(Debug)]
pub struct Graph {
    pub roots: Vec<Edge>,
    pub packages: Map<MinzName, (Version, Vec<Edge>)>,
}

/// What a line of a tree is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    Full,
    /// It has dependencies, and they are shown above.
    Repeated,
    /// It stands in the line above itself.
    Cycle,
}

/// Why a package is there.
#[derive(Debug)]
pub struct Why<'a> {
    /// From the project down to the package; the shortest that were found first.
    pub chains: Vec<Vec<&'a Edge>>,
    /// There are more.
    pub more: bool,
    /// Only builds for these need it; empty: builds for any.
    pub only_for: Vec<&'static Platform>,
    /// Only the project's tests and examples need it.
    pub only_dev: bool,
    /// Only a feature brings it.
    pub only_optional: bool,
}

impl Graph {
    /// The union over all targets.
    pub fn of(manifest: &Manifest, lock: &Lock) -> Self {
        let tables = manifest.all_dependencies().map(|d| (d, false));
        let dev = manifest.dev_dependencies.iter().map(|d| ((None, d), true));
        let mut roots: Vec<_> =
            tables.chain(dev).map(|((p, d), dev)| Edge { need: Need::of(p, d), dev }).collect();
        // One for a target that the project does not support leads nowhere.
        roots.retain(|edge| lock.get(&edge.need.name).is_some());
        let mut packages = Map::new();
        packages.extend(lock.packages.iter().map(|p| {
            let edges = p.needs.iter().map(|need| Edge { need: need.clone(), dev: false });
            (p.name.clone(), (p.version.clone(), edges.collect()))
        }));
        Self { roots, packages }
    }

    /// Leaves what takes part in a build.
    pub fn select(&mut self, active: &Active<'_>) {
        let keep = |edges: &mut Vec<Edge>, of: Option<&MinzName>| {
            let needs = active.needs(of);
            edges.retain(|e| {
                e.need.platform.is_none_or(|p| p == active.platform) && needs.contains(&e.need.name)
            });
        };
        keep(&mut self.roots, None);
        let all = std::mem::take(&mut self.packages);
        self.packages.extend(all.into_iter().filter(|(name, _)| active.packages.contains_key(name)));
        for (name, (_, edges)) in self.packages.iter_mut() {
            keep(edges, Some(name));
        }
    }

    fn edges(&self, name: &MinzName) -> &[Edge] {
        self.packages.get(name).map_or(&[], |(_, edges)| edges)
    }

    /// Visits the tree from the project down. `last` says of each level whether
    /// nothing follows there. Ends when `visit` says no.
    pub fn walk(&self, visit: &mut dyn FnMut(&[bool], &Edge, Line) -> bool) {
        let mut seen = Set::new();
        let mut path: Vec<&MinzName> = Vec::new();
        let mut stack = vec![self.roots.as_slice()];
        let mut last: Vec<bool> = Vec::new();
        while let Some(edges) = stack.last_mut() {
            let Some((edge, rest)) = edges.split_first() else {
                stack.pop();
                path.pop();
                continue;
            };
            *edges = rest;
            let below = self.edges(&edge.need.name);
            let line = match below {
                _ if path.contains(&&edge.need.name) => Line::Cycle,
                [_, ..] if !seen.insert(&edge.need.name) => Line::Repeated,
                _ => Line::Full,
            };
            last.clear();
            last.extend(stack.iter().map(|edges| edges.is_empty()));
            if !visit(&last, edge, line) {
                return;
            }
            if line == Line::Full && !below.is_empty() {
                stack.push(below);
                path.push(&edge.need.name);
            }
        }
    }

    /// At most `most` of the chains that lead to a package of the lock.
    pub fn why(&self, name: &MinzName, platforms: &[&'static Platform], most: usize) -> Why<'_> {
        let mut parents: Map<&MinzName, Vec<(Option<&MinzName>, &Edge)>> = Map::new();
        let all = self.packages.iter().flat_map(|(n, (_, edges))| edges.iter().map(move |e| (Some(n), e)));
        for (from, edge) in self.roots.iter().map(|e| (None, e)).chain(all) {
            parents.or_insert_with(&edge.need.name, Vec::new).push((from, edge));
        }
        // Near the project first, so that every step up can lead to it.
        let far = self.reach(&|_| true);
        for list in parents.values_mut() {
            mirror::order::sort_by_key(list, |(from, _)| {
                (from.and_then(|n| far.get(n).copied()).unwrap_or(0), from.cloned())
            });
        }
        let nothing = Vec::new();
        let above = |n: &MinzName| parents.get(n).unwrap_or(&nothing).as_slice();
        let (mut chains, mut more) = (Vec::new(), false);
        let mut steps = 0;
        // Upwards: the edges taken so far, and at each of them what is still to try.
        let mut path: Vec<(Option<&MinzName>, &Edge)> = Vec::new();
        let mut stack = vec![above(name)];
        while let Some(rest) = stack.last_mut() {
            let Some((&(from, edge), others)) = rest.split_first() else {
                stack.pop();
                path.pop();
                continue;
            };
            *rest = others;
            steps += 1;
            if steps > STEPS || chains.len() == most {
                more = true;
                break;
            }
            // No build is for two machines.
            let mut bound = path.iter().map(|(_, edge)| *edge).chain([edge]).filter_map(|e| e.need.platform);
            let machine = bound.next();
            if bound.any(|p| Some(p) != machine) {
                continue;
            }
            match from {
                None => {
                    let up = path.iter().map(|(_, edge)| *edge);
                    chains.push(std::iter::once(edge).chain(up.rev()).collect());
                }
                // Not in a circle.
                Some(n) if n == name || path.iter().any(|(on, _)| *on == Some(n)) => {}
                Some(n) => {
                    path.push((from, edge));
                    stack.push(above(n));
                }
            }
        }
        mirror::order::sort_by(&mut chains, |a: &Vec<&Edge>, b| {
            let names = |chain: &Vec<&Edge>| chain.iter().map(|e| e.need.name.clone()).collect::<Vec<_>>();
            a.len().cmp(&b.len()).then_with(|| names(a).cmp(&names(b)))
        });
        let without = |follow: &dyn Fn(&Edge) -> bool| !self.reach(follow).contains_key(name);
        let only_for = match without(&|e| e.need.platform.is_none()) {
            true => platforms
                .iter()
                .copied()
                .filter(|p| !without(&|e| e.need.platform.is_none_or(|of| of == *p)))
                .collect(),
            false => Vec::new(),
        };
        let (only_dev, only_optional) = (without(&|e| !e.dev), without(&|e| !e.need.optional));
        Why { chains, more, only_for, only_dev, only_optional }
    }

    /// What the project reaches over some of the edges, with the number of them.
    fn reach(&self, follow: &dyn Fn(&Edge) -> bool) -> Map<&MinzName, usize> {
        let mut found = Map::new();
        let mut edges: Vec<&Edge> = self.roots.iter().collect();
        let mut depth = 1;
        while !edges.is_empty() {
            let mut below = Vec::new();
            for edge in edges.into_iter().filter(|e| follow(e)) {
                if found.insert(&edge.need.name, depth).is_none() {
                    below.extend(self.edges(&edge.need.name));
                }
            }
            edges = below;
            depth += 1;
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn graph(dependencies: &str, packages: &[(&str, &[&str])]) -> (Manifest, Graph) {
        let text = format!(
            "[package]\nname = \"game\"\nversion = \"0.1.0\"\n[targets]\nsupported = [\"z80\"]\n{dependencies}"
        );
        let manifest = Manifest::parse(Path::new("mzp.toml"), &text).unwrap();
        let mut lock = String::from("version = 1\n[project]\ndependencies = []\n");
        for (name, needs) in packages {
            let needs: Vec<_> = needs.iter().map(|n| format!("{n:?}")).collect();
            lock.push_str(&format!(
                "[[package]]\nname = \"{name}\"\nversion = \"1.0.0\"\nsha256 = \"{}\"\ndependencies = [{}]\n",
                "0".repeat(64),
                needs.join(", ")
            ));
        }
        let lock = Lock::parse(Path::new("mzp.lock"), &lock).unwrap();
        let graph = Graph::of(&manifest, &lock);
        (manifest, graph)
    }
    fn tree(graph: &Graph) -> Vec<String> {
        let mut out = Vec::new();
        graph.walk(&mut |last, edge, line| {
            let mark = ["", " again", " cycle"][line as usize];
            out.push(format!("{}{}{mark}", "  ".repeat(last.len() - 1), edge.need.name));
            true
        });
        out
    }
    fn why(graph: &Graph, manifest: &Manifest, name: &str, most: usize) -> (Vec<String>, String) {
        let name = MinzName::parse(name).unwrap();
        let why = graph.why(&name, &manifest.platforms(), most);
        let words = |chain: &Vec<&Edge>| {
            chain.iter().map(|e| e.need.name.to_string()).collect::<Vec<_>>().join(" > ")
        };
        let only_for: Vec<_> = why.only_for.iter().map(|p| p.name).collect();
        let notes = [
            if why.more { "more " } else { "" },
            &only_for.join(","),
            if why.only_dev { " dev" } else { "" },
            if why.only_optional { " optional" } else { "" },
        ];
        (why.chains.iter().map(words).collect(), notes.concat())
    }

    #[test]
    fn trees_show_what_is_repeated_and_what_runs_in_a_circle() {
        let (_, graph) = graph(
            "[dependencies]\na = \"1\"\nb = \"1\"\n[platform-dependencies.c64]\nnowhere = \"1\"\n",
            &[("a", &["b 1", "c 1"]), ("b", &["c 1", "d 1"]), ("c", &[]), ("d", &["a 1"])],
        );
        assert_eq!(tree(&graph), ["a", "  b", "    c", "    d", "      a cycle", "  c", "b again"]);
    }

    #[test]
    fn chains_lead_to_a_package_and_say_what_binds_it() {
        let (manifest, graph) = graph(
            "[dependencies]\na = \"1\"\no = { version = \"1\", optional = true }\n[dev-dependencies]\nt = \"1\"\n[platform-dependencies.cpm]\nio = \"1\"\n[platform-dependencies.msx]\nio = \"1\"\n",
            &[
                ("a", &["b 1", "c 1"]),
                ("b", &["c 1"]),
                ("c", &["a 1"]),
                ("io", &["low 1", "c 1"]),
                ("low", &[]),
                ("o", &["under 1"]),
                ("t", &["low 1 for spectrum", "tt 1", "io 1 for cpm"]),
                ("tt", &[]),
                ("under", &[]),
            ],
        );
        let why = |name, most| why(&graph, &manifest, name, most);
        let found = why("c", 9);
        assert_eq!(found.0, ["a > c", "io > c", "io > c", "a > b > c", "t > io > c"]);
        assert_eq!(found.1, "");
        assert_eq!(why("c", 2).0.len(), 2);
        assert_eq!(why("c", 2).1, "more ");
        // Everywhere over one of them or another.
        assert_eq!(
            why("low", 9),
            (
                vec!["io > low".into(), "io > low".into(), "t > low".into(), "t > io > low".into()],
                "spectrum,cpm,msx".into()
            )
        );
        assert_eq!(why("io", 9).1, "cpm,msx");
        assert_eq!(why("tt", 9), (vec!["t > tt".into()], " dev".into()));
        assert_eq!(why("under", 9).1, " optional");
        assert_eq!(why("a", 1).0, ["a"]);
    }

    #[test]
    fn chains_that_nobody_can_count_end() {
        // Forty layers of two: 2^40 chains.
        let names: Vec<_> = (0..80).map(|i| format!("p{i:02}")).collect();
        let needs: Vec<Vec<String>> = (0..80)
            .map(|i| {
                if i < 78 { (0..2).map(|k| format!("p{:02} 1", i / 2 * 2 + 2 + k)).collect() } else { vec![] }
            })
            .collect();
        let needs: Vec<Vec<&str>> = needs.iter().map(|n| n.iter().map(String::as_str).collect()).collect();
        let packages: Vec<_> = names.iter().zip(&needs).map(|(n, d)| (n.as_str(), d.as_slice())).collect();
        let (manifest, graph) = graph("[dependencies]\np00 = \"1\"\n", &packages);
        let (chains, notes) = why(&graph, &manifest, "p79", 10);
        assert_eq!((chains.len(), notes.as_str()), (10, "more "));
        assert_eq!(tree(&graph).len(), 1 + 2 + 2 * 2 * 38);
    }
}
