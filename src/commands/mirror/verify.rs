//! `pantry mirror verify [DIR]`: every byte of every file that the mirror needs.

use super::{count, folder, open, shown, size};
use crate::cli::Invocation;
use crate::error::{Result, Status};
use crate::settings::Settings;
use crate::ui::{Ui, Unit};
use mirror::name::escape;
use mirror::verify::verify;

pub fn run(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let dir = folder(invocation, settings, Some(0))?;
    let mirror = open(&dir, settings, ui)?;
    let bar = ui.progress("Verifying", Unit::Bytes);
    let report = verify(&mirror, &mut |progress| {
        bar.set_total(progress.total);
        bar.add(progress.bytes.saturating_sub(bar.done()));
    });
    ui.end_progress();
    let report = report?;
    if ui.is_json() {
        ui.json(|o| {
            o.text("mirror", &dir.to_string_lossy());
            o.number("files", report.files);
            o.number("archives", report.archives);
            o.number("bytes", report.bytes);
            o.array("damaged", |list| {
                for damage in &report.damaged {
                    list.object(|o| {
                        o.text("path", &damage.path.to_string_lossy());
                        o.text("what", &damage.what);
                    });
                }
            });
        })?;
    } else {
        for damage in &report.damaged {
            ui.line(&format!("{}: {}", shown(&damage.path), escape(&damage.what)))?;
        }
        let checked = format!(
            "{} with {} ({})",
            count(report.files, "file", "files"),
            count(report.archives, "archive", "archives"),
            size(report.bytes)
        );
        if report.damaged.is_empty() {
            ui.success(&format!("Verified {checked}"));
        } else {
            ui.warn(&format!(
                "{} of {checked}",
                count(report.damaged.len() as u64, "damaged place", "damaged places")
            ));
            ui.hint(
                "what is damaged can be pulled or added again; `pantry mirror gc` removes what nothing needs",
            );
        }
    }
    Ok(if report.damaged.is_empty() { Status::Done } else { Status::Refused })
}
