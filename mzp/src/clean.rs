//! Taking away what builds have made: the targets' folders in `build/`, and
//! `build/` itself once nothing else is in it. What the user keeps there stays,
//! and no link is followed.

use crate::error::{Error, Result};
use crate::platform::PLATFORMS;
use std::path::{Path, PathBuf};

/// What would go.
#[derive(Debug, Default)]
pub struct Built {
    build: PathBuf,
    folders: Vec<PathBuf>,
    /// Files and links, relative to the project, sorted.
    pub files: Vec<PathBuf>,
    pub bytes: u64,
}

/// Looks, and changes nothing.
pub fn find(root: &Path) -> Result<Built> {
    let mut built = Built { build: root.join("build"), ..Built::default() };
    let targets = PLATFORMS.iter().map(|p| built.build.join(p.name));
    for part in std::iter::once(built.build.clone()).chain(targets) {
        match std::fs::symlink_metadata(&part) {
            Ok(m) if m.is_dir() => built.folders.push(part),
            Ok(_) => {
                let source = std::io::Error::other("it is not a folder");
                return Err(Error::Io { action: "clean", path: part, source });
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(Error::io("read", &part)(e)),
        }
    }
    let mut folders: Vec<PathBuf> = built.folders.iter().skip(1).cloned().collect();
    while let Some(dir) = folders.pop() {
        for entry in std::fs::read_dir(&dir).map_err(Error::io("read", &dir))? {
            let entry = entry.map_err(Error::io("read", &dir))?;
            let path = entry.path();
            // Of a link: the link's own.
            let metadata = entry.metadata().map_err(Error::io("read", &path))?;
            if metadata.is_dir() {
                folders.push(path);
            } else {
                built.bytes += metadata.len();
                built.files.push(path.strip_prefix(root).unwrap_or(&path).to_path_buf());
            }
        }
    }
    mirror::order::sort(&mut built.files);
    Ok(built)
}

pub fn remove(built: &Built) -> Result<()> {
    for dir in built.folders.iter().skip(1) {
        std::fs::remove_dir_all(dir).map_err(Error::io("remove", dir))?;
    }
    let _ = std::fs::remove_dir(&built.build); // only when nothing is in it
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_are_taken_away_and_never_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (root, mine) = (dir.path().join("project"), dir.path().join("mine"));
        let build = root.join("build");
        std::fs::create_dir_all(build.join("spectrum/unit")).unwrap();
        std::fs::create_dir_all(build.join("notes")).unwrap();
        std::fs::create_dir(&mine).unwrap();
        mirror::file::write_scratch(&mine.join("treasure"), b"gold").unwrap();
        mirror::file::write_scratch(&build.join("spectrum/unit/main.minz"), b"123").unwrap();
        symlink(&mine, build.join("spectrum/link")).unwrap();
        let built = find(&root).unwrap();
        assert_eq!(built.files, ["build/spectrum/link", "build/spectrum/unit/main.minz"].map(PathBuf::from));
        remove(&built).unwrap();
        assert!(mine.join("treasure").exists() && build.join("notes").exists());
        assert!(!build.join("spectrum").exists());
        std::fs::remove_dir(build.join("notes")).unwrap();
        remove(&find(&root).unwrap()).unwrap();
        assert!(!build.exists());
        assert!(find(&root).unwrap().files.is_empty());
        // A link in a folder's place is somebody's.
        symlink(&mine, &build).unwrap();
        assert!(find(&root).unwrap_err().to_string().ends_with("it is not a folder"));
        std::fs::remove_file(&build).unwrap();
        std::fs::create_dir(&build).unwrap();
        symlink(&mine, build.join("cpm")).unwrap();
        assert!(find(&root).is_err() && mine.join("treasure").exists());
    }
}
