//! A child that the user works with: it has the terminal, its status is passed on, and it outlives no signal that
//! was meant for it.
//!
//! Ctrl-C reaches every process of the terminal's group by itself; pantry only waits for the child to end by it.
//! SIGTERM and SIGHUP, which somebody sends to pantry alone, are handed on.

#![allow(unsafe_code, reason = "the C library's `signal`; its handler makes one system call")]

use rustix::process::{Pid, Signal, kill_process};
use std::ffi::c_int;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicI32, Ordering::SeqCst};

unsafe extern "C" {
    safe fn signal(number: c_int, handler: extern "C" fn(c_int)) -> usize;
}

/// Children that signals are handed to; 0: a free place.
static CHILDREN: [AtomicI32; 16] = [const { AtomicI32::new(0) }; 16];
/// The last signal that came, 0 for none.
static CAME: AtomicI32 = AtomicI32::new(0);
/// One that came before there was a child to hand it to.
static EARLY: AtomicI32 = AtomicI32::new(0);

extern "C" fn caught(number: c_int) {
    CAME.store(number, SeqCst);
    let mut some = false;
    for child in CHILDREN.iter().map(|child| child.load(SeqCst)).filter(|child| *child != 0) {
        some = true;
        hand_on(child, number);
    }
    if !some {
        EARLY.store(number, SeqCst);
    }
}

fn hand_on(child: i32, number: c_int) {
    let signal = [Signal::TERM, Signal::HUP].into_iter().find(|s| s.as_raw() == number);
    if let (Some(child), Some(signal)) = (Pid::from_raw(child), signal) {
        let _ = kill_process(child, signal);
    }
}

/// Starts `command`; signals are the child's business from here on. (A handler, unlike «ignored», is not inherited.)
///
/// # Errors
/// As [`Command::spawn`].
pub fn spawn(command: &mut Command) -> io::Result<Child> {
    for number in [Signal::INT, Signal::QUIT, Signal::TERM, Signal::HUP] {
        signal(number.as_raw(), caught);
    }
    let child = command.spawn()?;
    let id = child.id() as i32;
    let free = |place: &&AtomicI32| place.compare_exchange(0, id, SeqCst, SeqCst).is_ok();
    let _ = CHILDREN.iter().find(free);
    hand_on(id, EARLY.swap(0, SeqCst));
    Ok(child)
}

/// The status that a shell would give.
///
/// # Errors
/// As [`Child::wait`].
pub fn wait(mut child: Child) -> io::Result<u8> {
    let status = child.wait();
    let id = child.id() as i32;
    CHILDREN.iter().filter(|place| place.load(SeqCst) == id).for_each(|place| place.store(0, SeqCst));
    Ok(code(status?))
}

/// 128 + n for signal n.
pub fn code(status: ExitStatus) -> u8 {
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    u8::try_from(code).unwrap_or(1)
}

/// The words for a status that is not 0.
pub fn how(status: u8) -> String {
    match status {
        129.. => format!("was ended by signal {}", status - 128),
        status => format!("ended with status {status}"),
    }
}

/// The status to end with where a signal came that was to end everything: nothing more is started then.
pub fn ending() -> Option<u8> {
    let number = CAME.load(SeqCst);
    (number != 0).then_some(128 + number as u8)
}
