//! `mzp run`: the program, built and run, in the built-in machine or an emulator.

use crate::cli::Invocation;
use crate::commands::mirror::count;
use crate::error::{Error, Result, Status};
use crate::settings::Settings;
use crate::ui::Ui;
use mirror::name::escape;
use mzp::build::{Emit, Options, Report, build};
use mzp::container::Container;
use mzp::machine::{self, Ending, Outcome};
use mzp::manifest::Manifest;
use std::io::{self, BufReader, LineWriter, Write};
use std::path::Path;
use std::process::Command;

/// What a program may take when nothing is said: five minutes of a machine of 3.5 MHz.
pub(super) const CYCLES: u64 = 1_000_000_000;

pub fn run(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let mut options = super::build::options(invocation, settings, ui)?;
    let platform = options.platform;
    options.main = match (invocation.argument_path(0), invocation.text("example")?) {
        (Some(_), Some(_)) => {
            return Err(Box::new(Error::Usage {
                message: "a FILE and --example are both given".into(),
                hint: None,
            }));
        }
        (None, Some(name)) => {
            options.selection.dev = true;
            Some(Manifest::find(&options.start)?.root().join("examples").join(format!("{name}.minz")))
        }
        (file, None) => file.map(|path| options.start.join(path)),
    };
    // The counting is the built-in machine's.
    let counted = invocation.has("cycles") || invocation.has("max-cycles");
    let usual = settings.emulator.as_deref().filter(|_| !counted);
    if !invocation.passed_on.is_empty() && platform.name != "cpm" {
        let message = format!("a program for {platform} takes no arguments: only CP/M has a command line");
        return Err(Box::new(Error::Usage { message, hint: None }));
    }
    if let Some(emulator) = invocation.text("emulator")?.or(usual) {
        options.emit = Emit::Image(Container::usual(platform));
        return emulate(emulator, &options);
    }
    options.emit = Emit::Image(Container::Binary);
    let report = build(&options)?;
    let tail: Vec<_> = invocation.passed_on.iter().map(|word| word.to_string_lossy()).collect();
    let limit = invocation.number("max-cycles").unwrap_or(CYCLES);
    let (outcome, written) = {
        let mut output = LineWriter::new(Out { ui, failed: None });
        let outcome = start(&report, &tail.join(" "), limit, &mut BufReader::new(io::stdin()), &mut output);
        (outcome, output.into_inner().map_or(None, |out| out.failed))
    };
    if let Some(error) = written {
        return Err(error);
    }
    if ui.is_closed() {
        return Ok(Status::Done);
    }
    let outcome = outcome?;
    if invocation.has("cycles") {
        ui.note(&count(outcome.cycles, "cycle", "cycles"));
    }
    match outcome.ending {
        Ending::Done => Ok(Status::Done),
        Ending::Status(code) => Ok(Status::Child(code)),
        ending => Err(unfinished(&ending, limit)),
    }
}

/// Runs what was built.
pub(super) fn start(
    report: &Report,
    tail: &str,
    limit: u64,
    input: &mut dyn io::BufRead,
    output: &mut dyn Write,
) -> Result<Outcome> {
    let Some(made) = &report.assembled else {
        return Err(Box::new(Error::Io {
            action: "run",
            path: report.output.clone(),
            source: io::ErrorKind::NotFound.into(),
        }));
    };
    machine::run(report.platform, &made.image, tail, limit, input, output)
        .map_err(Error::io("run", &report.output))
}

/// A run that came to no good end, in words.
pub(super) fn unfinished(ending: &Ending, limit: u64) -> Box<Error> {
    let (message, hint) = match ending {
        Ending::Lost { address, what } => (
            format!("the program went to {address:#06x}: it {what}"),
            "--emulator COMMAND runs it on a whole machine",
        ),
        _ => (format!("the program did not end within {limit} cycles"), "--max-cycles N allows more"),
    };
    Box::new(Error::Other { status: Status::Failed, message, hints: vec![hint.into()] })
}

/// Gives the machine's usual file to `COMMAND`, and passes on how that ends.
fn emulate(command: &str, options: &Options) -> Result<Status> {
    let mut words = command.split_whitespace();
    let Some(program) = words.next() else {
        return Err(Box::new(Error::Usage { message: "--emulator needs a command".into(), hint: None }));
    };
    let report = build(options)?;
    let status = Command::new(program)
        .args(words)
        .arg(&report.output)
        .current_dir(&options.start)
        .status()
        .map_err(Error::io("start", Path::new(program)))?;
    match status.code() {
        Some(0) => Ok(Status::Done),
        Some(code) => Ok(Status::Child(u8::try_from(code).unwrap_or(1))),
        None => Err(Box::new(Error::Other {
            status: Status::Failed,
            message: format!("{} was ended by a signal", escape(program)),
            hints: Vec::new(),
        })),
    }
}

/// Standard output by way of the terminal's one owner; ends the run when it is closed.
struct Out<'a> {
    ui: &'a mut Ui,
    failed: Option<Box<Error>>,
}

impl Write for Out<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.failed.is_none() {
            self.failed = self.ui.bytes(bytes).err();
        }
        if self.failed.is_some() || self.ui.is_closed() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
