//! Commands of packages: `node_modules/.bin/<name>`.
//!
//! A symbolic link where the volume has them, otherwise a small `sh` script and
//! a `.cmd` beside it (as npm writes on Windows), so that a tree on FAT works.

use super::unit::{Op, Unit};
use mirror::name::{BinName, PackageName, RelPath};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// What stands in `.bin`: the command and the file it starts, relative to `.bin`'s parent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bin {
    pub name: BinName,
    /// `<package folder>/<path inside>`, relative to the folder that holds `.bin`.
    pub target: String,
}

impl Bin {
    pub fn new(name: &BinName, package: &str, path: &RelPath) -> Self {
        Self { name: name.clone(), target: format!("{package}/{path}") }
    }

    /// The link's text, seen from inside `.bin`.
    pub fn link_target(&self) -> String {
        format!("../{}", self.target)
    }

    /// A POSIX script that starts the file with the interpreter it names.
    pub fn shell_script(&self) -> String {
        let target = self.target.replace('\'', "'\\''");
        format!(
            "#!/bin/sh\nhere=$(cd \"$(dirname \"$0\")\" && pwd)\nfile=\"$here/../\"'{target}'\n\
             read -r line < \"$file\"\ncase \"$line\" in\n  '#!'*node*) exec node \"$file\" \"$@\" ;;\n  \
             '#!'*) exec sh \"$file\" \"$@\" ;;\n  *) exec \"$file\" \"$@\" ;;\nesac\n"
        )
    }

    /// The same for cmd.exe.
    pub fn cmd_script(&self) -> String {
        format!("@ECHO off\r\nnode \"%~dp0\\..\\{}\" %*\r\n", self.target.replace('/', "\\"))
    }
}

/// A script in the place of a link with that text, for a tree whose packages lie outside the project: what they load
/// without naming it (a plugin, `typescript`) is found in the project, as with pnpm's global virtual store.
pub fn with_the_projects_packages(target: &str) -> String {
    let target = target.replace('\'', "'\\''");
    format!(
        "#!/bin/sh\nfile=$0\n[ ! -L \"$file\" ] || file=$(readlink -f \"$file\")\n\
         case $file in /*) ;; *) file=$PWD/$file ;; esac\nhere=${{file%/*}}\n\
         export NODE_PATH=\"${{here%/.bin}}${{NODE_PATH:+:$NODE_PATH}}\"\nexec \"$here/\"'{target}' \"$@\"\n"
    )
}

/// A folder of this machine in the place of a package, and its commands.
#[derive(Debug)]
pub struct Linked {
    pub name: PackageName,
    pub folder: PathBuf,
    pub bins: Vec<(BinName, RelPath)>,
}

impl Linked {
    /// Puts it over what `units` make of the package, if anything; its commands are the project's own then.
    pub fn put(&self, units: &mut Vec<Unit>) {
        units.retain(|unit| unit.path != self.name.as_str());
        let target = self.folder.to_string_lossy().into_owned();
        units.push(Unit::new(self.name.to_string(), vec![Op::Link { at: String::new(), target }]));
        let mut ops = match units.iter().position(|unit| unit.path == ".bin") {
            Some(at) => units.remove(at).ops,
            None => vec![Op::Directory { at: String::new() }],
        };
        let former = format!("../{}/", self.name);
        ops.retain(|op| match op {
            Op::Link { target, .. } => !target.starts_with(&former),
            Op::Script { text, .. } => !text.contains(&format!("'{former}")),
            _ => true,
        });
        for (command, path) in &self.bins {
            let bin = Bin::new(command, self.name.as_str(), path);
            ops.retain(|op| op.at() != bin.name.as_str());
            ops.push(Op::Link { at: bin.name.to_string(), target: bin.link_target() });
        }
        if ops.len() > 1 {
            units.insert(0, Unit::new(".bin".into(), ops));
        }
    }
}

/// Lets a folder's command be started, as npm and pnpm do: who writes one seldom thinks of it. `file` is a plain file
/// of the user's, or nothing happens.
pub fn allow_start(file: &Path) {
    let Ok(meta) = std::fs::symlink_metadata(file) else { return };
    if meta.is_file() && meta.mode() & 0o111 == 0 {
        // Whoever reads it may start it.
        let mode = meta.mode() | (meta.mode() & 0o444) >> 2;
        let _ = std::fs::set_permissions(file, std::fs::Permissions::from_mode(mode & 0o7777));
    }
}

/// When two packages bring the same command: the direct dependency wins, then
/// the package whose name is the command, then the first by name.
pub fn preferred<'a>(a: (&'a str, bool), b: (&'a str, bool), command: &str) -> std::cmp::Ordering {
    let rank = |(name, direct): (&str, bool)| (!direct, name != command);
    rank(a).cmp(&rank(b)).then_with(|| a.0.cmp(b.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cmp::Ordering;

    #[test]
    fn who_owns_a_command() {
        assert_eq!(preferred(("a", true), ("b", false), "x"), Ordering::Less);
        assert_eq!(preferred(("a", true), ("x", true), "x"), Ordering::Greater);
        assert_eq!(preferred(("a", false), ("b", false), "x"), Ordering::Less);
    }

    #[test]
    fn link_and_scripts() {
        let bin =
            Bin::new(&BinName::parse("tsc").unwrap(), "typescript", &RelPath::parse("bin/tsc").unwrap());
        assert_eq!(bin.link_target(), "../typescript/bin/tsc");
        assert!(bin.shell_script().contains("'typescript/bin/tsc'"));
        assert!(bin.cmd_script().contains("typescript\\bin\\tsc"));
    }
}
