//! `pantry mirror list [DIR] [--name PREFIX] [--versions]`

use super::{folder, open, shown_key};
use crate::cli::Invocation;
use crate::error::{Error, Result, Status};
use crate::settings::Settings;
use crate::ui::{Ui, json};
use mirror::mirror::Prefix;
use mirror::name::escape;
use mirror::record::RecordView;

pub fn run(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let dir = folder(invocation, settings, Some(0))?;
    let mirror = open(&dir, settings, ui)?;
    let begin = invocation.text("name")?.unwrap_or("").to_string();
    let versions = invocation.has("versions");
    let mut failed: Option<Box<Error>> = None;
    let mut rows = Vec::new();
    let is_json = ui.is_json();
    mirror.for_each(Prefix::All, &mut |view| {
        if failed.is_some() || !view.key().name.starts_with(&begin) {
            return Ok(());
        }
        let present: Vec<&str> =
            (0..view.len()).filter(|i| view.is_present(*i)).map(|i| view.version(i)).collect();
        // Other platforms' packages, and what was removed, are only known by name.
        if present.is_empty() {
            return Ok(());
        }
        if is_json {
            rows.push(row(&view, &present));
        } else {
            let what = if versions {
                present.join(" ")
            } else {
                match present.as_slice() {
                    [] => String::new(),
                    [only] => (*only).to_string(),
                    [.., last] => format!("{last} and {} more", present.len() - 1),
                }
            };
            failed = ui.line(&format!("{} {}", shown_key(view.key()), escape(&what))).err();
        }
        Ok(())
    })?;
    if let Some(error) = failed {
        return Err(error);
    }
    if is_json {
        ui.line(&format!("[{}]", rows.join(",")))?;
    }
    Ok(Status::Done)
}

fn row(view: &RecordView, present: &[&str]) -> String {
    json::object(|o| {
        o.text("name", &view.key().name);
        o.text("source", &view.key().source);
        o.texts("versions", present);
        o.number("versionsKnown", view.len() as u64);
        o.truth("complete", view.complete());
    })
}
