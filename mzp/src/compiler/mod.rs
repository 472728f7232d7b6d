//! Driving `mz`, the MinZ compiler, as it really is.
//!
//! What it offers is read from its `--help` (its version says nothing). It is
//! run on `main.minz` from the folder of that file; it always gets an output
//! file, whose folder exists. It is stopped after a time, with all that it
//! started, and bounded in memory: some inputs make it loop. It is not believed
//! that a status of 0 means success: warnings mean that something is missing in
//! the output, and a syntax error can leave no trace but an absent `main:`.

mod assembly;
mod messages;
pub(crate) mod process;
#[cfg(test)]
mod tests;

pub use messages::Map;
pub use process::Limits;

use crate::error::{CompilerFailure, CompilerProblem, Error, Result};
use crate::platform::Platform;
use process::{Ended, Outcome};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// Longest assembly that is looked at, in bytes: far above 64 KiB of code.
const OUTPUT: u64 = 64 << 20;

/// What a compiler can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Abilities {
    /// `--packages=DIR`
    pub packages: bool,
    /// It says what it can do, and ends well.
    pub answers: bool,
}

/// One run.
#[derive(Debug)]
pub struct Job<'a> {
    pub program: &'a OsStr,
    /// Holds `main.minz`; the compiler's files go there too.
    pub directory: &'a Path,
    pub platform: &'static Platform,
    /// The folder of packages, for a compiler that takes one.
    pub packages: Option<&'a str>,
    pub limits: Limits,
}

/// What came out.
#[derive(Debug)]
pub struct Assembly {
    pub text: String,
    /// Function blocks that the compiler had written twice.
    pub duplicates: usize,
}

/// Asks the compiler for its options.
pub fn probe(program: &OsStr, directory: &Path, limits: Limits) -> Result<Abilities> {
    let outcome = run(program, &["--help".into()], directory, limits)?;
    let text = format!("{}{}", outcome.stdout, outcome.stderr);
    Ok(Abilities {
        packages: text.split_whitespace().any(|w| w.starts_with("--packages")),
        answers: outcome.ended == Ended::Status(0) && text.contains("--output"),
    })
}

/// Compiles. `map` finds the user's place for a line of `main.minz`.
pub fn compile(job: &Job<'_>, map: &Map<'_>) -> Result<Assembly> {
    let output = format!("main.{}", job.platform.assembly);
    let path = job.directory.join(&output);
    mirror::file::remove(&path)?;
    let mut arguments: Vec<OsString> = Vec::new();
    arguments.extend(job.packages.map(|p| format!("--packages={p}").into()));
    arguments.extend(["main.minz", "-o", &output, "-b", job.platform.backend].map(OsString::from));
    if let Some(target) = job.platform.target {
        arguments.extend(["-t", target].map(OsString::from));
    }
    let outcome = run(job.program, &arguments, job.directory, job.limits)?;
    let fail = |kind, messages| {
        Err(Error::Compiler(Box::new(CompilerFailure { program: job.program.into(), kind, messages })))
    };
    let complaints = format!("{}\n{}", outcome.stderr, outcome.stdout);
    if complaints.contains("tree-sitter is not installed") {
        return fail(CompilerProblem::NoParser, Vec::new());
    }
    if outcome.ended != Ended::Status(0) {
        let kind = match outcome.ended {
            Ended::Status(n) => CompilerProblem::Status(Some(n)),
            Ended::Signal => CompilerProblem::Status(None),
            Ended::TimedOut => CompilerProblem::TimedOut(job.limits.time),
        };
        let mut found = messages::errors(&outcome.stderr, map);
        found.extend(messages::warnings(&outcome.stdout, map));
        return fail(kind, found);
    }
    let warnings = messages::warnings(&outcome.stdout, map);
    if !warnings.is_empty() {
        return fail(CompilerProblem::Warned, warnings);
    }
    let bytes = match mirror::file::read(&path, OUTPUT) {
        Ok(bytes) => bytes,
        Err(mirror::Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            return fail(CompilerProblem::NoOutput(path), Vec::new());
        }
        Err(e) => return Err(e.into()),
    };
    let (text, duplicates) = assembly::tidy(&String::from_utf8_lossy(&bytes));
    if !assembly::has_entry(&text) {
        return fail(CompilerProblem::NoEntry, messages::errors(&outcome.stderr, map));
    }
    let left_out = messages::left_out(&assembly::left_out(&text), map);
    if !left_out.is_empty() {
        return fail(CompilerProblem::Warned, left_out);
    }
    Ok(Assembly { text, duplicates })
}

fn run(program: &OsStr, arguments: &[OsString], directory: &Path, limits: Limits) -> Result<Outcome> {
    process::run(program, arguments, directory, limits).map_err(|e| {
        let kind = match e.kind() {
            std::io::ErrorKind::NotFound => CompilerProblem::NotFound,
            _ => CompilerProblem::NotStarted(e.to_string()),
        };
        Error::Compiler(Box::new(CompilerFailure {
            program: PathBuf::from(program),
            kind,
            messages: Vec::new(),
        }))
    })
}
