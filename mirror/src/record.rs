//! What an index knows about one package of one source: all that resolution
//! and installation need, so that no manifest has to be read from an archive.
//!
//! Text fields come from outside (an upstream, a stick) and are not trusted:
//! whoever turns one into a path, a version or a range goes through that
//! type's parser.
//!
//! # Encoding
//!
//! Numbers are unsigned LEB128 (`n`), text is a length in bytes and UTF-8 (`t`).
//!
//! ```text
//! 1 byte   record format: 1
//! 1 byte   ecosystem
//! t t      source, name
//! 1 byte   1: complete, 0: pruned
//! n t n    checked, etag, modified
//! n        number of tags, then per tag      t t     tag, version (sorted by tag)
//! n        number of packs, then per pack    32 bytes SHA-256 (sorted)
//! n        number of versions, then per version, ascending:
//!            t      version
//!            1 byte flags: bits 0-1 location (0 absent, 1 pack, 2 blob), bit 2 deprecated, bit 3 as-of follows
//!            n n    only for location 1: index into the packs, offset in the pack
//!            n      as of, if bit 3
//!            n      published
//!            n      length of its body
//! the bodies, in the same order, each:
//!   1 byte + digest  integrity: 0 none, 1 sha1, 2 sha256, 3 sha384, 4 sha512
//!   1 byte           bit 0 sha256 follows, 1 tarball, 2 install script, 3 deprecated
//!   32 bytes         our SHA-256, if bit 0
//!   n n              size, unpacked
//!   t, t             tarball if bit 1, deprecation if bit 3
//!   n                dependencies, each: 1 byte (bits 0-2 kind, bit 3 condition follows), t name, t range, [t condition]
//!   n n n            bins, engines, extra: each a number of pairs, then t t per pair
//!   n n n n          bundled, os, cpu, libc: each a number, then t per item
//! ```
//!
//! The table stands before the bodies, so that [`RecordView`] can choose a
//! version without decoding any; where an archive lies is in the table, so that
//! bodies are copied unread when mirrors are joined.

pub(crate) mod codec;

mod build;
pub(crate) mod join;
mod parts;
pub(crate) mod pieces;
mod view;

pub use build::RecordBuilder;
pub use parts::{Edges, Pairs, Parts, Texts};
pub use view::RecordView;
pub(crate) use view::read_key;

use crate::digest::{Hash, Integrity};
use crate::error::Error;
use crate::version::Version;

const RECORD_FORMAT: u8 = 1;
const LOCATION_MASK: u8 = 3;
const LOCATION_PACK: u8 = 1;
const LOCATION_BLOB: u8 = 2;
const DEPRECATED: u8 = 4;
const AS_OF: u8 = 8;
/// Bounds on what may be written and read.
const MAX_BODY: usize = 2 << 20;
pub(crate) const MAX_RECORD: usize = 128 << 20;
const MAX_VERSIONS: usize = 1_000_000;

/// Whose naming rules and version numbers apply. The numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Ecosystem {
    Npm = 1,
    Minz = 2,
    Pkgx = 3,
    Github = 4,
    Git = 5,
    Http = 6,
    Custom = 7,
}

impl Ecosystem {
    /// The inverse of `as u8`.
    pub fn from_number(n: u8) -> Option<Self> {
        Some(match n {
            1 => Self::Npm,
            2 => Self::Minz,
            3 => Self::Pkgx,
            4 => Self::Github,
            5 => Self::Git,
            6 => Self::Http,
            7 => Self::Custom,
            _ => return None,
        })
    }
}

/// Where a package is looked up. Sorted by (ecosystem, source, name), bytewise.
///
/// `source` is the id of the authority that gives out the name: `npm` for the
/// default npm registry whatever its address, else `npm+<url>` for a scope's
/// own registry, `minz` for the default MinZ registry. Never a mirror's name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    pub ecosystem: Ecosystem,
    pub source: String,
    pub name: String,
}

impl Key {
    /// A package of the default npm registry.
    pub fn npm(name: &str) -> Self {
        Self { ecosystem: Ecosystem::Npm, source: "npm".into(), name: name.into() }
    }
    /// A package of the default MinZ registry.
    pub fn minz(name: &str) -> Self {
        Self { ecosystem: Ecosystem::Minz, source: "minz".into(), name: name.into() }
    }
    /// Ecosystem byte, source, NUL, name: compares bytewise as keys do.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(2 + self.source.len() + self.name.len());
        out.push(self.ecosystem as u8);
        out.extend_from_slice(self.source.as_bytes());
        out.push(0);
        out.extend_from_slice(self.name.as_bytes());
        out
    }
    fn fault(&self) -> Option<&'static str> {
        let bad = |t: &str, limit| t.is_empty() || t.len() > limit || t.contains('\0');
        if bad(&self.source, 2048) {
            Some("has a source that is empty, too long or holds a NUL")
        } else if bad(&self.name, 1024) {
            Some("has a name that is empty, too long or holds a NUL")
        } else {
            None
        }
    }
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.fault().map_or(Ok(()), |what| Err(Error::Record { key: self.name.clone(), what }))
    }
}

/// All that one origin knows about one package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub key: Key,
    /// Every version that the upstream had at `checked` is listed. A pruned
    /// record (`false`) answers offline, never online.
    pub complete: bool,
    /// Unix seconds of the last answer from upstream (200 or 304); 0: never asked.
    pub checked: u64,
    /// The upstream's validator for a conditional request; empty: none.
    pub etag: String,
    /// Unix seconds of the upstream's own modification time; 0: it gave none, and what may change
    /// stands since `checked`. Orders mutable facts (tags, deprecation) when mirrors are merged.
    pub modified: u64,
    /// dist-tag → version, sorted by tag.
    pub tags: Vec<(String, String)>,
    /// Sorted by [`Version`]'s order, ascending, each once.
    pub versions: Vec<VersionRecord>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionRecord {
    pub version: Version,
    /// The upstream's hash of the archive. `None`: upstream gave none and the
    /// archive has never been here; such a version cannot be installed.
    pub integrity: Option<Integrity>,
    /// Our own hash of the archive's bytes, known once it has been here.
    pub sha256: Option<Hash>,
    /// Where the archive lies in this mirror.
    pub location: Location,
    /// Archive bytes; 0: not known.
    pub size: u64,
    /// Sum of the files' bytes; 0: not known.
    pub unpacked: u64,
    /// Archive URL, only where it cannot be derived from registry, name and version.
    pub tarball: Option<String>,
    pub dependencies: Vec<Dependency>,
    /// Names of dependencies that lie inside the archive.
    pub bundled: Vec<String>,
    /// Command name → path inside the package.
    pub bins: Vec<(String, String)>,
    pub os: Vec<String>,
    pub cpu: Vec<String>,
    pub libc: Vec<String>,
    /// `engines` of npm.
    pub engines: Vec<(String, String)>,
    /// Has a `preinstall`, `install` or `postinstall` script (or a binding.gyp).
    pub install_script: bool,
    /// The upstream's warning; empty text counts as deprecated without words.
    pub deprecated: Option<String>,
    /// Unix seconds; 0: not given.
    pub published: u64,
    /// Since when what upstream may change about this version (its deprecation) stands, Unix seconds;
    /// `None`: since the record's own time. Differs where records were joined of which not
    /// all had this version.
    pub as_of: Option<u64>,
    /// What only one ecosystem needs, sorted by key: MinZ keeps `feature.NAME`,
    /// `targets`, `description`, … here; npm keeps nothing. Publishers' statements
    /// ([`crate::trust::Publishers`]) of any ecosystem.
    pub extra: Vec<(String, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Dependency {
    /// The name it is installed under (npm's alias).
    pub name: String,
    /// The text of the range as the package wrote it (`^1.0.0`, `npm:x@1`, …).
    pub range: String,
    pub kind: DependencyKind,
    /// MinZ: the platform whose table it stands in; otherwise empty.
    pub condition: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum DependencyKind {
    Normal = 0,
    Optional = 1,
    Peer = 2,
    /// A peer with `peerDependenciesMeta.optional`.
    PeerOptional = 3,
    Dev = 4,
}

/// Where an archive's bytes lie.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Location {
    /// Known, not here.
    Absent,
    /// In a pack, at `offset`, [`VersionRecord::size`] bytes.
    Pack { pack: Hash, offset: u32 },
    /// A file of its own under BLB/, named by [`VersionRecord::sha256`].
    Blob,
}

impl Location {
    pub fn is_present(&self) -> bool {
        *self != Self::Absent
    }
}

impl VersionRecord {
    /// A version about which only its number is known; fill in the rest.
    pub fn new(version: Version) -> Self {
        Self {
            version,
            integrity: None,
            sha256: None,
            location: Location::Absent,
            size: 0,
            unpacked: 0,
            tarball: None,
            dependencies: Vec::new(),
            bundled: Vec::new(),
            bins: Vec::new(),
            os: Vec::new(),
            cpu: Vec::new(),
            libc: Vec::new(),
            engines: Vec::new(),
            install_script: false,
            deprecated: None,
            published: 0,
            as_of: None,
            extra: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests;
