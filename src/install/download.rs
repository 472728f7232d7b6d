//! Getting archives from upstream into the store and, on the way, into a
//! mirror: read once, hashed, inflated and kept in one pass.
//!
//! Archives can be asked for before anybody is sure to need them ([`Downloads::ahead`],
//! while versions are still being chosen); only what is [waited for](Downloads::wait)
//! can fail the run.
//!
//! Threads: as many as the machine has cores, and one more whenever all of them
//! are waiting for an answer and there is still work, up to the limit. On a fast
//! network that stays at the cores, which is where the time goes; on a slow one
//! it grows to the limit.

use super::listing::Stored;
use super::store::{Key, Listed, Store, Wanted};
use crate::error::{Error, Result};
use crate::tee::Tee;
use mirror::Batch;
use mirror::archive::{ArchiveError, Workspace};
use mirror::batch::Stored as Kept;
use mirror::digest::Integrity;
use mirror::name::{PackageName, RelPath};
use mirror::record::{Ecosystem, Key as RecordKey};
use mirror::version::Version;
use std::collections::{HashMap, VecDeque};
use std::io::Read;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// What one archive is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Job {
    pub name: PackageName,
    pub version: Version,
    pub source: String,
    /// What the upstream says its bytes hash to; weak ones (SHA-1) count only together with
    /// the connection, and are replaced by our own hash.
    pub integrity: Option<Integrity>,
    /// Where it is not in the usual place.
    pub tarball: Option<String>,
    pub bins: Vec<RelPath>,
}

impl Job {
    pub fn record_key(&self) -> RecordKey {
        RecordKey { ecosystem: Ecosystem::Npm, source: self.source.clone(), name: self.name.to_string() }
    }
    fn id(&self) -> Id {
        (self.source.clone(), self.name.to_string(), self.version.to_string())
    }
}

type Id = (String, String, String);

/// Opens an archive at its upstream. The answer has arrived when this returns.
pub trait Upstream: Send + Sync {
    fn open(&self, job: &Job) -> Result<Box<dyn Read>>;
}

/// How often an archive that broke off is asked for again.
const RETRIES: u32 = 2;

/// What became of an archive.
#[derive(Clone)]
pub struct Got {
    pub key: Key,
    /// Strong, whatever the upstream gave.
    pub integrity: Integrity,
    /// Where it lies in the batch that was given.
    pub kept: Option<Kept>,
    pub bytes: u64,
}

pub struct Downloads {
    shared: Arc<Shared>,
    limit: usize,
    cores: usize,
}

struct Shared {
    upstream: Arc<dyn Upstream>,
    /// `None`: archives only go into the mirror.
    store: Option<Arc<Store>>,
    batch: Option<Arc<Batch>>,
    state: Mutex<State>,
    /// There is something in the queue, or it is over.
    work: Condvar,
    /// Something was done.
    news: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Job>,
    jobs: HashMap<Id, (Job, Progress)>,
    listings: Vec<(Key, Stored)>,
    threads: Vec<std::thread::JoinHandle<()>>,
    /// Threads that wait for an answer, and those that wait for work.
    waiting: usize,
    idle: usize,
    ending: bool,
}

enum Progress {
    Pending,
    Got(Got),
    Failed(Box<Error>),
    /// Failed, and the error was given to whoever waited.
    Told,
}

impl Downloads {
    pub fn new(
        upstream: Arc<dyn Upstream>,
        store: Option<Arc<Store>>,
        batch: Option<Arc<Batch>>,
        limit: usize,
    ) -> Self {
        let shared = Shared {
            upstream,
            store,
            batch,
            state: Mutex::default(),
            work: Condvar::new(),
            news: Condvar::new(),
        };
        let cores = super::platform::cores();
        Self { shared: Arc::new(shared), limit: limit.max(1), cores }
    }

    /// Begins to fetch, unless that has been asked for before.
    pub fn ahead(&self, job: Job) {
        let mut state = self.shared.state();
        let id = job.id();
        if state.jobs.contains_key(&id) {
            return;
        }
        state.jobs.insert(id, (job.clone(), Progress::Pending));
        state.queue.push_back(job);
        self.staff(&mut state);
        drop(state);
        self.shared.work.notify_one();
    }

    fn staff(&self, state: &mut State) {
        let hands = state.threads.len();
        let all_wait = state.waiting >= hands;
        if state.idle == 0 && hands < self.limit && (hands < self.cores || all_wait) {
            let shared = self.shared.clone();
            // Without another thread the ones that are there do the work, at last who waits for it.
            if let Ok(thread) = std::thread::Builder::new().stack_size(256 << 10).spawn(move || shared.work())
            {
                state.threads.push(thread);
            }
        }
    }

    /// Waits for these; the first failure among them is returned.
    pub fn wait(&self, jobs: &[Job], mut done: impl FnMut(&Job, &Got)) -> Result<()> {
        for job in jobs {
            self.ahead(job.clone());
        }
        for job in jobs {
            let id = job.id();
            let mut state = self.shared.state();
            loop {
                match state.jobs.get_mut(&id).map(|(_, progress)| progress) {
                    Some(Progress::Got(got)) => {
                        let got = got.clone();
                        drop(state);
                        done(job, &got);
                        break;
                    }
                    Some(failed @ Progress::Failed(_)) => {
                        if let Progress::Failed(e) = std::mem::replace(failed, Progress::Told) {
                            return Err(e);
                        }
                    }
                    Some(Progress::Pending) => {
                        if !state.queue.is_empty() {
                            self.staff(&mut state);
                        }
                        if state.threads.is_empty()
                            && let Some(job) = state.queue.pop_front()
                        {
                            drop(state);
                            self.shared.carry_out(job, &mut Workspace::new());
                            state = self.shared.state();
                        } else {
                            state = self.shared.wait(state);
                        }
                    }
                    Some(Progress::Told) | None => {
                        return Err(Box::new(Error::Other {
                            status: crate::error::Status::Unreachable,
                            message: format!("{}@{} could not be fetched", job.name, job.version),
                            hints: Vec::new(),
                        }));
                    }
                }
            }
        }
        Ok(())
    }

    pub fn store(&self) -> Option<Arc<Store>> {
        self.shared.store.clone()
    }

    /// Listings of what has come into the store so far; each is given once.
    pub fn listings(&self) -> Vec<(Key, Stored)> {
        std::mem::take(&mut self.shared.state().listings)
    }

    /// Ends the threads (what is still queued is dropped). Everything that came
    /// is returned, also what nobody waited for.
    pub fn finish(self) -> Vec<(Job, Got)> {
        let threads = {
            let mut state = self.shared.state();
            state.ending = true;
            state.queue.clear();
            std::mem::take(&mut state.threads)
        };
        self.shared.work.notify_all();
        for thread in threads {
            let _ = thread.join();
        }
        let jobs = std::mem::take(&mut self.shared.state().jobs);
        let got = jobs.into_values().filter_map(|(job, progress)| match progress {
            Progress::Got(got) => Some((job, got)),
            _ => None,
        });
        let mut got: Vec<(Job, Got)> = got.collect();
        // The mirror's bytes must not depend on which thread was faster.
        mirror::order::sort_by_key(&mut got, |(job, _)| job.id());
        got
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.news.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let mut workspace = Workspace::new();
        loop {
            let job = {
                let mut state = self.state();
                loop {
                    if state.ending {
                        return;
                    }
                    if let Some(job) = state.queue.pop_front() {
                        break job;
                    }
                    state.idle += 1;
                    state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
                    state.idle -= 1;
                }
            };
            self.carry_out(job, &mut workspace);
        }
    }

    fn carry_out(&self, job: Job, workspace: &mut Workspace) {
        let outcome = self.fetch(&job, workspace);
        let mut state = self.state();
        let progress = match outcome {
            Ok((got, listing)) => {
                state.listings.extend(listing.map(|l| (got.key, l)));
                Progress::Got(got)
            }
            Err(e) => Progress::Failed(e),
        };
        state.jobs.insert(job.id(), (job, progress));
        drop(state);
        self.news.notify_all();
    }

    /// An archive whose connection broke is asked for again, from its beginning.
    fn fetch(&self, job: &Job, workspace: &mut Workspace) -> Result<(Got, Option<Stored>)> {
        let mut tries = 0;
        loop {
            match self.fetch_once(job, workspace) {
                Err(e) if matches!(&*e, Error::Http(e) if e.is_transient()) && tries < RETRIES => tries += 1,
                outcome => return outcome,
            }
        }
    }

    fn fetch_once(&self, job: &Job, workspace: &mut Workspace) -> Result<(Got, Option<Stored>)> {
        self.state().waiting += 1;
        let opened = self.upstream.open(job);
        self.state().waiting -= 1;
        let mut body = opened?;
        let Some(batch) = &self.batch else {
            let (got, listing) = self.take(job, &mut body, workspace)?;
            return Ok((got, listing));
        };
        let mut tee = Tee::new(&mut body, batch.archive()?);
        let taken = self.take(job, &mut tee, workspace);
        match (taken, tee.finish()) {
            (Ok((mut got, listing)), Ok(writer)) => {
                got.kept = Some(writer.finish()?);
                Ok((got, listing))
            }
            (Err(e), Ok(writer)) => {
                writer.abandon();
                Err(e)
            }
            (_, Err(e)) => Err(Error::io("write to", batch.mirror().dir())(e)),
        }
    }

    /// Reads the archive into the store, or only checks it where there is none.
    fn take(
        &self,
        job: &Job,
        body: &mut dyn Read,
        workspace: &mut Workspace,
    ) -> Result<(Got, Option<Stored>)> {
        let version = job.version.to_string();
        let name = job.name.as_str();
        let wanted = Wanted { integrity: job.integrity.as_ref(), name, version: &version, bins: &job.bins };
        let taken = match &self.store {
            Some(store) => {
                // What a mirror will have is here when the mirror has it.
                let listed = if self.batch.is_some() { Listed::Later } else { Listed::Now };
                store.add(body, &wanted, workspace, listed).map(|(key, listing, s)| (key, Some(listing), s))
            }
            None => super::store::check(body, &wanted, workspace).map(|(key, s)| (key, None, s)),
        };
        let (key, listing, summary) = taken.map_err(at_its_cause)?;
        let integrity = super::store::strong(&summary);
        Ok((Got { key, integrity, kept: None, bytes: summary.compressed }, listing))
    }
}

/// A connection that broke while an archive was read is the network's error, not the archive's.
fn at_its_cause(e: Box<Error>) -> Box<Error> {
    if let Error::Archive { source, .. } = &*e
        && let ArchiveError::Read(io) = &**source
        && let Some(http) = mirror::http::HttpError::inside(io)
    {
        return http.clone().into();
    }
    e
}
