//! `pantry mirror gc [DIR] [--keep-roots FILE,…] [--dry-run]`: deletes what no state of the mirror needs, and before
//! that lets go of archives that no given lockfile holds.

use super::{count, folder, open, shown, size, told, waiting};
use crate::cli::Invocation;
use crate::error::{Result, Status};
use crate::settings::Settings;
use crate::ui::Ui;
use mirror::gc;
use mirror::record::{Ecosystem, Key};
use mirror::trust::How;
use std::collections::HashSet;

pub fn run(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let dir = folder(invocation, settings, Some(0))?;
    let dry = invocation.has("dry-run");
    // Pinned, it would wait for itself.
    let mirror = match dry {
        true => open(&dir, settings, ui)?,
        false => {
            let mirror = told(mirror::Mirror::open(&dir)?, &dir, ui)?;
            settings.trust.check(&mirror, How::Named)?;
            settings.trust.prepare(&mirror)?;
            mirror
        }
    };
    let mut thinned = None;
    if invocation.has("keep-roots") {
        let roots = Roots::read(invocation, settings)?;
        let wanted = |key: &Key, version: &str| roots.hold(key, version);
        thinned = Some(gc::thin(&mirror, &wanted, dry, &mut waiting(ui))?);
    }
    let report = if dry { gc::plan(&mirror)? } else { gc::run(&mirror, &mut waiting(ui))? };
    if ui.is_json() {
        ui.json(|o| {
            o.text("mirror", &dir.to_string_lossy());
            o.truth("dryRun", dry);
            o.number("files", report.files.len() as u64);
            o.number("bytes", report.bytes());
            if let Some(thinned) = &thinned {
                o.number("archives", thinned.archives);
                o.number("archiveBytes", thinned.bytes);
            }
        })?;
        return Ok(Status::Done);
    }
    if dry {
        for (file, _) in &report.files {
            ui.line(&shown(file))?;
        }
    }
    if let Some(gc::Thinned { archives, bytes }) = thinned {
        let archives = format!("{} ({})", count(archives, "archive", "archives"), size(bytes));
        match dry {
            true => ui.note(&format!("Dry run: would let go of {archives}")),
            false => ui.success(&format!("Let go of {archives}, which are known still")),
        }
    }
    let files = format!("{} ({})", count(report.files.len() as u64, "file", "files"), size(report.bytes()));
    match (report.files.is_empty(), dry) {
        (true, _) => ui.success("Nothing to delete"),
        (false, true) => ui.note(&format!("Dry run: would delete {files}; nothing was changed")),
        (false, false) => ui.success(&format!("Deleted {files}")),
    }
    Ok(Status::Done)
}

/// What lockfiles hold.
struct Roots {
    npm: HashSet<(Vec<u8>, String)>,
    /// By name and version: an mzp.lock does not say whose.
    minz: HashSet<(String, String)>,
}

impl Roots {
    fn read(invocation: &Invocation, settings: &Settings) -> Result<Self> {
        let here = settings.working_directory()?;
        let mut roots = Self { npm: HashSet::new(), minz: HashSet::new() };
        for file in invocation.list("keep-roots")? {
            let path = here.join(file);
            if path.file_name().is_some_and(|name| name == "mzp.lock") {
                let bytes = mirror::file::read(&path, crate::lockfile::LIMIT as u64)?;
                let lock = mzp::lockfile::Lock::parse(&path, &String::from_utf8_lossy(&bytes))?;
                let held = lock.packages.iter().map(|p| (p.name.to_string(), p.version.to_string()));
                roots.minz.extend(held);
            } else {
                roots.npm.extend(super::sync::locked(&path)?);
            }
        }
        Ok(roots)
    }

    /// What no lockfile names in this way, such as an archive from GitHub, stays.
    fn hold(&self, key: &Key, version: &str) -> bool {
        match key.ecosystem {
            Ecosystem::Npm => self.npm.contains(&(key.to_bytes(), version.to_string())),
            Ecosystem::Minz => self.minz.contains(&(key.name.clone(), version.to_string())),
            _ => true,
        }
    }
}
