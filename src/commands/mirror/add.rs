//! `pantry mirror add FILE…`: archives as `npm pack` makes them, MinZ packages
//! (archives, or folders with an mzp.toml), and folders of archives.

use super::{count, folder, open_for_writing, platforms, shown, shown_key, size, waiting};
use crate::cli::Invocation;
use crate::error::{Error, Result, Status};
use crate::import;
use crate::keyring::Signed;
use crate::project::packed::Gyp;
use crate::settings::Settings;
use crate::tee::Tee;
use crate::ui::{Ui, Unit};
use mirror::Batch;
use mirror::archive::{ArchiveError, Expect, Limits, Workspace};
use mirror::digest::Integrity;
use mirror::name::escape;
use mirror::record::{Key, VersionRecord};
use mirror::trust::Policy;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Longest program that is carried.
const MAX_TOOL: u64 = 1 << 30;

pub fn run(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let here = settings.working_directory()?;
    if invocation.offers("tool") && invocation.has("tool") {
        return tool(invocation, settings, &here, ui);
    }
    let mut sources = Vec::new();
    for word in &invocation.arguments {
        collect(&here.join(word), &mut sources)?;
    }
    let dir = folder(invocation, settings, None)?;
    let mirror = open_for_writing(&dir, settings, ui)?;
    let bytes = sources.iter().map(|s| std::fs::metadata(s.path()).map_or(0, |m| m.len())).sum();
    let batch = Batch::begin(&mirror, bytes)?;
    let bar = ui.progress("Adding", Unit::Bytes);
    bar.set_total(bytes);
    let mut workspace = Workspace::new();
    let mut added: Vec<(String, u64)> = Vec::new();
    let mut notes = Vec::new();
    for source in &sources {
        let read = one(source, &batch, &mut workspace).and_then(|(key, mut record, said)| {
            let mut said: Vec<String> = said.iter().map(ToString::to_string).collect();
            if let Source::Archive(path) = source {
                said.extend(signature(path, &key, &mut record, settings)?);
            }
            Ok((key, record, said))
        });
        match read {
            Ok((key, record, said)) => {
                bar.add(record.size);
                added.push((format!("{}@{}", shown_key(&key), record.version), record.size));
                notes
                    .extend(said.into_iter().map(|n| format!("{}@{}: {n}", shown_key(&key), record.version)));
                batch.put_version(key, record)?;
            }
            Err(e) => {
                batch.abandon();
                return Err(e);
            }
        }
    }
    ui.end_progress();
    let dry = invocation.has("dry-run");
    if dry {
        batch.abandon()
    } else {
        batch.commit(&mut waiting(ui))?;
    }
    if !dry {
        crate::commands::mzp::index(settings, ui);
    }
    notes.iter().for_each(|n| ui.note(n));
    let total = added.iter().map(|(_, n)| n).sum();
    if ui.is_json() {
        ui.json(|o| {
            o.text("mirror", &dir.to_string_lossy());
            o.truth("dryRun", dry);
            o.number("bytes", total);
            o.texts("added", added.iter().map(|(name, _)| name));
        })?;
        return Ok(Status::Done);
    }
    match dry {
        true => added.iter().try_for_each(|(name, _)| ui.line(&format!("+ {name}")))?,
        false => added.iter().for_each(|(name, _)| ui.added(name)),
    }
    let archives = count(added.len() as u64, "archive", "archives");
    let what = format!("{archives} ({}) to {}", size(total), shown(&dir));
    match dry {
        true => ui.note(&format!("Dry run: would add {what}; nothing was changed")),
        false => ui.success(&format!("Added {what}")),
    }
    Ok(Status::Done)
}

/// `--tool PLATFORM FILE`: the program itself, for a machine that has none yet.
fn tool(invocation: &Invocation, settings: &Settings, here: &Path, ui: &mut Ui) -> Result<Status> {
    let platforms = platforms(invocation, "tool")?;
    let ([platform], [file]) = (platforms.as_slice(), invocation.arguments.as_slice()) else {
        return Err(Box::new(Error::Usage {
            message: "one program for one platform at a time".into(),
            hint: Some("as in `pantry mirror add --tool linux-x64 ./pantry`".into()),
        }));
    };
    let path = here.join(file);
    let mut source = mirror::file::open_regular(&path)?;
    let bytes = source.metadata().map_err(Error::io("read", &path))?.len();
    if bytes == 0 || bytes > MAX_TOOL {
        return Err(Box::new(Error::Other {
            status: Status::Failed,
            message: format!("{} has {}: it is no program", shown(&path), size(bytes)),
            hints: vec!["name the file of a pantry that was built for that platform".into()],
        }));
    }
    let dir = folder(invocation, settings, None)?;
    let mirror = open_for_writing(&dir, settings, ui)?;
    let batch = Batch::begin(&mirror, bytes)?;
    let name = platform.to_string();
    let entry = batch.put_tool(&name, &mut source, mirror::time::now())?;
    let dry = invocation.has("dry-run");
    if dry {
        batch.abandon();
    } else {
        batch.commit(&mut waiting(ui))?;
    }
    if ui.is_json() {
        ui.json(|o| {
            o.text("mirror", &dir.to_string_lossy());
            o.truth("dryRun", dry);
            o.text("tool", &name);
            o.text("sha256", &entry.hash.to_string());
            o.number("bytes", entry.bytes);
        })?;
        return Ok(Status::Done);
    }
    let what = format!("the tool for {name} ({}) to {}", size(entry.bytes), shown(&dir));
    match dry {
        true => ui.note(&format!("Dry run: would add {what}; nothing was changed")),
        false => ui.success(&format!("Added {what}")),
    }
    Ok(Status::Done)
}

/// Something that becomes one archive of the mirror.
enum Source {
    Archive(PathBuf),
    /// A folder with an mzp.toml: packed as `mzp publish` would.
    Minz(PathBuf),
}

impl Source {
    fn path(&self) -> &Path {
        match self {
            Self::Archive(path) | Self::Minz(path) => path,
        }
    }
}

fn is_archive(path: &Path) -> bool {
    let name = path.file_name().map(|n| n.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    [".tgz", ".tar.gz", ".tar.xz", ".txz", ".zip"].iter().any(|end| name.ends_with(end))
}

fn collect(path: &Path, out: &mut Vec<Source>) -> Result<()> {
    let meta = std::fs::metadata(path).map_err(Error::io("read", path))?;
    if !meta.is_dir() {
        out.push(Source::Archive(path.to_path_buf()));
        return Ok(());
    }
    if path.join("mzp.toml").is_file() {
        out.push(Source::Minz(path.to_path_buf()));
        return Ok(());
    }
    let entries = std::fs::read_dir(path).map_err(Error::io("read", path))?;
    let mut archives: Vec<PathBuf> =
        entries.filter_map(std::result::Result::ok).map(|e| e.path()).filter(|p| is_archive(p)).collect();
    mirror::order::sort(&mut archives);
    if archives.is_empty() {
        return Err(Box::new(Error::Other {
            status: Status::Failed,
            message: format!("{} holds neither archives (.tgz, .tar.xz, .zip) nor an mzp.toml", shown(path)),
            hints: vec!["name archives, a folder of archives, or a MinZ package's folder".into()],
        }));
    }
    out.extend(archives.into_iter().map(Source::Archive));
    Ok(())
}

/// Reads one source into the batch: checked, hashed and stored in one pass.
fn one(
    source: &Source,
    batch: &Batch,
    workspace: &mut Workspace,
) -> Result<(Key, VersionRecord, Vec<import::Note>)> {
    match source {
        Source::Archive(path) => {
            // Opened without following a FIFO into a hang, and regular files only.
            let mut file = mirror::file::open_regular(path)?;
            archive(path, &mut file, batch, workspace)
        }
        Source::Minz(path) => {
            let (bytes, key, mut record) = mzp::publish::pack(path)?;
            let (_, read, notes) = archive(path, &mut bytes.as_slice(), batch, workspace)?;
            record.integrity = read.integrity;
            record.sha256 = read.sha256;
            record.size = read.size;
            record.unpacked = read.unpacked;
            record.location = read.location;
            Ok((key, record, notes))
        }
    }
}

/// Keeps what the publisher states of the archive in `FILE.sig` beside it, and says what is not kept.
fn signature(
    path: &Path,
    key: &Key,
    record: &mut VersionRecord,
    settings: &Settings,
) -> Result<Option<String>> {
    let beside = crate::commands::sign::beside(path);
    if std::fs::symlink_metadata(&beside).is_err() {
        return Ok(None);
    }
    let signed = Signed::read(&beside)?;
    let Some((said, signature)) = &signed.statement else {
        return Ok(Some("its signature binds neither name nor version, and is not kept".into()));
    };
    let ours = [record.integrity.clone(), record.sha256.map(Integrity::from)];
    let integrity = ours.into_iter().flatten().find(|ours| ours.algorithm() == said.integrity.algorithm());
    let version = record.version.to_string();
    let is_ours = (said.ecosystem, &said.name, &said.version) == (key.ecosystem, &key.name, &version);
    if !is_ours || integrity.as_ref() != Some(&said.integrity) {
        return Err(Box::new(Error::Other {
            status: Status::Refused,
            message: format!(
                "{} is not of {}@{version}, as it lies beside it",
                shown(&beside),
                escape(&key.name)
            ),
            hints: vec!["`pantry sign` makes one; without the file the archive is added unsigned".into()],
        }));
    }
    let fact = said.fact(signed.key, signature);
    // Wrong by a key that is known here: not even kept.
    settings.publishers.check(Policy::Off, key, &version, &said.integrity, std::slice::from_ref(&fact))?;
    record.extra.push(fact);
    mirror::order::sort(&mut record.extra);
    Ok(None)
}

fn archive(
    path: &Path,
    source: &mut dyn Read,
    batch: &Batch,
    workspace: &mut Workspace,
) -> Result<(Key, VersionRecord, Vec<import::Note>)> {
    let mut tee = Tee::new(source, batch.archive()?);
    let expect = Expect { sha256: true, manifests: true, ..Expect::default() };
    let mut seen = Gyp(false);
    let read = workspace.read(&mut tee, &expect, &Limits::default(), &mut seen);
    let refuse =
        |source| Error::Archive { package: path.to_string_lossy().into_owned(), source: Box::new(source) };
    let (summary, writer) = match (read, tee.finish()) {
        (Ok(summary), Ok(writer)) => (summary, writer),
        // Whatever reading said then: it was told to stop.
        (_, Err(e)) => return Err(Error::io("write to", batch.mirror().dir())(e)),
        (Err(e), Ok(writer)) => {
            writer.abandon();
            return Err(match e {
                ArchiveError::Read(e) => Error::io("read", path)(e),
                e => Box::new(refuse(e)),
            });
        }
    };
    let imported = import::archive(&summary, seen.0).map_err(|e| Error::Other {
        status: Status::Refused,
        message: format!("{}: {}", shown(path), escape(&e.to_string())),
        hints: vec!["an archive needs a package.json or an mzp.toml with a name and a version".into()],
    })?;
    let stored = writer.finish()?;
    Ok((imported.key, stored.of(imported.record), imported.notes))
}
