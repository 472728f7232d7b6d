//! `pantry update`, `pantry outdated`, `pantry dedupe`, `pantry prune`.

use super::install::show;
use crate::cli::Invocation;
use crate::error::{Result, Status};
use crate::install::run::{LOCKFILE, read_lock};
use crate::manifest::{self, Manifest, edit};
use crate::project::add::{self, rewritten};
use crate::project::newer::{self, Newer};
use crate::project::{Change, How, Session, importers, reword};
use crate::resolve::ImporterRequest;
use crate::resolve::graph::{Graph, Group};
use crate::resolve::index::Index;
use crate::settings::Settings;
use crate::ui::Ui;
use mirror::name::{PackageName, escape};
use std::cell::RefCell;
use std::time::Instant;

pub fn run(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let begun = Instant::now();
    let latest = invocation.has("latest");
    let how = How::of(invocation);
    let session =
        if latest { Session::open_to_edit(how, settings, ui) } else { Session::open(how, settings, ui) }?;
    let locked = session.lock(ui)?;
    let work = session.read(&locked, ui)?;
    let names = named(invocation, &session, &work.manifests)?;
    let network = session.network(ui)?;
    let (prefix, rules) = (network.save_prefix.clone(), network.rules.clone());
    let written: RefCell<Vec<(PackageName, String)>> = RefCell::default();
    let prepare = |index: &dyn Index, importers: &mut Vec<ImporterRequest>| {
        // Only the project's own: members' manifests are not edited yet.
        let own = importers.iter_mut().filter(|i| i.path.is_empty());
        for requested in own.flat_map(|i| &mut i.dependencies) {
            if !names.is_empty() && !names.contains(&requested.alias) {
                continue;
            }
            let newer = newer::look(index, requested, &rules)?;
            if let Some(raised) = newer.and_then(|n| newer::raise(requested, &n, &prefix)) {
                requested.range = raised.asked;
                written.borrow_mut().push((requested.alias.clone(), raised.written));
            }
        }
        Ok(())
    };
    let settle = |graph: &mut Graph| {
        let mut after = work.manifests.clone();
        for (alias, words) in written.borrow().iter() {
            for manifest in &mut after {
                let stands = manifest.dependencies.iter().find(|d| d.dependency.alias == *alias);
                if let Some(key) = stands.map(|d| d.key.clone()) {
                    *manifest = edit::set(manifest, None, &key, words)?;
                }
            }
        }
        reword(graph, &importers(&after, &work.workspace)?);
        Ok(rewritten(&work.manifests, after, session.fresh))
    };
    let change = Change {
        update: names.clone(),
        anew: true,
        forget: names.is_empty(),
        prepare: if latest { Some(&prepare) } else { None },
        settle: if latest { Some(&settle) } else { None },
        ..Change::default()
    };
    let report = session.install(&locked, &work, network, change, ui)?;
    show(&report, &session, begun, ui)?;
    Ok(Status::Done)
}

/// The packages of the command line: dependencies of the project, or of those.
fn named(invocation: &Invocation, session: &Session<'_>, manifests: &[Manifest]) -> Result<Vec<PackageName>> {
    let words = invocation.argument_texts()?;
    let direct = |word: &str| {
        let mut all = manifests.iter().flat_map(|m| &m.dependencies);
        all.find(|d| d.key == word || d.dependency.alias.as_str() == word).map(|d| d.dependency.alias.clone())
    };
    let mut graph = None;
    let mut names = Vec::new();
    for word in words {
        if let Some(name) = direct(word) {
            names.push(name);
            continue;
        }
        if graph.is_none() {
            graph = read_lock(&session.project.root.join(LOCKFILE))?.map(|(graph, _)| graph);
        }
        let packages = graph.iter().flat_map(|g: &Graph| &g.packages);
        match packages.map(|p| &p.name).find(|n| n.as_str() == word) {
            Some(name) => names.push(name.clone()),
            None => return Err(add::unknown(manifests, word)),
        }
    }
    Ok(names)
}

pub fn outdated(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let session = Session::open(How::of(invocation), settings, ui)?;
    let manifests = session.project.read()?;
    let names = named(invocation, &session, &manifests)?;
    let workspace = manifest::workspace::workspace(&session.project.root, &manifests)?;
    let mut importers = importers(&manifests, &workspace)?;
    let dev = session.how.groups.dev;
    importers.retain(|i| i.path.is_empty());
    for importer in &mut importers {
        importer
            .dependencies
            .retain(|d| (dev || d.group != Group::Dev) && (names.is_empty() || names.contains(&d.alias)));
    }
    let installed = session.installed()?;
    let mut rows: Vec<(Newer, Option<String>)> = Vec::new();
    let requests = importers.clone();
    let network = session.network(ui)?;
    let rules = network.rules.clone();
    session.look(importers, network, ui, &mut |index| {
        for requested in requests.iter().flat_map(|i| &i.dependencies) {
            let Some(newer) = newer::look(index, requested, &rules)? else { continue };
            let here = installed.iter().find(|(alias, _)| *alias == newer.alias).map(|(_, v)| v.clone());
            let is =
                |v: &Option<mirror::version::Version>| v.as_ref().is_none_or(|v| Some(v.to_string()) == here);
            if !is(&newer.wanted) || !is(&newer.latest) {
                rows.push((newer, here));
            }
        }
        Ok(())
    })?;
    show_outdated(&rows, ui)?;
    // As npm: somebody who asks in a script wants to know.
    Ok(if rows.is_empty() { Status::Done } else { Status::Failed })
}

fn show_outdated(rows: &[(Newer, Option<String>)], ui: &mut Ui) -> Result<()> {
    let text = |v: &Option<mirror::version::Version>| v.as_ref().map(ToString::to_string);
    if ui.is_json() {
        return ui.json(|o| {
            o.array("outdated", |list| {
                for (newer, current) in rows {
                    list.object(|o| {
                        o.text("name", newer.alias.as_str());
                        if newer.name != newer.alias {
                            o.text("package", newer.name.as_str());
                        }
                        for (key, value) in [
                            ("current", current.clone()),
                            ("wanted", text(&newer.wanted)),
                            ("latest", text(&newer.latest)),
                        ] {
                            if let Some(value) = value {
                                o.text(key, &value);
                            }
                        }
                        o.text("group", group(newer.group));
                    });
                }
            });
        });
    }
    if rows.is_empty() {
        ui.success("Every package is the newest");
        return Ok(());
    }
    let mut table = vec![["package", "current", "wanted", "latest", "group"].map(String::from)];
    let or_none = |v: Option<String>| v.unwrap_or_else(|| "-".into());
    for (newer, current) in rows {
        let name = match newer.name == newer.alias {
            true => newer.alias.to_string(),
            false => format!("{} ({})", newer.alias, newer.name),
        };
        let [wanted, latest] = [&newer.wanted, &newer.latest].map(|v| or_none(text(v)));
        table.push([name, or_none(current.clone()), wanted, latest, group(newer.group).into()]);
    }
    let widths = [0, 1, 2, 3, 4].map(|i: usize| table.iter().map(|row| row[i].len()).max().unwrap_or(0));
    for row in &table {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            line.push_str(&escape(cell));
            line.extend(std::iter::repeat_n(' ', width + 2 - cell.len()));
        }
        ui.line(line.trim_end())?;
    }
    Ok(())
}

fn group(group: Group) -> &'static str {
    match group {
        Group::Normal => "dependencies",
        Group::Dev => "devDependencies",
        Group::Optional => "optionalDependencies",
        Group::Peer => "peerDependencies",
    }
}

pub fn dedupe(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let begun = Instant::now();
    let check = invocation.has("check");
    let mut how = How::of(invocation);
    how.dry_run |= check;
    let session = Session::open(how, settings, ui)?;
    let locked = session.lock(ui)?;
    let work = session.read(&locked, ui)?;
    let lock = read_lock(&session.project.root.join(LOCKFILE))?;
    let change = Change {
        update: lock.map(|(graph, _)| several(&graph)).unwrap_or_default(),
        anew: true,
        prefer_dedupe: true,
        ..Change::default()
    };
    let report = session.install(&locked, &work, session.network(ui)?, change, ui)?;
    show(&report, &session, begun, ui)?;
    Ok(if check && !report.difference.is_empty() { Status::Failed } else { Status::Done })
}

/// Names of which there are several versions.
fn several(graph: &Graph) -> Vec<PackageName> {
    let pairs = graph.packages.windows(2);
    let mut names: Vec<PackageName> = pairs
        .filter(|p| p[0].name == p[1].name && p[0].version != p[1].version)
        .map(|p| p[0].name.clone())
        .collect();
    names.dedup();
    names
}

pub fn prune(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let begun = Instant::now();
    let how = How { frozen: true, prune: true, ..How::of(invocation) };
    let session = Session::open(how, settings, ui)?;
    let locked = session.lock(ui)?;
    let work = session.read(&locked, ui)?;
    let report = session.install(&locked, &work, session.network(ui)?, Change::default(), ui)?;
    show(&report, &session, begun, ui)?;
    Ok(Status::Done)
}
