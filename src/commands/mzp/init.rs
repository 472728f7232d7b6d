//! `mzp init`: a project that builds, in a folder.

use crate::cli::Invocation;
use crate::error::{Error, Result, Status};
use crate::settings::Settings;
use crate::ui::Ui;
use mirror::name::{MinzName, escape};
use mzp::init::{application, name_for};
use mzp::platform::Platform;

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
    let platform = match invocation.text("target")? {
        None => Platform::usual(),
        Some(name) => super::platform(name)?,
    };
    if std::fs::symlink_metadata(dir.join("mzp.toml")).is_ok() {
        return Err(Error::Other {
            status: Status::Failed,
            message: format!("{} is there already", super::shown(&dir.join("mzp.toml"), &here)),
            hints: vec!["`mzp install` and `mzp build` work with it".into()],
        });
    }
    for file in application(&dir, &name, platform)? {
        ui.added(&super::shown(&file, &here));
    }
    ui.success(&format!("{name} is a MinZ project for {platform}; `mzp build` builds it"));
    Ok(Status::Done)
}
