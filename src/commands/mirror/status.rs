//! `pantry mirror status [DIR]`

use super::{folder, open, shown, size};
use crate::cli::Invocation;
use crate::error::{Result, Status};
use crate::settings::Settings;
use crate::ui::Ui;
use mirror::mirror::Prefix;
use mirror::name::escape;

pub fn run(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let dir = folder(invocation, settings, Some(0))?;
    let mirror = open(&dir, settings, ui)?;
    let (mut packages, mut known, mut present, mut bytes) = (0u64, 0u64, 0u64, 0u64);
    mirror.for_each(Prefix::All, &mut |view| {
        // What a registry said of a MinZ package, kept for asking again, is no package.
        if view.key().source.starts_with("json+") {
            return Ok(());
        }
        packages += 1;
        known += view.len() as u64;
        for i in (0..view.len()).filter(|i| view.is_present(*i)) {
            present += 1;
            bytes += view.load(i)?.size;
        }
        Ok(())
    })?;
    let snapshot = mirror.snapshot();
    let files = snapshot.segments.len() as u64
        + snapshot.packs.len() as u64
        + snapshot.blobs.as_ref().map_or(0, |b| b.1);
    let date = mirror::time::date(snapshot.date);
    if ui.is_json() {
        ui.json(|o| {
            o.text("mirror", &dir.to_string_lossy());
            o.text("id", &mirror.id().to_string());
            o.text("label", &snapshot.label);
            o.number("sequence", mirror.sequence());
            o.text("date", &date);
            o.number("packages", packages);
            o.number("versions", present);
            o.number("versionsKnown", known);
            o.number("archiveBytes", bytes);
            o.number("segments", snapshot.segments.len() as u64);
            o.number("packs", snapshot.packs.len() as u64);
            o.number("blobs", snapshot.blobs.as_ref().map_or(0, |b| b.1));
            o.array("tools", |list| {
                for (platform, file) in &snapshot.tools {
                    list.object(|o| {
                        o.text("platform", platform);
                        o.text("file", &format!("BIN/{}", file.hash.file_name()));
                        o.text("sha256", &file.hash.to_string());
                        o.number("bytes", file.bytes);
                    });
                }
            });
            o.truth("readOnly", mirror.is_read_only());
        })?;
        return Ok(Status::Done);
    }
    let label =
        if snapshot.label.is_empty() { String::new() } else { format!(" \"{}\"", escape(&snapshot.label)) };
    ui.line(&format!("mirror    {}{label}", shown(&dir)))?;
    ui.line(&format!("id        {}", mirror.id()))?;
    ui.line(&format!(
        "snapshot  {} of {date}{}",
        mirror.sequence(),
        if mirror.is_read_only() { ", read-only" } else { "" }
    ))?;
    ui.line(&format!("packages  {packages}"))?;
    ui.line(&format!("archives  {} ({}), of {known} versions known", present, size(bytes)))?;
    ui.line(&format!("files     {files}"))?;
    for (platform, file) in &snapshot.tools {
        let (name, bytes) = (file.hash.file_name(), size(file.bytes));
        ui.line(&format!("tool      {} ({bytes}), BIN/{name}", escape(platform)))?;
    }
    Ok(Status::Done)
}
