//! Words → invocation → command → exit status.

use pantry::cli::{self, Program};
use pantry::commands;
use pantry::settings::Environment;
use pantry::ui::{Terminal, Ui};
use std::ffi::OsString;
use std::process::ExitCode;

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod allocator;
#[cfg(all(not(debug_assertions), target_os = "linux"))]
mod unwinding;

fn main() -> ExitCode {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    allocator::settle();
    // What is tested ends like what is shipped (`panic = "abort"`): nobody waits for a thread that has died.
    #[cfg(debug_assertions)]
    {
        let told = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            told(info);
            std::process::abort();
        }));
    }
    let mut given = std::env::args_os();
    let name = given.next();
    let program = Program::from_argv0(name.as_deref());
    let mut words: Vec<OsString> = Vec::new();
    if Program::is_px(name.as_deref()) {
        words.push("px".into());
    }
    words.extend(given);
    let mut ui = Ui::new(Terminal::detect(&Environment::Process));
    ui.set_json(cli::parse::wants_json(&words));
    let outcome = cli::parse(program, words).and_then(|invocation| {
        ui.follow(&invocation);
        commands::run(&invocation, &mut ui)
    });
    let status = outcome.unwrap_or_else(|error| ui.report(&error));
    ExitCode::from(ui.finish(status).code())
}
