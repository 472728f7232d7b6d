//! Which projects may run scripts of their own at install: `$PANTRY_HOME/trust/projects`.
//!
//! A line each: the SHA-256 of the scripts' names and texts, a blank, the project's folder. Somebody else's
//! project runs nothing before its user has said so ([`allow`], by `pantry trust .`), and nothing new after its
//! scripts have changed. (What the scripts start is not looked at: whoever allows `node build.js` allows that.)

use super::{Session, lifecycle};
use crate::error::{Error, Result};
use crate::manifest::Manifest;
use mirror::digest::Hash;
use std::path::{Path, PathBuf};

const LIMIT: u64 = 16 << 20;

/// The project's own scripts that an install runs, in the order of the events.
pub fn scripts(manifests: &[Manifest]) -> Vec<(&'static str, &str)> {
    let events = lifecycle::BEFORE.iter().chain(&lifecycle::AFTER);
    let text = |event: &str| {
        let mut all = manifests.iter().flat_map(|m| &m.scripts);
        all.find(|(name, _)| name == event).map(|(_, text)| text.as_str())
    };
    events.filter_map(|event| Some((*event, text(event)?))).collect()
}

fn hash(manifests: &[Manifest]) -> Hash {
    let mut text = String::new();
    scripts(manifests).iter().for_each(|(event, script)| text.extend([event, "\0", *script, "\0"]));
    Hash::of(text.as_bytes())
}

fn file(session: &Session<'_>) -> PathBuf {
    session.home.join("trust/projects")
}

fn lines(path: &Path) -> Result<String> {
    match mirror::file::read(path, LIMIT) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(mirror::Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            Ok(String::new())
        }
        Err(e) => Err(e.into()),
    }
}

fn line_of<'a>(text: &'a str, root: &Path) -> Option<&'a str> {
    text.lines()
        .find_map(|line| line.split_once(' ').filter(|(_, path)| Path::new(path) == root).map(|(h, _)| h))
}

/// Whether the project was ever allowed to: then its manifests have to be read.
///
/// # Errors
/// The file cannot be read.
pub fn is_known(session: &Session<'_>) -> Result<bool> {
    Ok(line_of(&lines(&file(session))?, &session.project.root).is_some())
}

/// Whether the project may run the scripts that it has now.
///
/// # Errors
/// The file cannot be read.
pub fn is_allowed(session: &Session<'_>, manifests: &[Manifest]) -> Result<bool> {
    let text = lines(&file(session))?;
    Ok(line_of(&text, &session.project.root) == Some(hash(manifests).to_string().as_str()))
}

/// Lets the project run the scripts that it has now, or none (`may` is false).
///
/// # Errors
/// The file cannot be read or written, or the project's path is no text.
pub fn allow(session: &Session<'_>, manifests: &[Manifest], may: bool) -> Result<()> {
    let (path, root) = (file(session), &session.project.root);
    let Some(shown) = root.to_str().filter(|path| !path.contains('\n')) else {
        let source = std::io::Error::other("its path cannot be written on a line");
        return Err(Box::new(Error::Io { action: "trust", path: root.clone(), source }));
    };
    if let Some(folder) = path.parent() {
        mirror::file::make_dirs(folder)?;
        let _lock = mirror::lock::DirLock::acquire(folder, &mut || {})?;
        let old = lines(&path)?;
        let mut new: String = old
            .lines()
            .filter(|line| line.split_once(' ').is_some_and(|(_, path)| path != shown))
            .flat_map(|line| [line, "\n"])
            .collect();
        if may {
            new.push_str(&format!("{} {shown}\n", hash(manifests)));
        }
        mirror::file::replace(&path, new.as_bytes())?;
    }
    Ok(())
}
