//! Steps that run programs: `pantry`, `mzp`, `exec PROGRAM`, `wait`, and the prefixes that change how.
//!
//! ```text
//! unshare CMD      without any network (a namespace of its own)
//! no-connect CMD   under strace: not one connect()
//! as-nobody CMD    without root's rights
//! memory MB CMD    under a limit of address space
//! parallel N CMD   N at once
//! within S CMD     must end within S seconds: a minute or more, for machines are busy
//! ```

use std::ffi::OsString;
use std::fs;
use std::time::Duration;

use super::case::{Case, LIMIT, Outcome, Stop};
use super::process::{self, Output, Run};
use super::script::{Step, Wanted};
use super::steps_files;

struct Plan {
    argv: Vec<OsString>,
    copies: usize,
    limit: Duration,
    must_end: bool,
    trace: Option<std::path::PathBuf>,
    ours: bool,
}

pub fn step(case: &mut Case, step: &Step, words: &[String]) -> Result<bool, Stop> {
    if words[0] == "wait" {
        for (step, running) in std::mem::take(&mut case.background) {
            case.last = running.wait()?;
            judge(case, &step, true)?;
        }
        return Ok(true);
    }
    let Some(plan) = plan(case, words)? else { return Ok(false) };
    let run = Run {
        argv: plan.argv,
        env: case.env.iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
        cwd: case.cwd.clone(),
        stdin: std::mem::take(&mut case.stdin),
        limit: plan.limit,
    };
    if step.background {
        case.background.push((step.clone(), run.spawn()?));
        return Ok(true);
    }
    let mut running = Vec::new();
    for _ in 0..plan.copies {
        running.push(run.spawn()?);
    }
    let mut all = Output::default();
    for one in running {
        case.last = one.wait()?;
        if plan.must_end && case.last.timed_out {
            return Err(format!("did not end within {:?}", plan.limit).into());
        } else {
            judge(case, step, plan.ours)?;
        }
        all.status = all.status.max(case.last.status);
        all.stdout.append(&mut case.last.stdout);
        all.stderr.append(&mut case.last.stderr);
        all.took = all.took.max(case.last.took);
    }
    case.last = all;
    if let Some(trace) = plan.trace {
        let calls = fs::read_to_string(&trace)?;
        fs::remove_file(&trace)?;
        let connects: Vec<_> =
            calls.lines().filter(|l| l.contains("connect(") || l.contains("sendto(")).collect();
        if !connects.is_empty() {
            return Err(format!("connections were tried:\n{}", connects.join("\n")).into());
        }
    }
    Ok(true)
}

fn plan(case: &mut Case, words: &[String]) -> Result<Option<Plan>, Stop> {
    let mut plan =
        Plan { argv: Vec::new(), copies: 1, limit: LIMIT, must_end: false, trace: None, ours: true };
    let mut rest = words;
    loop {
        let number = |at: usize| -> Result<u64, Stop> {
            rest.get(at)
                .and_then(|w| w.parse().ok())
                .ok_or_else(|| format!("`{}` wants a number", rest[0]).into())
        };
        let mut prefix = |words: &[&str]| plan.argv.extend(words.iter().map(OsString::from));
        match rest.first().map(String::as_str) {
            Some("unshare") => {
                need("unshare", "network namespaces")?;
                prefix(&["unshare", "-rn"]);
                rest = &rest[1..];
            }
            Some("as-nobody") => {
                if process::is_root() {
                    need("setpriv", "setpriv")?;
                    readable_by_nobody(case)?;
                    let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
                    let bin = case.root.join("bin/pantry").to_string_lossy().into_owned();
                    if !process::works(&[&nobody[..], &["test", "-x", &bin]].concat()) {
                        return Err(Stop::Skip("nobody cannot reach the temporary folder".into()));
                    }
                    prefix(&nobody);
                }
                rest = &rest[1..];
            }
            Some("no-connect") => {
                need("strace", "strace")?;
                case.traces += 1;
                let trace = case.root.join(format!("of-the-harness-trace-{}", case.traces));
                prefix(&[
                    "strace",
                    "-f",
                    "-qq",
                    "-e",
                    "trace=connect,sendto",
                    "-o",
                    &trace.to_string_lossy(),
                ]);
                plan.trace = Some(trace);
                rest = &rest[1..];
            }
            Some("memory") => {
                need("prlimit", "prlimit")?;
                prefix(&["prlimit", &format!("--as={}", number(1)? << 20)]);
                rest = &rest[2..];
            }
            Some("parallel") => {
                plan.copies = usize::try_from(number(1)?).unwrap_or(1);
                rest = &rest[2..];
            }
            Some("within") => {
                (plan.limit, plan.must_end) = (Duration::from_secs(number(1)?), true);
                rest = &rest[2..];
            }
            _ => break,
        }
    }
    match rest.first().map(String::as_str) {
        Some(program @ ("pantry" | "mzp")) => plan.argv.push(case.root.join("bin").join(program).into()),
        Some("exec") if rest.len() > 1 => {
            plan.ours = false;
            rest = &rest[1..];
            plan.argv.push(rest[0].clone().into());
        }
        _ => return Ok(None),
    }
    plan.argv.extend(rest[1..].iter().map(OsString::from));
    Ok(Some(plan))
}

fn need(what: &str, called: &str) -> Outcome {
    if process::can(what) == Some(true) { Ok(()) } else { Err(Stop::Skip(format!("no {called} here"))) }
}

/// The binary lies where only its owner may look; the case's directory becomes nobody's, binary included.
fn readable_by_nobody(case: &Case) -> Outcome {
    let bin = case.root.join("bin/pantry");
    if fs::symlink_metadata(&bin)?.is_symlink() {
        for name in ["pantry", "mzp"] {
            fs::remove_file(case.root.join("bin").join(name))?;
        }
        steps_files::install(process::pantry(), &bin)?;
        std::os::unix::fs::symlink("pantry", case.root.join("bin/mzp"))?;
        for dir in ["work", "home", "pantry", "tmp", "media"] {
            let argv = ["chown", "-hR", "65534:65534"];
            let dir = case.root.join(dir);
            std::process::Command::new(argv[0]).args(&argv[1..]).arg(dir).status()?;
        }
    }
    Ok(())
}

/// What holds for every run of ours, then what the step wants of the status.
fn judge(case: &Case, step: &Step, ours: bool) -> Outcome {
    let last = &case.last;
    if last.timed_out {
        return Err("did not end in time and was killed".into());
    }
    if ours {
        let said = String::from_utf8_lossy(&last.stderr);
        if said.contains("panicked at") || last.status >= 100 {
            return Err(format!("crashed with status {}", last.status).into());
        }
        if step.wanted != Wanted::Either && !(0..=4).contains(&last.status) {
            return Err(format!("status {} is none of 0–4", last.status).into());
        }
        if !case.allowed.iter().any(|a| a == "escapes") {
            for (name, stream) in [("stdout", &last.stdout), ("stderr", &last.stderr)] {
                let text = String::from_utf8_lossy(stream);
                if let Some(c) = text.chars().find(|c| is_control(*c)) {
                    return Err(format!("a raw control character {} on {name}", c.escape_default()).into());
                }
            }
        }
    }
    match step.wanted {
        Wanted::Success if last.status != 0 => Err(format!("status {}, wanted 0", last.status).into()),
        Wanted::Failure if last.status == 0 => Err("succeeded, wanted failure".into()),
        _ => Ok(()),
    }
}

/// C0 but newline and tab, DEL, C1 and the characters that turn text around.
pub fn is_control(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t')
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
