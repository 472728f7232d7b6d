//! Building: from a project to a bundle, a staged tree, assembly, or a file that a machine loads.
//!
//! Everything goes into `build/TARGET/` of the project; nothing else is touched unless an output file is
//! named. What was made of the same before comes from the [`cache`](crate::cache), and a file that has its
//! bytes already is not written: an unchanged build starts nothing and writes nothing.

use crate::assembler::{Assembled, assemble};
use crate::bundle::{Bundle, bundle};
use crate::cache::{Cache, Compiled};
use crate::compiler::{self, Job, Limits, Map};
use crate::container::Container;
use crate::error::{Error, Result};
use crate::expand::script::{self, Script};
use crate::expand::{Definitions, Environment, Scope};
use crate::install;
use crate::lockfile::Lock;
use crate::manifest::Manifest;
use crate::pins::Pins;
use crate::platform::Platform;
use crate::program::Program;
use crate::program::active::{Active, Selection};
use crate::shake;
use crate::stage::{Layout, SHADOWED, Staged, Trap, elsewhere, stage};
use mirror::name::MinzName;
use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// What is to come out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Emit {
    Assembly,
    /// One unit; no compiler is needed.
    Bundle,
    /// The tree that the compiler would be given; no compiler is needed.
    Staged,
    /// Compiled and assembled.
    Image(Container),
}

#[derive(Debug)]
pub struct Options {
    /// Somewhere in the project.
    pub start: PathBuf,
    /// The main file; default `src/main.minz`.
    pub main: Option<PathBuf>,
    pub platform: &'static Platform,
    pub selection: Selection,
    /// Not a release build.
    pub debug: bool,
    /// The command line's; those of `build.minz` come behind them.
    pub definitions: Definitions,
    pub emit: Emit,
    /// A file, or for a staged tree a folder that is not there yet.
    pub output: Option<PathBuf>,
    pub compiler: OsString,
    /// `~/.mzp/packages`
    pub system_packages: Option<PathBuf>,
    pub limits: Limits,
    /// Where what was made before is kept.
    pub cache: Option<Cache>,
    /// The lock must be there and fit.
    pub frozen: bool,
    /// Packages whose `build.minz` counts.
    pub trusted: Vec<String>,
}

/// What was built.
#[derive(Debug)]
pub struct Report {
    pub project: String,
    pub platform: &'static Platform,
    pub output: PathBuf,
    /// Bytes of the output; of a staged tree, all its files.
    pub bytes: u64,
    pub way: Way,
    pub modules: Vec<ModuleReport>,
    /// Modules of the packages that nothing imports, and their bytes.
    pub unused_modules: (usize, u64),
    /// Functions that the compiler wrote twice and that were left once.
    pub duplicates: usize,
    /// What the compiler would not take in a staged tree.
    pub traps: Vec<Trap>,
    pub assembled: Option<Assembled>,
    /// It was compiled before.
    pub cached: bool,
    /// Packages with a build script that nobody has said may count.
    pub scripts: Vec<MinzName>,
}

/// What the compiler was given, or would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Packages,
    Staged,
    Bundle,
}

impl Way {
    pub fn name(self) -> &'static str {
        match self {
            Self::Packages => "packages",
            Self::Staged => "staged",
            Self::Bundle => "bundle",
        }
    }
}

#[derive(Debug)]
pub struct ModuleReport {
    pub path: String,
    pub package: Option<String>,
    /// Bytes of source that are used, and that nothing reaches.
    pub used: usize,
    pub unused: usize,
    /// Bytes of its functions in the image, where the assembler tells them.
    pub assembled: Option<usize>,
}

type PackageScripts = Vec<(MinzName, Script)>;

/// What the build scripts of trusted packages say, and who else has one.
fn package_scripts(
    active: &Active<'_>,
    environment: &Environment,
    trusted: &[String],
) -> Result<(PackageScripts, Vec<MinzName>)> {
    let (mut scripts, mut ignored) = (Vec::new(), Vec::new());
    let environment = environment.of_others();
    for package in active.packages.values().filter(|p| p.dir().join(script::FILE).is_file()) {
        let name = package.manifest.name.clone();
        if trusted.iter().any(|t| t == name.as_str()) {
            let scope = Scope { package: package.dir(), project: active.root() };
            scripts.push((name, script::run(scope, &environment)?));
        } else {
            ignored.push(name);
        }
    }
    Ok((scripts, ignored))
}

pub fn build(options: &Options) -> Result<Report> {
    let manifest = Manifest::find(&options.start)?;
    let root = manifest.root().to_path_buf();
    let platform = options.platform;
    if let Emit::Image(container) = options.emit
        && !container.fits(platform)
    {
        let fits = Container::ALL.into_iter().filter(|c| c.fits(platform)).map(Container::name).collect();
        return Err(Error::WrongContainer { platform, container: container.name(), fits });
    }
    let lock = Lock::load(&root)?;
    let path = root.join(crate::lockfile::FILE);
    match &lock {
        Some(lock) => {
            if let Some(what) = lock.difference(&manifest) {
                return Err(Error::LockStale { path, what });
            }
            if options.frozen
                && let Some(what) = Pins::of(&manifest)?.difference(lock)?
            {
                return Err(Error::LockStale { path, what });
            }
            install::check(&root, lock)?;
        }
        None if options.frozen => return Err(Error::NoLock { path }),
        None => {}
    }
    let main = options.main.clone().unwrap_or_else(|| root.join("src/main.minz"));
    let mut selection = options.selection.clone();
    selection.dev |= ["examples", "tests"].iter().any(|folder| lies_in(&main, &root.join(folder)));
    let active = Active::select(&manifest, platform, &selection, options.system_packages.clone())?;
    let definitions = options.definitions.clone();
    let mut environment = Environment { platform, debug: options.debug, definitions };
    let script = script::run(Scope { package: &root, project: &root }, &environment)?;
    environment.definitions = environment.definitions.or(&script.definitions);
    let (scripts, ignored) = package_scripts(&active, &environment, &options.trusted)?;
    let program = Program::load(&active, &main, &environment, &script.includes, &scripts)?;
    let whole = bundle(&program)?;
    let modules = program
        .modules
        .iter()
        .zip(&whole.sizes)
        .map(|(m, (used, unused))| ModuleReport {
            path: m.path.clone(),
            package: m.package.as_ref().map(ToString::to_string),
            used: *used,
            unused: *unused,
            assembled: None,
        })
        .collect();
    let mut report = Report {
        project: manifest.name.to_string(),
        platform,
        output: PathBuf::new(),
        bytes: 0,
        way: Way::Bundle,
        modules,
        unused_modules: shake::unused_modules(&program, &active),
        duplicates: 0,
        traps: Vec::new(),
        assembled: None,
        cached: false,
        scripts: ignored,
    };
    let folder = root.join("build").join(platform.name);
    match options.emit {
        Emit::Bundle => {
            report.bytes = whole.text.len() as u64;
            report.output = match &options.output {
                Some(file) => file.clone(),
                None => {
                    let (dir, map) = (folder.join("bundle"), line_map(&program, &whole));
                    if !is_there(&dir.join("main.map"), map.as_bytes()) {
                        write(&fresh(&root, &folder, "bundle")?.join("main.map"), &map)?;
                    }
                    dir.join("main.minz")
                }
            };
            write(&report.output, &whole.text)?;
        }
        Emit::Staged => {
            let staged = stage(&program, Layout::Flat)?;
            let dir = match &options.output {
                Some(dir) => {
                    // Somebody's folder: filled only when there is nothing in it, or the mark of a
                    // build that was killed.
                    make_dir(dir)?;
                    let mark = dir.join(UNFINISHED);
                    let mut entries = std::fs::read_dir(dir).map_err(Error::io("read", dir))?;
                    let empty = entries.next().transpose().map_err(Error::io("read", dir))?.is_none();
                    if empty {
                        mirror::file::write_scratch(&mark, b"")?;
                    } else if std::fs::symlink_metadata(&mark).is_err() {
                        let source = std::io::ErrorKind::DirectoryNotEmpty.into();
                        return Err(Error::Io { action: "stage into", path: dir.clone(), source });
                    }
                    dir.clone()
                }
                None if holds(&folder.join("staged"), &staged) => folder.join("staged"),
                None => fresh(&root, &folder, "staged")?,
            };
            report.bytes = staged.files.iter().map(|(_, t)| t.len() as u64).sum();
            write_tree(&dir, &staged)?;
            mirror::file::remove(&dir.join(UNFINISHED))?;
            (report.output, report.way, report.traps) = (dir, Way::Staged, staged.traps);
        }
        Emit::Assembly | Emit::Image(_) => {
            let assembly =
                compiled(options, &root, &program, &whole, &|| fresh(&root, &folder, "unit"), &mut report)?;
            let (extension, bytes) = match options.emit {
                Emit::Image(container) => {
                    let made = assembled(options, &assembly, &|| fresh(&root, &folder, "assembler"))?;
                    let bytes = container.write(manifest.name.as_str(), &made.image);
                    weigh(&mut report, &made, &whole);
                    report.assembled = Some(made);
                    (container.name(), bytes)
                }
                _ => (platform.assembly, assembly.into_bytes()),
            };
            // The program has the project's name, every other its file's.
            let stem = main.file_stem().and_then(|stem| stem.to_str());
            let other = stem.filter(|_| !lies_in(&main, &root.join("src")) || !main.ends_with("main.minz"));
            let usual = || folder.join(format!("{}.{extension}", other.unwrap_or(manifest.name.as_str())));
            report.output = options.output.clone().unwrap_or_else(usual);
            report.bytes = bytes.len() as u64;
            write_bytes(&report.output, &bytes)?;
        }
    }
    Ok(report)
}

/// Tells each module's share of the image. A function's name is the compiler's: `MODULE.NAME$TYPES`, or in
/// a bundle the name that it was given there.
fn weigh(report: &mut Report, made: &Assembled, whole: &Bundle) {
    if made.functions.is_empty() {
        return;
    }
    report.modules.iter_mut().for_each(|m| m.assembled = Some(0));
    let main = report.modules.len() - 1;
    for (name, bytes) in &made.functions {
        let name = name.split('$').next().unwrap_or(name);
        let full = match report.way {
            Way::Bundle => whole.names.get(name.rsplit('.').next().unwrap_or(name)).map(String::as_str),
            Way::Packages | Way::Staged => Some(name),
        };
        let path = full.and_then(|full| full.rsplit_once('.')).map(|(path, _)| path);
        let module = path.and_then(|path| report.modules.iter().position(|m| m.path == path)).unwrap_or(main);
        if let Some(sum) = &mut report.modules[module].assembled {
            *sum += bytes;
        }
    }
}

/// What the compiler makes of a program, or made of it before.
fn compiled(
    options: &Options,
    root: &Path,
    program: &Program,
    whole: &Bundle,
    unit: &dyn Fn() -> Result<PathBuf>,
    report: &mut Report,
) -> Result<String> {
    let mut staged = stage(program, Layout::Flat)?;
    staged.traps.extend(elsewhere(program, root));
    let kept = options.cache.as_ref().and_then(|cache| {
        let key = cache.compiled_key(&options.compiler, options.platform, program, whole, &staged)?;
        Some((cache, key))
    });
    if let Some(made) = kept.and_then(|(cache, key)| cache.compiled(key)) {
        (report.way, report.duplicates, report.cached) = (made.way, made.duplicates, true);
        if made.way == Way::Bundle {
            report.traps = staged.traps;
        }
        return Ok(made.text);
    }
    let unit = unit()?;
    // The compiler looks there before it looks beside the main file.
    if let Some(stdlib) = unit.parent().map(|dir| dir.join("stdlib")) {
        match std::fs::remove_dir_all(&stdlib) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(Error::io("clear", &stdlib)(e)),
            _ => {}
        }
    }
    let text = compile(options, program, whole, staged, &unit, report)?;
    let made = Compiled { way: report.way, duplicates: report.duplicates, text };
    if let Some((cache, key)) = kept {
        cache.keep_compiled(key, &made);
    }
    Ok(made.text)
}

/// The same for the assembler.
fn assembled(options: &Options, assembly: &str, folder: &dyn Fn() -> Result<PathBuf>) -> Result<Assembled> {
    let platform = options.platform;
    let kept = options.cache.as_ref().and_then(|cache| Some((cache, cache.image_key(assembly, platform)?)));
    if let Some(made) = kept.and_then(|(cache, key)| cache.image(key)) {
        return Ok(made);
    }
    let made = assemble(assembly, platform, &folder()?, options.limits)?;
    if let Some((cache, key)) = kept {
        cache.keep_image(key, &made);
    }
    Ok(made)
}

/// Gives the compiler what it can take, and returns what it makes of it. `flat`: as files beside `main`.
fn compile(
    options: &Options,
    program: &Program,
    whole: &Bundle,
    flat: Staged,
    unit: &Path,
    report: &mut Report,
) -> Result<String> {
    let platform = options.platform;
    let abilities = compiler::probe(&options.compiler, unit, options.limits)?;
    let job = Job {
        program: &options.compiler,
        directory: unit,
        platform,
        packages: abilities.packages.then_some("packages"),
        limits: options.limits,
    };
    let at = |module: usize, line: u32, column: u32| {
        let m = &program.modules[module];
        m.origin.place_in(&m.source.text, line, column)
    };
    // Where it stands first: the compiler has stopped there.
    let word = |word: &str| {
        program.modules.iter().rev().find_map(|m| {
            let token = m.source.tokens.iter().find(|token| token.is(&m.source.text, word))?;
            Some(m.place(token.start))
        })
    };
    let nothing = HashMap::new();
    let staged = if abilities.packages { stage(program, Layout::Packages)? } else { flat };
    let takes = |t: &Trap| abilities.packages && t.why != SHADOWED;
    let outcome = if staged.traps.iter().all(takes) {
        report.way = if abilities.packages { Way::Packages } else { Way::Staged };
        if abilities.packages {
            make_dir(&unit.join("packages"))?;
        }
        write_tree(unit, &staged)?;
        // The compiler names no file: its lines are the main file's. On the first
        // line the imports that mzp put there shift the columns.
        let main = program.modules.len() - 1;
        let place = |line, column| Some(at(main, line, if line == 1 { 0 } else { column }));
        compiler::compile(&job, &Map { place: &place, word: &word, names: &nothing })?
    } else {
        report.traps = staged.traps;
        write(&unit.join("main.minz"), &whole.text)?;
        // Renamed words shift the columns of a bundle.
        let place = |line: u32, _| {
            let (module, line) = (*whole.map.get(line.checked_sub(1)? as usize)?)?;
            Some(at(module, line, 0))
        };
        compiler::compile(&job, &Map { place: &place, word: &word, names: &whole.names })?
    };
    report.duplicates = outcome.duplicates;
    Ok(outcome.text)
}

/// Whether a file is somewhere in a folder, however both are written.
fn lies_in(file: &Path, folder: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    real(file).starts_with(real(folder))
}

/// In the folder that `--output` names while it is being filled.
const UNFINISHED: &str = ".mzp-unfinished";

/// `build/TARGET/NAME` of the project, empty. None of the three may be a link:
/// a project must not lead its build elsewhere.
fn fresh(root: &Path, folder: &Path, name: &str) -> Result<PathBuf> {
    let dir = folder.join(name);
    for part in [root.join("build").as_path(), folder, &dir] {
        match std::fs::symlink_metadata(part) {
            Ok(m) if !m.is_dir() => {
                let source = std::io::Error::other("it is not a folder");
                return Err(Error::Io { action: "build into", path: part.to_path_buf(), source });
            }
            _ => {}
        }
    }
    match std::fs::remove_dir_all(&dir) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(Error::io("clear", &dir)(e)),
        _ => {}
    }
    make_dir(&dir)?;
    Ok(dir)
}

fn make_dir(dir: &Path) -> Result<()> {
    std::fs::create_dir_all(dir).map_err(Error::io("create", dir))
}

fn write(path: &Path, text: &str) -> Result<()> {
    write_bytes(path, text.as_bytes())
}

fn is_there(path: &Path, bytes: &[u8]) -> bool {
    mirror::file::read(path, bytes.len() as u64).is_ok_and(|old| old == bytes)
}

fn write_bytes(path: &Path, bytes: &[u8]) -> Result<()> {
    if is_there(path, bytes) {
        return Ok(());
    }
    if let Some(dir) = path.parent().filter(|d| !d.as_os_str().is_empty()) {
        make_dir(dir)?;
    }
    Ok(mirror::file::replace_scratch(path, bytes)?)
}

/// Whether a folder has these files and nothing else.
fn holds(dir: &Path, staged: &Staged) -> bool {
    fn files(dir: &Path) -> Option<usize> {
        let mut count = 0;
        for entry in std::fs::read_dir(dir).ok()? {
            let entry = entry.ok()?;
            count += if entry.file_type().ok()?.is_dir() { files(&entry.path())? } else { 1 };
        }
        Some(count)
    }
    files(dir) == Some(staged.files.len())
        && staged.files.iter().all(|(path, text)| is_there(&dir.join(path.as_str()), text.as_bytes()))
}

fn write_tree(dir: &Path, staged: &Staged) -> Result<()> {
    staged.files.iter().try_for_each(|(path, text)| write(&dir.join(path.as_str()), text))
}

/// `LINE<tab>FILE<tab>LINE THERE`, for each line that is somebody's.
fn line_map(program: &Program, whole: &Bundle) -> String {
    let lines: Vec<_> = program.modules.iter().map(|m| m.origin.lines(&m.source.text)).collect();
    let mut out = String::new();
    for (i, origin) in whole.map.iter().enumerate() {
        if let Some((module, line)) = origin
            && let Some((file, line)) = lines[*module].get(*line as usize - 1)
        {
            let file = file.to_string_lossy();
            out.push_str(&format!("{}\t{}\t{line}\n", i + 1, mirror::name::escape(&file)));
        }
    }
    out
}
