//! What can go wrong, as data. The only place that words it is `words`
//! (`Display`), the only place that maps it to an exit status is
//! [`Error::status`]; hints ride along ([`Error::hints`], worded in `hint`).

mod hint;
mod missing;
mod words;

pub use hint::Advice;
pub use missing::{Missing, Seen, Whereabouts, day};

use crate::json::Excerpt;
use mirror::archive::ArchiveError;
use mirror::http::HttpError;
use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};

/// The exit statuses of every command (DESIGN section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Done,
    /// What was asked could not be done.
    Failed,
    /// The command line is wrong.
    Usage,
    /// Refused for integrity, signature or trust.
    Refused,
    /// Something needed is not reachable or not in any mirror.
    Unreachable,
    /// A child's own status, passed on by `run`, `px`, `exec`, `mzp run` and `mzp test`.
    Child(u8),
}

impl Status {
    /// This one, or where that is `Done`, the other.
    pub fn and(self, other: Self) -> Self {
        if self == Self::Done { other } else { self }
    }

    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Refused => 3,
            Self::Unreachable => 4,
            Self::Child(code) => code,
        }
    }
}

/// Who wants what of one package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionConflict {
    pub package: String,
    /// The version that is in the way, where one was chosen already.
    pub chosen: Option<String>,
    pub demands: Vec<Demand>,
}

/// One demand, and the chain that leads to it from the project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demand {
    pub range: String,
    pub chain: Vec<String>,
}

/// The platforms that a package is for, as npm writes them.
#[derive(Debug)]
pub struct Filters {
    pub os: Vec<String>,
    pub cpu: Vec<String>,
    pub libc: Vec<String>,
}

/// What is seldom made lies apart: every function that may fail moves as many bytes as the largest of these has.
#[derive(Debug)]
pub enum Error {
    /// The command line cannot be understood.
    Usage { message: String, hint: Option<String> },
    /// An environment variable or a key of the configuration has a value that
    /// cannot be used. `rule` completes «must be …».
    Setting { name: Box<str>, value: Box<str>, rule: Box<str> },
    /// Neither `PANTRY_HOME` nor `HOME` says where the user's files are.
    NoHome,
    /// The working directory is gone or may not be read.
    NoWorkingDirectory { source: io::Error },
    /// The command, or one of its options, is not in this version.
    NotBuilt { what: String },
    /// A file operation failed. `action` completes «cannot …».
    Io { action: &'static str, path: PathBuf, source: io::Error },
    /// A name, version, path or hash that breaks its grammar, and where it stood.
    Name { source: mirror::name::NameError, place: String },
    /// Something in a text file that somebody wrote; with its place and line, where it has one.
    Text { status: Status, excerpt: Option<Box<Excerpt>>, message: String, hints: Vec<String> },
    /// From the mirror.
    Mirror(mirror::Error),
    /// From the MinZ mode.
    Mzp(Box<mzp::Error>),
    /// Between here and a server.
    Http(Box<mirror::http::HttpError>),
    /// A server answered, and not with what was asked for.
    Answer { url: Box<mirror::http::Url>, status: u16, concerning: String },
    /// A package that is in no mirror, or of which no version here fits.
    Missing(Box<Missing>),
    /// Demands on one package that no version can meet together.
    VersionConflict(Box<VersionConflict>),
    /// A package's archive was refused, or could not be read or written.
    Archive { package: String, source: Box<mirror::archive::ArchiveError> },
    /// A mirror has another archive under this name and version than the lock was made from.
    OtherBytes { package: Box<str>, mirror: Box<Path>, locked: Box<str>, found: Box<str> },
    /// Nothing says what the archive's bytes must be.
    NoIntegrity { package: String },
    /// The volume has no symbolic links, and this linker cannot do without; nor can, with any, what leads to folders.
    NoSymlinks { project: PathBuf, linker: Option<&'static str> },
    /// A required package is for other platforms.
    WrongPlatform { package: Box<str>, platform: Box<str>, filters: Box<Filters> },
    /// `--frozen-lockfile`: the lock is missing or does not fit the manifests.
    StaleLock { path: PathBuf, missing: bool, differences: Vec<crate::lockfile::Difference> },
    /// Anything else that one module knows how to word; replaced by variants
    /// with data as soon as somebody acts on it.
    Other { status: Status, message: String, hints: Vec<String> },
}

pub type Result<T> = std::result::Result<T, Box<Error>>;

impl Error {
    /// For `map_err`: `.map_err(Error::io("read", path))`.
    pub fn io<'a>(
        action: &'static str,
        path: &'a std::path::Path,
    ) -> impl FnOnce(io::Error) -> Box<Self> + 'a {
        move |source| Box::new(Self::Io { action, path: path.into(), source })
    }

    pub fn status(&self) -> Status {
        use Status::{Failed, Refused, Unreachable, Usage};
        use mirror::Error as M;
        match self {
            Self::Usage { .. } | Self::Setting { .. } => Usage,
            Self::Mirror(error) => match error {
                M::Damaged { .. }
                | M::NotRegular { .. }
                | M::Record { .. }
                | M::Conflict(_)
                | M::NoKey { .. }
                | M::Untrusted(_)
                | M::Unvouched(_)
                | M::WrongBytes { .. } => Refused,
                M::Absent { .. } => Unreachable,
                _ => Failed,
            },
            Self::Mzp(error) => mzp_status(error),
            Self::Http(error) => http_status(error),
            Self::Answer { .. } | Self::Missing(_) => Unreachable,
            Self::Archive { source, .. } => match &**source {
                ArchiveError::Refused { .. } | ArchiveError::Integrity { .. } => Refused,
                ArchiveError::Read(source) => HttpError::inside(source).map_or(Failed, http_status),
                ArchiveError::Write { .. } => Failed,
            },
            Self::NoIntegrity { .. } | Self::OtherBytes { .. } => Refused,
            Self::NoHome
            | Self::NoWorkingDirectory { .. }
            | Self::NotBuilt { .. }
            | Self::Io { .. }
            | Self::Name { .. }
            | Self::VersionConflict(_)
            | Self::NoSymlinks { .. }
            | Self::WrongPlatform { .. }
            | Self::StaleLock { .. } => Failed,
            Self::Text { status, .. } | Self::Other { status, .. } => *status,
        }
    }

    /// The line of the file that it is about.
    pub fn excerpt(&self) -> Option<Cow<'_, Excerpt>> {
        match self {
            Self::Text { excerpt, .. } => excerpt.as_deref().map(Cow::Borrowed),
            Self::Mzp(error) => error.place().filter(|place| place.column > 0).map(|place| {
                let offset = place.text.char_indices().nth(place.column as usize - 1);
                let offset = offset.map_or(place.text.len(), |(at, _)| at);
                let mut excerpt = Excerpt::new(&place.file, &place.text, offset);
                excerpt.position.line = place.line;
                Cow::Owned(excerpt)
            }),
            _ => None,
        }
    }

    /// What would help, one line each.
    pub fn hints(&self) -> Vec<String> {
        let mut hints = match self {
            Self::Usage { hint, .. } => hint.iter().cloned().collect(),
            Self::NoHome => vec!["set PANTRY_HOME to a folder that may be written".to_string()],
            Self::NoWorkingDirectory { .. } => vec!["change to a folder that exists".to_string()],
            Self::NotBuilt { what } => {
                let program = if what.starts_with("`mzp ") { "mzp" } else { "pantry" };
                vec![format!("`{program} help` lists what this version can do")]
            }
            Self::Text { hints, .. } | Self::Other { hints, .. } => hints.clone(),
            Self::Mirror(error) => hint::for_mirror(error),
            Self::Mzp(error) => hint::for_mzp(error),
            Self::Http(error) => hint::for_http(error),
            Self::Answer { status, concerning, .. } => hint::for_answer(*status, concerning),
            Self::Missing(missing) => missing.hints(),
            Self::StaleLock { missing: true, .. } => {
                vec!["`pantry install` without --frozen-lockfile makes it".to_string()]
            }
            Self::StaleLock { .. } => vec!["`pantry install` brings the lockfile up to date".to_string()],
            Self::NoSymlinks { linker: Some(_), .. } => {
                vec!["use --linker hoisted on this volume".to_string()]
            }
            Self::NoSymlinks { .. } => {
                vec![
                    "depend on a packed archive (`npm pack`, `file:x.tgz`), or work on another volume"
                        .to_string(),
                ]
            }
            Self::WrongPlatform { .. } => {
                vec!["list it in optionalDependencies if the project can do without it here".to_string()]
            }
            Self::OtherBytes { .. } => {
                vec![
                    "compare both with the registry; one of the lockfile and the mirror was altered"
                        .to_string(),
                ]
            }
            Self::NoIntegrity { .. } => {
                vec!["delete the lockfile to have `pantry install` choose versions anew".to_string()]
            }
            Self::Archive { source, .. } => hint::for_archive(source),
            Self::Setting { .. } | Self::Io { .. } | Self::Name { .. } | Self::VersionConflict(_) => {
                Vec::new()
            }
        };
        hints.extend(self.advice().map(|advice| advice.words().to_string()));
        hints
    }

    /// Which of the specification's contextual suggestions applies.
    pub fn advice(&self) -> Option<Advice> {
        match self {
            Self::Io { source, .. } => Advice::for_io(source),
            Self::Mirror(error) => Advice::for_mirror(error),
            Self::Mzp(error) => Advice::for_mzp(error),
            Self::Http(error) => Advice::for_http(error),
            Self::Answer { status, .. } if *status >= 500 => Some(Advice::Network),
            Self::Archive { source, .. } => Advice::for_archive(source),
            Self::VersionConflict(_) => Some(Advice::VersionConflict),
            _ => None,
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } | Self::NoWorkingDirectory { source } => Some(source),
            Self::Name { source, .. } => Some(source),
            Self::Mirror(error) => Some(error),
            Self::Mzp(error) => Some(error),
            Self::Http(error) => Some(&**error),
            Self::Archive { source, .. } => Some(&**source),
            _ => None,
        }
    }
}

fn http_status(error: &HttpError) -> Status {
    match error {
        HttpError::Redirect { .. } | HttpError::Private { .. } => Status::Refused,
        error if error.is_unreachable() => Status::Unreachable,
        _ => Status::Failed,
    }
}

fn mzp_status(error: &mzp::Error) -> Status {
    use mzp::Error as M;
    match error {
        M::HashMismatch { .. } | M::Taken { .. } | M::Foreign { .. } | M::Document { refused: true, .. } => {
            Status::Refused
        }
        M::Http { source } => http_status(source),
        M::Answer { .. } | M::NotHere { .. } => Status::Unreachable,
        M::Archive { source, .. } if source.is_refusal() => Status::Refused,
        M::UnknownPackage { .. } | M::AbsentVersion { .. } => Status::Unreachable,
        _ => Status::Failed,
    }
}

impl From<HttpError> for Box<Error> {
    fn from(error: HttpError) -> Self {
        Error::Http(Box::new(error)).into()
    }
}

impl From<mzp::Error> for Box<Error> {
    fn from(error: mzp::Error) -> Self {
        match error {
            mzp::Error::Io { action, path, source } => Error::Io { action, path, source }.into(),
            mzp::Error::Mirror { source } => (*source).into(),
            mzp::Error::Http { source } => (*source).into(),
            other => Error::Mzp(Box::new(other)).into(),
        }
    }
}

impl From<mirror::Error> for Box<Error> {
    fn from(error: mirror::Error) -> Self {
        Box::new(match error {
            mirror::Error::Io { action, path, source } => match HttpError::inside(&source) {
                Some(http) => Error::Http(Box::new(http.clone())),
                None => Error::Io { action, path, source },
            },
            other => Error::Mirror(other),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_the_documented_numbers() {
        let all = [
            Status::Done,
            Status::Failed,
            Status::Usage,
            Status::Refused,
            Status::Unreachable,
            Status::Child(7),
        ];
        assert_eq!(all.map(Status::code), [0, 1, 2, 3, 4, 7]);
    }
}
