//! `pantry help`, and what `-h` and `--help` become.

use super::is_built;
use crate::cli::suggest::closest;
use crate::cli::{Invocation, help, table};
use crate::error::{Error, Result, Status};
use crate::ui::Ui;
use mirror::name::escape;

pub fn run(invocation: &Invocation, ui: &mut Ui) -> Result<Status> {
    let text = text(invocation)?;
    ui.data(&text)?;
    Ok(Status::Done)
}

fn text(invocation: &Invocation) -> Result<String> {
    let program = invocation.program;
    let words = invocation.argument_texts()?;
    let Some((first, others)) = words.split_first() else { return Ok(help::overall(program, is_built)) };
    // A path that the parser has found begins with `mzp` for both programs.
    let named = table::root(program, first).map(|row| (row, table::root_path(program, row)));
    let Some((mut row, mut path)) = named.or_else(|| table::find(first).map(|row| (row, first.to_string())))
    else {
        return match help::topic(first) {
            Some(text) if others.is_empty() => Ok(text),
            _ => Err(unknown(invocation, first)),
        };
    };
    for word in others {
        let Some(member) = row.member(word) else { return Err(unknown(invocation, &words.join(" "))) };
        path = format!("{path} {}", member.name);
        row = member;
    }
    Ok(help::command(program, &path, row, is_built))
}

fn unknown(invocation: &Invocation, words: &str) -> Box<Error> {
    let known = table::roots(invocation.program)
        .map(|row| row.name)
        .chain(help::TOPICS.iter().map(|(name, _)| *name));
    let name = invocation.program.name();
    let hint = match closest(words, known) {
        Some(near) => format!("did you mean `{name} help {near}`?"),
        None => format!("`{name} help` lists the commands"),
    };
    Box::new(Error::Usage { message: format!("there is no command `{}`", escape(words)), hint: Some(hint) })
}
