//! From a row of the table to the function that does it.
//!
//! A command is a function that turns options into an operation's options,
//! calls the operation, and shows its report. To add one: a row in
//! [`crate::cli::table`], a file here, a line in [`find`].

mod add;
mod audit;
mod cache;
mod clean;
mod complete;
mod help;
mod info;
mod init;
mod install;
mod link;
mod man;
mod mirror;
mod mzp;
mod px;
mod run;
mod sign;
mod tree;
mod trust;
mod update;
mod version;

use crate::cli::{Invocation, table};
use crate::error::{Error, Result, Status};
use crate::settings::{Environment, Settings};
use crate::ui::Ui;

/// What a command needs to run.
enum Run {
    /// Nothing: about the program itself.
    Plain(fn(&Invocation, &mut Ui) -> Result<Status>),
    /// Flags, variables and files, resolved.
    With(fn(&Invocation, &Settings, &mut Ui) -> Result<Status>),
}

/// False in a build for MinZ alone: what only these commands need is not in it.
pub const NPM: bool = cfg!(feature = "npm");

/// The function of the row at `path`; `None` when it is not in this version.
fn find(path: &str) -> Option<Run> {
    use Run::{Plain, With};
    Some(match path {
        "cache:stats" if NPM => With(cache::stats),
        "cache:dump" if NPM => With(cache::dump),
        "store prune" if NPM => With(cache::prune),
        "cache:clear" => With(cache::clear),
        "store verify" if NPM => With(cache::verify),
        "install" if NPM => With(install::run),
        "ci" if NPM => With(install::ci),
        "update" if NPM => With(update::run),
        "outdated" if NPM => With(update::outdated),
        "dedupe" if NPM => With(update::dedupe),
        "prune" if NPM => With(update::prune),
        "link" if NPM => With(link::run),
        "unlink" if NPM => With(link::unlink),
        "import" if NPM => With(install::import),
        "add" if NPM => With(add::run),
        "remove" if NPM => With(add::remove),
        "clean" if NPM => With(clean::run),
        "mirror add" if NPM => With(mirror::add::run),
        "mirror init" if NPM => With(mirror::init::run),
        "mirror status" => With(mirror::status::run),
        "mirror list" => With(mirror::list::run),
        "mirror pull" if NPM => With(mirror::pull::run),
        "mirror remove" if NPM => With(mirror::remove::run),
        "mirror verify" => With(mirror::verify::run),
        "mirror diff" if NPM => With(mirror::diff::run),
        "mirror serve" if NPM => With(mirror::serve::run),
        "mirror repair" if NPM => With(mirror::repair::run),
        "mirror key show" => With(mirror::key::show),
        "mirror key create" if NPM => With(mirror::key::create),
        "mirror key tell" if NPM => With(mirror::key::tell),
        "mirror key rotate" if NPM => With(mirror::key::rotate),
        "mirror key pin" => With(mirror::key::pin),
        "mirror key unpin" => With(mirror::key::unpin),
        "sync" | "mirror sync" if NPM => With(mirror::sync::run),
        "mirror gc" if NPM => With(mirror::gc::run),
        "mirror want" if NPM => With(mirror::want::run),
        "mirror import" if NPM => With(mirror::import::run),
        "mirror export" if NPM => With(mirror::export::run),
        "init" if NPM => With(init::run),
        "list" if NPM => With(tree::list),
        "tree" if NPM => With(tree::tree),
        "why" if NPM => With(tree::why),
        "audit" if NPM => With(audit::run),
        "info" if NPM => With(info::run),
        "search" if NPM => With(info::search),
        "generate-key" if NPM => With(sign::generate_key),
        "sign" if NPM => With(sign::sign),
        "verify" if NPM => With(sign::verify),
        "keyring list" if NPM => With(sign::list),
        "keyring add" if NPM => With(sign::add),
        "keyring remove" if NPM => With(sign::remove),
        "trust" if NPM => With(trust::trust),
        "untrust" if NPM => With(trust::untrust),
        "px" if NPM => With(px::run),
        "run" if NPM => With(run::run),
        "scripts" if NPM => With(run::list),
        "test" | "build" | "dev" if NPM => With(run::named),
        "help" => Plain(help::run),
        "version" => Plain(version::run),
        "man" if NPM => Plain(man::run),
        "complete" if NPM => Plain(complete::run),
        "mzp init" => With(mzp::init::run),
        "mzp create" => With(mzp::init::create),
        "mzp install" => With(mzp::install::run),
        "mzp add" => With(mzp::install::add),
        "mzp remove" => With(mzp::install::remove),
        "mzp update" => With(mzp::install::update),
        "mzp clean" => With(mzp::clean::run),
        "mzp publish" => With(mzp::publish::run),
        "mzp vendor" => With(mzp::install::vendor),
        "mzp doctor" => With(mzp::doctor::run),
        "mzp list" => With(mzp::list::run),
        "mzp tree" => With(mzp::tree::run),
        "mzp why" => With(mzp::tree::why),
        "mzp outdated" => With(mzp::outdated::run),
        "mzp info" => With(mzp::info::run),
        "mzp search" => With(mzp::info::search),
        "mzp build" => With(mzp::build::run),
        "mzp run" => With(mzp::run::run),
        "mzp test" => With(mzp::test::run),
        _ => return None,
    })
}

/// Whether the row at `path`, or any member of that family, is in this version.
pub fn is_built(path: &str) -> bool {
    find(path).is_some()
        || table::find(path)
            .is_some_and(|row| row.members.iter().any(|member| is_built(&format!("{path} {}", member.name))))
}

/// Runs the command.
///
/// # Errors
/// Whatever the command cannot do.
pub fn run(invocation: &Invocation, ui: &mut Ui) -> Result<Status> {
    let Some(run) = find(&invocation.path) else {
        return Err(Box::new(Error::NotBuilt { what: format!("`{}`", invocation.shown()) }));
    };
    if let Some(flag) = invocation.later_options().next() {
        return Err(Box::new(Error::NotBuilt { what: format!("`{} --{}`", invocation.shown(), flag.long) }));
    }
    match run {
        Run::Plain(command) => command(invocation, ui),
        Run::With(command) => {
            let settings = Settings::resolve(invocation, Environment::Process)?;
            ui.set_logger(settings.logger);
            settings.warnings.iter().for_each(|warning| ui.warn(warning));
            let is_dry = invocation.offers("dry-run") && invocation.has("dry-run");
            if is_dry {
                settings.trust.only_look();
            }
            let outcome = command(invocation, &settings, ui);
            if NPM && outcome.is_ok() && !is_dry && settings.opportunity.take(&settings, ui) {
                mirror::want::settle(&settings, ui)?;
            }
            settings.trust.finish().iter().for_each(|note| ui.note(note));
            if NPM && !is_dry {
                match settings.misses.finish() {
                    Ok(0) => {}
                    Ok(new) => {
                        let new = mirror::count(new as u64, "package is", "packages are");
                        ui.note(&format!(
                            "{new} new on the list of what is missing here (`pantry mirror want`)"
                        ));
                    }
                    Err(e) => ui.detail(&format!("what is missing is not remembered: {e}")),
                }
            }
            outcome
        }
    }
}
