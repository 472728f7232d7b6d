//! `pantry cache:stats`, `pantry cache:clear`, `pantry store verify`.

use super::mirror::{count, size};
use crate::cli::Invocation;
use crate::error::{Result, Status};
use crate::install::fill::Busy;
use crate::install::{cache, prune, verify};
use crate::project::bar::waiting;
use crate::settings::Settings;
use crate::ui::{Ui, Unit};
use mirror::name::escape;

pub fn stats(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let dir = settings.store()?;
    // Environments are not in this version.
    let stats = if invocation.has("env-only") { cache::Stats::default() } else { cache::all(&dir)? };
    if ui.is_json() {
        ui.json(|o| {
            o.text("store", &dir.to_string_lossy());
            o.number("packages", stats.packages);
            o.number("files", stats.files);
            o.number("bytes", stats.bytes);
            o.number("sharedTrees", stats.shared_trees);
            o.number("pxTrees", stats.px_trees);
            o.number("onDisk", stats.on_disk);
        })?;
        return Ok(Status::Done);
    }
    ui.line(&format!("store         {}", mirror::name::escape(&dir.to_string_lossy())))?;
    ui.line(&format!("packages      {} ({} in {} files)", stats.packages, size(stats.bytes), stats.files))?;
    ui.line(&format!("shared trees  {}", stats.shared_trees))?;
    ui.line(&format!("trees of px   {}", stats.px_trees))?;
    ui.line(&format!("on disk       {}", size(stats.on_disk)))?;
    Ok(Status::Done)
}

pub fn clear(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    // Environments are not in this version: there is nothing of theirs to clear.
    let packages = !invocation.has("env-only");
    let store = packages && super::NPM;
    let waiting = &mut || ui.status(&waiting(Busy::Store));
    let stats = if store { cache::clear(&settings.store()?, waiting)? } else { cache::Stats::default() };
    let builds =
        settings.mzp_home().ok().filter(|_| packages).map(|home| mzp::cache::clear(&home.join("cache")));
    let (builds, built) = builds.unwrap_or_default();
    if ui.is_json() {
        ui.json(|o| {
            o.number("packages", stats.packages);
            o.number("pxTrees", stats.px_trees);
            o.number("bytes", stats.bytes + built);
            o.number("minzBuilds", builds);
        })?;
    } else {
        let packages = count(stats.packages, "package", "packages");
        let mut built = match builds {
            0 => String::new(),
            n => format!(" and {} of MinZ programs ({})", count(n, "build", "builds"), size(built)),
        };
        if stats.px_trees > 0 {
            built.push_str(&format!(" and {} of px", count(stats.px_trees, "tree", "trees")));
        }
        ui.success(&format!(
            "Removed {packages} ({}) from the store{built}; mirrors are untouched",
            size(stats.bytes)
        ));
    }
    Ok(Status::Done)
}

/// Everything that is cached: a line each, with its path in the store.
pub fn dump(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let dir = settings.store()?;
    // Environments are not in this version.
    let (entries, trees) = if invocation.has("env-only") { Default::default() } else { cache::dump(&dir)? };
    if ui.is_json() {
        ui.json(|o| {
            o.text("store", &dir.to_string_lossy());
            o.array("packages", |list| {
                for entry in &entries {
                    list.object(|o| {
                        o.text("package", &entry.package);
                        o.text("path", &dir.join(&entry.key).to_string_lossy());
                        o.number("files", entry.files);
                        o.number("bytes", entry.bytes);
                    });
                }
            });
            o.texts("sharedTrees", &trees);
        })?;
        return Ok(Status::Done);
    }
    for entry in &entries {
        let package = escape(&entry.package);
        ui.line(&format!("{}  {package}  {} in {} files", entry.key, size(entry.bytes), entry.files))?;
    }
    trees.iter().try_for_each(|tree| ui.line(&format!("links/{}", escape(tree))))?;
    Ok(Status::Done)
}

/// Removes what no project uses.
pub fn prune(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let dry = invocation.has("dry-run");
    let waiting = &mut || ui.status(&waiting(Busy::Store));
    let report = prune::prune(&settings.home()?, &settings.store()?, dry, waiting)?;
    let removed = report.removed;
    if ui.is_json() {
        ui.json(|o| {
            o.truth("dryRun", dry);
            o.number("projects", report.projects);
            o.texts("packages", &report.packages);
            o.number("bytes", removed.bytes);
            o.number("sharedTrees", removed.shared_trees);
        })?;
        return Ok(Status::Done);
    }
    for package in report.packages.iter().filter(|_| dry) {
        ui.line(&format!("- {}", escape(package)))?;
    }
    let what = format!(
        "{} ({}) and {} that no project uses ({})",
        count(removed.packages, "package", "packages"),
        size(removed.bytes),
        count(removed.shared_trees, "shared tree", "shared trees"),
        count(report.projects, "project is known", "projects are known")
    );
    match dry {
        true => ui.note(&format!("Dry run: would remove {what}; nothing was changed")),
        false => ui.success(&format!("Removed {what}")),
    }
    Ok(Status::Done)
}

pub fn verify(_: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let dir = settings.store()?;
    let bar = ui.progress("Verifying", Unit::Bytes);
    bar.set_total(cache::stats(&dir)?.bytes);
    let waiting = &mut || bar.status(&waiting(Busy::Store));
    let report = verify::verify(&dir, settings.threads(), waiting, &|bytes| bar.add(bytes));
    ui.end_progress();
    let report = report?;
    let status = if report.damaged.is_empty() { Status::Done } else { Status::Refused };
    if ui.is_json() {
        ui.json(|o| {
            o.text("store", &dir.to_string_lossy());
            o.number("packages", report.packages);
            o.number("bytes", report.bytes);
            o.array("damaged", |list| {
                for damaged in &report.damaged {
                    list.object(|o| {
                        o.text("package", &damaged.package);
                        o.text("path", &dir.join(&damaged.place).to_string_lossy());
                        o.array("files", |list| {
                            for (path, what) in &damaged.files {
                                list.object(|o| {
                                    o.text("path", path);
                                    o.text("what", what);
                                });
                            }
                        });
                    });
                }
            });
            if let Some(e) = &report.stuck {
                o.text("stuck", &e.to_string());
            }
        })?;
        return Ok(status);
    }
    for damaged in &report.damaged {
        for (path, what) in &damaged.files {
            let path = dir.join(&damaged.place).join(path);
            let path = path.to_string_lossy();
            let (path, package) = (escape(path.trim_end_matches('/')), escape(&damaged.package));
            ui.line(&format!("{package}{}{path}: {what}", if package.is_empty() { "" } else { ": " }))?;
        }
    }
    let packages = count(report.packages, "package", "packages");
    if report.damaged.is_empty() {
        ui.success(&format!("Verified {packages} ({})", size(report.bytes)));
    } else {
        let n = count(report.damaged.len() as u64, "damaged folder", "damaged folders");
        if let Some(e) = report.stuck {
            ui.warn(&format!("{n} among {packages}, still in use: {e}"));
            return Ok(status);
        }
        ui.warn(&format!("{n} among {packages}; taken out of the store"));
        ui.hint(
            "the next install extracts them anew; `pantry install --force` mends a project that uses them",
        );
    }
    Ok(status)
}
