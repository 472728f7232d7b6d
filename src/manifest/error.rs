//! What can be wrong with a manifest, as data, and its words.

use crate::dependency;
use crate::error::Status;
use crate::json::{self, Excerpt, Position};
use crate::resolve::graph::Group;
use mirror::name::{NameError, PackageName, escape};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

#[derive(Debug)]
pub struct Error {
    /// The file, or the folder where the search began.
    pub path: PathBuf,
    pub problem: Problem,
    pub excerpt: Option<Box<Excerpt>>,
}

#[derive(Debug)]
pub enum Problem {
    /// No folder upwards holds a manifest.
    NoProject,
    /// Two of pantry's own files in one folder.
    TwoFiles {
        first: &'static str,
        second: &'static str,
    },
    /// The project's only manifest is config/deps.ts.
    Code,
    /// A pipe, a socket or a device.
    NotAFile,
    Io(io::Error),
    Empty,
    TooLarge,
    /// More dependencies than can be installed.
    TooMany,
    Syntax(json::Problem),
    MergeConflict,
    /// A key that stands twice in one object.
    Twice {
        name: String,
        first: Position,
    },
    /// A field with another kind of value than it has.
    Kind {
        field: String,
        expected: &'static str,
        found: json::Kind,
    },
    /// The manifest's own name or version, a command or a path.
    Name(NameError),
    Dependency {
        key: String,
        problem: dependency::Problem,
    },
    /// Two dependencies that would be the same folder.
    SameFolder {
        alias: PackageName,
        other: String,
        first: Position,
    },
    /// pantry's file and package.json ask for different things under one name.
    Contradiction {
        alias: PackageName,
        other: Box<Excerpt>,
    },
    /// A script's name with control characters.
    ScriptName(String),
    /// Two members with one name.
    SameMember {
        first: String,
        second: String,
    },
    /// Patterns that lead into more folders than anybody has.
    TooManyFolders,
    /// pnpm-workspace.yaml that is none.
    Yaml(&'static str),
    /// `catalog:` with a name that is in none.
    NoCatalog {
        name: String,
        catalog: String,
    },
    /// A workspace pattern that leaves the project.
    Pattern(String),
    /// An override that cannot be used.
    Override {
        key: String,
        why: &'static str,
    },
    /// `sourceResolution` with something that is not pkgx, npm or github.
    Origin(String),
}

impl Error {
    pub(super) fn file(path: &Path, problem: Problem) -> Self {
        Self { path: path.to_path_buf(), problem, excerpt: None }
    }

    pub fn hint(&self) -> Option<&'static str> {
        Some(match &self.problem {
            Problem::NoProject => {
                "go to the project's folder, or write a package.json such as {\"dependencies\": {\"react\": \"^19.0.0\"}}"
            }
            Problem::TwoFiles { .. } => "keep one of the two",
            Problem::Code => {
                "write the dependencies into pantry.jsonc; evaluating TypeScript comes with a later version"
            }
            Problem::Syntax(json::Problem::Comment | json::Problem::TrailingComma) => {
                "npm reads this file too; comments and trailing commas may stand in pantry.jsonc or package.jsonc"
            }
            Problem::Contradiction { .. } => "make both the same, or remove one of them",
            _ => return None,
        })
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoProject => f.write_str("no pantry.json or package.json here or in any folder above"),
            Self::TwoFiles { first, second } => write!(f, "both {first} and {second} are here"),
            Self::Code => f.write_str(
                "this manifest is a program, and programs of a project never run before `pantry allow`",
            ),
            Self::NotAFile => f.write_str("this is not a regular file"),
            Self::Io(e) => e.fmt(f),
            Self::Empty => f.write_str("the manifest is empty"),
            Self::TooLarge => write!(f, "the manifest is larger than {} MiB", super::LIMIT >> 20),
            Self::TooMany => write!(f, "more than {} dependencies", super::MOST_DEPENDENCIES),
            Self::Syntax(problem) => problem.fmt(f),
            Self::MergeConflict => f.write_str("the manifest holds the markers of an unresolved merge"),
            Self::Twice { name, first } => {
                write!(f, "`{}` stands here a second time, the first time at {first}", escape(name))
            }
            Self::Kind { field, expected, found } => {
                write!(f, "`{}` has to be {expected}, not {}", escape(field), found.name())
            }
            Self::Name(e) => e.fmt(f),
            Self::Dependency { key, problem } => {
                write!(f, "the dependency `{}`: {problem}", escape(&dependency::redact(key)))
            }
            Self::SameFolder { alias, other, first } => write!(
                f,
                "this and `{}` at {first} would both be installed as {alias}",
                escape(&dependency::redact(other))
            ),
            Self::Contradiction { alias, other } => {
                write!(f, "{alias} is asked for differently at {other}")
            }
            Self::ScriptName(name) => write!(f, "`{}` cannot be a script's name", escape(name)),
            Self::SameMember { first, second } => {
                write!(
                    f,
                    "two members of the workspace have the same name: {} and {}",
                    escape(first),
                    escape(second)
                )
            }
            Self::TooManyFolders => f.write_str("the workspace's patterns lead into too many folders"),
            Self::Yaml(problem) => f.write_str(problem),
            Self::NoCatalog { name, catalog } => {
                write!(f, "the catalog `{}` has no {}", escape(catalog), escape(name))
            }
            Self::Pattern(text) => {
                write!(f, "the workspace pattern `{}` leaves the project", escape(text))
            }
            Self::Override { key, why } => write!(f, "the override `{}` {why}", escape(key)),
            Self::Origin(text) => {
                write!(f, "`{}` is not a source; the order names pkgx, npm and github", escape(text))
            }
        }
    }
}
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.excerpt {
            Some(e) => write!(f, "{e}: {}", self.problem),
            None => write!(f, "{}: {}", escape(&self.path.to_string_lossy()), self.problem),
        }
    }
}
impl std::error::Error for Error {}

impl From<Error> for Box<crate::error::Error> {
    fn from(e: Error) -> Self {
        let hints = e.hint().into_iter().map(Into::into).collect();
        Box::new(match e.problem {
            Problem::Io(source) => crate::error::Error::Io { action: "read", path: e.path, source },
            problem => {
                let message = match &e.excerpt {
                    Some(_) => problem.to_string(),
                    None => format!("{}: {problem}", escape(&e.path.to_string_lossy())),
                };
                crate::error::Error::Text { status: Status::Failed, excerpt: e.excerpt, message, hints }
            }
        })
    }
}

/// Something odd that does not stop an install.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// config/deps.ts stands beside another manifest and is not read.
    CodeIgnored { path: PathBuf },
    /// One name in two groups with different words: npm's order decides.
    Overruled { excerpt: Excerpt, alias: PackageName, by: Group },
    /// A field, or a member of it, that cannot be used and that npm would drop too.
    Dropped { excerpt: Excerpt, field: String },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CodeIgnored { path } => write!(
                f,
                "{} is a program and is not read; the manifest beside it is",
                escape(&path.to_string_lossy())
            ),
            Self::Overruled { excerpt, alias, by } => {
                let by = match by {
                    Group::Normal => "dependencies",
                    Group::Dev => "devDependencies",
                    Group::Optional => "optionalDependencies",
                    Group::Peer => "peerDependencies",
                };
                write!(f, "{excerpt}: {alias} is also in {by}, which counts")
            }
            Self::Dropped { excerpt, field } => {
                write!(f, "{excerpt}: `{}` cannot be used and is left out", escape(field))
            }
        }
    }
}
