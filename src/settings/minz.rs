//! What the user wants of MinZ, `~/.mzp/config.toml`; only read by `mzp`'s
//! commands. As strict as the other one. A relative path starts at that file.
//!
//! ```toml
//! mz = "../minz/mz"                       # the compiler; as MZ
//! default-target = "cpm"                  # where neither --target nor mzp.toml says
//! mirrors = ["mirror", "~/mirrors/work"]  # before those of pantry's file
//! emulator = "fuse --machine 48"          # what `mzp run` starts; as --emulator
//! registry = "https://minz.example.com"   # the default MinZ registry; as --registry
//! github = "https://github.example.com"   # where user/repo is, in place of GitHub
//! ```

use super::config::{Refusal, each, read, text};
use crate::error::Result;
use mzp::platform::Platform;
use mzp::toml;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

const KEYS: &[&str] = &["default-target", "emulator", "github", "mirrors", "mz", "registry"];

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Minz {
    /// A path, or a name to look for on the PATH.
    pub compiler: Option<OsString>,
    pub default_target: Option<&'static Platform>,
    pub mirrors: Vec<PathBuf>,
    /// A command, its words separated by spaces.
    pub emulator: Option<String>,
    pub registry: Option<String>,
    pub github: Option<String>,
}

impl Minz {
    pub(super) fn read(path: &Path, user_home: &Path) -> Result<Self> {
        let mut config = Self::default();
        if let Some(text) = read(path)? {
            each(path, &text, KEYS, &mut |key, value| config.set(key, value, path, user_home))?;
        }
        Ok(config)
    }

    fn set(
        &mut self,
        key: &str,
        value: &toml::Value<'_>,
        file: &Path,
        user_home: &Path,
    ) -> std::result::Result<(), Refusal> {
        let found = |text: &str| match text.strip_prefix("~/") {
            Some(rest) => user_home.join(rest),
            None => file.parent().unwrap_or(file).join(text.strip_prefix("./").unwrap_or(text)),
        };
        // One word is looked for on the PATH.
        let program = |text: &str| match text.contains('/') {
            true => found(text).into_os_string(),
            false => text.into(),
        };
        match key {
            "mz" => self.compiler = Some(program(text(value, "a program")?)),
            "emulator" => {
                let command = text(value, "a command")?.trim();
                let (first, rest) = command.split_once(' ').unwrap_or((command, ""));
                let first = program(first).into_string().map_err(|_| Refusal::Rule("a command"))?;
                self.emulator = Some(format!("{first} {rest}").trim().to_string());
            }
            "default-target" => {
                let rule = "the name of a target, such as spectrum, cpm or c64";
                self.default_target = Some(Platform::find(text(value, rule)?).ok_or(Refusal::Rule(rule))?);
            }
            "mirrors" => {
                let rule = "a list of folders";
                for entry in value.list().ok_or(Refusal::Rule(rule))? {
                    self.mirrors.push(found(text(entry, rule)?));
                }
            }
            "github" => self.github = Some(text(value, "a URL")?.to_string()),
            "registry" => self.registry = Some(text(value, "a URL")?.to_string()),
            _ => return Err(Refusal::Unknown),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Minz> {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("config.toml");
        mirror::file::write_scratch(&file, text.as_bytes()).unwrap();
        let mut config = Minz::read(&file, Path::new("/h"))?;
        // The folder has another name each time.
        let short = |path: &Path| path.strip_prefix(home.path()).unwrap_or(path).to_path_buf();
        config.mirrors = config.mirrors.iter().map(|path| short(path)).collect();
        config.compiler = config.compiler.map(|path| short(Path::new(&path)).into_os_string());
        Ok(config)
    }

    #[test]
    fn the_documented_example() {
        let example = crate::settings::tests::example(include_str!("minz.rs"));
        let config = parse(&example).unwrap();
        assert_eq!(config.compiler, Some("../minz/mz".into()));
        assert_eq!(config.mirrors, [PathBuf::from("mirror"), "/h/mirrors/work".into()]);
        assert_eq!(config.default_target, Platform::find("cpm"));
        assert_eq!(config.emulator.as_deref(), Some("fuse --machine 48"));
        assert!(KEYS.iter().all(|key| example.contains(&format!("{key} = "))));
        assert_eq!(parse("mz = \"./mz\"").unwrap().compiler, Some("mz".into()));
        assert_eq!(parse("mz = \"mz2\"").unwrap().compiler, Some("mz2".into()));
        assert_eq!(parse("emulator = \"~/bin/e -x\"").unwrap().emulator.as_deref(), Some("/h/bin/e -x"));
        assert_eq!(parse("").unwrap(), Minz::default());
    }

    #[test]
    fn what_is_wrong_is_shown_where_it_stands() {
        for (text, expected) in [
            ("emulater = \"x\"", "config.toml:1:1: unknown key `emulater` | did you mean `emulator`?"),
            (
                "\ndefault-target = \"spectrun\"",
                "config.toml:2:18: `default-target` must be the name of a target",
            ),
            ("mirrors = \"m\"", "config.toml:1:11: `mirrors` must be a list of folders"),
            ("mz = \"\"", "config.toml:1:6: `mz` must be a program"),
            ("mz = ", "config.toml:1:"),
        ] {
            let error = parse(text).unwrap_err();
            let shown = format!("{error} | {}", error.hints().join(" "));
            assert!(shown.contains(expected), "{shown}");
        }
    }
}
