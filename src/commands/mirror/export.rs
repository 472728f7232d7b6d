//! `pantry mirror export DIR [PACKAGE…] --as tgz-dir`: plain `.tgz` files, the
//! upstream's bytes, named as `npm pack` names them (`@scope/a` → `scope-a-1.0.0.tgz`;
//! what came as .tar.xz or .zip leaves as that).

use super::sync::{bytes, parts};
use super::{count, folder, named, open, shown, shown_key, size};
use crate::cli::Invocation;
use crate::error::{Error, Result, Status};
use crate::settings::Settings;
use crate::ui::{Ui, Unit};
use mirror::digest::{Algorithm, Hash, Hasher, Integrity};
use mirror::mirror::Prefix;
use mirror::record::{Key, VersionRecord};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

pub fn run(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    if let Some(file) = invocation.path("file") {
        return bundle(invocation, settings, file, ui);
    }
    if invocation.arguments.is_empty() || invocation.has("split") {
        return Err(Box::new(Error::Usage {
            message: "no folder is named that archives are to be written to".into(),
            hint: Some("name one, or one file for all of the mirror with --file (and --split)".into()),
        }));
    }
    if invocation.text("as")?.is_some_and(|shape| shape != "tgz-dir") {
        return Err(Box::new(Error::NotBuilt { what: "`pantry mirror export --as tree`".into() }));
    }
    let dir = folder(invocation, settings, None)?;
    let mirror = open(&dir, settings, ui)?;
    let mut words = invocation.arguments.iter();
    let target = settings.working_directory()?.join(words.next().map(PathBuf::from).unwrap_or_default());
    let mut only: Vec<(Key, Option<String>)> = Vec::new();
    for word in words {
        let (keys, version) = named(&mirror, &word.to_string_lossy())?;
        only.extend(keys.into_iter().map(|k| (k, version.clone())));
    }
    let mut plan: BTreeMap<String, (Key, VersionRecord)> = BTreeMap::new();
    let mut clash = None;
    mirror.for_each(Prefix::All, &mut |view| {
        for i in (0..view.len()).filter(|i| view.is_present(*i)) {
            let fits = |(k, v): &(Key, Option<String>)| {
                k == view.key() && v.as_ref().is_none_or(|v| v == view.version(i))
            };
            if only.is_empty() || only.iter().any(fits) {
                let version = view.load(i)?;
                let name = file_name(&mirror, view.key(), &version)?;
                let sha256 = version.sha256;
                if let Some((other, before)) = plan.insert(name, (view.key().clone(), version))
                    // The same archive from two places is one file.
                    && (before.sha256.is_none() || before.sha256 != sha256)
                {
                    clash.get_or_insert((shown_key(&other), shown_key(view.key())));
                }
            }
        }
        Ok(())
    })?;
    if let Some((a, b)) = clash {
        return Err(Box::new(Error::Other {
            status: Status::Failed,
            message: format!("{a} and {b} would get the same file name"),
            hints: vec!["export them one by one, into different folders".into()],
        }));
    }
    let bytes: u64 = plan.values().map(|(_, v)| v.size).sum();
    let dry = invocation.has("dry-run");
    if !dry {
        std::fs::create_dir_all(&target).map_err(Error::io("create", &target))?;
        for (name, (key, version)) in &plan {
            write(&mirror, key, version, &target.join(name))?;
        }
    }
    if ui.is_json() {
        ui.json(|o| {
            o.truth("dryRun", dry);
            o.number("bytes", bytes);
            o.texts("files", plan.keys());
        })?;
        return Ok(Status::Done);
    }
    if dry {
        plan.keys().try_for_each(|name| ui.line(name))?;
    }
    let what = format!(
        "{} ({}) to {}",
        count(plan.len() as u64, "archive", "archives"),
        size(bytes),
        shown(&target)
    );
    match dry {
        true => ui.note(&format!("Dry run: would write {what}; nothing was changed")),
        false => ui.success(&format!("Wrote {what}")),
    }
    Ok(Status::Done)
}

/// `--file OUT [--split SIZE]`: all of the mirror in one file, or in `OUT.001`, `OUT.002`, …, each a mirror of its own.
fn bundle(invocation: &Invocation, settings: &Settings, file: &Path, ui: &mut Ui) -> Result<Status> {
    if !invocation.arguments.is_empty() || invocation.has("as") {
        return Err(Box::new(Error::Usage {
            message: "--file takes all of a mirror".into(),
            hint: Some("leave out the folder, the packages and --as".into()),
        }));
    }
    let dir = folder(invocation, settings, None)?;
    let mirror = open(&dir, settings, ui)?;
    let out = settings.working_directory()?.join(file);
    let dry = invocation.has("dry-run");
    let ending = |end: String| {
        let mut name = out.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    };
    let mut written: Vec<(PathBuf, u64)> = Vec::new();
    match bytes(invocation, "split")? {
        Some(limit) if !dry => {
            let scratch = ending(".parts".into());
            // Made here and nowhere else: what is there was left by a run that was killed.
            mirror::file::make_dirs(&scratch)?;
            let parts = parts(invocation, mirror.dir(), &scratch, limit, settings, ui);
            let packed = parts.and_then(|parts| {
                for (n, part) in parts.iter().enumerate() {
                    let part = mirror::Mirror::open(part)?;
                    let path = ending(format!(".{:03}", n + 1));
                    written.push((path.clone(), pack(&part, Some(&path), ui)?));
                }
                Ok(())
            });
            let _ = std::fs::remove_dir_all(&scratch);
            packed?;
        }
        _ => written.push((out.clone(), pack(&mirror, (!dry).then_some(&out), ui)?)),
    }
    let total = written.iter().map(|(_, bytes)| bytes).sum();
    if ui.is_json() {
        ui.json(|o| {
            o.truth("dryRun", dry);
            o.number("bytes", total);
            o.texts("files", written.iter().map(|(path, _)| path.to_string_lossy()));
        })?;
        return Ok(Status::Done);
    }
    let files = written.iter().map(|(path, _)| shown(path)).collect::<Vec<_>>().join(", ");
    match dry {
        true => ui.note(&format!("Dry run: would write {} to {files}; nothing was changed", size(total))),
        false => ui.success(&format!("Wrote {} to {files}", size(total))),
    }
    Ok(Status::Done)
}

/// One bundle, durable before it has its name. `None`: it is only read.
fn pack(mirror: &mirror::Mirror, path: Option<&PathBuf>, ui: &mut Ui) -> Result<u64> {
    let bar = ui.progress("Writing", Unit::Bytes);
    let mut progress = |done: u64, total: u64| {
        bar.set_total(total);
        bar.add(done.saturating_sub(bar.done()));
    };
    let packed = (|| {
        let Some(path) = path else {
            return Ok(mirror::bundle::pack(mirror, Path::new(""), &mut std::io::sink(), &mut progress)?);
        };
        let mut name = path.as_os_str().to_owned();
        name.push(".part");
        let temporary = PathBuf::from(name);
        mirror::file::remove(&temporary)?;
        let outcome = (|| {
            let mut file = mirror::file::create_new(&temporary)?;
            let bytes = mirror::bundle::pack(mirror, path, &mut file, &mut progress)?;
            file.sync_all().map_err(mirror::Error::io("write", path))?;
            mirror::file::promote(&temporary, path)?;
            Ok(bytes)
        })();
        if outcome.is_err() {
            let _ = std::fs::remove_file(&temporary);
        }
        outcome
    })();
    ui.end_progress();
    packed
}

fn file_name(
    mirror: &mirror::Mirror,
    key: &Key,
    version: &VersionRecord,
) -> std::result::Result<String, mirror::Error> {
    let mut head = [0; 8];
    match mirror.read_archive(&key.name, version)?.read_exact(&mut head) {
        // Damage is said when it is to be copied.
        Err(e) if e.kind() != std::io::ErrorKind::UnexpectedEof => {
            return Err(mirror::Error::io("read an archive from", mirror.dir())(e));
        }
        _ => {}
    }
    let end = mirror::archive::file_extension(&head);
    Ok(format!("{}-{}.{end}", key.name.trim_start_matches('@').replace('/', "-"), version.version))
}

/// Streams one archive, comparing its hash before the file gets its name.
fn write(mirror: &mirror::Mirror, key: &Key, version: &VersionRecord, path: &Path) -> Result<()> {
    let mut source = mirror.read_archive(&key.name, version)?;
    let temporary = path.with_extension("tgz.part");
    mirror::file::remove(&temporary)?;
    let outcome = (|| {
        let mut file = mirror::file::create_new(&temporary)?;
        let (mut hash, mut buffer) = (Hasher::new(Algorithm::Sha256), vec![0; 64 * 1024]);
        loop {
            match source.read(&mut buffer).map_err(Error::io("read an archive from", mirror.dir()))? {
                0 => break,
                n => {
                    hash.update(&buffer[..n]);
                    file.write_all(&buffer[..n]).map_err(Error::io("write", path))?;
                }
            }
        }
        let found = hash.finish();
        if let Some(expected) = version.sha256.filter(|expected| Integrity::from(*expected) != found) {
            let found = Hash(found.bytes().try_into().unwrap_or_default());
            return Err(mirror::Error::wrong_bytes(mirror.dir().into(), expected, found).into());
        }
        file.sync_all().map_err(Error::io("write", path))?;
        std::fs::rename(&temporary, path).map_err(Error::io("write", path))
    })();
    if outcome.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    outcome
}
