//! Where an install chooses from: the mirrors, and behind them what is installed
//! just as the lock says. To keep a package, nobody needs its archive.

use super::mark::{self, State};
use crate::error::{Error, Result};
use crate::lockfile::Lock;
use crate::manifest::Manifest;
use crate::registry::{Registry, candidate, record};
use crate::solve::{Candidate, PackageSource};
use mirror::name::MinzName;
use mirror::version::Version;
use std::path::PathBuf;

pub(super) struct Shelf<'a> {
    pub registry: &'a Registry,
    pub packages: PathBuf,
    pub lock: Option<&'a Lock>,
}

impl Shelf<'_> {
    /// The installed package, if it is whole and the locked one.
    fn installed(&self, name: &MinzName) -> Result<Option<(Manifest, String)>> {
        let Some(locked) = self.lock.and_then(|lock| lock.get(name)) else { return Ok(None) };
        let dir = self.packages.join(name.as_str());
        match mark::state(&dir)? {
            State::Whole(m) if m.version == locked.version && m.sha256 == locked.sha256 => {
                let manifest =
                    Manifest::load(&dir)?.filter(|m| m.name == *name && m.version == locked.version);
                Ok(manifest.map(|m| (m, locked.sha256.to_string())))
            }
            _ => Ok(None),
        }
    }
}

impl PackageSource for Shelf<'_> {
    fn versions(&self, name: &MinzName) -> Result<Vec<Version>> {
        let mut versions = self.registry.versions(name)?;
        let locked = self.lock.and_then(|lock| lock.get(name));
        if locked.is_some_and(|locked| !versions.contains(&locked.version))
            && let Some((manifest, _)) = self.installed(name)?
        {
            versions.push(manifest.version);
            mirror::order::sort(&mut versions);
        }
        Ok(versions)
    }

    fn dependencies(&self, name: &MinzName, version: &Version) -> Result<Candidate> {
        let absent = match self.registry.dependencies(name, version) {
            Err(error @ Error::AbsentVersion { .. }) => error,
            other => return other,
        };
        let Some((manifest, sha256)) = self.installed(name)?.filter(|(m, _)| m.version == *version) else {
            return Err(absent);
        };
        candidate(&record(&manifest)).map(|c| Candidate { sha256, ..c }).map_err(|_| absent)
    }

    fn suggest(&self, name: &MinzName) -> Option<String> {
        self.registry.suggest(name)
    }
}
