//! `pantry mirror remove PACKAGE… [--dry-run]`

use super::{count, folder, named, open_for_writing, shown_key, waiting};
use crate::cli::Invocation;
use crate::error::{Error, Result, Status};
use crate::settings::Settings;
use crate::ui::Ui;
use mirror::Batch;
use mirror::name::escape;
use mirror::version::Version;

pub fn run(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let dir = folder(invocation, settings, None)?;
    let mirror = open_for_writing(&dir, settings, ui)?;
    // Before anything can fail: it takes along what a killed run left.
    let batch = Batch::begin(&mirror, 0)?;
    let mut wanted = Vec::new();
    for word in &invocation.arguments {
        let (keys, version) = named(&mirror, &word.to_string_lossy())?;
        let version = version
            .map(|v| Version::parse(&v))
            .transpose()
            .map_err(|source| Error::Name { source, place: word.to_string_lossy().into_owned() })?;
        wanted.push((keys, version));
    }
    let mut gone = Vec::new();
    let mut absent = Vec::new();
    for ((keys, version), word) in wanted.iter().zip(&invocation.arguments) {
        let before = gone.len();
        for key in keys {
            let Some(view) = mirror.lookup(key)? else { continue };
            let fits = |i: &usize| version.as_ref().is_none_or(|v| view.version(*i) == v.to_string());
            let versions: Vec<usize> = (0..view.len()).filter(|i| view.is_present(*i)).filter(fits).collect();
            if versions.is_empty() {
                continue;
            }
            batch.remove(key, version.as_ref());
            gone.extend(versions.iter().map(|i| format!("{}@{}", shown_key(key), view.version(*i))));
        }
        if gone.len() == before {
            absent.push(escape(&word.to_string_lossy()).into_owned());
        }
    }
    // All or nothing, as everywhere.
    if !absent.is_empty() {
        batch.abandon();
        return Err(Box::new(Error::Other {
            status: Status::Unreachable,
            message: format!("the mirror has no archive of {}", absent.join(", ")),
            hints: vec!["`pantry mirror list --versions` shows what is".into()],
        }));
    }
    let dry = invocation.has("dry-run");
    if dry {
        batch.abandon()
    } else {
        batch.commit(&mut waiting(ui))?;
    }
    if ui.is_json() {
        ui.json(|o| {
            o.truth("dryRun", dry);
            o.texts("removed", &gone);
        })?;
    } else {
        match dry {
            true => gone.iter().try_for_each(|g| ui.line(&format!("- {g}")))?,
            false => gone.iter().for_each(|g| ui.removed(g)),
        }
        let archives = count(gone.len() as u64, "archive", "archives");
        match dry {
            true => ui.note(&format!("Dry run: would remove {archives}; nothing was changed")),
            false => ui.success(&format!("Removed {archives}; `pantry mirror gc` frees the room")),
        }
    }
    Ok(Status::Done)
}
