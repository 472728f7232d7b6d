//! `pantry mirror diff DIR [OTHER]`: what two mirrors have that the other lacks. Told as it is found: a mirror of a
//! million packages takes no more memory than a small one.

use super::sync::Other;
use super::{folder, shown_key};
use crate::cli::Invocation;
use crate::error::{Result, Status};
use crate::settings::Settings;
use crate::ui::Ui;
use crate::ui::json;
use mirror::Mirror;
use mirror::diff::{What, diff};
use mirror::name::escape;
use mirror::trust::How;

pub fn run(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let here = settings.working_directory()?;
    let mut words: Vec<std::ffi::OsString> = invocation.arguments.to_vec();
    if words.len() == 1 {
        words.insert(0, folder(invocation, settings, None)?.into());
    }
    let mut opened = Vec::new();
    // What is fetched of a mirror behind a server lies in the home mirror's folder for that.
    for word in &words {
        let other = Other::named(word, settings, &here)?;
        let home = match other {
            Other::Web(_) => Some(Mirror::open_or_init(&settings.home_mirror()?, "home")?),
            Other::Folder(_) => None,
        };
        let (carrier, scratch) = other.open(home.as_ref(), settings, &here, ui)?;
        settings.trust.check(carrier.mirror(), How::Named).or_else(|_| {
            carrier.bring_keys()?;
            settings.trust.check(carrier.mirror(), How::Named)
        })?;
        carrier.bring_index()?;
        opened.push((carrier, scratch));
    }
    let [(a, _), (b, _)] = opened.as_slice() else { return Ok(Status::Usage) };
    let is_json = ui.is_json();
    let mut differences = 0u64;
    let mut failed = None;
    if is_json {
        ui.line("{\n  \"differences\": [")?;
    }
    let walked = diff(a.mirror(), b.mirror(), &mut |key, version, what| {
        // What a registry said of a MinZ package, kept for asking again, is no package.
        if key.source.starts_with("json+") {
            return Ok(());
        }
        differences += 1;
        let name = shown_key(key);
        let said = if is_json {
            let object = json::object(|o| {
                o.text("package", &name);
                o.text("version", version);
                match &what {
                    What::Known(first, present) => {
                        o.text("onlyIn", side(*first));
                        o.truth("archive", *present);
                    }
                    What::Archive(first) => o.text("archiveOnlyIn", side(*first)),
                    What::Hashes(conflict) => {
                        o.text("a", &conflict.ours);
                        o.text("b", &conflict.theirs);
                    }
                }
            });
            let comma = if differences > 1 { ",\n" } else { "" };
            ui.data(&format!("{comma}{object}"))
        } else {
            let version = escape(version);
            ui.line(&match &what {
                What::Known(first, true) => format!("{} {name} {version}", sign(*first)),
                What::Known(first, false) => format!("{} {name} {version} (known, no archive)", sign(*first)),
                What::Archive(first) => format!("{} {name} {version} (archive)", sign(*first)),
                What::Hashes(c) => {
                    format!("! {name} {version}: {} and {}", escape(&c.ours), escape(&c.theirs))
                }
            })
        };
        // A pipe that is closed ends it.
        said.map_err(|e| {
            failed = Some(e);
            mirror::Error::Absent { name: String::new(), version: String::new() }
        })
    });
    if let Some(e) = failed {
        return Err(e);
    }
    walked?;
    if is_json {
        ui.line(&format!("\n  ],\n  \"count\": {differences}\n}}"))?;
    } else if differences == 0 {
        ui.success("Both have the same");
    }
    Ok(if differences == 0 { Status::Done } else { Status::Failed })
}

fn side(first: bool) -> &'static str {
    if first { "a" } else { "b" }
}

fn sign(first: bool) -> &'static str {
    if first { "<" } else { ">" }
}
