//! `pantry.lock`, the lockfiles of other package managers, `mzp.lock`.

use mirror::name::PackageName;
use pantry::install::hoist;
use pantry::lockfile;
use pantry::lockfile::foreign::{self, Maker};
use pantry::resolve::graph::{Graph, Group};
use pantry::resolve::{ImporterRequest, Requested};
use std::path::Path;

pub fn pantry_lock(data: &[u8]) {
    match lockfile::read(data, Path::new("pantry.lock")) {
        Ok(graph) => {
            holds_together(&graph);
            let text = lockfile::write(&graph).expect("what was read can be written");
            let again = lockfile::read(text.as_bytes(), Path::new("pantry.lock"));
            let again = again.unwrap_or_else(|e| panic!("{e}\n{text}"));
            assert_eq!(lockfile::write(&again).expect("twice"), text);
            // A login in an address is left out in writing.
            if !text_of(data).contains('@') || !text_of(data).contains("://") {
                assert_eq!(again, graph);
            }
        }
        Err(e) => super::says(&e),
    }
}

pub fn package_lock(data: &[u8]) {
    match foreign::read(Maker::Npm, data, Path::new("package-lock.json"), &[]) {
        Ok(foreign) => {
            let graph = foreign.into_graph();
            holds_together(&graph);
            // npm may have lost an integrity; with all of them it is a lock of ours.
            match lockfile::write(&graph) {
                Ok(text) => {
                    let again = lockfile::read(text.as_bytes(), Path::new("pantry.lock"));
                    let again = again.unwrap_or_else(|e| panic!("{e}\n{text}"));
                    assert_eq!(again, graph);
                }
                Err(e) => super::says(&e),
            }
        }
        Err(e) => super::says(&e),
    }
}

/// The first line is the file's name, which says who wrote the rest.
pub fn foreign_lock(data: &[u8]) {
    let (file, text) = data.split_at(data.iter().position(|b| *b == b'\n').map_or(0, |n| n + 1));
    let file = String::from_utf8_lossy(file);
    let maker = Maker::of(file.trim_end()).unwrap_or(Maker::Earlier);
    let dependencies = ["a", "b", "@s/c"].map(|name| Requested {
        alias: PackageName::parse(name).expect("a name"),
        range: "^1.0.0".into(),
        group: Group::Normal,
        optional_peer: false,
    });
    let asked = [ImporterRequest { dependencies: dependencies.into(), ..ImporterRequest::default() }];
    match foreign::read(maker, text, Path::new("lock"), &asked) {
        Ok(foreign) => {
            foreign.questions();
            holds_together(&foreign.into_graph());
        }
        Err(e) => super::says(&e),
    }
}

fn text_of(data: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(data)
}

/// What every user of a graph relies on: order, targets that are there, and a tree that stays below the project.
fn holds_together(graph: &Graph) {
    let n = graph.packages.len();
    assert!(graph.importers.is_sorted_by(|a, b| a.path < b.path));
    let key = |i: usize| (&graph.packages[i].name, &graph.packages[i].version, graph.packages[i].variant);
    assert!((1..n).all(|i| key(i - 1) < key(i)));
    for id in graph.ids() {
        let package = graph.package(id);
        assert!(package.dependencies.iter().filter_map(|e| e.target).all(|t| t.index() < n));
        assert!(package.dependencies.is_sorted_by_key(|e| (&e.alias, e.kind)));
        assert!(package.is_linked() || package.integrity.is_some() || package.source == "npm" || n > 0);
        graph.chain(id);
    }
    assert!(
        graph.importers.iter().flat_map(|i| &i.dependencies).filter_map(|w| w.target).all(|t| t.index() < n)
    );
    if n > 60 {
        return;
    }
    if let Ok(places) = hoist::place(graph, &vec![true; n]) {
        for place in &places {
            assert!(place.path.split('/').all(|s| !matches!(s, "" | "." | "..")), "{}", place.path);
        }
        let mut paths: Vec<&str> = places.iter().map(|p| p.path.as_str()).collect();
        paths.sort_unstable();
        assert!(paths.windows(2).all(|w| w[0] != w[1]), "two packages in one place");
    }
}

pub fn mzp_lock(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match mzp::lockfile::Lock::parse(Path::new("mzp.lock"), text) {
        Ok(lock) => {
            let written = lock.write();
            let again = mzp::lockfile::Lock::parse(Path::new("mzp.lock"), &written);
            let again = again.unwrap_or_else(|e| panic!("{e}\n{written}"));
            assert_eq!(again.write(), written);
            assert_eq!(again.packages.len(), lock.packages.len());
            assert_eq!(again.preferred(), lock.preferred());
        }
        Err(e) => super::says(&e),
    }
}
