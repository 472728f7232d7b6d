//! What people and programs see.
//!
//! Data goes to standard output, everything else to standard error. Nothing
//! else in the project prints. Text from outside is escaped by whoever puts it
//! into a message (`mirror::name::escape`); [`json`] escapes by itself.
//!
//! A closed standard output (`pantry list | head -1`) is not a failure: the
//! rest of the output is dropped, the work goes on, and the status is the work's.

pub mod branches;
pub mod excerpt;
pub mod json;
pub mod log;
pub mod progress;
mod style;

pub use log::{Level, Logger, Subsystem};
pub use progress::{Progress, Unit};
pub use style::Terminal;

use crate::cli::Invocation;
use crate::error::{Error, Result, Status};
use std::io::{self, Write};
use style::{Colour, Symbol};

/// How much is said on standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    Quiet,
    Normal,
    Verbose,
}

/// The one voice of the program.
pub struct Ui {
    terminal: Terminal,
    verbosity: Verbosity,
    json: bool,
    logger: Logger,
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    /// Nobody reads standard output any more.
    closed: bool,
    /// The bar that is on the screen and has to make room for lines.
    progress: Option<Progress>,
}

impl Ui {
    /// Speaks to the process's own streams.
    pub fn new(terminal: Terminal) -> Self {
        Self::with_streams(terminal, Box::new(io::stdout()), Box::new(io::stderr()))
    }

    /// Speaks to any streams; for tests.
    pub fn with_streams(terminal: Terminal, out: Box<dyn Write + Send>, err: Box<dyn Write + Send>) -> Self {
        Self {
            terminal,
            verbosity: Verbosity::Normal,
            json: false,
            logger: Logger::default(),
            out,
            err,
            closed: false,
            progress: None,
        }
    }

    /// Takes over `--quiet`, `--verbose` and `--json`.
    pub fn follow(&mut self, invocation: &Invocation) {
        self.verbosity = match () {
            () if invocation.has("quiet") => Verbosity::Quiet,
            () if invocation.has("verbose") => Verbosity::Verbose,
            () => Verbosity::Normal,
        };
        self.json |= invocation.offers("json") && invocation.has("json");
    }

    /// Errors are shown as JSON from now on.
    pub fn set_json(&mut self, json: bool) {
        self.json = json;
    }
    pub fn set_logger(&mut self, logger: Logger) {
        self.logger = logger;
    }

    pub fn verbosity(&self) -> Verbosity {
        self.verbosity
    }
    /// Whether the command was called with `--json`.
    pub fn is_json(&self) -> bool {
        self.json
    }
    /// Whether nobody reads standard output any more: a long listing may stop.
    pub fn is_closed(&self) -> bool {
        self.closed
    }
    /// Whether more than ASCII can be read there.
    pub fn is_unicode(&self) -> bool {
        self.terminal.is_unicode()
    }
    /// Whether somebody sits there who can answer.
    pub fn can_ask(&self) -> bool {
        io::IsTerminal::is_terminal(&io::stdin()) && self.terminal.shows_progress()
    }

    /// Asks on standard error; the line that is typed.
    ///
    /// # Errors
    /// Standard input cannot be read, or has ended.
    pub fn ask(&mut self, question: &str) -> Result<String> {
        let _ = self.err.write_all(question.as_bytes()).and_then(|()| self.err.flush());
        let mut line = String::new();
        let failed = |source| Error::Io { action: "read", path: "standard input".into(), source };
        match io::stdin().read_line(&mut line).map_err(failed)? {
            0 => Err(Box::new(failed(io::ErrorKind::UnexpectedEof.into()))),
            _ => Ok(line),
        }
    }

    /// A part of a line of data that is to stand out, where standard output shows colours.
    pub fn tinted(&self, text: &str) -> String {
        self.terminal.tinted(text)
    }
    /// For threads: a cheap copy that writes its lines by itself.
    pub fn logger(&self) -> Logger {
        self.logger
    }

    /// Writes data to standard output as it is.
    ///
    /// # Errors
    /// Standard output cannot take it, other than being closed.
    pub fn data(&mut self, text: &str) -> Result<()> {
        self.bytes(text.as_bytes())
    }

    /// The same for what a program of the user's prints, whatever it is.
    ///
    /// # Errors
    /// As [`Ui::data`].
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        if self.closed {
            return Ok(());
        }
        let Self { out, progress, .. } = self;
        let written = aside(progress.as_ref(), || out.write_all(bytes));
        self.settle(written)
    }

    /// Lines of standard error of a program of the user's, whatever they are.
    pub fn errors(&mut self, prefix: &str, bytes: &[u8]) {
        let Self { err, progress, .. } = self;
        let _ =
            aside(progress.as_ref(), || err.write_all(prefix.as_bytes()).and_then(|()| err.write_all(bytes)));
    }

    /// One line of data.
    ///
    /// # Errors
    /// As [`Ui::data`].
    pub fn line(&mut self, text: &str) -> Result<()> {
        self.data(text)?;
        self.data("\n")
    }

    /// One JSON document.
    ///
    /// # Errors
    /// As [`Ui::data`].
    pub fn json(&mut self, fill: impl FnOnce(&mut json::Object<'_>)) -> Result<()> {
        self.line(&json::object(fill))
    }

    /// What is being done or was done: `Installed 3 packages`. Not with `--quiet`.
    pub fn status(&mut self, text: &str) {
        if self.verbosity >= Verbosity::Normal {
            self.say(None, text);
        }
    }

    /// Done and well, with a check mark.
    pub fn success(&mut self, text: &str) {
        if self.verbosity >= Verbosity::Normal {
            self.say(Some((Symbol::Success, Colour::Green)), text);
        }
    }

    /// Something that came: a package, a file.
    pub fn added(&mut self, text: &str) {
        if self.verbosity >= Verbosity::Normal {
            self.say(Some((Symbol::Added, Colour::Green)), text);
        }
    }

    /// Something that went.
    pub fn removed(&mut self, text: &str) {
        if self.verbosity >= Verbosity::Normal {
            self.say(Some((Symbol::Removed, Colour::Red)), text);
        }
    }

    /// Only with `--verbose`.
    pub fn detail(&mut self, text: &str) {
        if self.verbosity >= Verbosity::Verbose {
            self.say(None, text);
        }
    }

    /// Something that may surprise and is not wrong.
    pub fn note(&mut self, text: &str) {
        if self.verbosity >= Verbosity::Normal {
            self.say(Some((Symbol::Note, Colour::Cyan)), text);
        }
    }

    /// Something is wrong, and the work goes on. Shown with `--quiet` too.
    pub fn warn(&mut self, text: &str) {
        self.say(Some((Symbol::Warning, Colour::Yellow)), text);
    }

    /// What would help.
    pub fn hint(&mut self, text: &str) {
        if self.verbosity >= Verbosity::Normal {
            self.say(Some((Symbol::Hint, Colour::Cyan)), text);
        }
    }

    /// Shows what went wrong and what would help, as text on standard error or,
    /// with `--json`, as `{"error": …}` on standard output; gives its exit status.
    pub fn report(&mut self, error: &Error) -> Status {
        self.end_progress();
        let status = error.status();
        let hints: Vec<String> = error.hints().into_iter().map(shortened).collect();
        let message = shortened(error.to_string());
        // Where the document cannot be written, standard error is left.
        if self.json && !self.closed {
            let written = self.json(|document| {
                document.object("error", |body| {
                    body.number("status", u64::from(status.code()));
                    body.text("message", &message);
                    body.array("hints", |list| hints.iter().for_each(|hint| list.text(hint)));
                });
            });
            if written.is_ok() {
                return status;
            }
        }
        self.say(Some((Symbol::Error, Colour::Red)), &message);
        if let Some(lines) = error.excerpt().and_then(|excerpt| excerpt::render(&excerpt)) {
            self.say(None, &lines);
        }
        for hint in &hints {
            self.say(Some((Symbol::Hint, Colour::Cyan)), hint);
        }
        status
    }

    /// A bar for work that may take more than a second. It appears only on a
    /// terminal, and only when the work has really taken that long.
    pub fn progress(&mut self, what: &str, unit: Unit) -> Progress {
        self.end_progress();
        let speaks = self.verbosity >= Verbosity::Normal;
        let shown = self.terminal.shows_progress() && speaks;
        let progress = Progress::new(what, unit, speaks, shown, self.terminal.is_unicode());
        self.progress = Some(progress.clone());
        progress
    }

    /// Takes the bar off the screen.
    pub fn end_progress(&mut self) {
        if let Some(progress) = self.progress.take() {
            progress.finish();
        }
    }

    /// Writes what is left; the status, or the failure to write.
    pub fn finish(&mut self, status: Status) -> Status {
        self.end_progress();
        let flushed = if self.closed { Ok(()) } else { self.out.flush() };
        match self.settle(flushed) {
            Ok(()) => status,
            Err(error) if status == Status::Done => {
                self.json = false;
                self.report(&error)
            }
            Err(_) => status,
        }
    }

    fn settle(&mut self, written: io::Result<()>) -> Result<()> {
        match written {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(())
            }
            Err(source) => {
                self.closed = true;
                Err(Box::new(Error::Io { action: "write to", path: "standard output".into(), source }))
            }
            Ok(()) => Ok(()),
        }
    }

    /// One line or more on standard error. Nothing can be done when that fails.
    fn say(&mut self, mark: Option<(Symbol, Colour)>, text: &str) {
        let mut line = String::with_capacity(text.len() + 16);
        if let Some((symbol, colour)) = mark {
            line.push_str(&self.terminal.mark(symbol, colour));
            line.push(' ');
        }
        line.push_str(text);
        line.push('\n');
        let Self { err, progress, .. } = self;
        let _ = aside(progress.as_ref(), || err.write_all(line.as_bytes()));
    }
}

/// Most characters of one line of an error, whose words may be as long as a file.
const LONGEST: usize = 4000;

fn shortened(message: String) -> String {
    if message.len() <= LONGEST {
        return message;
    }
    let cut = |line: &str| match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_string(),
    };
    message.lines().map(cut).collect::<Vec<_>>().join("\n")
}

/// Writes while the bar, if there is one, is off the screen.
fn aside<T>(progress: Option<&Progress>, write: impl FnOnce() -> T) -> T {
    match progress {
        Some(progress) => progress.aside(write),
        None => write(),
    }
}

#[cfg(test)]
mod tests;
