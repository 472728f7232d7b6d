//! `mzp doctor`: what is in order here, what is missing, and what helps.

use crate::cli::Invocation;
use crate::error::{Result, Status};
use crate::settings::Settings;
use crate::ui::{Ui, Unit};
use mirror::name::escape;
use mzp::doctor::{Check, Health, Options, doctor};

pub fn run(_: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let start = settings.working_directory()?;
    let bar = ui.progress("Looking", Unit::Packages);
    let home = settings.home_mirror().ok().map(|home| (home, false));
    let mirrors = settings.mirrors.iter().map(|dir| (dir.clone(), true)).chain(home);
    let checks = doctor(&Options {
        compiler: super::build::compiler(settings, &start),
        path: settings.search_path(),
        scratch: settings.temporary_directory().join(format!("mzp-doctor-{}", std::process::id())),
        emulator: settings.emulator.as_deref(),
        default_target: settings.default_target,
        mirrors: mirrors
            .map(|(dir, named)| (dir.clone(), super::only(dir, settings, bar.clone()), named))
            .collect(),
        start: &start,
    });
    ui.end_progress();
    let version = format!("mzp {}", env!("CARGO_PKG_VERSION"));
    let word = |check: &Check| match check.health {
        Health::Ok => "ok",
        Health::Missing => "missing",
        Health::Broken => "broken",
    };
    let broken = checks.iter().any(|check| check.health == Health::Broken);
    if ui.is_json() {
        ui.json(|o| {
            o.text("version", &version);
            o.truth("builds", !broken);
            o.array("checks", |list| {
                for check in &checks {
                    list.object(|o| {
                        o.text("what", check.what);
                        o.text("state", word(check));
                        o.text("found", &check.found);
                        o.maybe_text("hint", (!check.hint.is_empty()).then_some(check.hint));
                    });
                }
            });
        })?;
    } else {
        ui.line(&format!("ok      {version}"))?;
        for check in &checks {
            let found = check.found.lines().map(escape).collect::<Vec<_>>().join("\n        ");
            ui.line(&format!("{:7} {}: {found}", word(check), check.what))?;
            if !check.hint.is_empty() {
                ui.line(&format!("        hint: {}", check.hint))?;
            }
        }
    }
    Ok(if broken { Status::Failed } else { Status::Done })
}
