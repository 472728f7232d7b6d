//! Arguments → [`Invocation`]. Pure: nothing but the arguments and the table
//! is looked at, so that every case is a line in a test.
//!
//! An option may stand before its command. Until the command is known, an
//! option is looked up in the whole table, only to learn whether it takes a
//! value; that it belongs to the command is checked when the command is known.
//! The table's tests keep that question answerable (`--long` options mean the
//! same everywhere; a short one that does not has to follow its command).

use super::command::{Argument, Command, Flag, PassOn};
use super::invocation::{self, Invocation, Program, shown, utf8};
use super::suggest::closest;
use super::table;
use crate::error::{Error, Result};
use mirror::name::escape;
use std::ffi::{OsStr, OsString};

/// Parses the words after the program's name.
///
/// # Errors
/// [`Error::Usage`], with a suggestion where there is one.
pub fn parse(program: Program, words: Vec<OsString>) -> Result<Invocation> {
    let asked_for_something = !words.is_empty();
    let mut state = State { program, row: None, path: String::new(), early: Vec::new(), options: Vec::new() };
    let mut arguments = Vec::new();
    let mut passed_on = Vec::new();
    let mut lexer = lexopt::Parser::from_args(words);
    while let Some(word) = next_word(&mut lexer)? {
        match word {
            Word::Option(Spelling::Long(name)) if name == "help" => return help(state, &mut lexer),
            Word::Option(Spelling::Short('h')) => return help(state, &mut lexer),
            Word::Option(spelling) => {
                if spelling.is("version", 'V') {
                    return Ok(about(program, "version", Vec::new()));
                }
                state.option(spelling, &mut lexer)?;
            }
            Word::Dashes(rest) => {
                match state.leaf() {
                    Some(row) if row.pass_on != PassOn::No => passed_on = rest,
                    Some(_) => arguments.extend(rest),
                    None => return Err(usage("there is no command before `--`", None)),
                }
                break;
            }
            Word::Value(value) => match state.leaf() {
                None => state.descend(&value)?,
                // The first word that is a child's takes the others with it.
                Some(row) if row.pass_on == PassOn::Rest && row.arguments.is_empty() => {
                    passed_on.push(value);
                    passed_on.extend(rest(&mut lexer)?);
                    break;
                }
                Some(_) => arguments.push(value),
            },
        }
        if let Some(row) = state.leaf()
            && row.pass_on == PassOn::Rest
            && !row.arguments.is_empty()
            && arguments.len() == row.arguments.len()
        {
            passed_on = rest(&mut lexer)?;
            break;
        }
    }
    let Some(row) = state.row else {
        if !asked_for_something {
            return Ok(about(program, "help", Vec::new()));
        }
        return Err(usage(
            "no command was given",
            Some(format!("`{} help` lists the commands", program.name())),
        ));
    };
    if row.is_family() {
        return Err(state.needs_member(row));
    }
    let invocation =
        Invocation { program, command: row, path: state.path, options: state.options, arguments, passed_on };
    check_arguments(&invocation)?;
    check_conflicts(&invocation)?;
    Ok(invocation)
}

/// Whether these words ask for JSON, for an error that comes before a command is known.
pub fn wants_json(words: &[OsString]) -> bool {
    words.iter().take_while(|word| *word != "--").any(|word| word == "--json")
}

/// An option as it was written.
enum Spelling {
    Long(String),
    Short(char),
}

impl Spelling {
    fn is(&self, long: &str, short: char) -> bool {
        match self {
            Self::Long(name) => name == long,
            Self::Short(letter) => *letter == short,
        }
    }
    fn names(&self, flag: &Flag) -> bool {
        match self {
            Self::Long(name) => flag.long == name,
            Self::Short(letter) => flag.short == Some(*letter),
        }
    }
    fn shown(&self) -> String {
        match self {
            Self::Long(name) => format!("--{}", escape(name)),
            Self::Short(letter) => format!("-{}", escape(&letter.to_string())),
        }
    }
}

enum Word {
    Option(Spelling),
    Value(OsString),
    /// `--` and all that follows it.
    Dashes(Vec<OsString>),
}

fn next_word(lexer: &mut lexopt::Parser) -> Result<Option<Word>> {
    if let Some(raw) = lexer.try_raw_args()
        && raw.peek() == Some(OsStr::new("--"))
    {
        return Ok(Some(Word::Dashes(raw.skip(1).collect())));
    }
    Ok(match lexer.next().map_err(from_lexopt)? {
        None => None,
        Some(lexopt::Arg::Long(name)) => Some(Word::Option(Spelling::Long(name.to_string()))),
        Some(lexopt::Arg::Short(letter)) => Some(Word::Option(Spelling::Short(letter))),
        Some(lexopt::Arg::Value(value)) => Some(Word::Value(value)),
    })
}

/// All that is left, without a `--` in front.
fn rest(lexer: &mut lexopt::Parser) -> Result<Vec<OsString>> {
    let mut raw = lexer.raw_args().map_err(from_lexopt)?;
    if raw.peek() == Some(OsStr::new("--")) {
        raw.next();
    }
    Ok(raw.collect())
}

struct State {
    program: Program,
    /// The row reached so far; a family until a member is named.
    row: Option<&'static Command>,
    path: String,
    /// Options of commands that came before the command.
    early: Vec<(Spelling, OsString)>,
    options: Vec<(&'static Flag, OsString)>,
}

impl State {
    fn leaf(&self) -> Option<&'static Command> {
        self.row.filter(|row| !row.is_family())
    }

    /// The next word of the command's name.
    fn descend(&mut self, word: &OsStr) -> Result<()> {
        let text = utf8(word, "the command's name")?;
        let found = match self.row {
            None => table::root(self.program, text),
            Some(family) => family.member(text),
        };
        let Some(row) = found else { return Err(self.unknown_command(text)) };
        match self.row {
            None => self.path = table::root_path(self.program, row),
            Some(_) => {
                self.path.push(' ');
                self.path.push_str(row.name);
            }
        }
        self.row = Some(row);
        if !row.is_family() {
            for (spelling, value) in std::mem::take(&mut self.early) {
                let flag = self.own(row, &spelling)?;
                self.take(flag, value)?;
            }
        }
        Ok(())
    }

    fn option(&mut self, spelling: Spelling, lexer: &mut lexopt::Parser) -> Result<()> {
        if let Some(row) = self.leaf() {
            let flag = self.own(row, &spelling)?;
            let value = read_value(flag, &spelling, lexer)?;
            return self.take(flag, value);
        }
        if let Some(flag) = table::GLOBAL.iter().find(|flag| spelling.names(flag)) {
            let value = read_value(flag, &spelling, lexer)?;
            return self.take(flag, value);
        }
        let flag = somewhere(&spelling, self.program)?;
        let value = read_value(flag, &spelling, lexer)?;
        self.early.push((spelling, value));
        Ok(())
    }

    fn own(&self, row: &'static Command, spelling: &Spelling) -> Result<&'static Flag> {
        row.all_flags().find(|flag| spelling.names(flag)).ok_or_else(|| {
            let near = match spelling {
                Spelling::Long(name) => closest(name, row.all_flags().map(|flag| flag.long)),
                Spelling::Short(_) => None,
            };
            let command = shown(self.program, &self.path);
            let hint = match near {
                Some(near) => format!("did you mean `--{near}`?"),
                None => format!("`{command} --help` lists its options"),
            };
            usage(format!("`{command}` has no option `{}`", spelling.shown()), Some(hint))
        })
    }

    fn take(&mut self, flag: &'static Flag, value: OsString) -> Result<()> {
        if let Some((_, kind)) = flag.value {
            invocation::check(&value, kind, &format!("the value of `--{}`", flag.long))?;
        }
        self.options.push((flag, value));
        Ok(())
    }

    fn unknown_command(&self, word: &str) -> Box<Error> {
        let program = self.program;
        if let Some(family) = self.row {
            let command = shown(program, &self.path);
            let names = family
                .members
                .iter()
                .flat_map(|row| [row.name].into_iter().chain(row.aliases.iter().copied()));
            let hint = match closest(word, names) {
                Some(near) => format!("did you mean `{command} {near}`?"),
                None => format!("`{}` lists its commands", help_for(program, &self.path)),
            };
            return usage(format!("`{command}` has no command `{}`", escape(word)), Some(hint));
        }
        let names = || {
            table::roots(program).flat_map(|row| [row.name].into_iter().chain(row.aliases.iter().copied()))
        };
        let inside = || {
            table::roots(program).find_map(|family| {
                family
                    .member(word)
                    .map(|member| format!("`{} {} {}`", program.name(), family.name, member.name))
            })
        };
        let family_of_words = || {
            let members: Vec<_> = names()
                .filter(|name| name.strip_prefix(word).is_some_and(|rest| rest.starts_with(':')))
                .map(|name| format!("`{name}`"))
                .collect();
            (!members.is_empty()).then(|| members.join(", "))
        };
        let near = family_of_words()
            .or_else(inside)
            .or_else(|| closest(word, names()).map(|near| format!("`{} {near}`", program.name())));
        let hint = match near {
            Some(near) => format!("did you mean {near}?"),
            None => format!("`{} help` lists the commands", program.name()),
        };
        usage(format!("there is no command `{}`", escape(word)), Some(hint))
    }

    fn needs_member(&self, family: &Command) -> Box<Error> {
        let names: Vec<_> = family.members.iter().map(|row| row.name).collect();
        usage(
            format!("`{}` needs one of: {}", shown(self.program, &self.path), names.join(", ")),
            Some(format!("`{}` explains them", help_for(self.program, &self.path))),
        )
    }
}

/// Any option of the table that is written like this.
fn somewhere(spelling: &Spelling, program: Program) -> Result<&'static Flag> {
    let mut all = Vec::new();
    let mut rows: Vec<&'static Command> = table::roots(program).collect();
    while let Some(row) = rows.pop() {
        all.extend(row.own_flags());
        rows.extend(row.members);
    }
    let mut found = all.iter().copied().filter(|flag| spelling.names(flag));
    let Some(first) = found.next() else {
        let longs = all
            .iter()
            .chain(&table::GLOBAL.iter().collect::<Vec<_>>())
            .map(|flag| flag.long)
            .collect::<Vec<_>>();
        let hint = match spelling {
            Spelling::Long(name) => {
                closest(name, longs.into_iter()).map(|near| format!("did you mean `--{near}`?"))
            }
            Spelling::Short(_) => None,
        };
        let hint =
            hint.or_else(|| Some(format!("`{} help` lists the options of every command", program.name())));
        return Err(usage(format!("there is no option `{}`", spelling.shown()), hint));
    };
    if found.any(|other| other.value.is_some() != first.value.is_some()) {
        return Err(usage(
            format!("`{}` means different things to different commands", spelling.shown()),
            Some("write it after the command".to_string()),
        ));
    }
    Ok(first)
}

/// The value of an option, empty for a switch.
fn read_value(flag: &Flag, spelling: &Spelling, lexer: &mut lexopt::Parser) -> Result<OsString> {
    let Some((name, _)) = flag.value else { return Ok(OsString::new()) };
    let missing = |hint| Err(usage(format!("`{}` needs a value: {name}", spelling.shown()), hint));
    if let Some(value) = lexer.optional_value() {
        return if value.is_empty() { missing(None) } else { Ok(value) };
    }
    let mut raw = lexer.raw_args().map_err(from_lexopt)?;
    // `--mirror --json` is a forgotten value far more often than a folder called `--json`.
    match raw.peek() {
        Some(next) if !looks_like_option(next) => match raw.next() {
            Some(value) if !value.is_empty() => Ok(value),
            _ => missing(None),
        },
        Some(next) if next != "--" => missing(Some(format!(
            "write `--{}={}` if that is the value",
            flag.long,
            escape(&next.to_string_lossy())
        ))),
        _ => missing(None),
    }
}

fn looks_like_option(word: &OsStr) -> bool {
    let bytes = word.as_encoded_bytes();
    bytes.len() > 1 && bytes[0] == b'-' && !bytes[1].is_ascii_digit()
}

fn check_arguments(invocation: &Invocation) -> Result<()> {
    let row = invocation.command;
    let command = invocation.shown();
    let given = invocation.arguments.len();
    let most =
        if row.arguments.last().is_some_and(|last| last.many) { usize::MAX } else { row.arguments.len() };
    if given > most {
        let extra = invocation.arguments[most].to_string_lossy();
        let with_colon = format!("{}:{extra}", row.name);
        let hint = match table::find(&with_colon) {
            Some(_) => format!("did you mean `{} {with_colon}`?", invocation.program.name()),
            None => format!("`{}` shows its arguments", help_for(invocation.program, &invocation.path)),
        };
        return Err(usage(format!("`{command}` takes no argument `{}`", escape(&extra)), Some(hint)));
    }
    if let Some(Argument { name, .. }) = row.arguments.iter().skip(given).find(|argument| argument.required) {
        let hint = format!("`{}` shows its arguments", help_for(invocation.program, &invocation.path));
        return Err(usage(format!("`{command}` needs a {name}"), Some(hint)));
    }
    for (index, value) in invocation.arguments.iter().enumerate() {
        if let Some(argument) = row.arguments.get(index.min(row.arguments.len() - 1)) {
            invocation::check(value, argument.kind, argument.name)?;
        }
    }
    Ok(())
}

fn check_conflicts(invocation: &Invocation) -> Result<()> {
    for (flag, _) in &invocation.options {
        for other in flag.conflicts {
            if invocation.options.iter().any(|(given, _)| given.long == *other) {
                return Err(usage(format!("`--{}` and `--{other}` exclude each other", flag.long), None));
            }
        }
    }
    Ok(())
}

/// Help for the command reached so far, or named by the words that follow.
/// Lenient: who asks for help gets help, not a lecture.
fn help(mut state: State, lexer: &mut lexopt::Parser) -> Result<Invocation> {
    state.early.clear();
    while state.leaf().is_none() {
        match next_word(lexer) {
            Ok(Some(Word::Value(value))) if state.descend(&value).is_ok() => {}
            Ok(Some(Word::Option(_))) => {}
            _ => break,
        }
    }
    let words = state.path.split(' ').filter(|word| !word.is_empty()).map(OsString::from).collect();
    Ok(about(state.program, "help", words))
}

/// An invocation of one of the `about` rows, which both programs have.
fn about(program: Program, name: &'static str, arguments: Vec<OsString>) -> Invocation {
    // The table's tests keep `help` and `version` in it; any row does for the type.
    let command = table::root(program, name).unwrap_or(&table::FAMILIES[0].rows[0]);
    Invocation {
        program,
        command,
        path: name.to_string(),
        options: Vec::new(),
        arguments,
        passed_on: Vec::new(),
    }
}

fn help_for(program: Program, path: &str) -> String {
    match (program, path.strip_prefix("mzp ")) {
        (Program::Mzp, Some(rest)) => format!("mzp help {rest}"),
        _ => format!("{} help {path}", program.name()),
    }
}

fn usage(message: impl Into<String>, hint: Option<String>) -> Box<Error> {
    Box::new(Error::Usage { message: message.into(), hint })
}

fn from_lexopt(error: lexopt::Error) -> Box<Error> {
    let message = match error {
        lexopt::Error::UnexpectedValue { option, value } => {
            format!("`{}` takes no value, but got `{}`", escape(&option), escape(&value.to_string_lossy()))
        }
        other => escape(&other.to_string()).into_owned(),
    };
    usage(message, None)
}

#[cfg(test)]
mod tests;
