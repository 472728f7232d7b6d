//! `pantry help`, `pantry help COMMAND`, `pantry help TOPIC`: plain text, at
//! most 80 columns where words allow.

use super::command::{Argument, Command, Flag, Kind, PassOn};
use super::invocation::{Program, shown};
use super::{IsBuilt, table};
use std::fmt::Write as _;

/// Lines are wrapped here.
const COLUMNS: usize = 80;
/// Where the explanations begin, unless what is explained is longer.
const GUTTER: usize = 26;

/// What people read about a row that [`IsBuilt`] denies.
pub const NOT_BUILT: &str = "not in this version";

/// The exit statuses, for help and man.
pub const STATUSES: &[(&str, &str)] = &[
    ("0", "done"),
    ("1", "what was asked could not be done"),
    ("2", "the command line is wrong"),
    ("3", "refused: a hash, signature or archive is not what it must be"),
    ("4", "something needed is not reachable, or not in any mirror"),
];

/// Topics beside the commands.
pub const TOPICS: &[(&str, &str)] =
    &[("environment", "The variables that are read"), ("exit-status", "What the exit statuses mean")];

/// The overall help: every family and its commands.
pub fn overall(program: Program, is_built: IsBuilt) -> String {
    let name = program.name();
    let mut out = String::new();
    let about = match program {
        Program::Pantry => "An offline-first package manager whose registry is a directory you can carry",
        Program::Mzp => "Packages and builds for MinZ on Z80 and 6502 machines",
    };
    let _ = writeln!(out, "{name} {}", env!("CARGO_PKG_VERSION"));
    wrap(&mut out, about, 0, 0);
    out.push('\n');
    let _ = writeln!(out, "Usage: {name} COMMAND [ARGUMENTS] [OPTIONS]");
    for family in table::families(program) {
        let _ = writeln!(out, "\n{}:", family.title);
        let mut later = Vec::new();
        for row in family.rows {
            if is_built(&table::root_path(program, row)) {
                explain(&mut out, &with_aliases(row), row.summary.get());
            } else {
                later.push(row.name);
            }
        }
        if !later.is_empty() {
            wrap(&mut out, &format!("{NOT_BUILT}: {}", later.join(", ")), 2, 4);
        }
    }
    out.push_str("\nOptions of every command:\n");
    flags(&mut out, table::GLOBAL.iter());
    let topics: Vec<_> = TOPICS.iter().map(|(topic, _)| format!("`{name} help {topic}`")).collect();
    out.push('\n');
    wrap(&mut out, "Options may stand before or after the command.", 0, 0);
    wrap(
        &mut out,
        &format!("`{name} help COMMAND` explains a command; see also {}.", topics.join(", ")),
        0,
        0,
    );
    out
}

/// Help for the row at `path`.
pub fn command(program: Program, path: &str, row: &'static Command, is_built: IsBuilt) -> String {
    let name = shown(program, path);
    let mut out = String::new();
    let _ = writeln!(out, "{name} - {}\n", lower_first(row.summary.get()));
    let _ = writeln!(out, "Usage: {}", usage(&name, row));
    if !row.aliases.is_empty() {
        let _ = writeln!(out, "Also:  {}", row.aliases.join(", "));
    }
    if !is_built(path) {
        let _ = writeln!(out, "\nThis command is {NOT_BUILT}.");
    }
    for paragraph in row.description.get().split("\n\n").filter(|text| !text.is_empty()) {
        out.push('\n');
        wrap(&mut out, paragraph, 0, 0);
    }
    if row.is_family() {
        out.push_str("\nCommands:\n");
        for member in row.members {
            let built = is_built(&format!("{path} {}", member.name));
            let summary = if built {
                member.summary.get().to_string()
            } else {
                format!("{} ({NOT_BUILT})", member.summary.get())
            };
            explain(&mut out, &with_aliases(member), &summary);
        }
    }
    if !row.arguments.is_empty() {
        out.push_str("\nArguments:\n");
        row.arguments.iter().for_each(|argument| explain(&mut out, argument.name, &argument_help(argument)));
    }
    if row.own_flags().next().is_some() {
        out.push_str("\nOptions:\n");
        flags(&mut out, row.own_flags());
    }
    out.push_str("\nOptions of every command:\n");
    flags(&mut out, table::GLOBAL.iter());
    out.push_str("\nExamples:\n");
    for (line, what) in row.examples.get() {
        let _ = writeln!(out, "  {}", shown(program, line));
        let _ = writeln!(out, "      {what}");
    }
    let _ = writeln!(out, "\nExit status: 0 done, 1 failed, 2 wrong command line, 3 refused, 4 unreachable");
    out
}

/// Help for a topic that is no command.
pub fn topic(name: &str) -> Option<String> {
    let mut out = String::new();
    match name {
        "environment" | "variables" => {
            out.push_str("Environment variables:\n");
            for variable in table::variables::VARIABLES {
                let _ = writeln!(out, "  {}", variable.names);
                wrap(&mut out, variable.help.get(), 6, 6);
            }
        }
        "exit-status" => {
            out.push_str("Exit statuses:\n");
            STATUSES.iter().for_each(|(number, meaning)| {
                let _ = writeln!(out, "  {number}  {meaning}");
            });
            out.push_str("\nrun, px, exec, mzp run and mzp test pass on the status of what they run.\n");
        }
        _ => return None,
    }
    Some(out)
}

/// `pantry add PACKAGE... [OPTIONS]`
pub fn usage(name: &str, row: &Command) -> String {
    let mut line = name.to_string();
    if row.is_family() {
        line.push_str(" COMMAND [ARGUMENTS] [OPTIONS]");
        return line;
    }
    if row.pass_on == PassOn::Rest {
        line.push_str(" [OPTIONS]");
    }
    for argument in row.arguments.iter().filter(|argument| !argument.later) {
        let dots = if argument.many { "..." } else { "" };
        let _ = match argument.required {
            true => write!(line, " {}{dots}", argument.name),
            false => write!(line, " [{}{dots}]", argument.name),
        };
    }
    line.push_str(match row.pass_on {
        PassOn::No => " [OPTIONS]",
        PassOn::AfterDashes => " [OPTIONS] [-- ARGUMENTS]",
        PassOn::Rest => " [ARGUMENTS]",
    });
    line
}

/// `-F, --filter PATTERN`; without a short name, indented as if there were one.
pub fn spelled(flag: &Flag) -> String {
    let mut text = match flag.short {
        Some(short) => format!("-{short}, --{}", flag.long),
        None => format!("    --{}", flag.long),
    };
    if let Some((name, _)) = flag.value {
        let _ = write!(text, " {name}");
    }
    text
}

/// The option's help with what else is to be known about it.
pub fn flag_help(flag: &Flag) -> String {
    let mut text = flag.help.get().to_string();
    if let Some((_, kind)) = flag.value {
        add_words(&mut text, kind);
    }
    if flag.repeats {
        text.push_str(" (may be repeated)");
    }
    if flag.later {
        let _ = write!(text, " ({NOT_BUILT})");
    }
    text
}

/// The argument's help with the words that are allowed.
pub fn argument_help(argument: &Argument) -> String {
    let mut text = argument.help.get().to_string();
    add_words(&mut text, argument.kind);
    if argument.later {
        let _ = write!(text, " ({NOT_BUILT})");
    }
    text
}

fn add_words(text: &mut String, kind: Kind) {
    if !kind.words().is_empty() {
        let _ = write!(text, ": {}", kind.words().join(", "));
    }
}

fn with_aliases(row: &Command) -> String {
    let mut names = row.name.to_string();
    row.aliases.iter().for_each(|alias| {
        let _ = write!(names, ", {alias}");
    });
    names
}

fn flags(out: &mut String, flags: impl Iterator<Item = &'static Flag>) {
    flags.for_each(|flag| explain(out, &spelled(flag), &flag_help(flag)));
}

/// A term and its explanation in two columns.
fn explain(out: &mut String, term: &str, text: &str) {
    let width = term.chars().count();
    if width + 4 > GUTTER {
        let _ = writeln!(out, "  {term}");
        wrap(out, text, GUTTER, GUTTER);
        return;
    }
    let mut lines = String::new();
    wrap(&mut lines, text, GUTTER, GUTTER);
    let _ = write!(out, "  {term}{}{}", " ".repeat(GUTTER - 2 - width), lines.trim_start());
}

/// Words in lines of at most [`COLUMNS`], with indents for the first and the others.
fn wrap(out: &mut String, text: &str, first: usize, others: usize) {
    let mut column = first;
    out.push_str(&" ".repeat(first));
    let mut fresh = true;
    for word in text.split_whitespace() {
        let width = word.chars().count();
        if !fresh && column + 1 + width > COLUMNS {
            out.push('\n');
            out.push_str(&" ".repeat(others));
            column = others;
            fresh = true;
        }
        if !fresh {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += width;
        fresh = false;
    }
    out.push('\n');
}

fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_lowercase().to_string()).unwrap_or_default();
    first + letters.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_fit_and_nothing_is_missing() {
        for program in [Program::Pantry, Program::Mzp] {
            let text = overall(program, |path| path != "audit");
            for line in text.lines() {
                assert!(line.chars().count() <= COLUMNS, "{line}");
                assert_eq!(line.trim_end(), line);
            }
            for row in table::roots(program) {
                assert!(text.contains(row.name), "{}", row.name);
            }
        }
        assert!(overall(Program::Pantry, |path| path != "audit").contains("not in this version: audit"));
    }

    #[test]
    fn a_command_is_explained() {
        let row = table::find("tree").unwrap();
        let text = command(Program::Pantry, "tree", row, |_| true);
        assert!(text.starts_with("pantry tree - show the dependency tree\n"), "{text}");
        assert!(text.contains("Usage: pantry tree [PACKAGE...] [OPTIONS]\n"), "{text}");
        assert!(text.contains("\n      --depth N           Go this deep\n"), "{text}");
        assert!(text.contains("  pantry tree --depth=2 --no-dev\n      Show two"), "{text}");
        assert!(!text.contains(NOT_BUILT));
        assert!(
            command(Program::Pantry, "tree", row, |_| false).contains("This command is not in this version.")
        );
    }

    #[test]
    fn both_programs_show_their_own_name() {
        let row = table::find("mzp build").unwrap();
        assert!(command(Program::Mzp, "mzp build", row, |_| true).contains("Usage: mzp build [FILE]"));
        assert!(
            command(Program::Pantry, "mzp build", row, |_| true).contains("Usage: pantry mzp build [FILE]")
        );
    }

    #[test]
    fn usage_lines() {
        let line = |path| usage(&format!("pantry {path}"), table::find(path).unwrap());
        assert_eq!(line("run"), "pantry run [OPTIONS] [SCRIPT] [ARGUMENTS]");
        assert_eq!(line("test"), "pantry test [OPTIONS] [ARGUMENTS]");
        assert_eq!(line("mirror"), "pantry mirror COMMAND [ARGUMENTS] [OPTIONS]");
        assert_eq!(line("add"), "pantry add PACKAGE... [OPTIONS]");
    }

    #[test]
    fn topics_are_there() {
        for (name, _) in TOPICS {
            assert!(topic(name).is_some(), "{name}");
        }
        assert!(topic("cooking").is_none());
    }
}
