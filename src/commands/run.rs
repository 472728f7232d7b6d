//! `pantry run`, its short forms `test`, `build` and `dev`, and `pantry scripts`.

mod members;

use crate::cli::{Invocation, suggest};
use crate::error::{Error, Result, Status};
use crate::manifest::{self, Format, Manifest};
use crate::script::{Owner, Surroundings, process, quote, surroundings};
use crate::settings::Settings;
use crate::ui::Ui;
use mirror::name::{BinName, escape};
use mzp::tool;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// A project's scripts: pantry's own manifest before package.json.
struct Scripts {
    root: PathBuf,
    manifests: Vec<Manifest>,
}

impl Scripts {
    fn find(here: &Path) -> Result<Self> {
        let project = manifest::find(here)?;
        Ok(Self { manifests: project.read()?, root: project.root })
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.all().find(|(known, _)| *known == name).map(|(_, text)| text)
    }

    /// In the order of the files; what stands in both, once.
    fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        let before = |i: usize, name: &str| {
            self.manifests[..i].iter().any(|m| m.scripts.iter().any(|(known, _)| known == name))
        };
        self.manifests.iter().enumerate().flat_map(move |(i, manifest)| {
            let own = manifest.scripts.iter().filter(move |(name, _)| !before(i, name));
            own.map(|(name, text)| (name.as_str(), text.as_str()))
        })
    }

    fn name(&self) -> Option<&str> {
        self.manifests.iter().find_map(|m| m.name.as_ref()).map(|name| name.as_str())
    }

    fn version(&self) -> Option<String> {
        self.manifests.iter().find_map(|m| m.version.as_ref()).map(ToString::to_string)
    }

    fn owner<'a>(&'a self, version: Option<&'a str>) -> Owner<'a> {
        Owner { dir: &self.root, manifest: self.file(), name: self.name(), version }
    }

    /// The file that programs written for npm look into.
    fn file(&self) -> &Path {
        let npm = self.manifests.iter().find(|m| m.format == Format::PackageJson);
        npm.or(self.manifests.first()).map_or(&self.root, |m| &m.path)
    }
}

pub fn run(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    match invocation.argument(0)? {
        Some(name) => script(name, invocation, settings, ui),
        None => list(invocation, settings, ui),
    }
}

/// `pantry test` and its like: the command's name is the script's.
pub fn named(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    script(invocation.command.name, invocation, settings, ui)
}

pub fn list(_: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let scripts = Scripts::find(&settings.working_directory()?)?;
    if ui.is_json() {
        ui.json(|o| {
            o.maybe_text("name", scripts.name());
            o.object("scripts", |o| scripts.all().for_each(|(name, text)| o.text(name, text)));
        })?;
        return Ok(Status::Done);
    }
    let mut some = false;
    for (name, text) in scripts.all() {
        some = true;
        ui.line(&escape(&format!("{name}: {text}")))?;
    }
    if !some {
        ui.note(&format!("{} has no scripts", shown(scripts.file())));
    }
    Ok(Status::Done)
}

fn script(name: &str, invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    if ["filter", "parallel", "sequential"].iter().any(|flag| given(invocation, flag)) {
        return members::run(name, invocation, settings, ui);
    }
    let here = settings.working_directory()?;
    let scripts = Scripts::find(&here)?;
    let surroundings = Surroundings::new(settings, "run", &here);
    let Some(steps) = steps(name, &scripts, invocation) else {
        if let Some(program) = installed(name, &scripts.root) {
            let version = scripts.version();
            let mut command = surroundings.program(program.as_os_str(), &scripts.owner(version.as_deref()));
            command.args(&invocation.passed_on).current_dir(&here);
            let child = process::spawn(&mut command).map_err(|e| not_started(&command, e))?;
            let status = process::wait(child).map_err(|e| not_started(&command, e))?;
            return Ok(if status == 0 { Status::Done } else { Status::Child(status) });
        }
        return if given(invocation, "if-present") { Ok(Status::Done) } else { Err(unknown(name, &scripts)) };
    };
    run_steps(&steps, &scripts, &surroundings, ui)?;
    Ok(Status::Done)
}

fn given(invocation: &Invocation, flag: &str) -> bool {
    invocation.offers(flag) && invocation.has(flag)
}

/// One script of a chain: its name and what the shell is given.
type Step = (String, OsString);

/// `preNAME`, `NAME` and `postNAME`, as far as they are there; `None` where there is no `NAME`.
fn steps(name: &str, scripts: &Scripts, invocation: &Invocation) -> Option<Vec<Step>> {
    // npm's own meaning of `start` where nothing is said.
    let server = || (name == "start" && scripts.root.join("server.js").is_file()).then_some("node server.js");
    let text = scripts.get(name).or_else(server)?;
    let around = |prefix: &str| {
        let event = format!("{prefix}{name}");
        let text = scripts.get(&event).filter(|_| !given(invocation, "ignore-scripts")).map(OsString::from);
        text.map(|text| (event, text))
    };
    let itself = Some((name.to_string(), quote::line(text, &invocation.passed_on)));
    Some([around("pre"), itself, around("post")].into_iter().flatten().collect())
}

/// Runs a chain, which has the terminal, to its end or its first failure.
fn run_steps(steps: &[Step], scripts: &Scripts, surroundings: &Surroundings, ui: &mut Ui) -> Result<()> {
    let version = scripts.version();
    for (event, text) in steps {
        if let Some(status) = process::ending() {
            return Err(ended(event, status));
        }
        ui.status(&format!("$ {}", escape(&text.to_string_lossy())));
        let mut command = surroundings.script(&scripts.owner(version.as_deref()), event, text);
        let child = process::spawn(&mut command).map_err(|e| not_started(&command, e))?;
        let status = process::wait(child).map_err(|e| not_started(&command, e))?;
        if status != 0 {
            return Err(ended(event, status));
        }
    }
    Ok(())
}

/// The program of that name in a `node_modules/.bin` upwards.
pub fn installed(name: &str, root: &Path) -> Option<PathBuf> {
    BinName::parse(name).ok()?;
    let folders: Vec<PathBuf> = surroundings::bin_folders(root).collect();
    // One that cannot be started is this project's all the same, and no reason to ask a registry for its name.
    let any = || folders.iter().map(|f| f.join(name)).find(|file| file.symlink_metadata().is_ok());
    tool::find(OsStr::new(name), &folders).or_else(any)
}

pub fn not_started(command: &std::process::Command, source: std::io::Error) -> Box<Error> {
    Box::new(Error::Io { action: "start", path: command.get_program().into(), source })
}

fn ended(event: &str, status: u8) -> Box<Error> {
    let message = format!("the script `{}` {}", escape(event), process::how(status));
    Box::new(Error::Other { status: Status::Child(status), message, hints: Vec::new() })
}

fn unknown(name: &str, scripts: &Scripts) -> Box<Error> {
    let hint = match suggest::closest(name, scripts.all().map(|(name, _)| name)) {
        Some(near) => format!("did you mean `{}`?", escape(near)),
        None => "`pantry scripts` lists the scripts".to_string(),
    };
    let message = format!("{} has no script `{}`", shown(scripts.file()), escape(name));
    Box::new(Error::Other { status: Status::Failed, message, hints: vec![hint] })
}

fn shown(path: &Path) -> String {
    escape(&path.to_string_lossy()).into_owned()
}
