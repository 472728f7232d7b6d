//! `mzp install [NAME…]`: what mzp.toml asks for, from mirrors into `packages/`.

use crate::cli::Invocation;
use crate::commands::bar::waiting;
use crate::commands::install::{done_words, plan_words};
use crate::commands::mirror::count;
use crate::error::{Error, Result, Status};
use crate::install::fill::Busy;
use crate::settings::Settings;
use crate::ui::{Ui, Unit};
use mirror::name::{MinzName, escape};
use mzp::install::{Options, Plan, Step, lock, plan, run as carry_out};
use mzp::requirement::Requirement;

pub fn run(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let (start, elsewhere) = super::project(settings)?;
    if let Some(folder) = elsewhere {
        ui.note(&format!("the project is {folder}"));
    }
    let add = invocation.argument_texts()?.into_iter().map(package).collect::<Result<_>>()?;
    let registry = super::registry(settings, ui.progress("Installing", Unit::Packages));
    let options = Options { add, frozen: invocation.has("frozen-lockfile") };
    let dry = invocation.has("dry-run");
    let project = (!dry).then(|| lock(&start, &mut || ui.status(&waiting(Busy::Project)))).transpose()?;
    let plan = plan(&start, &registry, &options)?;
    if let Some(project) = &project {
        let mut done = Vec::new();
        let outcome = carry_out(&plan, project, &registry, &mut |name| done.push(name.to_string()));
        ui.end_progress();
        for name in done {
            ui.detail(&format!("unpacked {name}"));
        }
        outcome?;
    }
    ui.end_progress();
    if ui.is_json() {
        report(&plan, dry, ui)?;
    } else {
        tell(&plan, dry, ui)?;
    }
    Ok(Status::Done)
}

/// `zx-graphics` or `zx-graphics@^1.0`; other sources are not built yet.
fn package(text: &str) -> Result<(MinzName, Option<Requirement>)> {
    if text.starts_with(['.', '/']) || text.contains('/') || text.contains(':') {
        return Err(Error::NotBuilt {
            what: format!("installing `{}` (a folder, GitHub or a URL)", escape(text)),
        });
    }
    let usage = |e: mirror::name::NameError| Error::Usage { message: e.to_string(), hint: None };
    let (name, requirement) = match text.split_once('@') {
        Some((name, requirement)) => (name, Some(Requirement::parse(requirement).map_err(usage)?)),
        None => (text, None),
    };
    Ok((MinzName::parse(name).map_err(usage)?, requirement))
}

fn tell(plan: &Plan, dry: bool, ui: &mut Ui) -> Result<()> {
    // Packages that came, changed and went.
    let mut numbers = [0; 3];
    for (name, step) in &plan.steps {
        let (which, line) = match step {
            Step::Keep(_) => continue,
            Step::Add(version) => (0, format!("{name}@{version}")),
            Step::Replace { from, to } => (1, format!("{name}@{to} (was {from})")),
            Step::Restore(version) => (1, format!("{name}@{version} (its files had changed)")),
            Step::Remove => (2, name.to_string()),
        };
        numbers[which] += 1;
        match (dry, which) {
            (true, 2) => ui.line(&format!("- {line}"))?,
            (true, _) => ui.line(&format!("+ {line}"))?,
            (false, 2) => ui.removed(&line),
            (false, _) => ui.added(&line),
        }
    }
    let all = plan.lock.packages.len();
    if dry {
        ui.note(&plan_words(numbers, all).unwrap_or_else(|| "Dry run: nothing to do".into()));
    } else if numbers == [0; 3] {
        ui.success(&format!("Up to date: {}", count(all as u64, "package", "packages")));
    } else {
        ui.success(&format!("{} in packages/", done_words(numbers, all)));
    }
    Ok(())
}

fn report(plan: &Plan, dry: bool, ui: &mut Ui) -> Result<()> {
    ui.json(|document| {
        document.truth("dryRun", dry);
        document.truth("changed", !plan.is_nothing());
        document.array("packages", |list| {
            for p in &plan.lock.packages {
                let step = plan.steps.iter().find(|(name, _)| *name == p.name).map(|(_, step)| step);
                list.object(|o| {
                    o.text("name", p.name.as_str());
                    o.text("version", &p.version.to_string());
                    o.text("sha256", &p.sha256.to_string());
                    o.text(
                        "action",
                        match step {
                            Some(Step::Add(_)) => "add",
                            Some(Step::Replace { .. }) => "replace",
                            Some(Step::Restore(_)) => "restore",
                            _ => "keep",
                        },
                    );
                });
            }
        });
        document.array("removed", |list| {
            for (name, _) in plan.steps.iter().filter(|(_, step)| *step == Step::Remove) {
                list.text(name.as_str());
            }
        });
    })
}
