//! The voice, heard through pipes made here.

use super::*;
use std::sync::{Arc, Mutex};

#[derive(Clone, Default)]
struct Pipe(Arc<Mutex<Vec<u8>>>);

impl Pipe {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Fails every write.
struct Broken(io::ErrorKind);

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(self.0.into())
    }
    fn flush(&mut self) -> io::Result<()> {
        Err(self.0.into())
    }
}

fn ui() -> (Ui, Pipe, Pipe) {
    let (out, err) = (Pipe::default(), Pipe::default());
    let ui = Ui::with_streams(Terminal::default(), Box::new(out.clone()), Box::new(err.clone()));
    (ui, out, err)
}

#[test]
fn data_and_messages_keep_apart() {
    let (mut ui, out, err) = ui();
    ui.line("react 18.2.0").unwrap();
    ui.status("Reading");
    ui.added("react 18.2.0");
    ui.warn("old");
    ui.detail("not shown");
    assert_eq!(out.text(), "react 18.2.0\n");
    assert_eq!(err.text(), "Reading\n+ react 18.2.0\nwarning: old\n");
}

#[test]
fn quiet_leaves_errors_and_warnings() {
    let (mut ui, _, err) = ui();
    ui.verbosity = Verbosity::Quiet;
    ui.status("x");
    ui.success("x");
    ui.note("x");
    ui.hint("x");
    ui.warn("careful");
    let status = ui.report(&Error::Usage { message: "no".into(), hint: Some("yes".into()) });
    assert_eq!(status, Status::Usage);
    assert_eq!(err.text(), "warning: careful\nerror: no\nhint: yes\n");
}

#[test]
fn errors_as_json() {
    let (mut ui, out, err) = ui();
    ui.set_json(true);
    ui.report(&Error::Usage { message: "say \"x\"".into(), hint: Some("y".into()) });
    assert_eq!(
        out.text(),
        "{\n  \"error\": {\n    \"status\": 2,\n    \"message\": \"say \\\"x\\\"\",\n    \"hints\": [\n      \
         \"y\"\n    ]\n  }\n}\n"
    );
    assert_eq!(err.text(), "");
}

#[test]
fn a_closed_output_is_no_failure() {
    let err = Pipe::default();
    let out = Box::new(Broken(io::ErrorKind::BrokenPipe));
    let mut ui = Ui::with_streams(Terminal::default(), out, Box::new(err.clone()));
    ui.line("x").unwrap();
    assert!(ui.is_closed());
    assert_eq!(ui.finish(Status::Done), Status::Done);
    assert_eq!(ui.finish(Status::Refused), Status::Refused);
    assert_eq!(err.text(), "");
}

#[test]
fn a_full_disk_behind_the_output_is_a_failure() {
    let err = Pipe::default();
    let out = Box::new(Broken(io::ErrorKind::StorageFull));
    let mut ui = Ui::with_streams(Terminal::default(), out, Box::new(err.clone()));
    assert_eq!(ui.finish(Status::Done), Status::Failed);
    assert!(err.text().starts_with("error: cannot write to standard output"), "{}", err.text());
    let out = Box::new(Broken(io::ErrorKind::StorageFull));
    let mut ui = Ui::with_streams(Terminal::default(), out, Box::new(err));
    assert!(ui.line("x").is_err());
}

#[test]
fn what_is_far_too_long_is_cut_in_the_message_and_in_its_hints() {
    let (mut ui, _, err) = ui();
    let long = "é".repeat(100_000);
    ui.report(&Error::Usage { message: long.clone(), hint: Some(long) });
    let lines: Vec<usize> = err.text().lines().map(|l| l.chars().count()).collect();
    assert!(lines.len() == 2 && lines.iter().all(|l| (4000..4100).contains(l)), "{lines:?}");
}
