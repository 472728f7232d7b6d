//! `mzp build`: the project and its packages, given to the compiler, or written
//! as one unit or as a staged tree without one.

use crate::cli::Invocation;
use crate::error::{Error, Result, Status};
use crate::settings::Settings;
use crate::ui::Ui;
use mirror::name::escape;
use mzp::build::{Emit, ModuleReport, Options, Report, Way, build};
use mzp::cache::Cache;
use mzp::compiler::Limits;
use mzp::container::Container;
use mzp::expand::{Definitions, is_on};
use mzp::manifest::Manifest;
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

pub fn run(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let emit = match invocation.text("emit")? {
        None | Some("asm") => Emit::Assembly,
        Some("bundle") => Emit::Bundle,
        Some("staged") => Emit::Staged,
        Some(kind) => match Container::ALL.into_iter().find(|c| c.name() == kind) {
            Some(container) => Emit::Image(container),
            None => {
                return Err(Box::new(Error::NotBuilt {
                    what: format!("`{} --emit {kind}`", invocation.shown()),
                }));
            }
        },
    };
    let mut options = options(invocation, settings, ui)?;
    options.emit = emit;
    options.main = invocation.argument_path(0).map(|path| options.start.join(path));
    options.output = invocation.path("output").map(|path| options.start.join(path));
    options.frozen = super::frozen(invocation);
    let report = build(&options)?;
    if ui.is_json() {
        document(&report, &options.start, ui)?;
    } else {
        tell(&report, emit, &options.start, ui);
    }
    Ok(Status::Done)
}

/// What `build`, `run` and `test` have in common: the program's main file, to assembly.
pub(super) fn options(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Options> {
    let start = super::start(settings, ui)?;
    let mut definitions = Definitions::default();
    let mut debug = !invocation.has("release");
    for text in invocation.texts("define")? {
        match text.split_once('=').unwrap_or((text, "1")) {
            ("DEBUG", value) => debug = is_on(value),
            _ => definitions.add(text).map_err(|what| Error::Usage {
                message: format!("--define {}: {what}", escape(text)),
                hint: None,
            })?,
        }
    }
    let time = invocation.number("timeout").map(Duration::from_millis);
    Ok(Options {
        main: None,
        platform: super::target(invocation, settings, &Manifest::find(&start)?)?,
        selection: super::selection(invocation, false)?,
        debug,
        definitions,
        emit: Emit::Assembly,
        output: None,
        compiler: compiler(settings, &start),
        trusted: settings.trusted.iter().filter_map(|t| t.strip_prefix("minz:")).map(Into::into).collect(),
        system_packages: settings.mzp_home().ok().map(|home| home.join("packages")),
        limits: Limits { time: time.unwrap_or(Limits::default().time), ..Limits::default() },
        cache: cache(settings),
        frozen: false,
        start,
    })
}

/// What was built before, unless nothing of it is wanted.
fn cache(settings: &Settings) -> Option<Cache> {
    let dir = settings.mzp_home().ok()?.join("cache");
    let variables = settings.compiler_variables();
    (!settings.no_cache).then(|| Cache { dir, path: settings.search_path(), variables })
}

/// What `MZ` names, else `mz` on the path. A relative path is the user's, not
/// the folder's that the compiler runs in.
pub(super) fn compiler(settings: &Settings, here: &Path) -> OsString {
    let program = settings.compiler.clone().unwrap_or_else(|| "mz".into());
    if Path::new(&program).components().count() > 1 { here.join(program).into_os_string() } else { program }
}

fn tell(report: &Report, emit: Emit, here: &Path, ui: &mut Ui) {
    for line in super::columns(&table(report)) {
        ui.detail(&line);
    }
    if let Some(made) = &report.assembled {
        let image = made.image.bytes.len();
        let told = report.modules.iter().filter_map(|m| m.assembled).sum::<usize>();
        if !made.functions.is_empty() {
            ui.detail(&format!("the compiler's own code and data: {} bytes", image.saturating_sub(told)));
        }
        let room = report.platform.memory;
        let thousandths = (image as u64 * 1000 + u64::from(room) / 2) / u64::from(room);
        ui.detail(&format!(
            "{image} of {room} bytes from {:#06x} on ({}.{} %), assembled by {}",
            made.image.origin,
            thousandths / 10,
            thousandths % 10,
            made.assembler
        ));
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
    for name in &report.scripts {
        ui.note(&format!(
            "the build script of {name} was not followed: `trusted-dependencies = [\"minz:{name}\"]` in pantry's \
             config.toml allows it"
        ));
    }
    if report.cached {
        ui.detail("compiled before, and nothing has changed since");
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

/// Bytes by package and module; a package of several modules has their sum too.
fn table(report: &Report) -> Vec<Vec<String>> {
    let cells = |package: &str, module: &str, [made, used, unused]: [Option<usize>; 3]| {
        let number = |n: Option<usize>| n.map_or("-".into(), |n| n.to_string());
        vec![package.to_string(), escape(module).into_owned(), number(made), number(used), number(unused)]
    };
    let mut rows = vec![["package", "module", "bytes", "of source", "left out"].map(String::from).to_vec()];
    for (package, modules) in packages(report) {
        let name = package.unwrap_or(&report.project);
        rows.extend(
            modules.iter().map(|m| cells(name, &m.path, [m.assembled, Some(m.used), Some(m.unused)])),
        );
        if modules.len() > 1 {
            rows.push(cells(name, "", sums(&modules)));
        }
    }
    rows
}

/// The modules of each package, in the order of the build; the project's own come last.
fn packages(report: &Report) -> Vec<(Option<&str>, Vec<&ModuleReport>)> {
    let mut out: Vec<(Option<&str>, Vec<&ModuleReport>)> = Vec::new();
    for module in &report.modules {
        match out.iter_mut().find(|(package, _)| *package == module.package.as_deref()) {
            Some((_, modules)) => modules.push(module),
            None => out.push((module.package.as_deref(), vec![module])),
        }
    }
    out
}

/// Bytes in the image, where the assembler tells them, and of source that is used and is not.
fn sums(modules: &[&ModuleReport]) -> [Option<usize>; 3] {
    let made = modules.iter().map(|m| m.assembled).sum();
    [made, Some(modules.iter().map(|m| m.used).sum()), Some(modules.iter().map(|m| m.unused).sum())]
}

fn document(report: &Report, here: &Path, ui: &mut Ui) -> Result<()> {
    ui.json(|o| {
        o.text("project", &report.project);
        o.text("target", report.platform.name);
        o.text("output", &super::shown(&report.output, here));
        o.number("bytes", report.bytes);
        o.text("way", report.way.name());
        o.truth("cached", report.cached);
        if let Some(made) = &report.assembled {
            o.object("image", |o| {
                o.text("assembler", made.assembler);
                o.number("origin", u64::from(made.image.origin));
                o.number("bytes", made.image.bytes.len() as u64);
                o.number("limit", u64::from(report.platform.memory));
            });
        }
        o.array("packages", |list| {
            for (package, modules) in packages(report) {
                let [made, used, unused] = sums(&modules);
                list.object(|o| {
                    o.text("name", package.unwrap_or(&report.project));
                    for (key, bytes) in [("used", used), ("unused", unused), ("assembled", made)] {
                        if let Some(bytes) = bytes {
                            o.number(key, bytes as u64);
                        }
                    }
                });
            }
        });
        o.array("modules", |list| {
            for m in &report.modules {
                list.object(|o| {
                    o.text("path", &m.path);
                    o.maybe_text("package", m.package.as_deref());
                    o.number("used", m.used as u64);
                    o.number("unused", m.unused as u64);
                    if let Some(bytes) = m.assembled {
                        o.number("assembled", bytes as u64);
                    }
                });
            }
        });
        o.number("unusedModules", report.unused_modules.0 as u64);
        o.number("unusedModuleBytes", report.unused_modules.1);
        o.number("duplicates", report.duplicates as u64);
        if !report.scripts.is_empty() {
            o.texts("scriptsNotFollowed", &report.scripts);
        }
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
