//! `mzp publish`: the package in this folder into a mirror or a registry's folder.

use crate::cli::Invocation;
use crate::commands::mirror::{count, folder, open_for_writing, shown, size, waiting};
use crate::error::{Error, Result, Status};
use crate::settings::Settings;
use crate::ui::Ui;
use mzp::manifest::Manifest;
use mzp::publish::{To, publish};

pub fn run(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let start = super::start(settings, ui)?;
    let root = Manifest::find(&start)?.root().to_path_buf();
    let dry = invocation.has("dry-run");
    if invocation.path("to").is_some() && invocation.has("mirror") {
        let message = "--to and --mirror name two different places".into();
        return Err(Box::new(Error::Usage { message, hint: None }));
    }
    let to = invocation.path("to").map(|path| settings.working_directory().map(|here| here.join(path)));
    let to = to.transpose()?;
    let place = match &to {
        Some(dir) => dir.clone(),
        None => folder(invocation, settings, None)?,
    };
    let done = match (dry, &to) {
        (true, _) => publish(&root, &To::Nowhere, &mut |_| {})?,
        (false, Some(dir)) => publish(&root, &To::Folder(dir), &mut waiting(ui))?,
        #[cfg(not(feature = "npm"))]
        (false, None) => return Err(Error::NotBuilt { what: "`mzp publish` into a mirror".into() }.into()),
        #[cfg(feature = "npm")]
        (false, None) => {
            let mirror = open_for_writing(&place, settings, ui)?;
            publish(&root, &To::Mirror(&mirror), &mut waiting(ui))?
        }
    };
    if !dry {
        super::index(settings, ui);
    }
    let what = format!("{} {}", done.name, done.version);
    if ui.is_json() {
        ui.json(|o| {
            o.text("name", done.name.as_str());
            o.text("version", &done.version.to_string());
            o.text("sha256", &done.sha256.to_string());
            o.number("size", done.size);
            o.text("to", &place.to_string_lossy());
            o.truth("dryRun", dry);
            o.truth("already", done.already);
            o.texts("files", done.files.iter().map(AsRef::as_ref));
        })?;
        return Ok(Status::Done);
    }
    if dry {
        done.files.iter().try_for_each(|file| ui.line(file.as_str()))?;
    }
    let files = count(done.files.len() as u64, "file", "files");
    let all = format!("{what} ({files}, {} packed) to {}", size(done.size), shown(&place));
    match (dry, done.already) {
        (true, _) => ui.note(&format!("Dry run: would publish {all}; nothing was changed")),
        (false, true) => ui.success(&format!("{what} is in {} already", shown(&place))),
        (false, false) => ui.success(&format!("Published {all}")),
    }
    Ok(Status::Done)
}
