//! `pantry install`

use super::bar::{self, Bar};
use super::mirror::count;
use crate::cli::Invocation;
use crate::error::{Error, Result, Status};
use crate::install::difference::Difference;
use crate::install::fill::Busy;
use crate::install::platform::Platform;
use crate::install::run::{self, Direct, LockChange, Options, Report};
use crate::install::select::Groups;
use crate::install::state::Input;
use crate::install::store::Store;
use crate::lockfile::{Asked, AskedFor};
use crate::manifest::{self, Project};
use crate::network::Network;
use crate::resolve::{ImporterRequest, Requested};
use crate::settings::Settings;
use crate::supply;
use crate::supply::offline::Offline;
use crate::supply::online::Online;
use crate::ui::Ui;
use mirror::name::{PackageName, escape};
use std::cell::OnceCell;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

pub fn run(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    if !invocation.arguments.is_empty() {
        return Err(Error::Other {
            status: Status::Failed,
            message: "`pantry install PACKAGE` (adding to the manifest) is not in this version".into(),
            hints: vec!["write it into the dependencies of package.json and run `pantry install`".into()],
        });
    }
    let begun = Instant::now();
    let here = settings.working_directory()?;
    let project = manifest::find(&here)?;
    if project.root != here {
        ui.status(&format!("Project: {}", escape(&project.root.to_string_lossy())));
    }
    project.warnings.iter().for_each(|w| ui.warn(&w.to_string()));
    let home = settings.home()?;
    let platform = Platform::current();
    let look = || -> Vec<Input> {
        project.files.iter().filter_map(|f| Input::look(&project.root, Path::new(f.file()))).collect()
    };
    let manifests = look();
    let mut options = Options {
        root: &project.root,
        manifests: &manifests,
        home: &home,
        linker: settings.linker,
        groups: Groups { dev: !invocation.has("production"), optional: true },
        platform: &platform,
        frozen: invocation.has("frozen-lockfile"),
        force: invocation.has("force"),
        dry_run: invocation.has("dry-run"),
        save: !invocation.has("no-save"),
        threads: 1,
        logger: settings.logger,
    };
    if let (false, Some(packages)) = (options.dry_run, run::current(&options)) {
        // The run before may have been killed after its last change.
        Store::clean(&home.join("store"));
        return show_current(packages, ui);
    }
    // Asking for the cores reads half a dozen files: not before there is work.
    options.threads = settings.threads();
    let waiting = &mut || ui.status(&bar::waiting(Busy::Project));
    let locked = run::lock(&project.root, options.dry_run, waiting)?;
    let manifests = look();
    options.manifests = &manifests;
    let report = install(&project, &options, &locked, settings, ui)?;
    show(&report, &options, begun, ui)?;
    Ok(Status::Done)
}

/// The manifests, read and merged, then the operation.
fn install(
    project: &Project,
    options: &Options<'_>,
    locked: &run::Locked,
    settings: &Settings,
    ui: &mut Ui,
) -> Result<Report> {
    let owner = project.root.metadata().map_or(0, |m| m.uid());
    if owner != 0 && rustix::process::geteuid().is_root() {
        ui.warn(&format!(
            "this is root in a project of another user ({owner}), who may not be able to change what is made"
        ));
    }
    let manifests = project.read()?;
    manifests.iter().flat_map(|m| &m.warnings).for_each(|w| ui.warn(&w.to_string()));
    if let Some(root) = manifests.iter().find(|m| !m.workspaces.is_empty()) {
        let what = format!("a workspace ({} names members)", escape(&root.path.to_string_lossy()));
        return Err(Error::NotBuilt { what });
    }
    let merged = manifest::merge(&manifests)?;
    merged.warnings.iter().for_each(|w| ui.warn(&w.to_string()));
    let importer = importer(&merged)?;
    let asked = [Asked {
        path: "",
        dependencies: importer
            .dependencies
            .iter()
            .map(|d| AskedFor { alias: &d.alias, range: &d.range, group: d.group })
            .collect(),
    }];
    let network = Network::new(settings, &project.root, ui)?;
    let registries = network.registries.clone();
    let source = |name: &PackageName| registries.source_of(name);
    let bar = Arc::new(Bar::new(ui, "Installing"));
    if settings.offline.is_some() {
        let supply = Offline {
            named: settings.mirrors.clone(),
            home: settings.home_mirror()?,
            importers: vec![importer.clone()],
            source: &source,
            mirrors: OnceCell::new(),
            watch: &*bar,
        };
        let outcome = run::install(options, locked, &asked, &supply, &*bar);
        ui.end_progress();
        supply.notes().iter().for_each(|n| ui.warn(n));
        outcome
    } else {
        let supply =
            Online::new(supply::online::settings(settings)?, network, vec![importer.clone()], bar.clone());
        let outcome = run::install(options, locked, &asked, &supply, &*bar);
        ui.end_progress();
        supply.notes().iter().for_each(|n| ui.warn(n));
        outcome
    }
}

/// What the merged manifests ask the resolver for; the first thing that cannot be installed is an error.
pub fn importer(merged: &manifest::Merged<'_>) -> Result<ImporterRequest> {
    let mut importer = ImporterRequest::default();
    for request in &merged.requests {
        let declared = request.declared;
        let Some(range) = declared.dependency.npm_words() else { return Err(unsupported(request)) };
        importer.dependencies.push(Requested {
            alias: declared.dependency.alias.clone(),
            range,
            group: declared.group,
            optional_peer: declared.optional_peer,
        });
    }
    Ok(importer)
}

fn unsupported(request: &manifest::Request<'_>) -> Error {
    let declared = request.declared;
    let message = match declared.dependency.npm() {
        Err(unsupported) => unsupported.to_string(),
        Ok(_) => format!("{} cannot be installed", declared.dependency.alias),
    };
    Error::Text {
        status: Status::Failed,
        excerpt: Some(Box::new(request.manifest.excerpt(declared.offset))),
        message,
        hints: vec!["this version installs packages of the npm registry only".into()],
    }
}

fn show_current(packages: usize, ui: &mut Ui) -> Result<Status> {
    if ui.is_json() {
        ui.json(|o| {
            o.truth("upToDate", true);
            o.number("packages", packages as u64);
        })?;
    } else {
        ui.success(&format!("Up to date: {}", count(packages as u64, "package", "packages")));
    }
    Ok(Status::Done)
}

fn show(report: &Report, options: &Options<'_>, begun: Instant, ui: &mut Ui) -> Result<()> {
    let milliseconds = begun.elapsed().as_millis() as u64;
    report.warnings.iter().for_each(|w| ui.warn(w));
    if ui.is_json() {
        return ui.json(|o| {
            let changes = report.changes.put + report.changes.dropped;
            o.truth("upToDate", changes == 0 && !report.pending);
            o.truth("dryRun", options.dry_run);
            o.number("packages", report.packages as u64);
            o.text("linker", options.linker.name());
            o.text("lockfile", lock_word(report.lock));
            o.number("fromMirrors", report.from_mirrors as u64);
            o.number("downloaded", report.downloaded as u64);
            o.number("skippedForPlatform", report.skipped as u64);
            o.object("tree", |t| {
                t.number("put", report.changes.put as u64);
                t.number("removed", report.changes.dropped as u64);
                t.number("kept", report.changes.kept as u64);
            });
            let Difference { added, changed, removed } = &report.difference;
            o.texts("added", added);
            o.array("changed", |list| {
                for c in changed {
                    list.object(|o| {
                        o.text("name", &c.name);
                        o.text("from", &c.from);
                        o.text("to", &c.to);
                    });
                }
            });
            o.texts("removed", removed);
            o.texts("scriptsNotRun", &report.scripts);
            o.texts("warnings", &report.warnings);
            o.number("milliseconds", milliseconds);
        });
    }
    if options.dry_run {
        return show_plan(report, options, ui);
    }
    let changes = report.changes.put + report.changes.dropped;
    if changes > 0 {
        show_direct(report, ui);
    }
    let took = seconds(milliseconds);
    if changes == 0 {
        let packages = count(report.packages as u64, "package", "packages");
        ui.success(&format!("Up to date: {packages} ({took})"));
    } else {
        let way = if report.way.is_empty() { String::new() } else { format!(", by {}", report.way) };
        ui.success(&format!("{} in {took} ({}{way})", done(report), options.linker.name()));
    }
    match report.lock {
        LockChange::NotSaved => ui.note("pantry.lock was not written (--no-save)"),
        LockChange::Created => ui.detail("pantry.lock was made"),
        LockChange::Updated => ui.detail("pantry.lock was updated"),
        LockChange::Unchanged => {}
    }
    ui.detail(&format!(
        "{} from mirrors, {} downloaded, {} optional for other platforms",
        report.from_mirrors, report.downloaded, report.skipped
    ));
    // Told when they come, not at every change of something else.
    let Difference { added, changed, .. } = &report.difference;
    let is_new =
        |s: &&String| added.contains(s) || changed.iter().any(|c| **s == format!("{}@{}", c.name, c.to));
    let scripts: Vec<_> = report.scripts.iter().filter(is_new).map(|s| escape(s)).collect();
    if !scripts.is_empty() {
        let names = scripts.join(", ");
        let wanted = count(scripts.len() as u64, "package", "packages");
        ui.note(&format!("{wanted} wanted to run a script at install; none was run: {names}"));
    }
    Ok(())
}

/// What has become of the tree, by package.
fn done(report: &Report) -> String {
    let Difference { added, changed, removed } = &report.difference;
    if report.difference.is_empty() {
        // The same packages: linked in another way, or what somebody had changed in the tree.
        let verb = if report.changes.kept == 0 { "Rebuilt" } else { "Repaired" };
        return format!("{verb} the tree of {}", count(report.packages as u64, "package", "packages"));
    }
    done_words([added.len(), changed.len(), removed.len()], report.packages)
}

/// `Installed 1 package, changed 2, removed 3 (92 in all)`, of what came, changed and went; one of them did.
pub fn done_words(numbers: [usize; 3], all: usize) -> String {
    let mut words = String::new();
    for (verb, n) in ["Installed", "Changed", "Removed"].into_iter().zip(numbers).filter(|(_, n)| *n > 0) {
        words.push_str(&match words.is_empty() {
            true => format!("{verb} {}", count(n as u64, "package", "packages")),
            false => format!(", {} {n}", verb.to_ascii_lowercase()),
        });
    }
    if numbers[0] != all {
        words.push_str(&format!(" ({all} in all)"));
    }
    words
}

/// The same of a plan; `None` when nothing would be done.
pub fn plan_words(numbers: [usize; 3], all: usize) -> Option<String> {
    let parts = ["install", "change", "remove"].into_iter().zip(numbers).filter(|(_, n)| *n > 0);
    let parts: Vec<String> = parts.map(|(verb, n)| format!("{verb} {n}")).collect();
    let all = count(all as u64, "package", "packages");
    (!parts.is_empty())
        .then(|| format!("Dry run: would {} ({all} in all); nothing was changed", parts.join(", ")))
}

/// The project's own dependencies that came, changed or went; all that did with `--verbose`.
fn show_direct(report: &Report, ui: &mut Ui) {
    for Direct { name, from, to } in &report.direct {
        match (from, to) {
            (Some(from), None) => ui.removed(&format!("{name}@{from}")),
            (Some(from), Some(to)) => ui.added(&format!("{name}@{to} (was {from})")),
            (_, to) => ui.added(&format!("{name}@{}", to.as_deref().unwrap_or_default())),
        }
    }
}

/// What `--dry-run` prints: a line per package on standard output.
fn show_plan(report: &Report, options: &Options<'_>, ui: &mut Ui) -> Result<()> {
    let Difference { added, changed, removed } = &report.difference;
    let mut lines: Vec<(&str, String)> = removed.iter().map(|p| (p.as_str(), format!("- {p}"))).collect();
    lines.extend(added.iter().map(|p| (p.as_str(), format!("+ {p}"))));
    lines
        .extend(changed.iter().map(|c| (c.name.as_str(), format!("+ {}@{} (was {})", c.name, c.to, c.from))));
    mirror::order::sort(&mut lines);
    lines.iter().try_for_each(|(_, line)| ui.line(&escape(line)))?;
    let words = plan_words([added.len(), changed.len(), removed.len()], report.packages);
    ui.note(&words.unwrap_or_else(|| match report.pending {
        true => format!(
            "Dry run: the packages stay as they are, their tree would be made or checked anew ({}); nothing was changed",
            options.linker.name()
        ),
        false => "Dry run: nothing to do".to_string(),
    }));
    Ok(())
}

fn lock_word(lock: LockChange) -> &'static str {
    match lock {
        LockChange::Unchanged => "unchanged",
        LockChange::Created => "created",
        LockChange::Updated => "updated",
        LockChange::NotSaved => "not saved",
    }
}

fn seconds(milliseconds: u64) -> String {
    if milliseconds < 1000 {
        format!("{milliseconds} ms")
    } else {
        format!("{:.1} s", milliseconds as f64 / 1000.0)
    }
}
