//! `pantry mirror gc [DIR] [--dry-run]`: deletes what no state of the mirror needs.

use super::{count, folder, open, shown, size, told, waiting};
use crate::cli::Invocation;
use crate::error::{Result, Status};
use crate::settings::Settings;
use crate::ui::Ui;
use mirror::gc;
use mirror::trust::How;

pub fn run(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let dir = folder(invocation, settings, Some(0))?;
    let dry = invocation.has("dry-run");
    // Pinned, it would wait for itself.
    let mirror = match dry {
        true => open(&dir, settings, ui)?,
        false => {
            let mirror = told(mirror::Mirror::open(&dir)?, &dir, ui)?;
            settings.trust.check(&mirror, How::Named)?;
            settings.trust.prepare(&mirror)?;
            mirror
        }
    };
    let report = if dry { gc::plan(&mirror)? } else { gc::run(&mirror, &mut waiting(ui))? };
    if ui.is_json() {
        ui.json(|o| {
            o.text("mirror", &dir.to_string_lossy());
            o.truth("dryRun", dry);
            o.number("files", report.files.len() as u64);
            o.number("bytes", report.bytes());
        })?;
        return Ok(Status::Done);
    }
    if dry {
        for (file, _) in &report.files {
            ui.line(&shown(file))?;
        }
    }
    let files = format!("{} ({})", count(report.files.len() as u64, "file", "files"), size(report.bytes()));
    match (report.files.is_empty(), dry) {
        (true, _) => ui.success("Nothing to delete"),
        (false, true) => ui.note(&format!("Dry run: would delete {files}; nothing was changed")),
        (false, false) => ui.success(&format!("Deleted {files}")),
    }
    Ok(Status::Done)
}
