//! Why an archive was refused, as data.

use crate::digest::Integrity;
use crate::name::escape;
use std::fmt;
use std::io;

/// The rule an archive broke. [`Rule::name`] is stable and fit for `--json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    Link,
    Device,
    /// An entry that is neither a file nor a directory, or is kept in a way that is not read.
    UnknownType,
    Traversal,
    Absolute,
    Backslash,
    ControlCharacter,
    /// A path or a part of it that is too long.
    NameTooLong,
    TooDeep,
    /// A name that cannot be a path for another reason.
    BadName,
    /// A name that Windows gives to a device.
    ReservedName,
    /// Two paths that some file systems take for one.
    CaseCollision,
    /// A path used as a file and as a directory.
    FileAndDirectory,
    TooLarge,
    TooManyEntries,
    Ratio,
    TrailingGarbage,
    Truncated,
    /// The gzip layer is damaged, or it is no archive at all.
    BadGzip,
    BadXz,
    /// The zip archive's two descriptions of its entries do not agree, or are damaged.
    BadZip,
    Encrypted,
    BadHeader,
    NoManifest,
    BadManifest,
    NameMismatch,
    VersionMismatch,
}

impl Rule {
    /// Whether a damaged download looks like this; the other rules are broken on
    /// purpose, or by whoever made the archive.
    pub fn is_damage(self) -> bool {
        use Rule::*;
        matches!(
            self,
            TooLarge | TrailingGarbage | Truncated | BadGzip | BadXz | BadZip | BadHeader | BadManifest
        )
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Device => "device",
            Self::UnknownType => "unknown-type",
            Self::Traversal => "traversal",
            Self::Absolute => "absolute",
            Self::Backslash => "backslash",
            Self::ControlCharacter => "control-character",
            Self::NameTooLong => "name-too-long",
            Self::TooDeep => "too-deep",
            Self::BadName => "bad-name",
            Self::ReservedName => "reserved-name",
            Self::CaseCollision => "case-collision",
            Self::FileAndDirectory => "file-and-directory",
            Self::TooLarge => "too-large",
            Self::TooManyEntries => "too-many-entries",
            Self::Ratio => "ratio",
            Self::TrailingGarbage => "trailing-garbage",
            Self::Truncated => "truncated",
            Self::BadGzip => "bad-gzip",
            Self::BadXz => "bad-xz",
            Self::BadZip => "bad-zip",
            Self::Encrypted => "encrypted",
            Self::BadHeader => "bad-header",
            Self::NoManifest => "no-manifest",
            Self::BadManifest => "bad-manifest",
            Self::NameMismatch => "name-mismatch",
            Self::VersionMismatch => "version-mismatch",
        }
    }
}

#[derive(Debug)]
pub enum ArchiveError {
    /// `entry` is the name as the archive wrote it, escaped and cut to 300
    /// characters; empty when the rule is about the archive as a whole.
    Refused { rule: Rule, entry: String, detail: String },
    /// The bytes are not the ones that were asked for.
    Integrity { expected: Box<Integrity>, found: Box<Integrity> },
    /// The source of the bytes failed.
    Read(io::Error),
    /// The sink failed (`entry` escaped): disk full, no permission, …
    Write { entry: String, source: io::Error },
}

impl ArchiveError {
    pub(super) fn refused(rule: Rule, entry: &[u8], detail: impl Into<String>) -> Self {
        Self::Refused { rule, entry: shown(entry), detail: detail.into() }
    }
    /// Says which entry's data it is that breaks a rule.
    pub(super) fn of_entry(self, name: &[u8]) -> Self {
        match self {
            Self::Refused { rule, entry, detail } if entry.is_empty() => {
                Self::refused(rule, name, format!("cannot be unpacked: {detail}"))
            }
            other => other,
        }
    }
    /// Refused for what the bytes are, as opposed to an I/O failure.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::Integrity { .. })
    }
    pub fn rule(&self) -> Option<Rule> {
        match self {
            Self::Refused { rule, .. } => Some(*rule),
            _ => None,
        }
    }
}

/// An entry's name fit for a message.
pub(super) fn shown(name: &[u8]) -> String {
    let text = String::from_utf8_lossy(name);
    let cut: String = text.chars().take(300).collect();
    let mut out = escape(&cut).into_owned();
    if cut.len() < text.len() {
        out.push('…');
    }
    out
}

impl fmt::Display for ArchiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { rule, entry, detail } if entry.is_empty() => {
                write!(f, "archive refused ({}): {detail}", rule.name())
            }
            Self::Refused { rule, entry, detail } => {
                write!(f, "archive refused ({}): entry `{entry}` {detail}", rule.name())
            }
            Self::Integrity { expected, found } => {
                write!(f, "integrity mismatch: expected {expected}, the bytes are {found}")
            }
            Self::Read(e) => write!(f, "cannot read the archive: {e}"),
            Self::Write { entry, source } => write!(f, "cannot write `{entry}`: {source}"),
        }
    }
}

impl std::error::Error for ArchiveError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Read(e) | Self::Write { source: e, .. } => Some(e),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error;

    #[test]
    fn damage_malice_and_failures_are_told_apart() {
        assert!(Rule::Truncated.is_damage() && !Rule::Traversal.is_damage());
        let refused = ArchiveError::refused(Rule::Link, b"package/a", "is a link");
        let failed = ArchiveError::Read(io::Error::other("the stick is gone"));
        assert!(refused.is_refusal() && refused.source().is_none());
        assert!(!failed.is_refusal());
        assert_eq!(failed.source().unwrap().to_string(), "the stick is gone");
    }

    #[test]
    fn messages_name_the_entry_unless_it_is_all_of_the_archive() {
        let said = |entry: &[u8]| ArchiveError::refused(Rule::Link, entry, "detail").to_string();
        assert_eq!(said(b""), "archive refused (link): detail");
        assert_eq!(said(b"a\x07"), "archive refused (link): entry `a\\u{7}` detail");
        let of = |e: ArchiveError| e.of_entry(b"b").to_string();
        let whole = ArchiveError::refused(Rule::Truncated, b"", "it ends");
        assert_eq!(of(whole), "archive refused (truncated): entry `b` cannot be unpacked: it ends");
        let named = ArchiveError::refused(Rule::Truncated, b"a", "ends");
        assert_eq!(of(named), "archive refused (truncated): entry `a` ends");
        assert_eq!(shown(&[b'x'; 300]), "x".repeat(300));
        assert_eq!(shown(&[b'x'; 301]), "x".repeat(300) + "\u{2026}");
    }
}
