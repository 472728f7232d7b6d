//! `pantry mirror want [DIR] [--add PACKAGE] [--remove PACKAGE] [--clear] [--write] [--fetch]`: the lists of what
//! was looked for offline and not found. This machine's own lies in its home mirror; those of others on whatever
//! carries them.

mod answer;

pub use answer::answer;

use super::{count, folder, open, shown, shown_key, waiting};
use crate::cli::Invocation;
use crate::error::{Error, Result, Status, day};
use crate::install::platform::Platform;
use crate::network::Network;
use crate::settings::Settings;
use crate::ui::Ui;
use crate::wants::is_here;
use mirror::Mirror;
use mirror::name::{MinzName, PackageName, escape};
use mirror::record::{Ecosystem, Key};
use mirror::want::{Lack, Want, WantList};
use std::path::Path;

pub fn run(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let here = settings.working_directory()?;
    let home = settings.home_mirror()?;
    let dir = folder(invocation, settings, Some(0))?;
    if invocation.has("add") || invocation.has("remove") || invocation.has("clear") {
        change(invocation, settings, &here, ui)?;
    }
    if invocation.has("write") {
        let mirror = open(&dir, settings, ui)?;
        if dir == home {
            return Err(Box::new(Error::Usage {
                message: "--write carries this machine's list to another mirror, and none is named".into(),
                hint: Some("for example `pantry mirror want --write /media/stick/PANTRY`".into()),
            }));
        }
        let left = carry(&mirror, settings, ui)?;
        ui.success(&match left {
            0 => format!("{} has the lists of this machine", shown(&dir)),
            n => format!("Left {} on {}", count(n as u64, "list", "lists"), shown(&dir)),
        });
    }
    let mut status = Status::Done;
    if invocation.has("fetch") {
        let answers = answer(&dir, settings, &here, ui)?;
        answers.tell(ui);
        status = answers.status();
    }
    if dir == home {
        settle(settings, ui)?;
    }
    if dir == home && !Mirror::is_made(&home) {
        return show(&[], None, ui).map(|()| status);
    }
    let mirror = open(&dir, settings, ui)?;
    let mut lists = mirror.want_lists()?;
    mirror::order::sort_by_key(&mut lists, |list| list.id);
    show(&lists, Some(&mirror), ui)?;
    Ok(status)
}

/// Changes this machine's list by hand.
fn change(invocation: &Invocation, settings: &Settings, here: &Path, ui: &mut Ui) -> Result<()> {
    let mut new = Vec::new();
    for word in invocation.texts("add")? {
        new.push(parsed(word, settings, here, ui)?);
    }
    let mut gone = Vec::new();
    for word in invocation.texts("remove")? {
        gone.push(parsed(word, settings, here, ui)?);
    }
    let clear = invocation.has("clear");
    let home = Mirror::open_or_init(&settings.home_mirror()?, "home")?;
    let mut unknown = None;
    let mut change = |own: &mut WantList| {
        let before = own.wants.len();
        if clear {
            own.wants.clear();
            own.lacks.clear();
        }
        for want in &gone {
            let is_it = |w: &Want| w.key == want.key && (want.range.is_empty() || want.range == w.range);
            if !own.wants.iter().any(is_it) {
                unknown.get_or_insert_with(|| shown_key(&want.key));
            }
            own.wants.retain(|w| !is_it(w));
        }
        let wants: Vec<Want> = new
            .iter()
            .map(|w| Want {
                range: if w.range.is_empty() { "*".into() } else { w.range.clone() },
                ..w.clone()
            })
            .collect();
        own.want(&wants) || own.wants.len() != before
    };
    home.change_wants(mirror::time::now(), &mut change, &mut waiting(ui))?;
    match unknown {
        Some(name) => Err(Box::new(Error::Other {
            status: Status::Failed,
            message: format!("{name} is not on the list"),
            hints: vec!["`pantry mirror want` shows what is".into()],
        })),
        None => Ok(()),
    }
}

/// `react@18`, `minz:zx-core@^1`.
fn parsed(word: &str, settings: &Settings, here: &Path, ui: &mut Ui) -> Result<Want> {
    let (ecosystem, rest) = match word.strip_prefix("minz:") {
        Some(rest) => (Ecosystem::Minz, rest),
        None => (Ecosystem::Npm, word),
    };
    let at = rest.get(1..).and_then(|r| r.find('@')).map(|i| i + 1);
    let (name, range) = at.map_or((rest, ""), |i| (&rest[..i], &rest[i + 1..]));
    let wrong = |source| Error::Name { source, place: "the command line".into() };
    let source = match ecosystem {
        Ecosystem::Minz => {
            MinzName::parse(name).map_err(wrong)?;
            mzp::registry::SOURCE.to_string()
        }
        _ => {
            let name = PackageName::parse(name).map_err(wrong)?;
            Network::new(settings, here, ui)?.registries.source_of(&name)
        }
    };
    let platform = if ecosystem == Ecosystem::Npm { Platform::current().to_string() } else { String::new() };
    let key = Key { ecosystem, source, name: name.into() };
    Ok(Want { key, range: range.into(), platform, since: mirror::time::now() })
}

/// Leaves the lists that this machine knows on another mirror, without what is private. How many are new there.
pub fn carry(to: &Mirror, settings: &Settings, ui: &mut Ui) -> Result<usize> {
    let home = settings.home_mirror()?;
    if !Mirror::is_made(&home) {
        return Ok(0);
    }
    let mut lists = Mirror::open(&home)?.want_lists()?;
    for list in &mut lists {
        let travels = |key: &Key| !settings.private.iter().any(|private| is_in(key, private));
        list.wants.retain(|w| travels(&w.key));
        list.lacks.retain(|l| travels(&l.key));
    }
    // A list that says nothing, and never did, is not worth a file.
    lists.retain(|l| l.number > 1 || !l.wants.is_empty() || !l.lacks.is_empty());
    Ok(to.leave_wants(&lists, &mut waiting(ui))?)
}

/// Whether that is the package, or of the scope.
fn is_in(key: &Key, private: &str) -> bool {
    key.name.strip_prefix(private).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Takes what is here by now off this machine's list, and says what of it was answered otherwise.
pub fn settle(settings: &Settings, ui: &mut Ui) -> Result<()> {
    let home = settings.home_mirror()?;
    if !Mirror::is_made(&home) {
        return Ok(());
    }
    let mirror = Mirror::open(&home)?;
    let lists = mirror.want_lists()?;
    let Some(own) = lists.iter().find(|l| l.id == mirror.id()).filter(|l| !l.wants.is_empty()) else {
        return Ok(());
    };
    let mut here = Vec::new();
    for want in &own.wants {
        if mirror.lookup(&want.key)?.is_some_and(|view| is_here(&view, want)) {
            here.push(want.clone());
        }
    }
    let mut forget = |own: &mut WantList| {
        let before = own.wants.len();
        own.wants.retain(|w| !here.contains(w));
        own.wants.len() != before
    };
    mirror.change_wants(mirror::time::now(), &mut forget, &mut waiting(ui))?;
    if !here.is_empty() {
        let (one, many) = ("package that was missing is", "packages that were missing are");
        ui.success(&format!("{} here now", count(here.len() as u64, one, many)));
    }
    for want in own.wants.iter().filter(|w| !here.contains(w)) {
        if let Some(lack) = answered(&lists, want) {
            ui.warn(&format!(
                "{} could not be had on {}: {}",
                named(want),
                day(lack.asked),
                escape(&lack.why)
            ));
        }
    }
    Ok(())
}

/// The last word on a want.
fn answered<'a>(lists: &'a [WantList], want: &Want) -> Option<&'a Lack> {
    lists.iter().flat_map(|l| &l.lacks).filter(|l| l.answers(want)).max_by_key(|l| l.asked)
}

fn named(want: &Want) -> String {
    format!("{}@{}", shown_key(&want.key), escape(&want.range))
}

fn show(lists: &[WantList], mirror: Option<&Mirror>, ui: &mut Ui) -> Result<()> {
    let is_own = |list: &WantList| mirror.is_some_and(|m| m.id() == list.id);
    if ui.is_json() {
        return ui.json(|o| {
            o.array("lists", |out| {
                for list in lists {
                    out.object(|o| {
                        o.text("machine", &list.id.to_string());
                        o.truth("own", is_own(list));
                        o.text("date", &mirror::time::date(list.date));
                        o.array("wants", |out| {
                            for want in &list.wants {
                                out.object(|o| {
                                    o.text("package", &shown_key(&want.key));
                                    o.text("range", &want.range);
                                    o.text("platform", &want.platform);
                                    o.text("since", &mirror::time::date(want.since));
                                    let lack = answered(lists, want);
                                    o.maybe_text("couldNotBeHad", lack.map(|l| l.why.as_str()));
                                });
                            }
                        });
                    });
                }
            });
        });
    }
    let mut any = false;
    for list in lists.iter().filter(|l| !l.wants.is_empty()) {
        any = true;
        if !is_own(list) {
            ui.line(&format!("the machine {}, {}:", &list.id.to_string()[..8], day(list.date)))?;
        }
        for want in &list.wants {
            let platform = if want.platform.is_empty() { "" } else { " for " };
            let lack = answered(lists, want)
                .map(|l| format!(", could not be had on {}: {}", day(l.asked), escape(&l.why)));
            ui.line(&format!(
                "{}{platform}{}, since {}{}",
                named(want),
                escape(&want.platform),
                day(want.since),
                lack.unwrap_or_default()
            ))?;
        }
    }
    if !any {
        ui.note("Nothing is on the list");
    }
    Ok(())
}
