//! Which folder is the project, and its files from the disk.

use super::{Error, Format, LIMIT, Manifest, Problem, Warning};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// A folder with the manifests it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    pub root: PathBuf,
    /// In the order of [`Format::ALL`]; never empty. config/deps.ts only
    /// when nothing else is there.
    pub files: Vec<Format>,
    pub warnings: Vec<Warning>,
}

/// The project that `start` (an absolute path) lies in.
pub fn find(start: &Path) -> Result<Project, Error> {
    for folder in start.ancestors() {
        if let Some(project) = look(folder)? {
            return Ok(project);
        }
    }
    Err(Error::file(start, Problem::NoProject))
}

/// The project in exactly this folder, if it is one.
pub(super) fn look(folder: &Path) -> Result<Option<Project>, Error> {
    let mut files = Vec::new();
    for format in Format::ALL {
        let path = folder.join(format.file());
        match fs::metadata(&path) {
            Ok(found) if found.is_file() => files.push(format),
            // A folder of that name is somebody else's business.
            Ok(found) if found.is_dir() => {}
            Ok(_) => return Err(Error::file(&path, Problem::NotAFile)),
            Err(e) if is_absence(&e) => {}
            Err(e) => return Err(Error::file(&path, Problem::Io(e))),
        }
    }
    let mut own = files.iter().filter(|f| !matches!(f, Format::DepsTs | Format::PackageJson));
    if let (Some(first), Some(second)) = (own.next(), own.next()) {
        let problem = Problem::TwoFiles { first: first.file(), second: second.file() };
        return Err(Error::file(folder, problem));
    }
    let mut warnings = Vec::new();
    if files.len() > 1 && files.contains(&Format::DepsTs) {
        files.retain(|f| *f != Format::DepsTs);
        warnings.push(Warning::CodeIgnored { path: folder.join(Format::DepsTs.file()) });
    }
    Ok((!files.is_empty()).then(|| Project { root: folder.to_path_buf(), files, warnings }))
}

/// Not there, or in a folder that may not be looked into (which cannot be
/// this user's project).
pub(super) fn is_absence(e: &io::Error) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound, PermissionDenied};
    matches!(e.kind(), NotFound | NotADirectory | PermissionDenied)
}

impl Project {
    /// Reads all its manifests, pantry's own first.
    pub fn read(&self) -> Result<Vec<Manifest>, Error> {
        self.files.iter().map(|f| read_file(&self.root.join(f.file()), *f)).collect()
    }

    /// The file that `add` and `remove` edit.
    pub fn edited(&self) -> PathBuf {
        let own = self.files.iter().find(|f| **f != Format::DepsTs).unwrap_or(&Format::PantryJson);
        self.root.join(own.file())
    }
}

pub(super) fn read_file(path: &Path, format: Format) -> Result<Manifest, Error> {
    if format == Format::DepsTs {
        return Err(Error::file(path, Problem::Code));
    }
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(LIMIT as u64 + 1).read_to_end(&mut bytes))
        .map_err(|e| Error::file(path, Problem::Io(e)))?;
    super::read(&bytes, path, format)
}
