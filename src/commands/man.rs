//! `pantry man`.

use crate::cli::{Invocation, man};
use crate::error::{Result, Status};
use crate::ui::Ui;

pub fn run(invocation: &Invocation, ui: &mut Ui) -> Result<Status> {
    ui.data(&man::page(invocation.program, super::is_built))?;
    Ok(Status::Done)
}
