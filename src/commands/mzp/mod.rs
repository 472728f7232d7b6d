//! `mzp …`: options into the operations of the crate `mzp`, their reports onto
//! the terminal. The operations know nothing of this program.

pub mod build;
pub mod init;
pub mod install;

use crate::commands::bar::waiting;
use crate::error::Result;
use crate::install::fill::Busy;
use crate::settings::Settings;
use crate::ui::Progress;
use mirror::name::escape;
use mzp::manifest::Manifest;
use mzp::registry::Registry;
use std::path::{Path, PathBuf};

/// The mirrors of a run: those named, then the home mirror. Nothing is opened
/// before something is asked of them.
fn registry(settings: &Settings, bar: Progress) -> Registry {
    let waiting = move |holder: &str| bar.status(&waiting(Busy::Mirror(holder)));
    Registry::new(settings.mirrors.clone(), settings.home_mirror().ok(), Box::new(waiting))
}

/// The project, and the folder it was found in when that is not this one.
fn project(settings: &Settings) -> Result<(PathBuf, Option<String>)> {
    let here = settings.working_directory()?;
    let manifest = Manifest::find(&here)?;
    let elsewhere = (manifest.root() != here).then(|| shown(manifest.root(), &here));
    Ok((here, elsewhere))
}

/// A path as a message names it: relative where it lies inside.
fn shown(path: &Path, base: &Path) -> String {
    let path = path.strip_prefix(base).unwrap_or(path);
    escape(&path.to_string_lossy()).into_owned()
}
