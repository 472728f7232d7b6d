//! `pantry px`: a package's program, run for once.
//!
//! From the project's `node_modules/.bin` upwards; else from a tree of its own, `$PANTRY_HOME/px/<hash of what was
//! asked for>`, an ordinary project that is made of mirrors where they have everything, and of the registry where they
//! have not. No script runs at its install but what the user's own configuration trusts.

use super::run::{installed, not_started};
use crate::cli::Invocation;
use crate::error::{Error, Result, Status};
use crate::install::run::LOCKFILE;
use crate::manifest::{Format, Project};
use crate::project::add::{Named, named};
use crate::project::{Change, How, Session};
use crate::script::{Owner, Surroundings, process};
use crate::settings::{Environment, Offline, Settings};
use crate::ui::Ui;
use crate::ui::json::object;
use mirror::digest::{Hash, base32};
use mirror::name::escape;
use std::path::{Path, PathBuf};

pub fn run(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let here = settings.working_directory()?;
    let word = invocation.argument(0)?.unwrap_or_default();
    let packages = invocation.texts("package")?;
    if packages.is_empty()
        && let Some(program) = installed(word, &here)
    {
        return start(&program, &here, invocation, settings);
    }
    let asked = named(if packages.is_empty() { std::slice::from_ref(&word) } else { &packages })?;
    let root = tree(&asked, settings)?;
    let program = match ready(&root, &asked, invocation, settings, ui) {
        // What mirrors do not have, a registry may.
        Err(e) if e.status() == Status::Unreachable && settings.offline.is_none() => {
            agreed(&asked, invocation, ui)?;
            make(&root, settings, ui)?;
            program(&root, word, packages.is_empty(), settings)?
        }
        made => {
            made?;
            program(&root, word, packages.is_empty(), settings)?
        }
    };
    start(&program, &here, invocation, settings)
}

/// The folder for what was asked for, with its manifest.
fn tree(asked: &[Named], settings: &Settings) -> Result<PathBuf> {
    let mut words: Vec<String> = asked.iter().map(|n| format!("{}@{}", n.alias, n.spec)).collect();
    mirror::order::sort(&mut words);
    let hash = base32(&Hash::of(words.join("\n").as_bytes()).0[..20]);
    let root = settings.home()?.join("px").join(hash);
    mirror::file::make_dirs(&root)?;
    let text = object(|o| {
        o.truth("private", true);
        o.object("dependencies", |o| asked.iter().for_each(|n| o.text(n.alias.as_str(), &n.spec)));
    });
    let path = root.join(Format::PackageJson.file());
    if std::fs::read(&path).ok().as_deref() != Some(text.as_bytes()) {
        mirror::file::replace_scratch(&path, text.as_bytes())?;
    }
    Ok(root)
}

/// Makes the tree of what is here. `NAME@latest` wants to know what is latest now.
fn ready(
    root: &Path,
    asked: &[Named],
    invocation: &Invocation,
    settings: &Settings,
    ui: &mut Ui,
) -> Result<()> {
    if settings.offline.is_none() && asked.iter().any(|n| n.spec == "latest") {
        return make(root, settings, ui);
    }
    let mut here = Settings::resolve(invocation, Environment::Process)?;
    here.offline = here.offline.or(Some(Offline::Flag));
    make(root, &here, ui)
}

fn make(root: &Path, settings: &Settings, ui: &mut Ui) -> Result<()> {
    let session = session(root, settings)?;
    let anew = settings.offline.is_none();
    if !anew && session.current().is_some() {
        return Ok(());
    }
    let locked = session.lock(ui)?;
    let work = session.read(&locked, ui)?;
    let change = Change { anew, forget: anew, ..Change::default() };
    session.install(&locked, &work, session.network(ui)?, change, ui).map(drop)
}

fn session<'a>(root: &Path, settings: &'a Settings) -> Result<Session<'a>> {
    let project = Project { root: root.into(), files: vec![Format::PackageJson], warnings: Vec::new() };
    Session::of(project, How::plain(), settings)
}

/// Asks before something that is not here is fetched and run.
fn agreed(asked: &[Named], invocation: &Invocation, ui: &mut Ui) -> Result<()> {
    let names: Vec<&str> = asked.iter().map(|n| n.alias.as_str()).collect();
    if invocation.has("yes") || !ui.can_ask() {
        ui.status(&format!("Fetching {}", names.join(", ")));
        return Ok(());
    }
    let answer = ui.ask(&format!("{} is in no mirror here. Fetch and run it? (y/n) ", names.join(", ")))?;
    match answer.trim().to_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Box::new(Error::Other {
            status: Status::Failed,
            message: "nothing was fetched".into(),
            hints: vec!["--yes does not ask".into()],
        })),
    }
}

/// The program of that name in the tree; of a package, the one that is called like it, or the only one.
fn program(root: &Path, word: &str, is_package: bool, settings: &Settings) -> Result<PathBuf> {
    let bins = root.join("node_modules/.bin");
    if !is_package {
        return Ok(bins.join(known(word, &bins)?));
    }
    let graph = session(root, settings)?.locked()?;
    let mut direct = graph.importers.iter().flat_map(|i| &i.dependencies);
    let package = direct.find_map(|w| w.target).map(|id| graph.package(id));
    let all = package.map_or(&[][..], |p| &p.bins);
    let base = package.map_or("", |p| p.name.base());
    let (name, _) = match all {
        [only] => only,
        all => all.iter().find(|(name, _)| name.as_str() == base).ok_or_else(|| {
            let names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
            let (what, hint) = match names.is_empty() {
                true => ("has no program".to_string(), format!("{LOCKFILE} of it is in {}", root.display())),
                false => (
                    format!("has several programs: {}", names.join(", ")),
                    format!("`pantry px --package {} {}` runs one", escape(word), names[0]),
                ),
            };
            Error::Other {
                status: Status::Failed,
                message: format!("{} {what}", escape(word)),
                hints: vec![hint],
            }
        })?,
    };
    Ok(bins.join(name.as_str()))
}

fn known<'a>(word: &'a str, bins: &Path) -> Result<&'a str> {
    let is = mirror::name::BinName::parse(word).is_ok() && bins.join(word).exists();
    is.then_some(word).ok_or_else(|| {
        Error::Other {
            status: Status::Failed,
            message: format!("none of these packages has a program `{}`", escape(word)),
            hints: Vec::new(),
        }
        .into()
    })
}

fn start(program: &Path, here: &Path, invocation: &Invocation, settings: &Settings) -> Result<Status> {
    let surroundings = Surroundings::new(settings, "exec", here);
    // Its own neighbours are found first: above `.bin` and `node_modules`.
    let dir = program.ancestors().nth(3).unwrap_or(here);
    let manifest = dir.join(Format::PackageJson.file());
    let owner = Owner { dir, manifest: &manifest, name: None, version: None };
    let mut command = surroundings.program(program.as_os_str(), &owner);
    command.args(&invocation.passed_on).current_dir(here);
    let child = process::spawn(&mut command).map_err(|e| not_started(&command, e))?;
    let status = process::wait(child).map_err(|e| not_started(&command, e))?;
    Ok(if status == 0 { Status::Done } else { Status::Child(status) })
}
