//! `mzp init` and `mzp create`: a project that builds, in a folder.

use crate::cli::Invocation;
use crate::error::{Error, Result, Status};
use crate::settings::Settings;
use crate::ui::Ui;
use mirror::name::{MinzName, escape};
use mzp::init::{application, library, name_for};
use mzp::platform::Platform;
use std::path::{Path, PathBuf};

pub fn run(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let here = settings.working_directory()?;
    let dir = invocation.argument_path(0).map_or_else(|| here.clone(), |dir| here.join(dir));
    let name = match invocation.text("name")? {
        Some(text) => super::parsed(MinzName::parse(text))?,
        None => {
            let folder = dir.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            name_for(&folder).ok_or_else(|| Error::Usage {
                message: format!("no package name can be made of the folder's, `{}`", escape(&folder)),
                hint: Some("give one with --name".into()),
            })?
        }
    };
    let platform = chosen(invocation, settings)?.unwrap_or(Platform::usual());
    absent(&dir, &here)?;
    show(&application(&dir, &name, platform)?, &here, ui);
    ui.success(&format!("{name} is a MinZ project for {platform}; `mzp build` builds it"));
    Ok(Status::Done)
}

/// A library, in a folder of its name.
pub fn create(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let here = settings.working_directory()?;
    let name = super::parsed(MinzName::parse(invocation.argument(0)?.unwrap_or_default()))?;
    let dir = here.join(name.as_str());
    absent(&dir, &here)?;
    show(&library(&dir, &name, chosen(invocation, settings)?)?, &here, ui);
    ui.success(&format!("{name} is a MinZ library; `mzp build examples/demo.minz` in it builds its example"));
    Ok(Status::Done)
}

fn chosen(invocation: &Invocation, settings: &Settings) -> Result<Option<&'static Platform>> {
    invocation.text("target")?.map_or(Ok(settings.default_target), |name| super::platform(name).map(Some))
}

fn absent(dir: &Path, here: &Path) -> Result<()> {
    let manifest = dir.join("mzp.toml");
    if std::fs::symlink_metadata(&manifest).is_err() {
        return Ok(());
    }
    Err(Box::new(Error::Other {
        status: Status::Failed,
        message: format!("{} is there already", super::shown(&manifest, here)),
        hints: vec!["`mzp install` and `mzp build` work with it".into()],
    }))
}

fn show(files: &[PathBuf], here: &Path, ui: &mut Ui) {
    files.iter().for_each(|file| ui.added(&super::shown(file, here)));
}
