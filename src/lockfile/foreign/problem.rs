//! What can be wrong with a lockfile that another program wrote, as data, and its words.

use super::Maker;
use crate::error::{Error, Status};
use crate::json::{self, Excerpt};
use crate::lockfile;
use mirror::name::{NameError, escape};
use std::path::Path;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// What can be wrong with our own as well.
    Common(lockfile::Problem),
    /// A version that does not say what is needed.
    TooOld,
    TooNew(String),
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
    /// Not what YAML or yarn's own language is like.
    Grammar(&'static str),
    /// A key of packages or a target that names none.
    BadKey(String),
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

    fn hint(&self, maker: Maker) -> Option<String> {
        use lockfile::Problem as P;
        let anew = match maker {
            Maker::Npm => "npm install --package-lock-only",
            Maker::Pnpm => "pnpm install --lockfile-only",
            Maker::Yarn => "yarn install",
            Maker::Bun => "bun install --lockfile-only",
            Maker::Earlier => "pantry install",
        };
        Some(match self {
            Self::TooOld if maker == Maker::Npm => {
                "`npm install --package-lock-only --lockfile-version=3` upgrades it".into()
            }
            Self::TooNew(_) if maker == Maker::Npm => {
                "`npm install --package-lock-only --lockfile-version=3` writes one that can be read".into()
            }
            Self::TooOld => format!("`{anew}` of a newer {} upgrades it", maker.name()),
            Self::NoPackageVersion(_) | Self::Absent { .. } if maker == Maker::Npm => {
                "npm left the lockfile incomplete: delete it and make it anew with `npm install --package-lock-only`, or go by package.json".into()
            }
            Self::Absent { .. } => format!("make it anew with `{anew}`, or delete it to go by the manifest"),
            Self::Common(P::MergeConflict) => format!("`{anew}` resolves it"),
            Self::Common(P::Empty | P::Torn) => {
                format!("take it back from version control, or make it anew with `{anew}`")
            }
            Self::Common(P::TwoArchives(_)) => "find out who changed the file".into(),
            _ => return None,
        })
    }

    pub fn into_error(self, maker: Maker, path: &Path, excerpt: Option<Box<Excerpt>>) -> Box<Error> {
        let status = match &self {
            Self::Common(lockfile::Problem::TwoArchives(_) | lockfile::Problem::BadUrl(_)) => Status::Refused,
            _ => Status::Failed,
        };
        let hints = self.hint(maker).into_iter().collect();
        let words = self.words(maker);
        let message = match &excerpt {
            Some(_) => words,
            None => format!("{}: {words}", escape(&path.to_string_lossy())),
        };
        Box::new(Error::Text { status, excerpt, message, hints })
    }

    fn words(&self, maker: Maker) -> String {
        match self {
            Self::Common(problem) => problem.to_string(),
            Self::TooOld if maker == Maker::Npm => {
                "this lockfile has version 1 (npm 6 and older), which does not say what each package finds"
                    .into()
            }
            Self::TooOld => {
                format!("this lockfile was written by a {} too old to be read here", maker.name())
            }
            Self::TooNew(n) => format!(
                "the lockfile has version {}; this program knows {}'s up to {}",
                escape(n),
                maker.name(),
                maker.newest()
            ),
            Self::NoVersion => {
                format!("this is no lockfile of {}: it has no `lockfileVersion`", maker.name())
            }
            Self::BadPath(path) => format!("`{}` is no place for a package", escape(path)),
            Self::Outside(path) => format!("`{}` lies outside the project", escape(path)),
            Self::NoPackageVersion(path) => format!("`{}` has no version", escape(path)),
            Self::Unsupported { package, from } => {
                format!("{} comes from {from}; only packages of registries can be taken", escape(package))
            }
            Self::Grammar(problem) => (*problem).into(),
            Self::BadKey(key) => format!("`{}` is no package", escape(key)),
            Self::Absent { by, wants } => {
                format!("{} depends on {}, which is not in the lockfile", escape(by), escape(wants))
            }
        }
    }
}
