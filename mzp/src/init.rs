//! A new project that builds: a program, or a library with an example and a test.

use crate::error::{Error, Result};
use crate::manifest::FILE;
use crate::platform::Platform;
use mirror::name::MinzName;
use std::path::{Path, PathBuf};

/// Writes what is missing and returns the files written; a manifest that is
/// there already is an error, a main file that is there stays.
pub fn application(dir: &Path, name: &MinzName, platform: &Platform) -> Result<Vec<PathBuf>> {
    let main = format!("fun main() -> void {{\n    @print(\"{name}\");\n}}\n");
    project(dir, name, Some(platform), "\n[dependencies]\n", &[("src/main.minz", main)])
}

/// The same of a library; without a platform, for all.
pub fn library(dir: &Path, name: &MinzName, platform: Option<&Platform>) -> Result<Vec<PathBuf>> {
    let module = name.as_str().replace('-', "_");
    let program = format!("import {module};\n\nfun main() -> void {{\n    {module}.hello();\n}}\n");
    let files = [
        ("src/lib.minz", format!("pub fun hello() -> void {{\n    @print(\"{name}\");\n}}\n")),
        ("examples/demo.minz", program.clone()),
        ("tests/test.minz", format!("// expect: {name}\n{program}")),
        (
            "README.md",
            format!(
                "# {name}\n\n```minz\nimport {module};\n```\n\n- `mzp build examples/demo.minz` builds the example\n- `mzp test` runs the tests\n"
            ),
        ),
    ];
    let more =
        "description = \"\"\nlicense = \"MIT\"\n\n[dependencies]\n\n[exports]\nmain = \"src/lib.minz\"\n";
    project(dir, name, platform, more, &files)
}

/// The manifest is the last: what has none is no project yet, and can be begun again.
fn project(
    dir: &Path,
    name: &MinzName,
    platform: Option<&Platform>,
    more: &str,
    files: &[(&str, String)],
) -> Result<Vec<PathBuf>> {
    let manifest = dir.join(FILE);
    if std::fs::symlink_metadata(&manifest).is_ok() {
        let source = std::io::ErrorKind::AlreadyExists.into();
        return Err(Error::Io { action: "create", path: manifest, source });
    }
    let mut text = format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\n{more}");
    if let Some(platform) = platform {
        text.push_str(&format!("\n[targets]\ndefault = \"{platform}\"\nsupported = [\"{platform}\"]\n"));
    }
    let mut written = vec![manifest.clone()];
    for (path, text) in files {
        let path = dir.join(path);
        if std::fs::symlink_metadata(&path).is_err() {
            let folder = path.parent().unwrap_or(dir);
            std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
            mirror::file::replace(&path, text.as_bytes())?;
            written.push(path);
        }
    }
    mirror::file::replace(&manifest, text.as_bytes())?;
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

    #[test]
    fn a_new_library_reads_back_and_keeps_what_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let name = MinzName::parse("my-lib").unwrap();
        mirror::file::write_scratch(&dir.path().join("README.md"), b"mine").unwrap();
        assert_eq!(library(dir.path(), &name, None).unwrap().len(), 4);
        assert_eq!(std::fs::read(dir.path().join("README.md")).unwrap(), b"mine");
        let manifest = Manifest::load(dir.path()).unwrap().unwrap();
        assert!(manifest.supported.is_empty() && manifest.exports[0].0 == "main");
        crate::publish::pack(dir.path()).unwrap();
    }
}
