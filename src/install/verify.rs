//! `store verify`: every file of every extracted package against what was
//! extracted, and the shared trees of `--linker store` against their packages.
//!
//! What differs is taken out of use: the next install extracts it anew, and
//! nothing damaged is linked again. Trees that were linked from it before keep
//! what they have until `install --force`.

use super::build::{open_file_at, read_all};
use super::cache::names;
use super::fill::in_parallel;
use super::listing::{self, Stored};
use super::store::{Key, Store};
use crate::error::{Error, Result};
use rustix::fs::CWD;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::convert::Infallible;
use std::ffi::CStr;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

#[derive(Debug, Default)]
pub struct Report {
    pub packages: u64,
    pub bytes: u64,
    pub damaged: Vec<Damaged>,
    /// Why some of it is still in use.
    pub stuck: Option<Box<Error>>,
}

/// An entry or a shared tree that is not what was extracted.
#[derive(Debug)]
pub struct Damaged {
    /// `name@version`; empty where nothing says so any more.
    pub package: String,
    /// Below the store: `<key>`, `links/<tree>`.
    pub place: String,
    /// Paths below that place (empty: itself), and a clause that follows.
    pub files: Vec<(String, &'static str)>,
}

/// Checks all, drops what is damaged. `each` is told the bytes of every package done.
pub fn verify(
    dir: &Path,
    threads: usize,
    waiting: &mut dyn FnMut(),
    each: &(dyn Fn(u64) + Sync),
) -> Result<Report> {
    if !dir.exists() {
        return Ok(Report::default());
    }
    let store = Store::open(dir, waiting)?;
    let outcome = check(&store, threads, each);
    store.close();
    outcome
}

fn check(store: &Store, threads: usize, each: &(dyn Fn(u64) + Sync)) -> Result<Report> {
    // Before the packages: the package of a tree that another run makes meanwhile may be newer.
    let mut trees = names(&store.dir().join("links"))?;
    trees.retain(|name| name != "trusted");
    let keys: BTreeSet<Key> = names(store.dir())?
        .iter()
        .filter_map(|name| Key::parse(name.strip_suffix(".l").unwrap_or(name)))
        .collect();
    let keys: Vec<Key> = keys.into_iter().collect();
    let checked = in_parallel(&keys, threads, |key| {
        let checked = entry(store, key)?;
        each(checked.as_ref().and_then(|(stored, _)| stored.as_ref()).map_or(0, |s| s.total));
        Ok(checked.map(|(stored, damaged)| (*key, stored, damaged)))
    })?;
    let mut report = Report::default();
    let mut bad = Vec::new();
    let mut packages: BTreeMap<String, Vec<(Key, Stored)>> = BTreeMap::new();
    for (key, stored, damaged) in checked.into_iter().flatten() {
        report.packages += 1;
        report.bytes += stored.as_ref().map_or(0, |s| s.total);
        if !damaged.files.is_empty() {
            bad.push(key);
            report.damaged.push(damaged);
        }
        if let Some(stored) = stored {
            packages.entry(stored.package()).or_default().push((key, stored));
        }
    }
    let good: HashSet<Key> =
        packages.values().flatten().map(|(k, _)| *k).filter(|k| !bad.contains(k)).collect();
    let trees = in_parallel(&trees, threads, |name| tree(store, name, &packages, &good))?;
    let before = report.damaged.len();
    report.damaged.extend(trees.into_iter().flatten());
    // Named even where it cannot be taken out: a store may be read-only.
    let mut out: Vec<Result<()>> = bad.iter().map(|key| store.evict(key)).collect();
    if report.damaged.len() > before {
        out.extend(report.damaged[before..].iter().map(|damaged| store.drop_folder(&damaged.place)));
        out.push(store.distrust_trees());
    }
    report.stuck = out.into_iter().find_map(Result::err);
    mirror::order::sort_by(&mut report.damaged, |a, b| (&a.package, &a.place).cmp(&(&b.package, &b.place)));
    Ok(report)
}

/// `None`: a listing without files, or files without a listing. A run is at work on them or was
/// killed over them; they are not here, and compared with their archive before they are.
fn entry(store: &Store, key: &Key) -> Result<Option<(Option<Stored>, Damaged)>> {
    let place = key.as_str().to_string();
    let itself = |what| vec![(String::new(), what)];
    let bytes = match store.read(&format!("{place}.l")) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(_) => {
            let damaged =
                Damaged { package: String::new(), place, files: itself("its listing cannot be read") };
            return Ok(Some((None, damaged)));
        }
    };
    if !store.has(key) {
        return Ok(None);
    }
    let mut damaged = Damaged { package: listing::package(&bytes), place, files: Vec::new() };
    let Some(stored) = Stored::parse(bytes) else {
        damaged.files = itself("its listing is damaged");
        return Ok(Some((None, damaged)));
    };
    store.each_wrong(key, &stored, &mut |path, what| {
        damaged.files.push((path.to_string_lossy().into_owned(), what));
        true
    })?;
    extra(&store.dir().join(key.as_str()), &stored, &mut damaged.files)?;
    Ok(Some((Some(stored), damaged)))
}

/// What lies in a package's folder without being in its listing.
fn extra(root: &Path, stored: &Stored, found: &mut Vec<(String, &'static str)>) -> Result<()> {
    let known: std::cell::RefCell<HashSet<Vec<u8>>> = Default::default();
    let mut folders = vec![root.to_path_buf()];
    let note = |path: &CStr| -> std::result::Result<(), Infallible> {
        known.borrow_mut().insert(path.to_bytes().to_vec());
        Ok(())
    };
    let Ok(()) = stored.walk(note, |file| note(file.path));
    while let Some(folder) = folders.pop() {
        for item in std::fs::read_dir(&folder).map_err(Error::io("read", &folder))? {
            let item = item.map_err(Error::io("read", &folder))?;
            let path = item.path();
            let below = path.strip_prefix(root).unwrap_or(&path);
            if !known.borrow().contains(below.as_os_str().as_encoded_bytes()) {
                found.push((below.to_string_lossy().into_owned(), "was not extracted from its archive"));
            } else if item.file_type().map_err(Error::io("read", &path))?.is_dir() {
                folders.push(path);
            }
        }
    }
    Ok(())
}

/// A shared tree: its own package's files, which are usually the store's own, and links that lead somewhere.
fn tree(
    store: &Store,
    name: &str,
    packages: &BTreeMap<String, Vec<(Key, Stored)>>,
    good: &HashSet<Key>,
) -> Result<Option<Damaged>> {
    let place = format!("links/{name}");
    // `<name with + for />@<version>-<hash>`
    let package = name.rsplit_once('-').map_or(name, |(package, _)| package);
    let package = if package.starts_with('@') { package.replacen('+', "/", 1) } else { package.to_string() };
    let own = package[1..].find('@').map_or(package.as_str(), |at| &package[..=at]);
    let modules = store.dir().join(&place).join("node_modules");
    let root = modules.join(own);
    let mut best: Option<Vec<(String, &'static str)>> = None;
    for (key, stored) in packages.get(&package).into_iter().flatten() {
        let mut files = wrong(store, key, stored, &root, good.contains(key))?;
        if files.is_empty() {
            extra(&root, stored, &mut files)?;
        }
        if best.as_ref().is_none_or(|best| files.len() < best.len()) {
            best = Some(files);
        }
    }
    // Nothing says what it should be when its package was dropped; no run believes it then either.
    let Some(mut files) = best else { return Ok(None) };
    let below = |path: String| format!("node_modules/{own}/{path}").trim_end_matches('/').to_string();
    files.iter_mut().for_each(|(path, _)| *path = below(std::mem::take(path)));
    links(&modules, own, &mut files)?;
    Ok((!files.is_empty()).then_some(Damaged { package, place, files }))
}

fn wrong(
    store: &Store,
    key: &Key,
    stored: &Stored,
    root: &Path,
    checked: bool,
) -> Result<Vec<(String, &'static str)>> {
    let mut found = Vec::new();
    let Ok(here) = mirror::file::open_directory(CWD, root) else {
        return Ok(vec![(String::new(), "is missing")]);
    };
    let entry = store.dir().join(key.as_str());
    let mut buffer = vec![0; 64 * 1024];
    let Ok(()): std::result::Result<(), Infallible> = stored.walk(
        |_| Ok(()),
        |file| {
            let path = file.path.to_string_lossy();
            let same = |f: &std::fs::File| {
                let (Ok(a), Ok(b)) = (f.metadata(), std::fs::symlink_metadata(entry.join(path.as_ref())))
                else {
                    return false;
                };
                (a.dev(), a.ino()) == (b.dev(), b.ino())
            };
            let what = match open_file_at(&here, file.path) {
                // A hard link of a file that was read a moment ago.
                Ok(f) if checked && same(&f) => return Ok(()),
                Ok(f) => match read_all(f, &mut buffer) {
                    Ok(content) if content == (file.size, file.crc32) => return Ok(()),
                    Ok(_) => "differs from what was extracted",
                    Err(_) => "cannot be read",
                },
                Err(_) => "is missing",
            };
            found.push((path.into_owned(), what));
            Ok(())
        },
    );
    Ok(found)
}

/// Everything beside the package itself is a link that leads to a folder.
fn links(modules: &Path, own: &str, found: &mut Vec<(String, &'static str)>) -> Result<()> {
    let mut folders = vec![modules.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let Ok(items) = std::fs::read_dir(&folder) else { continue };
        for item in items {
            let item = item.map_err(Error::io("read", &folder))?;
            let path = item.path();
            let below = path.strip_prefix(modules).unwrap_or(&path).to_string_lossy().into_owned();
            let kind = item.file_type().map_err(Error::io("read", &path))?;
            if below == own {
                continue;
            }
            if kind.is_dir() && below.starts_with('@') && !below.contains('/') {
                folders.push(path);
            } else if !kind.is_symlink() {
                found.push((format!("node_modules/{below}"), "is not a link"));
            } else if !path.is_dir() {
                found.push((format!("node_modules/{below}"), "leads nowhere"));
            }
        }
    }
    Ok(())
}
