//! `pantry mirror import FILE|DIR…`: bundles as `mirror export --file` writes them, other mirrors, folders of archives.

use super::{count, folder, open_for_writing, shown, size, told, waiting};
use crate::cli::Invocation;
use crate::error::{Error, Result, Status};
use crate::settings::Settings;
use crate::ui::{Ui, Unit};
use mirror::Mirror;
use mirror::batch::Batch;
use mirror::name::escape;
use mirror::sync::{self, Carrier, Choice, Report, Watch};
use mirror::trust::How;
use mirror::verify::verify;
use std::path::{Path, PathBuf};

pub fn run(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let here = settings.working_directory()?;
    let dir = folder(invocation, settings, None)?;
    let paths: Vec<PathBuf> = invocation.arguments.iter().map(|word| here.join(word)).collect();
    // A folder of archives is what `mirror add` takes.
    if paths.iter().all(|path| path.is_dir() && !is_mirror(path)) {
        return super::add::run(invocation, settings, ui);
    }
    let target = open_for_writing(&dir, settings, ui)?;
    let dry = invocation.has("dry-run");
    let mut done: Vec<(String, Report)> = Vec::new();
    for path in &paths {
        let scratch = Batch::begin(&target, 0)?;
        let from = if path.is_dir() {
            let mirror = Mirror::open_pinned(path, &mut waiting(ui))?;
            told(mirror, path, ui)?
        } else {
            unpacked(path, &scratch, ui)?
        };
        settings.trust.check(&from, How::Named).map_err(|e| match e {
            // It lies elsewhere only for now.
            mirror::Error::Untrusted(e) => {
                mirror::Error::Untrusted(Box::new(mirror::trust::Untrusted { path: path.clone(), ..*e }))
            }
            other => other,
        })?;
        let from = Carrier::folder(from);
        let choice = Choice::default();
        let report = if dry {
            sync::plan(&target.refresh()?, &from, &choice)?
        } else {
            let bar = ui.progress("Importing", Unit::Bytes);
            let mut hold = waiting(ui);
            let mut progress = |done: u64, total: u64| {
                bar.set_total(total);
                bar.add(done.saturating_sub(bar.done()));
            };
            let watch = &mut Watch { progress: &mut progress, waiting: &mut hold };
            let taken = sync::take(&target, &from, &choice, watch);
            drop(hold);
            ui.end_progress();
            taken?
        };
        done.push((shown(path), report));
    }
    show(&done, dry, ui)
}

fn is_mirror(path: &Path) -> bool {
    ["", "PANTRY", "pantry"].iter().any(|folder| {
        let at = path.join(folder);
        ["ROOT.A", "ROOT.B", "root.a"].iter().any(|slot| at.join(slot).is_file())
    })
}

/// The mirror in a bundle, every byte of it looked at: nothing is taken from one that is damaged.
fn unpacked(path: &Path, scratch: &Batch, ui: &mut Ui) -> Result<Mirror> {
    let dir = scratch.scratch();
    mirror::bundle::unpack(path, &dir)?;
    let refused = |what: &str| Error::Other {
        status: Status::Refused,
        message: format!("{}: {what}", shown(path)),
        hints: vec!["`pantry mirror export --file` writes what can be imported; copy it anew".into()],
    };
    let from = Mirror::open(&dir).map_err(|e| refused(&escape(&e.to_string())))?;
    let bar = ui.progress("Verifying", Unit::Bytes);
    let report = verify(&from, &mut |progress| {
        bar.set_total(progress.total);
        bar.add(progress.bytes.saturating_sub(bar.done()));
    });
    ui.end_progress();
    match report?.damaged.first() {
        None => Ok(from),
        Some(damage) => {
            let name = damage.path.strip_prefix(&dir).unwrap_or(&damage.path);
            Err(Box::new(refused(&format!("{} in it {}", shown(name), escape(&damage.what)))))
        }
    }
}

fn show(done: &[(String, Report)], dry: bool, ui: &mut Ui) -> Result<Status> {
    let wrong = done.iter().any(|(_, r)| !r.conflicts.is_empty() || !r.damaged.is_empty());
    let status = if wrong { Status::Refused } else { Status::Done };
    if ui.is_json() {
        ui.json(|o| {
            o.truth("dryRun", dry);
            o.array("imported", |list| {
                for (from, report) in done {
                    list.object(|o| {
                        o.text("from", from);
                        o.number("records", report.records);
                        o.number("files", report.files);
                        o.number("bytes", report.bytes);
                        o.number("conflicts", report.conflicts.len() as u64);
                        o.texts("damaged", &report.damaged);
                    });
                }
            });
        })?;
        return Ok(status);
    }
    for (from, report) in done {
        for c in &report.conflicts {
            ui.warn(&format!(
                "{}@{} has two different hashes and was not taken: {} here, {} in {from}",
                escape(&c.key.name),
                escape(&c.version),
                escape(&c.ours),
                escape(&c.theirs)
            ));
        }
        report.damaged.iter().for_each(|d| ui.warn(&format!("not taken: {}", escape(d))));
        let files = count(report.files, "file", "files");
        let what = format!(
            "{files} of {} ({}) from {from}",
            count(report.records, "package", "packages"),
            size(report.bytes)
        );
        match dry {
            true => ui.note(&format!("Dry run: would take {what}; nothing was changed")),
            false => ui.success(&format!("Took {what}")),
        }
    }
    Ok(status)
}
