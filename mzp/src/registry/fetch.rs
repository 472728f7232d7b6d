//! The network behind the mirrors: what registries offer, and archives that are in no mirror.

use super::{Fetched, Registry, key_of, mismatch, record};
use crate::error::{Error, Result};
use crate::lockfile::Locked;
use crate::origin::Origin;
use crate::package::{self, Wanted};
use crate::upstream::{Answer, Offer, Upstream};
use mirror::archive::Workspace;
use mirror::digest::Hash;
use mirror::http::Url;
use mirror::name::MinzName;
use mirror::record::{Ecosystem, Key, Record, RecordView, VersionRecord};
use mirror::version::Version;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Archives that are fetched at a time.
const AT_A_TIME: usize = 8;

/// Most bytes of archives that one run fetches.
const BYTES: usize = 128 << 20;

/// An archive to fetch, and what it must be, as far as that is known.
pub(super) struct Job<'a> {
    pub origin: &'a Origin,
    pub url: Url,
    pub name: Option<&'a MinzName>,
    pub exactly: Option<(&'a Version, &'a Hash)>,
}

impl Registry {
    /// The address of the registry that an origin is, if one may be asked.
    fn base<'a>(&'a self, origin: &'a Origin) -> Option<(&'a Upstream, &'a Url)> {
        let upstream = self.online()?;
        match origin {
            Origin::Registry => Some((upstream, upstream.registry.as_ref()?)),
            Origin::Named(url) => Some((upstream, url)),
            _ => None,
        }
    }

    /// The same for people.
    pub fn asked_of(&self, origin: &Origin) -> Option<String> {
        self.base(origin).map(|(_, base)| base.clone().without_userinfo().to_string())
    }

    /// What the registry offers of a package; what it said before stands in where it cannot be reached.
    pub(super) fn offers(&self, origin: &Origin, name: &MinzName) -> Result<Rc<Vec<Offer>>> {
        let Some((upstream, base)) = self.base(origin) else { return Ok(Rc::default()) };
        let source = format!("json+{}", base.clone().without_userinfo());
        let key = Key { ecosystem: Ecosystem::Minz, source, name: name.to_string() };
        if let Some(offers) = self.offers.borrow().get(&key) {
            return Ok(offers.clone());
        }
        let records = self.records(key.clone())?;
        let known = records.iter().filter(|r| r.complete()).max_by_key(|r| r.checked());
        let now = mirror::time::now();
        let etag = known.map(|k| k.etag().to_string());
        let before = || known.map(told).transpose().map(Option::unwrap_or_default);
        let fresh = known.is_some_and(|k| {
            upstream.prefer_known || (k.checked() <= now && k.checked() + upstream.fresh_for > now)
        });
        let answer = match fresh {
            true => Ok(Answer::Unchanged),
            false => upstream.ask(base, name, etag.as_deref().filter(|e| !e.is_empty())),
        };
        let (offers, etag) = match answer {
            Ok(Answer::New(offers, etag)) => (offers, etag),
            Ok(Answer::Unchanged) => (before()?, etag.unwrap_or_default()),
            Ok(Answer::Unknown) => (Vec::new(), String::new()),
            // Something is known, and a server that is down now was not the one to ask.
            Err(e) if is_outage(&e) && (known.is_some() || !self.present(origin, name)?.is_empty()) => {
                self.note(format!("what mirrors know is used: {e}"));
                let offers = Rc::new(before()?);
                self.offers.borrow_mut().insert(key, offers.clone());
                return Ok(offers);
            }
            Err(e) => return Err(e),
        };
        if !(fresh || offers.is_empty() && known.is_none()) {
            let version = |o: &Offer| VersionRecord {
                sha256: Some(o.sha256),
                integrity: Some(o.sha256.into()),
                tarball: Some(o.url.to_string()),
                ..VersionRecord::new(o.version.clone())
            };
            let versions = offers.iter().map(version).collect();
            let key = key.clone();
            let (tags, modified) = (Vec::new(), 0);
            self.said.borrow_mut().push(Record {
                key,
                complete: true,
                checked: now,
                etag,
                modified,
                tags,
                versions,
            });
        }
        let offers = Rc::new(offers);
        self.offers.borrow_mut().insert(key, offers.clone());
        Ok(offers)
    }

    /// A repository at a release: the one it names, else the latest.
    pub fn released(&self, origin: &Origin) -> Result<Origin> {
        match origin {
            Origin::Github(r) if r.tag().is_none() => match self.online() {
                Some(upstream) => upstream.latest(r).map(Origin::Github),
                None => Err(Error::NotHere { what: origin.to_string() }),
            },
            _ => Ok(origin.clone()),
        }
    }

    pub(super) fn online(&self) -> Option<&Upstream> {
        self.upstream.as_ref().filter(|u| !u.client.is_offline())
    }

    /// Where the archive of a repository or an address lies.
    pub(super) fn address(&self, origin: &Origin) -> Result<Url> {
        match (origin, &self.upstream) {
            (Origin::Archive(url), _) => Ok(url.clone()),
            (Origin::Github(repository), Some(upstream)) => upstream.repository(repository),
            _ => Err(Error::NotHere { what: origin.to_string() }),
        }
    }

    /// Fetches an archive and reads it.
    pub(super) fn fetch(&self, job: &Job<'_>) -> Result<VersionRecord> {
        let Some(upstream) = self.online() else {
            return Err(Error::NotHere { what: job.origin.to_string() });
        };
        let by = self.base(job.origin).map(|(_, base)| base);
        self.admit(job, upstream.archive(&job.url, by)?)
    }

    fn admit(&self, job: &Job<'_>, bytes: Vec<u8>) -> Result<VersionRecord> {
        let Job { origin, url, name, exactly } = job;
        let total: usize = self.fetched.borrow().iter().map(|f| f.bytes.len()).sum();
        if total + bytes.len() > BYTES {
            return Err(Error::TooLarge { what: "bytes of archives in one run", limit: BYTES });
        }
        let found = Hash::of(&bytes);
        let (version, sha256) = exactly.unzip();
        if let (Some(name), Some(version), Some(expected)) = (name, version, sha256)
            && *expected != found
        {
            return Err(mismatch(name, version, expected, &found));
        }
        let shown = url.to_string();
        let wanted = Wanted { name: *name, version, sha256: None, shown: &shown };
        let (manifest, summary) =
            package::read(&mut bytes.as_slice(), &wanted, &mut (), &mut Workspace::new())?;
        let record = VersionRecord {
            sha256: Some(found),
            integrity: Some(found.into()),
            size: bytes.len() as u64,
            unpacked: summary.unpacked,
            ..record(&manifest)
        };
        let key = key_of(origin, &manifest.name);
        self.fetched.borrow_mut().push(Fetched { key, record: record.clone(), bytes: bytes.into() });
        Ok(record)
    }

    /// Fetches the archives of these that are nowhere here, several at a time.
    pub fn prefetch<'a>(&self, wanted: impl Iterator<Item = &'a Locked>) -> Result<()> {
        let Some(upstream) = self.online() else { return Ok(()) };
        let mut jobs = Vec::new();
        for p in wanted {
            let here = |f: &Fetched| f.record.sha256 == Some(p.sha256);
            let is_here = self.fetched.borrow().iter().any(here);
            if is_here || self.known(&p.origin, &p.name, &p.version)?.is_some() {
                continue;
            }
            if let Some(url) = self.locked_address(&p.origin, &p.name, &p.version)? {
                let job = Job {
                    origin: &p.origin,
                    url,
                    name: Some(&p.name),
                    exactly: Some((&p.version, &p.sha256)),
                };
                jobs.push((job, self.base(&p.origin).map(|(_, base)| base)));
            }
        }
        let (next, total) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let results: Vec<Mutex<Option<Result<Vec<u8>>>>> = jobs.iter().map(|_| Mutex::default()).collect();
        let work = || {
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some((job, by)) = jobs.get(at) else { return };
                let got = upstream.archive(&job.url, *by);
                let bytes = got.as_ref().map_or(BYTES, Vec::len);
                *results[at].lock().unwrap_or_else(PoisonError::into_inner) = Some(got);
                // Nobody has to wait for the rest once one has failed.
                if total.fetch_add(bytes, Ordering::Relaxed) + bytes > BYTES {
                    next.store(jobs.len(), Ordering::Relaxed);
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..jobs.len().min(AT_A_TIME) {
                // Where there can be no more threads, fewer will do.
                let _ = std::thread::Builder::new().spawn_scoped(scope, work);
            }
            work();
        });
        for ((job, _), result) in jobs.iter().zip(results) {
            // What was not reached any more is fetched when it is its turn, if that comes.
            if let Some(bytes) = result.into_inner().unwrap_or_else(PoisonError::into_inner) {
                self.admit(job, bytes?)?;
            }
        }
        Ok(())
    }

    /// Where a locked archive can be fetched.
    pub(super) fn locked_address(
        &self,
        origin: &Origin,
        name: &MinzName,
        version: &Version,
    ) -> Result<Option<Url>> {
        match origin {
            Origin::Registry | Origin::Named(_) => {
                let offers = self.offers(origin, name)?;
                Ok(offers.iter().find(|o| o.version == *version).map(|o| o.url.clone()))
            }
            _ => self.address(origin).map(Some),
        }
    }
}

/// The offers that a registry's answer was kept as.
fn told(view: &RecordView) -> Result<Vec<Offer>> {
    let mut out = Vec::new();
    for i in 0..view.len() {
        let record = view.load(i)?;
        if let (Some(sha256), Some(Ok(url))) = (record.sha256, record.tarball.as_deref().map(Url::parse)) {
            out.push(Offer { version: record.version, url, sha256 });
        }
    }
    Ok(out)
}

/// The server could not be asked, or could not answer.
fn is_outage(error: &Error) -> bool {
    match error {
        Error::Http { source } => source.is_unreachable(),
        Error::Answer { status, .. } => *status == 429 || *status >= 500,
        _ => false,
    }
}
