//! What a MinZ user trips over, looked at one by one: the compiler and its parser,
//! assemblers, an emulator, mirrors, the project. Nothing is changed.

use crate::assembler;
use crate::compiler::{self, Job, Limits, Map};
use crate::error::{CompilerProblem, Error, Result};
use crate::install::mark::{State, state};
use crate::lockfile::Lock;
use crate::manifest::Manifest;
use crate::origin::Origin;
use crate::platform::{Cpu, Platform};
use crate::program::active::{Active, Selection};
use crate::registry::Registry;
use crate::tool;
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What is looked at, and where.
pub struct Options<'a> {
    pub start: &'a Path,
    pub compiler: OsString,
    /// The folders of PATH.
    pub path: Vec<PathBuf>,
    /// A folder that can be made, for a small program.
    pub scratch: PathBuf,
    pub emulator: Option<&'a str>,
    pub default_target: Option<&'static Platform>,
    /// Each with the mirror it is made of, and whether somebody named that.
    pub mirrors: Vec<(PathBuf, Registry, bool)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    Ok,
    /// Some things will not work; a build here will.
    Missing,
    /// No build here.
    Broken,
}

#[derive(Debug)]
pub struct Check {
    pub what: &'static str,
    pub health: Health,
    /// Not escaped.
    pub found: String,
    /// What helps.
    pub hint: &'static str,
}

const fn check(what: &'static str, health: Health, found: String, hint: &'static str) -> Check {
    Check { what, health, found, hint }
}

const SOURCE: &str = "fun main() -> void {\n    @print(\"Hi\");\n}\n";
const COMPILER: &str =
    "name the MinZ compiler with MZ, or `mz` in ~/.mzp/config.toml; `mzp build --emit bundle` needs none";
const PARSER: &str = "the compiler starts the program `tree-sitter`, with its grammar beside itself or in MINZ_GRAMMAR; `npm install -g tree-sitter-cli` installs the program";
const PACKAGES: &str = "`mzp install` puts the packages in place";

pub fn doctor(options: &Options<'_>) -> Vec<Check> {
    let mut checks = Vec::new();
    let manifest = Manifest::find(options.start);
    let platform = match &manifest {
        Ok(manifest) => manifest.platform_or(options.default_target),
        Err(_) => options.default_target.unwrap_or(Platform::usual()),
    };
    compiler(options, platform, &mut checks);
    for cpu in [Cpu::Z80, Cpu::Mos6502] {
        let (what, hint) = match cpu {
            Cpu::Z80 => {
                ("Z80 assembler", "mza, sjasmplus or pasmo makes programs of assembly (Debian: pasmo)")
            }
            _ => ("6502 assembler", "ca65 and ld65 make programs of assembly (Debian: cc65)"),
        };
        // The linker comes with its assembler, or both are of no use.
        let linked = |name: &&str| *name != "ca65" || find(options, "ld65").is_some();
        let found: Vec<_> =
            assembler::known(cpu).into_iter().filter(|n| find(options, n).is_some()).filter(linked).collect();
        checks.push(match found.is_empty() {
            true => check(what, Health::Missing, "none on the PATH".into(), hint),
            false => check(what, Health::Ok, found.join(", "), ""),
        });
    }
    checks.push(match options.emulator.map(|e| e.split(' ').next().unwrap_or(e)) {
        None => check("emulator", Health::Ok, "the built-in machine".into(), ""),
        Some(program) => match find(options, program) {
            Some(path) => check("emulator", Health::Ok, path.to_string_lossy().into_owned(), ""),
            None => {
                check("emulator", Health::Missing, program.into(), "correct `emulator` in ~/.mzp/config.toml")
            }
        },
    });
    for (dir, registry, named) in &options.mirrors {
        let mut packages = 0;
        let counted = registry.for_each(&mut |view| {
            packages += usize::from((0..view.len()).any(|i| view.is_present(i)));
            Ok(())
        });
        let shown = dir.to_string_lossy();
        checks.push(match counted {
            Ok(()) => check("mirror", Health::Ok, format!("{shown}: MinZ packages: {packages}"), ""),
            Err(_) if !named && !dir.exists() => check(
                "mirror",
                Health::Missing,
                format!("{shown} is not there yet"),
                "`pantry mirror add FILE` makes it",
            ),
            Err(e) => check(
                "mirror",
                Health::Missing,
                e.to_string(),
                "`pantry mirror init` makes one, `pantry mirror verify` looks at every byte",
            ),
        });
    }
    match manifest {
        Ok(manifest) => project(&manifest, platform, &mut checks),
        Err(Error::NoProject { .. }) => {
            checks.push(check("project", Health::Missing, "none here".into(), "`mzp init` makes one"));
        }
        Err(e) => checks.push(check("project", Health::Broken, e.to_string(), "correct mzp.toml")),
    }
    checks
}

/// The program itself, its parser, and whether it compiles anything.
fn compiler(options: &Options<'_>, platform: &'static Platform, checks: &mut Vec<Check>) {
    let name = options.compiler.to_string_lossy().into_owned();
    let parser = || match find(options, "tree-sitter") {
        Some(path) => check("tree-sitter", Health::Ok, path.to_string_lossy().into_owned(), ""),
        None => check("tree-sitter", Health::Missing, "not on the PATH".into(), PARSER),
    };
    let Some(path) = find(options, &name) else {
        checks.extend([check("compiler", Health::Broken, format!("{name} is not here"), COMPILER), parser()]);
        return;
    };
    let shown = path.to_string_lossy();
    let limits = Limits { time: Duration::from_secs(10), ..Limits::default() };
    if let Err(e) = std::fs::create_dir(&options.scratch) {
        let found = Error::io("create", &options.scratch)(e).to_string();
        checks.push(check("compiler", Health::Broken, found, "TMPDIR names a folder for such files"));
        return;
    }
    let compiled = compile(&path, &options.scratch, platform, limits);
    let _ = std::fs::remove_dir_all(&options.scratch);
    let no_parser = matches!(&compiled, Err(Error::Compiler(f)) if f.kind == CompilerProblem::NoParser);
    checks.push(match compiled {
        Ok((packages, true)) => {
            let way = if packages { "with" } else { "without" };
            check("compiler", Health::Ok, format!("{shown}, {way} --packages"), "")
        }
        Ok((_, false)) => {
            check("compiler", Health::Broken, format!("{shown} does not answer --help"), COMPILER)
        }
        Err(e) if no_parser => check("compiler", Health::Broken, e.to_string(), PARSER),
        Err(e) => check(
            "compiler",
            Health::Broken,
            e.to_string(),
            "it cannot compile three lines; install it again",
        ),
    });
    checks.push(parser());
}

/// Whether it takes `--packages`, and answers at all; then, whether it compiles.
fn compile(
    program: &Path,
    directory: &Path,
    platform: &'static Platform,
    limits: Limits,
) -> Result<(bool, bool)> {
    let abilities = compiler::probe(program.as_os_str(), directory, limits)?;
    if abilities.answers {
        mirror::file::write_scratch(&directory.join("main.minz"), SOURCE.as_bytes())?;
        let job = Job { program: program.as_os_str(), directory, platform, packages: None, limits };
        compiler::compile(&job, &Map { place: &|_, _| None, word: &|_| None, names: &HashMap::new() })?;
    }
    Ok((abilities.packages, abilities.answers))
}

fn project(manifest: &Manifest, platform: &'static Platform, checks: &mut Vec<Check>) {
    let root = manifest.root();
    let found = format!("{} {} for {platform}", manifest.name, manifest.version);
    checks.push(check("project", Health::Ok, found, ""));
    let active = Active::select(manifest, platform, &Selection::default(), None);
    let lock = match Lock::require(manifest) {
        Ok(lock) => lock,
        Err(e) => {
            // A project without packages builds without a lock.
            let health = match (&e, &active) {
                (Error::NoLock { .. }, Ok(_)) => Health::Missing,
                _ => Health::Broken,
            };
            checks.push(check("mzp.lock", health, e.to_string(), "`mzp install` writes it"));
            return;
        }
    };
    checks.push(check("mzp.lock", Health::Ok, "fits mzp.toml".into(), ""));
    let mut odd = Vec::new();
    for p in &lock.packages {
        if matches!(p.origin, Origin::Folder(_)) {
            continue;
        }
        match state(&root.join("packages").join(p.name.as_str())) {
            Ok(State::Whole(m)) if m.version == p.version && m.sha256 == p.sha256 => {}
            _ => odd.push(p.name.as_str()),
        }
    }
    checks.push(match (active.and_then(|_| crate::install::check(root, &lock)), odd.as_slice()) {
        (Err(e), _) => check("packages", Health::Broken, e.to_string(), PACKAGES),
        (Ok(()), []) => check("packages", Health::Ok, format!("whole: {}", lock.packages.len()), ""),
        (Ok(()), odd) => {
            check("packages", Health::Missing, format!("not as locked: {}", odd.join(", ")), PACKAGES)
        }
    });
}

/// A program by its path, or on the PATH.
fn find(options: &Options<'_>, program: &str) -> Option<PathBuf> {
    match program.contains('/') {
        true => tool::find(options.start.join(program).as_os_str(), &[]),
        false => tool::find(OsStr::new(program), &options.path),
    }
}
