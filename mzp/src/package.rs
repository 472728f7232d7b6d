//! An archive as a package: what the archive reader admits, with a manifest of
//! the name and version that were asked for, that needs packages by name only.

use crate::error::{Error, Result};
use crate::manifest::{self, Manifest};
use crate::origin::Origin;
use mirror::archive::{ArchiveError, Expect, Limits, Rule, Sink, Summary, Workspace};
use mirror::digest::{Hash, Integrity};
use mirror::name::MinzName;
use mirror::version::Version;
use std::io::Read;
use std::path::Path;

/// What an archive must be, as far as that is known.
pub struct Wanted<'a> {
    pub name: Option<&'a MinzName>,
    pub version: Option<&'a Version>,
    pub sha256: Option<&'a Hash>,
    /// As messages call it.
    pub shown: &'a str,
}

/// Bytes of one archive, packed or unpacked: a package of MinZ source is never as large as the reader would allow.
pub const BYTES: u64 = 64 << 20;
const ENTRIES: u64 = 10_000;

/// Reads it to its end. What came to the sink counts only when this is `Ok`.
pub fn read(
    source: &mut dyn Read,
    wanted: &Wanted<'_>,
    sink: &mut dyn Sink,
    workspace: &mut Workspace,
) -> Result<(Manifest, Summary)> {
    let integrity = wanted.sha256.map(|hash| Integrity::from(*hash));
    let expect = Expect { integrity: integrity.as_ref(), sha256: true, manifests: true, ..Expect::default() };
    let limits = Limits { bytes: BYTES, entries: ENTRIES, ..Limits::default() };
    let refused = |source| Error::Archive { package: wanted.shown.to_string(), source: Box::new(source) };
    let summary = workspace.read(source, &expect, &limits, sink).map_err(refused)?;
    let rule =
        |rule, detail: String| refused(ArchiveError::Refused { rule, entry: manifest::FILE.into(), detail });
    let Some(bytes) = &summary.mzp_toml else { return Err(rule(Rule::NoManifest, "is missing".into())) };
    let text = std::str::from_utf8(bytes).map_err(|_| rule(Rule::NoManifest, "is not UTF-8".into()))?;
    let found = Manifest::parse(Path::new(manifest::FILE), text)
        .map_err(|e| rule(Rule::NoManifest, format!("cannot be read: {e}")))?;
    if wanted.name.is_some_and(|name| *name != found.name) {
        return Err(rule(Rule::NameMismatch, format!("says it is {}", found.name)));
    }
    if wanted.version.is_some_and(|version| *version != found.version) {
        return Err(rule(Rule::VersionMismatch, format!("says it is version {}", found.version)));
    }
    plain(&found)?;
    Ok((found, summary))
}

/// Somebody else's package may not say where packages come from: a path would lead
/// into the user's own folders, and an address to wherever its author likes.
pub fn plain(manifest: &Manifest) -> Result<()> {
    match manifest.all_dependencies().find(|(_, d)| d.origin != Origin::Registry) {
        None => Ok(()),
        Some((_, d)) => Err(Error::Foreign {
            package: format!("{} {}", manifest.name, manifest.version),
            name: d.name.clone(),
            kind: d.origin.kind(),
        }),
    }
}
