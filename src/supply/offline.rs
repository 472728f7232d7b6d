//! Mirrors only: nothing is asked, nothing is written to a mirror.

use super::{Look, Prepare, failure, finished, missing};
use crate::error::{Error, Result};
use crate::install::fill::{Busy, Watch};
use crate::install::platform::Platform;
use crate::install::run::{Downloaded, Resolved, Supply};
use crate::install::store::Store;
use crate::lockfile::foreign::Foreign;
use crate::opportunity::Opportunity;
use crate::resolve;
use crate::resolve::graph::{Graph, PackageId};
use crate::source::mirrors::{Damage, MirrorIndex, Mirrors};
use crate::wants::Misses;
use mirror::name::PackageName;
use mirror::record::{Ecosystem, Key};
use mirror::trust::Trust;
use std::cell::OnceCell;
use std::path::PathBuf;
use std::sync::Arc;

pub struct Offline<'a> {
    pub named: Vec<PathBuf>,
    /// The home mirror's folder; it need not exist.
    pub home: PathBuf,
    pub trust: Arc<Trust>,
    pub misses: Arc<Misses>,
    pub opportunity: Arc<Opportunity>,
    /// What is asked for; its lock comes with the call.
    pub request: resolve::Request<'a>,
    pub prepare: Option<&'a Prepare<'a>>,
    /// The authority of a name.
    pub source: &'a dyn Fn(&PackageName) -> String,
    pub mirrors: OnceCell<Mirrors>,
    pub watch: &'a dyn Watch,
}

impl Offline<'_> {
    /// What the user should know about the mirrors that were used.
    pub fn notes(&self) -> Vec<String> {
        self.mirrors.get().map(Mirrors::notes).unwrap_or_default()
    }

    /// Lets somebody look into the mirrors.
    pub fn look(&self, look: &mut Look<'_>) -> Result<()> {
        look(&MirrorIndex::new(self.mirrors()?, self.source, &Platform::current()))
    }
}

impl Supply for Offline<'_> {
    fn resolve(&self, locked: Option<&Graph>, _: Option<&Arc<Store>>) -> Result<Resolved> {
        let mirrors = self.mirrors()?;
        let here = Platform::current();
        let index = MirrorIndex::new(mirrors, self.source, &here);
        let mut request = resolve::Request { locked, ..self.request.clone() };
        self.prepare.map_or(Ok(()), |prepare| prepare(&index, &mut request.importers))?;
        match resolve::resolve(&request, &index) {
            Ok(resolution) => Ok(finished(resolution, mirrors)?.0),
            Err(e) => Err(failure(e, mirrors, &self.misses, self.source, true)),
        }
    }

    fn complete(&self, mut foreign: Foreign, _: Option<&Arc<Store>>) -> Result<Resolved> {
        foreign.set_sources(self.source);
        let mirrors = self.mirrors()?;
        let here = Platform::current();
        let completed = foreign.complete(&MirrorIndex::new(mirrors, self.source, &here));
        let resolution = completed.inspect_err(|e| {
            if let Error::Missing(missing) = &**e
                && let Ok(name) = PackageName::parse(&missing.package)
            {
                let (source, name) = ((self.source)(&name), missing.package.clone());
                self.misses.note(Key { ecosystem: Ecosystem::Npm, source, name }, &missing.range);
            }
        })?;
        Ok(finished(resolution, mirrors)?.0)
    }

    fn mirrors(&self) -> Result<&Mirrors> {
        if let Some(mirrors) = self.mirrors.get() {
            return Ok(mirrors);
        }
        let waiting = &mut |holder: &str| self.watch.waiting(Busy::Mirror(holder));
        let mirrors = Mirrors::open(
            &self.named,
            Some(&self.home),
            self.opportunity.media(),
            &self.trust,
            Damage::Ends,
            waiting,
        )?;
        Ok(self.mirrors.get_or_init(|| mirrors))
    }

    fn download(
        &self,
        _: &Arc<Store>,
        graph: &Graph,
        ids: &[PackageId],
        _: &dyn Watch,
    ) -> Result<Downloaded> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        Err(Box::new(missing(self.mirrors()?, graph, ids, &self.misses)?))
    }

    fn finish(&self) -> Result<()> {
        Ok(())
    }
}
