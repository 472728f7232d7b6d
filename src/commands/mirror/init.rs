//! `pantry mirror init [DIR] [--label TEXT]`: signed with this machine's key, unless it is the home mirror.

use super::{folder, shown};
use crate::cli::Invocation;
use crate::error::{Result, Status};
use crate::settings::Settings;
use crate::ui::Ui;
use mirror::Mirror;
use mirror::mirror::InitOptions;
use mirror::trust::Policy;
use std::path::Path;

pub fn run(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let dir = folder(invocation, settings, Some(0))?;
    let label = invocation.text("label")?.unwrap_or("").to_string();
    let mirror = make(&dir, label, settings)?;
    if ui.is_json() {
        ui.json(|o| {
            o.text("mirror", &dir.to_string_lossy());
            o.text("id", &mirror.id().to_string());
            o.text("label", &mirror.snapshot().label);
        })?;
    } else {
        ui.success(&format!("Made an empty mirror in {}", shown(&dir)));
    }
    Ok(Status::Done)
}

/// Makes it, signed as this machine signs.
pub fn make(dir: &Path, label: String, settings: &Settings) -> Result<Mirror> {
    // The home mirror is this machine's own: it needs none.
    let is_home = settings.home_mirror().is_ok_and(|home| home == dir);
    let signs = settings.trust.policy() != Policy::Off && !is_home;
    let signer = if signs { Some(settings.trust.machine_key()?) } else { None };
    let mirror = Mirror::init(dir, &InitOptions { label, signer, ..InitOptions::default() })?;
    if signs {
        settings.trust.adopt(&mirror, true)?;
    }
    Ok(mirror)
}
