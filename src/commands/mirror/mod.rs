//! The `mirror` family: each command works on one mirror, named as an argument,
//! by `--mirror`, by `PANTRY_MIRROR`, or the home mirror.

pub mod add;
pub mod diff;
pub mod export;
pub mod gc;
pub mod import;
pub mod init;
pub mod key;
pub mod list;
pub mod pull;
pub mod remove;
pub mod repair;
pub mod serve;
pub mod status;
pub mod sync;
pub mod verify;
pub mod want;

use crate::cli::Invocation;
use crate::error::{Error, Result};
use crate::install::fill::Busy;
use crate::install::platform::Platform;
use crate::settings::Settings;
use crate::ui::Ui;
pub use crate::ui::progress::size;
use mirror::Mirror;
use mirror::name::escape;
use mirror::record::{Ecosystem, Key};
use mirror::trust::How;
use std::path::{Path, PathBuf};

/// The folder that the command works on. `argument`: its place among the
/// arguments, where the command takes it there.
pub fn folder(invocation: &Invocation, settings: &Settings, argument: Option<usize>) -> Result<PathBuf> {
    let named = argument.and_then(|i| invocation.arguments.get(i)).map(PathBuf::from);
    match named.or_else(|| settings.mirrors.first().cloned()) {
        Some(dir) if dir.is_absolute() => Ok(dir),
        Some(dir) => Ok(settings.working_directory()?.join(dir)),
        None => settings.home_mirror(),
    }
}

/// Opens a mirror and says when it is not in its latest state. Nothing of it is deleted meanwhile.
fn open(dir: &Path, settings: &Settings, ui: &mut Ui) -> Result<Mirror> {
    let mirror = Mirror::open_pinned(dir, &mut waiting(ui))?;
    settings.trust.check(&mirror, How::Named)?;
    told(mirror, dir, ui)
}

fn told(mirror: Mirror, dir: &Path, ui: &mut Ui) -> Result<Mirror> {
    if mirror.is_for_all_to_write() {
        ui.warn(&format!("{}: every user of this machine can write to this mirror", shown(dir)));
    }
    if let Some(why) = mirror.fallback() {
        ui.warn(&format!("{}: the state before the last is in use: {}", shown(dir), escape(why)));
    }
    Ok(mirror)
}

/// Opens a mirror that will be written to; the home mirror is made on first use.
pub fn open_for_writing(dir: &Path, settings: &Settings, ui: &mut Ui) -> Result<Mirror> {
    let is_home = settings.home_mirror().is_ok_and(|home| home == dir);
    if is_home && !Mirror::is_made(dir) {
        drop(Mirror::open_or_init(dir, "home")?);
    }
    let mirror = open(dir, settings, ui)?;
    settings.trust.prepare(&mirror)?;
    Ok(mirror)
}

/// The platforms that an option lists.
fn platforms(invocation: &Invocation, option: &str) -> Result<Vec<Platform>> {
    let parse = |word: &str| {
        Platform::parse(word).ok_or_else(|| {
            Error::Usage {
                message: format!("`{}` is not a platform", escape(word)),
                hint: Some(
                    "platforms are named like linux-x64, linux-x64-musl, darwin-arm64, win32-x64".into(),
                ),
            }
            .into()
        })
    };
    invocation.list(option)?.into_iter().map(parse).collect()
}

pub fn shown(path: &Path) -> String {
    escape(&path.to_string_lossy()).into_owned()
}

/// `npm` packages stand alone; others carry where they belong: `minz:zx-core`.
fn shown_key(key: &Key) -> String {
    let name = escape(&key.name);
    match (key.ecosystem, key.source.as_str()) {
        (Ecosystem::Npm, "npm") => name.into_owned(),
        (Ecosystem::Minz, "minz") => format!("minz:{name}"),
        (_, source) => format!("{name} ({})", escape(source)),
    }
}

pub fn waiting(ui: &mut Ui) -> impl FnMut(&str) {
    |holder| ui.status(&crate::project::bar::waiting(Busy::Mirror(holder)))
}

/// `1 package`, `2 packages`.
pub fn count(n: u64, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

/// Keys and version that a word such as `react`, `@types/node@20.1.0` or `minz:zx-core` names in this mirror.
fn named(mirror: &Mirror, word: &str) -> Result<(Vec<Key>, Option<String>)> {
    let (ecosystem, rest) = match word.strip_prefix("minz:") {
        Some(rest) => (Ecosystem::Minz, rest),
        None => (Ecosystem::Npm, word),
    };
    let at = rest.get(1..).and_then(|r| r.rfind('@')).map(|i| i + 1);
    let (name, version) = match at {
        Some(i) => (&rest[..i], Some(rest[i + 1..].to_string())),
        None => (rest, None),
    };
    let mut keys = Vec::new();
    let prefix = mirror::mirror::Prefix::Ecosystem(ecosystem);
    mirror.for_each(prefix, &mut |view| {
        if view.key().name == name {
            keys.push(view.key().clone());
        }
        Ok(())
    })?;
    if keys.is_empty() {
        return Err(Box::new(Error::Other {
            status: crate::error::Status::Unreachable,
            message: format!("{} is not in {}", escape(word), shown(mirror.dir())),
            hints: vec![format!("`pantry mirror list {}` shows what is", shown(mirror.dir()))],
        }));
    }
    Ok((keys, version))
}

#[cfg(test)]
mod tests {
    #[test]
    fn sizes_and_counts() {
        let sizes = [0, 999, 1000, 99_949, 99_950, 2_400_000, 5_000_000_000];
        let shown = sizes.map(super::size);
        assert_eq!(shown, ["0 B", "999 B", "1.0 KB", "99.9 KB", "100 KB", "2.4 MB", "5.0 GB"]);
        assert_eq!(super::count(1, "file", "files"), "1 file");
    }
}
