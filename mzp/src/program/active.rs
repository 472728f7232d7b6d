//! What takes part in a build: the installed packages that the project reaches
//! for one target, each with the features that are on.

use crate::error::{Error, Result};
use crate::feature::{Part, closure};
use crate::manifest::Manifest;
use crate::pins::Pins;
use crate::platform::{Platform, supports};
use mirror::name::MinzName;
use mirror::order::{Map, Set};
use std::path::{Path, PathBuf};

/// Which features of the project a build wants.
#[derive(Debug, Clone)]
pub struct Selection {
    pub features: Set<String>,
    pub defaults: bool,
    /// Dev-dependencies too: for tests and examples.
    pub dev: bool,
}

impl Default for Selection {
    fn default() -> Self {
        Self { features: Set::new(), defaults: true, dev: false }
    }
}

#[derive(Debug)]
pub struct Active<'a> {
    pub project: &'a Manifest,
    pub platform: &'static Platform,
    /// The project's `packages/`.
    pub packages_dir: PathBuf,
    /// `~/.mzp/packages`, the last place an import is looked for.
    pub system_dir: Option<PathBuf>,
    pub packages: Map<MinzName, Box<ActivePackage>>,
    /// The project's own features that are on.
    features: Set<String>,
    dev: bool,
}

#[derive(Debug)]
pub struct ActivePackage {
    pub manifest: Manifest,
    pub features: Set<String>,
}

impl ActivePackage {
    pub fn dir(&self) -> &Path {
        self.manifest.root()
    }
    /// Whether it depends on another for this target.
    fn depends(&self, platform: &Platform, name: &MinzName) -> bool {
        depends(&self.manifest, platform, name)
    }
}

fn depends(manifest: &Manifest, platform: &Platform, name: &MinzName) -> bool {
    manifest.all_dependencies().any(|(p, d)| p.is_none_or(|p| p == platform) && d.name == *name)
}

impl<'a> Active<'a> {
    pub fn root(&self) -> &Path {
        self.project.root()
    }

    /// Where a package lies.
    pub fn folder(&self, package: &MinzName) -> PathBuf {
        match (self.packages.get(package), &self.system_dir) {
            (None, Some(system)) => system.join(package.as_str()),
            _ => self.packages_dir.join(package.as_str()),
        }
    }

    /// The packages that one (`None`: the project) needs for this build.
    pub fn needs(&self, of: Option<&MinzName>) -> Set<MinzName> {
        let package = of.and_then(|name| self.packages.get(name));
        let (manifest, on) = package.map_or((self.project, &self.features), |p| (&p.manifest, &p.features));
        let mut needs: Set<_> = Set::new();
        needs.extend(wanted(manifest, self.platform, on).into_iter().map(|w| w.name));
        if of.is_none() && self.dev {
            needs.extend(self.project.dev_dependencies.iter().map(|d| d.name.clone()));
        }
        needs
    }

    /// Whether an importer (`None`: the project) may import a package.
    pub fn may_import(&self, importer: Option<&MinzName>, name: &MinzName) -> bool {
        match importer {
            None => {
                depends(self.project, self.platform, name)
                    || self.project.dev_dependencies.iter().any(|d| d.name == *name)
            }
            Some(p) => p == name || self.packages.get(p).is_some_and(|p| p.depends(self.platform, name)),
        }
    }

    /// Walks from the project down, through `packages/`.
    pub fn select(
        project: &'a Manifest,
        platform: &'static Platform,
        selection: &Selection,
        system_dir: Option<PathBuf>,
    ) -> Result<Self> {
        let unsupported = |m: &Manifest| Error::Unsupported {
            package: m.name.clone(),
            platform: platform.name,
            supported: m.supported.iter().map(crate::platform::Support::name).collect(),
        };
        if !supports(&project.supported, platform) {
            return Err(unsupported(project));
        }
        let packages_dir = project.root().join("packages");
        let folders = Pins::of(project)?.dirs();
        let features = closure(project, &selection.features, selection.defaults)?;
        let mut todo = wanted(project, platform, &features);
        let dev = selection.dev;
        let packages = Map::new();
        let mut active = Self { project, platform, packages_dir, system_dir, packages, features, dev };
        if selection.dev {
            todo.extend(project.dev_dependencies.iter().map(|d| Wanted {
                name: d.name.clone(),
                features: d.features.iter().cloned().collect(),
                defaults: d.default_features,
            }));
        }
        while let Some(want) = todo.pop() {
            if !active.packages.contains_key(&want.name) {
                let dir = match folders.get(&want.name) {
                    Some(dir) => dir.clone(),
                    None => active.packages_dir.join(want.name.as_str()),
                };
                let Some(manifest) = Manifest::load(&dir)? else {
                    return Err(Error::NotInstalled { name: want.name, path: dir });
                };
                if manifest.name != want.name {
                    return Err(Error::Pack {
                        path: manifest.path,
                        what: format!("is {}, not {}", manifest.name, want.name),
                    });
                }
                if !supports(&manifest.supported, platform) {
                    return Err(unsupported(&manifest));
                }
                todo.extend(self::wanted(&manifest, platform, &Set::new()));
                active
                    .packages
                    .insert(want.name.clone(), Box::new(ActivePackage { manifest, features: Set::new() }));
            }
            let Some(package) = active.packages.get_mut(&want.name) else { continue };
            let on = closure(&package.manifest, &want.features, want.defaults)?;
            if !on.is_subset(&package.features) {
                package.features.extend(on);
                // More features may want more: ask again, until nothing is new.
                todo.extend(self::wanted(&package.manifest, platform, &package.features));
            }
        }
        Ok(active)
    }
}

struct Wanted {
    name: MinzName,
    features: Set<String>,
    defaults: bool,
}

fn wanted(manifest: &Manifest, platform: &Platform, on: &Set<String>) -> Vec<Wanted> {
    let parts: Vec<&Part> =
        manifest.features.iter().filter(|f| on.contains(&f.name)).flat_map(|f| &f.parts).collect();
    manifest
        .all_dependencies()
        .filter(|(p, _)| p.is_none_or(|p| p == platform))
        .filter_map(|(_, d)| {
            let of = parts.iter().filter_map(|p| match p {
                Part::Of(n, f) if *n == d.name => Some(f.clone()),
                _ => None,
            });
            let mut features: Set<String> = Set::new();
            features.extend(of);
            if d.optional && features.is_empty() && !on.contains(d.name.as_str()) {
                return None;
            }
            features.extend(d.features.iter().cloned());
            Some(Wanted { name: d.name.clone(), features, defaults: d.default_features })
        })
        .collect()
}
