//! `mzp build`: the project and its packages, given to the compiler, or written
//! as one unit or as a staged tree without one.

use crate::cli::Invocation;
use crate::error::{Error, Result, Status};
use crate::settings::Settings;
use crate::ui::Ui;
use mirror::name::escape;
use mzp::build::{Emit, Options, Report, Way, build};
use mzp::compiler::Limits;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub fn run(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let emit = match invocation.text("emit")? {
        None | Some("asm") => Emit::Assembly,
        Some("bundle") => Emit::Bundle,
        Some("staged") => Emit::Staged,
        Some(kind) => {
            return Err(Error::NotBuilt { what: format!("`{} --emit {kind}`", invocation.shown()) });
        }
    };
    let start = super::start(settings, ui)?;
    let absolute = |path: PathBuf| start.join(path);
    let defines = invocation.list("define")?;
    if let Some(name) = defines.iter().find(|name| **name != "DEBUG") {
        return Err(Error::NotBuilt { what: format!("`--define {}` (only DEBUG)", escape(name)) });
    }
    let time = invocation.number("timeout").map(Duration::from_millis);
    let options = Options {
        main: invocation.argument_path(0).map(absolute),
        target: invocation.text("target")?.map(String::from),
        selection: super::selection(invocation, false)?,
        debug: !defines.is_empty(),
        emit,
        output: invocation.path("output").map(|path| absolute(path.into())),
        compiler: compiler(settings, &start),
        system_packages: settings.mzp_home().ok().map(|home| home.join("packages")),
        limits: Limits { time: time.unwrap_or(Limits::default().time), ..Limits::default() },
        frozen: invocation.has("frozen-lockfile"),
        start: start.clone(),
    };
    let report = build(&options)?;
    if ui.is_json() {
        document(&report, &start, ui)?;
    } else {
        tell(&report, emit, &start, ui);
    }
    Ok(Status::Done)
}

/// What `MZ` names, else `mz` on the path. A relative path is the user's, not
/// the folder's that the compiler runs in.
fn compiler(settings: &Settings, here: &Path) -> OsString {
    let program = settings.compiler.clone().unwrap_or_else(|| "mz".into());
    if Path::new(&program).components().count() > 1 { here.join(program).into_os_string() } else { program }
}

fn tell(report: &Report, emit: Emit, here: &Path, ui: &mut Ui) {
    for module in &report.modules {
        let from = module.package.as_deref().map_or(String::new(), |p| format!(" ({p})"));
        let left = if module.unused > 0 { format!(", {} left out", module.unused) } else { String::new() };
        ui.detail(&format!("{}{from}: {} bytes of source{left}", escape(&module.path), module.used));
    }
    if let (1.., bytes) = report.unused_modules {
        ui.detail(&format!(
            "{} modules that nothing imports: {bytes} bytes left out",
            report.unused_modules.0
        ));
    }
    match emit {
        Emit::Staged => report.traps.iter().for_each(|t| ui.warn(&format!("{}: {}", t.place, t.why))),
        Emit::Assembly if report.way == Way::Bundle => {
            if let Some(first) = report.traps.first() {
                ui.detail(&format!("bundled into one unit: {}: {}", first.place, first.why));
            }
        }
        _ => {}
    }
    if report.duplicates > 0 {
        ui.detail(&format!("{} functions that the compiler wrote twice are left once", report.duplicates));
    }
    ui.success(&format!(
        "{} for {}: {} ({} bytes)",
        report.project,
        report.platform,
        super::shown(&report.output, here),
        report.bytes
    ));
}

fn document(report: &Report, here: &Path, ui: &mut Ui) -> Result<()> {
    ui.json(|o| {
        o.text("project", &report.project);
        o.text("target", report.platform.name);
        o.text("output", &super::shown(&report.output, here));
        o.number("bytes", report.bytes);
        o.text("way", report.way.name());
        o.array("modules", |list| {
            for m in &report.modules {
                list.object(|o| {
                    o.text("path", &m.path);
                    o.maybe_text("package", m.package.as_deref());
                    o.number("used", m.used as u64);
                    o.number("unused", m.unused as u64);
                });
            }
        });
        o.number("unusedModules", report.unused_modules.0 as u64);
        o.number("unusedModuleBytes", report.unused_modules.1);
        o.number("duplicates", report.duplicates as u64);
        o.array("traps", |list| {
            for t in &report.traps {
                list.object(|o| {
                    o.text("place", &t.place.to_string());
                    o.text("why", t.why);
                });
            }
        });
    })
}
