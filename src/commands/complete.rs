//! `pantry complete bash|zsh|fish`.

use crate::cli::{Invocation, complete};
use crate::error::{Result, Status};
use crate::ui::Ui;

pub fn run(invocation: &Invocation, ui: &mut Ui) -> Result<Status> {
    let script = match invocation.argument(0)? {
        Some("zsh") => complete::zsh(invocation.program, super::is_built),
        Some("fish") => complete::fish(invocation.program, super::is_built),
        // The parser lets no other word through.
        _ => complete::bash(invocation.program, super::is_built),
    };
    ui.data(&script)?;
    Ok(Status::Done)
}
