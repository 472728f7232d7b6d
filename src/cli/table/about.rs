//! The program about itself. These rows are `pantry`'s and `mzp`'s.

use super::JSON;
use crate::cli::command::{Command, Kind, command, optional, required};

pub const ROWS: &[Command] = &[
    command("help", "Show help, for everything or for one command")
        .about("Besides commands there are the topics `environment` (variables) and `exit-status`.")
        .takes(&[optional("COMMAND", Kind::Command, "A command, in one word or two, or a topic").many()])
        .examples(&[("help install", "Explain a command"), ("help environment", "List the variables")]),
    command("version", "Show the version")
        .flags(&[JSON])
        .examples(&[("version --json", "Version and platform for a program to read")]),
    command("man", "Print the manual page")
        .about("Prints the manual page in roff on standard output.")
        .examples(&[("man > ~/.local/share/man/man1/pantry.1", "Install the manual page")]),
    command("complete", "Print a shell's completion script")
        .aliases(&["completions"])
        .takes(&[required("SHELL", Kind::Choice(&["bash", "zsh", "fish"]), "The shell")])
        .examples(&[
            ("complete bash > ~/.local/share/bash-completion/completions/pantry", "Install it for bash"),
            ("complete fish > ~/.config/fish/completions/pantry.fish", "Install it for fish"),
        ]),
];
