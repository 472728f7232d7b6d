//! What can go wrong in a mirror, as data. [`Display`](fmt::Display) is the only
//! place that words it; hints and exit statuses belong to the caller.

use crate::digest::Hash;
use crate::name::escape;
use crate::record::Key;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

pub type Result<T> = std::result::Result<T, Error>;

#[derive(Debug)]
pub enum Error {
    /// A file operation failed. `action` completes «cannot …» (`read`, `write`, …).
    Io { action: &'static str, path: PathBuf, source: io::Error },
    /// The directory holds no mirror.
    NotAMirror { path: PathBuf },
    /// `init` where there is a mirror (or something in its way) already.
    AlreadyThere { path: PathBuf },
    /// Written by a newer version of the format than this program reads.
    NewerFormat { path: PathBuf, found: u64 },
    /// Bytes that break the format or do not match their hash.
    Damaged { path: PathBuf, what: String },
    /// A file that must be a regular one is a link, a FIFO, a device, a directory.
    NotRegular { path: PathBuf },
    /// A record that breaks the record format, or is too large for it.
    Record { key: String, what: &'static str },
    /// Nothing may be written there.
    ReadOnly { path: PathBuf },
    /// Somebody else's, or not what it was.
    Untrusted(Box<crate::trust::Untrusted>),
    /// A package that nobody who is trusted stands for.
    Unvouched(Box<crate::trust::Unvouched>),
    /// It is signed, and nobody here has one of its keys.
    NoKey { path: PathBuf },
    /// Bytes needed and bytes free on that volume.
    NoSpace { path: PathBuf, needed: u64, free: u64 },
    /// One version of one package with two different hashes. Never resolved by itself.
    Conflict(Box<Conflict>),
    /// The archive's bytes are not in this mirror (or no longer).
    Absent { name: String, version: String },
    /// Bytes read are not the bytes that were recorded.
    WrongBytes { path: PathBuf, expected: Box<Hash>, found: Box<Hash> },
    /// A lock that somebody else holds, when waiting was not wanted.
    Locked { path: PathBuf, holder: String },
    /// Something whose size is bounded is larger than that (bytes, or what `what` counts).
    TooLarge { what: &'static str, limit: u64, found: u64 },
}

/// Both sides of a disagreement that only a person can settle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    pub key: Key,
    pub version: String,
    /// The hash that the mirror has, and the one that was to be put in.
    pub ours: String,
    pub theirs: String,
}

impl Error {
    /// For `map_err`: `.map_err(Error::io("read", path))`.
    pub fn io<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Self + 'a {
        move |source| Self::from_io(action, path, source)
    }
    /// The variant that says most about an I/O error.
    pub fn from_io(action: &'static str, path: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { path: path.into() },
            _ => Self::Io { action, path: path.into(), source },
        }
    }
    /// Whether the system could not do it, other than because the file is missing or too short.
    pub fn is_of_the_system(&self) -> bool {
        use io::ErrorKind as K;
        matches!(self, Self::Io { source, .. } if !matches!(source.kind(), K::NotFound | K::UnexpectedEof))
    }
    pub fn wrong_bytes(path: PathBuf, expected: Hash, found: Hash) -> Self {
        Self::WrongBytes { path, expected: Box::new(expected), found: Box::new(found) }
    }
    pub fn damaged(path: &Path, what: impl Into<String>) -> Self {
        Self::Damaged { path: path.into(), what: what.into() }
    }
    /// Names the record when a decoder did not know where its bytes came from.
    pub(crate) fn at(self, path: &Path) -> Self {
        match self {
            Self::Record { key, what } if key.is_empty() => Self::damaged(path, format!("a record {what}")),
            Self::Record { key, what } => {
                Self::damaged(path, format!("the record of {} {what}", escape(&key)))
            }
            e => e,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { action, path, source } => write!(f, "cannot {action} {}: {source}", shown(path)),
            Self::NotAMirror { path } => write!(f, "{} is not a mirror", shown(path)),
            Self::AlreadyThere { path } => write!(f, "{} already holds a mirror", shown(path)),
            Self::NewerFormat { path, found } => {
                write!(f, "{} is a mirror of format version {found}, newer than this program", shown(path))
            }
            Self::Damaged { path, what } => write!(f, "{} is damaged: {what}", shown(path)),
            Self::NotRegular { path } => write!(f, "{} is not a regular file", shown(path)),
            Self::Record { key, what } => write!(f, "the record of `{}` {what}", escape(key)),
            Self::ReadOnly { path } => write!(f, "{} is read-only", shown(path)),
            Self::Untrusted(untrusted) => untrusted.fmt(f),
            Self::Unvouched(unvouched) => unvouched.fmt(f),
            Self::NoKey { path } => {
                write!(f, "{} is signed, and its key is not on this machine", shown(path))
            }
            Self::NoSpace { path, needed, free } => {
                write!(f, "not enough space in {}: {needed} bytes needed, {free} free", shown(path))
            }
            Self::Conflict(c) => write!(
                f,
                "{}@{} has two different hashes: {} here, {} there",
                escape(&c.key.name),
                escape(&c.version),
                escape(&c.ours),
                escape(&c.theirs)
            ),
            Self::Absent { name, version } => {
                write!(f, "the archive of {}@{} is not in the mirror", escape(name), escape(version))
            }
            Self::WrongBytes { path, expected, found } => {
                write!(f, "{} does not hold the bytes {expected}, but {found}", shown(path))
            }
            Self::Locked { path, holder } => {
                write!(f, "{} is locked by {}", shown(path), escape(holder))
            }
            Self::TooLarge { what, limit, found } => {
                write!(f, "{what}: {found} is more than the {limit} allowed")
            }
        }
    }
}
impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

fn shown(path: &Path) -> String {
    escape(&path.to_string_lossy()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A person reads these: each names its thing, and what others wrote in a name moves no cursor.
    #[test]
    fn messages_name_their_thing_and_hold_no_control_bytes() {
        let path = || PathBuf::from("/media/st\x1b[2Jick");
        let record = |key: &str| Error::Record { key: key.into(), what: "is cut off" };
        let hash = Hash::of(b"");
        let shown = escape("st\x1b[2Jick").into_owned();
        let here = |words: &str| format!("/media/{shown}{words}");
        let cases = [
            (
                Error::NewerFormat { path: path(), found: 7 },
                here(" is a mirror of format version 7, newer than this program"),
            ),
            (Error::NotRegular { path: path() }, here(" is not a regular file")),
            (Error::AlreadyThere { path: path() }, here(" already holds a mirror")),
            (
                Error::from_io("write", &path(), io::ErrorKind::ReadOnlyFilesystem.into()),
                here(" is read-only"),
            ),
            (record("left\x07"), format!("the record of `{}` is cut off", escape("left\x07"))),
            (record("left").at(&path()), here(" is damaged: the record of left is cut off")),
            (record("").at(&path()), here(" is damaged: a record is cut off")),
            (Error::ReadOnly { path: path() }.at(Path::new("/else")), here(" is read-only")),
            (
                Error::Absent { name: "left".into(), version: "1.0.0".into() },
                "the archive of left@1.0.0 is not in the mirror".into(),
            ),
            (Error::Locked { path: path(), holder: "process 7".into() }, here(" is locked by process 7")),
            (
                Error::TooLarge { what: "file size", limit: 4, found: 5 },
                "file size: 5 is more than the 4 allowed".into(),
            ),
            (
                Error::wrong_bytes(path(), hash, hash),
                here(&format!(" does not hold the bytes {hash}, but {hash}")),
            ),
            (
                Error::NoSpace { path: path(), needed: 9, free: 3 },
                format!("not enough space in /media/{shown}: 9 bytes needed, 3 free"),
            ),
        ];
        for (error, text) in cases {
            assert_eq!(error.to_string(), text);
            assert!(!text.contains(char::is_control) && std::error::Error::source(&error).is_none());
        }
        let io = Error::from_io("read", &path(), io::ErrorKind::PermissionDenied.into());
        assert_eq!(io.to_string(), format!("cannot read /media/{shown}: permission denied"));
        assert!(std::error::Error::source(&io).is_some() && io.is_of_the_system());
        assert!(!Error::from_io("read", &path(), io::ErrorKind::NotFound.into()).is_of_the_system());
    }
}
