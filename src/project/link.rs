//! Folders of this machine in the place of packages (`link`), which neither manifest nor lock knows of.
//!
//! ```text
//! $PANTRY_HOME/links/packages/NAME -> FOLDER    what was offered: `pantry link` in that folder
//! $PANTRY_HOME/links/of/HASH                    a project's links: its path, then a line `NAME<tab>FOLDER` each
//! ```
//!
//! In the user's own folder and not in the project's, which may come from anywhere. Every install
//! takes them over its tree, until `unlink`.

use crate::error::{Error, Result, Status};
use crate::install::bins::Linked;
use crate::manifest;
use mirror::digest::Hash;
use mirror::name::{PackageName, escape};
use std::fs;
use std::path::{Path, PathBuf};

pub type Links = Vec<(PackageName, PathBuf)>;

/// Bytes; longer than anybody's.
const LIMIT: u64 = 1 << 20;

/// The file with a project's links, be it there or not.
pub fn file(home: &Path, root: &Path) -> PathBuf {
    let hash = Hash::of(root.as_os_str().as_encoded_bytes()).to_string();
    home.join("links/of").join(&hash[..32])
}

/// A project's links, sorted by name.
pub fn read(home: &Path, root: &Path) -> Result<Links> {
    let text = match mirror::file::read(&file(home, root), LIMIT) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(mirror::Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            return Ok(Vec::new());
        }
        Err(e) => return Err(e.into()),
    };
    let lines = text.lines().skip(1).filter_map(|line| line.split_once('\t'));
    Ok(lines.filter_map(|(name, to)| Some((PackageName::parse(name).ok()?, PathBuf::from(to)))).collect())
}

/// With the commands that the folders bring.
pub fn looked_at(links: Links) -> Result<Vec<Linked>> {
    let look = |(name, folder): (PackageName, PathBuf)| {
        let found = manifest::workspace::member(&folder, "")?;
        let bins = found.iter().flat_map(|m| &m.manifests).flat_map(|m| m.bin.clone()).collect();
        Ok(Linked { name, folder, bins })
    };
    links.into_iter().map(look).collect()
}

pub fn write(home: &Path, root: &Path, links: &Links) -> Result<()> {
    let path = file(home, root);
    if links.is_empty() {
        return match fs::remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", &path)(e)),
            _ => Ok(()),
        };
    }
    let mut text = format!("{}\n", root.display());
    for (name, to) in links {
        let Some(to) = to.to_str().filter(|to| !to.contains(['\n', '\t'])) else {
            let source = std::io::Error::other("its path cannot be written down");
            return Err(Box::new(Error::Io { action: "link to", path: to.clone(), source }));
        };
        text.push_str(&format!("{name}\t{to}\n"));
    }
    make(path.parent().unwrap_or(home))?;
    Ok(mirror::file::replace(&path, text.as_bytes())?)
}

fn make(dir: &Path) -> Result<()> {
    fs::create_dir_all(dir).map_err(Error::io("create", dir))
}

fn offered(home: &Path, name: &PackageName) -> PathBuf {
    home.join("links/packages").join(name.as_str())
}

/// Offers a folder under its name, in place of what was offered before.
pub fn offer(home: &Path, name: &PackageName, folder: &Path) -> Result<()> {
    let path = offered(home, name);
    make(path.parent().unwrap_or(home))?;
    withdraw(home, name)?;
    std::os::unix::fs::symlink(folder, &path).map_err(Error::io("write", &path))
}

/// Whether there was such an offer.
pub fn withdraw(home: &Path, name: &PackageName) -> Result<bool> {
    let path = offered(home, name);
    match fs::remove_file(&path) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(Error::io("remove", &path)(e)),
    }
}

/// The folder that was offered under that name.
pub fn find(home: &Path, name: &PackageName) -> Result<PathBuf> {
    fs::read_link(offered(home, name)).map_err(|_| {
        Error::Other {
            status: Status::Failed,
            message: format!("no folder was offered as `{name}`"),
            hints: vec![format!(
                "run `pantry link` in the folder of {name}, or `pantry link ../FOLDER` here"
            )],
        }
        .into()
    })
}

/// A name that is not linked.
pub fn unknown(links: &Links, name: &str) -> Box<Error> {
    let near = crate::cli::suggest::closest(name, links.iter().map(|(name, _)| name.as_str()));
    Box::new(Error::Other {
        status: Status::Failed,
        message: format!("`{}` is not linked here", escape(name)),
        hints: near.map(|near| format!("did you mean `{near}`?")).into_iter().collect(),
    })
}
