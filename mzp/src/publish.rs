//! A package as it is published: which files it consists of, and the archive
//! and index record made of them. The same files give the same bytes.

use crate::error::{Error, Result};
use crate::feature::Part;
use crate::manifest::{FILE, Manifest};
use crate::origin::Origin;
use crate::registry::{key, record};
use mirror::archive::{self, Expect, Limits};
use mirror::digest::Hash;
use mirror::name::RelPath;
use mirror::record::{Key, VersionRecord};
use std::collections::BTreeSet;
use std::path::Path;

/// Most files of a package, and their bytes together: MinZ packages are KB.
const FILES: usize = 10_000;
const BYTES: u64 = 64 << 20;

/// Packs the package in a folder: `mzp.toml`, what its exports and features
/// name, `src/`, `examples/`, and README and licence files. Never hidden files,
/// `packages/`, `tests/` or build output; a link is refused, not followed.
pub fn pack(dir: &Path) -> Result<(Vec<u8>, Key, VersionRecord)> {
    let Some(manifest) = Manifest::load(dir)? else {
        return Err(Error::NoProject { start: dir.to_path_buf() });
    };
    let foreign = manifest.all_dependencies().find(|(_, d)| d.origin != Origin::Registry);
    if let Some((_, d)) = foreign {
        return Err(Error::Source { place: d.place.clone(), name: d.name.clone(), kind: d.origin.kind() });
    }
    let files = files(dir, &manifest)?;
    let mut bytes = Vec::new();
    archive::pack(dir, &files, &mut bytes).map_err(Error::io("pack", dir))?;
    // What installing would refuse is refused here, where it can be mended.
    let expect = Expect { sha256: true, ..Expect::default() };
    let summary =
        archive::read(&mut bytes.as_slice(), &expect, &Limits::default(), &mut ()).map_err(|e| {
            Error::Archive { package: format!("{} {}", manifest.name, manifest.version), source: Box::new(e) }
        })?;
    let hash = Hash::of(&bytes);
    let mut record = record(&manifest);
    record.sha256 = Some(hash);
    record.integrity = Some(hash.into());
    record.size = bytes.len() as u64;
    record.unpacked = summary.unpacked;
    Ok((bytes, key(&manifest.name), record))
}

/// SHA-256 of what a folder's package would be packed as.
pub fn digest(manifest: &Manifest) -> Result<Hash> {
    let (dir, mut bytes) = (manifest.root(), Vec::new());
    archive::pack(dir, &files(dir, manifest)?, &mut bytes).map_err(Error::io("pack", dir))?;
    Ok(Hash::of(&bytes))
}

/// The files of the package, sorted.
pub fn files(dir: &Path, manifest: &Manifest) -> Result<Vec<RelPath>> {
    let mut out = BTreeSet::new();
    let mut take = |path: RelPath| -> Result<()> {
        out.insert(path);
        if out.len() > FILES {
            Err(Error::TooLarge { what: "files in a package", limit: FILES })
        } else {
            Ok(())
        }
    };
    let mut folders = Vec::new();
    for (name, kind) in entries(dir)? {
        let lower = name.to_ascii_lowercase();
        let document = ["readme", "license", "licence", "changelog", "copying"]
            .iter()
            .any(|d| lower == *d || lower.starts_with(&format!("{d}.")));
        match kind {
            Kind::File if name == FILE || document => take(relative(dir, &name)?)?,
            Kind::Folder if name == "src" || name == "examples" => folders.push(name),
            _ => {}
        }
    }
    while let Some(folder) = folders.pop() {
        for (name, kind) in entries(&dir.join(&folder))? {
            let path = format!("{folder}/{name}");
            match kind {
                Kind::File => take(relative(dir, &path)?)?,
                Kind::Folder => folders.push(path),
                Kind::Other => {
                    return Err(Error::Pack {
                        path: dir.join(path),
                        what: "is a link or not a regular file".into(),
                    });
                }
            }
        }
    }
    let named = manifest.features.iter().flat_map(|f| &f.parts).filter_map(|p| match p {
        Part::File(file) => Some(file),
        _ => None,
    });
    for file in named.chain(manifest.exports.iter().map(|(_, f)| f)) {
        if !dir.join(file.as_str()).is_file() {
            return Err(Error::Pack {
                path: manifest.path.clone(),
                what: format!("names {file}, which is not there"),
            });
        }
        out.insert(file.clone());
    }
    if !out.iter().any(|f| f.as_str().ends_with(".minz")) {
        return Err(Error::Pack { path: dir.to_path_buf(), what: "has no source (src/lib.minz)".into() });
    }
    let bytes: u64 = out.iter().filter_map(|f| dir.join(f.as_str()).metadata().ok()).map(|m| m.len()).sum();
    if bytes > BYTES {
        return Err(Error::TooLarge { what: "bytes in a package", limit: BYTES as usize });
    }
    Ok(out.into_iter().collect())
}

enum Kind {
    File,
    Folder,
    Other,
}

/// A folder's entries that are not hidden, sorted.
fn entries(dir: &Path) -> Result<Vec<(String, Kind)>> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(Error::io("read", dir))? {
        let entry = entry.map_err(Error::io("read", dir))?;
        let Ok(name) = entry.file_name().into_string() else {
            return Err(Error::Pack { path: entry.path(), what: "has a name that is not UTF-8".into() });
        };
        if name.starts_with('.') {
            continue;
        }
        let kind = entry.file_type().map_err(Error::io("read", dir))?;
        let kind = if kind.is_file() {
            Kind::File
        } else if kind.is_dir() {
            Kind::Folder
        } else {
            Kind::Other
        };
        out.push((name, kind));
    }
    mirror::order::sort_by(&mut out, |a, b| a.0.cmp(&b.0));
    Ok(out)
}

fn relative(dir: &Path, path: &str) -> Result<RelPath> {
    RelPath::parse(path).map_err(|e| Error::Pack { path: dir.to_path_buf(), what: e.to_string() })
}
