//! Archives of this machine that manifests depend on (`file:lib/a.tgz`): what they say of themselves, and their
//! hash, which the lock keeps. An archive that was packed anew is another one.

use crate::error::{Error, Result, Status};
use crate::import;
use crate::manifest::workspace::Workspace;
use crate::resolve::Packed;
use mirror::archive::{ArchiveError, Entry, Expect, Limits, Sink, Workspace as Space};
use mirror::name::{PackageName, RelPath, escape};
use std::io::{self, BufRead};
use std::path::Path;

/// Reads those that are there.
///
/// # Errors
/// One cannot be read, or is no package.
pub fn read(root: &Path, workspace: &mut Workspace) -> Result<()> {
    workspace.packed.clear();
    for path in &workspace.archives {
        if root.join(path).symlink_metadata().is_ok() {
            workspace.packed.push(one(root, path)?);
        }
    }
    Ok(())
}

/// The one at `path`, from the project's root.
///
/// # Errors
/// It is not there, cannot be read, or is no package.
pub fn one(root: &Path, path: &str) -> Result<Packed> {
    let file = root.join(path);
    let refuse = |status, message: String| {
        let message = format!("{}: {message}", escape(&file.to_string_lossy()));
        Box::new(Error::Other { status, message, hints: Vec::new() })
    };
    let mut archive = mirror::file::open_regular(&file)?;
    let expect = Expect { manifests: true, ..Expect::default() };
    let mut gyp = Gyp(false);
    let read = Space::new().read(&mut archive, &expect, &Limits::default(), &mut gyp);
    let summary = read.map_err(|e| match e {
        ArchiveError::Read(e) => Error::io("read", &file)(e),
        e => refuse(Status::Refused, e.to_string()),
    })?;
    let package = import::archive(&summary, gyp.0)
        .map_err(|e| refuse(Status::Failed, escape(&e.to_string()).into()))?;
    let name = PackageName::parse(&package.key.name)
        .map_err(|source| Error::Name { source, place: file.to_string_lossy().into_owned() })?;
    Ok(Packed { path: path.to_string(), name, record: package.record })
}

/// Looks for a `binding.gyp`, which npm builds at install.
pub struct Gyp(pub bool);

impl Sink for Gyp {
    fn directory(&mut self, _: &RelPath) -> io::Result<()> {
        Ok(())
    }
    fn file(&mut self, entry: Entry, _: &mut dyn BufRead) -> io::Result<()> {
        self.0 |= entry.path.as_str() == "binding.gyp";
        Ok(())
    }
}
