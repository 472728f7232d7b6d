//! `mzp clean`: what builds have made goes.

use crate::cli::Invocation;
use crate::commands::mirror::{count, size};
use crate::error::{Result, Status};
use crate::settings::Settings;
use crate::ui::Ui;
use mirror::name::escape;
use mzp::clean::{find, remove};
use mzp::manifest::Manifest;

pub fn run(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let manifest = Manifest::find(&super::start(settings, ui)?)?;
    let built = find(manifest.root())?;
    let dry = invocation.has("dry-run");
    if !dry {
        remove(&built)?;
    }
    if ui.is_json() {
        ui.json(|o| {
            o.truth("dryRun", dry);
            o.texts("files", built.files.iter().map(|file| file.to_string_lossy()));
            o.number("bytes", built.bytes);
        })?;
        return Ok(Status::Done);
    }
    let what = format!("{} ({})", count(built.files.len() as u64, "file", "files"), size(built.bytes));
    if dry {
        for file in &built.files {
            ui.line(&format!("- {}", escape(&file.to_string_lossy())))?;
        }
        ui.note(&format!("Dry run: would remove {what}; nothing was changed"));
    } else {
        ui.success(&format!("Removed {what}"));
    }
    Ok(Status::Done)
}
