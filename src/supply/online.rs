//! Registries behind the mirrors: what a lock decides comes from the nearest
//! mirror that has it; what has to be chosen is asked of the registries, with
//! the mirrors' records as far as they are young enough; what is downloaded is
//! written through to the home mirror.

use super::{Look, Prepare, failure, finished, job, version_record};
use crate::error::{Error, Result, Whereabouts};
use crate::install::download::{Downloads, Got, Job, Upstream};
use crate::install::fill::{self, Busy, record_key};
use crate::install::platform::Platform;
use crate::install::run::{Downloaded, Resolved, Supply};
use crate::install::store::{Key as StoreKey, Store};
use crate::lockfile::foreign::Foreign;
use crate::network::Network;
use crate::opportunity::Opportunity;
use crate::resolve::graph::{Graph, PackageId};
use crate::resolve::spec::Spec;
use crate::resolve::{self, ImporterRequest, Requested, Resolution};
use crate::source::mirrors::{Damage, MirrorIndex, Mirrors};
use crate::source::npm::crawl::{Arrival, Crawler, Outage, Plan, Watch, crawl, registry_edge};
use crate::source::npm::fetch::Question;
use crate::wants::Misses;
use mirror::http::Request;
use mirror::name::{BinName, PackageName, RelPath};
use mirror::record::{Key, RecordView, VersionRecord};
use mirror::trust::Trust;
use mirror::{Batch, Mirror};
use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What does not change during a run.
pub struct Settings {
    pub named: Vec<PathBuf>,
    /// The home mirror's folder; made when something is kept in it.
    pub home: PathBuf,
    pub trust: Arc<Trust>,
    pub misses: Arc<Misses>,
    pub opportunity: Arc<Opportunity>,
    /// Seconds for which a mirror's record needs no question.
    pub fresh_for: u64,
    /// What a mirror knows is taken at any age.
    pub prefer_known: bool,
    /// What mirrors know about versions does not count.
    pub ignore_known: bool,
    pub metadata_at_a_time: usize,
    pub archives_at_a_time: usize,
    /// Archives are fetched before all versions are chosen.
    pub ahead: bool,
}

/// As flags, variables and files have it.
pub fn settings(settings: &crate::settings::Settings) -> Result<Settings> {
    Ok(Settings {
        named: settings.mirrors.clone(),
        home: settings.home_mirror()?,
        trust: settings.trust.clone(),
        misses: settings.misses.clone(),
        opportunity: settings.opportunity.clone(),
        fresh_for: if settings.no_cache { 0 } else { settings.cache_ttl.as_secs() },
        prefer_known: settings.prefer_offline,
        ignore_known: settings.no_cache,
        metadata_at_a_time: settings.metadata_at_a_time,
        archives_at_a_time: settings.archives_at_a_time,
        ahead: true,
    })
}

pub struct Online<'a> {
    settings: Settings,
    network: Network,
    request: resolve::Request<'static>,
    prepare: Option<&'a Prepare<'a>>,
    progress: Arc<dyn fill::Watch + Send>,
    mirrors: OnceCell<Mirrors>,
    /// Made at the first download.
    running: RefCell<Option<Running>>,
    /// The commit that goes on beside the building of the tree.
    committing: RefCell<Option<Committing>>,
    /// What could not be done and does not matter enough to fail.
    notes: Mutex<Vec<String>>,
}

type Committing = (Arc<Mutex<Option<Running>>>, Option<std::thread::JoinHandle<Result<()>>>);

struct Running {
    downloads: Downloads,
    batch: Option<Arc<Batch>>,
    /// What is known about versions whose archives were asked for.
    versions: Arc<Versions>,
    progress: Arc<dyn fill::Watch + Send>,
}

type Versions = Mutex<HashMap<(Key, String), VersionRecord>>;

impl<'a> Online<'a> {
    pub fn new(
        settings: Settings,
        network: Network,
        request: resolve::Request<'static>,
        prepare: Option<&'a Prepare<'a>>,
        progress: Arc<dyn fill::Watch + Send>,
    ) -> Self {
        Self {
            settings,
            network,
            request,
            prepare,
            progress,
            mirrors: OnceCell::new(),
            running: RefCell::default(),
            committing: RefCell::default(),
            notes: Mutex::default(),
        }
    }

    /// Downloads into the store, and a batch of the home mirror where it can be written.
    fn start(&self, store: &Arc<Store>) {
        if self.running.borrow().is_some() {
            return;
        }
        let batch = match home_batch(&self.settings.home, &self.settings.trust) {
            Ok(batch) => Some(Arc::new(batch)),
            Err(e) => {
                self.note(format!("what is downloaded is not kept in the home mirror: {e}"));
                None
            }
        };
        let upstream = Arc::new(Archives(self.network.clone()));
        let downloads =
            Downloads::new(upstream, Some(store.clone()), batch.clone(), self.settings.archives_at_a_time);
        let progress = self.progress.clone();
        *self.running.borrow_mut() = Some(Running { downloads, batch, versions: Arc::default(), progress });
    }

    /// Lets somebody look up what the request's importers ask for.
    pub fn look(&self, look: &mut Look<'_>) -> Result<()> {
        self.crawled(None, &mut |crawler| {
            crawler.names(names(&self.request.importers));
            look(crawler)?;
            match crawler.outage().into_iter().next() {
                Some((name, e)) => Err(e.into_error(&name)),
                None => Ok(()),
            }
        })
    }

    /// Works with an index of the registries, with what mirrors know behind it.
    fn crawled(
        &self,
        store: Option<&Arc<Store>>,
        work: &mut dyn FnMut(&Crawler<'_, '_>) -> Result<()>,
    ) -> Result<()> {
        let mirrors = self.mirrors()?;
        let running = self.running.borrow();
        let plan = Plan {
            question: Question {
                client: &self.network.client,
                registries: &self.network.registries,
                now: mirror::time::now(),
                before: self.request.rules.before,
            },
            most: self.settings.metadata_at_a_time,
            fresh_for: self.settings.fresh_for,
            prefer_known: self.settings.prefer_known,
        };
        let watch = Ahead {
            mirrors,
            store: store.filter(|_| self.settings.ahead),
            running: running.as_ref(),
            ignore_known: self.settings.ignore_known,
            progress: &*self.progress,
            failure: Mutex::default(),
            stale: Mutex::default(),
        };
        let source = |name: &PackageName| self.network.registries.source_of(name);
        let here = Platform::current();
        let known = MirrorIndex::new(mirrors, &source, &here);
        let fallback = (!mirrors.is_empty()).then_some(&known as &dyn resolve::index::Index);
        let outcome = crawl(&plan, &watch, fallback, work);
        if let Some((count, oldest)) = *watch.stale.lock().unwrap_or_else(PoisonError::into_inner) {
            let packages = if count == 1 { "1 package" } else { &format!("{count} packages") };
            let date = mirror::time::date(oldest);
            self.note(format!(
                "the registry does not answer: {packages} chosen as mirrors knew it on {}",
                &date[..10]
            ));
        }
        if let Some(e) = watch.failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(e.into());
        }
        outcome
    }

    /// Every package with a strong hash: without one nothing can be locked, so those archives are fetched now.
    fn settled(&self, resolution: Resolution) -> Result<Resolved> {
        let (mut resolved, weak) = finished(resolution, self.mirrors()?)?;
        if let (Some(running), false) = (self.running.borrow().as_ref(), weak.is_empty()) {
            for id in weak {
                let job = job(resolved.graph.package(id));
                let mut integrity = None;
                running.downloads.wait(&[job], |_, got| integrity = Some(got.integrity.clone()))?;
                resolved.graph.packages[id.index()].integrity = integrity;
            }
        }
        Ok(resolved)
    }

    /// What could not be done, and does not matter enough to fail.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = self.mirrors.get().map(Mirrors::notes).unwrap_or_default();
        notes.append(&mut self.notes.lock().unwrap_or_else(PoisonError::into_inner));
        notes
    }

    fn note(&self, text: String) {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).push(text);
    }
}

fn home_batch(home: &Path, trust: &Trust) -> Result<Batch> {
    let mirror = Mirror::open_or_init(home, "home")?;
    trust.prepare(&mirror)?;
    Ok(Batch::begin(&mirror, 0)?)
}

impl Supply for Online<'_> {
    fn resolve(&self, locked: Option<&Graph>, store: Option<&Arc<Store>>) -> Result<Resolved> {
        let mut request = resolve::Request { locked, ..self.request.clone() };
        if self.prepare.is_none()
            && let Some(kept) = resolve::edit::answer(&request, None)
        {
            return Ok(Resolved { graph: kept.graph, warnings: Vec::new() });
        }
        if let Some(store) = store {
            self.start(store);
        }
        let nothing = resolve::Resolution { graph: Graph::default(), warnings: Vec::new() };
        let (mut outcome, mut outage) = (Ok(nothing), Outage::new());
        self.crawled(store, &mut |crawler| {
            if let Some(prepare) = self.prepare {
                crawler.names(names(&request.importers));
                prepare(crawler, &mut request.importers)?;
            }
            // With a lock only what changed is asked for; the resolver says which.
            if locked.is_none() {
                let edges = seeds(&request.importers);
                crawler.expect(edges.iter().map(|(name, range)| (name, range.as_str())));
            }
            (outcome, outage) = (resolve::resolve(&request, crawler), crawler.outage());
            Ok(())
        })?;
        match outcome {
            Ok(resolution) => self.settled(resolution),
            Err(e) => {
                let unreached = unreached(&e, &outage);
                let source = |name: &PackageName| self.network.registries.source_of(name);
                let misses = &self.settings.misses;
                let e = failure(e, self.mirrors()?, misses, &source, unreached.is_some());
                Err(unreached.unwrap_or_else(|| at_registry(&self.network, e)))
            }
        }
    }

    fn complete(&self, mut foreign: Foreign, store: Option<&Arc<Store>>) -> Result<Resolved> {
        if let Some(store) = store {
            self.start(store);
        }
        foreign.set_sources(&|name| self.network.registries.source_of(name));
        let questions = foreign.questions();
        if questions.is_empty() && !foreign.has_archives() {
            return self.settled(Resolution { graph: foreign.into_graph(), warnings: Vec::new() });
        }
        let mut resolution = Resolution { graph: Graph::default(), warnings: Vec::new() };
        self.crawled(store, &mut |crawler| {
            crawler.expect(questions.iter().map(|(name, version)| (name, version.as_str())));
            resolution = foreign.complete(crawler).map_err(|e| match (&*e, crawler.outage().first()) {
                (Error::Missing(_), Some((name, outage))) => outage.clone().into_error(name),
                _ => at_registry(&self.network, e),
            })?;
            Ok(())
        })?;
        self.settled(resolution)
    }

    fn mirrors(&self) -> Result<&Mirrors> {
        if let Some(mirrors) = self.mirrors.get() {
            return Ok(mirrors);
        }
        let waiting = &mut |holder: &str| self.progress.waiting(Busy::Mirror(holder));
        let Settings { named, home, trust, opportunity, .. } = &self.settings;
        let mirrors =
            Mirrors::open(named, Some(home), opportunity.media(), trust, Damage::PassedOver, waiting)?;
        Ok(self.mirrors.get_or_init(|| mirrors))
    }

    fn download(
        &self,
        store: &Arc<Store>,
        graph: &Graph,
        ids: &[PackageId],
        watch: &dyn fill::Watch,
    ) -> Result<Downloaded> {
        self.start(store);
        let running = self.running.borrow();
        let Some(running) = running.as_ref() else { return Ok(Vec::new()) };
        let jobs: Vec<Job> = ids.iter().map(|id| job(graph.package(*id))).collect();
        {
            let mut versions = running.versions.lock().unwrap_or_else(PoisonError::into_inner);
            for id in ids {
                let package = graph.package(*id);
                let at = (record_key(package), package.version.to_string());
                versions.entry(at).or_insert_with(|| version_record(package));
            }
        }
        running.downloads.wait(&jobs, |_, got| watch.package_done(got.bytes))?;
        Ok(running.downloads.listings())
    }

    fn settle(&self) {
        let Some(running) = self.running.take() else { return };
        // A second round of downloads: the first one's commit must not be lost sight of.
        if let Some((_, Some(thread))) = self.committing.take()
            && let Ok(Err(e)) = thread.join()
        {
            self.note(format!("what was downloaded is not kept in the home mirror: {e}"));
        }
        // Without a thread the commit is done when it is waited for.
        let slot = Arc::new(Mutex::new(Some(running)));
        let own = slot.clone();
        let thread = std::thread::Builder::new().spawn(move || match taken(&own) {
            Some(running) => commit(running),
            None => Ok(()),
        });
        *self.committing.borrow_mut() = Some((slot, thread.ok()));
    }

    fn finish(&self) -> Result<()> {
        self.settle();
        let Some((slot, thread)) = self.committing.take() else { return Ok(()) };
        let outcome = match thread.map(std::thread::JoinHandle::join) {
            Some(Ok(outcome)) => outcome,
            Some(Err(_)) | None => taken(&slot).map_or(Ok(()), commit),
        };
        match outcome {
            // The alarm is the user's to see; everything else costs only the copy.
            Err(e) if matches!(*e, Error::Mirror(mirror::Error::Conflict(_))) => Err(e),
            Err(e) => {
                self.note(format!("what was downloaded is not kept in the home mirror: {e}"));
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    fn abandon(&self) {
        if let Some((slot, thread)) = self.committing.take() {
            if let Some(thread) = thread {
                let _ = thread.join();
            }
            drop(taken(&slot));
        }
        let Some(running) = self.running.take() else { return };
        drop(running.downloads.finish());
        if let Some(batch) = running.batch.and_then(Arc::into_inner) {
            batch.abandon();
        }
    }
}

fn taken(slot: &Mutex<Option<Running>>) -> Option<Running> {
    slot.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// Writes what was downloaded, and the records that came by, through to the home mirror. From then
/// on the store has it as well.
fn commit(running: Running) -> Result<()> {
    let store = running.downloads.store();
    let got = running.downloads.finish();
    let keys: Vec<StoreKey> = got.iter().map(|(_, got)| got.key).collect();
    keep_all(running.batch, &running.versions, got, &*running.progress)?;
    if let Some(store) = store {
        keys.iter().for_each(|key| store.list(key));
    }
    Ok(())
}

fn keep_all(
    batch: Option<Arc<Batch>>,
    versions: &Versions,
    got: Vec<(Job, Got)>,
    progress: &dyn fill::Watch,
) -> Result<()> {
    let Some(batch) = batch.and_then(Arc::into_inner) else { return Ok(()) };
    let mut versions = versions.lock().unwrap_or_else(PoisonError::into_inner);
    for (job, got) in got {
        if let Some(record) = versions.remove(&(job.record_key(), job.version.to_string())) {
            keep(&batch, job.record_key(), record, &got)?;
        }
    }
    batch.commit_relaxed(&mut |holder| progress.waiting(Busy::Mirror(holder)))?;
    Ok(())
}

/// A name that a registry was asked for is unknown to that registry, not to «every index here».
pub fn at_registry(network: &Network, mut error: Box<Error>) -> Box<Error> {
    if let Error::Missing(missing) = &mut *error
        && let Whereabouts::NoVersionFits { asked, .. } = &mut missing.whereabouts
    {
        *asked = true;
    } else if let Error::Missing(missing) = &mut *error
        && missing.whereabouts == Whereabouts::Unknown
        && let Ok(name) = PackageName::parse(&missing.package)
        && let Ok(registry) = network.registries.of(&name)
    {
        missing.whereabouts = Whereabouts::NotAt { registry: registry.url.to_string() };
    }
    error
}

/// Puts a version with its archive into the batch's index.
pub fn keep(batch: &Batch, key: Key, version: VersionRecord, got: &Got) -> Result<()> {
    let Some(kept) = &got.kept else { return Ok(()) };
    Ok(batch.put_version(key, kept.clone().of(version))?)
}

/// The reason for a missing package when its registry could not be reached.
fn unreached(failure: &resolve::Failure, outage: &Outage) -> Option<Box<Error>> {
    let resolve::Failure::Missing(all) = failure else { return None };
    let wanted = |(name, _): &&(PackageName, _)| all.iter().any(|m| m.package == name.as_str());
    outage.iter().find(wanted).map(|(name, e)| e.clone().into_error(name))
}

/// The manifests' own edges, as names and ranges of packages. A member's name is nobody's business but the
/// project's: where the member will do, no registry hears of it.
pub fn seeds(importers: &[ImporterRequest]) -> Vec<(PackageName, String)> {
    let packed = importers.iter().flat_map(|i| &i.packed).flat_map(|p| &p.record.dependencies);
    let packed = packed.filter_map(|d| registry_edge(&d.name, &d.range));
    in_registries(importers).map(|d| target(&d.alias, &d.range)).chain(packed).collect()
}

fn in_registries(importers: &[ImporterRequest]) -> impl Iterator<Item = &Requested> {
    let folders: Vec<&PackageName> = importers.iter().flat_map(|i| &i.folders).map(|f| &f.name).collect();
    let all = importers.iter().flat_map(|i| &i.dependencies);
    all.filter(move |d| {
        !folders.contains(&&d.alias) && Spec::parse(&d.range).registry_name(&d.alias).is_some()
    })
}

/// The packages that they ask registries for.
fn names(importers: &[ImporterRequest]) -> Vec<PackageName> {
    in_registries(importers).filter_map(|d| Spec::parse(&d.range).registry_name(&d.alias)).collect()
}

/// `npm:x@1` under the name `y` asks for `x`.
fn target(alias: &PackageName, range: &str) -> (PackageName, String) {
    match Spec::parse(range).package {
        Some(name) => {
            let rest = range.get(4..).and_then(|r| r.get(1..)?.split_once('@')).map_or("*", |(_, r)| r);
            (name, rest.to_string())
        }
        None => (alias.clone(), range.to_string()),
    }
}

/// What the crawl finds goes to the mirror and to the downloads at once.
struct Ahead<'a> {
    mirrors: &'a Mirrors,
    store: Option<&'a Arc<Store>>,
    running: Option<&'a Running>,
    ignore_known: bool,
    progress: &'a dyn fill::Watch,
    failure: Mutex<Option<mirror::Error>>,
    /// Records that a mirror had to answer for, and when the oldest was heard.
    stale: Mutex<Option<(usize, u64)>>,
}

impl Watch for Ahead<'_> {
    fn known(&self, key: &Key) -> Result<Option<RecordView>> {
        if self.ignore_known {
            return Ok(None);
        }
        let views = self.mirrors.records(key)?;
        // A complete record can be revalidated; the youngest of them is nearest to the truth.
        Ok(views.into_iter().max_by_key(|v| (v.complete(), v.checked())))
    }

    fn arrived(&self, record: &mut Arc<RecordView>, how: Arrival) {
        if how == Arrival::Stale {
            let mut stale = self.stale.lock().unwrap_or_else(PoisonError::into_inner);
            let (count, oldest) = stale.unwrap_or((0, u64::MAX));
            *stale = Some((count + 1, oldest.min(record.checked())));
        }
        self.progress.name_known();
        if let (Arrival::Fetched | Arrival::Confirmed, Some(batch), Some(record)) =
            (how, self.running.and_then(|r| r.batch.as_ref()), Arc::get_mut(record))
            && let Err(e) = batch.keep_view(record)
        {
            self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(e);
        }
    }

    fn guessed(&self, name: &PackageName, source: &str, version: &VersionRecord) {
        let (Some(running), Some(store)) = (self.running, self.store) else { return };
        let Some(integrity) = version.integrity.as_ref().filter(|i| i.algorithm().is_strong()) else {
            return;
        };
        let platform = Platform::current();
        if !platform.accepts(&version.os, &version.cpu, &version.libc) || store.has(&StoreKey::of(integrity))
        {
            return;
        }
        let job = Job {
            name: name.clone(),
            version: version.version.clone(),
            source: source.to_string(),
            integrity: version.integrity.clone(),
            tarball: version.tarball.clone(),
            bins: bins(version),
        };
        let key = job.record_key();
        // The nearest mirror that has the bytes will do.
        if matches!(self.mirrors.archive(&key, &version.version, Some(integrity)), Ok(Some(_))) {
            return;
        }
        let mut versions = running.versions.lock().unwrap_or_else(PoisonError::into_inner);
        versions.insert((key, version.version.to_string()), version.clone());
        drop(versions);
        running.downloads.ahead(job);
    }
}

/// The files behind a version's commands, as far as they can be used.
fn bins(version: &VersionRecord) -> Vec<RelPath> {
    let usable = version.bins.iter().filter(|(name, _)| BinName::parse(name).is_ok());
    usable.filter_map(|(_, path)| RelPath::normalise(path).ok()).collect()
}

/// Archives of npm registries.
pub struct Archives(pub Network);

/// The largest archive that is fetched.
const LARGEST: u64 = 4 << 30;

impl Upstream for Archives {
    fn open(&self, job: &Job) -> Result<Box<dyn Read>> {
        let Network { client, registries, .. } = &self.0;
        let tarball = registries.tarball(&job.name, &job.version, job.tarball.as_deref())?;
        let registry = registries.of(&job.name)?;
        let mut request = Request {
            credential: tarball.credential.as_deref(),
            cap: LARGEST,
            deadline: Duration::from_secs(3600),
            ..Request::new(&tarball.url)
        };
        if tarball.foreign {
            request.reach = client.reach_from(&registry.url);
        }
        let response = client.get(&request)?;
        match response.status {
            200 => Ok(Box::new(response.body)),
            status => Err(Box::new(Error::Answer {
                url: response.url.into(),
                status,
                concerning: format!("{}@{}", job.name, job.version),
            })),
        }
    }
}
