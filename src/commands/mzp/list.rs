//! `mzp list`: what the lock holds, and how it stands in `packages/`.

use crate::cli::Invocation;
use crate::error::{Result, Status};
use crate::settings::Settings;
use crate::ui::Ui;
use mirror::name::escape;
use mzp::install::mark::{State, state};
use mzp::lockfile::Lock;
use mzp::manifest::Manifest;
use mzp::origin::Origin;

pub fn run(_: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let manifest = Manifest::find(&super::start(settings, ui)?)?;
    let lock = Lock::require(&manifest)?;
    let mut rows = Vec::new();
    for p in &lock.packages {
        if let Origin::Folder(folder) = &p.origin {
            let is = Manifest::load(&folder.path(manifest.root()))?.is_some_and(|m| m.version == p.version);
            rows.push((p, if is { "folder" } else { "changed" }));
            continue;
        }
        let state = match state(&manifest.root().join("packages").join(p.name.as_str()))? {
            State::Whole(m) if m.version == p.version && m.sha256 == p.sha256 => "whole",
            State::Whole(_) => "another version",
            State::Changed => "changed",
            State::Absent => "not installed",
            State::Foreign => "not from mzp",
        };
        rows.push((p, state));
    }
    if ui.is_json() {
        ui.json(|o| {
            o.text("project", manifest.name.as_str());
            o.array("packages", |list| {
                for (p, state) in &rows {
                    list.object(|o| {
                        o.text("name", p.name.as_str());
                        o.text("version", &p.version.to_string());
                        o.text("sha256", &p.sha256.to_string());
                        if p.origin != Origin::Registry {
                            o.text("source", &p.origin.to_string());
                        }
                        o.text("state", state);
                    });
                }
            });
        })?;
        return Ok(Status::Done);
    }
    for (p, state) in &rows {
        let state = if is_well(state) { String::new() } else { format!(" ({state})") };
        let from = if p.origin == Origin::Registry { String::new() } else { format!(" {}", p.origin) };
        ui.line(&escape(&format!("{} {}{from}{state}", p.name, p.version)))?;
    }
    if rows.iter().any(|(_, state)| !is_well(state)) {
        ui.hint("`mzp install` puts the packages in place");
    }
    Ok(Status::Done)
}

/// Nothing has to be done for it.
fn is_well(state: &str) -> bool {
    matches!(state, "whole" | "folder")
}
