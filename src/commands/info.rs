//! `pantry info` and `pantry search`: what registries and mirrors know about packages.
//!
//! A registry gives a document; of a mirror's record one of the same shape is made, so that both are asked for the
//! same fields.

use super::mirror::{count, size};
use crate::cli::Invocation;
use crate::error::{Error, Missing, Result, Status, Whereabouts};
use crate::install::scripts::parts;
use crate::json::{self, Kind, Scanner, Syntax, loose};
use crate::network::Network;
use crate::resolve::range::Range;
use crate::settings::Settings;
use crate::source::mirrors::{Damage, Mirrors};
use crate::ui::Ui;
use crate::ui::json::{object, safe};
use mirror::http::{Request, Url};
use mirror::mirror::Prefix;
use mirror::name::{PackageName, escape};
use mirror::record::{DependencyKind, Ecosystem, Key, VersionRecord};
use mirror::version::Version;
use std::time::Duration;

/// Bytes of a packument, and of an answer to a search.
const CAP: u64 = 256 << 20;
/// Versions that are shown without being asked for, and hits without `--limit`.
const MOST: usize = 20;

/// Fields that are the package's, not a version's.
const OF_PACKAGE: [&str; 3] = ["versions", "dist-tags", "tags"];

/// A package, with one of its versions.
struct Document {
    /// package.json of the version, as the registry has it.
    version: String,
    tags: Vec<(String, String)>,
    /// Ascending.
    versions: Vec<Version>,
    /// Where it was found.
    from: String,
}

pub fn run(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let (name, wanted) = parts(invocation.argument(0)?.unwrap_or_default());
    let name = PackageName::parse(name).map_err(|e| Error::Usage { message: e.to_string(), hint: None })?;
    let field = invocation.argument(1)?;
    let document = match settings.offline {
        Some(_) => of_mirrors(&name, wanted, settings, ui)?,
        None => match of_registry(&name, wanted, field, settings, ui) {
            // Where nothing answers, what mirrors say is an answer.
            Err(e) if matches!(*e, Error::Http(_)) => match of_mirrors(&name, wanted, settings, ui) {
                Ok(document) => {
                    ui.warn(&format!("mirrors alone were asked: {e}"));
                    document
                }
                Err(_) => return Err(e),
            },
            other => other?,
        },
    };
    match field {
        Some(field) => show_field(&document, &name, field, ui)?,
        None if ui.is_json() => {
            // Without the last brace alone: what stands before it may end in another.
            let open = document.version.trim_end();
            let open = open.strip_suffix('}').unwrap_or(open).trim_end();
            let rest = object(|o| {
                o.object("dist-tags", |o| {
                    document.tags.iter().for_each(|(tag, version)| o.text(tag, version))
                });
                o.texts("versions", document.versions.iter().map(ToString::to_string));
                o.text("from", &document.from);
            });
            let comma = if open.ends_with('{') { "" } else { "," };
            ui.line(&format!("{}{comma}{}", safe(open), &rest[1..]))?;
        }
        None => show(&document, &name, ui)?,
    }
    Ok(Status::Done)
}

fn of_registry(
    name: &PackageName,
    wanted: Option<&str>,
    field: Option<&str>,
    settings: &Settings,
    ui: &mut Ui,
) -> Result<Document> {
    let network = Network::new(settings, &settings.working_directory()?, ui)?;
    let registry = network.registries.of(name)?;
    let (url, credential) = network.registries.document(&registry, name)?;
    let from = registry.url.to_string();
    // A field of one version: its own document is a thousandth of the package's. Not every registry has it.
    let version = wanted.and_then(|wanted| Version::parse(wanted).ok());
    if let Some(version) = version.filter(|_| field.is_some_and(|f| !OF_PACKAGE.contains(&f))) {
        let own = url.with(&version.to_string())?;
        match fetch(&network, &own, credential.as_deref(), name.as_str()) {
            Ok(bytes) => {
                if let Ok(document) = json::text(&bytes)
                    && text(document, "version").is_some_and(|v| v == version.to_string())
                {
                    let document = document.to_string();
                    return Ok(Document {
                        version: document,
                        tags: Vec::new(),
                        versions: vec![version],
                        from,
                    });
                }
            }
            Err(e) if matches!(*e, Error::Http(_)) => return Err(e),
            Err(_) => {}
        }
    }
    let bytes = fetch(&network, &url, credential.as_deref(), name.as_str()).map_err(|e| match *e {
        Error::Answer { status: 404 | 410, .. } => {
            let (package, range) = (name.to_string(), wanted.unwrap_or_default().to_string());
            let whereabouts = Whereabouts::NotAt { registry: from.clone() };
            Box::new(Error::Missing(Box::new(Missing {
                package,
                range,
                chain: Vec::new(),
                whereabouts,
                last_seen: None,
            })))
        }
        _ => e,
    })?;
    let unreadable = |_| Error::Other {
        status: Status::Failed,
        message: format!("{url} did not answer with a package"),
        hints: Vec::new(),
    };
    let text = json::text(&bytes).map_err(unreadable)?;
    let mut json = Scanner::new(text, Syntax::Json);
    let (mut tags, mut all) = (Vec::new(), Vec::new());
    let read: std::result::Result<(), json::Error> =
        loose::members(&mut json, |json, key| match &*key.name {
            "dist-tags" => loose::members(json, |json, key| {
                let version = loose::text(json)?;
                tags.extend(version.map(|version| (key.name.into_owned(), version.into_owned())));
                Ok(())
            }),
            "versions" => loose::members(json, |json, key| {
                let raw = json.skip()?;
                all.extend(Version::parse_loose(&key.name).ok().map(|version| (version, raw)));
                Ok(())
            }),
            _ => json.skip().map(drop),
        });
    read.map_err(unreadable)?;
    mirror::order::sort_by(&mut all, |a: &(Version, &str), b: &(Version, &str)| a.0.cmp(&b.0));
    mirror::order::sort(&mut tags);
    let versions: Vec<Version> = all.iter().map(|(version, _)| version.clone()).collect();
    let at = choose(name, wanted, &tags, &versions)?;
    Ok(Document { version: all[at].1.to_string(), tags, versions, from })
}

fn fetch(network: &Network, url: &Url, credential: Option<&str>, concerning: &str) -> Result<Vec<u8>> {
    let request = Request {
        accept: Some("application/json"),
        credential,
        gzip: true,
        cap: CAP,
        deadline: Duration::from_secs(120),
        ..Request::new(url)
    };
    let response = network.client.get(&request)?;
    if response.status != 200 {
        let concerning = concerning.to_string();
        return Err(Box::new(Error::Answer {
            url: Box::new(url.clone()),
            status: response.status,
            concerning,
        }));
    }
    Ok(response.body.read_whole()?)
}

/// What of `versions` a tag, a version or a range names.
fn choose(
    name: &PackageName,
    wanted: Option<&str>,
    tags: &[(String, String)],
    versions: &[Version],
) -> Result<usize> {
    let wanted = wanted.unwrap_or("latest");
    let tagged = tags.iter().find(|(tag, _)| tag == wanted).and_then(|(_, v)| Version::parse_loose(v).ok());
    let exact = tagged.and_then(|version| versions.iter().position(|v| *v == version));
    let range = || Range::parse(wanted).and_then(|range| range.max_satisfying(versions.iter()));
    // Where nobody says what is latest: the newest.
    let newest = || (wanted == "latest").then(|| versions.len().checked_sub(1)).flatten();
    exact.or_else(range).or_else(newest).ok_or_else(|| {
        Error::Other {
            status: Status::Unreachable,
            message: format!("{name} has no version {}", escape(wanted)),
            hints: vec![format!("`pantry info {name} versions` lists them")],
        }
        .into()
    })
}

fn of_mirrors(
    name: &PackageName,
    wanted: Option<&str>,
    settings: &Settings,
    ui: &mut Ui,
) -> Result<Document> {
    let mirrors = mirrors(settings, ui)?;
    let network = Network::new(settings, &settings.working_directory()?, ui)?;
    let source = network.registries.source_of(name);
    let key = Key { ecosystem: Ecosystem::Npm, source, name: name.to_string() };
    let mut all: Vec<(Version, VersionRecord, String)> = Vec::new();
    let mut tags: Vec<(String, String)> = Vec::new();
    for mirror in mirrors.iter() {
        let Some(view) = mirror.lookup(&key)? else { continue };
        for (tag, version) in view.tags() {
            if tags.iter().all(|(known, _)| known != tag) {
                tags.push((tag.to_string(), version.to_string()));
            }
        }
        let from = super::mirror::shown(mirror.dir());
        for i in 0..view.len() {
            let record = view.load(i)?;
            // The first mirror that has the archive tells of it.
            match all.iter_mut().find(|(version, ..)| *version == record.version) {
                Some(known) if known.1.location.is_present() || !record.location.is_present() => {}
                Some(known) => *known = (record.version.clone(), record, from.clone()),
                None => all.push((record.version.clone(), record, from.clone())),
            }
        }
    }
    if all.is_empty() {
        return Err(Box::new(Error::Other {
            status: Status::Unreachable,
            message: format!("{name} is unknown to every index here"),
            hints: vec![format!("`pantry mirror pull {name}` fetches it where there is a network")],
        }));
    }
    mirror::order::sort_by(
        &mut all,
        |a: &(Version, VersionRecord, String), b: &(Version, VersionRecord, String)| a.0.cmp(&b.0),
    );
    mirror::order::sort(&mut tags);
    let versions: Vec<Version> = all.iter().map(|(version, ..)| version.clone()).collect();
    let at = choose(name, wanted, &tags, &versions)?;
    let (_, record, from) = &all[at];
    Ok(Document { version: as_json(name, record), tags, versions, from: from.clone() })
}

/// A record as a registry would write it.
fn as_json(name: &PackageName, record: &VersionRecord) -> String {
    let of_kind = |kinds: &[DependencyKind]| -> Vec<(&str, &str)> {
        let needs = record.dependencies.iter().filter(|d| kinds.contains(&d.kind));
        needs.map(|d| (d.name.as_str(), d.range.as_str())).collect()
    };
    let tables = [
        ("dependencies", of_kind(&[DependencyKind::Normal])),
        ("optionalDependencies", of_kind(&[DependencyKind::Optional])),
        ("peerDependencies", of_kind(&[DependencyKind::Peer, DependencyKind::PeerOptional])),
        ("bin", record.bins.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect()),
        ("engines", record.engines.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect()),
    ];
    object(|o| {
        o.text("name", name.as_str());
        o.text("version", &record.version.to_string());
        if let Some(words) = &record.deprecated {
            o.text("deprecated", words);
        }
        for (table, rows) in tables.iter().filter(|(_, rows)| !rows.is_empty()) {
            o.object(table, |o| rows.iter().for_each(|(key, value)| o.text(key, value)));
        }
        for (list, words) in [("os", &record.os), ("cpu", &record.cpu), ("libc", &record.libc)] {
            if !words.is_empty() {
                o.texts(list, words);
            }
        }
        o.object("dist", |o| {
            if let Some(integrity) = &record.integrity {
                o.text("integrity", &integrity.to_string());
            }
            if record.unpacked > 0 {
                o.number("unpackedSize", record.unpacked);
            }
            o.truth("present", record.location.is_present());
        });
    })
}

fn mirrors(settings: &Settings, ui: &mut Ui) -> Result<Mirrors> {
    let damage = if settings.offline.is_some() { Damage::Ends } else { Damage::PassedOver };
    let home = settings.home_mirror()?;
    let found = settings.opportunity.media();
    let waiting = &mut super::mirror::waiting(ui);
    Mirrors::open(&settings.mirrors, Some(&home), found, &settings.trust, damage, waiting)
}

/// The raw value at a path of keys and numbers: `dist.tarball`, `maintainers.0`.
fn value<'a>(text: &'a str, path: &str) -> Option<&'a str> {
    let mut at = text;
    for step in path.split('.') {
        let mut json = Scanner::new(at, Syntax::Json);
        let mut found = None;
        match json.peek().ok()? {
            Kind::Object => loose::members(&mut json, |json, key| {
                let raw = json.skip()?;
                if key.name == step {
                    found = Some(raw);
                }
                Ok::<(), json::Error>(())
            })
            .ok()?,
            Kind::Array => {
                let mut index: usize = step.parse().ok()?;
                json.array().ok()?;
                while json.element().ok()? {
                    let raw = json.skip().ok()?;
                    if index == 0 {
                        found = Some(raw);
                        break;
                    }
                    index -= 1;
                }
            }
            _ => return None,
        }
        at = found?;
    }
    Some(at)
}

/// A text; nothing else.
fn text(version: &str, path: &str) -> Option<String> {
    Scanner::new(value(version, path)?, Syntax::Json).string().ok().map(|text| text.into_owned())
}

/// `key value` of an object of texts.
fn pairs(version: &str, path: &str) -> Vec<String> {
    let mut pairs = Vec::new();
    if let Some(raw) = value(version, path) {
        let mut json = Scanner::new(raw, Syntax::Json);
        let _ = loose::members(&mut json, |json, key| {
            pairs.extend(loose::text(json)?.map(|text| format!("{} {text}", key.name)));
            Ok::<(), json::Error>(())
        });
    }
    pairs
}

fn show_field(document: &Document, name: &PackageName, field: &str, ui: &mut Ui) -> Result<()> {
    let json = ui.is_json();
    let lines: Vec<String> = match field {
        "versions" => document.versions.iter().map(ToString::to_string).collect(),
        "dist-tags" | "tags" => {
            document.tags.iter().map(|(tag, version)| format!("{tag} {version}")).collect()
        }
        _ => match value(&document.version, field) {
            None => {
                return Err(Box::new(Error::Other {
                    status: Status::Failed,
                    message: format!("{name} has no field `{}`", escape(field)),
                    hints: vec![format!("`pantry info {name} --json` shows all of them")],
                }));
            }
            Some(raw) if json => return ui.line(&safe(raw)),
            Some(raw) => match Scanner::new(raw, Syntax::Json).string() {
                Ok(text) => return ui.line(&escape(&text)),
                Err(_) => return ui.line(&safe(raw)),
            },
        },
    };
    if json && field != "versions" {
        return ui.line(&object(|o| document.tags.iter().for_each(|(tag, version)| o.text(tag, version))));
    }
    if json {
        return ui.line(&crate::ui::json::array(|list| lines.iter().for_each(|line| list.text(line))));
    }
    lines.iter().try_for_each(|line| ui.line(&escape(line)))
}

fn show(document: &Document, name: &PackageName, ui: &mut Ui) -> Result<()> {
    let it = &document.version;
    let shown: Vec<String> = document.versions.iter().rev().take(MOST).map(ToString::to_string).collect();
    let more = match document.versions.len() - shown.len() {
        0 => String::new(),
        more => format!(" and {more} older"),
    };
    let tags: Vec<String> = document.tags.iter().map(|(tag, version)| format!("{tag} {version}")).collect();
    let unpacked = value(it, "dist.unpackedSize").and_then(|n| n.parse().ok()).map(size);
    let one = |path: &str| text(it, path).unwrap_or_default();
    let either = |a: &str, b: &str| text(it, a).or_else(|| text(it, b)).unwrap_or_default();
    ui.line(&escape(&format!("{name}@{}", one("version"))))?;
    for (what, text) in [
        ("", one("description")),
        ("deprecated: ", one("deprecated")),
        ("license: ", either("license", "license.type")),
        ("homepage: ", one("homepage")),
        ("repository: ", either("repository", "repository.url")),
        ("tags: ", tags.join(", ")),
        ("versions: ", format!("{}{more}", shown.join(", "))),
        ("dependencies: ", pairs(it, "dependencies").join(", ")),
        ("optional: ", pairs(it, "optionalDependencies").join(", ")),
        ("peers: ", pairs(it, "peerDependencies").join(", ")),
        ("engines: ", pairs(it, "engines").join(", ")),
        ("commands: ", pairs(it, "bin").join(", ")),
        ("archive: ", one("dist.tarball")),
        ("integrity: ", one("dist.integrity")),
        ("unpacked: ", unpacked.unwrap_or_default()),
        ("from: ", document.from.clone()),
    ] {
        if !text.is_empty() {
            ui.line(&escape(&format!("{what}{text}")))?;
        }
    }
    Ok(())
}

/// A package that a search found.
struct Hit {
    name: String,
    version: String,
    description: String,
    from: &'static str,
}

pub fn search(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let words = invocation.argument_texts()?.join(" ").to_lowercase();
    let limit = invocation.number("limit").map_or(MOST, |n| usize::try_from(n).unwrap_or(usize::MAX));
    let mut hits: Vec<Hit> = Vec::new();
    let mut all = 0;
    for mirror in mirrors(settings, ui)?.iter() {
        mirror.for_each(Prefix::Ecosystem(Ecosystem::Npm), &mut |view| {
            let name = &view.key().name;
            let fits = words.split_whitespace().all(|word| name.to_lowercase().contains(word));
            if fits && hits.iter().all(|h| h.name != *name) {
                all += 1;
                if hits.len() < limit {
                    let version =
                        view.tag("latest").unwrap_or_else(|| view.version(view.len().saturating_sub(1)));
                    let (name, version) = (name.clone(), version.to_string());
                    hits.push(Hit { name, version, description: String::new(), from: "mirror" });
                }
            }
            Ok(())
        })?;
    }
    let mut missing = None;
    if settings.offline.is_none() {
        match upstream(&words, limit, settings, ui) {
            Ok(found) => {
                for hit in found {
                    if let Some(known) = hits.iter_mut().find(|h| h.name == hit.name) {
                        known.description = hit.description;
                        continue;
                    }
                    all += 1;
                    if hits.len() < limit {
                        hits.push(hit);
                    }
                }
            }
            // What mirrors have is an answer too.
            Err(e) if !hits.is_empty() => missing = Some(e),
            Err(e) => return Err(e),
        }
    }
    if let Some(e) = missing {
        ui.warn(&format!("mirrors alone were searched: {e}"));
    }
    if ui.is_json() {
        ui.json(|o| {
            o.number("found", all as u64);
            o.array("packages", |list| {
                for hit in &hits {
                    list.object(|o| {
                        o.text("name", &hit.name);
                        o.text("version", &hit.version);
                        o.text("description", &hit.description);
                        o.text("from", hit.from);
                    });
                }
            });
        })?;
        return Ok(Status::Done);
    }
    for hit in &hits {
        let dash = if hit.description.is_empty() { "" } else { " - " };
        ui.line(&escape(&format!("{}@{}{dash}{}", hit.name, hit.version, hit.description)))?;
    }
    match all - hits.len() {
        _ if all == 0 => ui.note("No package has all of these words"),
        0 => {}
        more => ui.note(&format!("{} more; --limit shows more", count(more as u64, "package", "packages"))),
    }
    Ok(Status::Done)
}

fn upstream(words: &str, limit: usize, settings: &Settings, ui: &mut Ui) -> Result<Vec<Hit>> {
    let network = Network::new(settings, &settings.working_directory()?, ui)?;
    let registry = network.registries.default();
    let mut query = String::new();
    for byte in words.bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' => query.push(byte as char),
            byte => query.push_str(&format!("%{byte:02X}")),
        }
    }
    let url = registry.url.with(&format!("-/v1/search?text={query}&size={}", limit.min(250)))?;
    let credential = network.registries.credential(&url);
    let bytes = fetch(&network, &url, credential.as_deref(), "the search")?;
    let unreadable = |_| Error::Other {
        status: Status::Failed,
        message: format!("{url} did not answer with packages"),
        hints: Vec::new(),
    };
    let mut json = Scanner::new(json::text(&bytes).map_err(unreadable)?, Syntax::Json);
    let mut hits = Vec::new();
    let read: std::result::Result<(), json::Error> = loose::members(&mut json, |json, key| {
        if key.name != "objects" || json.peek()? != Kind::Array {
            return json.skip().map(drop);
        }
        json.array()?;
        while json.element()? {
            let raw = json.skip()?;
            let one = |field| text(raw, field).unwrap_or_default();
            let name = one("package.name");
            if PackageName::parse(&name).is_ok() {
                let (version, description) = (one("package.version"), one("package.description"));
                hits.push(Hit { name, version, description, from: "registry" });
            }
        }
        Ok(())
    });
    read.map_err(unreadable)?;
    Ok(hits)
}
