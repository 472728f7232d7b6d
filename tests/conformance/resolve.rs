//! Compares the resolver with npm's own (see the `.mjs` files beside it).
//!
//!     conformance ranges          stdin: RANGE <tab> VERSION; stdout: 1, 0 or x (no range)
//!     conformance intersects      the same for RANGE <tab> RANGE
//!     conformance project NODE tree|hoisted
//!                                 the project of the working directory, as `pantry install` resolves it
//!                                 without a lock; stdout: PATH <tab> NAME@VERSION of each folder, in the
//!                                 tree that the versions were chosen in, or as they are laid out
//!     conformance tree INDEX NODE tree|hoisted|time|locked [legacy|strict]
//!                                 stdin: importers; stdout as above
//!                                 (locked: two projects, the second with the first one's lock)
//!
//! INDEX and the importers are lines of fields parted by tabs, as fuzz.mjs writes them.

use mirror::name::PackageName;
use mirror::record::{Dependency, DependencyKind, Key, Location, Record, RecordView, VersionRecord};
use mirror::version::Version;
use pantry::cli::{self, Program};
use pantry::error::Error;
use pantry::install::fill::Watch;
use pantry::install::hoist;
use pantry::install::run::Supply;
use pantry::manifest;
use pantry::network::Network;
use pantry::project;
use pantry::resolve::engines::Node;
use pantry::resolve::graph::Group;
use pantry::resolve::index::{Candidates, Index};
use pantry::resolve::range::Range;
use pantry::resolve::{ImporterRequest, Override, Request, Requested, Rules, Selector, resolve, tree};
use pantry::settings::{Environment, Settings};
use pantry::source::npm::crawl::{self, Plan};
use pantry::source::npm::fetch::Question;
use pantry::supply::{self, online::Online};
use pantry::ui::{Terminal, Ui};
use std::collections::HashMap;
use std::io::{self, BufRead, Read, Write};
use std::rc::Rc;
use std::time::Instant;

fn main() -> io::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["ranges"] => ranges(|range, version| {
            let version = Version::parse(version).map_err(io::Error::other)?;
            Ok(Range::parse(range).map(|r| r.satisfies(&version)))
        }),
        ["intersects"] => {
            ranges(|a, b| Ok(Range::parse(a).zip(Range::parse(b)).map(|(a, b)| a.intersects(&b))))
        }
        ["project", node, how] => project(node, how).map_err(io::Error::other),
        ["tree", index, node, how, ref peers @ ..] => resolution(index, node, how, peers),
        _ => Err(io::Error::other("what: ranges, tree")),
    }
}

fn ranges(judge: impl Fn(&str, &str) -> io::Result<Option<bool>>) -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    for line in io::stdin().lock().lines() {
        let line = line?;
        let Some((range, other)) = line.split_once('\t') else { continue };
        writeln!(out, "{}", judge(range, other)?.map_or("x", |yes| if yes { "1" } else { "0" }))?;
    }
    out.flush()
}

struct Memory(HashMap<String, Rc<RecordView>>);

impl Index for Memory {
    fn package(&self, name: &PackageName) -> Result<Option<Rc<dyn Candidates>>, Box<Error>> {
        Ok(self.0.get(name.as_str()).map(|r| Rc::clone(r) as Rc<dyn Candidates>))
    }
}

struct Silent;
impl Watch for Silent {
    fn package_done(&self, _: u64) {}
}
impl crawl::Watch for Silent {
    fn known(&self, _: &Key) -> Result<Option<RecordView>, Box<Error>> {
        Ok(None)
    }
}

/// `node`: the one whose `engines` npm looks at.
fn project(node: &str, how: &str) -> Result<(), Box<Error>> {
    let mut ui = Ui::new(Terminal::detect(&Environment::Process));
    let invocation = cli::parse(Program::Pantry, vec!["install".into()])?;
    let settings = Settings::resolve(&invocation, Environment::Process)?;
    let project = manifest::find(&settings.working_directory()?)?;
    let manifests = project.read()?;
    let rules = rules(node);
    let workspace = manifest::workspace::workspace(&project.root, &manifests)?;
    let network = Network::new(&settings, &project.root, &mut ui)?;
    let request = Request {
        importers: project::importers(&manifests, &workspace)?,
        rules,
        legacy_peers: network.legacy_peers,
        strict_peers: network.strict_peers,
        ..Request::default()
    };
    if how == "tree" {
        let Network { client, registries, .. } = &network;
        let question = Question { client, registries, now: 0, before: None };
        let plan = Plan { question, most: 16, fresh_for: 0, prefer_known: false };
        let folders = crawl::crawl(&plan, &Silent, None, |crawler| tree(&request, crawler))
            .map_err(Box::<Error>::from)?;
        return folders.iter().try_for_each(|(path, what)| ui.line(&format!("{path}\t{what}")));
    }
    let settings = supply::online::settings(&settings)?;
    let resolved =
        Online::new(settings, network, request, None, std::sync::Arc::new(Silent)).resolve(None, None)?;
    resolved.warnings.iter().for_each(|w| ui.warn(w));
    let graph = &resolved.graph;
    for p in hoist::place(graph, &vec![true; graph.packages.len()]).map_err(Box::<Error>::from)? {
        let package = graph.package(p.package);
        match package.folder() {
            Some(folder) => ui.line(&format!("{}\t-> {folder}", p.path))?,
            None => ui.line(&format!("{}\t{}@{}", p.path, package.name, package.version))?,
        }
    }
    Ok(())
}

/// `node`: its version; anything else is none.
fn rules(node: &str) -> Rules {
    Rules { node: Version::parse(node).map(Node::from).unwrap_or_default(), ..Rules::default() }
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

fn resolution(index: &str, node: &str, how: &str, peers: &[&str]) -> io::Result<()> {
    let index = read_index(index)?;
    let mut text = String::new();
    io::stdin().read_to_string(&mut text)?;
    let mut importers: Vec<ImporterRequest> = Vec::new();
    for line in text.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        if let ["O", path @ .., value] = &fields[..] {
            let selector = |s: &&str| {
                let (name, range) = s[1..].split_once('@').map_or((*s, ""), |(n, r)| (&s[..=n.len()], r));
                let name = PackageName::parse(name).map_err(io::Error::other)?;
                Ok::<_, io::Error>(Selector { name, range: range.into(), direct: false })
            };
            let path = path.iter().map(selector).collect::<Result<_, _>>()?;
            let one = Override { path, value: (*value).into(), overrules: false };
            importers.last_mut().into_iter().for_each(|i| i.overrides.push(one.clone()));
            continue;
        }
        if fields[0] == "I" {
            importers.push(ImporterRequest { path: fields[1].into(), ..Default::default() });
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
    let rules = rules(node);
    let second = importers.len() - usize::from(how == "locked");
    let second = importers.split_off(second.min(importers.len()));
    let (legacy_peers, strict_peers) = (peers == ["legacy"], peers == ["strict"]);
    let request = Request { importers, rules, legacy_peers, strict_peers, ..Request::default() };
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
