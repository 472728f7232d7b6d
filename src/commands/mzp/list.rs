//! `mzp list`: what the lock holds, and how it stands in `packages/`.

use crate::cli::Invocation;
use crate::error::{Result, Status};
use crate::settings::Settings;
use crate::ui::Ui;
use mzp::install::mark::{State, state};
use mzp::lockfile::Lock;
use mzp::manifest::Manifest;

pub fn run(_: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let manifest = Manifest::find(&super::start(settings, ui)?)?;
    let lock = Lock::require(&manifest)?;
    let mut rows = Vec::new();
    for p in &lock.packages {
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
                        o.text("state", state);
                    });
                }
            });
        })?;
        return Ok(Status::Done);
    }
    for (p, state) in &rows {
        let state = if *state == "whole" { String::new() } else { format!(" ({state})") };
        ui.line(&format!("{} {}{state}", p.name, p.version))?;
    }
    if rows.iter().any(|(_, state)| *state != "whole") {
        ui.hint("`mzp install` puts the packages in place");
    }
    Ok(Status::Done)
}
