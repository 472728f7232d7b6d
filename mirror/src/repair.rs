//! Mending what [`verify`](crate::verify) finds, with the help of other mirrors.
//!
//! Nothing that another mirror says is believed: a file or an archive is taken from it when its bytes
//! have the hash that this mirror's own state names. In this order:
//!
//! 1. **root slots** ([`slots`]): what stood in a broken one follows from the snapshots that lie here;
//! 2. **files by their hash**: the good copy gets the next free name and is made durable, then the damaged
//!    one goes. A reader finds one of them at any time. MIRROR.TXT follows from the mirror's id, KEY/ from
//!    the keys that are pinned on this machine;
//! 3. **archives one by one**, where others have them in packs of their own: they come into a new pack, and
//!    the records say so, by an ordinary commit. A damaged pack leaves the list when nothing in it is missed;
//! 4. **the blob list** is made anew from the records.
//!
//! What nobody has stays as it is and is named, unless it is to be forgotten ([`Help::forget`]): then records
//! that cannot be read and archives that are damaged leave the index, and the mirror is whole again, only
//! smaller. It goes on under another id in its vector, so that syncs bring again what is missing.

mod archives;
mod files;
mod slots;

pub use slots::slots;

use crate::batch::Batch;
use crate::commit::Dropping;
use crate::digest::Hash;
use crate::error::{Error, Result};
use crate::layout::Folder;
use crate::mirror::Mirror;
use crate::segment::Segment;
use crate::sync::{Carrier, Watch};
use crate::trust::Keys;
use crate::verify::{self, Damage, Faults};
use std::collections::HashSet;
use std::path::PathBuf;

/// What there is to mend with.
pub struct Help<'a> {
    pub others: &'a [Carrier],
    /// The keys that this machine knows of the mirror.
    pub keys: Option<&'a Keys>,
    /// What nobody has leaves the index.
    pub forget: bool,
}

/// A file, or an archive (`name@version`), and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mended {
    pub what: String,
    pub from: Option<PathBuf>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    pub found: Vec<Damage>,
    pub mended: Vec<Mended>,
    /// What is still wrong.
    pub lost: Vec<Damage>,
    /// What was let go of.
    pub forgotten: Vec<String>,
    /// Bytes that were copied.
    pub bytes: u64,
    /// A commit was needed, and the mirror's key is not on this machine.
    pub no_key: bool,
}

/// Looks as often as what was mended names more.
const ROUNDS: usize = 4;

/// Mends. `mirror` was opened pinned, and is signed for where that can be.
///
/// # Errors
/// What stops everything; damage that stays is reported.
pub fn run(mirror: &Mirror, help: &Help<'_>, watch: &mut Watch<'_>) -> Result<Report> {
    let (first, mut faults) = look(mirror, HashSet::new(), watch)?;
    let mut report = Report { found: first.damaged, ..Report::default() };
    if report.found.is_empty() {
        return Ok(report);
    }
    if mirror.layout().lower {
        return Err(Error::ReadOnly { path: mirror.dir().into() });
    }
    let mut now = mirror.clone();
    for _ in 0..ROUNDS {
        if !files::mend(&now, &faults, help, &mut report, watch)? {
            break;
        }
        faults = again(&mut now, faults, &mut report, watch)?;
        if report.lost.is_empty() {
            return Ok(report);
        }
    }
    let details = unreadable(&now, &faults);
    match commits(&mut now, faults, help, &mut report, watch) {
        Err(Error::NoKey { .. }) => report.no_key = true,
        done => done?,
    }
    if !report.lost.is_empty() && !help.forget {
        report.lost.extend(details);
    }
    Ok(report)
}

/// What [`run`] would do: who has what, by its name and length alone.
pub fn plan(mirror: &Mirror, help: &Help<'_>, watch: &mut Watch<'_>) -> Result<Report> {
    let (first, faults) = look(mirror, HashSet::new(), watch)?;
    let mut report = Report { found: first.damaged, ..Report::default() };
    let mut settled = HashSet::new();
    for (folder, entry) in &faults.files {
        let path = files::path(mirror.layout(), *folder, &entry.hash);
        let from = help.others.iter().find(|other| other.has(*folder, entry));
        if let Some(from) = from {
            settled.insert(entry.hash);
            report.bytes += entry.bytes;
            report.mended.push(Mended { what: shown(&path), from: Some(from.place()) });
        } else if *folder != Folder::Packs {
            report.lost.push(Damage { path, what: "is in none of the other mirrors".into() });
        }
    }
    for (key, version) in &faults.archives {
        archives::plan(mirror, key, version, &settled, help, &mut report);
    }
    if faults.readme {
        let what = shown(&mirror.layout().path(crate::layout::README));
        report.mended.push(Mended { what, from: None });
    }
    let missed = |d: &Damage| report.lost.iter().any(|lost| lost.path == d.path);
    let details: Vec<Damage> = unreadable(mirror, &faults).into_iter().filter(missed).collect();
    report.lost.extend(details);
    Ok(report)
}

fn look(
    mirror: &Mirror,
    good: HashSet<(Folder, Hash)>,
    watch: &mut Watch<'_>,
) -> Result<(verify::Report, Faults)> {
    verify::look(mirror, good, &mut |p| (watch.progress)(p.bytes, p.total))
}

/// What is wrong now.
fn again(now: &mut Mirror, before: Faults, report: &mut Report, watch: &mut Watch<'_>) -> Result<Faults> {
    *now = now.opened_anew()?;
    let (left, faults) = look(now, before.good, watch)?;
    report.lost = left.damaged;
    Ok(faults)
}

/// What takes a new state.
fn commits(
    now: &mut Mirror,
    mut faults: Faults,
    help: &Help<'_>,
    report: &mut Report,
    watch: &mut Watch<'_>,
) -> Result<()> {
    if report.lost.is_empty() {
        report.lost = report.found.clone();
    }
    if faults.shaky {
        return Ok(());
    }
    let blind = is_blind(now, &faults);
    if blind && help.forget {
        report.forgotten.extend(unreadable(now, &faults).into_iter().map(|d| d.what));
        let drop = Dropping { unreadable: true, ..Dropping::default() };
        Batch::begin(now, 0)?.mend(&drop, watch.waiting)?;
        faults = again(now, faults, report, watch)?;
    }
    if (help.forget || !blind) && archives::list(now, &faults, help, report, watch)? {
        faults = again(now, faults, report, watch)?;
    }
    match archives::mend(now, &faults, help, report, watch) {
        // Where it cannot be read which state of a record counts, none is changed.
        Err(Error::Damaged { .. }) if blind && !help.forget => {}
        done => done?,
    }
    faults = again(now, faults, report, watch)?;
    // The state before may need what this one does not.
    for _ in 0..2 {
        let kept = now.is_behind() && !faults.slots && !help.forget;
        let needed = files::needed(now)?;
        let other = faults.files.iter().any(|file| !needed.contains(file));
        if kept || !(faults.slots || other) {
            break;
        }
        if now.is_behind() && !faults.slots {
            report.forgotten.push("the last state of the mirror".into());
        }
        now.sign_anew(watch.waiting)?;
        faults = again(now, faults, report, watch)?;
    }
    Ok(())
}

/// Whether a segment of the state in use is damaged.
fn is_blind(now: &Mirror, faults: &Faults) -> bool {
    let segments = &now.snapshot().segments;
    faults
        .files
        .iter()
        .any(|(folder, entry)| *folder == Folder::Segments && segments.iter().any(|s| s.file == *entry))
}

/// Which packages are hit where a segment cannot be had.
fn unreadable(now: &Mirror, faults: &Faults) -> Vec<Damage> {
    let mut out = Vec::new();
    for entry in &now.snapshot().segments {
        if !faults.files.contains(&(Folder::Segments, entry.file)) {
            continue;
        }
        let path = files::path(now.layout(), Folder::Segments, &entry.file.hash);
        match Segment::open(now.layout(), entry) {
            Ok(segment) => {
                let broken = (0..segment.len()).filter_map(|i| segment.block(i).err());
                out.extend(broken.take(100).map(|e| {
                    let what = match e {
                        Error::Damaged { what, .. } => what,
                        e => e.to_string(),
                    };
                    Damage { path: path.clone(), what }
                }));
            }
            Err(_) => {
                let name = |key: &[u8]| {
                    let name = key.rsplit(|b| *b == 0).next().unwrap_or_default();
                    crate::name::escape(&String::from_utf8_lossy(name)).into_owned()
                };
                let (first, last) = (name(&entry.first), name(&entry.last));
                let records = entry.records;
                let what = format!("none of its {records} records can be read, from {first} to {last}");
                out.push(Damage { path, what });
            }
        }
    }
    out
}

fn shown(path: &std::path::Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests;
