//! Where packages and their archives are got: the mirrors in their order, and
//! behind them what the network offers ([`Upstream`]), for each [`Origin`] but
//! folders. What comes over the network is checked and read in memory (packages
//! are small), used, and kept in the home mirror ([`Registry::keep`]), each under
//! its origin's id; what a registry said, for asking again, under `json+URL`.

mod fetch;
mod record;

pub use record::{candidate, extra, readable, record};

use crate::error::{Error, Result};
use crate::manifest::Manifest;
use crate::origin::Origin;
use crate::package;
use crate::solve::{Candidate, PackageSource};
use crate::suggestion::nearest;
use crate::upstream::{Offer, Upstream};
use fetch::Job;
use mirror::digest::{Hash, Integrity};
use mirror::mirror::Prefix;
use mirror::name::{MinzName, escape};
use mirror::record::{Ecosystem, Key, Record, RecordView, VersionRecord};
use mirror::trust::{How, Policy, Publishers, Trust};
use mirror::version::Version;
use mirror::{Batch, Mirror};
use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

/// The id of the default MinZ registry.
pub const SOURCE: &str = "minz";

pub fn key(name: &MinzName) -> Key {
    key_of(&Origin::Registry, name)
}

fn key_of(origin: &Origin, name: &MinzName) -> Key {
    Key { ecosystem: Ecosystem::Minz, source: origin.id(), name: name.to_string() }
}

/// Opened and asked when first needed. Nothing is written before [`Registry::keep`].
pub struct Registry {
    /// Each must be a mirror.
    named: Vec<PathBuf>,
    /// Used when there is one.
    home: Option<PathBuf>,
    upstream: Option<Upstream>,
    /// Nobody named them: what fails of them is not there.
    found: Vec<PathBuf>,
    trust: Option<Arc<Trust>>,
    publishers: Option<Arc<Publishers>>,
    waiting: Box<dyn Fn(&str)>,
    open: OnceCell<Vec<Mirror>>,
    known: RefCell<HashMap<Key, Rc<Vec<RecordView>>>>,
    offers: RefCell<HashMap<Key, Rc<Vec<Offer>>>>,
    fetched: RefCell<Vec<Fetched>>,
    /// What registries said in this run.
    said: RefCell<Vec<Record>>,
    notes: RefCell<Vec<String>>,
}

/// An archive that is not in any mirror yet, checked.
#[derive(Clone)]
struct Fetched {
    key: Key,
    record: VersionRecord,
    bytes: Rc<[u8]>,
}

impl Registry {
    /// `waiting` is told who deletes from a mirror at the moment, if somebody does.
    pub fn new(named: Vec<PathBuf>, home: Option<PathBuf>, waiting: Box<dyn Fn(&str)>) -> Self {
        Self {
            named,
            home,
            upstream: None,
            found: Vec::new(),
            trust: None,
            publishers: None,
            waiting,
            open: OnceCell::new(),
            known: RefCell::default(),
            offers: RefCell::default(),
            fetched: RefCell::default(),
            said: RefCell::default(),
            notes: RefCell::default(),
        }
    }

    /// The same with a network behind it.
    pub fn with(self, upstream: Upstream) -> Self {
        Self { upstream: Some(upstream), ..self }
    }

    /// The same, looking last into mirrors that nobody named; they are trusted.
    pub fn beside(self, found: Vec<PathBuf>) -> Self {
        Self { found, ..self }
    }

    /// The same, asking `trust` before a named mirror is used.
    pub fn checked_by(self, trust: Arc<Trust>) -> Self {
        Self { trust: Some(trust), ..self }
    }

    /// The same, asking whose packages may be installed.
    pub fn vouched_by(self, publishers: Arc<Publishers>) -> Self {
        Self { publishers: Some(publishers), ..self }
    }

    /// Whether an archive may be installed by what publishers state of it. `comes`: it is not yet there.
    pub fn vouched(
        &self,
        origin: &Origin,
        name: &MinzName,
        version: &Version,
        sha256: &Hash,
        comes: bool,
    ) -> Result<()> {
        let Some(publishers) = &self.publishers else { return Ok(()) };
        let (key, version) = (key_of(origin, name), version.to_string());
        let policy = publishers.policy(&key);
        if policy == Policy::Off && !comes {
            return Ok(());
        }
        let mut facts = Vec::new();
        for view in self.records(key.clone())?.iter() {
            if let Some(i) = view.find(&version) {
                facts.append(&mut view.load(i)?.extra);
            }
        }
        let doubt = publishers.check(policy, &key, &version, &Integrity::from(*sha256), &facts)?;
        doubt.into_iter().for_each(|doubt| self.note(doubt.to_string()));
        Ok(())
    }

    /// What could not be done, and does not matter enough to fail.
    pub fn notes(&self) -> Vec<String> {
        self.notes.borrow().clone()
    }

    fn note(&self, text: String) {
        let mut notes = self.notes.borrow_mut();
        if !notes.contains(&text) {
            notes.push(text);
        }
    }

    pub fn mirrors(&self) -> Result<&[Mirror]> {
        if let Some(list) = self.open.get() {
            return Ok(list);
        }
        let mut list = Vec::new();
        let waiting = &mut |holder: &str| (self.waiting)(holder);
        for dir in &self.named {
            let mirror = Mirror::open_pinned(dir, waiting)?;
            if let Some(trust) = &self.trust {
                trust.check(&mirror, How::Named)?;
            }
            if let Some(why) = mirror.fallback() {
                let dir = dir.to_string_lossy();
                self.note(format!("{}: the state before the last is in use: {}", escape(&dir), escape(why)));
            }
            if mirror.is_for_all_to_write() {
                let dir = dir.to_string_lossy();
                self.note(format!("{}: every user of this machine can write to this mirror", escape(&dir)));
            }
            list.push(mirror);
        }
        if let Some(home) = self.home.as_ref().filter(|home| Mirror::is_made(home)) {
            match Mirror::open_pinned(home, waiting) {
                Ok(m) if !list.iter().any(|have| have.dir() == m.dir()) => list.push(m),
                Ok(_) => {}
                Err(e) => return Err(e.into()),
            }
        }
        for dir in &self.found {
            if let Ok(mirror) = Mirror::open_pinned(dir, waiting)
                && !list.iter().any(|have| have.id() == mirror.id())
            {
                list.push(mirror);
            }
        }
        Ok(self.open.get_or_init(|| list))
    }

    fn is_found(&self, mirror: &Mirror) -> bool {
        self.found.iter().any(|dir| dir == mirror.dir())
    }

    /// What each mirror knows of a package, in the mirrors' order.
    fn records(&self, key: Key) -> Result<Rc<Vec<RecordView>>> {
        if let Some(known) = self.known.borrow().get(&key) {
            return Ok(known.clone());
        }
        let mut found = Vec::new();
        for mirror in self.mirrors()? {
            match mirror.lookup(&key) {
                Err(_) if self.is_found(mirror) => {}
                view => found.extend(view?),
            }
        }
        let found = Rc::new(found);
        self.known.borrow_mut().insert(key, found.clone());
        Ok(found)
    }

    /// The versions whose archives are here, ascending.
    fn present(&self, origin: &Origin, name: &MinzName) -> Result<Vec<Version>> {
        let key = key_of(origin, name);
        let fetched = self.fetched.borrow();
        let mut out: Vec<Version> =
            fetched.iter().filter(|f| f.key == key).map(|f| f.record.version.clone()).collect();
        for view in self.records(key)?.iter() {
            for i in (0..view.len()).filter(|i| view.is_present(*i)) {
                // A record with a version that is none is skipped, not trusted.
                out.extend(Version::parse(view.version(i)));
            }
        }
        mirror::order::sort(&mut out);
        out.dedup();
        Ok(out)
    }

    /// The versions that can be had, ascending.
    pub fn versions_of(&self, origin: &Origin, name: &MinzName) -> Result<Vec<Version>> {
        let mut out = self.present(origin, name)?;
        out.extend(self.offers(origin, name)?.iter().map(|o| o.version.clone()));
        mirror::order::sort(&mut out);
        out.dedup();
        Ok(out)
    }

    /// The newest version that is no pre-release; where all are, the newest.
    pub fn newest(&self, origin: &Origin, name: &MinzName) -> Result<Option<Version>> {
        let versions = self.versions_of(origin, name)?;
        Ok(versions.iter().rev().find(|v| !v.is_prerelease()).or(versions.last()).cloned())
    }

    /// The record of a version whose archive is here. Two mirrors must not disagree about it.
    pub fn known(
        &self,
        origin: &Origin,
        name: &MinzName,
        version: &Version,
    ) -> Result<Option<VersionRecord>> {
        let (key, text) = (key_of(origin, name), version.to_string());
        let fetched = self.fetched.borrow();
        let is = |f: &&Fetched| f.key == key && f.record.version == *version;
        let mut found = fetched.iter().find(is).map(|f| f.record.clone());
        for view in self.records(key.clone())?.iter() {
            let Some(i) = view.find(&text).filter(|i| view.is_present(*i)) else { continue };
            let record = view.load(i)?;
            match &found {
                None => found = Some(record),
                Some(first) => {
                    if let (Some(a), Some(b)) = (&first.sha256, &record.sha256)
                        && a != b
                    {
                        return Err(mismatch(name, version, a, b));
                    }
                }
            }
        }
        Ok(found)
    }

    /// The same of a version that may have to be fetched for it.
    pub fn record(&self, origin: &Origin, name: &MinzName, version: &Version) -> Result<VersionRecord> {
        let here = self.known(origin, name, version)?;
        let offers = self.offers(origin, name)?;
        let offer = offers.iter().find(|o| o.version == *version);
        match (here, offer) {
            (Some(record), Some(offer)) if record.sha256.is_some_and(|hash| hash != offer.sha256) => {
                Err(mismatch(name, version, &offer.sha256, &record.sha256.unwrap_or(offer.sha256)))
            }
            (Some(record), _) => Ok(record),
            (None, Some(offer)) => {
                let url = offer.url.clone();
                self.fetch(&Job { origin, url, name: Some(name), exactly: Some((version, &offer.sha256)) })
            }
            (None, None) => Err(self.absent(name, version)?),
        }
    }

    fn absent(&self, name: &MinzName, version: &Version) -> Result<Error> {
        let present = self.present(&Origin::Registry, name)?;
        Ok(Error::AbsentVersion { name: name.clone(), version: version.clone(), present })
    }

    /// Walks the records of all packages of the default registry, a mirror after the other.
    pub fn for_each(
        &self,
        f: &mut dyn FnMut(RecordView) -> std::result::Result<(), mirror::Error>,
    ) -> Result<()> {
        let prefix = Prefix::Names { ecosystem: Ecosystem::Minz, source: SOURCE, begin: "" };
        Ok(self.mirrors()?.iter().try_for_each(|mirror| mirror.for_each(prefix, f))?)
    }

    /// The package that a repository's release or an address is: its name and the newest version
    /// that is here, else fetched; `anew`: fetched where there is a network.
    pub fn single(&self, origin: &Origin, anew: bool) -> Result<(MinzName, VersionRecord)> {
        let id = origin.id();
        let mut found: Option<(String, VersionRecord)> = None;
        if !(anew && self.online().is_some()) {
            let prefix = Prefix::Names { ecosystem: Ecosystem::Minz, source: &id, begin: "" };
            for mirror in self.mirrors()? {
                mirror.for_each(prefix, &mut |view| {
                    for i in (0..view.len()).filter(|i| view.is_present(*i)) {
                        let record = view.load(i)?;
                        if found.as_ref().is_none_or(|(_, have)| have.version < record.version) {
                            found = Some((view.key().name.clone(), record));
                        }
                    }
                    Ok(())
                })?;
            }
        }
        if found.is_none() {
            found = self
                .fetched
                .borrow()
                .iter()
                .find(|f| f.key.source == id)
                .map(|f| (f.key.name.clone(), f.record.clone()));
        }
        if let Some((name, record)) = found {
            let name = MinzName::parse(&name)
                .map_err(|_| mirror::Error::Record { key: name, what: "has a name that is none" })?;
            return Ok((name, record));
        }
        let url = self.address(origin)?;
        let record = self.fetch(&Job { origin, url, name: None, exactly: None })?;
        let fetched = self.fetched.borrow();
        let last = fetched.last().map(|f| MinzName::parse(&f.key.name));
        match last {
            Some(Ok(name)) => Ok((name, record)),
            _ => Err(Error::NotHere { what: id }),
        }
    }

    /// This very archive: of the first mirror that has it whole, else fetched.
    pub fn archive(
        &self,
        origin: &Origin,
        name: &MinzName,
        version: &Version,
        sha256: &Hash,
    ) -> Result<Box<dyn Read + '_>> {
        let (key, text) = (key_of(origin, name), version.to_string());
        let (mut other, mut damaged, mut broken) = (None, None, None);
        for mirror in self.mirrors()? {
            let found = match mirror.find_archive(&key, &text) {
                Err(_) if self.is_found(mirror) => None,
                found => found?,
            };
            let Some(record) = found else { continue };
            if record.sha256 != Some(*sha256) {
                other = record.sha256;
                continue;
            }
            let mut bytes = Vec::new();
            let what = match mirror.read_archive(name.as_str(), &record) {
                Ok(source) => match source.take(package::BYTES).read_to_end(&mut bytes) {
                    Ok(_) if Hash::of(&bytes) == *sha256 => return Ok(Box::new(std::io::Cursor::new(bytes))),
                    Ok(_) => "is damaged",
                    Err(_) if self.is_found(mirror) => "cannot be read",
                    Err(e) => return Err(Error::io("read", mirror.dir())(e)),
                },
                Err(e @ mirror::Error::Damaged { .. }) => {
                    broken = Some(e);
                    "is damaged"
                }
                Err(mirror::Error::Absent { .. }) => "is missing",
                Err(mirror::Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                    "is missing"
                }
                Err(_) if self.is_found(mirror) => "cannot be read",
                Err(e) => return Err(e.into()),
            };
            let dir = mirror.dir().to_string_lossy();
            self.note(format!("the archive of {name} {version} in {} {what}", escape(&dir)));
            damaged = Some(bytes);
        }
        let fetched = || {
            let fetched = self.fetched.borrow();
            let bytes = fetched.iter().find(|f| f.record.sha256 == Some(*sha256)).map(|f| f.bytes.clone());
            bytes.map(|bytes| Box::new(std::io::Cursor::new(bytes)) as Box<dyn Read>)
        };
        if let Some(bytes) = fetched() {
            return Ok(bytes);
        }
        if let Some(found) = other {
            return Err(mismatch(name, version, sha256, &found));
        }
        // What reads it says what is wrong with it.
        let address = match (self.locked_address(origin, name, version), damaged) {
            (Ok(None) | Err(Error::NotHere { .. }), Some(bytes)) if !bytes.is_empty() => {
                return Ok(Box::new(std::io::Cursor::new(bytes)));
            }
            (Ok(None) | Err(Error::NotHere { .. }), _) if broken.is_some() => {
                return broken.map_or_else(|| Err(self.absent(name, version)?), |e| Err(e.into()));
            }
            (address, _) => address?,
        };
        match address {
            Some(url) => {
                self.fetch(&Job { origin, url, name: Some(name), exactly: Some((version, sha256)) })?;
                fetched().map_or_else(|| Err(self.absent(name, version)?), Ok)
            }
            None => Err(self.absent(name, version)?),
        }
    }

    /// What was fetched and said goes into the home mirror. Only a contradiction is an error.
    pub fn keep(&self) -> Result<()> {
        let (fetched, said) = (self.fetched.take(), self.said.take());
        // A build without a network writes no mirrors.
        if !cfg!(feature = "network") || fetched.is_empty() && said.is_empty() {
            return Ok(());
        }
        let Some(home) = &self.home else { return Ok(()) };
        let outcome = Mirror::open_or_init(home, "home").and_then(|mirror| {
            self.trust.as_ref().map_or(Ok(()), |trust| trust.prepare(&mirror))?;
            let batch = Batch::begin(&mirror, fetched.iter().map(|f| f.record.size).sum())?;
            for f in &fetched {
                let mut writer = batch.archive()?;
                writer.write_all(&f.bytes).map_err(mirror::Error::io("write to", home))?;
                batch.put_version(f.key.clone(), writer.finish()?.of(f.record.clone()))?;
            }
            said.iter().try_for_each(|record| batch.put(record))?;
            batch.commit_relaxed(&mut |holder| (self.waiting)(holder))
        });
        match outcome {
            Ok(_) => Ok(()),
            Err(e @ mirror::Error::Conflict(_)) => Err(e.into()),
            Err(e) => {
                self.note(format!("what was fetched is not kept in the home mirror: {e}"));
                Ok(())
            }
        }
    }
}

fn mismatch(name: &MinzName, version: &Version, expected: &Hash, found: &Hash) -> Error {
    Error::HashMismatch {
        name: name.clone(),
        version: version.clone(),
        expected: expected.to_string(),
        found: found.to_string(),
    }
}

/// By name alone.
impl PackageSource for Registry {
    fn versions(&self, name: &MinzName) -> Result<Vec<Version>> {
        self.versions_of(&Origin::Registry, name)
    }

    fn dependencies(&self, name: &MinzName, version: &Version) -> Result<Candidate> {
        readable(name, version, candidate(&self.record(&Origin::Registry, name, version)?))
    }

    fn asked(&self, _: &MinzName) -> Option<String> {
        self.asked_of(&Origin::Registry)
    }

    fn suggest(&self, name: &MinzName) -> Option<String> {
        let mut names = Vec::new();
        let walked = self.for_each(&mut |view| {
            names.push(view.key().name.clone());
            Ok(())
        });
        walked.ok()?;
        nearest(name.as_str(), names.iter().map(String::as_str)).map(String::from)
    }
}

/// The candidate that a folder is.
pub fn of_manifest(manifest: &Manifest) -> Result<Candidate> {
    readable(&manifest.name, &manifest.version, candidate(&record(manifest)))
}
