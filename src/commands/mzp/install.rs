//! `mzp install [NAME…]`, `add`, `remove` and `update`: `mzp.toml` as it is or is
//! to be, from mirrors into `packages/`.

use crate::cli::Invocation;
use crate::commands::install::{done_words, plan_words};
use crate::commands::mirror::count;
use crate::error::{Error, Result, Status, day};
use crate::install::fill::Busy;
use crate::project::bar::waiting;
use crate::settings::Settings;
use crate::ui::Ui;
use mirror::Mirror;
use mirror::name::{MinzName, escape};
use mirror::version::Version;
use mzp::install::{Options, Plan, Step, lock, plan, run as carry_out, vendor};
use mzp::lockfile::Locked;
use mzp::manifest::Manifest;
use mzp::manifest::edit::Table;
use mzp::origin::{Origin, Word};
use mzp::registry::{Registry, key};
use mzp::requirement::Requirement;
use std::path::Path;

pub fn run(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let options = Options {
        add: packages(invocation, settings)?,
        frozen: super::frozen(invocation),
        ..Options::default()
    };
    install(&options, invocation, settings, ui)
}

pub fn add(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let table = match (invocation.text("platform")?, invocation.has("dev")) {
        (Some(_), true) => {
            return Err(Box::new(Error::Usage {
                message: "--dev and --platform name two different tables of mzp.toml".into(),
                hint: None,
            }));
        }
        (Some(name), false) => Table::Platform(super::platform(name)?),
        (None, true) => Table::Dev,
        (None, false) => Table::Dependencies,
    };
    install(
        &Options { add: packages(invocation, settings)?, table, ..Options::default() },
        invocation,
        settings,
        ui,
    )
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
    let outside = |p: &&Locked| matches!(&p.origin, Origin::Folder(f) if f.to_string().starts_with(".."));
    for p in plan.lock.packages.iter().filter(outside) {
        ui.warn(&format!("{} stays where it is, outside the project ({})", p.name, shown(Some(&p.origin))));
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
    let registry = super::registry(settings, &start, "Installing", ui)?;
    let project = (!dry).then(|| lock(&start, &mut || ui.status(&waiting(Busy::Project)))).transpose()?;
    let plan = plan(&start, &registry, options).inspect_err(|e| {
        super::notes(&registry, ui);
        missed(e, options, &start, &registry, settings, ui);
    })?;
    if let Some(project) = &project {
        let mut done = Vec::new();
        let outcome = carry_out(&plan, project, &registry, &mut |name| done.push(name.to_string()));
        ui.end_progress();
        for name in done {
            ui.detail(&format!("unpacked {name}"));
        }
        outcome?;
    }
    super::notes(&registry, ui);
    if !dry {
        super::index(settings, ui);
    }
    Ok(plan)
}

/// What is in no mirror goes on this machine's list, with all else that the project asks for and no mirror has.
fn missed(
    error: &mzp::Error,
    options: &Options,
    start: &Path,
    registry: &Registry,
    settings: &Settings,
    ui: &mut Ui,
) {
    let (name, version) = match error {
        mzp::Error::UnknownPackage { name, registry: None, .. } => (Some(name), None),
        mzp::Error::AbsentVersion { name, version, .. } => (Some(name), Some(version)),
        mzp::Error::Conflict(_) if settings.offline.is_some() => (None, None),
        _ => return,
    };
    let asked: Vec<_> = registry.mirrors().unwrap_or_default().iter().map(Mirror::id).collect();
    if let Some(name) = name {
        let text = version.map(Version::to_string);
        if let Some(seen) = settings.misses.seen_beside(&key(name), text.as_deref(), &asked) {
            ui.note(&format!("{name} was last seen on \"{}\", {}", escape(&seen.label), day(seen.date)));
        }
    }
    let Ok(manifest) = Manifest::find(start) else { return };
    let platforms = manifest.platforms().iter().map(|p| p.name).collect::<Vec<_>>().join(",");
    let mut wanted: Vec<(MinzName, String)> = Vec::new();
    let asks = |word: &Word| match word {
        Word::Name(name, requirement) => {
            Some((name.clone(), requirement.clone().unwrap_or_else(Requirement::any)))
        }
        _ => None,
    };
    let dev = manifest.dev_dependencies.iter().map(|d| (None, d));
    let own = manifest.all_dependencies().chain(dev).map(|(_, d)| d);
    let own = own.filter(|d| d.origin == Origin::Registry).map(|d| (d.name.clone(), d.requirement.clone()));
    for (name, requirement) in own.chain(options.add.iter().filter_map(asks)) {
        let versions = registry.versions_of(&Origin::Registry, &name).unwrap_or_default();
        if !versions.iter().any(|v| requirement.matches(v)) {
            wanted.push((name, requirement.to_string()));
        }
    }
    if let Some(name) = name.filter(|name| wanted.iter().all(|(known, _)| known != *name)) {
        wanted.push((name.clone(), version.map_or_else(|| "*".into(), Version::to_string)));
    }
    for (name, requirement) in wanted {
        settings.misses.note_for(key(&name), &requirement, platforms.clone());
    }
}

fn say(plan: &Plan, dry: bool, ui: &mut Ui) -> Result<Status> {
    match ui.is_json() {
        true => report(plan, dry, ui)?,
        false => tell(plan, dry, ui)?,
    }
    Ok(Status::Done)
}

fn packages(invocation: &Invocation, settings: &Settings) -> Result<Vec<Word>> {
    let here = settings.working_directory()?;
    let word = |text| match super::parsed(Word::parse(text))? {
        Word::Folder(path) => Ok(Word::Folder(here.join(path))),
        word => Ok(word),
    };
    invocation.argument_texts()?.into_iter().map(word).collect()
}

fn tell(plan: &Plan, dry: bool, ui: &mut Ui) -> Result<()> {
    // Packages that came, changed and went.
    let mut numbers = [0; 3];
    // A folder that is used no more: nothing of it was in packages/.
    let old = plan.old.iter().flat_map(|old| &old.packages);
    let left = old.filter(|p| matches!(p.origin, Origin::Folder(_)) && plan.lock.get(&p.name).is_none());
    let left: Vec<_> = left.map(|p| (p.name.clone(), Step::Remove)).collect();
    for (name, step) in plan.steps.iter().chain(&left) {
        let (which, line) = match (step, moved(plan, name, step)) {
            (_, Some((from, to))) => {
                (usize::from(matches!(step, Step::Replace { .. })), format!("{name} {from} -> {to}"))
            }
            (step, None) => match step {
                Step::Keep(_) | Step::Replace { .. } => continue,
                Step::Folder(_) if plan.old.as_ref().is_some_and(|old| old.get(name).is_some()) => continue,
                Step::Folder(version) => {
                    (0, format!("{name}@{version} ({})", shown(plan.lock.get(name).map(|p| &p.origin))))
                }
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

fn shown(origin: Option<&Origin>) -> String {
    escape(&origin.map(ToString::to_string).unwrap_or_default()).into_owned()
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
                    if p.origin != Origin::Registry {
                        o.text("source", &p.origin.to_string());
                    }
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
