//! A new project: `mzp.toml` and a `src/main.minz` that builds.

use crate::error::{Error, Result};
use crate::manifest::FILE;
use crate::platform::Platform;
use mirror::name::MinzName;
use std::path::{Path, PathBuf};

/// Writes what is missing and returns the files written; a manifest that is
/// there already is an error, a main file that is there stays.
pub fn application(dir: &Path, name: &MinzName, platform: &Platform) -> Result<Vec<PathBuf>> {
    let manifest = dir.join(FILE);
    if std::fs::symlink_metadata(&manifest).is_ok() {
        let source = std::io::ErrorKind::AlreadyExists.into();
        return Err(Error::Io { action: "create", path: manifest, source });
    }
    let main = dir.join("src/main.minz");
    let mut written = Vec::new();
    if std::fs::symlink_metadata(&main).is_err() {
        let src = dir.join("src");
        std::fs::create_dir_all(&src).map_err(Error::io("create", &src))?;
        let text = format!("fun main() -> void {{\n    @print(\"{name}\");\n}}\n");
        mirror::file::replace(&main, text.as_bytes())?;
        written.push(main);
    }
    let text = format!(
        "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\n\n[dependencies]\n\n[targets]\ndefault = \"{platform}\"\nsupported = [\"{platform}\"]\n"
    );
    mirror::file::replace(&manifest, text.as_bytes())?;
    written.insert(0, manifest);
    Ok(written)
}

/// A package name out of a folder's: `My Game_2` becomes `my-game-2`.
pub fn name_for(folder: &str) -> Option<MinzName> {
    let lower = folder.to_ascii_lowercase();
    let words: Vec<_> = lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty()).collect();
    let joined: String = words.join("-").chars().take(64).collect();
    MinzName::parse(joined.trim_end_matches('-')).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Manifest;

    #[test]
    fn a_new_project_reads_back() {
        let dir = tempfile::tempdir().unwrap();
        let name = name_for("My Game_2").unwrap();
        assert_eq!(name.as_str(), "my-game-2");
        assert!(name_for("2048").is_none() && name_for("…").is_none());
        let platform = Platform::find("cpm").unwrap();
        assert_eq!(application(dir.path(), &name, platform).unwrap().len(), 2);
        let manifest = Manifest::load(dir.path()).unwrap().unwrap();
        assert_eq!((manifest.name.as_str(), manifest.default_platform().name), ("my-game-2", "cpm"));
        assert!(application(dir.path(), &name, platform).is_err());
    }
}
