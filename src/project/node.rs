//! Which node the user has.
//!
//! Starting it takes longer than many an install, so the header beside it is
//! read first (`../include/node/node_version.h`, which every distribution of
//! node's own has), and what a node without one has said is noted:
//!
//! ```text
//! $PANTRY_HOME/node      VERSION BYTES MTIME-IN-NANOSECONDS INODE PATH
//! ```
//!
//! Of a pre-release the numbers count.

use crate::resolve::engines::Node;
use crate::settings::Settings;
use mirror::version::Version;
use mzp::tool;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// The first one of `PATH`, but none of a package's: installing runs nobody's code.
pub fn of(settings: &Settings) -> Node {
    let mut path = settings.search_path();
    path.retain(|folder| folder.iter().all(|part| part != "node_modules"));
    let home = settings.home().ok();
    Node::new(Box::new(move || version(&path, home.as_deref())))
}

fn version(path: &[PathBuf], home: Option<&Path>) -> Option<Version> {
    let found = tool::find(OsStr::new("node"), path)?;
    let node = found.canonicalize().ok()?;
    if let Some(version) = header(&node) {
        return Some(version);
    }
    let (note, mark) = (home.map(|home| home.join("node")), mark(&node));
    if let (Some(note), Some(mark)) = (&note, &mark) {
        let text = mirror::file::read(note, 8192).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let noted = text.as_deref().and_then(|text| text.split_once(' '));
        if let Some((version, _)) = noted.filter(|(_, of)| of == mark) {
            return Version::parse(version).ok();
        }
    }
    let version = asked(&found)?;
    if let (Some(note), Some(mark)) = (note, mark) {
        // Without the note the next run asks again.
        let _ = mirror::file::replace_scratch(&note, format!("{version} {mark}").as_bytes());
    }
    Some(version)
}

/// What tells one program from another. None for what chooses a node anew at each call: a script, or a
/// version manager's program that is called by this name.
fn mark(node: &Path) -> Option<String> {
    let mut begins = [0; 2];
    std::io::Read::read_exact(&mut std::fs::File::open(node).ok()?, &mut begins).ok()?;
    if begins == *b"#!" || node.file_name()? != "node" {
        return None;
    }
    let meta = node.metadata().ok()?;
    let changed = meta.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?.as_nanos();
    Some(format!(
        "{} {changed} {} {}",
        meta.len(),
        std::os::unix::fs::MetadataExt::ino(&meta),
        node.to_str()?
    ))
}

/// Only a header that came with the program: both have about the same age.
fn header(node: &Path) -> Option<Version> {
    let file = node.parent()?.parent()?.join("include/node/node_version.h");
    let age = |path: &Path| path.metadata().ok()?.modified().ok();
    let (a, b) = (age(node)?, age(&file)?);
    let apart = a.duration_since(b).or_else(|_| b.duration_since(a)).ok()?;
    if apart > Duration::from_secs(86_400) {
        return None;
    }
    let text = mirror::file::read(&file, 1 << 20).ok()?;
    let text = String::from_utf8_lossy(&text);
    let number = |name: &str| -> Option<u64> {
        let rest = text.split("#define ").find_map(|line| line.strip_prefix(name))?;
        rest.split_whitespace().next()?.parse().ok()
    };
    Some(Version::new(
        number("NODE_MAJOR_VERSION ")?,
        number("NODE_MINOR_VERSION ")?,
        number("NODE_PATCH_VERSION ")?,
    ))
}

fn asked(node: &Path) -> Option<Version> {
    let mut command = Command::new(node);
    let output = command.arg("--version").stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let text = text.trim().strip_prefix('v')?;
    Version::parse(text.split(['-', '+']).next()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// A program of its own at `bin/node`, which says its version and leaves a trace when it is started.
    #[test]
    fn a_program_is_asked_once_and_a_script_each_time() {
        let dir = tempfile::tempdir().unwrap();
        let (bin, trace) = (dir.path().join("bin"), dir.path().join("trace"));
        fs::create_dir(&bin).unwrap();
        let node = bin.join("node");
        // By another process: a file that this one had open for writing may be so still in a child of another test.
        let put = |path: &Path, text: &str| {
            let source = dir.path().join("text");
            mirror::file::replace_scratch(&source, text.as_bytes()).unwrap();
            let status = Command::new("install").args(["-m", "755"]).arg(&source).arg(path).status();
            assert!(status.unwrap().success());
        };
        put(&node, &format!("#!/bin/sh\necho started >>{}\necho v20.1.2\n", trace.display()));
        let path = [bin];
        let times = || fs::read_to_string(&trace).unwrap_or_default().lines().count();
        for n in 1..3 {
            assert_eq!(version(&path, Some(dir.path())), Some(Version::new(20, 1, 2)));
            assert_eq!(times(), n);
        }
        assert!(!dir.path().join("node").exists());
        // No script by its beginning (the shell runs it all the same): what it said is noted, not asked again.
        put(&node, "v: # a program\n");
        let note = format!("18.0.0 {}", mark(&node).unwrap());
        mirror::file::replace_scratch(&dir.path().join("node"), note.as_bytes()).unwrap();
        assert_eq!(version(&path, Some(dir.path())), Some(Version::new(18, 0, 0)));
        // Another program in its place is another one.
        put(&node, "v: # another program\n");
        assert_ne!(note, format!("18.0.0 {}", mark(&node).unwrap()));
        assert_ne!(version(&path, Some(dir.path())), Some(Version::new(18, 0, 0)));
        // A version manager under the name.
        fs::rename(&node, node.with_file_name("manager")).unwrap();
        std::os::unix::fs::symlink("manager", &node).unwrap();
        assert_eq!(mark(&node.canonicalize().unwrap()), None);
    }
}
