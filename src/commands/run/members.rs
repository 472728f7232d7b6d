//! A script in several members of a workspace: one after the other, those that others need first; or at once, each
//! line with the member's name in front.

use super::{Scripts, Step, ended, given, not_started, run_steps, steps};
use crate::cli::Invocation;
use crate::error::{Error, Result, Status};
use crate::install::fill::in_parallel;
use crate::manifest;
use crate::manifest::workspace::{around, matches, workspace};
use crate::project::filter::{folders, select};
use crate::script::{Surroundings, process};
use crate::settings::Settings;
use crate::ui::Ui;
use mirror::name::escape;
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};

/// Members at a time, with `--parallel`.
const MOST: usize = 16;
/// Bytes of a line; what is longer is more than one.
const LINE: u64 = 64 << 10;

pub fn run(name: &str, invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let here = settings.working_directory()?;
    let project = manifest::find(&here)?;
    let project = around(&project, &mut None)?.map_or(project, |(root, _)| root);
    let manifests = project.read()?;
    let found = workspace(&project.root, &manifests)?;
    let mut folders = folders(&project.root, &manifests, &found)?;
    // A script of the root that runs this one in its members is not to run itself.
    folders.pop();
    let selectors = if invocation.offers("filter") { invocation.texts("filter")? } else { Vec::new() };
    let mut chosen: Vec<(String, Scripts, Vec<Step>)> = Vec::new();
    for i in select(&selectors, &folders, &matches)? {
        let root = project.root.join(&folders[i].path);
        let scripts = Scripts { root, manifests: found.members[i].manifests.clone() };
        if let Some(steps) = steps(name, &scripts, invocation) {
            chosen.push((folders[i].name.clone(), scripts, steps));
        }
    }
    if chosen.is_empty() {
        if given(invocation, "if-present") {
            return Ok(Status::Done);
        }
        return Err(Box::new(Error::Other {
            status: Status::Failed,
            message: format!("none of these members has a script `{}`", escape(name)),
            hints: vec!["`pantry scripts` lists those of one folder".into()],
        }));
    }
    let surroundings = Surroundings::new(settings, "run", &here);
    if !given(invocation, "parallel") {
        for (member, scripts, steps) in &chosen {
            ui.status(&format!("{}:", escape(member)));
            run_steps(steps, scripts, &surroundings, ui).map_err(|e| of(member, e))?;
        }
        return Ok(Status::Done);
    }
    let width = chosen.iter().map(|(member, ..)| member.len()).max().unwrap_or(0);
    let ui = Mutex::new(ui);
    in_parallel(&chosen, MOST, |(member, scripts, steps)| {
        let prefix = format!("{member:width$} | ");
        at_once(&prefix, scripts, steps, &surroundings, &ui).map_err(|e| of(member, e))
    })?;
    Ok(Status::Done)
}

fn of(member: &str, error: Box<Error>) -> Box<Error> {
    let status = error.status();
    Box::new(Error::Other { status, message: format!("{}: {error}", escape(member)), hints: error.hints() })
}

/// A chain of scripts whose lines get `prefix`.
fn at_once(
    prefix: &str,
    scripts: &Scripts,
    steps: &[Step],
    surroundings: &Surroundings,
    ui: &Mutex<&mut Ui>,
) -> Result<()> {
    let version = scripts.version();
    let lock = || ui.lock().unwrap_or_else(PoisonError::into_inner);
    for (event, text) in steps {
        if let Some(status) = process::ending() {
            return Err(ended(event, status));
        }
        lock().status(&format!("{prefix}$ {}", escape(&text.to_string_lossy())));
        let mut command = surroundings.script(&scripts.owner(version.as_deref()), event, text);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = process::spawn(&mut command).map_err(|e| not_started(&command, e))?;
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let written = std::thread::scope(|scope| {
            let errors = scope.spawn(|| {
                each_line(err, &mut |line| {
                    lock().errors(prefix, line);
                    Ok(())
                })
            });
            let written = each_line(out, &mut |line| {
                let mut ui = lock();
                ui.data(prefix)?;
                ui.bytes(line)
            });
            written.and(errors.join().unwrap_or(Ok(())))
        });
        let status = process::wait(child).map_err(|e| not_started(&command, e))?;
        written?;
        if status != 0 {
            return Err(ended(event, status));
        }
    }
    Ok(())
}

/// Every line with its end; the last gets one where it has none.
fn each_line(stream: Option<impl Read>, line: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let Some(stream) = stream else { return Ok(()) };
    let mut reader = BufReader::new(stream);
    let mut bytes = Vec::new();
    let mut outcome = Ok(());
    // Read to the end whatever becomes of it: nobody is to wait for a full pipe.
    while (&mut reader).take(LINE).read_until(b'\n', &mut bytes).unwrap_or(0) > 0 {
        if !bytes.ends_with(b"\n") {
            bytes.push(b'\n');
        }
        outcome = outcome.and_then(|()| line(&bytes));
        bytes.clear();
    }
    outcome
}
