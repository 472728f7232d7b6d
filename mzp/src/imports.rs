//! Where an import leads, in the design's order: the importer's own files,
//! `packages/`, the compiler's own modules, `~/.mzp/packages`.
//!
//! `import zx_graphics` is the package `zx-graphics` (its `main` export, or
//! `src/lib.minz`), `import zx_graphics.sprites` its `src/sprites.minz` or the
//! export of that name; `import math.fixed` can also be the package
//! `math-fixed`. A package is only found by those that depend on it.

use crate::error::{Error, ImportProblem, Result};
use crate::feature::missing_for;
use crate::manifest::Manifest;
use crate::program::active::Active;
use crate::program::{Module, Resolved};
use mirror::name::{MinzName, RelPath};
use mirror::order::Set;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Modules inside the compiler; the short ones are its older names for them.
/// They win over files there, so a package's module of such a name can only be
/// bundled.
pub const BUILTIN: [&str; 8] = ["std", "zx.screen", "zx.input", "zx.sound", "screen", "input", "io", "sound"];

#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    File {
        file: PathBuf,
        /// The module's own name, however it was imported.
        path: String,
        package: Option<MinzName>,
    },
    Builtin(String),
}

/// Finds the module of one import.
pub fn resolve(active: &Active<'_>, importer: &Module, resolved: &Resolved) -> Result<Found> {
    let import = &resolved.import;
    let token = importer.source.tokens[importer.source.items[resolved.item].tokens.start + 1];
    let place = || importer.place(token.start);
    let fail = |problem| Error::MissingImport { place: place(), module: import.path.join("."), problem };

    // The importer's own files.
    let relative = format!("{}.minz", import.path.join("/"));
    let own = match &importer.package {
        None => {
            let main = active.root().join(&importer.file);
            let beside = main.parent().unwrap_or(active.root()).join(&relative);
            [active.root().join("src").join(&relative), beside]
                .into_iter()
                .find(|p| p.is_file())
                .map(|file| (file, import.path.join(".")))
                .or_else(|| as_package(active.project, &import.path))
                .map(|(file, path)| Found::File { file, path, package: None })
        }
        Some(name) => match active.packages.get(name) {
            Some(p) => file_of(p.dir(), &p.manifest, &import.path).filter(|(file, _)| file.is_file()).map(
                |(file, path)| {
                    let rel = RelPath::parse(&path).ok();
                    let path = module_path(&p.manifest, rel.as_ref());
                    Found::File { file, path, package: Some(name.clone()) }
                },
            ),
            None => None,
        },
    };
    if let Some(found) = own {
        return Ok(found);
    }

    // Packages: every way to cut the path into a package's name and a module.
    let mut found: Vec<(Found, String)> = Vec::new();
    let mut problem = None;
    for cut in 1..=import.path.len() {
        let Ok(name) = MinzName::parse(&import.path[..cut].join("_").replace('_', "-")) else { continue };
        let rest = &import.path[cut..];
        let Some(package) = active.packages.get(&name) else {
            if active.packages_dir.join(name.as_str()).join(crate::manifest::FILE).is_file() {
                let importer = importer.package.as_ref().map_or("the project", |p| p.as_str());
                problem.get_or_insert(ImportProblem::Undeclared { package: name, importer: importer.into() });
            }
            continue;
        };
        if !active.may_import(importer.package.as_ref(), &name) {
            let importer = importer.package.as_ref().map_or("the project", |p| p.as_str());
            problem.get_or_insert(ImportProblem::Undeclared { package: name, importer: importer.into() });
            continue;
        }
        match in_package(package.dir(), &package.manifest, Some(&package.features), rest) {
            Ok((file, path)) => {
                let what =
                    format!("{name} ({})", file.strip_prefix(active.root()).unwrap_or(&file).display());
                found.push((Found::File { file, path, package: Some(name) }, what));
            }
            Err(p) => {
                problem.get_or_insert(p);
            }
        }
    }
    match found.len() {
        0 => {}
        1 => return Ok(found.swap_remove(0).0),
        _ => {
            let candidates = found.into_iter().map(|(_, what)| what).collect();
            return Err(fail(ImportProblem::Ambiguous { candidates }));
        }
    }

    let dotted = import.path.join(".");
    if problem.is_none() && BUILTIN.contains(&dotted.as_str()) {
        return Ok(Found::Builtin(dotted));
    }
    if let (None, Some(system)) = (&problem, &active.system_dir)
        && let Ok(name) = MinzName::parse(&import.path[0].replace('_', "-"))
        && let dir = system.join(name.as_str())
        && let Some(manifest) = Manifest::load(&dir)?
    {
        return match in_package(&dir, &manifest, None, &import.path[1..]) {
            Ok((file, path)) => Ok(Found::File { file, path, package: Some(name) }),
            Err(p) => Err(fail(p)),
        };
    }
    Err(fail(problem.unwrap_or_else(|| ImportProblem::Unknown {
        package: MinzName::parse(&import.path[0].replace('_', "-")).ok(),
    })))
}

/// The project's own library under the name that others import it by: for its
/// examples and tests.
fn as_package(project: &Manifest, path: &[String]) -> Option<(PathBuf, String)> {
    let is = |cut: &usize| path[..*cut].join("-").replace('_', "-") == project.name.as_str();
    let rest = &path[(1..=path.len()).find(is)?..];
    in_package(project.root(), project, None, rest).ok()
}

/// A package's module: its file and its full name.
fn in_package(
    dir: &Path,
    manifest: &Manifest,
    features: Option<&Set<String>>,
    rest: &[String],
) -> std::result::Result<(PathBuf, String), ImportProblem> {
    let package = manifest.name.clone();
    let missing = |file: &str| ImportProblem::NoModule {
        package: package.clone(),
        modules: modules(dir, manifest),
        file: file.to_string(),
    };
    let Some((file, relative)) = file_of(dir, manifest, rest) else { return Err(missing(&rest.join("."))) };
    if !file.is_file() {
        return Err(missing(&relative));
    }
    let relative = RelPath::parse(&relative).map_err(|_| missing(&relative))?;
    if let Some(on) = features
        && let Some(feature) = missing_for(manifest, on, &relative)
    {
        return Err(ImportProblem::FeatureOff { package, feature: feature.to_string() });
    }
    let path = module_path(manifest, Some(&relative));
    Ok((file, path))
}

/// Where a package keeps a module, whether it is there or not. The path's words
/// come from the tokens of an import, so they are names, never `..`.
fn file_of(dir: &Path, manifest: &Manifest, rest: &[String]) -> Option<(PathBuf, String)> {
    let dotted = if rest.is_empty() { "main".to_string() } else { rest.join(".") };
    let relative = match manifest.exports.iter().find(|(n, _)| n.replace('-', "_") == dotted) {
        Some((_, file)) => file.to_string(),
        None if rest.is_empty() => "src/lib.minz".to_string(),
        None => format!("src/{}.minz", rest.join("/")),
    };
    Some((dir.join(&relative), relative))
}

/// `src/gfx/sprites.minz` of `zx-graphics` is `zx_graphics.gfx.sprites`; the
/// library's main file is `zx_graphics`.
fn module_path(manifest: &Manifest, relative: Option<&RelPath>) -> String {
    let package = manifest.name.as_str().replace('-', "_");
    let Some(relative) = relative.map(RelPath::as_str) else { return package };
    let main = manifest.exports.iter().find(|(n, _)| n == "main").map_or("src/lib.minz", |(_, f)| f.as_str());
    if relative == main {
        return package;
    }
    let inner = relative.strip_prefix("src/").unwrap_or(relative);
    let inner = inner.strip_suffix(".minz").unwrap_or(inner);
    format!("{package}.{}", inner.replace('/', ".").replace('-', "_"))
}

/// What could be imported from a package, for a message: at most ten names.
fn modules(dir: &Path, manifest: &Manifest) -> Vec<String> {
    let package = manifest.name.as_str().replace('-', "_");
    let mut names: BTreeSet<String> = BTreeSet::new();
    for entry in std::fs::read_dir(dir.join("src")).into_iter().flatten().flatten().take(1000) {
        let name = entry.file_name().to_string_lossy().into_owned();
        match name.strip_suffix(".minz") {
            Some("lib") => names.insert(package.clone()),
            Some(stem) => names.insert(format!("{package}.{stem}")),
            None => false,
        };
    }
    names.into_iter().take(10).collect()
}
