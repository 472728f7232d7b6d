//! The packages whose origin somebody names: the project, and the folders that
//! it takes part of itself from. A name has one origin: two that disagree are an
//! error, and where only one names it, that holds for everybody's dependency of
//! that name.

use crate::error::{Error, Result};
use crate::lockfile::Lock;
use crate::manifest::{Dependency, Manifest};
use crate::origin::{Folder, Origin};
use crate::place::Place;
use mirror::digest::Hash;
use mirror::name::MinzName;
use mirror::order::{Map, Set};
use std::path::{Path, PathBuf};

/// Most folders of one project.
const FOLDERS: usize = 1_000;

#[derive(Debug, Default)]
pub struct Pins {
    origins: Map<MinzName, (Origin, Place)>,
    folders: Map<MinzName, Manifest>,
    /// What the project takes by name alone.
    plain: Set<MinzName>,
}

impl Pins {
    /// Reads the manifests of all folders.
    pub fn of(project: &Manifest) -> Result<Self> {
        let mut pins = Self::default();
        let root = project.root();
        let dev = project.dev_dependencies.iter().map(|d| (None, d));
        for (_, d) in project.all_dependencies().chain(dev) {
            match d.origin {
                Origin::Registry => drop(pins.plain.insert(d.name.clone())),
                _ => pins.add(root, d, d.origin.clone())?,
            }
        }
        let mut todo: Vec<MinzName> = pins.origins.keys().cloned().collect();
        while let Some(name) = todo.pop() {
            let Some((Origin::Folder(folder), place)) = pins.origins.get(&name).cloned() else { continue };
            if pins.folders.contains_key(&name) {
                continue;
            }
            if pins.folders.len() >= FOLDERS {
                return Err(Error::TooLarge { what: "folders in one project", limit: FOLDERS });
            }
            let manifest = read(root, &folder, &name, &place)?;
            for (_, d) in manifest.all_dependencies() {
                let origin = match &d.origin {
                    Origin::Registry => continue,
                    Origin::Folder(own) => Origin::Folder(
                        own.below(&folder)
                            .map_err(|source| Error::Name { place: d.place.clone(), source })?,
                    ),
                    other => other.clone(),
                };
                pins.add(root, d, origin)?;
                todo.push(d.name.clone());
            }
            pins.folders.insert(name, manifest);
        }
        if let Some((name, (origin, place))) =
            pins.origins.iter().find(|(name, _)| pins.plain.contains(*name))
        {
            return Err(Error::TwoOrigins {
                place: Some(place.clone()),
                name: name.clone(),
                origins: [origin.to_string(), Origin::Registry.kind().into()],
            });
        }
        Ok(pins)
    }

    fn add(&mut self, root: &Path, d: &Dependency, origin: Origin) -> Result<()> {
        let (name, place) = (d.name.clone(), d.place.clone());
        // Who comes from elsewhere calls the same folder something else.
        let same = |a: &Origin, b: &Origin| match (a, b) {
            (Origin::Folder(a), Origin::Folder(b)) => a == b || is_same(&a.path(root), &b.path(root)),
            (a, b) => a == b,
        };
        match self.origins.get(&name) {
            Some((have, _)) if !same(have, &origin) => {
                let origins = [have.to_string(), origin.to_string()];
                Err(Error::TwoOrigins { place: Some(place), name, origins })
            }
            Some(_) => Ok(()),
            None => {
                self.origins.insert(name, (origin, place));
                Ok(())
            }
        }
    }

    pub fn get(&self, name: &MinzName) -> Option<&Origin> {
        let plain = self.plain.contains(name).then_some(&Origin::Registry);
        self.origins.get(name).map(|(origin, _)| origin).or(plain)
    }

    /// What in a lock does not come from where the project says.
    pub fn difference(&self, lock: &Lock) -> Result<Option<String>> {
        for p in &lock.packages {
            let agrees = match (self.get(&p.name), &p.origin) {
                (Some(pin), origin) => pin.is_same_place(origin),
                (None, Origin::Registry) => true,
                (None, named @ Origin::Named(_)) => self.origins.values().any(|(pin, _)| pin == named),
                (None, _) => false,
            };
            if !agrees {
                return Ok(Some(format!("`{}` comes from somewhere else", p.name)));
            }
            if self.digest(&p.name)?.is_some_and(|digest| digest != p.sha256) {
                return Ok(Some(format!("`{}` changed ({})", p.name, p.origin)));
            }
        }
        Ok(None)
    }

    /// The manifest of a package that is a folder.
    pub fn folder(&self, name: &MinzName) -> Option<&Manifest> {
        self.folders.get(name)
    }

    /// Where the folders are.
    pub fn dirs(&self) -> Map<MinzName, PathBuf> {
        self.folders.iter().map(|(name, m)| (name.clone(), m.root().to_path_buf())).collect()
    }

    /// SHA-256 of what a folder would be packed as.
    pub fn digest(&self, name: &MinzName) -> Result<Option<Hash>> {
        self.folder(name).map(crate::publish::digest).transpose()
    }
}

fn read(root: &Path, folder: &Folder, name: &MinzName, place: &Place) -> Result<Manifest> {
    let dir = folder.path(root);
    let wrong = |what: String| Error::Folder { place: place.clone(), path: dir.clone(), what };
    let Some(manifest) = Manifest::load(&dir)? else { return Err(wrong("has no mzp.toml".into())) };
    match () {
        () if manifest.name != *name => Err(wrong(format!("is {}, not {name}", manifest.name))),
        () if is_same(&dir, root) => Err(wrong("is the project itself".into())),
        () => Ok(manifest),
    }
}

fn is_same(a: &Path, b: &Path) -> bool {
    matches!((std::fs::canonicalize(a), std::fs::canonicalize(b)), (Ok(a), Ok(b)) if a == b)
}
