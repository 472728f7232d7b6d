//! Adding packages: from the words of a command line to entries of a manifest.
//!
//! What is written is npm's choice: the version that was chosen with `save-prefix` before it (`^1.4.2`),
//! unless that would allow versions outside of the range that was asked for; then that range.

use super::{Work, importers, packed, reword};
use crate::dependency::{self, Dialect, LocalForm, Source, SourceResolution, Value};
use crate::error::{Error, Result, Status};
use crate::manifest::{self, Manifest, edit, workspace};
use crate::resolve::graph::{Graph, Group};
use crate::resolve::range::Range;
use crate::resolve::spec::{Spec, Wanted};
use mirror::name::{PackageName, escape};
use std::path::Path;

/// One package as the command line names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The folder it is installed under.
    pub alias: PackageName,
    /// npm's words right of it; `*` where there are none.
    pub spec: String,
    /// A folder or archive of this machine.
    pub local: bool,
}

/// What `add` was told.
pub struct Adding<'a> {
    pub named: &'a [Named],
    /// The project's own (`""`) or members'.
    pub folders: &'a [String],
    pub root: &'a Path,
    /// `None`: where it stands, else among the normal ones.
    pub group: Option<Group>,
    /// What stands before a version: `^`, `~`, nothing.
    pub prefix: &'a str,
}

/// `name`, `name@range`, `name@tag`, `alias@npm:name@range`; of several with one name the last.
pub fn named(words: &[&str]) -> Result<Vec<Named>> {
    let mut all: Vec<Named> = Vec::new();
    for word in words {
        let named = one(word)?;
        all.retain(|n| n.alias != named.alias);
        all.push(named);
    }
    Ok(all)
}

fn one(word: &str) -> Result<Named> {
    let at = word.get(1..).and_then(|rest| rest.find('@')).map(|i| i + 1);
    let (name, spec) = at.map_or((word, ""), |i| (&word[..i], &word[i + 1..]));
    let elsewhere =
        name.contains(':') || name.starts_with('.') || (name.contains('/') && !name.starts_with('@'));
    let alias = match PackageName::parse(name) {
        Ok(alias) if !elsewhere => alias,
        Err(source) if !elsewhere => {
            return Err(Box::new(Error::Usage { message: source.to_string(), hint: None }));
        }
        _ => return Err(from_elsewhere(word)),
    };
    let spec = if spec.trim().is_empty() { "*" } else { spec.trim() };
    // Its words are checked as those of a manifest are.
    let value = Value::Text(spec.into());
    let parsed = dependency::parse(name, &value, Dialect::Npm, &SourceResolution::default())
        .map_err(|problem| Error::Usage { message: format!("`{}`: {problem}", escape(word)), hint: None })?;
    let here =
        matches!(parsed.source, Source::Workspace { .. } | Source::Catalog { .. } | Source::Local { .. });
    if let (false, Err(unsupported)) = (here, parsed.npm()) {
        let message = unsupported.to_string();
        return Err(Box::new(Error::Other { status: Status::Failed, message, hints: Vec::new() }));
    }
    Ok(Named { alias, spec: spec.into(), local: matches!(parsed.source, Source::Local { .. }) })
}

/// Where folders and archives are that the command line names.
pub struct Place<'a> {
    pub here: &'a Path,
    pub root: &'a Path,
    /// Whose manifest is to have them.
    pub folder: &'a str,
}

impl Place<'_> {
    /// A path of the command line as the manifest has it: `NAME@file:PATH`, the name being what is found there.
    /// Other words stay.
    pub fn reword(&self, word: &str) -> Result<String> {
        let at = word.get(1..).and_then(|rest| rest.find('@')).map(|i| i + 1);
        let named = at.filter(|at| PackageName::parse(&word[..*at]).is_ok());
        let value = &word[named.map_or(0, |at| at + 1)..];
        let parsed =
            dependency::parse("x", &Value::Text(value.into()), Dialect::Npm, &SourceResolution::default());
        let Ok(dependency::Dependency { source: Source::Local { path, form }, .. }) = parsed else {
            return Ok(word.into());
        };
        // A plain word is a package's name, unless there is such an archive.
        let is_archive = form == LocalForm::Archive && self.here.join(value).is_file();
        if named.is_none() && PackageName::parse(value).is_ok() && !is_archive {
            return Ok(word.into());
        }
        let target = workspace::join("", &relative(&self.here.join(&path), self.root)).unwrap_or_default();
        let name = match (named, form) {
            (Some(at), _) => word[..at].to_string(),
            (None, LocalForm::Archive) => packed::one(self.root, &target)?.name.to_string(),
            (None, _) => {
                let found = workspace::member(self.root, &target)?.and_then(|m| m.name);
                let none = || Error::Other {
                    status: Status::Failed,
                    message: format!("there is no package in the folder {}", escape(&path)),
                    hints: vec!["a folder with a package.json or pantry.json is one".into()],
                };
                found.ok_or_else(none)?.to_string()
            }
        };
        let scheme = if form == LocalForm::Link { "link:" } else { "file:" };
        Ok(format!("{name}@{scheme}{}", relative(&self.root.join(&target), &self.root.join(self.folder))))
    }
}

/// The way from one folder to a path, by their words alone.
fn relative(to: &Path, from: &Path) -> String {
    let (to, from) = (to.to_string_lossy(), from.to_string_lossy());
    let clean = |text: &str| workspace::join("", text.trim_start_matches('/')).unwrap_or_default();
    let (to, from) = (clean(&to), clean(&from));
    let parts = |text: &str| text.split('/').filter(|p| !p.is_empty()).map(String::from).collect::<Vec<_>>();
    let (to, from) = (parts(&to), parts(&from));
    let same = to.iter().zip(&from).take_while(|(a, b)| a == b).count();
    let mut way = vec![".."; from.len() - same];
    way.extend(to[same..].iter().map(String::as_str));
    way.join("/")
}

/// What has no name before it comes from somewhere else than a registry.
fn from_elsewhere(word: &str) -> Box<Error> {
    let value = Value::Text(word.to_string());
    let parsed = dependency::parse("package", &value, Dialect::Npm, &SourceResolution::default());
    match parsed.as_ref().map(dependency::Dependency::npm) {
        Ok(Err(unsupported)) => Box::new(Error::Other {
            status: Status::Failed,
            message: format!(
                "`{}` is {}, which cannot be added without a name",
                escape(&dependency::redact(word)),
                unsupported.what
            ),
            hints: vec![format!("write `NAME@{}`", escape(&dependency::redact(word)))],
        }),
        Err(problem) => Box::new(Error::Usage { message: problem.to_string(), hint: None }),
        Ok(Ok(_)) => Box::new(Error::Usage {
            message: format!("`{}` does not name a package", escape(word)),
            hint: Some("a package is NAME, NAME@RANGE or ALIAS@npm:NAME@RANGE".into()),
        }),
    }
}

impl Adding<'_> {
    /// The manifests as the command line would have them: to choose versions from.
    pub fn asked(&self, work: &Work) -> Result<Work> {
        self.in_folders(work, &|_, named| Some(named.spec.clone()))
    }

    /// The manifests as they will be, by the versions of `graph`.
    pub fn settle(&self, graph: &mut Graph, work: &Work) -> Result<Work> {
        let after = self.in_folders(work, &|folder, named| self.words(folder, named, graph))?;
        reword(graph, &importers(&after.manifests, &after.workspace)?);
        Ok(after)
    }

    fn in_folders(&self, work: &Work, words: &dyn Fn(&str, &Named) -> Option<String>) -> Result<Work> {
        let mut after = work.clone();
        for folder in self.folders {
            let manifests = self.with(work.of(folder), &mut |named| words(folder, named))?;
            after = after.with(folder, manifests);
        }
        if self.named.iter().any(|n| n.local) {
            after.relink(self.root)?;
        }
        Ok(after)
    }

    fn with(
        &self,
        manifests: &[Manifest],
        words: &mut dyn FnMut(&Named) -> Option<String>,
    ) -> Result<Vec<Manifest>> {
        let mut all = manifests.to_vec();
        for named in self.named {
            // The manifest that has it already, else the one that is edited.
            let has = |m: &&mut Manifest| m.dependencies.iter().any(|d| d.dependency.alias == named.alias);
            let at = all.iter_mut().position(|m| has(&&mut *m)).unwrap_or(0);
            let (Some(manifest), Some(words)) = (all.get_mut(at), words(named)) else { continue };
            let stands = manifest.dependencies.iter().find(|d| d.dependency.alias == named.alias);
            let key = stands.map_or(named.alias.as_str(), |d| &d.key).to_string();
            *manifest = edit::set(manifest, self.group, &key, &words)?;
        }
        Ok(all)
    }

    fn words(&self, folder: &str, named: &Named, graph: &Graph) -> Option<String> {
        let importer = graph.importers.iter().find(|i| i.path == folder)?;
        let wanted = importer.dependencies.iter().find(|w| w.alias == named.alias)?;
        let Some(target) = wanted.target else { return Some(named.spec.clone()) };
        Some(saved(&named.spec, &graph.package(target).version.to_string(), self.prefix))
    }
}

/// What is written for a package of that version.
pub fn saved(spec: &str, version: &str, prefix: &str) -> String {
    let parsed = Spec::parse(spec);
    let range = match (&parsed.package, spec.rfind('@')) {
        (Some(_), Some(at)) if at > "npm:".len() => &spec[at + 1..],
        (Some(_), _) => "*",
        (None, _) => spec,
    };
    let new = format!("{prefix}{version}");
    let chosen = match &parsed.wanted {
        Wanted::Unsupported(_) | Wanted::Member(_) | Wanted::Link(_) | Wanted::Packed(_) => {
            return spec.to_string();
        }
        Wanted::Range(asked) if Range::parse(&new).is_some_and(|new| new.is_within(asked)) => &new,
        Wanted::Range(_) => range,
        Wanted::Version(..) | Wanted::Tag(_) => &new,
    };
    match &parsed.package {
        Some(name) => format!("npm:{name}@{chosen}"),
        None => chosen.to_string(),
    }
}

/// The manifests without these packages, each of which one of the folders has.
pub fn without(work: &Work, folders: &[String], names: &[&str]) -> Result<Work> {
    let mut after = work.clone();
    for name in names {
        let mut found = false;
        for folder in folders {
            let mut all = after.of(folder).to_vec();
            for manifest in &mut all {
                let named = |d: &&manifest::Declared| d.key == *name || d.dependency.alias.as_str() == *name;
                while let Some(key) = manifest.dependencies.iter().find(named).map(|d| d.key.clone()) {
                    *manifest = edit::remove(manifest, &key)?;
                    found = true;
                }
            }
            after = after.with(folder, all);
        }
        if !found {
            return Err(unknown(work, folders, name));
        }
    }
    Ok(after)
}

/// A name that no manifest of these folders asks for.
pub fn unknown(work: &Work, folders: &[String], name: &str) -> Box<Error> {
    let all = folders.iter().flat_map(|f| work.of(f)).flat_map(|m| &m.dependencies);
    let near = crate::cli::suggest::closest(name, all.map(|d| d.key.as_str()));
    Box::new(Error::Other {
        status: Status::Failed,
        message: match folders {
            [folder] if !folder.is_empty() => {
                format!("{} does not depend on `{}`", escape(folder), escape(name))
            }
            _ => format!("the project does not depend on `{}`", escape(name)),
        },
        hints: near.map(|near| format!("did you mean `{}`?", escape(near))).into_iter().collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As arborist writes them (`_saveIdealTree`).
    #[test]
    fn what_is_written_as_npm_writes_it() {
        for (spec, version, prefix, expected) in [
            ("*", "1.4.2", "^", "^1.4.2"),
            ("latest", "1.4.2", "^", "^1.4.2"),
            ("1.4.2", "1.4.2", "^", "^1.4.2"),
            ("1.4.2", "1.4.2", "", "1.4.2"),
            ("1", "1.4.2", "^", "^1.4.2"),
            ("^1.0.0", "1.4.2", "~", "~1.4.2"),
            ("~1.4.0", "1.4.2", "^", "~1.4.0"),
            ("~1.4.0", "1.4.2", "", "1.4.2"),
            ("1.x <1.5", "1.4.2", "^", "1.x <1.5"),
            (">=1", "1.4.2", "^", "^1.4.2"),
            ("^0.3 || ^1", "1.4.2", "^", "^1.4.2"),
            ("^1.4.2", "1.4.2", ">=", "^1.4.2"),
            ("next", "2.0.0-rc.1", "^", "^2.0.0-rc.1"),
            ("^2.0.0-beta", "2.0.0-rc.1", "^", "^2.0.0-rc.1"),
            (">=1 <3", "2.0.0", "^", "^2.0.0"),
            ("npm:real@^3", "3.1.0", "^", "npm:real@^3.1.0"),
            ("npm:@s/real", "3.1.0", "^", "npm:@s/real@^3.1.0"),
            ("npm:@s/real@~3.1", "3.1.0", "^", "npm:@s/real@~3.1"),
            ("file:../x", "3.1.0", "^", "file:../x"),
        ] {
            assert_eq!(saved(spec, version, prefix), expected, "{spec} {version} {prefix}");
        }
    }

    #[test]
    fn words_of_a_command_line() {
        let read = |word: &str| named(&[word]).map(|n| (n[0].alias.to_string(), n[0].spec.clone()));
        for (word, alias, spec) in [
            ("left", "left", "*"),
            ("left@", "left", "*"),
            ("left@^1", "left", "^1"),
            ("@s/left", "@s/left", "*"),
            ("@s/left@next", "@s/left", "next"),
            ("nick@npm:@s/left@1", "nick", "npm:@s/left@1"),
            ("left@>=1 <2", "left", ">=1 <2"),
        ] {
            assert_eq!(read(word).unwrap(), (alias.to_string(), spec.to_string()), "{word}");
        }
        for word in [
            "",
            "..",
            "../x",
            "left@^^ y z",
            "user/repo",
            "https://example.com/x.tgz",
            "npm:",
            "left@npm:a@npm:b",
        ] {
            assert!(read(word).is_err(), "{word}");
        }
        assert_eq!(named(&["a@1", "b", "a@2"]).unwrap().len(), 2);
    }
}
