//! Environments of projects and the shell's part in them.

use super::{DRY_RUN, JSON};
use crate::cli::command::{Argument, Command, Kind, command, flag, optional, required};

const SHELLS: &[&str] = &["bash", "zsh", "fish"];

const DIR: &[Argument] = &[optional("DIR", Kind::Dir, "The project's folder (default: this one)")];

pub const ROWS: &[Command] = &[
    command("env", "Print the environment of the project as shell code")
        .takes(DIR)
        .flags(&[JSON])
        .examples(&[("env", "Print what entering the project changes")]),
    command("env:list", "List the environments")
        .flags(&[JSON])
        .examples(&[("env:list", "List every environment, its project and size")]),
    command("env:remove", "Remove an environment")
        .takes(&[required("ID", Kind::Text, "The environment's id").many()])
        .examples(&[("env:remove 1a2b3c4d", "Remove one environment")]),
    command("env:clean", "Remove environments whose project is gone")
        .flags(&[DRY_RUN, JSON])
        .examples(&[("env:clean --dry-run", "Show what would be removed")]),
    command("env:inspect", "Show what an environment holds")
        .takes(&[required("ID", Kind::Text, "The environment's id")])
        .flags(&[JSON])
        .examples(&[("env:inspect 1a2b3c4d", "Show packages and programs")]),
    command("shell:integrate", "Print or install the shell's hook")
        .takes(&[optional("SHELL", Kind::Choice(SHELLS), "The shell (default: the one in use)")])
        .flags(&[&[flag("write", "Add it to the shell's start file")]])
        .examples(&[("shell:integrate zsh", "Print the hook for zsh")]),
    command("shell:activate", "Print what entering a folder changes")
        .takes(DIR)
        .examples(&[("shell:activate .", "Print what the hook would evaluate")]),
    command("shell:lookup", "Look a folder up in the environment cache")
        .takes(DIR)
        .examples(&[("shell:lookup .", "Print the cached environment of this folder")]),
    command("allow", "Let a folder's environment be activated")
        .takes(DIR)
        .examples(&[("allow", "Allow this project's files as they are now")]),
    command("deny", "Take that permission back")
        .takes(DIR)
        .examples(&[("deny", "Forget this project's permission")]),
    command("doctor", "Check that everything is in order")
        .flags(&[JSON])
        .examples(&[("doctor", "Say what is wrong and how to mend it")]),
];
