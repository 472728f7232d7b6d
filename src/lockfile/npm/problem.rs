//! What can be wrong with a lockfile of npm, as data, and its words.

use crate::error::{Error, Status};
use crate::json::{self, Excerpt};
use crate::lockfile;
use mirror::name::{NameError, escape};
use std::fmt;
use std::path::Path;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// What can be wrong with our own as well.
    Common(lockfile::Problem),
    /// Version 1.
    TooOld,
    TooNew(u64),
    /// No `lockfileVersion` that ever was.
    NoVersion,
    /// A key of `packages` that is no folder of a project.
    BadPath(String),
    /// A folder that is not inside the project.
    Outside(String),
    /// `node_modules/x` without a version.
    NoPackageVersion(String),
    /// A package that comes from something else than a registry.
    Unsupported {
        package: String,
        from: &'static str,
    },
    /// A package asks for another that is not there.
    Absent {
        by: String,
        wants: String,
    },
}

pub struct Fault {
    pub offset: Option<usize>,
    pub problem: Problem,
}

impl From<json::Error> for Fault {
    fn from(e: json::Error) -> Self {
        Self { offset: Some(e.offset), problem: common(lockfile::Problem::Syntax(e.problem)) }
    }
}

pub fn common(problem: lockfile::Problem) -> Problem {
    Problem::Common(problem)
}

pub fn at<T>(offset: usize, problem: Problem) -> Result<T, Fault> {
    Err(Fault { offset: Some(offset), problem })
}

/// A parser's answer, with the place of what it read.
pub fn named<T>(offset: usize, result: Result<T, NameError>) -> Result<T, Fault> {
    result.map_err(|e| Fault { offset: Some(offset), problem: common(lockfile::Problem::Name(e)) })
}

impl Problem {
    pub fn is_torn(&self) -> bool {
        *self == common(lockfile::Problem::Syntax(json::Problem::Ends))
    }

    fn hint(&self) -> Option<&'static str> {
        use lockfile::Problem as P;
        Some(match self {
            Self::TooOld => "`npm install --package-lock-only --lockfile-version=3` upgrades it",
            Self::TooNew(_) => {
                "`npm install --package-lock-only --lockfile-version=3` writes one that can be read"
            }
            Self::NoPackageVersion(_) | Self::Absent { .. } => {
                "npm left the lockfile incomplete: delete it and make it anew with `npm install --package-lock-only`, or go by package.json"
            }
            Self::Common(P::MergeConflict) => "`npm install --package-lock-only` resolves it",
            Self::Common(P::Empty | P::Torn) => {
                "take it back from version control, or make it anew with `npm install --package-lock-only`"
            }
            Self::Common(P::TwoArchives(_)) => "find out who changed the file",
            _ => return None,
        })
    }

    pub fn into_error(self, path: &Path, excerpt: Option<Box<Excerpt>>) -> Error {
        let status = match &self {
            Self::Common(lockfile::Problem::TwoArchives(_) | lockfile::Problem::BadUrl(_)) => Status::Refused,
            _ => Status::Failed,
        };
        let hints = self.hint().into_iter().map(Into::into).collect();
        let message = match &excerpt {
            Some(_) => self.to_string(),
            None => format!("{}: {self}", escape(&path.to_string_lossy())),
        };
        Error::Text { status, excerpt, message, hints }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Common(problem) => problem.fmt(f),
            Self::TooOld => f.write_str(
                "this lockfile has version 1 (npm 6 and older), which does not say what each package finds",
            ),
            Self::TooNew(n) => {
                write!(f, "the lockfile has version {n}; this program knows npm's up to {}", super::NEWEST)
            }
            Self::NoVersion => f.write_str("this is no lockfile of npm: it has no `lockfileVersion`"),
            Self::BadPath(path) => write!(f, "`{}` is no place for a package", escape(path)),
            Self::Outside(path) => write!(f, "`{}` lies outside the project", escape(path)),
            Self::NoPackageVersion(path) => write!(f, "`{}` has no version", escape(path)),
            Self::Unsupported { package, from } => {
                write!(f, "{} comes from {from}; only packages of registries can be taken", escape(package))
            }
            Self::Absent { by, wants } => {
                write!(f, "{} depends on {}, which is not in the lockfile", escape(by), escape(wants))
            }
        }
    }
}
