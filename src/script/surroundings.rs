//! What a script finds around it: `PATH` and the variables that npm gives.
//!
//! | variable | |
//! |---|---|
//! | `npm_lifecycle_event`, `npm_lifecycle_script` | the script's name and text |
//! | `npm_package_name`, `npm_package_version`, `npm_package_json` | the package that it belongs to |
//! | `npm_package_config_KEY` | `config` of its package.json |
//! | `npm_command` | `run`, `install`, `exec` |
//! | `npm_config_user_agent` | by which tools know their package manager: `pantry/VERSION …` |
//! | `npm_execpath` | this program |
//! | `npm_node_execpath`, `NODE` | the `node` on `PATH` |
//! | `INIT_CWD` | the folder in which the user called |

use crate::install::platform::Platform;
use crate::json::{self, Scanner, Syntax, loose};
use crate::manifest::LIMIT;
use crate::settings::Settings;
use mzp::tool;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The package whose script it is.
pub struct Owner<'a> {
    /// Where it runs.
    pub dir: &'a Path,
    pub manifest: &'a Path,
    pub name: Option<&'a str>,
    pub version: Option<&'a str>,
}

/// The same for every script of a command.
pub struct Surroundings {
    shell: OsString,
    path: OsString,
    variables: Vec<(&'static str, OsString)>,
}

impl Surroundings {
    /// `command`: what npm would call it. `here`: the folder in which the user called.
    pub fn new(settings: &Settings, command: &str, here: &Path) -> Self {
        let platform = Platform::current();
        let version = env!("CARGO_PKG_VERSION");
        let agent = format!("pantry/{version} npm/? node/? {} {}", platform.os, platform.cpu);
        let mut variables = vec![
            ("npm_command", command.into()),
            ("npm_config_user_agent", agent.into()),
            ("INIT_CWD", here.into()),
        ];
        if let Ok(program) = std::env::current_exe() {
            variables.push(("npm_execpath", program.into()));
        }
        if let Some(node) = tool::find(OsStr::new("node"), &settings.search_path()) {
            variables.push(("npm_node_execpath", node.clone().into()));
            variables.push(("NODE", node.into()));
        }
        // Not from PATH: the first `sh` there might be a package's.
        let shell = settings.variable("npm_config_script_shell").filter(|s| !s.is_empty());
        Self {
            shell: shell.unwrap_or_else(|| "/bin/sh".into()),
            path: settings.variable("PATH").unwrap_or_default(),
            variables,
        }
    }

    /// `sh -c TEXT` in the owner's folder, as the script `event`.
    pub fn script(&self, owner: &Owner<'_>, event: &str, text: &OsStr) -> Command {
        let mut command = self.program(&self.shell, owner);
        command.arg("-c").arg(text).env("npm_lifecycle_event", event).env("npm_lifecycle_script", text);
        command
    }

    /// A program with the same around it.
    pub fn program(&self, program: &OsStr, owner: &Owner<'_>) -> Command {
        let mut command = Command::new(program);
        let own = [
            ("npm_package_name", owner.name.map(OsStr::new)),
            ("npm_package_version", owner.version.map(OsStr::new)),
            ("npm_package_json", Some(owner.manifest.as_os_str())),
        ];
        for (name, value) in own {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        self.variables.iter().for_each(|(name, value)| {
            command.env(name, value);
        });
        for (key, value) in config(owner.manifest) {
            command.env(format!("npm_package_config_{key}"), value);
        }
        command.current_dir(owner.dir).env("PATH", self.path_for(owner.dir));
        command
    }

    /// A program that a script in `dir` would find.
    pub fn find(&self, name: &str, dir: &Path) -> Option<PathBuf> {
        let folders: Vec<PathBuf> = std::env::split_paths(&self.path_for(dir)).collect();
        tool::find(OsStr::new(name), &folders)
    }

    fn path_for(&self, dir: &Path) -> OsString {
        let mut path = OsString::new();
        for folder in bin_folders(dir) {
            path.push(folder);
            path.push(":");
        }
        path.push(match self.path.is_empty() {
            // An empty part would be the working directory.
            true => OsStr::new("/usr/bin:/bin"),
            false => &self.path,
        });
        path
    }
}

/// The texts and numbers of `config`; nothing where the file is none that can be read.
fn config(manifest: &Path) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    let bytes = mirror::file::read(manifest, LIMIT as u64).unwrap_or_default();
    let Ok(text) = json::text(&bytes) else { return pairs };
    let mut json = Scanner::new(text, Syntax::Jsonc);
    let _ = loose::members(&mut json, |json, key| match &*key.name {
        "config" => loose::members(json, |json, key| {
            let raw = json.skip()?;
            let value =
                Scanner::new(raw, Syntax::Json).string().map_or(raw.to_string(), |text| text.into_owned());
            // What can stand in an environment.
            if !key.name.contains(['=', '\0']) && !value.contains('\0') {
                pairs.push((key.name.into_owned(), value));
            }
            Ok::<(), json::Error>(())
        }),
        _ => json.skip().map(drop),
    });
    pairs
}

/// Every `node_modules/.bin` that a script in `dir` has on its `PATH`, nearest first.
pub fn bin_folders(dir: &Path) -> impl Iterator<Item = PathBuf> {
    // `PATH` cannot name a folder with a colon, but what stands behind it.
    let can_be = |folder: &&Path| {
        !folder.as_os_str().as_encoded_bytes().contains(&b':')
            && folder.file_name() != Some(OsStr::new("node_modules"))
    };
    let folders = dir.ancestors().filter(can_be);
    folders.map(|folder| folder.join("node_modules/.bin"))
}
