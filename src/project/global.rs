//! The user's own packages: a project under `PANTRY_HOME` whose commands are on one path.
//!
//! ```text
//! $PANTRY_HOME/global/package.json, pantry.lock, node_modules    as any project
//! $PANTRY_HOME/bin/tsc -> ../global/node_modules/typescript/bin/tsc    of what was added itself
//! ```
//!
//! A command that two packages bring is refused before anything changes, as is one that would take
//! the place of a file that is not pantry's.

use super::{How, Session};
use crate::error::{Error, Result, Status};
use crate::manifest::{Format, Project};
use crate::resolve::graph::Graph;
use crate::settings::Settings;
use crate::ui::Ui;
use mirror::name::{BinName, escape};
use std::fs;
use std::path::{Path, PathBuf};

const FOLDER: &str = "global";
const BIN: &str = "bin";
/// Before the package's folder, as links in `bin` have it.
const MODULES: &str = "../global/node_modules/";

pub fn open(how: How, settings: &Settings) -> Result<Session<'_>> {
    let root = settings.home()?.join(FOLDER);
    fs::create_dir_all(&root).map_err(Error::io("create", &root))?;
    let fresh = !root.join(Format::PackageJson.file()).exists();
    let project = Project { root, files: vec![Format::PackageJson], warnings: Vec::new() };
    Ok(Session { fresh, ..Session::of(project, how, settings)? })
}

/// A command, and what its link points to.
pub type Command = (BinName, String);

/// The commands of what was added itself, sorted.
pub fn commands(graph: &Graph, home: &Path) -> Result<Vec<Command>> {
    let mut all: Vec<(BinName, String, String)> = Vec::new();
    let root = graph.importers.iter().filter(|i| i.path.is_empty());
    for wanted in root.flat_map(|i| &i.dependencies) {
        let Some(package) = wanted.target.map(|t| graph.package(t)) else { continue };
        for (name, path) in &package.bins {
            let target = format!("{MODULES}{}/{path}", wanted.alias);
            all.push((name.clone(), target, wanted.alias.to_string()));
        }
    }
    mirror::order::sort(&mut all);
    for pair in all.windows(2) {
        if pair[0].0 == pair[1].0 {
            let message =
                format!("`{}` and `{}` both bring the command `{}`", pair[0].2, pair[1].2, pair[0].0);
            let hint = "remove one of them first: only one can be on the path";
            return Err(Box::new(Error::Other { status: Status::Failed, message, hints: vec![hint.into()] }));
        }
    }
    let bin = home.join(BIN);
    for (name, ..) in &all {
        let path = bin.join(name.as_str());
        if path.symlink_metadata().is_ok() && !is_ours(&path) {
            let message =
                format!("{} is there already, and not from pantry", escape(&path.to_string_lossy()));
            return Err(Box::new(Error::Other { status: Status::Failed, message, hints: Vec::new() }));
        }
    }
    Ok(all.into_iter().map(|(name, target, _)| (name, target)).collect())
}

fn is_ours(path: &Path) -> bool {
    fs::read_link(path).is_ok_and(|target| target.starts_with(MODULES))
}

/// Makes the links what they are to be. A run that was killed is made good by the next.
pub fn link(home: &Path, commands: &[Command]) -> Result<()> {
    let bin = home.join(BIN);
    fs::create_dir_all(&bin).map_err(Error::io("create", &bin))?;
    for entry in fs::read_dir(&bin).map_err(Error::io("read", &bin))?.flatten() {
        let path = entry.path();
        let known = commands.iter().any(|(name, _)| entry.file_name().to_str() == Some(name.as_str()));
        if !known && is_ours(&path) {
            fs::remove_file(&path).map_err(Error::io("remove", &path))?;
        }
    }
    for (name, target) in commands {
        let path = bin.join(name.as_str());
        if fs::read_link(&path).is_ok_and(|there| there == Path::new(target)) {
            continue;
        }
        // A name that no command has.
        let new = bin.join(format!(".{name}.new"));
        let _ = fs::remove_file(&new);
        std::os::unix::fs::symlink(target, &new)
            .and_then(|()| fs::rename(&new, &path))
            .map_err(Error::io("write", &path))?;
    }
    Ok(())
}

/// Says what has to be on the path, where it is not.
pub fn advise(settings: &Settings, home: &Path, ui: &mut Ui) {
    let bin: PathBuf = home.join(BIN);
    if !settings.search_path().contains(&bin) {
        let bin = bin.to_string_lossy();
        ui.hint(&format!("their commands are in {}, which is not in PATH", escape(&bin)));
    }
}
