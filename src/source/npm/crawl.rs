//! Fetching documents ahead of the resolver.
//!
//! The resolver asks for one name after the other; a network answers best when
//! it is asked for many at once. So each record that arrives is looked through
//! at once for what will be asked next: for every edge that is known, the
//! version it will probably take is guessed (dist-tag, or the highest that
//! satisfies), and its dependencies are fetched. A wrong guess costs a request,
//! never a wrong result: the resolver takes only what it asks for itself.
//!
//! Threads begin with four, which keeps memory small where a registry is near,
//! and double while all of them do nothing but wait for the network.

use super::fetch::{Answer, FetchError, Question};
use crate::error::Result;
use crate::resolve::index::{Candidates, Index};
use crate::resolve::range::Range;
use mirror::name::PackageName;
use mirror::record::{DependencyKind, Ecosystem, Key, RecordView, VersionRecord};
use mirror::version::Version;
use std::cell::RefCell;
use std::collections::{HashMap, HashSet, VecDeque};
use std::io::{self, Read};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, Scope};
use std::time::Duration;

/// How to crawl.
pub struct Plan<'a> {
    pub question: Question<'a>,
    /// The most requests at a time.
    pub most: usize,
    /// Seconds for which a complete record of a mirror needs no question.
    pub fresh_for: u64,
    /// What a mirror knows is taken as it is, whatever its age.
    pub prefer_known: bool,
}

/// How a record came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// From the registry, just now.
    Fetched,
    /// From a mirror; the registry says that it is still so.
    Confirmed,
    /// From a mirror, young enough (or taken at any age).
    Known,
    /// From a mirror, because the registry cannot be reached.
    Stale,
}

/// Who wants to know what the crawl finds; called from its threads.
pub trait Watch: Sync {
    /// What the mirrors know about a name.
    fn known(&self, key: &Key) -> Result<Option<RecordView>>;
    /// A name's record is there; nobody else has it yet.
    fn arrived(&self, _record: &mut Arc<RecordView>, _how: Arrival) {}
    /// The resolver will probably take this version; told once for each. Its
    /// archive can be fetched ahead.
    fn guessed(&self, _name: &PackageName, _source: &str, _version: &VersionRecord) {}
}

/// Threads to begin with.
const FIRST: usize = 4;
/// All threads waiting for that long, twice in a row: more of them would help.
const TICK: Duration = Duration::from_millis(2);
const STACK: usize = 512 * 1024;
/// Versions times the length of a range, summed over all guesses: they are not worth more.
const MOST_COMPARED: usize = 32 << 20;

/// Runs `work` with an index that fetches; ends the threads behind it.
/// `fallback` answers for names whose registry cannot be reached.
pub fn crawl<T>(
    plan: &Plan<'_>,
    watch: &dyn Watch,
    fallback: Option<&dyn Index>,
    work: impl FnOnce(&Crawler<'_, '_>) -> T,
) -> T {
    let shared = Shared {
        plan,
        watch,
        state: Mutex::default(),
        work: Condvar::new(),
        done: Condvar::new(),
        waiting: AtomicUsize::new(0),
        compared: AtomicUsize::new(0),
        closing: AtomicBool::new(false),
    };
    std::thread::scope(|scope| {
        let crawler = Crawler {
            shared: &shared,
            scope,
            fallback,
            ready: RefCell::default(),
            outage: RefCell::default(),
        };
        let result = work(&crawler);
        shared.closing.store(true, Relaxed);
        // Under the lock, so that nobody goes to sleep between its look and the call.
        drop(shared.lock());
        shared.work.notify_all();
        result
    })
}

impl Crawler<'_, '_> {
    /// What the resolver was not told because of an outage, so far.
    pub fn outage(&self) -> Outage {
        std::mem::take(&mut *self.outage.borrow_mut())
    }
}

/// The index over registries (and mirrors, where they suffice).
pub struct Crawler<'s, 'e> {
    shared: &'s Shared<'e>,
    scope: &'s Scope<'s, 'e>,
    fallback: Option<&'s dyn Index>,
    /// What the resolver has been told; the same answer each time.
    ready: RefCell<HashMap<PackageName, Option<Rc<dyn Candidates>>>>,
    outage: RefCell<Outage>,
}

/// Names whose registry could not be reached and that no mirror knows either.
/// The resolver was told that there is no such package, which is well for an
/// optional peer; should it need one, this is the reason.
pub type Outage = Vec<(PackageName, FetchError)>;

struct Shared<'e> {
    plan: &'e Plan<'e>,
    watch: &'e dyn Watch,
    state: Mutex<State>,
    /// There is something in the queue, or it is over.
    work: Condvar,
    /// A name has come.
    done: Condvar,
    /// Threads that do nothing but wait for the network.
    waiting: AtomicUsize,
    compared: AtomicUsize,
    closing: AtomicBool,
}

#[derive(Default)]
struct State {
    slots: HashMap<PackageName, Slot>,
    queue: VecDeque<PackageName>,
    threads: usize,
    idle: usize,
    /// (name, range) pairs that were followed.
    edges: HashSet<(PackageName, String)>,
    /// (name, version) pairs that were guessed.
    guessed: HashSet<(PackageName, String)>,
}

enum Slot {
    /// On its way; the ranges of edges to it.
    Pending(Vec<String>),
    Done(Outcome),
}

#[derive(Clone)]
enum Outcome {
    Record(Arc<RecordView>, Arrival),
    Unknown,
    Failed(FetchError),
}

impl<'s, 'e> Crawler<'s, 'e> {
    /// Edges that will be followed for sure, such as the manifest's: name (not
    /// alias) and range.
    pub fn expect<'a>(&self, edges: impl IntoIterator<Item = (&'a PackageName, &'a str)>) {
        let edges = edges.into_iter().map(|(n, r)| (n.clone(), r.to_string())).collect();
        self.shared.follow(edges);
        self.grow(FIRST);
    }

    /// Names that will be asked for, without what they depend on.
    pub fn names(&self, names: Vec<PackageName>) {
        let mut state = self.shared.lock();
        for name in names {
            if !state.slots.contains_key(&name) {
                state.slots.insert(name.clone(), Slot::Pending(Vec::new()));
                state.queue.push_back(name);
            }
        }
        drop(state);
        self.grow(FIRST);
    }

    /// Starts threads for what is in the queue, up to `limit` in all.
    fn grow(&self, limit: usize) {
        let limit = limit.min(self.shared.plan.most.max(1));
        let mut state = self.shared.lock();
        while state.threads < limit && state.queue.len() > state.idle {
            let shared = self.shared;
            let spawned = Builder::new().stack_size(STACK).spawn_scoped(self.scope, move || shared.serve());
            if spawned.is_err() {
                break;
            }
            state.threads += 1;
            // It takes one name.
            state.idle += 1;
        }
    }

    fn wait_for(&self, name: &PackageName) -> Outcome {
        {
            let mut state = self.shared.lock();
            if !state.slots.contains_key(name) {
                state.slots.insert(name.clone(), Slot::Pending(Vec::new()));
                // Somebody waits for this one.
                state.queue.push_front(name.clone());
                self.shared.work.notify_one();
            }
        }
        self.grow(FIRST);
        let mut stuck = false;
        let mut state = self.shared.lock();
        loop {
            if let Some(Slot::Done(outcome)) = state.slots.get(name) {
                return outcome.clone();
            }
            if state.threads == 0 {
                // No thread could be started.
                let Some(next) = state.queue.pop_front() else {
                    return Outcome::Failed(FetchError::Config {
                        message: format!("{name}: nobody fetches it"),
                        status: crate::error::Status::Failed,
                    });
                };
                drop(state);
                self.shared.answer(next);
                state = self.shared.lock();
                continue;
            }
            let (next, timeout) =
                self.shared.done.wait_timeout(state, TICK).unwrap_or_else(PoisonError::into_inner);
            state = next;
            if timeout.timed_out() {
                let all_wait = !state.queue.is_empty() && self.shared.waiting.load(Relaxed) >= state.threads;
                if all_wait && stuck {
                    let limit = state.threads * 2;
                    drop(state);
                    self.grow(limit);
                    state = self.shared.lock();
                }
                stuck = all_wait && !stuck;
            }
        }
    }
}

impl Index for Crawler<'_, '_> {
    fn package(&self, name: &PackageName) -> Result<Option<Rc<dyn Candidates>>> {
        if let Some(known) = self.ready.borrow().get(name) {
            return Ok(known.clone());
        }
        let live =
            |record, upstream| -> Option<Rc<dyn Candidates>> { Some(Rc::new(Live { record, upstream })) };
        let found = match self.wait_for(name) {
            Outcome::Record(record, Arrival::Stale) => match self.fallback {
                Some(index) => index.package(name)?,
                None => live(record, false),
            },
            Outcome::Record(record, _) => live(record, true),
            Outcome::Unknown => None,
            Outcome::Failed(e) => match self.fallback {
                Some(index) if e.is_outage() => match index.package(name)? {
                    None => {
                        self.outage.borrow_mut().push((name.clone(), e));
                        None
                    }
                    found => found,
                },
                _ => return Err(e.into_error(name)),
            },
        };
        self.ready.borrow_mut().insert(name.clone(), found.clone());
        Ok(found)
    }
}

/// A record as the resolver sees it.
struct Live {
    record: Arc<RecordView>,
    /// The registry can be asked for archives that are not here.
    upstream: bool,
}

impl Candidates for Live {
    fn source(&self) -> &str {
        &self.record.key().source
    }
    fn tag(&self, tag: &str) -> Option<&str> {
        self.record.tag(tag)
    }
    fn len(&self) -> usize {
        self.record.len()
    }
    fn version(&self, i: usize) -> &str {
        self.record.version(i)
    }
    fn is_available(&self, i: usize) -> bool {
        self.upstream || self.record.is_present(i)
    }
    fn is_deprecated(&self, i: usize) -> bool {
        self.record.is_deprecated(i)
    }
    fn published(&self, i: usize) -> u64 {
        self.record.published(i)
    }
    fn load(&self, i: usize) -> Result<VersionRecord> {
        self.record.load(i).map_err(Box::from)
    }
}

impl Shared<'_> {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A thread: names from the queue until it is over.
    fn serve(&self) {
        loop {
            let name = {
                let mut state = self.lock();
                loop {
                    if self.closing.load(Relaxed) {
                        return;
                    }
                    if let Some(name) = state.queue.pop_front() {
                        state.idle -= 1;
                        break name;
                    }
                    state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
            };
            self.answer(name);
            self.lock().idle += 1;
        }
    }

    /// Fetches one name, tells everybody, and follows what waited for it.
    fn answer(&self, name: PackageName) {
        let mut outcome = self.fetch(&name);
        if let Outcome::Record(record, how) = &mut outcome {
            self.watch.arrived(record, *how);
        }
        let record = match &outcome {
            Outcome::Record(record, _) => Some(Arc::clone(record)),
            _ => None,
        };
        let ranges = match self.lock().slots.insert(name.clone(), Slot::Done(outcome)) {
            Some(Slot::Pending(ranges)) => ranges,
            _ => Vec::new(),
        };
        self.done.notify_all();
        if let Some(record) = record {
            let edges = ranges.iter().flat_map(|range| self.guess(&name, &record, range)).collect();
            self.follow(edges);
        }
    }

    fn fetch(&self, name: &PackageName) -> Outcome {
        let plan = self.plan;
        let key = Key {
            ecosystem: Ecosystem::Npm,
            source: plan.question.registries.source_of(name),
            name: name.to_string(),
        };
        // A damaged mirror is reported by whoever looks after mirrors; here it just does not know.
        let known = self.watch.known(&key).unwrap_or_default();
        // Dates are in the long form only: what came in the short one says nothing of them.
        let dated = |k: &RecordView| k.is_empty() || k.published(k.len() - 1) != 0;
        let usable = known.as_ref().filter(|k| plan.question.before.is_none() || dated(k));
        if let Some(known) = usable {
            let age = plan.question.now.saturating_sub(known.checked());
            if plan.prefer_known || (known.complete() && known.checked() > 0 && age < plan.fresh_for) {
                return Outcome::Record(Arc::new(known.clone()), Arrival::Known);
            }
        }
        let etag = usable.filter(|k| k.complete()).map(RecordView::etag);
        let _waiting = Waiting::new(&self.waiting);
        let answer = plan.question.ask(name, etag, known.is_some(), &mut |body, read| {
            // While the document is looked through, this thread does work.
            self.waiting.fetch_sub(1, Relaxed);
            read(&mut Watched { body, shared: self });
            self.waiting.fetch_add(1, Relaxed);
        });
        match (answer, known) {
            (Ok(Answer::New(record)), _) => Outcome::Record(Arc::new(record), Arrival::Fetched),
            (Ok(Answer::Unchanged), Some(known)) => Outcome::Record(Arc::new(known), Arrival::Confirmed),
            (Ok(Answer::Unknown | Answer::Unchanged), _) => Outcome::Unknown,
            (Err(e), Some(known)) if e.is_outage() => Outcome::Record(Arc::new(known), Arrival::Stale),
            (Err(e), _) => Outcome::Failed(e),
        }
    }

    /// Follows edges as far as records are there; queues the names that are not.
    fn follow(&self, mut edges: Vec<(PackageName, String)>) {
        while let Some((name, range)) = edges.pop() {
            let record = {
                let mut state = self.lock();
                if !state.edges.insert((name.clone(), range.clone())) {
                    continue;
                }
                match state.slots.get_mut(&name) {
                    None => {
                        state.slots.insert(name.clone(), Slot::Pending(vec![range]));
                        state.queue.push_back(name);
                        self.work.notify_one();
                        continue;
                    }
                    Some(Slot::Pending(ranges)) => {
                        ranges.push(range);
                        continue;
                    }
                    Some(Slot::Done(Outcome::Record(record, _))) => Arc::clone(record),
                    Some(Slot::Done(_)) => continue,
                }
            };
            edges.extend(self.guess(&name, &record, &range));
        }
    }

    /// The version that `range` will probably take; its own edges, if it is new.
    fn guess(&self, name: &PackageName, record: &RecordView, range: &str) -> Vec<(PackageName, String)> {
        let effort = record.len().saturating_mul(1 + range.len() / 8);
        if self.compared.fetch_add(effort, Relaxed) > MOST_COMPARED {
            return Vec::new();
        }
        let until = self.plan.question.before.unwrap_or(u64::MAX);
        let Some(i) = pick(record, range, until) else { return Vec::new() };
        if !self.lock().guessed.insert((name.clone(), record.version(i).to_string())) {
            return Vec::new();
        }
        let Ok(version) = record.load(i) else { return Vec::new() };
        self.watch.guessed(name, &record.key().source, &version);
        let of = |kinds: &'static [DependencyKind]| {
            let wanted = version.dependencies.iter().filter(|d| kinds.contains(&d.kind));
            let wanted = wanted.filter(|d| !version.bundled.contains(&d.name));
            wanted.filter_map(|d| registry_edge(&d.name, &d.range))
        };
        // Which version a peer gets is mostly somebody else's choice: only its document is fetched.
        for (name, _) in of(&[DependencyKind::Peer]) {
            self.name_only(name);
        }
        of(&[DependencyKind::Normal, DependencyKind::Optional]).collect()
    }

    fn name_only(&self, name: PackageName) {
        let mut state = self.lock();
        if !state.slots.contains_key(&name) {
            state.slots.insert(name.clone(), Slot::Pending(Vec::new()));
            state.queue.push_back(name);
            self.work.notify_one();
        }
    }
}

/// Name and range of an edge to a registry's package; aliases resolved.
pub fn registry_edge(alias: &str, range: &str) -> Option<(PackageName, String)> {
    let range = range.trim();
    let (name, range) = match range.strip_prefix("npm:") {
        None => (alias, range),
        Some(target) => match target.get(1..).and_then(|t| t.find('@')) {
            Some(at) => (&target[..at + 1], &target[at + 2..]),
            None => (target, ""),
        },
    };
    if range.contains([':', '/']) {
        return None;
    }
    Some((PackageName::parse(name).ok()?, range.to_string()))
}

/// What npm would take from scratch: the dist-tag of that name, `latest` when
/// it satisfies, else the highest; deprecated ones only when there is nothing else.
fn pick(record: &RecordView, range: &str, until: u64) -> Option<usize> {
    let in_time = |i: &usize| record.published(*i) <= until;
    let Some(parsed) = Range::parse(range) else {
        return record.find(record.tag(range)?).filter(in_time);
    };
    let satisfies =
        |i: usize| Version::parse(record.version(i)).is_ok_and(|v| parsed.satisfies(&v)) && in_time(&i);
    if let Some(latest) = record.tag("latest").and_then(|v| record.find(v))
        && in_time(&latest)
        && (range.is_empty() || parsed.is_star() || (satisfies(latest) && !record.is_deprecated(latest)))
    {
        return Some(latest);
    }
    let mut deprecated = None;
    for i in (0..record.len()).rev() {
        if satisfies(i) {
            if !record.is_deprecated(i) {
                return Some(i);
            }
            deprecated = deprecated.or(Some(i));
        }
    }
    deprecated
}

/// Counts a thread as waiting for the network while it lives.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Relaxed);
        Self(count)
    }
}
impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// A body whose reader counts as waiting while it waits, and which ends when
/// nobody wants it any more.
struct Watched<'a, 'e> {
    body: &'a mut dyn Read,
    shared: &'a Shared<'e>,
}

impl Read for Watched<'_, '_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.shared.closing.load(Relaxed) {
            return Err(io::ErrorKind::Other.into());
        }
        let _waiting = Waiting::new(&self.shared.waiting);
        self.body.read(out)
    }
}

#[cfg(test)]
mod tests;
