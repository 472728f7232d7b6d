//! `mzp tree` and `mzp why`: who depends on whom.

use crate::cli::Invocation;
use crate::error::{Result, Status};
use crate::settings::Settings;
use crate::ui::json::Object;
use crate::ui::{Ui, branches};
use mirror::name::{MinzName, escape};
use mzp::graph::{Edge, Graph, Line, Why};
use mzp::lockfile::Lock;
use mzp::manifest::Manifest;
use mzp::program::active::Active;
use mzp::suggestion::nearest;

/// Most chains that `why` shows.
const CHAINS: usize = 20;

pub fn run(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let manifest = Manifest::find(&super::start(settings, ui)?)?;
    let mut graph = Graph::of(&manifest, &Lock::require(&manifest)?);
    // What one build needs is said by the packages themselves.
    if ["target", "features", "no-default-features"].iter().any(|flag| invocation.has(flag)) {
        let platform = super::target(invocation, settings, &manifest)?;
        let selection = super::selection(invocation, true)?;
        graph.select(&Active::select(&manifest, platform, &selection, None)?);
    }
    if ui.is_json() {
        ui.json(|o| {
            o.text("project", manifest.name.as_str());
            o.text("version", &manifest.version.to_string());
            edges(o, &graph.roots);
            o.array("packages", |list| {
                for (name, (version, below)) in graph.packages.iter() {
                    list.object(|o| {
                        o.text("name", name.as_str());
                        o.text("version", &version.to_string());
                        edges(o, below);
                    });
                }
            });
        })?;
        return Ok(Status::Done);
    }
    ui.line(&format!("{} {}", manifest.name, manifest.version))?;
    let mut outcome = Ok(());
    graph.walk(&mut |last, edge, line| {
        let mut text = branches::before(ui.is_unicode(), last);
        text.push_str(&shown(&graph, edge));
        text.push_str(marks(edge).as_str());
        text.push_str(match line {
            Line::Full => "",
            Line::Repeated => " (*)",
            Line::Cycle => " (cycle)",
        });
        outcome = ui.line(&text);
        outcome.is_ok() && !ui.is_closed()
    });
    outcome?;
    Ok(Status::Done)
}

pub fn why(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let manifest = Manifest::find(&super::start(settings, ui)?)?;
    let lock = Lock::require(&manifest)?;
    let graph = Graph::of(&manifest, &lock);
    let name = super::parsed(MinzName::parse(invocation.argument(0)?.unwrap_or_default()))?;
    let Some(locked) = lock.get(&name) else {
        let known = lock.packages.iter().map(|p| p.name.as_str());
        let suggestion = nearest(name.as_str(), known).map(String::from);
        return Err(mzp::Error::NotNamed { file: mzp::lockfile::FILE, name, suggestion }.into());
    };
    let why = graph.why(&name, &manifest.platforms(), CHAINS);
    let only = only(&why);
    if ui.is_json() {
        ui.json(|o| {
            o.text("name", name.as_str());
            o.text("version", &locked.version.to_string());
            o.array("chains", |list| {
                for chain in &why.chains {
                    list.array(|links| {
                        for edge in chain {
                            links.object(|o| edge_in(o, edge));
                        }
                    });
                }
            });
            o.truth("more", why.more);
            o.texts("only", &only);
        })?;
        return Ok(Status::Done);
    }
    for chain in &why.chains {
        let links: Vec<_> = chain
            .iter()
            .map(|edge| {
                format!("{} ({}){}", shown(&graph, edge), escape(edge.need.requirement.as_str()), marks(edge))
            })
            .collect();
        ui.line(&format!("{} -> {}", manifest.name, links.join(" -> ")))?;
    }
    if why.more {
        ui.note("there are more chains than are shown");
    }
    if !only.is_empty() {
        ui.note(&format!("{name} is only there {}", only.join(" and ")));
    }
    Ok(Status::Done)
}

fn only(why: &Why<'_>) -> Vec<String> {
    let mut only = Vec::new();
    if !why.only_for.is_empty() {
        let names: Vec<_> = why.only_for.iter().map(|p| p.name).collect();
        only.push(format!("for {}", names.join(", ")));
    }
    if why.only_dev {
        only.push("for tests and examples".into());
    }
    if why.only_optional {
        only.push("for a feature".into());
    }
    only
}

fn shown(graph: &Graph, edge: &Edge) -> String {
    let name = &edge.need.name;
    graph.packages.get(name).map_or_else(|| name.to_string(), |(version, _)| format!("{name} {version}"))
}

fn marks(edge: &Edge) -> String {
    let mut out = String::new();
    if let Some(platform) = edge.need.platform {
        out.push_str(&format!(" (for {platform})"));
    }
    if edge.dev {
        out.push_str(" (dev)");
    }
    if edge.need.optional {
        out.push_str(" (optional)");
    }
    out
}

fn edges(o: &mut Object<'_>, edges: &[Edge]) {
    o.array("dependencies", |list| edges.iter().for_each(|edge| list.object(|o| edge_in(o, edge))));
}

fn edge_in(o: &mut Object<'_>, edge: &Edge) {
    o.text("name", edge.need.name.as_str());
    o.text("requirement", edge.need.requirement.as_str());
    o.maybe_text("target", edge.need.platform.map(|p| p.name));
    o.truth("dev", edge.dev);
    o.truth("optional", edge.need.optional);
}
