//! The types of the table's rows. Everything is `const`: the table lies in the
//! binary's read-only data and costs nothing at start.

use super::text::{Examples, Text};

/// What a value is: how it is checked by the parser and completed by a shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text,
    /// A whole number, `0` and up.
    Number,
    Dir,
    File,
    /// A package with or without a version: `react`, `react@18`, `owner/repo`.
    Package,
    Url,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// One or several of these words, separated by commas.
    Choices(&'static [&'static str]),
    /// Words separated by commas.
    List,
    /// The name of a command, for `help`.
    Command,
}

impl Kind {
    /// The words that are allowed, where there are some.
    pub fn words(self) -> &'static [&'static str] {
        match self {
            Self::Choice(words) | Self::Choices(words) => words,
            _ => &[],
        }
    }
}

/// An option: `--long`, `-s`, with or without a value.
#[derive(Debug)]
pub struct Flag {
    /// Without the dashes.
    pub long: &'static str,
    pub short: Option<char>,
    /// The value's name in usage lines (`DIR`) and its kind; `None` for a switch.
    pub value: Option<(&'static str, Kind)>,
    /// One line, no full stop.
    pub help: Text,
    /// May be given several times and each value counts; otherwise the last one does.
    pub repeats: bool,
    /// Long names that cannot stand beside this one.
    pub conflicts: &'static [&'static str],
    /// Known, but not in this version: asking for it is an error.
    pub later: bool,
}

/// An option without a value.
pub const fn flag(long: &'static str, help: &'static str) -> Flag {
    Flag {
        long,
        short: None,
        value: None,
        help: Text::new(help),
        repeats: false,
        conflicts: &[],
        later: false,
    }
}

impl Flag {
    pub const fn short(mut self, letter: char) -> Self {
        self.short = Some(letter);
        self
    }
    pub const fn value(mut self, name: &'static str, kind: Kind) -> Self {
        self.value = Some((name, kind));
        self
    }
    pub const fn repeats(mut self) -> Self {
        self.repeats = true;
        self
    }
    pub const fn conflicts(mut self, with: &'static [&'static str]) -> Self {
        self.conflicts = with;
        self
    }
    pub const fn later(mut self) -> Self {
        self.later = true;
        self
    }
}

/// A positional argument.
#[derive(Debug)]
pub struct Argument {
    /// In capitals: `PACKAGE`.
    pub name: &'static str,
    pub kind: Kind,
    pub help: Text,
    pub required: bool,
    /// Takes all that follow too; only for the last one.
    pub many: bool,
    /// Known, but not in this version: giving it is an error.
    pub later: bool,
}

/// A positional argument that has to be there.
pub const fn required(name: &'static str, kind: Kind, help: &'static str) -> Argument {
    Argument { name, kind, help: Text::new(help), required: true, many: false, later: false }
}

/// A positional argument that may be left out.
pub const fn optional(name: &'static str, kind: Kind, help: &'static str) -> Argument {
    Argument { name, kind, help: Text::new(help), required: false, many: false, later: false }
}

impl Argument {
    pub const fn many(mut self) -> Self {
        self.many = true;
        self
    }
    pub const fn later(mut self) -> Self {
        self.later = true;
        self
    }
}

/// Who gets the words after the command's own arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PassOn {
    /// Nobody: after `--` stand arguments of the command itself.
    No,
    /// A child: what stands after `--`.
    AfterDashes,
    /// A child: everything after the command's arguments, `--` or not.
    Rest,
}

/// A row: a command, or a family of them.
#[derive(Debug)]
pub struct Command {
    pub name: &'static str,
    pub aliases: &'static [&'static str],
    /// One line, no full stop: «Install what the project needs».
    pub summary: Text,
    /// Paragraphs separated by an empty line; wrapped where they are shown.
    pub description: Text,
    pub arguments: &'static [Argument],
    pub pass_on: PassOn,
    /// In groups, so that commands can share them.
    pub flags: &'static [&'static [Flag]],
    /// Command line (without the program's name) and what it does.
    pub examples: Examples,
    /// The family's members; a family has no arguments of its own.
    pub members: &'static [Command],
}

/// A row with nothing but its name and summary.
pub const fn command(name: &'static str, summary: &'static str) -> Command {
    Command {
        name,
        aliases: &[],
        summary: Text::new(summary),
        description: Text::new(""),
        arguments: &[],
        pass_on: PassOn::No,
        flags: &[],
        examples: Examples::new(&[]),
        members: &[],
    }
}

impl Command {
    pub const fn aliases(mut self, names: &'static [&'static str]) -> Self {
        self.aliases = names;
        self
    }
    pub const fn about(mut self, text: &'static str) -> Self {
        self.description = Text::new(text);
        self
    }
    pub const fn takes(mut self, arguments: &'static [Argument]) -> Self {
        self.arguments = arguments;
        self
    }
    pub const fn passes_on(mut self, what: PassOn) -> Self {
        self.pass_on = what;
        self
    }
    pub const fn flags(mut self, groups: &'static [&'static [Flag]]) -> Self {
        self.flags = groups;
        self
    }
    pub const fn examples(mut self, lines: &'static [(&'static str, &'static str)]) -> Self {
        self.examples = Examples::new(lines);
        self
    }
    pub const fn members(mut self, rows: &'static [Command]) -> Self {
        self.members = rows;
        self
    }

    pub fn is_family(&self) -> bool {
        !self.members.is_empty()
    }
    pub fn answers_to(&self, word: &str) -> bool {
        self.name == word || self.aliases.contains(&word)
    }
    /// The command's own options, then those of every command.
    pub fn all_flags(&self) -> impl Iterator<Item = &'static Flag> + use<> {
        let global: &'static [Flag] = super::table::GLOBAL;
        self.own_flags().chain(global)
    }
    pub fn own_flags(&self) -> impl Iterator<Item = &'static Flag> + use<> {
        let groups: &'static [&'static [Flag]] = self.flags;
        groups.iter().flat_map(|group| group.iter())
    }
    /// The member that answers to `word`.
    pub fn member(&'static self, word: &str) -> Option<&'static Command> {
        self.members.iter().find(|row| row.answers_to(word))
    }
}
