//! `mzp test`: each file of `tests/`, built, run, and compared with what its header expects.

use super::run::{CYCLES, start, unfinished};
use crate::cli::Invocation;
use crate::commands::mirror::count;
use crate::error::{Error, Result, Status};
use crate::settings::Settings;
use crate::ui::Ui;
use mirror::name::escape;
use mzp::build::{Emit, Options, build};
use mzp::container::Container;
use mzp::machine::{Ending, can_run};
use mzp::manifest::Manifest;
use mzp::test::{Expectation, files};
use std::path::{Path, PathBuf};

/// How one file went.
struct Tested {
    file: String,
    verdict: Verdict,
}

enum Verdict {
    Passed,
    Skipped,
    /// Why, and what was expected and printed where that is it.
    Failed {
        why: String,
        compared: Option<(String, String)>,
    },
}

pub fn run(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let mut options = super::build::options(invocation, settings, ui)?;
    options.emit = Emit::Image(Container::Binary);
    options.selection.dev = true;
    let platform = options.platform;
    if !can_run(platform) {
        return Err(Box::new(Error::Other {
            status: Status::Failed,
            message: format!("there is no runner for {platform} here"),
            hints: vec!["--target NAME tests for another machine".into()],
        }));
    }
    let here = options.start.clone();
    let list: Vec<PathBuf> = match invocation.arguments.as_slice() {
        [] => files(Manifest::find(&here)?.root())?,
        named => named.iter().map(|file| here.join(file)).collect(),
    };
    let mut results = Vec::new();
    for file in list {
        let shown = super::shown(&file, &here);
        let expected = Expectation::read(&file)?;
        let verdict = match expected.is_for(platform) {
            true => one(&file, &expected, &mut options)?,
            false => Verdict::Skipped,
        };
        match &verdict {
            Verdict::Passed => ui.success(&shown),
            Verdict::Skipped => ui.detail(&format!("{shown}: not for {platform}")),
            Verdict::Failed { why, compared } => {
                ui.warn(&format!("{shown}: {why}"));
                if let Some((expected, printed)) = compared {
                    for (what, text) in [("expected", expected), ("printed", printed)] {
                        ui.note(&format!("{what}:"));
                        text.lines().for_each(|line| ui.note(&format!("  {}", escape(line))));
                    }
                }
            }
        }
        results.push(Tested { file: shown, verdict });
    }
    finish(&results, ui)
}

/// A file that cannot be built or run is a test that failed, not an end of all.
fn one(file: &Path, expected: &Expectation, options: &mut Options) -> Result<Verdict> {
    options.main = Some(file.to_path_buf());
    let limit = expected.cycles.unwrap_or(CYCLES);
    let mut printed = Vec::new();
    let outcome = match build(options).map_err(Box::from) {
        Ok(report) => start(&report, "", limit, &mut &b""[..], &mut printed),
        Err(e) => Err(e),
    };
    let failed = |why: String, compared| Ok(Verdict::Failed { why, compared });
    match outcome {
        // Nothing can be tested without them.
        Err(e) if matches!(&*e, Error::Mzp(e) if matches!(**e, mzp::Error::NoAssembler { .. })) => Err(e),
        Err(e) => failed(e.to_string(), None),
        Ok(outcome) => match outcome.ending {
            Ending::Done => match expected.difference(&printed) {
                None => Ok(Verdict::Passed),
                compared => failed("it printed something else".into(), compared),
            },
            Ending::Status(code) => failed(format!("it ended with {code}"), None),
            ending => failed(unfinished(&ending, limit).to_string(), None),
        },
    }
}

fn finish(results: &[Tested], ui: &mut Ui) -> Result<Status> {
    let number = |wanted: fn(&Verdict) -> bool| results.iter().filter(|r| wanted(&r.verdict)).count() as u64;
    let passed = number(|v| matches!(v, Verdict::Passed));
    let failed = number(|v| matches!(v, Verdict::Failed { .. }));
    let skipped = number(|v| matches!(v, Verdict::Skipped));
    if ui.is_json() {
        ui.json(|o| {
            o.array("tests", |list| {
                for r in results {
                    list.object(|o| {
                        o.text("file", &r.file);
                        let (verdict, why) = match &r.verdict {
                            Verdict::Passed => ("passed", None),
                            Verdict::Skipped => ("skipped", None),
                            Verdict::Failed { why, .. } => ("failed", Some(why.as_str())),
                        };
                        o.text("verdict", verdict);
                        o.maybe_text("why", why);
                        if let Verdict::Failed { compared: Some((expected, printed)), .. } = &r.verdict {
                            o.text("expected", expected);
                            o.text("printed", printed);
                        }
                    });
                }
            });
            o.number("passed", passed);
            o.number("failed", failed);
            o.number("skipped", skipped);
        })?;
    } else {
        let skipped = if skipped > 0 { format!(", {skipped} skipped") } else { String::new() };
        ui.line(&format!("{passed} passed, {failed} failed{skipped}"))?;
    }
    if results.is_empty() {
        ui.note(&format!("{} in tests/", count(0, "file", "files")));
    }
    Ok(if failed > 0 { Status::Failed } else { Status::Done })
}
