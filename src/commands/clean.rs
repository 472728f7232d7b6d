//! `pantry clean`: the project without what installs have made in it.

use crate::cli::Invocation;
use crate::error::{Result, Status};
use crate::install::apply;
use crate::project::{How, Session};
use crate::settings::Settings;
use crate::ui::Ui;
use mirror::name::escape;

pub fn run(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let session = Session::open(How::of(invocation), settings, ui)?;
    let dry = session.how.dry_run;
    let locked = session.lock(ui)?;
    let workspace = session.look_at()?.workspace;
    let inside = workspace.linked.iter().filter(|folder| !folder.path.starts_with(".."));
    // The project's own last: its state says that all is there.
    let mut folders: Vec<&str> = workspace.members.iter().chain(inside).map(|m| m.path.as_str()).collect();
    folders.push("");
    let mut removed = Vec::new();
    for folder in folders {
        if apply::clear(&session.project.root.join(folder), dry)? {
            let slash = if folder.is_empty() { "" } else { "/" };
            removed.push(format!("{folder}{slash}node_modules"));
        }
    }
    drop(locked);
    if ui.is_json() {
        ui.json(|o| {
            o.truth("dryRun", dry);
            o.texts("removed", &removed);
        })?;
        return Ok(Status::Done);
    }
    removed.iter().for_each(|folder| ui.removed(&escape(folder)));
    match (removed.is_empty(), dry) {
        (true, _) => ui.success("There is nothing to remove"),
        (false, true) => ui.note("Dry run: nothing was changed"),
        (false, false) => ui.success("`pantry install` makes it anew"),
    }
    Ok(Status::Done)
}
