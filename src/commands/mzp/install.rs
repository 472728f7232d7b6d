//! `mzp install [NAME…]`, `add`, `remove` and `update`: `mzp.toml` as it is or is
//! to be, from mirrors into `packages/`.

use crate::cli::Invocation;
use crate::commands::bar::waiting;
use crate::commands::install::{done_words, plan_words};
use crate::commands::mirror::count;
use crate::error::{Error, Result, Status};
use crate::install::fill::Busy;
use crate::settings::Settings;
use crate::ui::{Ui, Unit};
use mirror::name::{MinzName, escape};
use mirror::version::Version;
use mzp::install::{Options, Plan, Step, lock, plan, run as carry_out, vendor};
use mzp::manifest::edit::Table;
use mzp::requirement::Requirement;

pub fn run(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let options = Options {
        add: packages(invocation)?,
        frozen: invocation.has("frozen-lockfile"),
        ..Options::default()
    };
    install(&options, invocation, settings, ui)
}

pub fn add(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let table = match (invocation.text("platform")?, invocation.has("dev")) {
        (Some(_), true) => {
            return Err(Error::Usage {
                message: "--dev and --platform name two different tables of mzp.toml".into(),
                hint: None,
            });
        }
        (Some(name), false) => Table::Platform(super::platform(name)?),
        (None, true) => Table::Dev,
        (None, false) => Table::Dependencies,
    };
    install(&Options { add: packages(invocation)?, table, ..Options::default() }, invocation, settings, ui)
}

pub fn remove(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    install(&Options { remove: super::names(invocation)?, ..Options::default() }, invocation, settings, ui)
}

pub fn update(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    install(
        &Options { update: Some(super::names(invocation)?), ..Options::default() },
        invocation,
        settings,
        ui,
    )
}

/// Installs, and what keeps the packages with the project.
pub fn vendor(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let dry = invocation.has("dry-run");
    let plan = work(&Options::default(), dry, settings, ui)?;
    let missing = if plan.lock.packages.is_empty() { Vec::new() } else { vendor::missing(&plan.root) };
    if !dry && !missing.is_empty() {
        vendor::write(&plan.root)?;
    }
    for path in missing {
        match (dry, ui.is_json()) {
            (_, true) => {}
            (true, _) => ui.line(&format!("+ {}", super::shown(&path, &plan.root)))?,
            (false, _) => ui.added(&super::shown(&path, &plan.root)),
        }
    }
    if let Some(line) = vendor::hidden(&plan.root)? {
        ui.warn(&format!("`{}` in .gitignore leaves packages/ out of version control", escape(&line)));
    }
    say(&plan, dry, ui)
}

fn install(options: &Options, invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let dry = invocation.has("dry-run");
    let plan = work(options, dry, settings, ui)?;
    say(&plan, dry, ui)
}

/// The plan, carried out unless it is a dry run.
fn work(options: &Options, dry: bool, settings: &Settings, ui: &mut Ui) -> Result<Plan> {
    let start = super::start(settings, ui)?;
    let registry = super::registry(settings, ui.progress("Installing", Unit::Packages));
    let project = (!dry).then(|| lock(&start, &mut || ui.status(&waiting(Busy::Project)))).transpose()?;
    let plan = plan(&start, &registry, options)?;
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
    Ok(plan)
}

fn say(plan: &Plan, dry: bool, ui: &mut Ui) -> Result<Status> {
    match ui.is_json() {
        true => report(plan, dry, ui)?,
        false => tell(plan, dry, ui)?,
    }
    Ok(Status::Done)
}

fn packages(invocation: &Invocation) -> Result<Vec<(MinzName, Option<Requirement>)>> {
    invocation.argument_texts()?.into_iter().map(package).collect()
}

/// `zx-graphics` or `zx-graphics@^1.0`; other sources are not built yet.
fn package(text: &str) -> Result<(MinzName, Option<Requirement>)> {
    if text.starts_with(['.', '/']) || text.contains('/') || text.contains(':') {
        return Err(Error::NotBuilt {
            what: format!("installing `{}` (a folder, GitHub or a URL)", escape(text)),
        });
    }
    let (name, requirement) = match text.split_once('@') {
        Some((name, requirement)) => (name, Some(super::parsed(Requirement::parse(requirement))?)),
        None => (text, None),
    };
    Ok((super::parsed(MinzName::parse(name))?, requirement))
}

fn tell(plan: &Plan, dry: bool, ui: &mut Ui) -> Result<()> {
    // Packages that came, changed and went.
    let mut numbers = [0; 3];
    for (name, step) in &plan.steps {
        let (which, line) = match (step, moved(plan, name, step)) {
            (_, Some((from, to))) => {
                (usize::from(matches!(step, Step::Replace { .. })), format!("{name} {from} -> {to}"))
            }
            (step, None) => match step {
                Step::Keep(_) | Step::Replace { .. } => continue,
                Step::Add(version) => (0, format!("{name}@{version}")),
                Step::Restore(version) => (1, format!("{name}@{version} (its files had changed)")),
                Step::Remove => (2, name.to_string()),
            },
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

/// From and to, of a package that changed its version: in packages/, or where it
/// is not there, in the lock.
fn moved<'a>(plan: &'a Plan, name: &MinzName, step: &'a Step) -> Option<(&'a Version, &'a Version)> {
    match step {
        Step::Replace { from, to } if from != to => Some((from, to)),
        Step::Add(to) => {
            let from = &plan.old.as_ref()?.get(name)?.version;
            (from != to).then_some((from, to))
        }
        _ => None,
    }
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
                    if let Some((from, _)) = step.and_then(|step| moved(plan, &p.name, step)) {
                        o.text("from", &from.to_string());
                    }
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
