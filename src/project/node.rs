//! Which node the user has.
//!
//! Starting it takes longer than many an install, so the header beside it is
//! read first (`../include/node/node_version.h`, which every distribution of
//! node's own has). Of a pre-release the numbers count.

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
    Node::new(Box::new(move || version(&path)))
}

fn version(path: &[PathBuf]) -> Option<Version> {
    let node = tool::find(OsStr::new("node"), path)?;
    header(&node).or_else(|| asked(&node))
}

/// Only a header that came with the program: both have about the same age.
fn header(node: &Path) -> Option<Version> {
    let node = node.canonicalize().ok()?;
    let file = node.parent()?.parent()?.join("include/node/node_version.h");
    let age = |path: &Path| path.metadata().ok()?.modified().ok();
    let (a, b) = (age(&node)?, age(&file)?);
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
