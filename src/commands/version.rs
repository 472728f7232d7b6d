//! `pantry version`, `--version`.

use crate::cli::Invocation;
use crate::error::{Result, Status};
use crate::ui::Ui;
use std::env::consts::{ARCH, OS};

pub const VERSION: &str = env!("CARGO_PKG_VERSION");

pub fn run(invocation: &Invocation, ui: &mut Ui) -> Result<Status> {
    let name = invocation.program.name();
    if ui.is_json() {
        ui.json(|document| {
            document.text("name", name);
            document.text("version", VERSION);
            document.text("platform", &format!("{OS}-{ARCH}"));
        })?;
    } else {
        ui.line(&format!("{name} {VERSION}"))?;
    }
    Ok(Status::Done)
}
