//! `pantry list`, `pantry tree` and `pantry why`: what the lockfile holds, and who needs it.

use crate::cli::{Invocation, suggest};
use crate::error::{Error, Result, Status};
use crate::install::platform::Platform;
use crate::install::select::{Groups, select};
use crate::install::state::State;
use crate::project::{How, Session, filter};
use crate::resolve::graph::{EdgeKind, Graph, Group, LINK, PackageId};
use crate::settings::Settings;
use crate::ui::json::Object;
use crate::ui::{Ui, branches};
use mirror::name::escape;
use std::collections::{HashSet, VecDeque};
use std::rc::Rc;

/// Packages of a project or of a member, as the lockfile has them and this machine uses them.
#[derive(Clone)]
struct Here {
    graph: Rc<Graph>,
    /// The folder that is asked about, from the workspace's root.
    folder: String,
    /// For this platform and these groups.
    included: Rc<[bool]>,
    /// `name@version` of all that the last install put in place.
    installed: Rc<str>,
    /// The tree begins at these packages, not at the project's own needs.
    at: Option<Vec<PackageId>>,
    name: String,
    version: Option<String>,
}

/// An edge to a package, of the project or of another package.
struct Need<'a> {
    alias: &'a str,
    range: &'a str,
    /// `dev`, `optional`, `peer`; empty: an ordinary one.
    kind: &'static str,
    target: Option<PackageId>,
}

/// Called for each line of a tree ([`Here::walk`]).
type Visit<'v> = dyn FnMut(&[bool], &Need<'_>, bool, bool) -> bool + 'v;

/// What is left out.
struct Filter {
    dev: bool,
    peer: bool,
    /// Levels below the project.
    depth: usize,
}

impl Here {
    /// For each of the folders that are asked about: those that `--filter` names, else the one it stands in.
    fn open(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Vec<Self>> {
        let session = Session::open(How::of(invocation), settings, ui)?;
        // Of the user's own packages there may be none yet.
        let none = session.how.global && session.fresh;
        let work = session.look_at()?;
        let graph = if none { Graph::default() } else { session.locked()? };
        let groups = Groups { dev: true, optional: true };
        let included = select(&graph, groups, &Platform::current(), &[], &[], None).included;
        let (graph, included): (_, Rc<[bool]>) = (Rc::new(graph), included.into());
        let installed: Rc<str> = State::read(&session.project.root).unwrap_or_default().names.into();
        let here = work.targets(&session, invocation)?.into_iter().map(|folder| {
            let manifests = work.of(&folder);
            let name = manifests.iter().find_map(|m| m.name.as_ref()).map(ToString::to_string);
            let last =
                session.project.root.join(&folder).file_name().map(|n| n.to_string_lossy().into_owned());
            Self {
                graph: graph.clone(),
                folder,
                included: included.clone(),
                installed: installed.clone(),
                at: None,
                name: name.or(last).unwrap_or_default(),
                version: manifests.iter().find_map(|m| m.version.as_ref()).map(ToString::to_string),
            }
        });
        Ok(here.collect())
    }

    /// How each package is reached from here: by which other, or by none; nothing where it is not.
    fn reached(&self, all: &Filter) -> Vec<Option<Option<PackageId>>> {
        let mut by: Vec<Option<Option<PackageId>>> = vec![None; self.graph.packages.len()];
        let mut queue: VecDeque<(PackageId, Option<PackageId>)> = VecDeque::new();
        queue.extend(self.roots(all).iter().filter_map(|n| Some((n.target?, None))));
        while let Some((id, from)) = queue.pop_front() {
            if by[id.index()].is_none() {
                by[id.index()] = Some(from);
                queue.extend(self.needs(id, all).iter().filter_map(|n| Some((n.target?, Some(id)))));
            }
        }
        by
    }

    /// The packages that `name` or `name@version` is.
    fn named(&self, word: &str) -> Result<Vec<PackageId>> {
        let (name, version) = crate::install::scripts::parts(word);
        let is = |id: &PackageId| {
            let package = self.graph.package(*id);
            package.name.as_str() == name && version.is_none_or(|v| package.version.to_string() == v)
        };
        let ids: Vec<PackageId> = self.graph.ids().filter(is).collect();
        if ids.is_empty() { Err(unknown(word, name, self)) } else { Ok(ids) }
    }

    fn title(&self) -> String {
        let version = self.version.as_ref().map_or_else(String::new, |version| format!("@{version}"));
        escape(&format!("{}{version}", self.name)).into_owned()
    }

    /// `name@version`.
    fn spec(&self, id: PackageId) -> String {
        let package = self.graph.package(id);
        format!("{}@{}", package.name, package.version)
    }

    /// The project's own needs; with `None` for what could not be had.
    fn roots(&self, filter: &Filter) -> Vec<Need<'_>> {
        if let Some(ids) = &self.at {
            let need = |id: &PackageId| Need {
                alias: self.graph.package(*id).name.as_str(),
                range: "",
                kind: "",
                target: Some(*id),
            };
            return ids.iter().map(need).collect();
        }
        let mut needs = self.of_folder(&self.folder, filter);
        if self.folder.is_empty() {
            for member in self.graph.ids().filter(|id| self.member(*id).is_some()) {
                let package = self.graph.package(member);
                if needs.iter().all(|n| n.target != Some(member)) {
                    let (alias, range) = (package.name.as_str(), "*");
                    needs.push(Need { alias, range, kind: "member", target: Some(member) });
                }
            }
        }
        needs
    }

    /// The folder of a member of the workspace.
    fn member(&self, id: PackageId) -> Option<&str> {
        let path = self.graph.package(id).source.strip_prefix(LINK)?;
        self.graph.importers.iter().map(|i| i.path.as_str()).find(|known| *known == path)
    }

    /// What the manifests of a folder ask for.
    fn of_folder(&self, folder: &str, filter: &Filter) -> Vec<Need<'_>> {
        let mut seen = HashSet::new();
        let wanted = self.graph.importers.iter().filter(|i| i.path == folder).flat_map(|i| &i.dependencies);
        let needs = wanted.map(|w| Need {
            alias: w.alias.as_str(),
            range: &w.range,
            kind: match w.group {
                Group::Normal => "",
                Group::Dev => "dev",
                Group::Optional => "optional",
                Group::Peer => "peer",
            },
            target: w.target,
        });
        needs
            .filter(|n| {
                (filter.dev || n.kind != "dev") && (filter.peer || n.kind != "peer" || n.target.is_some())
            })
            .filter(|n| seen.insert(n.alias))
            .collect()
    }

    fn needs(&self, id: PackageId, filter: &Filter) -> Vec<Need<'_>> {
        if let Some(folder) = self.member(id) {
            return self.of_folder(folder, filter);
        }
        let edges = self.graph.package(id).dependencies.iter();
        let needs = edges.map(|e| Need {
            alias: e.alias.as_str(),
            range: &e.range,
            kind: match e.kind {
                EdgeKind::Normal => "",
                EdgeKind::Optional => "optional",
                EdgeKind::Peer | EdgeKind::PeerOptional => "peer",
            },
            target: e.target,
        });
        needs.filter(|n| filter.peer || n.kind != "peer").collect()
    }

    fn is_installed(&self, id: PackageId) -> bool {
        let spec = self.spec(id);
        self.installed.split(' ').any(|known| known == spec)
    }

    /// `left@1.0.0`, `alias (npm:left@1.0.0)`; what is the matter with it behind.
    fn shown(&self, need: &Need<'_>, versions: bool, ui: &Ui) -> String {
        let Some(id) = need.target else {
            return format!("{} ({}, not there)", need.alias, escape(need.range));
        };
        let package = self.graph.package(id);
        let version = ui.tinted(&package.version.to_string());
        let mut text = match (package.name.as_str() == need.alias, versions) {
            (true, true) => format!("{}@{version}", package.name),
            (true, false) => package.name.to_string(),
            (false, true) => format!("{} (npm:{}@{version})", need.alias, package.name),
            (false, false) => format!("{} (npm:{})", need.alias, package.name),
        };
        if !need.kind.is_empty() {
            text.push_str(&format!(" ({})", need.kind));
        }
        if !self.included[id.index()] {
            text.push_str(" (not for this platform)");
        } else if package.deprecated.is_some() {
            text.push_str(" (deprecated)");
        }
        text
    }

    /// Visits the tree from the project down, in the order in which it is shown. `last` says of each level whether
    /// nothing follows there; the third whether the package's own needs were shown before, the fourth whether it
    /// stands above itself. Ends when `visit` says no.
    fn walk(&self, filter: &Filter, visit: &mut Visit<'_>) {
        let mut seen = vec![false; self.graph.packages.len()];
        let mut path: Vec<PackageId> = Vec::new();
        let mut stack = vec![self.roots(filter).into_iter()];
        let mut last: Vec<bool> = Vec::new();
        while let Some(needs) = stack.last_mut() {
            let Some(need) = needs.next() else {
                stack.pop();
                path.pop();
                continue;
            };
            let deep = stack.len() >= filter.depth;
            let below = need.target.filter(|_| !deep).map(|id| self.needs(id, filter)).unwrap_or_default();
            let cycle = need.target.is_some_and(|id| path.contains(&id));
            let repeated = !cycle
                && !below.is_empty()
                && need.target.is_some_and(|id| std::mem::replace(&mut seen[id.index()], true));
            last.clear();
            last.extend(stack.iter().map(|needs| needs.as_slice().is_empty()));
            if !visit(&last, &need, repeated, cycle) {
                return;
            }
            if let (Some(id), false, false, false) = (need.target, cycle, repeated, below.is_empty()) {
                path.push(id);
                stack.push(below.into_iter());
            }
        }
    }
}

pub fn tree(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let mut all = Here::open(invocation, settings, ui)?;
    let words = invocation.argument_texts()?;
    let filter = Filter {
        dev: !invocation.has("no-dev"),
        peer: invocation.has("peer"),
        depth: depth(invocation).unwrap_or(usize::MAX),
    };
    if !words.is_empty() {
        for here in &mut all {
            let reached = here.reached(&Filter { peer: true, depth: usize::MAX, ..filter });
            let mut ids = Vec::new();
            for word in &words {
                ids.extend(here.named(word)?.into_iter().filter(|id| reached[id.index()].is_some()));
            }
            here.at = Some(ids);
        }
    }
    draw(&all, invocation, &filter, !invocation.has("no-versions"), ui)?;
    Ok(Status::Done)
}

/// One document: of one folder, or with `--filter` of those that it names.
fn document(
    all: &[Here],
    invocation: &Invocation,
    one: &dyn Fn(&mut Object<'_>, &Here),
    ui: &mut Ui,
) -> Result<()> {
    ui.json(|o| match all {
        [here] if !invocation.has("filter") => one(o, here),
        all => o.array("members", |list| {
            for here in all {
                list.object(|o| {
                    o.text("folder", &here.folder);
                    one(o, here);
                });
            }
        }),
    })
}

fn depth(invocation: &Invocation) -> Option<usize> {
    invocation.number("depth").map(|n| usize::try_from(n).unwrap_or(usize::MAX))
}

fn draw(all: &[Here], invocation: &Invocation, filter: &Filter, versions: bool, ui: &mut Ui) -> Result<()> {
    if ui.is_json() {
        return document(all, invocation, &|o, here| json(here, filter, o), ui);
    }
    all.iter().try_for_each(|here| draw_one(here, filter, versions, ui))
}

fn draw_one(here: &Here, filter: &Filter, versions: bool, ui: &mut Ui) -> Result<()> {
    ui.line(&here.title())?;
    if filter.depth == 0 {
        return Ok(());
    }
    let mut outcome = Ok(());
    here.walk(filter, &mut |last, need, repeated, cycle| {
        let mut text = branches::before(ui.is_unicode(), last);
        text.push_str(&here.shown(need, versions, ui));
        text.push_str(match () {
            () if repeated => " (*)",
            () if cycle => " (cycle)",
            () => "",
        });
        outcome = ui.line(&text);
        outcome.is_ok() && !ui.is_closed()
    });
    outcome
}

/// The project's needs, and every package once with its own: as long as the lockfile, whatever the tree.
fn json(here: &Here, filter: &Filter, o: &mut Object<'_>) {
    let mut reached = vec![false; here.graph.packages.len()];
    let mut level: Vec<PackageId> = Vec::new();
    let mut next: Vec<PackageId> = if filter.depth == 0 {
        Vec::new()
    } else {
        here.roots(filter).iter().filter_map(|n| n.target).collect()
    };
    // Which have their own needs shown: those on the last level have not.
    let mut opened = vec![false; here.graph.packages.len()];
    let mut depth = 1;
    while !next.is_empty() {
        std::mem::swap(&mut level, &mut next);
        next.clear();
        for id in &level {
            reached[id.index()] = true;
            if depth < filter.depth && !std::mem::replace(&mut opened[id.index()], true) {
                next.extend(here.needs(*id, filter).iter().filter_map(|n| n.target));
            }
        }
        depth += 1;
    }
    o.text("project", &here.name);
    o.maybe_text("version", here.version.as_deref());
    needs_in(o, here, if filter.depth == 0 { Vec::new() } else { here.roots(filter) });
    o.array("packages", |list| {
        for id in here.graph.ids().filter(|id| reached[id.index()]) {
            list.object(|o| {
                package_in(o, here, id);
                needs_in(o, here, if opened[id.index()] { here.needs(id, filter) } else { Vec::new() });
            });
        }
    });
}

fn package_in(o: &mut Object<'_>, here: &Here, id: PackageId) {
    let package = here.graph.package(id);
    o.number("id", u64::from(id.0));
    o.text("name", package.name.as_str());
    o.text("version", &package.version.to_string());
    o.truth("installed", here.is_installed(id));
    o.maybe_text("deprecated", package.deprecated.as_deref());
}

fn needs_in(o: &mut Object<'_>, here: &Here, needs: Vec<Need<'_>>) {
    o.array("dependencies", |list| {
        for need in &needs {
            list.object(|o| need_in(o, here, need));
        }
    });
}

fn need_in(o: &mut Object<'_>, here: &Here, need: &Need<'_>) {
    o.text("name", need.alias);
    o.text("range", need.range);
    o.text("kind", if need.kind.is_empty() { "normal" } else { need.kind });
    match need.target {
        Some(id) => {
            o.text("version", &here.graph.package(id).version.to_string());
            o.number("id", u64::from(id.0));
        }
        None => o.null("version"),
    }
}

/// The project's own dependencies; with `--all` every package, with `--depth` the tree.
pub fn list(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let mut all = Here::open(invocation, settings, ui)?;
    let filter =
        Filter { dev: !invocation.has("production"), peer: false, depth: depth(invocation).unwrap_or(0) };
    let patterns = invocation.argument_texts()?;
    if invocation.has("depth") {
        // `npm ls --depth 0` means the project's own.
        let filter = Filter { depth: filter.depth.saturating_add(1), ..filter };
        if !patterns.is_empty() {
            for here in &mut all {
                let mut at = Vec::new();
                listed(here, &filter, &patterns, invocation.has("all"), &mut |needs| {
                    at.extend(needs.iter().filter_map(|n| n.target));
                });
                here.at = Some(at);
            }
        }
        draw(&all, invocation, &filter, true, ui)?;
        return Ok(Status::Done);
    }
    let deep = invocation.has("all");
    if ui.is_json() {
        let one = |o: &mut Object<'_>, here: &Here| {
            o.text("project", &here.name);
            o.maybe_text("version", here.version.as_deref());
            listed(here, &filter, &patterns, deep, &mut |needs| {
                o.array("packages", |list| {
                    for need in needs {
                        list.object(|o| {
                            need_in(o, here, need);
                            o.truth("installed", need.target.is_some_and(|id| here.is_installed(id)));
                        });
                    }
                });
            });
        };
        document(&all, invocation, &one, ui)?;
        return Ok(Status::Done);
    }
    let (mut missing, mut some) = (false, false);
    let mut outcome = Ok(());
    for here in &all {
        let indent = if invocation.has("filter") { "  " } else { "" };
        if !indent.is_empty() {
            ui.line(&here.title())?;
        }
        listed(here, &filter, &patterns, deep, &mut |needs| {
            some |= !needs.is_empty();
            for need in needs {
                let mut text = format!("{indent}{}", here.shown(need, true, ui));
                if need.target.is_some_and(|id| here.included[id.index()] && !here.is_installed(id)) {
                    text.push_str(" (not installed)");
                    missing = true;
                }
                if outcome.is_ok() {
                    outcome = ui.line(&text);
                }
            }
        });
    }
    outcome?;
    if missing {
        ui.hint("`pantry install` puts the packages in place");
    }
    if !patterns.is_empty() && !some {
        ui.note("no package has such a name");
    }
    Ok(Status::Done)
}

/// What `list` shows of one folder.
fn listed(here: &Here, filter: &Filter, patterns: &[&str], all: bool, with: &mut dyn FnMut(&[Need<'_>])) {
    let matches = |name: &str| patterns.is_empty() || patterns.iter().any(|p| filter::fits(p, name));
    let mut needs = here.roots(filter);
    let names: Vec<String>;
    if all {
        let reached: HashSet<PackageId> = {
            let mut all = HashSet::new();
            here.walk(&Filter { depth: usize::MAX, peer: true, dev: filter.dev }, &mut |_, need, _, _| {
                all.extend(need.target);
                true
            });
            all
        };
        names = here.graph.packages.iter().map(|p| p.version.to_string()).collect();
        needs = here
            .graph
            .ids()
            .filter(|id| reached.contains(id) && here.included[id.index()])
            .map(|id| Need {
                alias: here.graph.package(id).name.as_str(),
                range: &names[id.index()],
                kind: "",
                target: Some(id),
            })
            .collect();
    }
    needs.retain(|n| matches(n.alias));
    with(&needs);
}

pub fn why(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let folders = Here::open(invocation, settings, ui)?;
    let words = invocation.argument_texts()?;
    let most = depth(invocation).unwrap_or(usize::MAX);
    let found = folders.iter().map(|here| chains(here, &words, most)).collect::<Result<Vec<_>>>()?;
    if ui.is_json() {
        let at = |here: &Here| folders.iter().position(|f| f.folder == here.folder).unwrap_or(0);
        let one = |o: &mut Object<'_>, here: &Here| {
            o.text("project", &here.name);
            o.array("packages", |list| {
                for (id, chains) in &found[at(here)] {
                    list.object(|o| {
                        package_in(o, here, *id);
                        o.array("chains", |list| {
                            for chain in chains {
                                list.object(|o| {
                                    o.texts("above", &chain.above);
                                    need_in(o, here, &chain.need);
                                });
                            }
                        });
                    });
                }
            });
        };
        document(&folders, invocation, &one, ui)?;
        return Ok(Status::Done);
    }
    for (here, found) in folders.iter().zip(&found) {
        for (id, chains) in found {
            if chains.is_empty() && most == usize::MAX {
                ui.note(&format!("{} does not need {}", here.title(), here.spec(*id)));
            }
            for chain in chains {
                let mut text = here.title();
                chain.above.iter().for_each(|link| text.extend([" -> ", link]));
                let kind =
                    if chain.need.kind.is_empty() { String::new() } else { format!(", {}", chain.need.kind) };
                let alias = match chain.need.alias == here.graph.package(*id).name.as_str() {
                    true => String::new(),
                    false => format!(" as {}", chain.need.alias),
                };
                text.push_str(&format!(" -> {}{alias} ({}{kind})", here.spec(*id), escape(chain.need.range)));
                ui.line(&text)?;
            }
        }
    }
    Ok(Status::Done)
}

/// Every way from here to the packages of these names.
fn chains<'a>(here: &'a Here, words: &[&str], most: usize) -> Result<Vec<(PackageId, Vec<Chain<'a>>)>> {
    let all = Filter { dev: true, peer: true, depth: usize::MAX };
    let reached = here.reached(&all);
    let mut found: Vec<(PackageId, Vec<Chain<'_>>)> = Vec::new();
    for &word in words {
        for id in here.named(word)? {
            let mut chains = Vec::new();
            let of_project = here.roots(&all).into_iter().filter(|n| n.target == Some(id));
            chains.extend(of_project.map(|need| Chain { above: Vec::new(), need }));
            for from in here.graph.ids().filter(|from| reached[from.index()].is_some()) {
                for need in here.needs(from, &all).into_iter().filter(|n| n.target == Some(id)) {
                    let mut above = vec![here.spec(from)];
                    let mut at = from;
                    while let Some(by) = reached[at.index()].flatten() {
                        above.push(here.spec(by));
                        at = by;
                    }
                    above.reverse();
                    chains.push(Chain { above, need });
                }
            }
            chains.retain(|c| c.above.len() < most);
            mirror::order::sort_by(&mut chains, |a: &Chain<'_>, b: &Chain<'_>| {
                (a.above.len(), &a.above).cmp(&(b.above.len(), &b.above))
            });
            found.push((id, chains));
        }
    }
    Ok(found)
}

/// The shortest way to somebody who needs a package.
struct Chain<'a> {
    /// `name@version`, from the project down.
    above: Vec<String>,
    need: Need<'a>,
}

fn unknown(word: &str, name: &str, here: &Here) -> Box<Error> {
    let near = suggest::closest(name, here.graph.packages.iter().map(|p| p.name.as_str()));
    let hint = match near {
        Some(near) if near != name => format!("did you mean `{near}`?"),
        _ => "`pantry list --all` shows what is there".into(),
    };
    let message = format!("{} is not a package of this project", escape(word));
    Box::new(Error::Other { status: Status::Failed, message, hints: vec![hint] })
}
