//! Scripts that run because something is installed: packages' own, where a rule allows them
//! ([`crate::install::scripts`]), and the project's, where its user does ([`super::trust`]).
//!
//! What a package's script says is kept, and shown when it fails (with `--verbose`: as it comes). The project's
//! scripts speak for themselves, as with `pantry run`, but on standard error: an install's output is its own.

use super::{Session, Work, trust};
use crate::error::{Error, Result, Status};
use crate::install::scripts::{self, Job};
use crate::install::state;
use crate::resolve::graph::PackageId;
use crate::script::{Owner, Surroundings, process};
use crate::ui::{Ui, Verbosity};
use mirror::name::escape;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::Stdio;

/// The project's own, as npm runs them around an install that names no packages.
pub const BEFORE: [&str; 1] = ["preinstall"];
pub const AFTER: [&str; 6] = ["install", "postinstall", "prepublish", "preprepare", "prepare", "postprepare"];

/// Bytes and lines of a failed script's output that are shown, the last ones.
const SHOWN: u64 = 8 << 10;
const LINES: usize = 40;

#[derive(Default)]
pub struct Outcome {
    /// `name@version`.
    pub ran: Vec<String>,
    /// Optional packages that the project has to do without.
    pub failed: Vec<PackageId>,
    pub warnings: Vec<String>,
}

/// Runs what the packages of a finished tree have to run, one after the other.
///
/// # Errors
/// A script failed whose package the project needs. Those that ran before have not to run again.
pub fn packages(session: &Session<'_>, jobs: &[Job], ui: &mut Ui) -> Result<Outcome> {
    let root = &session.project.root;
    let surroundings = Surroundings::new(session.settings, "install", &session.settings.working_directory()?);
    let mut outcome = Outcome::default();
    let mut waiting: Vec<&str> = Vec::new();
    let mut hard = None;
    for job in jobs {
        if hard.is_some() || outcome.failed.contains(&job.package) {
            waiting.push(&job.unit);
            continue;
        }
        match package(root, job, &surroundings, ui) {
            Ok(true) => outcome.ran.push(format!("{}@{}", job.name, job.version)),
            Ok(false) => {}
            Err(e) => {
                waiting.push(&job.unit);
                if !job.optional || process::ending().is_some() {
                    hard = Some(e);
                    continue;
                }
                outcome.failed.push(job.package);
                outcome.warnings.push(format!("{}@{} is optional and left out: {e}", job.name, job.version));
            }
        }
    }
    let done: Vec<&str> = jobs.iter().map(|j| j.unit.as_str()).filter(|u| !waiting.contains(u)).collect();
    for unit in &done {
        if let Some((member, unit)) = unit.strip_prefix("../").and_then(|u| u.split_once("/node_modules/")) {
            state::ran(&root.join(member), &[unit])?;
        }
    }
    state::ran(root, &done)?;
    mirror::order::sort(&mut outcome.ran);
    outcome.ran.dedup();
    match hard {
        Some(e) => Err(e),
        None => Ok(outcome),
    }
}

/// Runs one package's scripts; whether it has some.
fn package(root: &Path, job: &Job, surroundings: &Surroundings, ui: &mut Ui) -> Result<bool> {
    let dir = match job.place.strip_prefix("../") {
        Some(in_member) => root.join(in_member),
        None => root.join("node_modules").join(&job.place),
    };
    let own = scripts::read(&dir)?;
    let manifest = dir.join("package.json");
    let owner = Owner { dir: &dir, manifest: &manifest, name: Some(&job.name), version: Some(&job.version) };
    if own.is_gyp && surroundings.find("node-gyp", &dir).is_none() {
        return Err(Box::new(Error::Other {
            status: Status::Failed,
            message: format!(
                "{}@{} has to be built by node-gyp, which is not on PATH",
                job.name, job.version
            ),
            hints: vec!["`npm install --global node-gyp` installs it".into(), without(&job.name)],
        }));
    }
    for (event, text) in &own.scripts {
        ui.status(&format!("Running {event} of {}@{}", job.name, job.version));
        ui.detail(&format!("$ {}", escape(text)));
        let books = root.join("node_modules/.pantry");
        let (status, said) = run(surroundings, &owner, event, text, Some(&books), ui)?;
        if status != 0 {
            let mut message =
                format!("the script `{event}` of {}@{} {}", job.name, job.version, process::how(status));
            said.lines().for_each(|line| message.extend(["\n  ", &escape(line)]));
            let status = process::ending().map_or(Status::Failed, Status::Child);
            return Err(Box::new(Error::Other { status, message, hints: vec![without(&job.name)] }));
        }
    }
    Ok(!own.scripts.is_empty())
}

fn without(name: &str) -> String {
    format!("`pantry untrust {name}` leaves its scripts out")
}

/// The project's own scripts of these events, if its user has allowed them.
///
/// # Errors
/// One of them failed.
pub fn own(session: &Session<'_>, work: &Work, events: &[&str], ui: &mut Ui) -> Result<()> {
    let all = trust::scripts(&work.manifests);
    if session.how.ignore_scripts || session.how.dry_run || all.is_empty() {
        return Ok(());
    }
    if !trust::is_allowed(session, &work.manifests)? {
        // Said once.
        if events != BEFORE {
            let names: Vec<&str> = all.iter().map(|(event, _)| *event).collect();
            ui.note(&format!(
                "the project's own scripts were not run ({}); `pantry trust .` lets them",
                names.join(", ")
            ));
        }
        return Ok(());
    }
    let root = &session.project.root;
    let surroundings = Surroundings::new(session.settings, "install", &session.settings.working_directory()?);
    let name = work.manifests.iter().find_map(|m| m.name.as_ref());
    let version = work.manifests.iter().find_map(|m| m.version.as_ref()).map(ToString::to_string);
    let manifest = work.manifests.last().map_or(root, |m| &m.path);
    let owner = Owner { dir: root, manifest, name: name.map(|n| n.as_str()), version: version.as_deref() };
    for (event, text) in all.into_iter().filter(|(event, _)| events.contains(event)) {
        ui.status(&format!("$ {}", escape(text)));
        let (status, _) = run(&surroundings, &owner, event, text, None, ui)?;
        if status != 0 {
            return Err(Box::new(Error::Other {
                status: process::ending().map_or(Status::Failed, Status::Child),
                message: format!("the project's script `{event}` {}", process::how(status)),
                hints: Vec::new(),
            }));
        }
    }
    Ok(())
}

/// One script; its status, and what it said, where that is kept (in `keep`, a folder; never by name).
fn run(
    surroundings: &Surroundings,
    owner: &Owner<'_>,
    event: &str,
    text: &str,
    keep: Option<&Path>,
    ui: &mut Ui,
) -> Result<(u8, String)> {
    let mut command = surroundings.script(owner, event, OsStr::new(text));
    let start = Error::io("start", Path::new("/bin/sh"));
    let mut kept = match keep.filter(|_| ui.verbosity() < Verbosity::Verbose) {
        None => None,
        Some(folder) => {
            let path = folder.join("output");
            let _ = std::fs::remove_file(&path);
            let file = mirror::file::create_new(&path)?;
            let _ = std::fs::remove_file(&path);
            Some(file)
        }
    };
    let streams = (|| {
        command.stdin(Stdio::null());
        match &kept {
            Some(file) => command.stdout(file.try_clone()?).stderr(file.try_clone()?),
            None => command.stdout(io::stderr().as_fd().try_clone_to_owned()?),
        };
        process::wait(process::spawn(&mut command)?)
    })();
    let status = streams.map_err(start)?;
    Ok((status, kept.as_mut().map_or_else(String::new, |file| tail(file).unwrap_or_default())))
}

/// The end of what a script has said.
fn tail(file: &mut File) -> io::Result<String> {
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(SHOWN)))?;
    let mut bytes = Vec::new();
    file.take(SHOWN).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim_end();
    let from = text.rmatch_indices('\n').nth(LINES - 1).map_or(0, |(at, _)| at + 1);
    Ok(text[from..].to_string())
}
