//! `pantry mirror repair [DIR] [--from OTHER]…`: what `mirror verify` finds is taken from other mirrors, by its hash.

use super::sync::{Other, same_folder};
use super::{count, folder, shown, size, told, waiting};
use crate::cli::Invocation;
use crate::error::{Error, Result, Status};
use crate::settings::Settings;
use crate::source::media;
use crate::ui::{Ui, Unit};
use mirror::Mirror;
use mirror::batch::Batch;
use mirror::name::escape;
use mirror::repair::{self, Help, Report};
use mirror::sync::{Carrier, Watch};
use mirror::trust::How;
use mirror::verify::Damage;
use std::path::Path;

pub fn run(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let dir = folder(invocation, settings, Some(0))?;
    let here = settings.working_directory()?;
    let dry = invocation.has("dry-run");
    // Without its root slots it cannot be opened.
    let slots = repair::slots(&dir, dry, &mut waiting(ui))?;
    let mirror = Mirror::open_pinned(&dir, &mut waiting(ui))?;
    let mirror = told(mirror, &dir, ui)?;
    let pin = settings.trust.pin(&mirror.id())?;
    let named: Vec<Other> =
        invocation.values("from").map(|word| Other::named(word, settings, &here)).collect::<Result<_>>()?;
    let mut others: Vec<(Carrier, Option<Batch>)> = Vec::new();
    for other in &named {
        others.push(other.open(Some(&mirror), settings, &here, ui)?);
        if matches!(other, Other::Folder(there) if same_folder(there, mirror.dir())) {
            return Err(Box::new(Error::Usage {
                message: format!("{} cannot be repaired from itself", shown(&dir)),
                hint: Some("name another mirror with --from".into()),
            }));
        }
    }
    if named.is_empty() {
        others = known(&mirror, settings, &here, ui);
    }
    let (others, _scratch): (Vec<Carrier>, Vec<Option<Batch>>) = others.into_iter().unzip();
    let keys = pin.as_ref().map(|pin| &pin.keys);
    let help = Help { others: &others, keys, forget: invocation.has("forget-lost") };
    let bar = ui.progress("Repairing", Unit::Bytes);
    let mut hold = waiting(ui);
    let mut progress = |done: u64, total: u64| {
        bar.set_total(total);
        bar.add(done.saturating_sub(bar.done()));
    };
    let watch = &mut Watch { progress: &mut progress, waiting: &mut hold };
    // A key that is not here is only missed by a commit. Whose it is, what was mended of KEY/ may say.
    match settings.trust.check(&mirror, How::Named).and_then(|()| settings.trust.prepare(&mirror)) {
        // An old copy that goes on would make the mirror itself the old one.
        Err(e @ mirror::Error::Untrusted(_)) if is_contradiction(&e) => return Err(e.into()),
        _ => {}
    }
    let done = match dry {
        true => repair::plan(&mirror, &help, watch),
        false => repair::run(&mirror, &help, watch),
    };
    drop(hold);
    ui.end_progress();
    let mut report = done?;
    for slot in slots {
        report.mended.insert(0, repair::Mended { what: slot.path.to_string_lossy().into(), from: None });
        report.found.insert(0, slot);
    }
    show(&dir, &report, dry, ui)
}

/// Its state is not what this machine has seen of it, whatever is damaged.
fn is_contradiction(error: &mirror::Error) -> bool {
    use mirror::trust::Why;
    let mirror::Error::Untrusted(e) = error else { return false };
    matches!(e.why, Why::Older { .. } | Why::Forked(_) | Why::TooFar { .. })
}

/// Every other mirror that this machine knows: what it is asked for is looked at byte by byte.
fn known(mirror: &Mirror, settings: &Settings, here: &Path, ui: &mut Ui) -> Vec<(Carrier, Option<Batch>)> {
    let mut dirs = settings.mirrors.clone();
    dirs.extend(settings.home_mirror().ok().filter(|home| Mirror::is_made(home)));
    dirs.extend(media::mirrors());
    let mut others: Vec<(Carrier, Option<Batch>)> = Vec::new();
    for dir in dirs {
        let known = |other: &(Carrier, Option<Batch>)| same_folder(other.0.mirror().dir(), &here.join(&dir));
        if same_folder(mirror.dir(), &here.join(&dir)) || others.iter().any(known) {
            continue;
        }
        match Other::Folder(here.join(&dir)).open(Some(mirror), settings, here, ui) {
            Ok(other) => others.push(other),
            Err(e) => ui.warn(&format!("{} cannot help: {e}", shown(&dir))),
        }
    }
    others
}

fn show(dir: &Path, report: &Report, dry: bool, ui: &mut Ui) -> Result<Status> {
    let status = if report.lost.is_empty() { Status::Done } else { Status::Refused };
    if ui.is_json() {
        ui.json(|o| {
            o.text("mirror", &dir.to_string_lossy());
            o.truth("dryRun", dry);
            for (name, damages) in [("found", &report.found), ("lost", &report.lost)] {
                o.array(name, |list| {
                    for Damage { path, what } in damages {
                        list.object(|o| {
                            o.text("path", &path.to_string_lossy());
                            o.text("what", what);
                        });
                    }
                });
            }
            o.array("mended", |list| {
                for mended in &report.mended {
                    list.object(|o| {
                        o.text("what", &mended.what);
                        if let Some(from) = &mended.from {
                            o.text("from", &from.to_string_lossy());
                        }
                    });
                }
            });
            o.texts("forgotten", &report.forgotten);
            o.number("bytes", report.bytes);
        })?;
        return Ok(status);
    }
    for mended in &report.mended {
        let from = mended.from.as_ref().map_or(String::new(), |from| format!(" (from {})", shown(from)));
        ui.line(&format!("{}{from}", escape(&mended.what)))?;
    }
    report.forgotten.iter().for_each(|what| ui.warn(&format!("let go: {}", escape(what))));
    report.lost.iter().for_each(|d| ui.warn(&format!("{}: {}", shown(&d.path), escape(&d.what))));
    let mended =
        format!("{} ({} copied)", count(report.mended.len() as u64, "thing", "things"), size(report.bytes));
    match (report.found.is_empty(), dry) {
        (true, _) => ui.success("Nothing is damaged"),
        (_, true) => ui.note(&format!("Dry run: would mend {mended}; nothing was changed")),
        (_, false) => ui.success(&format!("Mended {mended}")),
    }
    if report.no_key {
        ui.hint("to say where archives lie now takes the mirror's key: repair it on a machine that has it");
    } else if !report.lost.is_empty() {
        ui.hint(
            "name a mirror that has it with --from, or let go of what nobody has with --forget-lost: \
             a later `pantry sync` or `pantry mirror pull` brings it again",
        );
    }
    Ok(status)
}
