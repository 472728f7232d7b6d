//! `pantry add`, `pantry install NAME…`, `pantry remove`.

use super::install::show;
use crate::cli::Invocation;
use crate::error::{Error, Result, Status};
use crate::install::store::Store;
use crate::project::add::{self, Adding, Place};
use crate::project::{Change, How, Session};
use crate::resolve::graph::{Graph, Group};
use crate::settings::Settings;
use crate::ui::Ui;
use std::time::Instant;

pub fn run(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let begun = Instant::now();
    let how = How::of(invocation);
    if how.frozen {
        return Err(Box::new(Error::Usage {
            message: "a package cannot be added to a lockfile that is to stay as it is".into(),
            hint: Some("leave out --frozen-lockfile".into()),
        }));
    }
    let session = Session::open_or_begin(how, settings, ui)?;
    let locked = session.lock(ui)?;
    let work = session.read(&locked, ui)?;
    let network = session.network(ui)?;
    let prefix = if invocation.has("exact") { String::new() } else { network.save_prefix.clone() };
    let folders = work.targets(&session, invocation)?;
    let (root, here) = (&session.project.root, &settings.working_directory()?);
    let place = Place { here, root, folder: folders.first().map_or("", String::as_str) };
    let words = invocation.argument_texts()?.into_iter().map(|word| place.reword(word));
    let words = words.collect::<Result<Vec<_>>>()?;
    let named = add::named(&words.iter().map(String::as_str).collect::<Vec<_>>())?;
    if folders.len() > 1 && named.iter().any(|n| n.local) {
        return Err(Box::new(Error::Usage {
            message: "a folder or an archive is added to one member at a time".into(),
            hint: None,
        }));
    }
    let adding = Adding { named: &named, folders: &folders, root, group: group(invocation), prefix: &prefix };
    let asked = adding.asked(&work)?;
    let settle =
        |graph: &mut Graph| Ok(work.rewritten(&adding.settle(graph, &work)?, &folders, session.fresh));
    // A member is not asked of a registry.
    let anew = named.iter().filter(|n| !work.is_member(&n.alias));
    let explicit = folders.iter().flat_map(|f| anew.clone().map(|n| (f.clone(), n.alias.clone())));
    let change =
        Change { explicit: explicit.collect(), anew: true, settle: Some(&settle), ..Change::default() };
    let report = session.install(&locked, &asked, network, change, ui)?;
    show(&report, &session, begun, ui)?;
    Ok(Status::Done)
}

fn group(invocation: &Invocation) -> Option<Group> {
    let groups = [
        ("dev", Group::Dev),
        ("peer", Group::Peer),
        ("optional", Group::Optional),
        ("save-prod", Group::Normal),
    ];
    groups.into_iter().find(|(flag, _)| invocation.has(flag)).map(|(_, group)| group)
}

pub fn remove(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let begun = Instant::now();
    let names = invocation.argument_texts()?;
    let session = Session::open(How::of(invocation), settings, ui)?;
    let locked = session.lock(ui)?;
    let work = session.read(&locked, ui)?;
    let folders = work.targets(&session, invocation)?;
    let mut after = match add::without(&work, &folders, &names) {
        Err(unknown) => {
            // They may be gone because this very command was killed: what it began is finished.
            if work.unfinished {
                session.install(&locked, &work, session.network(ui)?, Change::default(), ui)?;
            }
            Store::clean(&settings.store()?);
            return Err(unknown);
        }
        after => after?,
    };
    after.relink(&session.project.root)?;
    let settle = |_: &mut Graph| Ok(work.rewritten(&after, &folders, session.fresh));
    let change = Change { settle: Some(&settle), ..Change::default() };
    let report = session.install(&locked, &after, session.network(ui)?, change, ui)?;
    show(&report, &session, begun, ui)?;
    Ok(Status::Done)
}
