//! Publishing: which files a package consists of, the archive and index record
//! made of them (the same files give the same bytes), and putting them into a
//! mirror, or into a folder that any web server can serve as a registry.

use crate::error::{Error, Result};
use crate::feature::Part;
use crate::manifest::{FILE, Manifest};
use crate::origin::Origin;
use crate::registry::{key, record};
use crate::upstream::{self, DOCUMENT};
use miniserde::json::{Object, Value};
use mirror::archive::{self, Expect, Limits};
use mirror::digest::Hash;
use mirror::http::Url;
use mirror::lock::DirLock;
use mirror::name::{MinzName, RelPath};
use mirror::order::Set;
use mirror::record::{Key, VersionRecord};
use mirror::version::Version;
use mirror::{Batch, Mirror};
use std::io::{ErrorKind, Write};
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

/// What is published, for whom it may be.
pub struct Published {
    pub name: MinzName,
    pub version: Version,
    pub sha256: Hash,
    /// Bytes of the archive.
    pub size: u64,
    pub files: Vec<RelPath>,
    /// It was there before, just so.
    pub already: bool,
}

/// Where it goes.
pub enum To<'a> {
    Nowhere,
    #[cfg(feature = "network")]
    Mirror(&'a Mirror),
    /// A folder whose files a web server serves as a registry.
    Folder(&'a Path),
}

/// Packs and publishes. What is there with other bytes is never replaced.
/// `waiting`: who else writes there.
pub fn publish(dir: &Path, to: &To<'_>, waiting: &mut dyn FnMut(&str)) -> Result<Published> {
    let Some(manifest) = Manifest::load(dir)? else {
        return Err(Error::NoProject { start: dir.to_path_buf() });
    };
    if manifest.private {
        return Err(Error::Pack { path: manifest.path, what: "says that it is private".into() });
    }
    let files = files(dir, &manifest)?;
    let (bytes, key, record) = pack(dir)?;
    let sha256 = Hash::of(&bytes);
    let size = bytes.len() as u64;
    let already = match to {
        To::Nowhere => false,
        #[cfg(feature = "network")]
        To::Mirror(mirror) => into_mirror(mirror, &manifest, &bytes, key, record, waiting)?,
        To::Folder(folder) => into_folder(folder, &manifest, &bytes, sha256, waiting)?,
    };
    Ok(Published { name: manifest.name, version: manifest.version, sha256, size, files, already })
}

fn taken(manifest: &Manifest, place: &Path) -> Error {
    let (name, version) = (manifest.name.clone(), manifest.version.clone());
    Error::Taken { name, version, place: place.to_path_buf() }
}

#[cfg(feature = "network")]
fn into_mirror(
    mirror: &Mirror,
    manifest: &Manifest,
    bytes: &[u8],
    key: Key,
    record: VersionRecord,
    waiting: &mut dyn FnMut(&str),
) -> Result<bool> {
    let same =
        mirror.find_archive(&key, &manifest.version.to_string())?.map(|have| have.sha256 == record.sha256);
    match same {
        Some(true) => return Ok(true),
        Some(false) => return Err(taken(manifest, mirror.dir())),
        None => {}
    }
    let batch = Batch::begin(mirror, bytes.len() as u64)?;
    let mut writer = batch.archive()?;
    writer.write_all(bytes).map_err(Error::io("write to", mirror.dir()))?;
    batch.put_version(key, writer.finish()?.of(record))?;
    batch.commit(waiting)?;
    Ok(false)
}

/// The archive first, then the document that names it: each is the old file or the new
/// one at every instant, and nobody is told of an archive that is not there.
fn into_folder(
    folder: &Path,
    manifest: &Manifest,
    bytes: &[u8],
    sha256: Hash,
    waiting: &mut dyn FnMut(&str),
) -> Result<bool> {
    let [packages, archives] = ["packages", "archives"].map(|name| folder.join(name));
    mirror::file::make_dirs(folder)?;
    let _lock = DirLock::acquire(folder, &mut || waiting("who publishes there"))?;
    let document = packages.join(manifest.name.as_str());
    let old = match mirror::file::read(&document, DOCUMENT) {
        Ok(bytes) => Some(bytes),
        Err(mirror::Error::Io { source, .. })
            if matches!(source.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
        {
            None
        }
        Err(e) => return Err(e.into()),
    };
    let file = format!("{}-{}.tgz", manifest.name, manifest.version);
    let archive = archives.join(&file);
    // Whatever host will serve it.
    let url = Url::parse(&format!("http://localhost/packages/{}", manifest.name))?;
    let offers = match &old {
        Some(old) => upstream::offers(&url, &manifest.name, old).map_err(|e| match e {
            Error::Document { what, .. } => Error::Pack { path: document.clone(), what },
            e => e,
        })?,
        None => Vec::new(),
    };
    let have = offers.iter().find(|o| o.version == manifest.version);
    if have.is_some_and(|o| o.sha256 != sha256) {
        return Err(taken(manifest, folder));
    }
    let there = mirror::file::read(&archive, bytes.len() as u64).is_ok_and(|there| there == bytes);
    if have.is_some() && there {
        return Ok(true);
    }
    for dir in [&packages, &archives] {
        mirror::file::make_dirs(dir)?;
    }
    mirror::file::sync_dir(folder)?;
    folder.parent().map_or(Ok(()), mirror::file::sync_dir)?;
    if !there {
        mirror::file::replace(&archive, bytes)?;
    }
    if have.is_none() {
        let newest = offers.iter().map(|o| &o.version).chain([&manifest.version]);
        let newest = newest.max_by_key(|v| (!v.is_prerelease(), (*v).clone()));
        let latest = newest.unwrap_or(&manifest.version);
        let text = said(old.as_deref(), manifest, &sha256, &format!("../archives/{file}"), latest);
        mirror::file::replace(&document, text.as_bytes())?;
    }
    Ok(false)
}

/// The document with one more version; what others wrote into it stays.
fn said(old: Option<&[u8]>, manifest: &Manifest, sha256: &Hash, url: &str, latest: &Version) -> String {
    let text = |text: &str| Value::String(text.to_string());
    let old = old.and_then(|old| miniserde::json::from_str(std::str::from_utf8(old).ok()?).ok());
    let mut document: Object = old.unwrap_or_default();
    let mut dependencies = Object::new();
    for d in manifest.dependencies.iter().filter(|d| !d.optional) {
        dependencies.insert(d.name.to_string(), text(d.requirement.as_str()));
    }
    let mut version = Object::new();
    version.insert("url".into(), text(url));
    version.insert("checksum".into(), text(&format!("sha256:{sha256}")));
    version.insert("dependencies".into(), Value::Object(dependencies));
    if let Value::Object(versions) =
        document.entry("versions".to_string()).or_insert_with(|| Value::Object(Object::new()))
    {
        versions.insert(manifest.version.to_string(), Value::Object(version));
    }
    document.insert("name".into(), text(manifest.name.as_str()));
    document.insert("latest".into(), text(&latest.to_string()));
    if *latest == manifest.version {
        let authors = Some(manifest.authors.join(", ")).filter(|a| !a.is_empty());
        for (key, value) in
            [("description", &manifest.description), ("author", &authors), ("license", &manifest.license)]
        {
            match value {
                Some(value) => drop(document.insert(key.into(), text(value))),
                None => drop(document.remove(key)),
            }
        }
        let keywords = manifest.keywords.iter().map(|k| text(k)).collect();
        document.insert("keywords".into(), Value::Array(keywords));
    }
    miniserde::json::to_string(&document) + "\n"
}

/// SHA-256 of what a folder's package would be packed as.
pub fn digest(manifest: &Manifest) -> Result<Hash> {
    let (dir, mut bytes) = (manifest.root(), Vec::new());
    archive::pack(dir, &files(dir, manifest)?, &mut bytes).map_err(Error::io("pack", dir))?;
    Ok(Hash::of(&bytes))
}

/// The files of the package, sorted.
pub fn files(dir: &Path, manifest: &Manifest) -> Result<Vec<RelPath>> {
    let mut out = Set::new();
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
                // With a manifest of its own it is another project, with a lock, builds and packages.
                Kind::Folder if dir.join(&path).join(FILE).is_file() => {}
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
