//! `pantry mirror init [DIR] [--label TEXT]`

use super::{folder, shown};
use crate::cli::Invocation;
use crate::error::{Result, Status};
use crate::settings::Settings;
use crate::ui::Ui;
use mirror::Mirror;
use mirror::mirror::InitOptions;

pub fn run(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let dir = folder(invocation, settings, Some(0))?;
    let label = invocation.text("label")?.unwrap_or("").to_string();
    let mirror = Mirror::init(&dir, &InitOptions { label, ..InitOptions::default() })?;
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
