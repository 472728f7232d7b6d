//! Fetching what want-lists ask for, each with all that it needs, into the mirror that carries them; and noting
//! what could not be had, so that who asked learns of it.

use super::{carry, is_here, named};
use crate::commands::mirror::pull::split;
use crate::commands::mirror::{count, open, open_for_writing, waiting};
use crate::commands::mzp::registry;
use crate::error::{Error, Result, Status};
use crate::install::platform::Platform;
use crate::install::select::Groups;
use crate::network::Network;
use crate::project::bar::Bar;
use crate::pull::{Options, Wanted, pull};
use crate::resolve::graph::Group;
use crate::resolve::{ImporterRequest, Requested};
use crate::settings::Settings;
use crate::ui::Ui;
use mirror::name::{MinzName, PackageName, escape};
use mirror::order::Map;
use mirror::record::Ecosystem;
use mirror::want::{Lack, Want, WantList};
use mirror::{Batch, Mirror};
use mzp::origin::Origin;
use mzp::platform::PLATFORMS;
use mzp::registry::Registry;
use mzp::requirement::Requirement;
use mzp::solve::{Need, Request, solve};
use std::collections::HashSet;
use std::io::Write;
use std::path::Path;

/// What became of want-lists.
#[derive(Default)]
pub struct Answers {
    /// `name@version` of what was fetched or copied.
    pub fetched: Vec<String>,
    pub lacks: Vec<Lack>,
    /// What may be had another time, and why not now.
    pub failed: Vec<(String, Box<Error>)>,
}

impl Answers {
    pub fn tell(&self, ui: &mut Ui) {
        self.fetched.iter().for_each(|name| ui.added(&escape(name)));
        if !self.fetched.is_empty() {
            let fetched = count(self.fetched.len() as u64, "package", "packages");
            ui.success(&format!("Fetched {fetched} for want-lists"));
        }
        for lack in &self.lacks {
            let name = format!("{}@{}", super::shown_key(&lack.key), escape(&lack.range));
            ui.warn(&format!("{name} is wanted and cannot be had: {}", escape(&lack.why)));
        }
        for (name, error) in &self.failed {
            ui.warn(&format!("{name} is wanted and could not be fetched now: {}", one_line(&**error)));
        }
    }

    pub fn status(&self) -> Status {
        match self.failed.first() {
            Some((_, error)) => error.status(),
            None => Status::Done,
        }
    }
}

/// Fetches what the lists on the mirror in `dir` ask for and it lacks.
pub fn answer(dir: &Path, settings: &Settings, here: &Path, ui: &mut Ui) -> Result<Answers> {
    let mirror = open(dir, settings, ui)?;
    let mut open: Vec<Want> = Vec::new();
    for want in mirror.want_lists()?.into_iter().flat_map(|l| l.wants) {
        if !mirror.lookup(&want.key)?.is_some_and(|view| is_here(&view, &want)) {
            open.push(want);
        }
    }
    drop(mirror);
    mirror::order::sort_by_key(&mut open, |w| (w.platform.clone(), w.key.clone(), w.range.clone()));
    open.dedup_by(|a, b| (&a.platform, &a.key, &a.range) == (&b.platform, &b.key, &b.range));
    if open.is_empty() {
        return Ok(Answers::default());
    }
    if settings.offline.is_some() {
        return Err(Box::new(Error::Usage {
            message: "what is wanted has to be fetched from a network, and this run is offline".into(),
            hint: Some("leave out --offline (and PANTRY_OFFLINE)".into()),
        }));
    }
    drop(open_for_writing(dir, settings, ui)?);
    let (npm, others): (Vec<Want>, _) = open.into_iter().partition(|w| w.key.ecosystem == Ecosystem::Npm);
    let (minz, others): (Vec<Want>, _) = others.into_iter().partition(|w| w.key.ecosystem == Ecosystem::Minz);
    let asked = mirror::time::now();
    let mut fetching = Fetching { dir, settings, here, asked, answers: Answers::default() };
    others.iter().for_each(|want| fetching.lack(want, "this version of pantry cannot fetch it".into()));
    let outcome = fetching.npm(&npm, ui).and_then(|()| fetching.minz(&minz, ui));
    let answers = fetching.answers;
    ui.end_progress();
    // What is known by now is left there, whatever came after it.
    let home = Mirror::open_or_init(&settings.home_mirror()?, "home")?;
    let mut note = |own: &mut WantList| own.lack(&answers.lacks);
    home.change_wants(asked, &mut note, &mut waiting(ui))?;
    if home.dir() != dir {
        carry(&Mirror::open(dir)?, settings, ui)?;
    }
    outcome.map(|()| answers)
}

fn one_line(error: &dyn std::fmt::Display) -> String {
    error.to_string().lines().map(str::trim).collect::<Vec<_>>().join("; ")
}

/// The registries have answered, and there is no such thing.
fn cannot_be_had(error: &Error) -> bool {
    match error {
        Error::Missing(_) | Error::VersionConflict(_) | Error::WrongPlatform { .. } => true,
        Error::Answer { status, .. } => matches!(status, 404 | 410),
        Error::Mzp(e) => matches!(
            **e,
            mzp::Error::UnknownPackage { .. } | mzp::Error::AbsentVersion { .. } | mzp::Error::Conflict(_)
        ),
        _ => false,
    }
}

struct Fetching<'a> {
    /// The mirror.
    dir: &'a Path,
    settings: &'a Settings,
    here: &'a Path,
    /// Unix seconds.
    asked: u64,
    answers: Answers,
}

impl Fetching<'_> {
    fn lack(&mut self, want: &Want, why: String) {
        let (key, range) = (want.key.clone(), want.range.clone());
        self.answers.lacks.push(Lack { key, range, asked: self.asked, why });
    }

    /// What became of one want.
    ///
    /// # Errors
    /// There is no network: the others need not be tried.
    fn settle(&mut self, want: &Want, outcome: Result<Vec<String>>) -> Result<()> {
        match outcome {
            Ok(fetched) => self.answers.fetched.extend(fetched),
            Err(e) if matches!(*e, Error::Http(_)) => return Err(e),
            Err(e) if cannot_be_had(&e) => self.lack(want, one_line(&*e)),
            Err(e) => self.answers.failed.push((named(want), e)),
        }
        Ok(())
    }

    /// Those of one platform are asked for together; where one cannot be had, each by itself.
    fn npm(&mut self, wants: &[Want], ui: &mut Ui) -> Result<()> {
        if wants.is_empty() {
            return Ok(());
        }
        let network = Network::new(self.settings, self.here, ui)?;
        for of_platform in wants.chunk_by(|a, b| a.platform == b.platform) {
            let platform = Platform::parse(&of_platform[0].platform).unwrap_or_else(Platform::current);
            let mut names = Vec::new();
            for want in of_platform {
                match PackageName::parse(&want.key.name) {
                    Ok(name) if network.registries.source_of(&name) == want.key.source => {
                        names.push((name, want));
                    }
                    _ => self.lack(want, format!("no registry for {} is configured here", want.key.source)),
                }
            }
            match self.pull(&names, &platform, &network, ui) {
                Ok(fetched) => self.answers.fetched.extend(fetched),
                Err(e) if matches!(*e, Error::Http(_)) => return Err(e),
                Err(_) => {
                    for one in &names {
                        let outcome = self.pull(std::slice::from_ref(one), &platform, &network, ui);
                        self.settle(one.1, outcome)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn pull(
        &self,
        wants: &[(PackageName, &Want)],
        platform: &Platform,
        network: &Network,
        ui: &mut Ui,
    ) -> Result<Vec<String>> {
        let settings = self.settings;
        let options = Options {
            mirror: self.dir.into(),
            home: settings.home_mirror()?,
            trust: settings.trust.clone(),
            misses: settings.misses.clone(),
            platforms: vec![platform.clone()],
            groups: Groups { dev: false, optional: true },
            keep_all: false,
            dry_run: false,
            fresh_for: settings.cache_ttl.as_secs(),
            prefer_known: false,
            metadata_at_a_time: settings.metadata_at_a_time,
            archives_at_a_time: settings.archives_at_a_time,
        };
        let dependencies = wants.iter().map(|(name, want)| Requested {
            alias: name.clone(),
            range: want.range.clone(),
            group: Group::Normal,
            optional_peer: false,
        });
        let named = ImporterRequest { dependencies: dependencies.collect(), ..ImporterRequest::default() };
        let bar = Bar::new(ui, "Fetching");
        let report = pull(&options, Wanted::Asked(split(named)), network, &bar, &mut waiting(ui))?;
        report.warnings.iter().for_each(|w| ui.warn(w));
        Ok(report.fetched)
    }

    fn minz(&mut self, wants: &[Want], ui: &mut Ui) -> Result<()> {
        if wants.is_empty() {
            return Ok(());
        }
        let registry = registry(self.settings, self.here, "Fetching", ui)?;
        let target = open_for_writing(self.dir, self.settings, ui)?;
        let batch = Batch::begin(&target, 0)?;
        let mut begun = HashSet::new();
        let outcome = wants.iter().try_for_each(|want| {
            let outcome = closure(want, &registry, &target, &batch, &mut begun);
            self.settle(want, outcome)
        });
        batch.commit(&mut waiting(ui))?;
        registry.keep()?;
        registry.notes().iter().for_each(|note| ui.warn(note));
        outcome
    }
}

/// Puts what a MinZ package needs, and the target lacks, into the batch. `begun`: what is in that.
fn closure(
    want: &Want,
    registry: &Registry,
    target: &Mirror,
    batch: &Batch,
    begun: &mut HashSet<String>,
) -> Result<Vec<String>> {
    let wrong = |source| Error::Name { source, place: "a want-list".into() };
    let platforms: Vec<_> = want.platform.split(',').filter_map(mzp::platform::Platform::find).collect();
    let need = Need {
        name: MinzName::parse(&want.key.name).map_err(wrong)?,
        requirement: Requirement::parse(&want.range).map_err(wrong)?,
        platform: None,
        optional: false,
        features: Vec::new(),
        default_features: true,
    };
    let chosen = solve(&Request {
        project: MinzName::parse("wanted").map_err(wrong)?,
        needs: vec![(need, None)],
        platforms: if platforms.is_empty() { PLATFORMS.iter().collect() } else { platforms },
        preferred: Map::new(),
        first: &[],
        source: registry,
    })?;
    let mut fetched = Vec::new();
    for package in chosen {
        let (key, version) = (mzp::registry::key(&package.name), package.version.to_string());
        let shown = format!("{}@{version}", package.name);
        if begun.contains(&shown) || target.find_archive(&key, &version)?.is_some() {
            continue;
        }
        let record = registry.record(&Origin::Registry, &package.name, &package.version)?;
        let Some(sha256) = record.sha256 else { continue };
        let mut bytes = registry.archive(&Origin::Registry, &package.name, &package.version, &sha256)?;
        let mut writer = batch.archive()?;
        let copied = std::io::copy(&mut bytes, &mut writer).and_then(|_| writer.flush());
        copied.map_err(Error::io("write to", target.dir()))?;
        batch.put_version(key, writer.finish()?.of(record))?;
        begun.insert(shown.clone());
        fetched.push(shown);
    }
    Ok(fetched)
}
