//! Working on a project's packages: what every command that changes them goes through.
//!
//! ```text
//! Session::open   the nearest project, and what the command line says about how
//! current         nothing has changed since the last install: done
//! lock            the project is this process's; what a killed run left is finished
//! read            the manifests; a command may put edited text in their place
//! install         merged ─► importers ─► supply (mirrors, registries) ─► install::run ─► report
//! ```
//!
//! A command that edits manifests (`add`) installs from the edited text first and
//! says what to write once versions are chosen ([`Change::settle`]): manifests,
//! lock and tree change together or not at all (`install::books`).
//!
//! The words of a report are each command's own.

pub mod add;
mod asked;
pub mod bar;
pub mod filter;
pub mod global;
pub mod lifecycle;
pub mod link;
pub mod newer;
pub mod node;
pub mod packed;
pub mod trust;

pub use asked::importers;

use crate::cli::Invocation;
use crate::dependency::Source;
use crate::error::{Error, Result, Status, Whereabouts};
use crate::install::books::Rewritten;
use crate::install::engines::Engines;
use crate::install::fill::{Busy, Watch};
use crate::install::platform::Platform;
use crate::install::run::{self, Locked, Options, Report, Settle};
use crate::install::scripts::Trust;
use crate::install::select::Groups;
use crate::install::state::{Input, State};
use crate::install::unit::Linker;
use crate::install::{apply, books, prune};
use crate::manifest::workspace::Workspace;
use crate::manifest::{self, Format, Manifest, Problem, Project};
use crate::network::Network;
use crate::resolve::graph::{Graph, PackageId};
use crate::resolve::{ImporterRequest, Request, engines};
use crate::settings::Settings;
use crate::supply::offline::Offline;
use crate::supply::online::Online;
use crate::supply::{self, Look, Prepare};
use crate::ui::Ui;
use bar::Bar;
use mirror::name::{PackageName, escape};
use std::cell::{OnceCell, RefCell};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How packages are installed, whatever asked for it.
#[derive(Debug, Clone, Copy)]
pub struct How {
    pub groups: Groups,
    pub frozen: bool,
    pub force: bool,
    pub dry_run: bool,
    /// Write manifests and lock.
    pub save: bool,
    /// The user's own packages, not those of a project.
    pub global: bool,
    /// What nobody asked for goes from the tree, whoever put it there.
    pub prune: bool,
    /// Nobody's scripts run.
    pub ignore_scripts: bool,
    /// Choose versions and write the lock; no tree.
    pub lock_only: bool,
}

impl How {
    /// As a command without options.
    pub fn plain() -> Self {
        Self {
            groups: Groups { dev: false, optional: true },
            frozen: false,
            force: false,
            dry_run: false,
            save: true,
            global: false,
            prune: false,
            ignore_scripts: false,
            lock_only: false,
        }
    }

    /// As the command's options say.
    pub fn of(invocation: &Invocation) -> Self {
        let given = |long| invocation.offers(long) && invocation.has(long);
        Self {
            groups: Groups { dev: !given("production"), optional: true },
            frozen: given("frozen-lockfile"),
            force: given("force"),
            dry_run: given("dry-run"),
            save: !given("no-save"),
            global: given("global") || given("user"),
            prune: false,
            ignore_scripts: given("ignore-scripts"),
            lock_only: given("lockfile-only"),
        }
    }
}

/// What a command wants beside what the manifests say. The default: nothing.
#[derive(Default)]
pub struct Change<'a> {
    /// Packages to choose anew wherever they are.
    pub update: Vec<PackageName>,
    /// Dependencies of an importer (its path, the alias) that the user named: chosen anew.
    pub explicit: Vec<(String, PackageName)>,
    /// Versions are chosen although the lock fits.
    pub anew: bool,
    /// The lock's choices count for nothing.
    pub forget: bool,
    pub prefer_dedupe: bool,
    /// Looks at what there is before versions are chosen, and changes what is asked for.
    pub prepare: Option<&'a Prepare<'a>>,
    /// The lockfile of another package manager to take the versions from.
    pub import: Option<&'a Path>,
    pub settle: Option<&'a Settle<'a>>,
}

/// A command at work on a project.
pub struct Session<'a> {
    pub settings: &'a Settings,
    pub project: Project,
    pub how: How,
    pub platform: Platform,
    pub home: PathBuf,
    /// That which is named; else the tree stays as it is built.
    pub linker: Linker,
    /// There is no manifest yet: the first one is made.
    pub fresh: bool,
    /// The member of the workspace that the working directory lies in; empty: none.
    pub member: String,
    /// `--filter` of an install: what other members need is not looked at.
    pub filter: Vec<String>,
    /// The user's rules alone.
    trust: Trust,
}

impl<'a> Session<'a> {
    /// The project that the working directory lies in; with `--global` the user's own packages.
    pub fn open(how: How, settings: &'a Settings, ui: &mut Ui) -> Result<Self> {
        Self::find(how, settings, false, ui)
    }

    /// The same, or a new project in the working directory.
    pub fn open_or_begin(how: How, settings: &'a Settings, ui: &mut Ui) -> Result<Self> {
        Self::find(how, settings, true, ui)
    }

    fn find(how: How, settings: &'a Settings, begin: bool, ui: &mut Ui) -> Result<Self> {
        if how.global {
            return global::open(how, settings);
        }
        settings.opportunity.ask(ui);
        let here = settings.working_directory()?;
        let project = match manifest::find(&here) {
            Err(e) if begin && matches!(e.problem, Problem::NoProject) => {
                let project = Project { root: here, files: vec![Format::PantryJson], warnings: Vec::new() };
                return Ok(Self { fresh: true, ..Self::of(project, how, settings)? });
            }
            other => other?,
        };
        let mut unread = None;
        let (project, member) =
            manifest::workspace::around(&project, &mut unread)?.unwrap_or_else(|| (project, String::new()));
        if let Some(file) = unread {
            ui.warn(&format!(
                "{} cannot be read: whether its workspace has this folder as a member is not known",
                escape(&file.to_string_lossy())
            ));
        }
        if project.root != here {
            ui.status(&format!("Project: {}", escape(&project.root.to_string_lossy())));
        }
        project.warnings.iter().for_each(|w| ui.warn(&w.to_string()));
        Ok(Self { member, ..Self::of(project, how, settings)? })
    }

    /// A project that was found in another way.
    pub fn of(project: Project, how: How, settings: &'a Settings) -> Result<Self> {
        let home = settings.home()?;
        let trust = Trust { user: settings.trusted.clone(), project: Vec::new() };
        let stands = || State::read_head(&project.root)?.linker;
        let linker = settings.linker.or_else(stands).unwrap_or(Linker::Hoisted);
        Ok(Self {
            settings,
            linker,
            project,
            how,
            platform: Platform::current(),
            home,
            fresh: false,
            member: String::new(),
            filter: Vec::new(),
            trust,
        })
    }

    /// Asking for the cores reads half a dozen files: `threads` not before there is work.
    fn options<'s>(&'s self, manifests: &'s [Input], threads: usize) -> Options<'s> {
        let How { groups, frozen, force, dry_run, save, prune, ignore_scripts, .. } = self.how;
        Options {
            root: &self.project.root,
            manifests,
            home: &self.home,
            linker: self.linker,
            groups,
            filter: &self.filter,
            only: None,
            platform: &self.platform,
            frozen,
            force,
            dry_run,
            save,
            prune,
            links: &[],
            anew: false,
            forget: false,
            lock_only: self.how.lock_only,
            import: None,
            settle: None,
            trust: &self.trust,
            source: &|_| String::new(),
            named: &[],
            ignore_scripts,
            failed: &[],
            publishers: &self.settings.publishers,
            engines: None,
            threads,
            logger: self.settings.logger,
        }
    }

    fn inputs(&self) -> Vec<Input> {
        let Project { root, files, .. } = &self.project;
        let links = link::file(&self.home, root);
        let paths = files.iter().map(|f| Path::new(f.file())).chain([links.as_path()]);
        paths.filter_map(|path| Input::look(root, path)).collect()
    }

    /// The number of packages, where nothing has changed since the last install.
    pub fn current(&self) -> Option<usize> {
        run::current(&self.options(&self.inputs(), 1))
    }

    /// Waits until the project is this process's alone; with `--dry-run`, which changes nothing, it need not be.
    pub fn lock(&self, ui: &mut Ui) -> Result<Locked> {
        let waiting = &mut || ui.status(&bar::waiting(Busy::Project));
        run::lock(&self.project.root, self.how.dry_run, waiting)
    }

    /// The manifests, pantry's own first, as they are now.
    pub fn read(&self, _: &Locked, ui: &mut Ui) -> Result<Work> {
        let owner = self.project.root.metadata().map_or(0, |m| m.uid());
        if owner != 0 && rustix::process::geteuid().is_root() {
            ui.warn(&format!(
                "this is root in a project of another user ({owner}), who may not be able to change what is made"
            ));
        }
        let root = &self.project.root;
        let unfinished = apply::is_unfinished(root) || books::has_begun(root);
        if !self.how.dry_run {
            books::finish(root)?;
        }
        let mut inputs = self.inputs();
        let manifests = match (self.fresh, self.project.files.first()) {
            (true, Some(format)) => {
                vec![manifest::read(b"{}\n", &self.project.root.join(format.file()), *format)?]
            }
            _ => self.project.read()?,
        };
        manifests.iter().flat_map(|m| &m.warnings).for_each(|w| ui.warn(&w.to_string()));
        let mut workspace = self.workspace(&manifests, &mut inputs, ui)?;
        packed::read(&self.project.root, &mut workspace)?;
        if !self.how.dry_run && books::is_pending(&self.project.root) {
            let asked = importers(&manifests, &workspace)?;
            books::recover(&self.project.root, &asked)?;
        }
        Ok(Work { inputs, manifests, workspace, unfinished })
    }

    /// What the lockfile holds, which has to be there.
    pub fn locked(&self) -> Result<Graph> {
        let path = self.project.root.join(run::LOCKFILE);
        match run::read_lock(&path)? {
            Some((graph, _)) => Ok(graph),
            None => Err(Box::new(Error::Other {
                status: Status::Failed,
                message: format!("{} is missing", escape(&path.to_string_lossy())),
                hints: vec!["`pantry install` makes it".into()],
            })),
        }
    }

    /// The members, and what the state is to watch because of them.
    fn workspace(&self, manifests: &[Manifest], inputs: &mut Vec<Input>, ui: &mut Ui) -> Result<Workspace> {
        let root = &self.project.root;
        let mut workspace = manifest::workspace::workspace(root, manifests)?;
        if !workspace.watched.is_empty() {
            // Read once more: what the state is to be compared with comes before what is read.
            inputs.extend(workspace.watched.iter().map(|path| Input::look_or_miss(root, path)));
            workspace = manifest::workspace::workspace(root, manifests)?;
        }
        for member in workspace.members.iter().chain(&workspace.linked) {
            let warnings = member.manifests.iter().flat_map(|m| &m.warnings);
            warnings.for_each(|w| ui.warn(&w.to_string()));
        }
        for pattern in &workspace.idle {
            ui.warn(&format!("the workspace pattern `{}` names no folder with a manifest", escape(pattern)));
            if pattern.split('/').any(|part| part == "_") {
                ui.hint(&format!("`{}`: any name is written `*`", escape(&pattern.replace("/_", "/*"))));
            }
        }
        Ok(workspace)
    }

    /// How registries are reached from here.
    pub fn network(&self, ui: &mut Ui) -> Result<Network> {
        Network::new(self.settings, &self.project.root, ui)
    }

    /// The manifests, for a command that changes nothing.
    pub fn look_at(&self) -> Result<Work> {
        let manifests = if self.fresh { Vec::new() } else { self.project.read()? };
        let workspace = manifest::workspace::workspace(&self.project.root, &manifests)?;
        Ok(Work { inputs: Vec::new(), manifests, workspace, unfinished: false })
    }

    /// The dependencies of each folder that are in the tree, with their versions.
    pub fn installed(&self) -> Result<Vec<(String, PackageName, String)>> {
        let names = State::read_head(&self.project.root).and_then(|_| State::read(&self.project.root));
        let names = names.map(|state| state.names).unwrap_or_default();
        let Some((graph, _)) = run::read_lock(&self.project.root.join(run::LOCKFILE))? else {
            return Ok(Vec::new());
        };
        let wanted = graph.importers.iter().flat_map(|i| i.dependencies.iter().map(|w| (&i.path, w)));
        let mut all = Vec::new();
        for (folder, alias, target) in wanted.filter_map(|(path, w)| Some((path, &w.alias, w.target?))) {
            let package = graph.package(target);
            let (name, version) = (&package.name, package.version.to_string());
            if names.split(' ').any(|n| n.rsplit_once('@') == Some((name.as_str(), &version))) {
                all.push((folder.clone(), alias.clone(), version));
            }
        }
        Ok(all)
    }

    /// Looks things up for these importers; nothing is installed.
    pub fn look(
        &self,
        importers: Vec<ImporterRequest>,
        network: Network,
        ui: &mut Ui,
        look: &mut Look<'_>,
    ) -> Result<()> {
        let registries = network.registries.clone();
        let source = |name: &PackageName| registries.source_of(name);
        let request = Request { importers, rules: network.rules.clone(), ..Request::default() };
        let bar = Arc::new(Bar::new(ui, "Looking"));
        let (outcome, notes) = if self.settings.offline.is_some() {
            let supply = self.offline(request, None, &source, &*bar)?;
            (supply.look(look), supply.notes())
        } else {
            let settings = supply::online::settings(self.settings)?;
            let supply = Online::new(settings, network, request, None, bar.clone());
            (supply.look(look), supply.notes())
        };
        ui.end_progress();
        notes.iter().for_each(|n| ui.warn(n));
        outcome
    }

    fn offline<'s>(
        &self,
        request: Request<'s>,
        prepare: Option<&'s Prepare<'s>>,
        source: &'s dyn Fn(&PackageName) -> String,
        watch: &'s dyn Watch,
    ) -> Result<Offline<'s>> {
        Ok(Offline {
            named: self.settings.mirrors.clone(),
            home: self.settings.home_mirror()?,
            trust: self.settings.trust.clone(),
            misses: self.settings.misses.clone(),
            opportunity: self.settings.opportunity.clone(),
            request,
            prepare,
            source,
            mirrors: OnceCell::new(),
            watch,
        })
    }

    /// Installs what the manifests ask for, and runs the scripts of packages that may.
    pub fn install(
        &self,
        locked: &Locked,
        work: &Work,
        network: Network,
        change: Change<'_>,
        ui: &mut Ui,
    ) -> Result<Report> {
        let mut report = self.tree(locked, work, network.clone(), change, &[], ui)?;
        let mut failed = Vec::new();
        while !report.jobs.is_empty() && !self.how.ignore_scripts {
            let jobs = std::mem::take(&mut report.jobs);
            let outcome = lifecycle::packages(self, &jobs, ui)?;
            report.ran.extend(outcome.ran);
            if outcome.failed.is_empty() {
                break;
            }
            failed.extend(outcome.failed);
            report.warnings.extend(outcome.warnings);
            // Without them.
            let again = self.tree(locked, work, network.clone(), Change::default(), &failed, ui)?;
            (report.jobs, report.packages) = (again.jobs, again.packages);
        }
        Ok(report)
    }

    fn tree(
        &self,
        locked: &Locked,
        work: &Work,
        network: Network,
        change: Change<'_>,
        failed: &[PackageId],
        ui: &mut Ui,
    ) -> Result<Report> {
        let trusted = work.manifests.iter().flat_map(|m| m.trusted.iter().cloned());
        let trust = Trust { project: trusted.collect(), ..self.trust.clone() };
        let before = network.rules.before;
        let members = work.workspace.members.iter().flat_map(|f| &f.manifests);
        let own = work.manifests.iter().chain(members).filter_map(|m| {
            let path = m.path.strip_prefix(&self.project.root).unwrap_or(&m.path);
            Some((path.to_string_lossy().into_owned(), engines::wanted(&m.engines)?.to_string()))
        });
        let engines =
            Engines { node: network.rules.node.clone(), strict: network.strict_engines, own: own.collect() };
        let merged = manifest::merge(&work.manifests)?;
        merged.warnings.iter().for_each(|w| ui.warn(&w.to_string()));
        let importers = importers(&work.manifests, &work.workspace)?;
        work.name_registries(&network);
        let commands = RefCell::default();
        let with_commands = |graph: &mut Graph| {
            let manifests = change.settle.map_or(Ok(Vec::new()), |settle| settle(graph))?;
            commands.replace(global::commands(graph, &self.home)?);
            Ok(manifests)
        };
        let named = network.registries.sources_named();
        let request = Request {
            importers: importers.clone(),
            update: change.update,
            explicit: change.explicit,
            prefer_dedupe: change.prefer_dedupe,
            legacy_peers: network.legacy_peers,
            strict_peers: network.strict_peers,
            rules: network.rules.clone(),
            ..Request::default()
        };
        let registries = network.registries.clone();
        let source = |name: &PackageName| registries.source_of(name);
        let links = link::looked_at(link::read(&self.home, &self.project.root)?)?;
        let selectors: Vec<&str> = self.filter.iter().map(String::as_str).collect();
        let only = match selectors.as_slice() {
            [] => None,
            some => Some(filter::paths(some, &self.project.root, &work.manifests, &work.workspace)?),
        };
        let options = Options {
            links: &links,
            only: only.as_deref(),
            anew: change.anew,
            forget: change.forget,
            import: change.import,
            settle: if self.how.global { Some(&with_commands) } else { change.settle },
            trust: &trust,
            source: &source,
            named: &named,
            failed,
            engines: Some(&engines),
            ..self.options(&work.inputs, self.settings.threads())
        };
        if !self.how.dry_run {
            prune::remember(&self.home, &self.project.root)?;
        }
        let bar = Arc::new(Bar::new(ui, "Installing"));
        let (outcome, notes) = if self.settings.offline.is_some() {
            let supply = self.offline(request, change.prepare, &source, &*bar)?;
            let outcome = run::install(&options, locked, &importers, &supply, &*bar);
            (outcome, supply.notes())
        } else {
            let settings = supply::online::Settings {
                ahead: !self.how.lock_only,
                ..supply::online::settings(self.settings)?
            };
            let supply = Online::new(settings, network, request, change.prepare, bar.clone());
            let outcome = run::install(&options, locked, &importers, &supply, &*bar);
            (outcome, supply.notes())
        };
        ui.end_progress();
        notes.iter().for_each(|n| ui.warn(n));
        let mut report = outcome.map_err(|e| with_age(e, before))?;
        let global = work.manifests.iter().flat_map(|m| &m.dependencies).filter(|d| d.dependency.global);
        for dependency in global.map(|d| &d.dependency) {
            let alias = dependency.alias.as_str();
            if !self.how.global && report.direct.iter().any(|d| d.name == alias && d.to.is_some()) {
                let words = dependency.npm_words().unwrap_or_default();
                report.warnings.push(format!(
                    "{alias} was installed in this project alone, which changes nothing outside of itself: \
                     `pantry add -g {}` installs it for you",
                    escape(&format!("{alias}@{words}"))
                ));
            }
        }
        if self.how.global && !self.how.dry_run {
            global::link(&self.home, &commands.borrow())?;
        }
        Ok(report)
    }
}

/// Says why versions that there are do not count.
fn with_age(error: Box<Error>, before: Option<u64>) -> Box<Error> {
    match (before, &*error) {
        (Some(before), Error::Missing(missing))
            if matches!(missing.whereabouts, Whereabouts::NoVersionFits { .. }) =>
        {
            let date = mirror::time::date(before);
            let hint = format!(
                "what was published after {} does not count (minimum-release-age or before in .npmrc)",
                &date[..10]
            );
            Box::new(Error::Other { status: error.status(), message: error.to_string(), hints: vec![hint] })
        }
        _ => error,
    }
}

/// What is worked on: the manifests, and what their files were like before they were read.
#[derive(Debug, Clone)]
pub struct Work {
    pub inputs: Vec<Input>,
    pub manifests: Vec<Manifest>,
    pub workspace: Workspace,
    /// A run before did not come to the end of its work.
    pub unfinished: bool,
}

impl Work {
    /// The manifests of the project (`""`) or of a member.
    pub fn of(&self, folder: &str) -> &[Manifest] {
        match self.workspace.members.iter().find(|m| m.path == folder) {
            Some(member) => &member.manifests,
            None if folder.is_empty() => &self.manifests,
            None => &[],
        }
    }

    /// With other manifests in a folder.
    #[must_use]
    pub fn with(mut self, folder: &str, manifests: Vec<Manifest>) -> Self {
        match self.workspace.members.iter_mut().find(|m| m.path == folder) {
            Some(member) => member.manifests = manifests,
            None if folder.is_empty() => self.manifests = manifests,
            None => {}
        }
        self
    }

    /// What the manifests say of registries.
    pub fn name_registries(&self, network: &Network) {
        let members = self.workspace.members.iter().chain(&self.workspace.linked);
        let all = self.manifests.iter().chain(members.flat_map(|m| &m.manifests));
        let named = all.flat_map(|m| &m.dependencies).filter_map(|d| match &d.dependency.source {
            Source::Npm { name, registry: Some(registry), .. } => Some((name.clone(), registry.clone())),
            _ => None,
        });
        network.registries.name(named.collect());
    }

    /// Whether it is a member's name: no registry is asked for it.
    pub fn is_member(&self, name: &PackageName) -> bool {
        self.workspace.members.iter().any(|m| m.name.as_ref() == Some(name))
    }

    /// Looks for the folders and archives that edited manifests name.
    pub fn relink(&mut self, root: &Path) -> Result<()> {
        let new = manifest::workspace::relink(root, &self.manifests, &mut self.workspace)?;
        self.inputs.extend(new.iter().map(|path| Input::look_or_miss(root, path)));
        packed::read(root, &mut self.workspace)
    }

    /// The folders whose manifests a command is about: the members that selectors name, else the one it stands in.
    pub fn targets(&self, session: &Session<'_>, invocation: &Invocation) -> Result<Vec<String>> {
        match invocation.texts("filter")?.as_slice() {
            [] if !session.member.is_empty() && self.of(&session.member).is_empty() => {
                // What a pattern names only through a link.
                let message = format!("{} is not among the workspace's members", escape(&session.member));
                Err(Error::Other { status: Status::Failed, message, hints: Vec::new() }.into())
            }
            [] => Ok(vec![session.member.clone()]),
            selectors => filter::paths(selectors, &session.project.root, &self.manifests, &self.workspace),
        }
    }

    /// What has become of the manifests of some folders.
    pub fn rewritten(&self, after: &Self, folders: &[String], fresh: bool) -> Vec<Rewritten> {
        let pairs =
            folders.iter().flat_map(|f| self.of(f).iter().zip(after.of(f)).map(move |pair| (f, pair)));
        let changed = pairs.map(|(folder, (before, after))| Rewritten {
            path: Path::new(folder).join(before.format.file()),
            old: (!fresh).then(|| before.text.clone()),
            new: after.text.clone(),
        });
        changed.collect()
    }
}

/// Gives the importers of a graph the words and groups of manifests that ask for the same packages.
pub fn reword(graph: &mut Graph, importers: &[ImporterRequest]) {
    for importer in importers {
        let Some(own) = graph.importers.iter_mut().find(|i| i.path == importer.path) else { continue };
        for wanted in &mut own.dependencies {
            let words =
                importer.dependencies.iter().find(|d| d.alias == wanted.alias && d.group == wanted.group);
            if let Some(words) = words {
                wanted.range.clone_from(&words.range);
            }
        }
    }
}

fn unsupported(request: &manifest::Request<'_>) -> Box<Error> {
    let declared = request.declared;
    let message = match declared.dependency.npm() {
        Err(unsupported) => unsupported.to_string(),
        Ok(_) => format!("{} cannot be installed", declared.dependency.alias),
    };
    Box::new(Error::Text {
        status: Status::Failed,
        excerpt: Some(Box::new(request.manifest.excerpt(declared.offset))),
        message,
        hints: vec!["this version installs packages of the npm registry only".into()],
    })
}
