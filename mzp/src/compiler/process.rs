//! A child process under limits: of time, of memory, of what it may say.

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub time: Duration,
    /// Bytes of address space of each process (where the system can bound it).
    pub memory: u64,
}

impl Default for Limits {
    /// A minute; 4 GiB (the compiler's runtime alone reserves more than one).
    fn default() -> Self {
        Self { time: Duration::from_secs(60), memory: 4 << 30 }
    }
}

/// Most bytes kept of each stream; the rest is read and dropped.
const SAID: u64 = 1 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    Status(i32),
    Signal,
    TimedOut,
}

#[derive(Debug)]
pub struct Outcome {
    pub ended: Ended,
    pub stdout: String,
    pub stderr: String,
}

pub fn run(program: &OsStr, arguments: &[OsString], directory: &Path, limits: Limits) -> io::Result<Outcome> {
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A group of its own, so that what it starts is stopped with it.
        .process_group(0)
        .spawn()?;
    bound(&child, limits.memory);
    let group = Pid::from_child(&child);
    let out = child.stdout.take().map(listen).transpose();
    let err = child.stderr.take().map(listen).transpose();
    // Whom nobody listens to would wait for ever.
    let ended = if out.is_ok() && err.is_ok() { wait(group, limits.time) } else { Ok(false) };
    // Also after a normal end: a child left behind would hold the streams open.
    // The process is not yet waited for, so its number is nobody else's.
    let _ = kill_process_group(group, Signal::KILL);
    let status = child.wait()?;
    let ended = if ended? { status.code().map_or(Ended::Signal, Ended::Status) } else { Ended::TimedOut };
    let said =
        |reader: Option<thread::JoinHandle<String>>| reader.and_then(|r| r.join().ok()).unwrap_or_default();
    Ok(Outcome { ended, stdout: said(out?), stderr: said(err?) })
}

/// On Linux a limit can be set on a child that runs already, and what it starts
/// later inherits it; elsewhere only time is bounded.
#[cfg(target_os = "linux")]
fn bound(child: &Child, memory: u64) {
    use rustix::process::{Resource, Rlimit, prlimit};
    let limit = Rlimit { current: Some(memory), maximum: Some(memory) };
    let _ = prlimit(Some(Pid::from_child(child)), Resource::As, limit);
}
#[cfg(not(target_os = "linux"))]
fn bound(_: &Child, _: u64) {}

fn listen(stream: impl Read + Send + 'static) -> io::Result<thread::JoinHandle<String>> {
    thread::Builder::new().spawn(move || {
        let mut stream = stream;
        let mut kept = Vec::new();
        let _ = (&mut stream).take(SAID).read_to_end(&mut kept);
        let _ = io::copy(&mut stream, &mut io::sink());
        String::from_utf8_lossy(&kept).into_owned()
    })
}

/// Whether it ended in time; it stays to be waited for.
fn wait(child: Pid, time: Duration) -> io::Result<bool> {
    let end = Instant::now() + time;
    let mut pause = Duration::from_micros(500);
    loop {
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        match waitid(WaitId::Pid(child), look) {
            Ok(Some(_)) => return Ok(true),
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        thread::sleep(pause.min(left));
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}
