//! `pantry link`, `pantry unlink`.

use crate::cli::Invocation;
use crate::error::{Error, Result, Status};
use crate::manifest::{self, Project};
use crate::project::link::{self, Links};
use crate::project::{Change, How, Session};
use crate::settings::Settings;
use crate::ui::Ui;
use mirror::name::{PackageName, escape};
use std::path::{Path, PathBuf};

pub fn run(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let words = invocation.argument_texts()?;
    let here = settings.working_directory()?;
    if words.is_empty() {
        let project = manifest::find(&here)?;
        let name = own_name(&project)?;
        link::offer(&settings.home()?, &name, &project.root)?;
        ui.success(&format!("{name} is offered: `pantry link {name}` uses it in another project"));
        return Ok(Status::Done);
    }
    let session = Session::open(How::of(invocation), settings, ui)?;
    let mut links = link::read(&session.home, &session.project.root)?;
    for word in words {
        let is_path = word.starts_with(['.', '/']) || word.contains('\\');
        let (name, folder) = match PackageName::parse(word) {
            Ok(name) if !is_path => {
                let folder = link::find(&session.home, &name)?;
                (name, folder)
            }
            _ => named(&here.join(word))?,
        };
        ui.added(&format!("{name} -> {}", escape(&folder.to_string_lossy())));
        links.retain(|(other, _)| *other != name);
        links.push((name, folder));
    }
    mirror::order::sort(&mut links);
    apply(&session, &links, ui)?;
    Ok(Status::Done)
}

pub fn unlink(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let words = invocation.argument_texts()?;
    if words.is_empty() {
        let project = manifest::find(&settings.working_directory()?)?;
        let name = own_name(&project)?;
        if !link::withdraw(&settings.home()?, &name)? {
            let message = format!("`{name}` is not offered");
            return Err(Box::new(Error::Other { status: Status::Failed, message, hints: Vec::new() }));
        }
        ui.success(&format!("{name} is no longer offered"));
        return Ok(Status::Done);
    }
    let session = Session::open(How::of(invocation), settings, ui)?;
    let mut links = link::read(&session.home, &session.project.root)?;
    for word in words {
        let Some(at) = links.iter().position(|(name, _)| name.as_str() == word) else {
            return Err(link::unknown(&links, word));
        };
        ui.removed(&format!("{}, which was linked", links.remove(at).0));
    }
    apply(&session, &links, ui)?;
    Ok(Status::Done)
}

/// Writes the links down and makes the tree what they say.
fn apply(session: &Session<'_>, links: &Links, ui: &mut Ui) -> Result<()> {
    let locked = session.lock(ui)?;
    let before = link::read(&session.home, &session.project.root)?;
    link::write(&session.home, &session.project.root, links)?;
    let done = (|| {
        let work = session.read(&locked, ui)?;
        session.install(&locked, &work, session.network(ui)?, Change::default(), ui)
    })();
    if done.is_err() {
        link::write(&session.home, &session.project.root, &before)?;
    }
    done?;
    let all = links.len() as u64;
    ui.success(&format!("{} linked", super::mirror::count(all, "package is", "packages are")));
    Ok(())
}

/// A folder and the name of the package in it.
fn named(folder: &Path) -> Result<(PackageName, PathBuf)> {
    let folder = std::fs::canonicalize(folder).map_err(Error::io("link to", folder))?;
    let project = manifest::find(&folder)?;
    if project.root != folder {
        let message = format!("{} holds no package", escape(&folder.to_string_lossy()));
        return Err(Box::new(Error::Other { status: Status::Failed, message, hints: Vec::new() }));
    }
    Ok((own_name(&project)?, folder))
}

fn own_name(project: &Project) -> Result<PackageName> {
    let manifests = project.read()?;
    manifests.into_iter().find_map(|m| m.name).ok_or_else(|| {
        Error::Other {
            status: Status::Failed,
            message: format!("the package in {} has no name", escape(&project.root.to_string_lossy())),
            hints: vec!["give it a `name` in its manifest".into()],
        }
        .into()
    })
}
