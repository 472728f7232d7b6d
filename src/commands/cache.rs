//! `pantry cache:stats`, `pantry cache:clear`, `pantry store verify`.

use super::mirror::{count, size};
use crate::cli::Invocation;
use crate::error::{Result, Status};
use crate::install::cache;
use crate::settings::Settings;
use crate::ui::{Ui, Unit};

pub fn stats(_: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let dir = settings.store()?;
    let stats = cache::stats(&dir)?;
    if ui.is_json() {
        ui.json(|o| {
            o.text("store", &dir.to_string_lossy());
            o.number("packages", stats.packages);
            o.number("files", stats.files);
            o.number("bytes", stats.bytes);
            o.number("sharedTrees", stats.shared_trees);
        })?;
        return Ok(Status::Done);
    }
    ui.line(&format!("store         {}", mirror::name::escape(&dir.to_string_lossy())))?;
    ui.line(&format!("packages      {} ({} in {} files)", stats.packages, size(stats.bytes), stats.files))?;
    ui.line(&format!("shared trees  {}", stats.shared_trees))?;
    Ok(Status::Done)
}

pub fn clear(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    // Environments are not in this version: there is nothing of theirs to clear.
    let packages = !invocation.has("env-only");
    let mut waiting = || ui.status("Waiting for other processes to finish with the store");
    let stats =
        if packages { cache::clear(&settings.store()?, &mut waiting)? } else { cache::Stats::default() };
    if ui.is_json() {
        ui.json(|o| {
            o.number("packages", stats.packages);
            o.number("bytes", stats.bytes);
        })?;
    } else {
        let packages = count(stats.packages, "package", "packages");
        ui.success(&format!(
            "Removed {packages} ({}) from the store; mirrors are untouched",
            size(stats.bytes)
        ));
    }
    Ok(Status::Done)
}

pub fn verify(_: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let dir = settings.store()?;
    let total = cache::stats(&dir)?;
    let bar = ui.progress("Verifying", Unit::Bytes);
    bar.set_total(total.bytes);
    let differing = cache::verify(&dir, &mut |bytes| bar.add(bytes));
    ui.end_progress();
    let differing = differing?;
    if ui.is_json() {
        ui.json(|o| {
            o.text("store", &dir.to_string_lossy());
            o.number("packages", total.packages);
            o.texts("differing", &differing);
        })?;
    } else {
        differing.iter().try_for_each(|d| ui.line(d))?;
        let packages = count(total.packages, "package", "packages");
        if differing.is_empty() {
            ui.success(&format!("Verified {packages} ({})", size(total.bytes)));
        } else {
            ui.warn(&format!("{} of {packages} differ from what was extracted", differing.len()));
            ui.hint("`pantry install --force` in the projects that use them makes them anew");
        }
    }
    Ok(if differing.is_empty() { Status::Done } else { Status::Refused })
}
