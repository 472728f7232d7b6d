//! `mzp info` and `mzp search`: what the mirrors know of packages.

use crate::cli::Invocation;
use crate::commands::mirror::{count, size};
use crate::error::{Result, Status};
use crate::settings::Settings;
use crate::ui::Ui;
use mirror::name::{MinzName, escape};
use mirror::version::Version;
use mzp::catalogue;
use mzp::lockfile::write_need;
use mzp::platform::Support;

/// Most packages that a search shows, and versions that `info` does.
const MOST: usize = 50;

pub fn run(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let text = invocation.argument(0)?.unwrap_or_default();
    let (name, version) = text.split_once('@').map_or((text, None), |(name, version)| (name, Some(version)));
    let name = super::parsed(MinzName::parse(name))?;
    let version = version.map(|v| super::parsed(Version::parse(v))).transpose()?;
    let registry = super::registry(settings, &settings.working_directory()?, "Looking", ui)?;
    let info = catalogue::info(&registry, &name, version.as_ref())?;
    super::notes(&registry, ui);
    super::index(settings, ui);
    let (record, candidate) = (&info.record, &info.candidate);
    let versions: Vec<_> = info.versions.iter().rev().take(MOST).map(Version::to_string).collect();
    let list = |text: Option<&str>| {
        text.unwrap_or_default().split(',').filter(|w| !w.is_empty()).map(String::from).collect::<Vec<_>>()
    };
    let targets: Vec<_> = candidate.supported.iter().map(Support::name).collect();
    let features: Vec<_> = candidate
        .features
        .iter()
        .map(|(name, parts)| (name, parts.iter().map(ToString::to_string).collect::<Vec<_>>()))
        .collect();
    let needs: Vec<_> = candidate.needs.iter().map(write_need).collect();
    if ui.is_json() {
        ui.json(|o| {
            o.text("name", name.as_str());
            o.text("version", &record.version.to_string());
            o.maybe_text("description", info.extra("description"));
            o.texts("keywords", list(info.extra("keywords")));
            o.texts("targets", &targets);
            o.object("features", |o| features.iter().for_each(|(name, parts)| o.texts(name, parts)));
            o.texts("dependencies", &needs);
            o.maybe_text("sha256", record.sha256.map(|h| h.to_string()).as_deref());
            o.number("size", record.size);
            o.number("unpacked", record.unpacked);
            o.texts("versions", &versions);
            o.number("versionsKnown", info.versions.len() as u64);
        })?;
        return Ok(Status::Done);
    }
    let more = match info.versions.len() - versions.len() {
        0 => String::new(),
        n => format!(" and {n} older"),
    };
    let features: Vec<_> = features
        .iter()
        .map(
            |(name, parts)| {
                if parts.is_empty() { (*name).clone() } else { format!("{name} ({})", parts.join(" ")) }
            },
        )
        .collect();
    ui.line(&format!("{name} {}", record.version))?;
    for (what, text) in [
        ("", info.extra("description").unwrap_or_default().to_string()),
        ("versions: ", format!("{}{more}", versions.join(", "))),
        ("targets: ", if targets.is_empty() { "all".into() } else { targets.join(", ") }),
        ("features: ", features.join(", ")),
        ("dependencies: ", needs.join(", ")),
        ("keywords: ", list(info.extra("keywords")).join(", ")),
        ("size: ", format!("{} packed, {} unpacked", size(record.size), size(record.unpacked))),
        ("sha256: ", record.sha256.map(|h| h.to_string()).unwrap_or_default()),
    ] {
        if !text.is_empty() {
            ui.line(&format!("{what}{}", escape(&text)))?;
        }
    }
    Ok(Status::Done)
}

pub fn search(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let words = invocation.argument_texts()?;
    let words: Vec<&str> = words.iter().flat_map(|w| w.split_whitespace()).collect();
    let registry = super::registry(settings, &settings.working_directory()?, "Searching", ui)?;
    let (hits, all) = catalogue::search(&registry, &words, MOST)?;
    super::notes(&registry, ui);
    super::index(settings, ui);
    if ui.is_json() {
        ui.json(|o| {
            o.number("found", all as u64);
            o.array("packages", |list| {
                for hit in &hits {
                    list.object(|o| {
                        o.text("name", &hit.name);
                        o.text("version", &hit.version.to_string());
                        o.text("description", &hit.description);
                    });
                }
            });
        })?;
        return Ok(Status::Done);
    }
    for hit in &hits {
        let description = if hit.description.is_empty() { "" } else { " - " };
        ui.line(&format!("{} {}{description}{}", escape(&hit.name), hit.version, escape(&hit.description)))?;
    }
    match all - hits.len() {
        _ if all == 0 => ui.note("No package has all of these words"),
        0 => {}
        more => ui.note(&format!(
            "{} more; another word makes it fewer",
            count(more as u64, "package", "packages")
        )),
    }
    Ok(Status::Done)
}
