//! `pantry update`, `pantry outdated`, `pantry dedupe`, `pantry prune`.

use super::install::show;
use crate::cli::Invocation;
use crate::error::{Error, Result, Status};
use crate::install::run::{LOCKFILE, read_lock};
use crate::install::select::{Groups, select};
use crate::manifest::edit;
use crate::project::add;
use crate::project::newer::{self, Newer};
use crate::project::packed;
use crate::project::{Change, How, Session, Work, importers, reword};
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
    let session = Session::open(how, settings, ui)?;
    let chosen = match invocation.has("interactive") {
        true => Some(choose(invocation, &session, latest, ui)?),
        false => None,
    };
    if chosen.as_ref().is_some_and(Vec::is_empty) {
        return Ok(Status::Done);
    }
    let locked = session.lock(ui)?;
    let work = session.read(&locked, ui)?;
    let folders = work.targets(&session, invocation)?;
    let names = match chosen {
        Some(chosen) => chosen,
        None => named(invocation, &session, &work, &folders)?,
    };
    // The whole lock anew, or what a member needs.
    let whole = names.is_empty() && folders.iter().any(String::is_empty);
    let network = session.network(ui)?;
    let (prefix, rules) = (network.save_prefix.clone(), network.rules.clone());
    let written: RefCell<Vec<(String, PackageName, String)>> = RefCell::default();
    let prepare = |index: &dyn Index, importers: &mut Vec<ImporterRequest>| {
        for importer in importers.iter_mut().filter(|i| folders.contains(&i.path)) {
            for requested in &mut importer.dependencies {
                if (!names.is_empty() && !names.contains(&requested.alias))
                    || work.is_member(&requested.alias)
                {
                    continue;
                }
                let newer = newer::look(index, requested, &rules)?;
                if let Some(raised) = newer.and_then(|n| newer::raise(requested, &n, &prefix)) {
                    requested.range = raised.asked;
                    let raised = (importer.path.clone(), requested.alias.clone(), raised.written);
                    written.borrow_mut().push(raised);
                }
            }
        }
        Ok(())
    };
    let settle = |graph: &mut Graph| {
        let mut after = work.clone();
        for (folder, alias, words) in written.borrow().iter() {
            let mut manifests = after.of(folder).to_vec();
            for manifest in &mut manifests {
                let stands = manifest.dependencies.iter().find(|d| d.dependency.alias == *alias);
                if let Some(key) = stands.map(|d| d.key.clone()) {
                    *manifest = edit::set(manifest, None, &key, words)?;
                }
            }
            after = after.with(folder, manifests);
        }
        reword(graph, &importers(&after.manifests, &after.workspace)?);
        Ok(work.rewritten(&after, &folders, session.fresh))
    };
    let update = match names.is_empty() && !whole {
        true => needed(&session, &folders)?,
        false => names.clone(),
    };
    let change = Change {
        update,
        anew: true,
        forget: whole,
        prepare: if latest { Some(&prepare) } else { None },
        settle: if latest { Some(&settle) } else { None },
        ..Change::default()
    };
    let report = session.install(&locked, &work, network, change, ui)?;
    show(&report, &session, begun, ui)?;
    Ok(Status::Done)
}

/// What the lock has for members, however far.
fn needed(session: &Session<'_>, folders: &[String]) -> Result<Vec<PackageName>> {
    let Some((graph, _)) = read_lock(&session.project.root.join(LOCKFILE))? else { return Ok(Vec::new()) };
    let all = Groups { dev: true, optional: true };
    let needed = select(&graph, all, &session.platform, &[], &[], Some(folders)).included;
    let packages = graph.packages.iter().zip(needed).filter(|(p, on)| *on && !p.is_local());
    Ok(packages.map(|(p, _)| p.name.clone()).collect())
}

/// The packages of the command line: dependencies of these folders, or of those.
fn named(
    invocation: &Invocation,
    session: &Session<'_>,
    work: &Work,
    folders: &[String],
) -> Result<Vec<PackageName>> {
    let words = invocation.argument_texts()?;
    let direct = |word: &str| {
        let mut all = folders.iter().flat_map(|f| work.of(f)).flat_map(|m| &m.dependencies);
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
            None => return Err(add::unknown(work, folders, word)),
        }
    }
    Ok(names)
}

/// Shows what could be updated, and asks what of it is to be.
fn choose(
    invocation: &Invocation,
    session: &Session<'_>,
    latest: bool,
    ui: &mut Ui,
) -> Result<Vec<PackageName>> {
    if !ui.can_ask() {
        return Err(Box::new(Error::Usage {
            message: "nobody can be asked here: --interactive needs a terminal".into(),
            hint: Some("`pantry update NAME…` names the packages, `pantry outdated` lists them".into()),
        }));
    }
    let mut work = session.look_at()?;
    let folders = work.targets(session, invocation)?;
    let mut rows = rows(invocation, session, &mut work, &folders, ui)?;
    rows.retain(|(newer, here, _)| {
        let to = if latest { &newer.latest } else { &newer.wanted };
        to.as_ref().is_some_and(|to| Some(to.to_string()) != *here)
    });
    if rows.is_empty() {
        ui.success("Every package is the newest that may be had");
        return Ok(Vec::new());
    }
    let lines = table(&rows, folders.len() > 1);
    for (i, line) in lines.iter().enumerate() {
        let number = if i == 0 { String::new() } else { i.to_string() };
        ui.errors(&format!("{number:>4}  "), format!("{line}\n").as_bytes());
    }
    loop {
        let answer = ui.ask("Which ones? (numbers: 1 3-5; all; nothing: none) ")?;
        match chosen(&answer, rows.len()) {
            Some(chosen) => {
                if chosen.is_empty() {
                    ui.note("nothing was chosen; nothing was changed");
                }
                let mut names: Vec<PackageName> =
                    chosen.into_iter().map(|i| rows[i - 1].0.alias.clone()).collect();
                names.dedup();
                return Ok(names);
            }
            None => ui.warn(&format!("`{}` names none of 1 to {}", escape(answer.trim()), rows.len())),
        }
    }
}

/// The numbers that an answer names, of as many.
fn chosen(answer: &str, of: usize) -> Option<Vec<usize>> {
    let mut all = Vec::new();
    for word in answer.split([' ', ',', '\t', '\r', '\n']).filter(|word| !word.is_empty()) {
        let (from, to) = match word {
            "all" | "a" => (1, of),
            word => {
                let (from, to) = word.split_once('-').unwrap_or((word, word));
                (from.parse().ok()?, to.parse().ok()?)
            }
        };
        if from < 1 || from > to || to > of {
            return None;
        }
        all.extend(from..=to);
    }
    mirror::order::sort(&mut all);
    all.dedup();
    Some(all)
}

pub fn outdated(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let session = Session::open(How::of(invocation), settings, ui)?;
    let mut work = session.look_at()?;
    let mut folders = work.targets(&session, invocation)?;
    // As npm: at the root, of all members.
    if session.member.is_empty() && !invocation.has("filter") {
        folders.extend(work.workspace.members.iter().map(|m| m.path.clone()));
    }
    let rows = rows(invocation, &session, &mut work, &folders, ui)?;
    show_outdated(&rows, folders.len() > 1, ui)?;
    // As npm: somebody who asks in a script wants to know.
    Ok(if rows.is_empty() { Status::Done } else { Status::Failed })
}

/// The dependencies of these folders that are not the newest.
fn rows(
    invocation: &Invocation,
    session: &Session<'_>,
    work: &mut Work,
    folders: &[String],
    ui: &mut Ui,
) -> Result<Vec<Row>> {
    packed::read(&session.project.root, &mut work.workspace)?;
    let names = named(invocation, session, work, folders)?;
    let mut importers = importers(&work.manifests, &work.workspace)?;
    let dev = session.how.groups.dev;
    importers.retain(|i| folders.contains(&i.path));
    for importer in &mut importers {
        importer
            .dependencies
            .retain(|d| (dev || d.group != Group::Dev) && (names.is_empty() || names.contains(&d.alias)));
        importer.dependencies.retain(|d| !work.is_member(&d.alias));
    }
    let installed = session.installed()?;
    let mut rows: Vec<Row> = Vec::new();
    let requests = importers.clone();
    let network = session.network(ui)?;
    work.name_registries(&network);
    let rules = network.rules.clone();
    session.look(importers, network, ui, &mut |index| {
        for importer in &requests {
            for requested in &importer.dependencies {
                let Some(newer) = newer::look(index, requested, &rules)? else { continue };
                let here =
                    installed.iter().find(|(at, alias, _)| *at == importer.path && *alias == newer.alias);
                let here = here.map(|(.., v)| v.clone());
                let is = |v: &Option<mirror::version::Version>| {
                    v.as_ref().is_none_or(|v| Some(v.to_string()) == here)
                };
                if !is(&newer.wanted) || !is(&newer.latest) {
                    rows.push((newer, here, importer.path.clone()));
                }
            }
        }
        Ok(())
    })?;
    Ok(rows)
}

/// A dependency, its installed version, and whose it is.
type Row = (Newer, Option<String>, String);

/// `whose`: rows are of several folders.
fn show_outdated(rows: &[Row], whose: bool, ui: &mut Ui) -> Result<()> {
    if ui.is_json() {
        return ui.json(|o| {
            o.array("outdated", |list| {
                for (newer, current, folder) in rows {
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
                        if whose {
                            o.text("folder", folder);
                        }
                    });
                }
            });
        });
    }
    if rows.is_empty() {
        ui.success("Every package is the newest");
        return Ok(());
    }
    table(rows, whose).iter().try_for_each(|line| ui.line(line))
}

fn text(version: &Option<mirror::version::Version>) -> Option<String> {
    version.as_ref().map(ToString::to_string)
}

/// A line of titles, and one for each dependency.
fn table(rows: &[Row], whose: bool) -> Vec<String> {
    let last = if whose { "folder" } else { "" };
    let mut table = vec![["package", "current", "wanted", "latest", "group", last].map(String::from)];
    let or_none = |v: Option<String>| v.unwrap_or_else(|| "-".into());
    for (newer, current, folder) in rows {
        let name = match newer.name == newer.alias {
            true => newer.alias.to_string(),
            false => format!("{} ({})", newer.alias, newer.name),
        };
        let [wanted, latest] = [&newer.wanted, &newer.latest].map(|v| or_none(text(v)));
        table.push([
            name,
            or_none(current.clone()),
            wanted,
            latest,
            group(newer.group).into(),
            match () {
                () if !whose => String::new(),
                () if folder.is_empty() => ".".into(),
                () => folder.clone(),
            },
        ]);
    }
    let widths = [0, 1, 2, 3, 4, 5].map(|i: usize| table.iter().map(|row| row[i].len()).max().unwrap_or(0));
    let line = |row: &[String; 6]| {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            line.push_str(&escape(cell));
            line.extend(std::iter::repeat_n(' ', width + 2 - cell.len()));
        }
        line.trim_end().to_string()
    };
    table.iter().map(line).collect()
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

#[cfg(test)]
mod tests {
    use super::chosen;

    #[test]
    fn answers() {
        for (answer, expected) in [
            ("\n", Some(vec![])),
            ("2\n", Some(vec![2])),
            ("1 3-5,2", Some(vec![1, 2, 3, 4, 5])),
            ("all", Some(vec![1, 2, 3, 4, 5])),
            ("0", None),
            ("6", None),
            ("3-2", None),
            ("1-9", None),
            ("left", None),
            ("-1", None),
        ] {
            assert_eq!(chosen(answer, 5), expected, "{answer:?}");
        }
    }
}
