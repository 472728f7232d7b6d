//! From manifests to what the resolver is asked: the words of each dependency,
//! as a lock keeps them.
//!
//! | a manifest's words | become |
//! |---|---|
//! | `^1.0.0`, `latest`, `npm:x@1` | themselves |
//! | `catalog:`, `catalog:name` | what the catalog has |
//! | `workspace:*`, `workspace:^`, `workspace:x@1` | themselves; `workspace:../a` the member's name |
//! | `file:../a`, `link:../a`, `./a` | `link:` and the folder's path from the root |
//! | `file:../a.tgz` | `file:` and the archive's path from the root |

use super::unsupported;
use crate::dependency::{self, Dependency, Dialect, LocalForm, Source, SourceResolution, Value};
use crate::error::{Error, Result, Status};
use crate::manifest::workspace::{Member, Workspace, join};
use crate::manifest::{self, Manifest, Merged, Problem};
use crate::resolve::graph::PACKED;
use crate::resolve::spec::Spec;
use crate::resolve::{Folder, ImporterRequest, Requested};
use mirror::name::{PackageName, escape};

/// Members that are named when another was meant.
const TOLD: usize = 5;

/// What the manifests of a project and of its members ask for, by folder, the project first.
pub fn importers(manifests: &[Manifest], workspace: &Workspace) -> Result<Vec<ImporterRequest>> {
    let whole = Whole { manifests, workspace };
    let mut root = whole.importer(&manifest::merge(manifests)?, "")?;
    let asked =
        |name: &str| root.dependencies.iter().find(|d| d.alias.as_str() == name).map(|d| d.range.clone());
    root.overrides = manifest::overrides(manifests, &asked)?;
    root.overrides.extend(manifest::overrides(&workspace.files, &asked)?);
    let folder = |m: &Member, member: bool| {
        let name = m.name.clone()?;
        let mut bins: Vec<_> = m.manifests.iter().flat_map(|m| m.bin.clone()).collect();
        mirror::order::sort(&mut bins);
        bins.dedup_by(|a, b| a.0 == b.0);
        Some(Folder { path: m.path.clone(), name, version: m.version.clone(), bins, member })
    };
    root.folders.extend(workspace.members.iter().filter_map(|m| folder(m, true)));
    root.folders.extend(workspace.linked.iter().filter_map(|m| folder(m, false)));
    root.packed.clone_from(&workspace.packed);
    let mut all = vec![root];
    for member in workspace.members.iter().chain(&workspace.linked) {
        if !member.path.starts_with("..") {
            all.push(whole.importer(&manifest::merge(&member.manifests)?, &member.path)?);
        }
    }
    Ok(all)
}

struct Whole<'a> {
    manifests: &'a [Manifest],
    workspace: &'a Workspace,
}

impl Whole<'_> {
    /// The first thing that cannot be installed is an error.
    fn importer(&self, merged: &Merged<'_>, at: &str) -> Result<ImporterRequest> {
        let mut importer = ImporterRequest { path: at.to_string(), ..ImporterRequest::default() };
        for request in &merged.requests {
            let declared = request.declared;
            let range = self.words(&declared.dependency, request, at)?;
            let alias = &declared.dependency.alias;
            let same =
                |d: &&Requested| d.alias != *alias && d.alias.as_str().eq_ignore_ascii_case(alias.as_str());
            if let Some(other) = importer.dependencies.iter().find(same) {
                let other = &other.alias;
                let message = format!(
                    "{other} and {alias} would be one folder on a disk that does not tell case apart"
                );
                let hint = format!("give one of them another name: `\"{alias}-2\": \"npm:{alias}@{range}\"`");
                return Err(refused(request, message, &hint));
            }
            importer.dependencies.push(Requested {
                alias: declared.dependency.alias.clone(),
                range,
                group: declared.group,
                optional_peer: declared.optional_peer,
            });
        }
        Ok(importer)
    }

    fn words(&self, dependency: &Dependency, request: &manifest::Request<'_>, at: &str) -> Result<String> {
        match &dependency.source {
            Source::Workspace { range } => self.member(dependency, range, request, at),
            Source::Catalog { name } => self.catalog(&dependency.alias, name, request, at),
            Source::Local { path, form: LocalForm::Folder | LocalForm::Link } => {
                let found = join(at, path).filter(|path| {
                    self.workspace.members.iter().chain(&self.workspace.linked).any(|m| m.path == *path)
                });
                found.map(|path| format!("link:{path}")).ok_or_else(|| {
                    let message =
                        format!("{}: there is no package in the folder {}", dependency.alias, escape(path));
                    refused(request, message, "a folder with a package.json or pantry.json is one")
                })
            }
            Source::Local { path, form: LocalForm::Archive } => {
                let packed = join(at, path).filter(|p| self.workspace.packed.iter().any(|k| k.path == *p));
                packed.map(|path| format!("{PACKED}{path}")).ok_or_else(|| {
                    let message = format!("{}: there is no archive {}", dependency.alias, escape(path));
                    refused(request, message, "its path is meant from the manifest's folder")
                })
            }
            _ => dependency.npm_words().ok_or_else(|| unsupported(request)),
        }
    }

    fn member(
        &self,
        dependency: &Dependency,
        range: &str,
        request: &manifest::Request<'_>,
        at: &str,
    ) -> Result<String> {
        let members = &self.workspace.members;
        if range.starts_with('.') {
            let path = join(at, range);
            let found = members.iter().find(|m| Some(&m.path) == path.as_ref()).and_then(|m| m.name.as_ref());
            if let Some(name) = found {
                return Ok(match *name == dependency.alias {
                    true => "workspace:*".into(),
                    false => format!("workspace:{name}@*"),
                });
            }
        }
        let words = format!("workspace:{range}");
        let name = Spec::parse(&words).package.unwrap_or_else(|| dependency.alias.clone());
        if members.iter().any(|m| m.name.as_ref() == Some(&name)) {
            return Ok(words);
        }
        let names: Vec<&str> =
            members.iter().filter_map(|m| m.name.as_ref()).map(PackageName::as_str).take(TOLD).collect();
        let hint = match names.as_slice() {
            [] => "`workspaces` in the project's manifest names the folders of its members".to_string(),
            names => {
                format!("members are {}{}", names.join(", "), if members.len() > TOLD { " …" } else { "" })
            }
        };
        Err(refused(request, format!("{name} is no member of this workspace"), &hint))
    }

    fn catalog(
        &self,
        alias: &PackageName,
        catalog: &str,
        request: &manifest::Request<'_>,
        at: &str,
    ) -> Result<String> {
        let mut all = self.workspace.files.iter().chain(self.manifests).flat_map(|m| &m.catalogs);
        let value = all.find(|(of, name, _)| of == catalog && *name == *alias.as_str()).map(|found| &found.2);
        let problem = || Problem::NoCatalog { name: alias.to_string(), catalog: catalog.to_string() };
        let Some(value) = value else {
            return Err(refused(request, problem().to_string(), "write it into the workspace's catalog"));
        };
        let text = Value::Text(value.clone());
        let found = dependency::parse(alias.as_str(), &text, Dialect::Npm, &SourceResolution::default());
        match found {
            Ok(Dependency { source: Source::Catalog { .. }, .. }) | Err(_) => {
                let message = format!(
                    "{alias} in the catalog `{}`: `{}` cannot be used",
                    escape(catalog),
                    escape(value)
                );
                Err(refused(request, message, "a catalog holds versions, ranges and aliases"))
            }
            Ok(found) => self.words(&found, request, at),
        }
    }
}

fn refused(request: &manifest::Request<'_>, message: String, hint: &str) -> Box<Error> {
    Box::new(Error::Text {
        status: Status::Failed,
        excerpt: Some(Box::new(request.manifest.excerpt(request.declared.offset))),
        message,
        hints: vec![hint.to_string()],
    })
}
