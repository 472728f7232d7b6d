//! Where an install chooses from: the folders and origins that the project names,
//! the mirrors and registries, and behind them what is installed just as the lock
//! says. To keep a package, nobody needs its archive.
//!
//! A name that nobody pinned comes from where its dependant comes from: a package
//! of a registry of its own needs that registry's packages, all others the default
//! one's. Where two dependants differ, the project has to say.

use super::mark::{self, State};
use crate::error::{Error, Result};
use crate::lockfile::Lock;
use crate::manifest::{self, Manifest};
use crate::origin::Origin;
use crate::pins::Pins;
use crate::registry::{Registry, candidate, of_manifest, readable, record};
use crate::solve::{Candidate, PackageSource};
use mirror::archive::{ArchiveError, Rule};
use mirror::name::MinzName;
use mirror::version::Version;
use std::cell::RefCell;
use std::collections::HashMap;
use std::path::PathBuf;

pub(super) struct Shelf<'a> {
    pub registry: &'a Registry,
    pub packages: PathBuf,
    pub lock: Option<&'a Lock>,
    pub pins: &'a Pins,
    /// Whether what is locked of a name does not bind.
    pub moves: &'a dyn Fn(&MinzName) -> bool,
    inherited: RefCell<HashMap<MinzName, Origin>>,
    /// The releases and addresses that were looked at.
    settled: RefCell<HashMap<MinzName, (Origin, Version)>>,
}

impl<'a> Shelf<'a> {
    pub fn new(
        registry: &'a Registry,
        packages: PathBuf,
        lock: Option<&'a Lock>,
        pins: &'a Pins,
        moves: &'a dyn Fn(&MinzName) -> bool,
    ) -> Self {
        let (inherited, settled) = (RefCell::default(), RefCell::default());
        Self { registry, packages, lock, pins, moves, inherited, settled }
    }

    /// The installed package, if it is whole and the locked one.
    fn installed(&self, name: &MinzName) -> Result<Option<Candidate>> {
        let Some(locked) = self.lock.and_then(|lock| lock.get(name)) else { return Ok(None) };
        let dir = self.packages.join(name.as_str());
        match mark::state(&dir)? {
            State::Whole(m) if m.version == locked.version && m.sha256 == locked.sha256 => {
                let manifest =
                    Manifest::load(&dir)?.filter(|m| m.name == *name && m.version == locked.version);
                let Some(Ok(found)) = manifest.map(|m| candidate(&record(&m))) else { return Ok(None) };
                Ok(Some(Candidate { sha256: Some(locked.sha256), ..found }))
            }
            _ => Ok(None),
        }
    }

    fn origin(&self, name: &MinzName) -> Origin {
        match self.pins.get(name) {
            Some(origin) => origin.clone(),
            None => self.inherited.borrow_mut().entry(name.clone()).or_default().clone(),
        }
    }

    /// The release and version that a repository or an address stands for in this run.
    fn settle(&self, name: &MinzName, origin: &Origin) -> Result<(Origin, Version)> {
        if let Some(settled) = self.settled.borrow().get(name) {
            return Ok(settled.clone());
        }
        let locked = self.lock.and_then(|lock| lock.get(name));
        let settled = match locked.filter(|l| l.origin.is_same_place(origin) && !(self.moves)(name)) {
            Some(locked) => (locked.origin.clone(), locked.version.clone()),
            None => {
                let released = self.registry.released(origin)?;
                let anew = matches!(origin, Origin::Archive(_)) && (self.moves)(name);
                let (found, record) = self.registry.single(&released, anew)?;
                if found != *name {
                    let (rule, entry) = (Rule::NameMismatch, manifest::FILE.into());
                    let source = ArchiveError::Refused { rule, entry, detail: format!("says it is {found}") };
                    return Err(Error::Archive { package: released.to_string(), source: Box::new(source) });
                }
                (released, record.version)
            }
        };
        self.settled.borrow_mut().insert(name.clone(), settled.clone());
        Ok(settled)
    }

    fn candidate(&self, name: &MinzName, version: &Version, origin: &Origin) -> Result<Candidate> {
        let found = |record| readable(name, version, candidate(&record));
        let here = self.registry.known(origin, name, version)?;
        if here.is_none()
            && self.lock.and_then(|lock| lock.get(name)).is_some_and(|locked| locked.version == *version)
            && let Some(installed) = self.installed(name)?
        {
            return Ok(installed);
        }
        match origin {
            Origin::Registry | Origin::Named(_) => found(self.registry.record(origin, name, version)?),
            _ => match here {
                Some(record) => found(record),
                None => found(self.registry.single(origin, false)?.1),
            },
        }
    }

    /// Says of each dependency where it comes from, unless the project does.
    fn inherit(&self, origin: &Origin, needs: &Candidate) -> Result<()> {
        let theirs = match origin {
            Origin::Named(_) => origin.clone(),
            _ => Origin::Registry,
        };
        for need in needs.needs.iter().filter(|n| self.pins.get(&n.name).is_none()) {
            let mut inherited = self.inherited.borrow_mut();
            let have = inherited.entry(need.name.clone()).or_insert_with(|| theirs.clone());
            if *have != theirs {
                let shown = |origin: &Origin| match origin {
                    Origin::Registry => Origin::Registry.kind().to_string(),
                    other => other.to_string(),
                };
                let origins = [shown(have), shown(&theirs)];
                return Err(Error::TwoOrigins { place: None, name: need.name.clone(), origins });
            }
        }
        Ok(())
    }
}

impl PackageSource for Shelf<'_> {
    fn versions(&self, name: &MinzName) -> Result<Vec<Version>> {
        let origin = self.origin(name);
        let mut versions = match (&origin, self.pins.folder(name)) {
            (Origin::Registry | Origin::Named(_), _) => self.registry.versions_of(&origin, name)?,
            (_, Some(manifest)) => return Ok(vec![manifest.version.clone()]),
            (_, None) => return Ok(vec![self.settle(name, &origin)?.1]),
        };
        let locked = self.lock.and_then(|lock| lock.get(name)).filter(|l| l.origin == origin);
        if let Some(locked) = locked.filter(|locked| !versions.contains(&locked.version))
            && self.installed(name)?.is_some()
        {
            versions.push(locked.version.clone());
            mirror::order::sort(&mut versions);
        }
        Ok(versions)
    }

    fn dependencies(&self, name: &MinzName, version: &Version) -> Result<Candidate> {
        let mut origin = self.origin(name);
        let candidate = match self.pins.folder(name) {
            Some(manifest) => Candidate { sha256: self.pins.digest(name)?, ..of_manifest(manifest)? },
            None => {
                if !matches!(origin, Origin::Registry | Origin::Named(_)) {
                    origin = self.settle(name, &origin)?.0;
                }
                self.candidate(name, version, &origin)?
            }
        };
        self.inherit(&origin, &candidate)?;
        Ok(Candidate { origin, ..candidate })
    }

    fn suggest(&self, name: &MinzName) -> Option<String> {
        self.registry.suggest(name)
    }

    fn asked(&self, name: &MinzName) -> Option<String> {
        self.registry.asked_of(&self.origin(name))
    }
}
