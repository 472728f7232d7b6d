//! Filling a mirror from registries: the closure of what is asked for, for the
//! platforms that are asked for, pruned to just that.
//!
//! ```text
//! names, manifests ─► resolve over the registries ─► graph ┐
//! pantry.lock ─────────────────────────────────────► graph ┼─► packages for the platforms
//! lockfiles of others ─► what they leave open, asked ─► graph ┘         │
//!                              what the mirror lacks: copied from another mirror, or fetched
//!                                                                      │
//!                              batches of archives, each committed with its index records
//! ```
//!
//! A batch is in the mirror whole or not at all. A pull that ends early leaves
//! the batches before; the next one finds them and fetches the rest.

mod index;

use crate::error::{Error, Result, Status};
use crate::install::download::{Downloads, Got, Job};
use crate::install::fill::{Watch as Progress, record_key};
use crate::install::platform::Platform;
use crate::install::select::{Groups, select};
use crate::lockfile::foreign::Foreign;
use crate::network::Network;
use crate::resolve::graph::{Graph, Package, PackageId};
use crate::resolve::{self, ImporterRequest};
use crate::source::mirrors::{Damage, Mirrors};
use crate::source::npm::crawl::{Arrival, Crawler, Plan, Watch, crawl};
use crate::source::npm::fetch::Question;
use crate::supply::online::{Archives, at_registry, keep, seeds};
use crate::supply::{self, job, version_record};
use crate::wants::Misses;
use mirror::batch::Stored;
use mirror::digest::{Algorithm, Hasher, Integrity};
use mirror::name::PackageName;
use mirror::record::{Key, RecordView, VersionRecord};
use mirror::trust::Trust;
use mirror::{Batch, Mirror};
use std::collections::HashMap;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// Archives of one batch: enough to make a commit cheap, few enough to lose little.
const BATCH: usize = 128;

/// What is asked for.
pub enum Wanted {
    /// To be resolved: the names of a command line, the dependencies of manifests.
    Asked(Vec<ImporterRequest>),
    /// Exactly these, as a lockfile has them.
    Locked(Graph),
    /// Exactly what another package manager's lockfile holds, which does not say everything.
    Foreign(Foreign),
}

pub struct Options {
    pub mirror: PathBuf,
    pub home: PathBuf,
    pub platforms: Vec<Platform>,
    pub groups: Groups,
    /// Keep the registries' whole records, not only the versions that were taken.
    pub keep_all: bool,
    pub dry_run: bool,
    pub trust: Arc<Trust>,
    pub misses: Arc<Misses>,
    /// As in [`crate::supply::online::Settings`].
    pub fresh_for: u64,
    pub prefer_known: bool,
    pub metadata_at_a_time: usize,
    pub archives_at_a_time: usize,
}

/// What was done.
#[derive(Debug, Default)]
pub struct Report {
    /// `name@version` of everything the mirror now has for this.
    pub packages: usize,
    pub fetched: Vec<String>,
    pub copied: usize,
    pub present: usize,
    pub bytes: u64,
    pub warnings: Vec<String>,
    /// Optional packages that could not be had, and why.
    pub left_out: Vec<(String, String)>,
}

/// Fills the mirror. `waiting` is told who holds it, if somebody does.
pub fn pull(
    options: &Options,
    wanted: Wanted,
    network: &Network,
    progress: &dyn Progress,
    waiting: &mut dyn FnMut(&str),
) -> Result<Report> {
    let target = Mirror::open_pinned(&options.mirror, waiting)?;
    let named = std::slice::from_ref(&options.mirror);
    let mirrors = Mirrors::open(named, Some(&options.home), &[], &options.trust, Damage::Ends, waiting)?;
    options.trust.prepare(&target)?;
    let records = Records::default();
    let mut report = Report::default();
    let graph = match wanted {
        Wanted::Locked(graph) => graph,
        Wanted::Foreign(mut foreign) => {
            let taken = ask(options, network, &mirrors, &records, progress, foreign.questions(), |crawler| {
                foreign.complete(crawler)
            });
            let taken = taken.map_err(|e| at_registry(network, e))?;
            report.warnings = supply::worded(&taken.warnings);
            taken.graph
        }
        Wanted::Asked(importers) => {
            let request = resolve::Request { importers, ..Default::default() };
            let edges = seeds(&request.importers);
            let chosen = ask(options, network, &mirrors, &records, progress, edges, |crawler| {
                resolve::resolve(&request, crawler)
            });
            let source = |name: &PackageName| network.registries.source_of(name);
            let failure = |e| supply::failure(e, &mirrors, &options.misses, &source, false);
            let chosen = chosen.map_err(|e| at_registry(network, failure(e)))?;
            report.warnings = supply::worded(&chosen.warnings);
            chosen.graph
        }
    };
    let (needed, optional) = selected(options, &graph);
    report.packages = needed.len();
    let mut missing = Vec::new();
    for id in needed {
        let package = graph.package(id);
        match target.find_archive(&record_key(package), &package.version.to_string())? {
            Some(record) => {
                compare(&target, package, &record)?;
                report.present += 1;
            }
            None => missing.push(id),
        }
    }
    if options.dry_run {
        report.fetched = missing.iter().map(|id| shown(&graph, *id)).collect();
        return Ok(report);
    }
    progress.begin(missing.len());
    let run =
        Run { options, network, mirrors: &mirrors, records: &records, graph: &graph, optional: &optional };
    for batch in missing.chunks(BATCH) {
        run.batch(&target, batch, progress, &mut report, waiting)?;
    }
    run.index(&target, waiting)?;
    Ok(report)
}

fn shown(graph: &Graph, id: PackageId) -> String {
    let package = graph.package(id);
    format!("{}@{}", package.name, package.version)
}

/// Refuses if the mirror's archive is not the one that was asked for. Where
/// their hashes are of different functions, the bytes themselves have to tell.
fn compare(mirror: &Mirror, package: &Package, record: &VersionRecord) -> Result<()> {
    let Some(wanted) = &package.integrity else { return Ok(()) };
    let ours = record.sha256.map(Integrity::from);
    let known = [record.integrity.as_ref(), ours.as_ref()].into_iter().flatten();
    let found = match known.into_iter().find(|i| i.algorithm() == wanted.algorithm()) {
        Some(known) => known.clone(),
        None => {
            let mut source = mirror.read_archive(package.name.as_str(), record)?;
            let mut hasher = Hasher::new(wanted.algorithm());
            let mut buffer = vec![0; 64 << 10];
            loop {
                match source.read(&mut buffer).map_err(Error::io("read an archive of", mirror.dir()))? {
                    0 => break hasher.finish(),
                    n => hasher.update(&buffer[..n]),
                }
            }
        }
    };
    if found == *wanted {
        return Ok(());
    }
    Err(Box::new(Error::OtherBytes {
        package: format!("{}@{}", package.name, package.version).into(),
        mirror: mirror.dir().into(),
        locked: wanted.to_string().into(),
        found: found.to_string().into(),
    }))
}

/// The packages that any of the platforms needs, each archive once, and which
/// of them nothing requires.
fn selected(options: &Options, graph: &Graph) -> (Vec<PackageId>, Vec<bool>) {
    let mut included = vec![false; graph.packages.len()];
    for platform in &options.platforms {
        let selection = select(graph, options.groups, platform, &[], &[], None);
        included.iter_mut().zip(selection.included).for_each(|(all, one)| *all |= one);
    }
    let without = Groups { optional: false, ..options.groups };
    let required: Vec<bool> = options
        .platforms
        .first()
        .map_or_else(Vec::new, |p| select(graph, without, p, &[], &[], None).included);
    let optional = (0..graph.packages.len()).map(|i| !required.get(i).copied().unwrap_or(false)).collect();
    let mut seen = std::collections::HashSet::new();
    let mut ids: Vec<PackageId> = graph.ids().filter(|id| included[id.index()]).collect();
    ids.retain(|id| {
        let package = graph.package(*id);
        !package.is_local() && seen.insert((record_key(package), package.version.to_string()))
    });
    (ids, optional)
}

/// Records as they came by while versions were chosen.
#[derive(Default)]
struct Records(Mutex<HashMap<Key, Arc<RecordView>>>);

impl Records {
    fn get(&self, key: &Key) -> Option<Arc<RecordView>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }
}

struct Listen<'a> {
    progress: &'a dyn Progress,
    mirrors: &'a Mirrors,
    records: &'a Records,
}

impl Watch for Listen<'_> {
    fn known(&self, key: &Key) -> Result<Option<RecordView>> {
        Ok(self.mirrors.records(key)?.into_iter().max_by_key(|v| (v.complete(), v.checked())))
    }
    fn arrived(&self, record: &mut Arc<RecordView>, _: Arrival) {
        self.progress.name_known();
        let mut all = self.records.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(record.key().clone(), record.clone());
    }
}

/// Lets `work` ask the registries, which are asked for `questions` ahead.
fn ask<T>(
    options: &Options,
    network: &Network,
    mirrors: &Mirrors,
    records: &Records,
    progress: &dyn Progress,
    questions: Vec<(PackageName, String)>,
    work: impl FnOnce(&Crawler<'_, '_>) -> T,
) -> T {
    let plan = Plan {
        question: Question {
            client: &network.client,
            registries: &network.registries,
            now: mirror::time::now(),
            before: None,
        },
        most: options.metadata_at_a_time,
        fresh_for: options.fresh_for,
        prefer_known: options.prefer_known,
    };
    let watch = Listen { progress, mirrors, records };
    // What cannot be asked for cannot be pulled either: no mirror answers instead.
    crawl(&plan, &watch, None, |crawler| {
        crawler.expect(questions.iter().map(|(name, range)| (name, range.as_str())));
        work(crawler)
    })
}

struct Run<'a> {
    options: &'a Options,
    network: &'a Network,
    mirrors: &'a Mirrors,
    records: &'a Records,
    graph: &'a Graph,
    /// Per package: only optional dependencies lead to it.
    optional: &'a [bool],
}

impl Run<'_> {
    /// Gets these archives and commits them with their records.
    fn batch(
        &self,
        target: &Mirror,
        ids: &[PackageId],
        progress: &dyn Progress,
        report: &mut Report,
        waiting: &mut dyn FnMut(&str),
    ) -> Result<()> {
        let batch = Arc::new(Batch::begin(target, 0)?);
        let upstream = Arc::new(Archives(self.network.clone()));
        let downloads = Downloads::new(upstream, None, Some(batch.clone()), self.options.archives_at_a_time);
        let kept = self
            .gather(target, &batch, &downloads, ids, progress, report)
            .and_then(|got| got.into_iter().try_for_each(|(id, got)| self.keep(&batch, id, &got)));
        drop(downloads.finish());
        // Only now nobody else holds it.
        match (kept, Arc::into_inner(batch)) {
            (Ok(()), Some(batch)) => batch.commit(waiting).map(drop).map_err(Box::from),
            (kept, batch) => {
                if let Some(batch) = batch {
                    batch.abandon();
                }
                kept.and(Err(Box::new(Error::Other {
                    status: Status::Failed,
                    message: "a download did not end".into(),
                    hints: Vec::new(),
                })))
            }
        }
    }

    /// Copies or fetches these archives into the batch.
    fn gather(
        &self,
        target: &Mirror,
        batch: &Batch,
        downloads: &Downloads,
        ids: &[PackageId],
        progress: &dyn Progress,
        report: &mut Report,
    ) -> Result<Vec<(PackageId, Got)>> {
        let mut jobs: Vec<(PackageId, Job)> = Vec::new();
        let mut got: Vec<(PackageId, Got)> = Vec::new();
        for &id in ids {
            match self.copy(target, batch, id)? {
                Some(copied) => {
                    report.copied += 1;
                    report.bytes += copied.bytes;
                    progress.package_done(copied.bytes);
                    got.push((id, copied));
                }
                None => {
                    let job = job(self.graph.package(id));
                    downloads.ahead(job.clone());
                    jobs.push((id, job));
                }
            }
        }
        for (id, job) in &jobs {
            let waited = downloads.wait(std::slice::from_ref(job), |_, g| {
                report.bytes += g.bytes;
                progress.package_done(g.bytes);
                got.push((*id, g.clone()));
            });
            match waited {
                Ok(()) => report.fetched.push(shown(self.graph, *id)),
                Err(e) if self.optional[id.index()] && is_gone(&e) => {
                    report.left_out.push((shown(self.graph, *id), e.to_string()));
                }
                Err(e) => return Err(e),
            }
        }
        Ok(got)
    }

    fn keep(&self, batch: &Batch, id: PackageId, got: &Got) -> Result<()> {
        let mut version = self.version(id)?;
        // A lock without a hash: what another mirror knows of these bytes goes along.
        if version.integrity.is_none() && got.integrity.algorithm() != Algorithm::Sha256 {
            version.integrity = Some(got.integrity.clone());
        }
        keep(batch, record_key(self.graph.package(id)), version, got)
    }

    /// The archive from another mirror, if one has it.
    fn copy(&self, target: &Mirror, batch: &Batch, id: PackageId) -> Result<Option<Got>> {
        let package = self.graph.package(id);
        let found =
            self.mirrors.archive(&record_key(package), &package.version, package.integrity.as_ref())?;
        let Some((mirror, record)) = found.filter(|(m, _)| m.dir() != target.dir()) else { return Ok(None) };
        let (Some(expected), Some(integrity)) = (record.sha256, record.integrity.clone()) else {
            return Ok(None);
        };
        let mut source = mirror.read_archive(package.name.as_str(), &record)?;
        let mut writer = batch.archive()?;
        let copied = std::io::copy(&mut source, &mut writer).and_then(|_| writer.flush());
        copied.map_err(Error::io("copy an archive from", mirror.dir()))?;
        let kept: Stored = writer.finish()?;
        if kept.sha256 != expected {
            let path = mirror.dir().to_path_buf();
            return Err(mirror::Error::wrong_bytes(path, expected, kept.sha256).into());
        }
        let key = crate::install::store::Key::of(&integrity);
        Ok(Some(Got { key, integrity, bytes: kept.size, kept: Some(kept) }))
    }

    fn version(&self, id: PackageId) -> Result<VersionRecord> {
        let package = self.graph.package(id);
        let text = package.version.to_string();
        if let Some(view) = self.records.get(&record_key(package))
            && let Some(i) = view.find(&text)
        {
            return Ok(view.load(i)?);
        }
        Ok(version_record(package))
    }
}

/// The registry says that it has no such archive. Any other failure may pass,
/// and a mirror that lacks something then would only be found out where there is no network.
fn is_gone(e: &Error) -> bool {
    matches!(e, Error::Answer { status: 404 | 410, .. })
}
