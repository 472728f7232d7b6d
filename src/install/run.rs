//! The operation behind `pantry install`.
//!
//! ```text
//! state says nothing changed ─────────────────────────────────► done
//! lock fits the manifests? ── yes ► graph from the lock
//!                          └─ no ─► (frozen: refuse) resolve ► graph ► lock
//! graph + platform + groups ► selection ► store keys ► store lacks some?
//!                                          mirrors, then upstream ► store
//! graph + selection + linker ► units ► compared with what stands ► put in place
//! ```
//!
//! The project is locked from the first look at the tree to the last write. The
//! lockfile is written (durably) when the new tree is made and before it is put in
//! place: a kill between the two leaves a lock that the next run carries out.

use super::apart;
use super::apply::{self, Changes};
use super::bins::Linked;
use super::books::{self, Rewritten};
use super::difference::{self, Difference};
use super::engines::Engines;
use super::fill::{self, Busy, Watch};
use super::listing::BootId;
use super::platform::Platform;
use super::scripts::{Job, Trust};
use super::select::{Groups, Selection, select};
use super::state::{Fingerprint, Input, State};
use super::store::Store;
use super::tree;
use super::unit::Linker;
use crate::error::{Error, Filters, Result};
use crate::lockfile;
use crate::lockfile::foreign::{self, Foreign};
use crate::resolve::ImporterRequest;
use crate::resolve::graph::{Graph, PackageId};
use crate::source::mirrors::Mirrors;
use crate::ui::{Level, Logger, Subsystem};
use mirror::name::{PackageName, escape};
use mirror::order::Map;
use mirror::trust::Publishers;
use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

pub const LOCKFILE: &str = "pantry.lock";

/// What to install, and how. Paths are absolute.
pub struct Options<'a> {
    pub root: &'a Path,
    /// Manifests, as they were before they were read.
    pub manifests: &'a [Input],
    /// `$PANTRY_HOME`.
    pub home: &'a Path,
    pub linker: Linker,
    pub groups: Groups,
    /// `--filter`, and the folders of the workspace that it names. What stands in the tree for others stays there.
    pub filter: &'a [String],
    pub only: Option<&'a [String]>,
    pub platform: &'a Platform,
    /// The lock must fit, and is not written.
    pub frozen: bool,
    pub force: bool,
    pub dry_run: bool,
    /// Write manifests and lockfile (`--no-save` does not).
    pub save: bool,
    /// What nobody asked for goes from the tree, whoever put it there.
    pub prune: bool,
    /// Folders that lie in the place of packages.
    pub links: &'a [Linked],
    /// Versions are chosen although the lock fits.
    pub anew: bool,
    /// What the lock has chosen counts for nothing.
    pub forget: bool,
    /// Only the lockfile is made.
    pub lock_only: bool,
    /// The lockfile of another package manager to take the versions from, whatever ours says.
    pub import: Option<&'a Path>,
    /// What of the manifests is to be written once versions are chosen.
    pub settle: Option<&'a Settle<'a>>,
    /// Whose scripts may run. The second is the source that the configuration gives a package's name.
    pub trust: &'a Trust,
    pub source: &'a dyn Fn(&PackageName) -> String,
    /// The sources that manifests themselves name.
    pub named: &'a [(PackageName, String)],
    /// No scripts now; what is still to be run stays so.
    pub ignore_scripts: bool,
    /// Optional packages whose scripts have failed in this run.
    pub failed: &'a [PackageId],
    /// Whose packages may be installed.
    pub publishers: &'a Publishers,
    /// What packages are for.
    pub engines: Option<&'a Engines>,
    pub threads: usize,
    pub logger: Logger,
}

/// From the chosen versions to manifests with new text. The graph is given the words that these have.
pub type Settle<'a> = dyn Fn(&mut Graph) -> Result<Vec<Rewritten>> + 'a;

/// Where versions and archives come from; made by the command from settings.
pub trait Supply {
    /// Chooses versions; called only when the lock does not fit. What `locked`
    /// holds is kept where it still does.
    /// With a store, archives may be fetched into it ahead of the plan.
    fn resolve(&self, locked: Option<&Graph>, store: Option<&Arc<Store>>) -> Result<Resolved>;
    /// Adds what the lockfile of another package manager leaves open.
    fn complete(&self, foreign: Foreign, store: Option<&Arc<Store>>) -> Result<Resolved>;
    /// Opened mirrors, in their order.
    fn mirrors(&self) -> Result<&Mirrors>;
    /// Gets archives that no mirror holds into the store. Offline: the error that says where they could be.
    fn download(
        &self,
        store: &Arc<Store>,
        graph: &Graph,
        ids: &[PackageId],
        watch: &dyn Watch,
    ) -> Result<Downloaded>;
    /// Nothing more will be asked for: what was downloaded may be committed to
    /// the home mirror while the tree is built.
    fn settle(&self) {}
    /// Waits for that commit.
    fn finish(&self) -> Result<()>;
    /// Ends a run that failed: nothing more is fetched, nothing committed.
    fn abandon(&self) {}
}

/// A finished graph, and what the user should know about how it came about.
pub struct Resolved {
    pub graph: Graph,
    pub warnings: Vec<String>,
}

/// Listings of what [`Supply::download`] put into the store.
pub type Downloaded = Vec<(super::store::Key, super::listing::Stored)>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockChange {
    Unchanged,
    Created,
    Updated,
    /// It would have been written (`--no-save`, `--dry-run`).
    NotSaved,
}

/// What was done. Plain data; worded by the command.
#[derive(Debug)]
pub struct Report {
    /// Nothing had to be done: decided from the state file alone.
    pub current: bool,
    pub packages: usize,
    pub changes: Changes,
    pub lock: LockChange,
    pub way: &'static str,
    /// Came from mirrors, and from upstream.
    pub from_mirrors: usize,
    pub downloaded: usize,
    /// Packages that wanted to run a script at install and may not.
    pub scripts: Vec<String>,
    /// Scripts that are to run, in this order; then [`super::state::ran`] is to be told.
    pub jobs: Vec<Job>,
    /// Packages whose scripts have run.
    pub ran: Vec<String>,
    pub warnings: Vec<String>,
    /// Optional packages left out because they are for other platforms.
    pub skipped: usize,
    /// Direct dependencies that came, changed or went with the lock.
    pub direct: Vec<Direct>,
    /// By package; with `--dry-run` what would be changed.
    pub difference: Difference,
    /// With `--dry-run`: whether anything would be done, such as linking the same packages in another way.
    pub pending: bool,
    /// Of [`Options::prune`]: what stood in the tree and was none of ours.
    pub foreign: Vec<String>,
    /// The lockfile of another package manager that the versions were taken from.
    pub imported: Option<&'static str>,
    /// Manifests that got new text, or with `--dry-run` or without saving would have.
    pub manifests: Vec<Rewritten>,
}

/// One of the project's own dependencies, with its version before and now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Direct {
    pub name: String,
    pub from: Option<String>,
    pub to: Option<String>,
}

fn fingerprint(options: &Options<'_>) -> Fingerprint {
    let Options { linker, groups, platform, home, .. } = options;
    let mut text =
        format!("{}\n{}\n{}\n{platform}\n{}", linker.name(), groups.dev, groups.optional, home.display());
    // The project's rules stand in a manifest, which is an input.
    options.trust.user.iter().for_each(|rule| text.extend(["\n", rule]));
    text.push_str(&options.publishers.fingerprint());
    // A tree for a few members is not what the next one wants.
    options.filter.iter().for_each(|selector| text.extend(["\nonly ", selector]));
    Fingerprint::of(*linker, &text)
}

/// Whether the state file proves that there is nothing to do; the number of packages then.
pub fn current(options: &Options<'_>) -> Option<usize> {
    if options.force {
        return None;
    }
    let state = State::read_head(options.root)?;
    let known = options.manifests.iter().all(|m| m.path.to_str().is_some_and(|m| state.has_input(m)));
    let lock = state.has_input(LOCKFILE) || !options.root.join(LOCKFILE).exists();
    (known
        && lock
        && apply::is_clean(options.root)
        && state.is_current(
            options.root,
            fingerprint(options),
            BootId::of(&[options.root, &options.home.join("store")]),
        )
        && (state.todo.is_empty() || options.ignore_scripts))
        .then_some(state.packages)
}

/// The project is this process's until this is dropped. Taken before the
/// manifests are read: what somebody else's install was waited for may have
/// changed them.
pub struct Locked(Option<mirror::lock::DirLock>);

/// Waits for the project; not with `--dry-run`, which changes nothing.
pub fn lock(root: &Path, dry_run: bool, waiting: &mut dyn FnMut()) -> Result<Locked> {
    let lock = (!dry_run).then(|| mirror::lock::DirLock::acquire(root, waiting)).transpose()?;
    Ok(Locked(lock))
}

/// Installs. `asked` is what the manifests ask for.
pub fn install(
    options: &Options<'_>,
    locked: &Locked,
    asked: &[ImporterRequest],
    supply: &dyn Supply,
    watch: &dyn Watch,
) -> Result<Report> {
    if locked.0.is_none() {
        return with_store(options, asked, supply, watch, None);
    }
    let store = Store::open(&options.home.join("store"), &mut || watch.waiting(Busy::Store))?;
    let store = Arc::new(store);
    let outcome = with_store(options, asked, supply, watch, Some(&store));
    if outcome.is_err() {
        supply.abandon();
    }
    if let Some(store) = Arc::into_inner(store) {
        store.close();
    }
    outcome
}

fn with_store(
    options: &Options<'_>,
    asked: &[ImporterRequest],
    supply: &dyn Supply,
    watch: &dyn Watch,
    store: Option<&Arc<Store>>,
) -> Result<Report> {
    let begun = Instant::now();
    let step = |what: &str| {
        options.logger.log(Level::Debug, Subsystem::Install, || {
            let tenths = begun.elapsed().as_micros() / 100;
            format!("{what} after {}.{} ms", tenths / 10, tenths % 10)
        });
    };
    let lock_path = options.root.join(LOCKFILE);
    let seen = Input::look(options.root, Path::new(LOCKFILE));
    let old = read_lock(&lock_path)?;
    // Without a lock of ours another package manager's counts, with exactly the versions that it holds.
    let found = match (options.import, &old) {
        (Some(path), _) => Some(foreign::named(path, asked)?),
        (None, None) if !options.forget => foreign::find(options.root, asked)?,
        _ => None,
    };
    let (imported, taken) = match found {
        Some((file, foreign)) => (Some(file), Some(supply.complete(foreign, store)?)),
        None => (None, None),
    };
    let known = taken.as_ref().map(|taken| &taken.graph).or(old.as_ref().map(|(graph, _)| graph));
    let fit = known
        .map(|graph| lockfile::fits(graph, asked).and_then(|()| lockfile::comes_from(graph, options.named)));
    let (mut graph, warnings, before) = match (taken, old, fit) {
        (Some(taken), old, Some(Ok(()))) if !options.anew => (taken.graph, taken.warnings, Some(old)),
        (None, Some((graph, _)), Some(Ok(()))) if !options.anew => (graph, Vec::new(), None),
        (taken, old, fit) if options.frozen => {
            let differences = fit.and_then(std::result::Result::err).unwrap_or_default();
            let path = imported.map_or(lock_path, |file| options.root.join(file));
            return Err(Box::new(Error::StaleLock {
                path,
                missing: taken.is_none() && old.is_none(),
                differences,
            }));
        }
        (taken, old, _) => {
            let known = taken.as_ref().map(|taken| &taken.graph).or(old.as_ref().map(|(graph, _)| graph));
            let moved = known.filter(|graph| lockfile::comes_from(graph, options.named).is_err());
            let without = moved.map(|graph| lockfile::without_moved(graph, options.named));
            let resolved = supply.resolve(without.as_ref().or(known).filter(|_| !options.forget), store)?;
            (resolved.graph, resolved.warnings, Some(old))
        }
    };
    step("versions settled");
    let mut manifests = options.settle.map_or(Ok(Vec::new()), |settle| settle(&mut graph))?;
    manifests.retain(|m| m.old.as_deref() != Some(&m.new));
    // The lock's new text, if it is not what stands there.
    let text = before.as_ref().map(|_| lockfile::write(&graph)).transpose()?;
    let lock = match (&before, &text) {
        (Some(Some((_, old))), Some(new)) if old == new.as_bytes() => LockChange::Unchanged,
        (Some(_), _) if !options.save || options.dry_run || options.frozen => LockChange::NotSaved,
        (Some(Some(_)), _) => LockChange::Updated,
        (Some(None), _) => LockChange::Created,
        (None, _) => LockChange::Unchanged,
    };
    if store.is_some() && !options.lock_only {
        apply::recover(options.root)?;
    }
    let mut known = State::read(options.root);
    let nothing = State::default();
    let state = known.as_ref().unwrap_or(&nothing);
    let unwanted = options.engines.map_or_else(Vec::new, |e| e.unfit(&graph));
    let selecting = |failed: &[PackageId], only| {
        select(&graph, options.groups, options.platform, failed, &unwanted, only)
    };
    let mut selection = selecting(options.failed, options.only);
    if options.only.is_some() && !options.force {
        let all = selecting(options.failed, None).included;
        difference::keep(&graph, &mut selection, &all, &state.names);
    }
    let selection = selection;
    refuse_unfit(&graph, &selection, options.platform)?;
    let unsuited = options.engines.map_or(Ok(Vec::new()), |e| e.check(&graph, &selection, &unwanted))?;
    let own: Vec<bool> = graph
        .ids()
        .map(|id| {
            let package = graph.package(id);
            // What all projects share no project's script may change.
            options.linker != Linker::Store
                && selection.included[id.index()]
                && !options.trust.is_empty()
                && options.trust.allows(package, &(options.source)(&package.name))
        })
        .collect();
    let mut report = Report {
        current: false,
        packages: selection.included.iter().filter(|i| **i).count(),
        changes: Changes::default(),
        lock,
        way: "",
        from_mirrors: 0,
        downloaded: 0,
        scripts: scripts(&graph, &selection, &own),
        jobs: Vec::new(),
        ran: Vec::new(),
        warnings,
        skipped: selection.skipped.len(),
        direct: Vec::new(),
        difference: Difference::default(),
        pending: false,
        foreign: Vec::new(),
        imported,
        manifests: Vec::new(),
    };
    report.warnings.extend(unsuited);
    if options.publishers.ask() && !options.lock_only {
        let mirrors = supply.mirrors()?;
        let doubts = fill::vouched(options.publishers, mirrors, &graph, &selection.included)?;
        report.warnings.extend(doubts);
    }
    if let Some(old) = &before {
        let old = old.as_ref().map(|(graph, _)| graph);
        let mut folders = vec![""];
        folders.extend(manifests.iter().filter_map(|m| m.path.parent()?.to_str()));
        report.direct = direct(old, &graph, &selection, &folders);
        report.warnings.extend(deprecated(old, &graph, &selection));
    }
    let names = difference::names(&graph, &selection);
    report.difference = Difference::between(&state.names, &names);
    if options.prune {
        report.foreign = state.strangers(options.root);
    }
    if options.dry_run {
        report.pending = current(options).is_none();
        report.manifests = manifests;
        return Ok(report);
    }
    let Some(store) = store else { return Ok(report) };
    let saved = text.as_deref().filter(|_| matches!(lock, LockChange::Created | LockChange::Updated));
    // The earlier pantry's file stands where ours goes.
    let earlier = imported.filter(|file| *file == LOCKFILE).and_then(|_| std::fs::read(&lock_path).ok());
    let old = before.as_ref().and_then(Option::as_ref).map(|(_, bytes)| bytes.as_slice());
    let new = saved.map(|new| books::Lock { old: old.or(earlier.as_deref()), new });
    if options.lock_only {
        supply.settle();
        supply.finish()?;
        books::write(options.root, &manifests, new.as_ref())?;
        report.manifests = manifests;
        // The lock is for all platforms.
        report.packages = graph.packages.len();
        return Ok(report);
    }
    let apart = before.as_ref().and_then(Option::as_ref).and_then(|(old, _)| {
        let apart = is_plain(options, &selection, state).then(|| apart::between(old, &graph)).flatten()?;
        apart.explains(old, &report.difference).then_some(apart)
    });
    let wanted = tree::Wanted {
        project: options.root,
        graph: &graph,
        selection: &selection,
        names: &names,
        linker: options.linker,
        options: fingerprint(options),
        own: &own,
        force: options.force,
        prune: options.prune,
        links: options.links,
        apart: apart.as_ref(),
        threads: options.threads,
    };
    let written = Cell::new(false);
    let mut tries = 0;
    let done = loop {
        let mut plan = tree::plan(&wanted, store, known.take())?;
        step("tree planned");
        if !plan.missing.is_empty() {
            let mut missing = std::mem::take(&mut plan.missing);
            watch.begin(missing.len());
            plan.listings.extend(fill::packed(store, options.root, &graph, &mut missing)?);
            let mirrors = supply.mirrors()?;
            let mut got = fill::from_mirrors(
                store,
                mirrors,
                options.publishers,
                &graph,
                &missing,
                options.threads,
                watch,
            )?;
            step("mirrors gave what they have");
            report.from_mirrors += got.listings.len();
            report.downloaded += got.elsewhere.len();
            plan.listings.extend(got.listings);
            if !got.elsewhere.is_empty() {
                let downloaded = supply.download(store, &graph, &got.elsewhere, watch);
                // That a mirror's archive is damaged says more than that there is no other.
                let downloaded = downloaded.map_err(|e| got.damaged.pop().map_or(e, |(_, damage)| damage));
                plan.listings.extend(downloaded?);
                step("downloaded");
            }
            for (mirror, damage) in &got.damaged {
                let mirror = mirror.to_string_lossy();
                let mirror = mirror::name::escape(&mirror);
                let words = format!("the archive in {mirror} was passed over: {damage}");
                // One pack holds many archives.
                if !report.warnings.contains(&words) {
                    report.warnings.push(words);
                }
            }
        }
        supply.settle();
        let mut save = || {
            step("tree made");
            supply.finish()?;
            step("mirror committed");
            let mut inputs = options.manifests.to_vec();
            if !options.save {
                // What is installed is not what the manifests say: the next run has to look.
                inputs.retain(|i| manifests.iter().all(|m| i.path != m.path));
            } else {
                books::write(options.root, &manifests, new.as_ref())?;
                written.set(true);
                for manifest in &manifests {
                    inputs.retain(|i| i.path != manifest.path);
                    inputs.extend(Input::look(options.root, &manifest.path));
                }
            }
            match &new {
                Some(_) => inputs.extend(Input::look(options.root, Path::new(LOCKFILE))),
                None => {
                    mirror::file::clean_temporaries(&lock_path);
                    inputs.extend(seen.clone().filter(|_| lock != LockChange::NotSaved));
                }
            }
            Ok(inputs)
        };
        match tree::build(&wanted, store, &plan, &mut save) {
            // `--force` or `store verify` of another process took an entry out of the store after
            // it was looked at here, because it is damaged: it is made anew.
            // Or what is not to change was changed after it was looked at: then all is planned anew.
            Err(e)
                if tries < 3 && (store.has_lost(&e) || tries == 0 && apart.is_some() && !written.get()) =>
            {
                tries += 1;
                apply::recover(options.root)?;
            }
            Err(e) => {
                // The tree stayed as it was: the manifests that it came from come back.
                if written.get() && !manifests.is_empty() && !apply::is_under_way(options.root) {
                    books::undo(options.root, &manifests, new.as_ref());
                }
                return Err(e);
            }
            Ok(done) => break done,
        }
    };
    step("tree in place");
    mirror::file::settle(options.root)?;
    mirror::file::settle(store.dir())?;
    report.changes = done.changes;
    report.manifests = manifests;
    report.way = done.way;
    report.jobs = done.jobs;
    for job in &mut report.jobs {
        let without = selecting(&[job.package], options.only);
        job.optional = !without.unfit.contains(&job.package);
    }
    Ok(report)
}

/// Whether the tree that stands is what the lock that was read makes of it, by the same options, and
/// nothing but that graph counts.
fn is_plain(options: &Options<'_>, selection: &Selection, state: &State) -> bool {
    let boot = BootId::of(&[options.root, &options.home.join("store")]);
    options.linker != Linker::Isolated
        && !(options.force || options.prune || options.only.is_some())
        && options.links.is_empty()
        && options.trust.is_empty()
        && options.failed.is_empty()
        && selection.unfit.is_empty()
        && state.todo.is_empty()
        && state.has_input(LOCKFILE)
        && state.is_current(options.root, fingerprint(options), boot)
}

/// The lock and its text; `None` when there is no file.
pub fn read_lock(path: &Path) -> Result<Option<(Graph, Vec<u8>)>> {
    match mirror::file::read(path, lockfile::LIMIT as u64) {
        // The earlier pantry's file of the same name.
        Ok(bytes) if foreign::is_earlier(&bytes) => Ok(None),
        Ok(bytes) => Ok(Some((lockfile::read(&bytes, path)?, bytes))),
        Err(mirror::Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e @ (mirror::Error::NotRegular { .. } | mirror::Error::TooLarge { .. })) => {
            let what = match e {
                mirror::Error::TooLarge { .. } => "it is larger than 64 MiB",
                _ => "it is not a regular file",
            };
            let source = std::io::Error::other(what);
            Err(Box::new(Error::Io { action: "read", path: path.to_path_buf(), source }))
        }
        Err(e) => Err(e.into()),
    }
}

fn refuse_unfit(graph: &Graph, selection: &Selection, platform: &Platform) -> Result<()> {
    let Some(id) = selection.unfit.first() else { return Ok(()) };
    let package = graph.package(*id);
    Err(Box::new(Error::WrongPlatform {
        package: format!("{}@{}", package.name, package.version).into(),
        platform: platform.to_string().into(),
        filters: Box::new(Filters {
            os: package.os.clone(),
            cpu: package.cpu.clone(),
            libc: package.libc.clone(),
        }),
    }))
}

fn scripts(graph: &Graph, selection: &Selection, own: &[bool]) -> Vec<String> {
    let packages = graph.packages.iter().zip(&selection.included).zip(own);
    let wanting = packages.filter(|((p, on), own)| **on && p.install_script && !**own);
    wanting.map(|((p, _), _)| format!("{}@{}", p.name, p.version)).collect()
}

/// What was chosen now although it is deprecated: the project's own dependencies by name, others by number.
fn deprecated(old: Option<&Graph>, new: &Graph, selection: &Selection) -> Vec<String> {
    let mut own = vec![false; new.packages.len()];
    let asked = new.importers.iter().flat_map(|i| &i.dependencies).filter_map(|w| w.target);
    asked.for_each(|id| own[id.index()] = true);
    let (mut words, mut others) = (Vec::new(), 0);
    for id in new.ids().filter(|id| selection.included[id.index()]) {
        let package = new.package(id);
        let Some(why) = &package.deprecated else { continue };
        let known =
            |g: &Graph| g.packages.iter().any(|p| p.name == package.name && p.version == package.version);
        if old.is_some_and(known) {
            continue;
        }
        if own[id.index()] {
            words.push(format!("{}@{} is deprecated: {}", package.name, package.version, escape(why)));
        } else {
            others += 1;
        }
    }
    match others {
        0 => {}
        1 => words.push("1 package that others need is deprecated; `pantry tree` marks it".into()),
        n => words.push(format!("{n} packages that others need are deprecated; `pantry tree` marks them")),
    }
    words
}

/// Which dependencies of these folders came, got another version, or went.
fn direct(old: Option<&Graph>, new: &Graph, selection: &Selection, folders: &[&str]) -> Vec<Direct> {
    let of = |graph: &Graph| -> Map<(String, String), (PackageId, String)> {
        let asking = graph.importers.iter().filter(|i| folders.contains(&i.path.as_str()));
        let wanted = asking.flat_map(|i| i.dependencies.iter().map(|w| (&i.path, w)));
        let named = wanted.filter_map(|(path, w)| {
            let (t, key) = (w.target?, (w.alias.to_string(), path.clone()));
            Some((key, (t, graph.package(t).version.to_string())))
        });
        named.collect()
    };
    let (before, after) = (old.map(of).unwrap_or_default(), of(new));
    let mut list = Vec::new();
    for (name, (id, to)) in after.iter() {
        let from = before.get(name).map(|(_, version)| version);
        if selection.included[id.index()] && from != Some(to) {
            list.push(Direct { name: name.0.clone(), from: from.cloned(), to: Some(to.clone()) });
        }
    }
    let gone = before.into_iter().filter(|(name, _)| !after.contains_key(name));
    list.extend(gone.map(|(name, (_, from))| Direct { name: name.0, from: Some(from), to: None }));
    // What two members ask for in the same way.
    list.dedup();
    list
}
