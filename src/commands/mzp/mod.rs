//! `mzp …`: options into the operations of the crate `mzp`, their reports onto
//! the terminal. The operations know nothing of this program.

pub mod build;
pub mod clean;
pub mod doctor;
pub mod info;
pub mod init;
pub mod install;
pub mod list;
pub mod outdated;
pub mod publish;
pub mod run;
pub mod test;
pub mod tree;

use crate::cli::Invocation;
use crate::commands::NPM;
use crate::error::{Error, Result};
use crate::install::fill::Busy;
use crate::network::Network;
use crate::project::bar::waiting;
use crate::settings::Settings;
use crate::ui::{Progress, Ui, Unit};
use mirror::http::Url;
use mirror::name::{MinzName, NameError, escape};
use mzp::manifest::Manifest;
use mzp::platform::Platform;
use mzp::program::active::Selection;
use mzp::registry::Registry;
use mzp::upstream::Upstream;
use std::path::{Path, PathBuf};

/// Where `user/repo` is.
const GITHUB: &str = "https://github.com";

/// The mirrors of a run: those named, then the home mirror; and the network behind
/// them. Nothing is opened or asked before something is wanted of them.
pub fn registry(settings: &Settings, start: &Path, what: &str, ui: &mut Ui) -> Result<Registry> {
    let url = |text: &str| Url::parse(text).map_err(|e| Error::Usage { message: e.to_string(), hint: None });
    let upstream = Upstream {
        client: Network::client(settings, start, ui)?,
        registry: settings.minz_registry.as_deref().map(url).transpose()?,
        github: url(settings.github.as_deref().unwrap_or(GITHUB))?,
        fresh_for: if settings.no_cache { 0 } else { settings.cache_ttl.as_secs() },
        prefer_known: settings.prefer_offline,
    };
    let mut found = Vec::new();
    if NPM {
        settings.opportunity.ask(ui);
        found = settings.opportunity.media().to_vec();
    }
    let bar = ui.progress(what, Unit::Packages);
    let registry =
        Registry::new(settings.mirrors.clone(), settings.home_mirror().ok(), busy(bar)).beside(found);
    Ok(registry.checked_by(settings.trust.clone()).vouched_by(settings.publishers.clone()).with(upstream))
}

/// The readable index of the home mirror, brought up to date. It can be made again, so it
/// is no error where it cannot be written.
pub fn index(settings: &Settings, ui: &mut Ui) {
    // Who writes no mirrors has nothing to bring up to date.
    if NPM
        && let (Ok(home), Ok(mzp)) = (settings.home_mirror(), settings.mzp_home())
        && let Err(e) = mzp::index::refresh(&home, &mzp.join(mzp::index::FILE))
    {
        ui.detail(&format!("{} is not written: {e}", mzp::index::FILE));
    }
}

/// What could not be done and does not matter enough to fail.
fn notes(registry: &Registry, ui: &mut Ui) {
    ui.end_progress();
    registry.notes().iter().for_each(|note| ui.warn(note));
}

/// One mirror alone.
fn only(dir: PathBuf, settings: &Settings, bar: Progress) -> Registry {
    Registry::new(vec![dir], None, busy(bar)).checked_by(settings.trust.clone())
}

fn busy(bar: Progress) -> Box<dyn Fn(&str)> {
    Box::new(move |holder| bar.status(&waiting(Busy::Mirror(holder))))
}

/// This folder, which lies in a project; the project is named when it is not this folder.
fn start(settings: &Settings, ui: &mut Ui) -> Result<PathBuf> {
    let here = settings.working_directory()?;
    let manifest = Manifest::find(&here)?;
    if manifest.root() != here {
        ui.note(&format!("the project is {}", shown(manifest.root(), &here)));
    }
    Ok(here)
}

/// A word of the command line that breaks its grammar.
fn parsed<T>(result: std::result::Result<T, NameError>) -> Result<T> {
    result.map_err(|e| Error::Usage { message: e.to_string(), hint: None }.into())
}

/// Whether the lock has to fit.
fn frozen(invocation: &Invocation) -> bool {
    invocation.has("frozen-lockfile") || invocation.has("locked")
}

/// The arguments, as names of packages.
fn names(invocation: &Invocation) -> Result<Vec<MinzName>> {
    invocation.argument_texts()?.into_iter().map(|text| parsed(MinzName::parse(text))).collect()
}

/// The machine that an option names.
fn platform(name: &str) -> Result<&'static Platform> {
    Ok(Platform::find(name).ok_or_else(|| mzp::Error::UnknownPlatform {
        place: None,
        name: name.into(),
        suggestion: Platform::suggest(name).map(String::from),
    })?)
}

/// The machine that `--target` names, else the manifest, else the user's file.
fn target(invocation: &Invocation, settings: &Settings, manifest: &Manifest) -> Result<&'static Platform> {
    match invocation.text("target")? {
        Some(name) => platform(name),
        None => Ok(manifest.platform_or(settings.default_target)),
    }
}

/// What `--features` and `--no-default-features` select.
fn selection(invocation: &Invocation, dev: bool) -> Result<Selection> {
    let features = invocation.list("features")?.into_iter().map(String::from).collect();
    Ok(Selection { features, defaults: !invocation.has("no-default-features"), dev })
}

/// The lines of a table whose columns stand under each other.
fn columns(rows: &[Vec<String>]) -> Vec<String> {
    let wide = |cell: &String| cell.chars().count();
    let width = |i: usize| rows.iter().filter_map(|row| row.get(i)).map(wide).max().unwrap_or(0);
    let line = |row: &Vec<String>| {
        let mut line = String::new();
        for (i, cell) in row.iter().enumerate() {
            line.push_str(cell);
            line.push_str(&" ".repeat(width(i) - wide(cell) + 2));
        }
        line.truncate(line.trim_end().len());
        line
    };
    rows.iter().map(line).collect()
}

/// A path as a message names it: relative where it lies inside.
fn shown(path: &Path, base: &Path) -> String {
    let path = path.strip_prefix(base).unwrap_or(path);
    escape(&path.to_string_lossy()).into_owned()
}
