//! What the command line says, after parsing: the row of the table, its options
//! and arguments. Nothing has been looked at yet: a path is still only a word.

use super::command::{Command, Flag, Kind};
use crate::error::{Error, Result};
use mirror::name::escape;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// The name that the binary was called by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    Pantry,
    Mzp,
}

impl Program {
    /// `mzp`, `/usr/bin/mzp` and `mzp.exe` are mzp; everything else is pantry.
    pub fn from_argv0(argv0: Option<&OsStr>) -> Self {
        let stem = argv0.and_then(|name| Path::new(name).file_stem());
        if stem == Some(OsStr::new("mzp")) { Self::Mzp } else { Self::Pantry }
    }
    /// A link called `px` stands for `pantry px`.
    pub fn is_px(argv0: Option<&OsStr>) -> bool {
        argv0.and_then(|name| Path::new(name).file_stem()) == Some(OsStr::new("px"))
    }
    pub fn name(self) -> &'static str {
        match self {
            Self::Pantry => "pantry",
            Self::Mzp => "mzp",
        }
    }
}

/// A parsed command line. Options are asked for by their long name; asking for
/// one that the row does not have is a mistake in this program, and trips a
/// debug assertion.
#[derive(Debug)]
pub struct Invocation {
    pub program: Program,
    pub command: &'static Command,
    /// The row's canonical path, the same for every alias and for both names of
    /// the binary: `install`, `mirror pull`, `mzp build`.
    pub path: String,
    pub(super) options: Vec<(&'static Flag, OsString)>,
    pub arguments: Vec<OsString>,
    /// For a child process; see [`super::command::PassOn`].
    pub passed_on: Vec<OsString>,
}

impl Invocation {
    /// Whether the option was given at all.
    pub fn has(&self, long: &str) -> bool {
        self.given(long).next().is_some()
    }

    /// Whether this command has such an option at all.
    pub fn offers(&self, long: &str) -> bool {
        self.command.all_flags().any(|flag| flag.long == long)
    }

    /// The option's value as it was given, the last one when it repeats.
    pub fn value(&self, long: &str) -> Option<&OsStr> {
        self.given(long).last()
    }

    /// Every value of an option that repeats, in order.
    pub fn values(&self, long: &str) -> impl Iterator<Item = &OsStr> {
        self.given(long)
    }

    pub fn path(&self, long: &str) -> Option<&Path> {
        self.value(long).map(Path::new)
    }

    /// # Errors
    /// The value is not UTF-8.
    pub fn text(&self, long: &str) -> Result<Option<&str>> {
        self.value(long).map(|value| utf8(value, &format!("the value of `--{long}`"))).transpose()
    }

    /// All words of an option that takes a comma list and may repeat; empty
    /// words fall away.
    ///
    /// # Errors
    /// A value is not UTF-8.
    pub fn list(&self, long: &str) -> Result<Vec<&str>> {
        let mut words = Vec::new();
        for value in self.given(long) {
            let text = utf8(value, &format!("the value of `--{long}`"))?;
            words.extend(text.split(',').map(str::trim).filter(|word| !word.is_empty()));
        }
        Ok(words)
    }

    /// All values of an option that may repeat, as they are.
    ///
    /// # Errors
    /// A value is not UTF-8.
    pub fn texts(&self, long: &str) -> Result<Vec<&str>> {
        self.given(long).map(|value| utf8(value, &format!("the value of `--{long}`"))).collect()
    }

    /// The value of an option of [`Kind::Number`] (which the parser has checked).
    pub fn number(&self, long: &str) -> Option<u64> {
        self.value(long).and_then(OsStr::to_str).and_then(|text| text.parse().ok())
    }

    /// The `index`th argument as text.
    ///
    /// # Errors
    /// It is not UTF-8.
    pub fn argument(&self, index: usize) -> Result<Option<&str>> {
        self.arguments.get(index).map(|value| utf8(value, "an argument")).transpose()
    }

    /// The `index`th argument as a path, which need not be UTF-8.
    pub fn argument_path(&self, index: usize) -> Option<PathBuf> {
        self.arguments.get(index).map(PathBuf::from)
    }

    /// All arguments as text.
    ///
    /// # Errors
    /// One is not UTF-8.
    pub fn argument_texts(&self) -> Result<Vec<&str>> {
        self.arguments.iter().map(|value| utf8(value, "an argument")).collect()
    }

    /// Options that were given and are not in this version.
    pub fn later_options(&self) -> impl Iterator<Item = &'static Flag> {
        self.options.iter().map(|(flag, _)| *flag).filter(|flag| flag.later)
    }

    /// How the user writes this command: `mzp build` or `pantry mzp build`.
    pub fn shown(&self) -> String {
        shown(self.program, &self.path)
    }

    fn given(&self, long: &str) -> impl Iterator<Item = &OsStr> {
        debug_assert!(self.offers(long), "`{}` has no option --{long} in the table", self.path);
        self.options.iter().filter(move |(flag, _)| flag.long == long).map(|(_, value)| value.as_os_str())
    }
}

/// The path of a row with the program's name before it.
pub fn shown(program: Program, path: &str) -> String {
    match (program, path.strip_prefix("mzp")) {
        (Program::Mzp, Some(rest)) => format!("mzp{rest}"),
        _ if path.is_empty() => program.name().to_string(),
        _ => format!("{} {path}", program.name()),
    }
}

/// A word that has to be text.
pub(super) fn utf8<'a>(value: &'a OsStr, what: &str) -> Result<&'a str> {
    value.to_str().ok_or_else(|| {
        let message = format!("{what} is not valid UTF-8: `{}`", escape(&value.to_string_lossy()));
        Error::Usage { message, hint: None }.into()
    })
}

/// Checks a value against its kind.
pub(super) fn check(value: &OsStr, kind: Kind, what: &str) -> Result<()> {
    match kind {
        Kind::Text | Kind::Dir | Kind::File | Kind::Package | Kind::List | Kind::Command => Ok(()),
        Kind::Url => utf8(value, what).map(drop),
        Kind::Number => {
            let text = utf8(value, what)?;
            if text.parse::<u64>().is_ok() {
                Ok(())
            } else {
                Err(wrong(what, text, "a whole number".into(), None))
            }
        }
        Kind::Choice(words) => one_of(utf8(value, what)?, words, what),
        Kind::Choices(words) => {
            let text = utf8(value, what)?;
            text.split(',').try_for_each(|word| one_of(word.trim(), words, what))
        }
    }
}

fn one_of(word: &str, words: &[&str], what: &str) -> Result<()> {
    if words.contains(&word) {
        return Ok(());
    }
    let hint =
        super::suggest::closest(word, words.iter().copied()).map(|near| format!("did you mean `{near}`?"));
    Err(wrong(what, word, format!("one of {}", words.join(", ")), hint))
}

fn wrong(what: &str, text: &str, wanted: String, hint: Option<String>) -> Box<Error> {
    Box::new(Error::Usage { message: format!("{what} must be {wanted}, not `{}`", escape(text)), hint })
}
