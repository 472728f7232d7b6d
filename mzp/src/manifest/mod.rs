//! `mzp.toml`: what a project or package is, needs, supports and offers. The
//! format is documented in `mzp/README.md`.
//!
//! Reading is strict: a key that is not known is an error, and each error has
//! the place it is about. Editing (which keeps comments and order) is
//! [`edit`]; what features mean is [`crate::feature`].

pub mod edit;
mod table;

use crate::error::{Error, Result};
use crate::feature::Feature;
use crate::origin::{self, Folder, Origin, Repository};
use crate::place::Place;
use crate::platform::{Platform, Support};
use crate::requirement::Requirement;
use crate::suggestion::nearest;
use crate::text;
use mirror::http::Url;
use mirror::name::{MinzName, RelPath};
use mirror::version::Version;
use std::path::{Path, PathBuf};
use table::Reader;

/// The file's name.
pub const FILE: &str = "mzp.toml";

#[derive(Debug, Clone)]
pub struct Manifest {
    pub path: PathBuf,
    pub name: MinzName,
    pub version: Version,
    pub authors: Vec<String>,
    pub description: Option<String>,
    pub license: Option<String>,
    pub repository: Option<String>,
    pub homepage: Option<String>,
    /// Not to be published.
    pub private: bool,
    /// In the file's order.
    pub dependencies: Vec<Dependency>,
    pub dev_dependencies: Vec<Dependency>,
    pub platform_dependencies: Vec<(&'static Platform, Vec<Dependency>)>,
    pub default_target: Option<&'static Platform>,
    /// Empty: every platform.
    pub supported: Vec<Support>,
    pub features: Vec<Feature>,
    /// Module name → source file; `main` is the package's own name.
    pub exports: Vec<(String, RelPath)>,
    pub registries: Vec<(String, Url)>,
    pub keywords: Vec<String>,
    pub categories: Vec<String>,
}

/// One entry of a dependency table.
#[derive(Debug, Clone)]
pub struct Dependency {
    pub name: MinzName,
    pub requirement: Requirement,
    pub features: Vec<String>,
    pub default_features: bool,
    /// Only taken when a feature asks for it.
    pub optional: bool,
    pub origin: Origin,
    pub place: Place,
}

impl Manifest {
    /// Reads `dir/mzp.toml`; `Ok(None)` when there is none.
    pub fn load(dir: &Path) -> Result<Option<Self>> {
        let path = dir.join(FILE);
        match text::read(&path, text::LIMIT)? {
            Some(text) => Self::parse(&path, &text).map(Some),
            None => Ok(None),
        }
    }

    /// The project that `start` lies in: the nearest folder upwards with a manifest.
    pub fn find(start: &Path) -> Result<Self> {
        for dir in start.ancestors() {
            if let Some(manifest) = Self::load(dir)? {
                return Ok(manifest);
            }
        }
        Err(Error::NoProject { start: start.to_path_buf() })
    }

    /// The folder of the manifest.
    pub fn root(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }

    /// The platforms it can be built for, in the table's order.
    pub fn platforms(&self) -> Vec<&'static Platform> {
        crate::platform::PLATFORMS.iter().filter(|p| crate::platform::supports(&self.supported, p)).collect()
    }

    /// The platform that a build without `--target` is for.
    pub fn default_platform(&self) -> &'static Platform {
        self.default_target.unwrap_or_else(|| match self.platforms().as_slice() {
            [] => Platform::usual(),
            list => list.iter().copied().find(|p| *p == Platform::usual()).unwrap_or(list[0]),
        })
    }

    /// The same, where the user has a platform of choice that the project supports and names none itself.
    pub fn platform_or(&self, user: Option<&'static Platform>) -> &'static Platform {
        let user = user.filter(|p| self.platforms().contains(p));
        self.default_target.or(user).unwrap_or_else(|| self.default_platform())
    }

    /// Every dependency with the platform it is bound to (`None`: all).
    pub fn all_dependencies(&self) -> impl Iterator<Item = (Option<&'static Platform>, &Dependency)> {
        let platform =
            self.platform_dependencies.iter().flat_map(|(p, list)| list.iter().map(move |d| (Some(*p), d)));
        self.dependencies.iter().map(|d| (None, d)).chain(platform)
    }

    /// Reads a manifest's text; `path` only serves messages.
    pub fn parse(path: &Path, text: &str) -> Result<Self> {
        let document = edit::read(path, text)?;
        let mut top = Reader::top(path, text, &document);

        let mut package = top.require_table("package")?;
        let name = package.require("name", |r| r.parsed(MinzName::parse))?;
        let version = package.require("version", |r| r.parsed(Version::parse))?;
        let authors = package.get("authors", table::Value::strings)?.unwrap_or_default();
        let description = package.get("description", |v| v.string())?;
        let license = package.get("license", |v| v.string())?;
        let repository = package.get("repository", |v| v.string())?;
        let homepage = package.get("homepage", |v| v.string())?;
        let private = package.get("private", |v| v.boolean())?.unwrap_or(false);
        package.done()?;

        let mut registries = Vec::new();
        if let Some(mut tables) = top.table("registries")? {
            for key in tables.keys() {
                let url = tables.require(&key, |v| v.parsed_as("a URL", origin::url))?;
                registries.push((key, url));
            }
        }
        let dependencies = dependencies(&mut top, "dependencies", &registries)?;
        let dev_dependencies = self::dependencies(&mut top, "dev-dependencies", &registries)?;
        let mut platform_dependencies: Vec<(&'static Platform, Vec<Dependency>)> = Vec::new();
        if let Some(mut tables) = top.table("platform-dependencies")? {
            for key in tables.keys() {
                let platform = platform_key(&tables, &key)?;
                let list = self::dependencies(&mut tables, &key, &registries)?;
                match platform_dependencies.iter_mut().find(|(p, _)| *p == platform) {
                    Some((_, have)) => have.extend(list),
                    None => platform_dependencies.push((platform, list)),
                }
            }
        }

        let (mut default_target, mut supported) = (None, Vec::new());
        if let Some(mut targets) = top.table("targets")? {
            default_target = targets.get("default", |v| v.platform())?;
            supported = targets.get("supported", |v| v.list(|v| v.support()))?.unwrap_or_default();
            if let Some(platform) = default_target
                && !crate::platform::supports(&supported, platform)
            {
                return Err(Error::Type {
                    place: targets.place_of("default"),
                    key: "targets.default".into(),
                    expected: "one of the supported targets",
                });
            }
            targets.done()?;
        }

        let mut features = Vec::new();
        if let Some(mut tables) = top.table("features")? {
            for key in tables.keys() {
                let place = tables.place_of(&key);
                let items = tables.get(&key, table::Value::strings)?.unwrap_or_default();
                features.push(Feature::parse(&key, &items, place)?);
            }
        }
        let mut exports = Vec::new();
        if let Some(mut tables) = top.table("exports")? {
            for key in tables.keys() {
                let file = tables.require(&key, |v| v.parsed(RelPath::normalise))?;
                exports.push((key, file));
            }
        }
        let (mut keywords, mut categories) = (Vec::new(), Vec::new());
        if let Some(mut metadata) = top.table("metadata")? {
            keywords = metadata.get("keywords", table::Value::strings)?.unwrap_or_default();
            categories = metadata.get("categories", table::Value::strings)?.unwrap_or_default();
            metadata.done()?;
        }
        top.done()?;

        let manifest = Self {
            path: path.to_path_buf(),
            name,
            version,
            authors,
            description,
            license,
            repository,
            homepage,
            private,
            dependencies,
            dev_dependencies,
            platform_dependencies,
            default_target,
            supported,
            features,
            exports,
            registries,
            keywords,
            categories,
        };
        crate::feature::check(&manifest)?;
        Ok(manifest)
    }
}

fn platform_key(tables: &Reader<'_>, key: &str) -> Result<&'static Platform> {
    Platform::find(key).ok_or_else(|| Error::UnknownPlatform {
        place: Some(tables.place_of(key)),
        name: key.to_string(),
        suggestion: Platform::suggest(key).map(String::from),
    })
}

fn dependencies(
    parent: &mut Reader<'_>,
    table: &str,
    registries: &[(String, Url)],
) -> Result<Vec<Dependency>> {
    let Some(mut tables) = parent.table(table)? else { return Ok(Vec::new()) };
    let mut out = Vec::new();
    for key in tables.keys() {
        let place = tables.place_of(&key);
        let name = MinzName::parse(&key).map_err(|source| Error::Name { place: place.clone(), source })?;
        out.push(tables.require(&key, |value| dependency(value, name, place, registries))?);
    }
    Ok(out)
}

fn dependency(
    value: table::Value<'_>,
    name: MinzName,
    place: Place,
    registries: &[(String, Url)],
) -> Result<Dependency> {
    let any = || Requirement::parse("*").map_err(|source| Error::Name { place: place.clone(), source });
    if !value.is_table() {
        let requirement = value.parsed_as("a version or a table", Requirement::parse)?;
        return Ok(Dependency {
            name,
            requirement,
            features: Vec::new(),
            default_features: true,
            optional: false,
            origin: Origin::Registry,
            place,
        });
    }
    let mut t = value.into_table(&format!("dependency {name}"))?;
    let requirement = t.get("version", |v| v.parsed(Requirement::parse))?;
    let features = t.get("features", table::Value::strings)?.unwrap_or_default();
    let default_features = t.get("default-features", |v| v.boolean())?.unwrap_or(true);
    let optional = t.get("optional", |v| v.boolean())?.unwrap_or(false);
    let mut origins = Vec::new();
    origins.extend(t.get("path", |v| v.parsed(Folder::parse))?.map(Origin::Folder));
    origins.extend(t.get("github", |v| v.parsed(Repository::parse))?.map(Origin::Github));
    origins.extend(t.get("url", |v| v.parsed(origin::url))?.map(Origin::Archive));
    origins.extend(t.get("registry", |v| registry(v, registries))?.map(Origin::Named));
    t.done()?;
    if origins.len() > 1 {
        return Err(Error::Type {
            place,
            key: name.to_string(),
            expected: "given one source only (path, github, url or registry)",
        });
    }
    let origin = origins.pop().unwrap_or(Origin::Registry);
    let requirement = match requirement {
        Some(r) => r,
        None if origin == Origin::Registry => {
            return Err(Error::Missing { place, table: format!("dependency {name}"), key: "version" });
        }
        None => any()?,
    };
    Ok(Dependency { name, requirement, features, default_features, optional, origin, place })
}

/// One of `[registries]`, or a URL.
fn registry(value: table::Value<'_>, registries: &[(String, Url)]) -> Result<Url> {
    let text = value.string()?;
    if let Some((_, url)) = registries.iter().find(|(name, _)| *name == text) {
        return Ok(url.clone());
    }
    if text.contains("://") {
        return value.parsed(origin::url);
    }
    let suggestion = nearest(&text, registries.iter().map(|(name, _)| name.as_str())).map(String::from);
    Err(Error::UnknownKey { place: value.place(), table: "[registries]".into(), key: text, suggestion })
}

#[cfg(test)]
mod tests;
