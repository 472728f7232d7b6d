//! What can be wrong with a lockfile, as data, and its words.

use crate::error::Status;
use crate::json::{self, Excerpt};
use mirror::digest::Algorithm;
use mirror::name::{NameError, escape};
use std::fmt;
use std::path::PathBuf;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    pub path: PathBuf,
    pub problem: Problem,
    /// The place and its line, where the problem has one.
    pub excerpt: Option<Box<Excerpt>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// Nothing but blanks.
    Empty,
    /// It ends in the middle.
    Torn,
    /// Larger than [`super::LIMIT`].
    TooLarge,
    Syntax(json::Problem),
    /// A merge left its markers behind.
    MergeConflict,
    /// Written by a program newer than this one.
    NewerVersion(u64),
    /// The first property is not a `lockfileVersion` that ever was.
    NoVersion,
    /// A whole section is not there.
    NoSection(&'static str),
    UnknownField(String),
    /// A package key, group or property that stands twice.
    Twice(String),
    /// A name, version, path or hash that breaks its grammar.
    Name(NameError),
    /// A package key that is not `name@version` or `name@version#n`.
    BadKey(String),
    /// A dependency whose value is not `TARGET RANGE`.
    BadTarget(String),
    /// A dependency on a package that the lockfile does not hold.
    Nowhere(String),
    /// A dependency that may not be left out has no target.
    Unresolved(String),
    NoIntegrity(String),
    WeakIntegrity(String, Algorithm),
    /// One version of one source with two hashes or two addresses.
    TwoArchives(String),
    /// Not a folder of `node_modules`, or one too many.
    BadPlace(String),
    /// A tarball address that is not http(s) or holds a password.
    BadUrl(String),
}

impl Error {
    /// What breaks promise 2 is refused; everything else just failed.
    pub fn status(&self) -> Status {
        match self.problem {
            Problem::NoIntegrity(_)
            | Problem::WeakIntegrity(..)
            | Problem::TwoArchives(_)
            | Problem::BadUrl(_) => Status::Refused,
            _ => Status::Failed,
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self.problem {
            Problem::MergeConflict => {
                "keep either side of the file (`git checkout --ours pantry.lock`); `pantry install` then adds what the other side needs"
            }
            Problem::Empty | Problem::Torn => {
                "take it back from version control, or delete it to have `pantry install` choose versions anew"
            }
            Problem::NewerVersion(_) => "a newer pantry wrote it: use that version here too",
            Problem::NoIntegrity(_) | Problem::WeakIntegrity(..) | Problem::TwoArchives(_) => {
                "find out who changed the file; delete it to have `pantry install` choose versions anew"
            }
            _ => return None,
        })
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the lockfile is empty"),
            Self::Torn => f.write_str("the lockfile ends in the middle"),
            Self::TooLarge => {
                write!(f, "the lockfile is larger than {} MiB", super::LIMIT >> 20)
            }
            Self::Syntax(problem) => problem.fmt(f),
            Self::MergeConflict => f.write_str("the lockfile holds the markers of an unresolved merge"),
            Self::NewerVersion(n) => {
                write!(f, "the lockfile has version {n}; this program knows up to {}", super::VERSION)
            }
            Self::NoVersion => {
                f.write_str("this is not a pantry lockfile: it does not begin with `lockfileVersion`")
            }
            Self::NoSection(name) => write!(f, "the lockfile has no `{name}`"),
            Self::UnknownField(name) => write!(f, "a lockfile has no property `{}`", escape(name)),
            Self::Twice(what) => write!(f, "`{}` stands here twice", escape(what)),
            Self::Name(e) => e.fmt(f),
            Self::BadKey(key) => write!(f, "`{}` is not `name@version`", escape(key)),
            Self::BadTarget(value) => write!(f, "`{}` is not a target and a range", escape(value)),
            Self::Nowhere(target) => {
                write!(f, "it depends on {}, which is not in the lockfile", escape(target))
            }
            Self::Unresolved(alias) => write!(f, "the dependency {} has no target", escape(alias)),
            Self::NoIntegrity(key) => write!(f, "{} has no integrity", escape(key)),
            Self::WeakIntegrity(key, algorithm) => {
                write!(
                    f,
                    "{} has only a {} hash, which proves nothing any more",
                    escape(key),
                    algorithm.name()
                )
            }
            Self::TwoArchives(key) => write!(f, "{} stands for two different archives", escape(key)),
            Self::BadPlace(place) => write!(f, "`{}` is not a place in `node_modules`", escape(place)),
            Self::BadUrl(key) => write!(f, "the address of {} is not a plain http or https one", escape(key)),
        }
    }
}
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.excerpt {
            Some(e) => write!(f, "{e}: {}", self.problem),
            None => write!(f, "{}: {}", escape(&self.path.display().to_string()), self.problem),
        }
    }
}
impl std::error::Error for Error {}

impl From<Error> for Box<crate::error::Error> {
    fn from(e: Error) -> Self {
        let (status, hint) = (e.status(), e.hint());
        let message = match &e.excerpt {
            Some(_) => e.problem.to_string(),
            None => e.to_string(),
        };
        let hints = hint.into_iter().map(Into::into).collect();
        Box::new(crate::error::Error::Text { status, excerpt: e.excerpt, message, hints })
    }
}
