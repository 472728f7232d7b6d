//! Compares the resolver with npm's own, by hand (see the `.mjs` files beside it).
//!
//!     resolve-by-hand ranges          stdin: RANGE <tab> VERSION; stdout: 1, 0 or x (no range)
//!     resolve-by-hand tree INDEX NODE tree|hoisted|time|locked
//!                                     stdin: importers; stdout: PATH <tab> NAME@VERSION
//!                                     (locked: two projects, the second with the first one's lock)
//!
//! INDEX and the importers are lines of fields parted by tabs, as conformance.mjs writes them.

use mirror::name::PackageName;
use mirror::record::{Dependency, DependencyKind, Key, Location, Record, RecordView, VersionRecord};
use mirror::version::Version;
use pantry::error::Error;
use pantry::install::hoist;
use pantry::resolve::graph::Group;
use pantry::resolve::index::{Candidates, Index};
use pantry::resolve::range::Range;
use pantry::resolve::{ImporterRequest, Request, Requested, Rules, resolve, tree};
use std::collections::HashMap;
use std::io::{self, BufRead, Read, Write};
use std::rc::Rc;
use std::time::Instant;

fn main() -> io::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["ranges"] => ranges(),
        ["tree", index, node, how] => resolution(index, node, how),
        _ => Err(io::Error::other("what: ranges, tree")),
    }
}

fn ranges() -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    for line in io::stdin().lock().lines() {
        let line = line?;
        let Some((range, version)) = line.split_once('\t') else { continue };
        let version = Version::parse(version).map_err(io::Error::other)?;
        let answer = Range::parse(range).map_or("x", |r| if r.satisfies(&version) { "1" } else { "0" });
        writeln!(out, "{answer}")?;
    }
    out.flush()
}

struct Memory(HashMap<String, Rc<RecordView>>);

impl Index for Memory {
    fn package(&self, name: &PackageName) -> Result<Option<Rc<dyn Candidates>>, Error> {
        Ok(self.0.get(name.as_str()).map(|r| Rc::clone(r) as Rc<dyn Candidates>))
    }
}

/// `P name`, then its `T tag version` and `V version deprecated node npm`, each
/// followed by its `D kind name range` and `B name`.
fn read_index(path: &str) -> io::Result<Memory> {
    let mut records: Vec<Record> = Vec::new();
    for line in std::fs::read_to_string(path)?.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        match (fields[..].first().copied(), records.last_mut()) {
            (Some("P"), _) => records.push(Record {
                key: Key::npm(fields[1]),
                complete: true,
                checked: 0,
                etag: String::new(),
                modified: 0,
                tags: Vec::new(),
                versions: Vec::new(),
            }),
            (Some("T"), Some(r)) => r.tags.push((fields[1].into(), fields[2].into())),
            (Some("V"), Some(r)) => {
                let Ok(version) = Version::parse(fields[1]) else { continue };
                let mut v = VersionRecord::new(version);
                v.location = Location::Blob;
                v.sha256 = Some(mirror::digest::Hash([0; 32]));
                v.size = 1;
                v.deprecated = (fields[2] == "1").then(String::new);
                for (name, range) in [("node", fields[3]), ("npm", fields[4])] {
                    if !range.is_empty() {
                        v.engines.push((name.into(), range.into()));
                    }
                }
                r.versions.push(v);
            }
            (Some("D"), Some(r)) => {
                let kind = match fields[1] {
                    "optional" => DependencyKind::Optional,
                    "peer" => DependencyKind::Peer,
                    "peerOptional" => DependencyKind::PeerOptional,
                    _ => DependencyKind::Normal,
                };
                let Some(v) = r.versions.last_mut() else { continue };
                let (name, range) = (fields[2].into(), fields[3].into());
                v.dependencies.push(Dependency { name, range, kind, condition: String::new() });
            }
            (Some("B"), Some(r)) => {
                r.versions.iter_mut().last().into_iter().for_each(|v| v.bundled.push(fields[1].into()))
            }
            _ => {}
        }
    }
    let mut views = HashMap::new();
    for mut record in records {
        record.tags.sort();
        record.versions.sort_by(|a, b| a.version.cmp(&b.version));
        record.versions.dedup_by(|a, b| a.version == b.version);
        let mut bytes = Vec::new();
        record.encode(&mut bytes).map_err(io::Error::other)?;
        let view = RecordView::parse(bytes.into_boxed_slice()).map_err(io::Error::other)?;
        views.insert(record.key.name, Rc::new(view));
    }
    Ok(Memory(views))
}

fn resolution(index: &str, node: &str, how: &str) -> io::Result<()> {
    let index = read_index(index)?;
    let mut text = String::new();
    io::stdin().read_to_string(&mut text)?;
    let mut importers: Vec<ImporterRequest> = Vec::new();
    for line in text.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        if fields[0] == "I" {
            importers.push(ImporterRequest { path: fields[1].into(), dependencies: Vec::new() });
        } else if let Some(importer) = importers.last_mut() {
            importer.dependencies.push(Requested {
                alias: PackageName::parse(fields[1]).map_err(io::Error::other)?,
                range: fields[2].into(),
                group: match fields[0] {
                    "dev" => Group::Dev,
                    "optional" => Group::Optional,
                    "peer" | "peerOptional" => Group::Peer,
                    _ => Group::Normal,
                },
                optional_peer: fields[0] == "peerOptional",
            });
        }
    }
    let rules = Rules { node: Version::parse(node).ok(), npm: Version::parse("11.19.1").ok(), before: None };
    let second = importers.len() - usize::from(how == "locked");
    let second = importers.split_off(second.min(importers.len()));
    let request = Request { importers, rules, ..Request::default() };
    let mut out = io::BufWriter::new(io::stdout().lock());
    if how == "tree" {
        let folders = tree(&request, &index).map_err(io::Error::other)?;
        folders.iter().try_for_each(|(path, what)| writeln!(out, "{path}\t{what}"))?;
        return out.flush();
    }
    let start = Instant::now();
    let resolution = resolve(&request, &index).map_err(io::Error::other)?;
    let resolved = start.elapsed();
    let graph = &resolution.graph;
    let included = vec![true; graph.packages.len()];
    let start = Instant::now();
    let placements = hoist::place(graph, &included).map_err(io::Error::other)?;
    let hoisted = start.elapsed();
    if how == "locked" {
        let request = Request { importers: second, locked: Some(graph), ..request.clone() };
        let folders = tree(&request, &index).map_err(io::Error::other)?;
        folders.iter().try_for_each(|(path, what)| writeln!(out, "{path}\t{what}"))?;
        return out.flush();
    }
    if how == "time" {
        let locked = Request { locked: Some(graph), ..request.clone() };
        let start = Instant::now();
        let again = resolve(&locked, &index).map_err(io::Error::other)?;
        let relocked = start.elapsed();
        let same = again.graph == *graph;
        return writeln!(
            out,
            "{} packages, {} folders: resolved in {resolved:?}, hoisted in {hoisted:?}; with the lock {relocked:?}, the same: {same}",
            graph.packages.len(),
            placements.len()
        );
    }
    for warning in &resolution.warnings {
        writeln!(io::stderr(), "{warning}")?;
    }
    for p in placements {
        let package = graph.package(p.package);
        writeln!(out, "{}\t{}@{}", p.path, package.name, package.version)?;
    }
    out.flush()
}
