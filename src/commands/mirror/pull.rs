//! `pantry mirror pull PACKAGE… [--from FILE…] [--platform LIST]`

use super::{count, folder, open_for_writing, platforms, shown, size, waiting};
use crate::cli::Invocation;
use crate::error::{Error, Result, Status};
use crate::install::platform::Platform;
use crate::install::run::read_lock;
use crate::install::select::Groups;
use crate::lockfile::foreign::{self, Maker};
use crate::manifest;
use crate::network::Network;
use crate::project;
use crate::project::bar::Bar;
use crate::pull::{self, Options, Report, Wanted};
use crate::resolve::graph::Group;
use crate::resolve::{ImporterRequest, Requested};
use crate::settings::Settings;
use crate::source::npm::registry::Registries;
use crate::ui::Ui;
use mirror::name::{PackageName, escape};
use std::path::Path;

pub fn run(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    if settings.offline.is_some() {
        return Err(Box::new(Error::Usage {
            message: "`pantry mirror pull` fetches from a network, and this run is offline".into(),
            hint: Some("leave out --offline (and PANTRY_OFFLINE), or copy from another mirror".into()),
        }));
    }
    let here = settings.working_directory()?;
    let network = Network::new(settings, &here, ui)?;
    let wanted = wanted(invocation, &here, &network.registries)?;
    let dir = folder(invocation, settings, None)?;
    drop(open_for_writing(&dir, settings, ui)?);
    let options = Options {
        mirror: dir.clone(),
        home: settings.home_mirror()?,
        trust: settings.trust.clone(),
        misses: settings.misses.clone(),
        platforms: match platforms(invocation, "platform")? {
            none if none.is_empty() => vec![Platform::current()],
            some => some,
        },
        groups: Groups { dev: !invocation.has("production"), optional: true },
        keep_all: invocation.has("keep-all-versions-metadata"),
        dry_run: invocation.has("dry-run"),
        fresh_for: if settings.no_cache { 0 } else { settings.cache_ttl.as_secs() },
        prefer_known: settings.prefer_offline,
        metadata_at_a_time: settings.metadata_at_a_time,
        archives_at_a_time: settings.archives_at_a_time,
    };
    let mut total = Report::default();
    for wanted in wanted {
        let bar = Bar::new(ui, "Pulling");
        let report = pull::pull(&options, wanted, &network, &bar, &mut waiting(ui));
        let report = match report {
            Ok(report) => report,
            Err(e) => {
                ui.end_progress();
                return Err(e);
            }
        };
        add(&mut total, report);
    }
    ui.end_progress();
    show(&total, &options, &dir, ui)?;
    Ok(Status::Done)
}

fn add(total: &mut Report, report: Report) {
    total.packages += report.packages;
    total.copied += report.copied;
    total.present += report.present;
    total.bytes += report.bytes;
    total.fetched.extend(report.fetched);
    total.warnings.extend(report.warnings);
    total.left_out.extend(report.left_out);
}

/// What the names of the command line ask for together, then each file of `--from`.
fn wanted(invocation: &Invocation, here: &Path, registries: &Registries) -> Result<Vec<Wanted>> {
    let mut all = Vec::new();
    let mut named = ImporterRequest::default();
    for word in invocation.argument_texts()? {
        let at = word.get(1..).and_then(|w| w.find('@')).map(|i| i + 1);
        let (name, range) = at.map_or((word, "latest"), |i| (&word[..i], &word[i + 1..]));
        let alias = PackageName::parse(name)
            .map_err(|source| Error::Name { source, place: "the command line".into() })?;
        named.dependencies.push(Requested {
            alias,
            range: range.to_string(),
            group: Group::Normal,
            optional_peer: false,
        });
    }
    if !named.dependencies.is_empty() {
        all.push(Wanted::Asked(split(named)));
    }
    for file in invocation.values("from") {
        all.push(from(&here.join(file), registries)?);
    }
    if all.is_empty() {
        return Err(Box::new(Error::Usage {
            message: "`pantry mirror pull` needs packages, or a file with --from".into(),
            hint: Some("for example `pantry mirror pull --from package.json`".into()),
        }));
    }
    Ok(all)
}

/// Two versions of one name on one command line are asked for side by side.
pub(super) fn split(named: ImporterRequest) -> Vec<ImporterRequest> {
    let mut out: Vec<ImporterRequest> = Vec::new();
    for requested in named.dependencies {
        let free = out.iter_mut().find(|i| i.dependencies.iter().all(|d| d.alias != requested.alias));
        match free {
            Some(importer) => importer.dependencies.push(requested),
            None => out.push(ImporterRequest {
                path: if out.is_empty() { String::new() } else { format!("also-{}", out.len()) },
                dependencies: vec![requested],
                ..ImporterRequest::default()
            }),
        }
    }
    out
}

/// What manifests in `root` ask for, with those of the members.
fn asked(root: &Path, manifests: &[manifest::Manifest]) -> Result<Vec<ImporterRequest>> {
    let mut workspace = manifest::workspace::workspace(root, manifests)?;
    project::packed::read(root, &mut workspace)?;
    project::importers(manifests, &workspace)
}

fn from(path: &Path, registries: &Registries) -> Result<Wanted> {
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    match name.as_str() {
        "pantry.lock" => match read_lock(path)? {
            Some((graph, _)) => Ok(Wanted::Locked(graph)),
            None => Err(Error::io("read", path)(std::io::ErrorKind::NotFound.into())),
        },
        name if let Some(maker) = Maker::of(name) => {
            let bytes = mirror::file::read(path, crate::lockfile::LIMIT as u64)?;
            // Which of its packages are asked for, others' lockfiles leave to the manifests beside them.
            let importers = match (maker, path.parent()) {
                (Maker::Npm, _) | (_, None) => Vec::new(),
                (_, Some(folder)) => {
                    let project = manifest::find(folder)?;
                    asked(&project.root, &project.read()?)?
                }
            };
            let mut foreign = foreign::read(maker, &bytes, path, &importers)?;
            foreign.set_sources(&|name| registries.source_of(name));
            Ok(match maker {
                Maker::Npm => Wanted::Locked(foreign.into_graph()),
                _ => Wanted::Foreign(foreign),
            })
        }
        _ => {
            let format = manifest::Format::ALL.into_iter().find(|f| f.file() == name);
            let Some(format) = format.filter(|f| *f != manifest::Format::DepsTs) else {
                return Err(Box::new(Error::Usage {
                    message: format!("{} is no manifest or lockfile that can be pulled from", shown(path)),
                    hint: Some(
                        "package.json, pantry.json, pantry.jsonc, package.jsonc, pantry.lock, package-lock.json, npm-shrinkwrap.json, pnpm-lock.yaml, bun.lock or yarn.lock"
                            .into(),
                    ),
                }));
            };
            let bytes = mirror::file::read(path, manifest::LIMIT as u64)?;
            let manifests = [manifest::read(&bytes, path, format)?];
            Ok(Wanted::Asked(asked(path.parent().unwrap_or(Path::new("")), &manifests)?))
        }
    }
}

fn show(report: &Report, options: &Options, dir: &Path, ui: &mut Ui) -> Result<()> {
    report.warnings.iter().for_each(|w| ui.warn(w));
    for (_, why) in &report.left_out {
        ui.warn(&format!("left out an optional package: {why}"));
    }
    if ui.is_json() {
        return ui.json(|o| {
            o.text("mirror", &dir.to_string_lossy());
            o.truth("dryRun", options.dry_run);
            o.texts("platforms", options.platforms.iter().map(ToString::to_string));
            o.number("packages", report.packages as u64);
            o.texts("fetched", &report.fetched);
            o.number("copied", report.copied as u64);
            o.number("present", report.present as u64);
            o.number("bytes", report.bytes);
            o.texts("leftOut", report.left_out.iter().map(|(package, _)| package));
        });
    }
    if options.dry_run {
        report.fetched.iter().try_for_each(|p| ui.line(&format!("+ {}", escape(p))))?;
        let there = match report.present {
            0 => String::new(),
            n => format!(" ({n} there already)"),
        };
        let packages = count(report.fetched.len() as u64, "package", "packages");
        ui.note(&format!("Dry run: would get {packages}{there}; nothing was changed"));
        return Ok(());
    }
    let packages = report.fetched.len() + report.copied + report.present;
    let mut parts = Vec::new();
    for (n, what) in [
        (report.fetched.len(), "fetched"),
        (report.copied, "copied from the home mirror"),
        (report.present, "there already"),
        (report.left_out.len(), "left out"),
    ] {
        if n > 0 {
            parts.push(format!("{n} {what}"));
        }
    }
    let new = if report.bytes > 0 { format!(" ({} new)", size(report.bytes)) } else { String::new() };
    let colon = if parts.is_empty() { "" } else { ": " };
    ui.success(&format!(
        "{} in {}{colon}{}{new}",
        count(packages as u64, "package", "packages"),
        shown(dir),
        parts.join(", ")
    ));
    Ok(())
}
