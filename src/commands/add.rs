//! `pantry add`, `pantry install NAME…`, `pantry remove`.

use super::install::show;
use crate::cli::Invocation;
use crate::error::{Error, Result, Status};
use crate::install::store::Store;
use crate::project::add::{self, Adding, rewritten};
use crate::project::{Change, How, Session, Work};
use crate::resolve::graph::{Graph, Group};
use crate::settings::Settings;
use crate::ui::Ui;
use std::time::Instant;

pub fn run(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let begun = Instant::now();
    let named = add::named(&invocation.argument_texts()?)?;
    let how = How::of(invocation);
    if how.frozen {
        return Err(Error::Usage {
            message: "a package cannot be added to a lockfile that is to stay as it is".into(),
            hint: Some("leave out --frozen-lockfile".into()),
        });
    }
    let session = Session::open_or_begin(how, settings, ui)?;
    let locked = session.lock(ui)?;
    let work = session.read(&locked, ui)?;
    let network = session.network(ui)?;
    let prefix = if invocation.has("exact") { String::new() } else { network.save_prefix.clone() };
    let adding = Adding { named: &named, group: group(invocation), prefix: &prefix };
    let asked = Work { manifests: adding.asked(&work.manifests)?, ..work.clone() };
    let settle = |graph: &mut Graph| {
        let after = adding.settle(graph, &work)?;
        Ok(rewritten(&work.manifests, after, session.fresh))
    };
    let change = Change {
        explicit: named.iter().map(|n| (String::new(), n.alias.clone())).collect(),
        anew: true,
        settle: Some(&settle),
        ..Change::default()
    };
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
    let session = Session::open_to_edit(How::of(invocation), settings, ui)?;
    let locked = session.lock(ui)?;
    let work = session.read(&locked, ui)?;
    let manifests = match add::without(&work.manifests, &names) {
        Err(unknown) => {
            // They may be gone because this very command was killed: what it began is finished.
            if work.unfinished {
                session.install(&locked, &work, session.network(ui)?, Change::default(), ui)?;
            }
            Store::clean(&settings.store()?);
            return Err(unknown);
        }
        manifests => manifests?,
    };
    let after = Work { manifests, ..work.clone() };
    let settle = |_: &mut Graph| Ok(rewritten(&work.manifests, after.manifests.clone(), session.fresh));
    let change = Change { settle: Some(&settle), ..Change::default() };
    let report = session.install(&locked, &after, session.network(ui)?, change, ui)?;
    show(&report, &session, begun, ui)?;
    Ok(Status::Done)
}
