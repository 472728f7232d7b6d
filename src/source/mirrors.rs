//! The mirrors of a run, in their order (DESIGN section 4): those named on the
//! command line or in `PANTRY_MIRROR`, then the home mirror, then trusted ones that are
//! plugged in. Read only; nothing here writes to any of them. One that was only found
//! is as if it were not there when it fails.
//!
//! To the resolver several mirrors look like one index: a version may be chosen
//! when any of them has its archive. Tags come from the first that has the name.
//!
//! Of a damaged mirror everything else is used, with a word on it ([`notes`](Mirrors::notes)):
//! an archive whose hash is given comes from the next source that has it. What
//! may be chosen is another matter: online the registry says it, so damage is
//! passed over; offline the mirrors do, and one that keeps a version to itself
//! would change the choice, so damage is an error.

use crate::error::Result;
use crate::install::platform::Platform;
use crate::resolve::index::{Candidates, Index};
use mirror::Mirror;
use mirror::digest::Integrity;
use mirror::name::PackageName;
use mirror::record::{Ecosystem, Key, RecordView, VersionRecord};
use mirror::trust::{How, Trust};
use mirror::version::Version;
use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::{Mutex, PoisonError};

/// What a damaged index means for what can be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// The mirrors alone decide.
    Ends,
    /// A registry is asked for what a mirror does not know.
    PassedOver,
}

/// Opened mirrors, first one first.
pub struct Mirrors {
    list: Vec<Mirror>,
    /// From here on in the list nobody named them.
    found: usize,
    damage: Damage,
    /// Mirrors that are damaged, and what of them was met first.
    damaged: Mutex<Vec<(PathBuf, String)>>,
}

impl Mirrors {
    /// Opens each directory; one that is not a mirror is an error. The home
    /// mirror is only there when it has been made; a damaged one is passed over
    /// when others were named; of those that were `found`, any that cannot be opened. Nothing is deleted from them while they are open;
    /// `waiting` is told when that is going on in one of them. What `trust` says
    /// against one of the named ones is an error, whatever the registry knows.
    pub fn open(
        named: &[PathBuf],
        home: Option<&PathBuf>,
        found: &[PathBuf],
        trust: &Trust,
        damage: Damage,
        waiting: &mut dyn FnMut(&str),
    ) -> Result<Self> {
        let mut all = Self { list: Vec::new(), found: 0, damage, damaged: Mutex::default() };
        for dir in named {
            let opened = Mirror::open_pinned(dir, waiting);
            match opened.and_then(|mirror| trust.check(&mirror, How::Named).map(|()| mirror)) {
                Ok(mirror) => all.list.push(mirror),
                Err(e) if damage == Damage::PassedOver && is_damage(&e) => all.pass_over(dir, &e),
                Err(e) => return Err(e.into()),
            }
        }
        if let Some(dir) = home.filter(|d| Mirror::is_made(d)) {
            match Mirror::open_pinned(dir, waiting) {
                Ok(home) if all.list.iter().any(|m| m.id() == home.id() && m.dir() == home.dir()) => {}
                Ok(home) => all.list.push(home),
                Err(e) if !all.list.is_empty() || (damage == Damage::PassedOver && is_damage(&e)) => {
                    all.pass_over(dir, &e);
                }
                Err(e) => return Err(e.into()),
            }
        }
        all.found = all.list.len();
        for dir in found {
            if let Ok(mirror) = Mirror::open_pinned(dir, waiting)
                && !all.list.iter().any(|m| m.id() == mirror.id())
            {
                all.list.push(mirror);
            }
        }
        Ok(all)
    }

    /// Whether nobody named the mirror at that place in the order.
    pub fn is_found(&self, at: usize) -> bool {
        at >= self.found
    }

    fn pass_over(&self, dir: &Path, error: &mirror::Error) {
        let mut damaged = self.damaged.lock().unwrap_or_else(PoisonError::into_inner);
        if damaged.iter().all(|(known, _)| known != dir) {
            damaged.push((dir.to_path_buf(), error.to_string()));
        }
    }

    /// `None` where the mirror cannot know any more.
    fn lookup(&self, at: usize, key: &Key, damage: Damage) -> Result<Option<RecordView>> {
        match self.list[at].lookup(key) {
            Err(e) if self.is_found(at) || (damage == Damage::PassedOver && is_damage(&e)) => {
                self.pass_over(self.list[at].dir(), &e);
                Ok(None)
            }
            other => Ok(other?),
        }
    }

    /// What the user should know about how they were opened.
    pub fn notes(&self) -> Vec<String> {
        let damaged = self.damaged.lock().unwrap_or_else(PoisonError::into_inner);
        let mut notes: Vec<String> = Vec::new();
        for (dir, what) in damaged.iter() {
            let dir = dir.to_string_lossy();
            let dir = mirror::name::escape(&dir);
            notes.push(format!("{dir}: what is damaged of this mirror is passed over: {what}"));
        }
        for mirror in &self.list {
            let dir = mirror.dir().to_string_lossy();
            let dir = mirror::name::escape(&dir);
            if let Some(why) = mirror.fallback() {
                let why = mirror::name::escape(why);
                notes.push(format!("{dir}: the state before the last is in use: {why}"));
            }
            // What has no lock yet is believed as the mirror says it.
            if mirror.is_for_all_to_write() {
                notes.push(format!("{dir}: every user of this machine can write to this mirror"));
            }
        }
        notes
    }

    pub fn iter(&self) -> impl Iterator<Item = &Mirror> {
        self.list.iter()
    }
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// What each mirror knows of a package, in the mirrors' order.
    pub fn records(&self, key: &Key) -> Result<Vec<RecordView>> {
        let mut found = Vec::new();
        for at in 0..self.list.len() {
            found.extend(self.lookup(at, key, self.damage)?);
        }
        Ok(found)
    }

    /// The further facts that all mirrors together have of a version.
    pub fn facts(&self, key: &Key, version: &str) -> Result<Vec<(String, String)>> {
        let mut facts = Vec::new();
        for at in 0..self.list.len() {
            if let Some(view) = self.lookup(at, key, Damage::PassedOver)?
                && let Some(i) = view.find(version)
            {
                facts.append(&mut view.load(i)?.extra);
            }
        }
        Ok(facts)
    }

    /// The first mirror that holds the archive of this very version and integrity.
    pub fn archive(
        &self,
        key: &Key,
        version: &Version,
        integrity: Option<&Integrity>,
    ) -> Result<Option<(&Mirror, VersionRecord)>> {
        let found = self.archive_from(0, key, version, integrity)?;
        Ok(found.map(|(at, record)| (&self.list[at], record)))
    }

    pub fn get(&self, at: usize) -> &Mirror {
        &self.list[at]
    }

    /// As [`archive`](Self::archive), from the mirror at that place in the order
    /// on, and at which place it is.
    pub fn archive_from(
        &self,
        from: usize,
        key: &Key,
        version: &Version,
        integrity: Option<&Integrity>,
    ) -> Result<Option<(usize, VersionRecord)>> {
        let text = version.to_string();
        for (at, mirror) in self.list.iter().enumerate().skip(from) {
            let Some(view) = self.lookup(at, key, Damage::PassedOver)? else { continue };
            let Some(i) = view.find(&text).filter(|i| view.is_present(*i)) else { continue };
            let record = match view.load(i) {
                Err(e) if self.is_found(at) || is_damage(&e) => {
                    self.pass_over(mirror.dir(), &e);
                    continue;
                }
                other => other?,
            };
            // A lock made from a weak upstream hash rests on our own.
            let ours = record.sha256.map(Integrity::from);
            if integrity.is_none() || record.integrity.as_ref() == integrity || ours.as_ref() == integrity {
                return Ok(Some((at, record)));
            }
        }
        Ok(None)
    }
}

/// Whether the mirror itself is wrong, not the way to it.
fn is_damage(error: &mirror::Error) -> bool {
    use mirror::Error as M;
    matches!(error, M::Damaged { .. } | M::NotRegular { .. } | M::Record { .. } | M::WrongBytes { .. })
}

/// The mirrors as the resolver's index.
pub struct MirrorIndex<'a> {
    mirrors: &'a Mirrors,
    /// The authority of a name: `npm`, or a scope's own registry.
    source: &'a dyn Fn(&PackageName) -> String,
    here: &'a Platform,
    known: RefCell<HashMap<PackageName, Option<Rc<dyn Candidates>>>>,
}

impl<'a> MirrorIndex<'a> {
    /// `here`: the platform that is installed for.
    pub fn new(mirrors: &'a Mirrors, source: &'a dyn Fn(&PackageName) -> String, here: &'a Platform) -> Self {
        Self { mirrors, source, here, known: RefCell::default() }
    }
}

impl Index for MirrorIndex<'_> {
    fn package(&self, name: &PackageName) -> Result<Option<Rc<dyn Candidates>>> {
        if let Some(known) = self.known.borrow().get(name) {
            return Ok(known.clone());
        }
        let source = (self.source)(name);
        let key = Key { ecosystem: Ecosystem::Npm, source: source.clone(), name: name.to_string() };
        let views = self.mirrors.records(&key)?;
        let found: Option<Rc<dyn Candidates>> = (!views.is_empty())
            .then(|| Rc::new(Union::new(source, views, self.here.clone())) as Rc<dyn Candidates>);
        self.known.borrow_mut().insert(name.clone(), found.clone());
        Ok(found)
    }
}

/// One package as several mirrors know it.
pub struct Union {
    source: String,
    views: Vec<RecordView>,
    /// (view, version) ascending; of equal versions the first view that has the archive.
    order: Vec<(u16, u32)>,
    here: Platform,
}

impl Union {
    pub fn new(source: String, views: Vec<RecordView>, here: Platform) -> Self {
        let mut order: Vec<(u16, u32)> = Vec::new();
        if let [only] = views.as_slice() {
            order = (0..only.len() as u32).map(|i| (0, i)).collect();
        } else {
            let mut parsed: Vec<(Version, bool, u16, u32)> = Vec::new();
            for (v, view) in views.iter().enumerate() {
                for i in 0..view.len() {
                    let Ok(version) = Version::parse(view.version(i)) else { continue };
                    parsed.push((version, !view.is_present(i), v as u16, i as u32));
                }
            }
            mirror::order::sort(&mut parsed);
            parsed.dedup_by(|b, a| a.0 == b.0);
            order.extend(parsed.into_iter().map(|(_, _, v, i)| (v, i)));
        }
        Self { source, views, order, here }
    }

    fn at(&self, i: usize) -> (&RecordView, usize) {
        let (view, version) = self.order[i];
        (&self.views[view as usize], version as usize)
    }
}

impl Candidates for Union {
    fn source(&self) -> &str {
        &self.source
    }
    fn tag(&self, tag: &str) -> Option<&str> {
        self.views.iter().find_map(|v| v.tag(tag))
    }
    fn len(&self) -> usize {
        self.order.len()
    }
    fn version(&self, i: usize) -> &str {
        let (view, version) = self.at(i);
        view.version(version)
    }
    fn is_available(&self, i: usize) -> bool {
        let (view, version) = self.at(i);
        // What is not for this platform is never taken from anywhere, only named in the lock,
        // which is to be the same whether it was made here or where everything is.
        view.is_present(version)
            || view
                .load(version)
                .is_ok_and(|v| v.integrity.is_some() && !self.here.accepts(&v.os, &v.cpu, &v.libc))
    }
    fn is_deprecated(&self, i: usize) -> bool {
        let (view, version) = self.at(i);
        view.is_deprecated(version)
    }
    fn checked(&self) -> u64 {
        self.views.iter().map(RecordView::checked).max().unwrap_or(0)
    }
    fn published(&self, i: usize) -> u64 {
        let (view, version) = self.at(i);
        view.published(version)
    }
    fn load(&self, i: usize) -> Result<VersionRecord> {
        let (view, version) = self.at(i);
        view.load(version).map_err(Box::from)
    }
}
