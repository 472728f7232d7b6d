//! `pantry sync [FROM [TO]] [--both]`: what one mirror has and the other lacks.

mod wish;

use super::want::{answer, carry, settle};
use super::{count, folder, init, open_for_writing, shown, size, told, waiting};
use crate::cli::Invocation;
use crate::error::{Error, Result, Status};
use crate::network::Network;
use crate::settings::Settings;
use crate::source::media;
use crate::ui::{Ui, Unit};
use mirror::Mirror;
use mirror::batch::Batch;
use mirror::http::Url;
use mirror::mirror::Prefix;
use mirror::name::escape;
use mirror::sync::{self, Carrier, Choice, Report, Watch, Way};
use mirror::trust::{How, Untrusted};
use std::collections::HashSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use wish::Wish;
pub use wish::{bytes, locked};

/// Where another mirror is.
pub enum Other {
    Folder(PathBuf),
    Web(Url),
}

impl Other {
    /// # Errors
    /// It is an address, and this run is offline.
    pub fn named(word: &OsStr, settings: &Settings, here: &Path) -> Result<Self> {
        let text = word.to_str().unwrap_or_default();
        if !(text.starts_with("http://") || text.starts_with("https://")) {
            return Ok(Self::Folder(here.join(word)));
        }
        if settings.offline.is_some() {
            let message = format!("{} is behind a network, and this run is offline", escape(text));
            return Err(usage(message, "leave out --offline (and PANTRY_OFFLINE), or name a folder"));
        }
        Ok(Self::Web(Url::parse(text)?))
    }

    /// What is fetched of it only to be looked at lies in a batch's folder of `target`, which cleans up
    /// after itself.
    pub fn open(
        &self,
        target: Option<&Mirror>,
        settings: &Settings,
        here: &Path,
        ui: &mut Ui,
    ) -> Result<(Carrier, Option<Batch>)> {
        match (self, target) {
            (Self::Folder(dir), _) => {
                let mirror = Mirror::open_pinned(dir, &mut waiting(ui))?;
                Ok((Carrier::folder(told(mirror, dir, ui)?), None))
            }
            (Self::Web(_), None) => Err(usage(format!("{} is no folder", self.shown()), "name a folder")),
            (Self::Web(url), Some(target)) => {
                let batch = Batch::begin(target, 0)?;
                let client = Network::client(settings, here, ui)?;
                Ok((Carrier::remote(client, url, &batch.scratch())?, Some(batch)))
            }
        }
    }

    pub fn shown(&self) -> String {
        match self {
            Self::Folder(dir) => shown(dir),
            Self::Web(url) => url.to_string(),
        }
    }
}

/// One direction's result.
struct Done {
    from: String,
    /// Of the mirror that was taken from, and of the other one.
    labels: [String; 2],
    to: String,
    report: Report,
}

/// What every direction of a run shares.
struct Run<'a> {
    settings: &'a Settings,
    here: PathBuf,
    dry: bool,
    /// The other mirrors were found, not named.
    found: bool,
    accept_rollback: bool,
}

pub fn run(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let here = settings.working_directory()?;
    let run = Run {
        settings,
        dry: invocation.has("dry-run"),
        found: invocation.arguments.is_empty(),
        accept_rollback: invocation.has("accept-rollback"),
        here,
    };
    let to = match invocation.argument_path(1) {
        Some(dir) => run.here.join(dir),
        None => folder(invocation, settings, None)?,
    };
    let wish = Wish::read(invocation, &run.here)?;
    let (mut done, mut status, mut carriers) = (Vec::new(), Status::Done, Vec::new());
    for other in run.others(invocation)? {
        if let Some(limit) = wish.split {
            run.split(&other, &to, limit, &wish, &mut done, ui)?;
            continue;
        }
        if invocation.has("both") {
            run.both(&other)?;
        }
        if invocation.has("wants") {
            status = status.and(run.wants(&other, &to, ui)?);
        }
        // A home mirror that is not there yet would be made: for a look an empty one elsewhere does.
        let is_home = settings.home_mirror().is_ok_and(|home| home == to);
        let unmade = run.dry && is_home && !Mirror::is_made(&to);
        let scratch = unmade.then(|| Scratch::new(settings)).transpose()?;
        let target = match &scratch {
            Some(scratch) => Mirror::open_or_init(&scratch.0, "home")?,
            None => open_for_writing(&to, settings, ui)?,
        };
        done.push(Done { to: shown(&to), ..run.take(&target, &other, &wish.choice(), ui)? });
        if invocation.has("both") && !unmade {
            let back = open_for_writing(&run.both(&other)?, settings, ui)?;
            done.push(run.take(&back, &Other::Folder(to.clone()), &wish.choice(), ui)?);
        }
        if invocation.has("wants") {
            carriers.push(run.both(&other)?);
        }
    }
    status = show(&done, run.dry, ui)?.and(status);
    if run.dry {
        return Ok(status);
    }
    if settings.home_mirror().is_ok_and(|home| home == to) {
        settle(settings, ui)?;
    }
    // What has come is not wanted any more.
    for dir in carriers {
        carry(&run.opened(&dir, ui)?, settings, ui)?;
    }
    Ok(status)
}

/// Fills new mirrors `01`, `02`, … in `to` with what `from` has, each with archives of no more than `limit` bytes.
pub fn parts(
    invocation: &Invocation,
    from: &Path,
    to: &Path,
    limit: u64,
    settings: &Settings,
    ui: &mut Ui,
) -> Result<Vec<PathBuf>> {
    let here = settings.working_directory()?;
    let wish = Wish::read(invocation, &here)?;
    let run = Run { settings, here, dry: false, found: false, accept_rollback: false };
    let mut done = Vec::new();
    run.split(&Other::Folder(from.into()), to, limit, &wish, &mut done, ui)?;
    if let Some(wrong) = done.iter().flat_map(|d| &d.report.damaged).next() {
        return Err(Box::new(Error::Other {
            status: Status::Refused,
            message: escape(wrong).into_owned(),
            hints: vec!["`pantry mirror repair` mends a mirror from others".into()],
        }));
    }
    Ok((1..=done.len()).map(|part| to.join(format!("{part:02}"))).collect())
}

fn usage(message: String, hint: &str) -> Box<Error> {
    Box::new(Error::Usage { message, hint: Some(hint.into()) })
}

impl Run<'_> {
    /// The mirror that is named, or those on media that are mounted.
    fn others(&self, invocation: &Invocation) -> Result<Vec<Other>> {
        let Some(named) = invocation.arguments.first() else {
            let found: Vec<Other> = media::mirrors().into_iter().map(Other::Folder).collect();
            if found.is_empty() {
                let hint = "name one, as in `pantry sync /media/stick`; `pantry mirror init` makes one";
                return Err(Box::new(Error::Other {
                    status: Status::Unreachable,
                    message: "no medium that holds a mirror is mounted".into(),
                    hints: vec![hint.into()],
                }));
            }
            return Ok(found);
        };
        Ok(vec![Other::named(named, self.settings, &self.here)?])
    }

    /// A mirror that can be written to as well.
    fn both(&self, other: &Other) -> Result<PathBuf> {
        match other {
            Other::Folder(dir) => Ok(dir.clone()),
            Other::Web(_) => Err(usage(
                format!("{} can only be read", other.shown()),
                "--both and --wants need two folders",
            )),
        }
    }

    /// A folder's mirror, once it is known that it may be read.
    fn opened(&self, dir: &Path, ui: &mut Ui) -> Result<Mirror> {
        let mirror = Mirror::open_pinned(dir, &mut waiting(ui))?;
        self.settings.trust.check(&mirror, self.how())?;
        Ok(mirror)
    }

    fn how(&self) -> How {
        if self.found { How::Found } else { How::Named }
    }

    /// Carries want-lists to the other mirror and from it to `to`; and fetches what they ask for, where that can be.
    fn wants(&self, other: &Other, to: &Path, ui: &mut Ui) -> Result<Status> {
        let dir = self.both(other)?;
        let stick = self.opened(&dir, ui)?;
        if self.dry {
            let open: usize = stick.want_lists()?.iter().map(|l| l.wants.len()).sum();
            ui.note(&format!(
                "{} on want-lists of {}",
                count(open as u64, "package", "packages"),
                other.shown()
            ));
            return Ok(Status::Done);
        }
        let left = carry(&stick, self.settings, ui)?;
        if left > 0 {
            ui.success(&format!(
                "Left {} on {}",
                count(left as u64, "want-list", "want-lists"),
                other.shown()
            ));
        }
        let target = open_for_writing(to, self.settings, ui)?;
        target.leave_wants(&stick.want_lists()?, &mut waiting(ui))?;
        if self.settings.offline.is_some() {
            return Ok(Status::Done);
        }
        match answer(&dir, self.settings, &self.here, ui) {
            Ok(answers) => {
                answers.tell(ui);
                Ok(answers.status())
            }
            // Who has no network, or not its key, carries the lists to somebody who has.
            Err(e) if matches!(*e, Error::Http(_) | Error::Mirror(mirror::Error::NoKey { .. })) => {
                ui.note(&format!("what is wanted cannot be fetched here: {e}"));
                Ok(Status::Done)
            }
            Err(e) => Err(e),
        }
    }

    fn take(&self, target: &Mirror, other: &Other, choice: &Choice<'_>, ui: &mut Ui) -> Result<Done> {
        let (from, scratch) = other.open(Some(target), self.settings, &self.here, ui)?;
        self.check(&from)?;
        if scratch.is_none() && same_folder(from.mirror().dir(), target.dir()) {
            let message = format!("{} is both sides of this sync", other.shown());
            return Err(usage(message, "name another mirror to take from, or to write to"));
        }
        let report = if self.dry {
            sync::plan(target, &from, choice)?
        } else {
            let bar = ui.progress("Copying", Unit::Bytes);
            let mut hold = waiting(ui);
            let mut progress = |done: u64, total: u64| {
                bar.set_total(total);
                bar.add(done.saturating_sub(bar.done()));
            };
            let watch = &mut Watch { progress: &mut progress, waiting: &mut hold };
            let taken = sync::take(target, &from, choice, watch);
            drop(hold);
            ui.end_progress();
            let taken = taken?;
            self.tell(target, taken.way, ui);
            taken
        };
        // Where things are is told to whoever misses them; a server is asked for them by a sync anyway.
        if !self.dry && scratch.is_none() {
            for mirror in [from.mirror().refresh()?, target.refresh()?] {
                if let Err(e) = self.settings.misses.remember(&mirror) {
                    ui.detail(&format!("what {} holds is not remembered: {e}", shown(mirror.dir())));
                }
            }
        }
        let labels = [from.mirror(), target].map(|m| m.snapshot().label.clone());
        Ok(Done { from: other.shown(), labels, to: shown(target.dir()), report })
    }

    /// Word of how far this machine has seen mirrors goes along to one that is not its own: whoever meets an old
    /// copy of one of them knows it then.
    fn tell(&self, target: &Mirror, way: Way, ui: &mut Ui) {
        if self.settings.home_mirror().is_ok_and(|home| same_folder(&home, target.dir())) {
            return;
        }
        let heads = self.settings.trust.heads();
        if let Err(e) = heads.and_then(|heads| target.leave_heads(&heads, &mut waiting(ui)))
            && way != Way::Nothing
        {
            ui.warn(&format!("{} is not told how far other mirrors are: {e}", shown(target.dir())));
        }
    }

    /// The keys of a mirror behind a server are only asked for where what is known of them is not enough.
    fn check(&self, from: &Carrier) -> Result<()> {
        let trust = &self.settings.trust;
        if self.accept_rollback {
            from.bring_keys()?;
            trust.adopt(from.mirror(), true)?;
            // Nothing of that is remembered of a run that only looks.
            if self.dry {
                return Ok(());
            }
        }
        let how = self.how();
        if trust.check(from.mirror(), how).is_err() {
            from.bring_keys()?;
            trust.check(from.mirror(), how).map_err(|e| match e {
                // What was fetched of it lies elsewhere.
                mirror::Error::Untrusted(e) => {
                    mirror::Error::Untrusted(Box::new(Untrusted { path: from.place(), ..*e }))
                }
                other => other,
            })?;
        }
        Ok(())
    }

    /// Mirrors `01`, `02`, … in `to`, new ones or this command's own, none larger than `limit`, which together hold what there is.
    fn split(
        &self,
        other: &Other,
        to: &Path,
        limit: u64,
        wish: &Wish,
        done: &mut Vec<Done>,
        ui: &mut Ui,
    ) -> Result<()> {
        let mut given: HashSet<(Vec<u8>, String)> = HashSet::new();
        for part in 1.. {
            let (dir, label) = (to.join(format!("{part:02}")), format!("part {part}"));
            // One that a run which was interrupted has begun is gone on with.
            if !Mirror::open(&dir).is_ok_and(|there| there.snapshot().label == label) {
                drop(init::make(&dir, label, self.settings)?);
            }
            let target = open_for_writing(&dir, self.settings, ui)?;
            let mut here = 0;
            target.for_each(Prefix::All, &mut |view| {
                for i in (0..view.len()).filter(|i| view.is_present(*i)) {
                    here += view.load(i)?.size;
                }
                Ok(())
            })?;
            let chosen = wish.choice();
            // What alone is larger than a part is in none.
            let wanted = |key: &mirror::record::Key, v: &mirror::record::VersionRecord| {
                v.size <= limit
                    && !given.contains(&(key.to_bytes(), v.version.to_string()))
                    && chosen.wanted.is_none_or(|wanted| wanted(key, v))
            };
            let left = limit.saturating_sub(here);
            let choice = Choice { wanted: Some(&wanted), limit: Some(left), name: String::new() };
            let part = self.take(&target, other, &choice, ui)?;
            let is_last = part.report.over_limit == 0;
            done.push(part);
            if is_last {
                break;
            }
            target.refresh()?.for_each(Prefix::All, &mut |view| {
                let present = (0..view.len()).filter(|i| view.is_present(*i));
                given.extend(present.map(|i| (view.key().to_bytes(), view.version(i).to_string())));
                Ok(())
            })?;
        }
        Ok(())
    }
}

/// A folder of this process's alone, for as long as it is looked into.
struct Scratch(PathBuf);

impl Scratch {
    fn new(settings: &Settings) -> Result<Self> {
        let name = format!("pantry-{}-{:x}", std::process::id(), mirror::time::now());
        let dir = settings.temporary_directory().join(name);
        // Refused where somebody was there before.
        std::fs::create_dir(&dir).map_err(Error::io("create", &dir))?;
        Ok(Self(dir))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub fn same_folder(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

fn named(dir: &str, label: &str) -> String {
    if label.is_empty() { dir.to_string() } else { format!("{dir} \"{}\"", escape(label)) }
}

fn show(done: &[Done], dry: bool, ui: &mut Ui) -> Result<Status> {
    let wrong = done.iter().any(|d| !d.report.conflicts.is_empty() || !d.report.damaged.is_empty());
    let status = if wrong { Status::Refused } else { Status::Done };
    if ui.is_json() {
        ui.json(|o| {
            o.truth("dryRun", dry);
            o.array("directions", |list| {
                for d in done {
                    list.object(|o| {
                        o.text("from", &d.from);
                        o.text("to", &d.to);
                        o.text("way", way(d.report.way));
                        o.number("records", d.report.records);
                        o.number("archives", d.report.archives);
                        o.number("files", d.report.files);
                        o.number("bytes", d.report.bytes);
                        o.number("leftOut", d.report.left_out);
                        o.number("leftOutBytes", d.report.left_out_bytes);
                        o.array("conflicts", |list| {
                            for c in &d.report.conflicts {
                                list.object(|o| {
                                    o.text("package", &c.key.name);
                                    o.text("version", &c.version);
                                    o.text("here", &c.ours);
                                    o.text("there", &c.theirs);
                                });
                            }
                        });
                        o.texts("damaged", &d.report.damaged);
                    });
                }
            });
        })?;
        return Ok(status);
    }
    for Done { from, to, labels: [there, here], report } in done {
        for c in &report.conflicts {
            ui.warn(&format!(
                "{}@{} has two different hashes and was not taken: {} in {}, {} in {}",
                escape(&c.key.name),
                escape(&c.version),
                escape(&c.ours),
                named(to, here),
                escape(&c.theirs),
                named(from, there)
            ));
        }
        report.damaged.iter().for_each(|d| ui.warn(&format!("not taken: {}", escape(d))));
        let amount = format!(
            "{} of {} ({})",
            count(report.files, "file", "files"),
            count(report.records, "package", "packages"),
            size(report.bytes)
        );
        let from = named(from, there);
        match (report.way, dry) {
            (Way::Nothing, _) => ui.success(&format!("{to} has all that {from} has")),
            (_, true) => ui.note(&format!("Dry run: would take {amount} from {from}; nothing was changed")),
            (_, false) => ui.success(&format!("Took {amount} from {from}")),
        }
        if report.left_out > 0 {
            let left = count(report.left_out, "archive was", "archives were");
            ui.note(&format!("{left} not chosen ({})", size(report.left_out_bytes)));
        }
    }
    if wrong {
        ui.hint("`pantry mirror verify` tells what is damaged; of two hashes for one version only a person can say which is right");
    }
    Ok(status)
}

fn way(way: Way) -> &'static str {
    match way {
        Way::Nothing => "nothing",
        Way::Forward => "forward",
        Way::Joined => "joined",
    }
}
