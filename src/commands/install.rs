//! `pantry install`

use super::mirror::count;
use crate::cli::Invocation;
use crate::error::{Error, Result, Status};
use crate::install::difference::Difference;
use crate::install::run::{Direct, LockChange, Report};
use crate::install::store::Store;
use crate::lockfile::foreign;
use crate::project::global;
use crate::project::{Change, How, Session, lifecycle, trust};
use crate::settings::Settings;
use crate::ui::Ui;
use mirror::name::escape;
use std::time::Instant;

/// `pantry import`: the lock alone, from another package manager's.
pub fn import(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let begun = Instant::now();
    let how = How { lock_only: true, ..How::of(invocation) };
    let session = Session::open(how, settings, ui)?;
    let locked = session.lock(ui)?;
    let work = session.read(&locked, ui)?;
    let root = &session.project.root;
    let path = match invocation.argument_texts()?.first() {
        Some(file) => settings.working_directory()?.join(file),
        None => foreign::path(root).ok_or_else(|| Error::Other {
            status: Status::Failed,
            message: format!(
                "there is no lockfile of another package manager in {}",
                escape(&root.to_string_lossy())
            ),
            hints: vec!["`pantry install` chooses versions and writes pantry.lock".into()],
        })?,
    };
    let change = Change { import: Some(&path), ..Change::default() };
    let report = session.install(&locked, &work, session.network(ui)?, change, ui)?;
    show(&report, &session, begun, ui)?;
    Ok(Status::Done)
}

pub fn run(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    if !invocation.arguments.is_empty() {
        return super::add::run(invocation, settings, ui);
    }
    with(How::of(invocation), invocation, settings, ui)
}

/// `pantry ci`: what is locked, from nothing.
pub fn ci(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    with(How { frozen: true, force: true, ..How::of(invocation) }, invocation, settings, ui)
}

fn with(how: How, invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let begun = Instant::now();
    let mut session = Session::open(how, settings, ui)?;
    session.filter = invocation.texts("filter")?.into_iter().map(String::from).collect();
    // The project's own scripts run each time.
    let is_known = !session.how.ignore_scripts && trust::is_known(&session)?;
    if let (false, false, Some(packages)) = (session.how.dry_run, is_known, session.current()) {
        // The run before may have been killed after its last change.
        Store::clean(&settings.store()?);
        return show_current(packages, ui);
    }
    let locked = session.lock(ui)?;
    let work = session.read(&locked, ui)?;
    lifecycle::own(&session, &work, &lifecycle::BEFORE, ui)?;
    let report = session.install(&locked, &work, session.network(ui)?, Change::default(), ui)?;
    lifecycle::own(&session, &work, &lifecycle::AFTER, ui)?;
    show(&report, &session, begun, ui)?;
    Ok(Status::Done)
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

pub fn show(report: &Report, session: &Session<'_>, begun: Instant, ui: &mut Ui) -> Result<()> {
    let milliseconds = begun.elapsed().as_millis() as u64;
    report.warnings.iter().for_each(|w| ui.warn(w));
    if ui.is_json() {
        return ui.json(|o| {
            let changes = report.changes.put + report.changes.dropped;
            let made = session.how.lock_only && report.lock != LockChange::Unchanged;
            o.truth("upToDate", changes == 0 && !report.pending && !made);
            o.truth("dryRun", session.how.dry_run);
            o.number("packages", report.packages as u64);
            o.text("linker", session.linker.name());
            o.text("lockfile", lock_word(report.lock));
            if let Some(file) = report.imported {
                o.text("importedFrom", file);
            }
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
            if session.how.prune {
                o.texts("foreign", &report.foreign);
            }
            o.texts("manifests", report.manifests.iter().map(|m| m.path.to_string_lossy()));
            o.texts("scriptsRun", &report.ran);
            o.texts("scriptsNotRun", &report.scripts);
            o.texts("warnings", &report.warnings);
            o.number("milliseconds", milliseconds);
        });
    }
    if session.how.dry_run {
        return show_plan(report, session, ui);
    }
    report.foreign.iter().for_each(|path| ui.removed(&escape(path)));
    if session.how.lock_only {
        return show_lock(report, seconds(milliseconds), ui);
    }
    let changes = report.changes.put + report.changes.dropped;
    if changes > 0 {
        show_direct(report, ui);
    }
    let took = seconds(milliseconds);
    if changes == 0 {
        let packages = count(report.packages as u64, "package", "packages");
        match report.manifests.first().filter(|_| session.how.save) {
            Some(one) => ui.success(&format!("Wrote {}; {packages} up to date ({took})", one.path.display())),
            None => ui.success(&format!("Up to date: {packages} ({took})")),
        }
    } else {
        let way = if report.way.is_empty() { String::new() } else { format!(", by {}", report.way) };
        ui.success(&format!("{} in {took} ({}{way})", done(report), session.linker.name()));
    }
    if let Some(file) = report.imported {
        ui.note(&format!("the versions were taken from {file}"));
    }
    match report.lock {
        LockChange::NotSaved => {
            let manifests = report.manifests.iter().map(|m| format!("{} and ", m.path.display()));
            let files = manifests.collect::<String>();
            let verb = if files.is_empty() { "was" } else { "were" };
            ui.note(&format!("{files}pantry.lock {verb} not written (--no-save)"));
        }
        LockChange::Created => ui.detail("pantry.lock was made"),
        LockChange::Updated => ui.detail("pantry.lock was updated"),
        LockChange::Unchanged => {}
    }
    ui.detail(&format!(
        "{} from mirrors, {} downloaded, {} optional for other platforms",
        report.from_mirrors, report.downloaded, report.skipped
    ));
    if session.how.global && !report.difference.added.is_empty() {
        global::advise(session.settings, &session.home, ui);
    }
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

/// What became of the lockfile, where nothing else was to be made.
fn show_lock(report: &Report, took: String, ui: &mut Ui) -> Result<()> {
    let packages = count(report.packages as u64, "package", "packages");
    let from = report.imported.map(|file| format!(" from {file}")).unwrap_or_default();
    match report.lock {
        LockChange::Unchanged => ui.success(&format!("pantry.lock is up to date: {packages}{from} ({took})")),
        LockChange::NotSaved => ui.note("pantry.lock was not written (--no-save)"),
        _ => ui.success(&format!("Wrote pantry.lock: {packages}{from} ({took})")),
    }
    Ok(())
}

/// What has become of the tree, by package.
fn done(report: &Report) -> String {
    let Difference { added, changed, removed } = &report.difference;
    if report.difference.is_empty() && report.foreign.is_empty() {
        // The same packages: linked in another way, or what somebody had changed in the tree.
        let verb = if report.changes.kept == 0 { "Rebuilt" } else { "Repaired" };
        return format!("{verb} the tree of {}", count(report.packages as u64, "package", "packages"));
    }
    done_words([added.len(), changed.len(), removed.len() + report.foreign.len()], report.packages)
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
fn show_plan(report: &Report, session: &Session<'_>, ui: &mut Ui) -> Result<()> {
    let Difference { added, changed, removed } = &report.difference;
    let gone = removed.iter().chain(&report.foreign);
    let mut lines: Vec<(&str, String)> = gone.map(|p| (p.as_str(), format!("- {p}"))).collect();
    lines.extend(added.iter().map(|p| (p.as_str(), format!("+ {p}"))));
    lines
        .extend(changed.iter().map(|c| (c.name.as_str(), format!("+ {}@{} (was {})", c.name, c.to, c.from))));
    mirror::order::sort(&mut lines);
    lines.iter().try_for_each(|(_, line)| ui.line(&escape(line)))?;
    let numbers = [added.len(), changed.len(), removed.len() + report.foreign.len()];
    let words = plan_words(numbers, report.packages);
    ui.note(&words.unwrap_or_else(|| match report.pending {
        true => format!(
            "Dry run: the packages stay as they are, their tree would be made or checked anew ({}); nothing was changed",
            session.linker.name()
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
        let tenths = (milliseconds + 50) / 100;
        format!("{}.{} s", tenths / 10, tenths % 10)
    }
}
