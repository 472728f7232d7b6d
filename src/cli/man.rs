//! `pantry man`: the manual page, section 1, in roff with the `man` macros.

use super::command::{Command, Flag};
use super::help::{NOT_BUILT, STATUSES, argument_help, flag_help, spelled, usage};
use super::invocation::{Program, shown};
use super::{IsBuilt, table};
use std::fmt::Write as _;

/// The page for the program as it was called.
pub fn page(program: Program, is_built: IsBuilt) -> String {
    let name = program.name();
    let upper = name.to_ascii_uppercase();
    let mut out = String::new();
    let _ = writeln!(out, ".TH {upper} 1 \"\" \"{name} {}\" \"{name} manual\"", env!("CARGO_PKG_VERSION"));
    section(&mut out, "NAME");
    let about = match program {
        Program::Pantry => "offline-first package manager whose registry is a directory",
        Program::Mzp => "packages and builds for MinZ on Z80 and 6502 machines",
    };
    let _ = writeln!(out, "{name} \\- {}", escape(about));
    section(&mut out, "SYNOPSIS");
    let _ = writeln!(out, ".B {name}\n.I COMMAND\n[\\fIARGUMENTS\\fR] [\\fIOPTIONS\\fR]");
    section(&mut out, "DESCRIPTION");
    text(
        &mut out,
        "Packages come from mirrors: directories in the home folder, on a stick, on a network share. Networks \
         fill mirrors; what is in a mirror never needs one. Options may stand before or after the command.",
    );
    section(&mut out, "OPTIONS OF EVERY COMMAND");
    table::GLOBAL.iter().for_each(|flag| option(&mut out, flag));
    for family in table::families(program) {
        section(&mut out, &family.title.to_uppercase());
        for row in family.rows {
            command(&mut out, program, &table::root_path(program, row), row, is_built);
        }
    }
    section(&mut out, "ENVIRONMENT");
    for variable in table::variables::VARIABLES {
        term(&mut out, &bold(variable.names), variable.help.get());
    }
    section(&mut out, "EXIT STATUS");
    for (number, meaning) in STATUSES {
        term(&mut out, &bold(number), meaning);
    }
    section(&mut out, "FILES");
    for (path, what) in FILES {
        term(&mut out, &format!("\\fI{}\\fR", escape(path)), what);
    }
    out
}

const FILES: &[(&str, &str)] = &[
    ("pantry.json, pantry.jsonc, package.jsonc, package.json", "What a project depends on."),
    ("pantry.lock", "The versions that were chosen, with their hashes."),
    ("mzp.toml, mzp.lock", "The same for MinZ projects."),
    ("~/.pantry/config.toml", "The user's settings: mirrors, linker, limits."),
    ("~/.pantry/mirror", "The home mirror."),
    ("~/.pantry/store", "Extracted packages; can be made again."),
];

fn command(out: &mut String, program: Program, path: &str, row: &'static Command, is_built: IsBuilt) {
    let name = shown(program, path);
    let _ = writeln!(out, ".SS {}", escape(&usage(&name, row)));
    text(out, &format!("{}.", row.summary.get()));
    if !row.aliases.is_empty() {
        text(out, &format!("Also: {}.", row.aliases.join(", ")));
    }
    if !is_built(path) {
        text(out, &format!("This command is {NOT_BUILT}."));
    }
    row.description.get().split("\n\n").filter(|paragraph| !paragraph.is_empty()).for_each(|paragraph| {
        text(out, paragraph);
    });
    for argument in row.arguments {
        term(out, &format!("\\fI{}\\fR", escape(argument.name)), &argument_help(argument));
    }
    row.own_flags().for_each(|flag| option(out, flag));
    for (line, what) in row.examples.get() {
        text(out, &format!("{what}:"));
        let _ = writeln!(out, ".PP\n.RS 4\n.EX\n{}\n.EE\n.RE", line_start(&escape(&shown(program, line))));
    }
    for member in row.members {
        command(out, program, &format!("{path} {}", member.name), member, is_built);
    }
}

/// A heading; the first paragraph after one has no macro.
fn section(out: &mut String, title: &str) {
    let _ = writeln!(out, ".SH {}", escape(title));
}

fn text(out: &mut String, paragraph: &str) {
    let after_heading = out.lines().next_back().is_some_and(|line| line.starts_with(".S"));
    let start = if after_heading { "" } else { ".PP\n" };
    let _ = writeln!(out, "{start}{}", line_start(&escape(paragraph)));
}

fn option(out: &mut String, flag: &Flag) {
    let spelled = spelled(flag);
    let (names, value) = match flag.value {
        Some((value, _)) => (spelled.trim().trim_end_matches(value).trim_end(), value),
        None => (spelled.trim(), ""),
    };
    let mut head = bold(names);
    if !value.is_empty() {
        let _ = write!(head, " \\fI{value}\\fR");
    }
    term(out, &head, &flag_help(flag));
}

fn term(out: &mut String, head: &str, help: &str) {
    let _ = writeln!(out, ".TP\n{head}\n{}", line_start(&escape(help)));
}

fn bold(text: &str) -> String {
    format!("\\fB{}\\fR", escape(text))
}

/// Text without a meaning for roff. A plain `-` may become a hyphen there.
fn escape(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-")
}

/// A line that begins with a dot or a quote is a request otherwise.
fn line_start(text: &str) -> String {
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_everything() {
        let page = page(Program::Pantry, |path| path == "install");
        for wanted in [
            ".TH PANTRY 1",
            ".SS pantry install [PACKAGE...] [OPTIONS]",
            "\\fB\\-\\-linker\\fR \\fIKIND\\fR",
            "\\fB\\-h, \\-\\-help\\fR\n",
            ".SS pantry mirror pull",
            "\\fBPANTRY_OFFLINE\\fR",
            "This command is not in this version.",
        ] {
            assert!(page.contains(wanted), "{wanted}");
        }
        assert!(super::page(Program::Mzp, |_| true).contains(".SS mzp build [FILE] [OPTIONS]"));
    }

    /// Every line is text, or a macro that exists.
    #[test]
    fn only_macros_of_man() {
        for line in page(Program::Pantry, |_| false).lines().filter(|line| line.starts_with(['.', '\''])) {
            let name = line.split(' ').next().unwrap();
            assert!(
                [".TH", ".SH", ".SS", ".PP", ".TP", ".RS", ".RE", ".EX", ".EE", ".B", ".I"].contains(&name),
                "{line}"
            );
        }
        assert_eq!(line_start(".PP"), "\\&.PP");
        assert_eq!(escape("a\\b-c"), "a\\eb\\-c");
    }
}
