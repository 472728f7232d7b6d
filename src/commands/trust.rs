//! `pantry trust` and `pantry untrust`: who may run scripts at install.

use super::install;
use crate::cli::{Invocation, suggest};
use crate::error::{Error, Result, Status};
use crate::install::scripts::{self, Trust};
use crate::install::store::Key;
use crate::manifest::edit;
use crate::network::Network;
use crate::project::{Change, How, Session, Work, trust};
use crate::resolve::graph::{Graph, Package};
use crate::settings::Settings;
use crate::ui::Ui;
use mirror::name::escape;
use std::time::Instant;

const FIELD: &str = "trustedDependencies";

pub fn trust(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    if invocation.arguments.is_empty() {
        return list(invocation, settings, ui);
    }
    change(invocation, settings, true, ui)
}

pub fn untrust(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    change(invocation, settings, false, ui)
}

/// What asked to run a script and may not.
fn list(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let session = Session::open(How::of(invocation), settings, ui)?;
    let manifests = session.project.read()?;
    let graph = session.locked()?;
    let registries = Network::new(settings, &session.project.root, ui)?.registries;
    let project = manifests.iter().flat_map(|m| m.trusted.iter().cloned()).collect();
    let rules = Trust { user: settings.trusted.clone(), project };
    let store = settings.store()?;
    let asked: Vec<(&Package, Vec<(&str, String)>)> = graph
        .packages
        .iter()
        .filter(|p| p.install_script && !rules.allows(p, &registries.source_of(&p.name)))
        .map(|p| {
            let entry = p.integrity.as_ref().map(|i| store.join(Key::of(i).as_str()));
            let own = entry.and_then(|dir| scripts::read(&dir).ok()).unwrap_or_default();
            (p, own.scripts)
        })
        .collect();
    let own = trust::scripts(&manifests);
    let own = if trust::is_allowed(&session, &manifests)? { Vec::new() } else { own };
    if ui.is_json() {
        ui.json(|o| {
            o.object("project", |o| own.iter().for_each(|(event, text)| o.text(event, text)));
            o.array("packages", |list| {
                for (package, scripts) in &asked {
                    list.object(|o| {
                        o.text("name", package.name.as_str());
                        o.text("version", &package.version.to_string());
                        o.object("scripts", |o| scripts.iter().for_each(|(event, text)| o.text(event, text)));
                    });
                }
            });
        })?;
        return Ok(Status::Done);
    }
    for (event, text) in &own {
        ui.line(&escape(&format!(". {event}: {text}")))?;
    }
    for (package, scripts) in &asked {
        let name = format!("{}@{}", package.name, package.version);
        for (event, text) in scripts {
            ui.line(&escape(&format!("{name} {event}: {text}")))?;
        }
        if scripts.is_empty() {
            ui.line(&format!("{name} (its scripts are not in the store)"))?;
        }
    }
    if own.is_empty() && asked.is_empty() {
        ui.note("nothing asked to run a script that may not");
    }
    Ok(Status::Done)
}

fn change(invocation: &Invocation, settings: &Settings, may: bool, ui: &mut Ui) -> Result<Status> {
    let begun = Instant::now();
    let session = Session::open(How::of(invocation), settings, ui)?;
    let names = invocation.argument_texts()?;
    let locked = session.lock(ui)?;
    let mut work = session.read(&locked, ui)?;
    for name in names {
        if name == "." {
            trust::allow(&session, &work.manifests, may)?;
            ui.success(match may {
                true => "The project may run its own scripts, as long as they stay what they are",
                false => "The project may not run scripts of its own",
            });
            continue;
        }
        let rules = if may {
            let graph = session.locked()?;
            known(name, &graph)?;
            Some(hashes(name, &graph)?).filter(|rules| !rules.is_empty())
        } else {
            // A name takes back all that was allowed to it.
            let all = work.manifests.iter().flat_map(|m| m.trusted.clone());
            Some(all.filter(|rule| rule == name || scripts::parts(rule).0 == name).collect())
        };
        let rules: Vec<String> = rules.unwrap_or_else(|| vec![name.to_string()]);
        let mut changed = false;
        for rule in &rules {
            changed |= rewrite(rule, may, &mut work)?;
        }
        if !changed && !may {
            return Err(Box::new(Error::Other {
                status: Status::Failed,
                message: format!("{} is not trusted by the manifest", escape(name)),
                hints: vec!["`trusted-dependencies` in config.toml counts for every project".into()],
            }));
        }
    }
    // What is written is what was read, with one line more or less.
    for manifest in &work.manifests {
        let now = std::fs::read(&manifest.path).map_err(Error::io("read", &manifest.path))?;
        if now != manifest.text.as_bytes() {
            mirror::file::replace(&manifest.path, manifest.text.as_bytes())?;
        }
    }
    let work = session.read(&locked, ui)?;
    let report = session.install(&locked, &work, session.network(ui)?, Change::default(), ui)?;
    install::show(&report, &session, begun, ui)?;
    Ok(Status::Done)
}

/// Puts a rule into the first manifest, or takes it out of all; whether one is another then.
fn rewrite(rule: &str, may: bool, work: &mut Work) -> Result<bool> {
    let mut changed = false;
    for manifest in &mut work.manifests {
        if !manifest.trusted.iter().any(|known| known == rule) {
            continue;
        }
        if may {
            return Ok(false);
        }
        *manifest = edit::leave_out(manifest, FIELD, rule)?;
        changed = true;
    }
    if may && let Some(manifest) = work.manifests.first_mut() {
        *manifest = edit::include(manifest, FIELD, rule)?;
        changed = true;
    }
    Ok(changed)
}

/// A bare name stands for the package that registries have of it. Of an archive beside the manifest: the rule that
/// trusts it as it is now.
fn hashes(rule: &str, graph: &Graph) -> Result<Vec<String>> {
    let all = graph.packages.iter().filter(|p| p.name.as_str() == rule);
    let (folders, others): (Vec<&Package>, Vec<&Package>) = all.partition(|p| p.is_linked());
    if others.is_empty() && !folders.is_empty() {
        return Err(Box::new(Error::Other {
            status: Status::Failed,
            message: format!("{rule} is a folder: its scripts are run there, not by an install here"),
            hints: Vec::new(),
        }));
    }
    if !others.iter().all(|p| p.packed().is_some()) {
        return Ok(Vec::new());
    }
    Ok(others.iter().filter_map(|p| Some(format!("{rule}@{}", p.integrity.as_ref()?))).collect())
}

/// A slip in the name would be a permission for somebody else.
fn known(rule: &str, graph: &Graph) -> Result<()> {
    let (name, _) = scripts::parts(rule);
    if graph.packages.iter().any(|p| p.name.as_str() == name) {
        return Ok(());
    }
    let near = suggest::closest(name, graph.packages.iter().map(|p| p.name.as_str()));
    let hint = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`pantry trust` lists what asked".into(),
    };
    let message = format!("{} is not a package of this project", escape(name));
    Err(Box::new(Error::Other { status: Status::Failed, message, hints: vec![hint] }))
}
