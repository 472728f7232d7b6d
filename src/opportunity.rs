//! What is in reach is used without being named: mirrors on media that are plugged in, and peers
//! (`sync` and `peers` of config.toml). Only of mirrors whose keys are pinned, or this machine's; nothing
//! is ever written to one.
//!
//! - A command that looks into mirrors looks into those that are plugged in as well, last of all. One that
//!   fails meanwhile (pulled out, damaged) is as if it had not been there.
//! - When such a command is done and has said so, the home mirror takes what they have and it lacks, as far
//!   as that is little and takes no time: the process waits a moment, and ends in the midst of it otherwise.
//!   A sync may be cut off anywhere. Peers are asked for that when they have not been for the time that
//!   metadata stays fresh.

use crate::network::Network;
use crate::settings::Settings;
use crate::source::media;
use crate::ui::Ui;
use mirror::batch::Batch;
use mirror::http::{Client, Url};
use mirror::name::escape;
use mirror::sync::{self, Carrier, Choice, Report, Watch, Way};
use mirror::trust::{How, Trust};
use mirror::{Error, Mirror};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// More is left to `pantry sync`.
const MOST: u64 = 32 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sync {
    #[default]
    Auto,
    /// Before a command looks into one that is plugged in, its user is asked; where nobody can be, it is left alone.
    Ask,
    Never,
}

impl Sync {
    pub const NAMES: [(&str, Self); 3] = [("auto", Self::Auto), ("ask", Self::Ask), ("never", Self::Never)];
}

/// What a run may use besides what was named.
#[derive(Debug)]
pub struct Opportunity {
    sync: Sync,
    /// How long a command that is done waits for it.
    budget: Duration,
    /// Folders and addresses.
    peers: Vec<String>,
    trust: Arc<Trust>,
    /// `$PANTRY_HOME`
    home: Option<PathBuf>,
    found: OnceLock<Vec<PathBuf>>,
}

impl Opportunity {
    pub fn new(
        sync: Sync,
        budget: Duration,
        peers: Vec<String>,
        trust: Arc<Trust>,
        home: Option<PathBuf>,
    ) -> Self {
        Self { sync, budget, peers, trust, home, found: OnceLock::new() }
    }

    /// The trusted mirrors that are plugged in. Looked for when first asked for.
    pub fn media(&self) -> &[PathBuf] {
        self.found.get_or_init(|| if self.sync == Sync::Auto { self.trusted() } else { Vec::new() })
    }

    fn trusted(&self) -> Vec<PathBuf> {
        let Some(home) = self.home.as_ref().map(|home| home.join("mirror")) else { return Vec::new() };
        let mut found = media::mirrors();
        found.retain(|dir| *dir != home && Mirror::open(dir).is_ok_and(|m| self.trust.knows(&m)));
        found
    }

    /// To be called before a command looks into mirrors, where its user is to be asked.
    pub fn ask(&self, ui: &mut Ui) {
        if self.sync != Sync::Ask || !ui.can_ask() || self.found.get().is_some() {
            return;
        }
        let mut accepted = Vec::new();
        for dir in self.trusted() {
            let label = Mirror::open(&dir).map(|m| m.snapshot().label.clone()).unwrap_or_default();
            let question = format!("\"{}\" is plugged in at {}. Use it? [Y/n] ", escape(&label), shown(&dir));
            if ui.ask(&question).is_ok_and(|answer| matches!(answer.trim(), "" | "y" | "Y" | "yes")) {
                accepted.push(dir);
            }
        }
        let _ = self.found.set(accepted);
    }

    /// To be called when a command is done and has said so. Whether something came.
    pub fn take(&self, settings: &Settings, ui: &mut Ui) -> bool {
        let (Some(found), Some(home)) = (self.found.get(), &self.home) else { return false };
        let mut others: Vec<Other> = found.iter().cloned().map(Other::Medium).collect();
        if self.sync == Sync::Auto && settings.offline.is_none() {
            others.extend(self.due(settings, ui));
        }
        if others.is_empty() {
            return false;
        }
        let (sender, receiver) = mpsc::channel();
        let (home, trust) = (home.join("mirror"), self.trust.clone());
        let work = move || others.into_iter().for_each(|other| bring(&home, &other, &trust, &sender));
        if std::thread::Builder::new().spawn(work).is_err() {
            return false;
        }
        let mut came = false;
        let until = Instant::now() + self.budget;
        // Ends when all is done, or when the time is over.
        while let Ok(said) = receiver.recv_timeout(until.saturating_duration_since(Instant::now())) {
            match said {
                Said::Took(from, report) => {
                    came = true;
                    let packages = if report.records == 1 { "package" } else { "packages" };
                    ui.note(&format!("took what is new of {} {packages} from {from}", report.records));
                }
                Said::More(from, bytes) => ui.note(&format!(
                    "{from} has {} that are not here; `pantry sync` takes them",
                    crate::ui::progress::size(bytes)
                )),
                Said::Failed(from, why) => ui.detail(&format!("{from} was left alone: {why}")),
            }
        }
        came
    }

    /// The peers that have not been asked for a while; who is asked now has been.
    fn due(&self, settings: &Settings, ui: &mut Ui) -> Vec<Other> {
        let Some(path) = self.home.as_ref().filter(|_| !self.peers.is_empty()).map(|h| h.join(ASKED)) else {
            return Vec::new();
        };
        let now = mirror::time::now();
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let asked = |peer: &str| {
            let line = text.lines().filter_map(|line| line.split_once(' ')).find(|(_, p)| *p == peer)?;
            line.0.parse::<u64>().ok()
        };
        let fresh = settings.cache_ttl.as_secs();
        let is_due = |peer: &&String| asked(peer).is_none_or(|at| at > now || now - at >= fresh);
        let due: Vec<&String> = self.peers.iter().filter(is_due).collect();
        let line = |peer: &String| {
            let at = if due.contains(&peer) { Some(now) } else { asked(peer) };
            at.map(|at| format!("{at} {peer}\n"))
        };
        let noted: String = self.peers.iter().filter_map(line).collect();
        // Where that cannot be kept they would be asked each time.
        if due.is_empty() || mirror::file::replace_scratch(&path, noted.as_bytes()).is_err() {
            return Vec::new();
        }
        let here = settings.working_directory().unwrap_or_default();
        let client = Network::client(settings, &here, ui).ok();
        let other = |peer: &String| match peer.starts_with("http://") || peer.starts_with("https://") {
            true => Some(Other::Web(Url::parse(peer).ok()?, client.clone()?)),
            false => Some(Other::Folder(here.join(peer))),
        };
        due.into_iter().filter_map(other).collect()
    }
}

/// When peers were asked last, in `$PANTRY_HOME`: lines `SECONDS PEER`.
const ASKED: &str = "peers";

enum Other {
    Medium(PathBuf),
    Folder(PathBuf),
    Web(Url, Client),
}

fn shown(dir: &Path) -> String {
    escape(&dir.to_string_lossy()).into_owned()
}

enum Said {
    Took(String, Report),
    /// So many bytes, too many for a moment.
    More(String, u64),
    Failed(String, String),
}

fn bring(home: &Path, other: &Other, trust: &Trust, say: &Sender<Said>) {
    let name = match other {
        Other::Medium(dir) | Other::Folder(dir) => shown(dir),
        Other::Web(url, _) => url.to_string(),
    };
    let said = match brought(home, other, trust) {
        Ok(None) => return,
        Ok(Some((report, true))) => Said::Took(name, report),
        Ok(Some((report, false))) => Said::More(name, report.bytes),
        Err(e) => Said::Failed(name, e.to_string()),
    };
    // Nobody listens any more: the process is ending.
    let _ = say.send(said);
}

/// What there was to take, and whether it was taken.
fn brought(home: &Path, other: &Other, trust: &Trust) -> std::result::Result<Option<(Report, bool)>, Error> {
    let target = Mirror::open_or_init(home, "home").and_then(|_| Mirror::open_pinned(home, &mut |_| {}))?;
    // What is fetched only to be looked at lies in a batch's folder, which cleans up after itself.
    let batch;
    let from = match other {
        Other::Medium(dir) | Other::Folder(dir) => Carrier::folder(Mirror::open_pinned(dir, &mut |_| {})?),
        Other::Web(url, client) => {
            batch = Batch::begin(&target, 0)?;
            let from = Carrier::remote(client.clone(), url, &batch.scratch())?;
            from.bring_keys()?;
            from
        }
    };
    match other {
        Other::Medium(_) if !trust.knows(from.mirror()) => return Ok(None),
        Other::Medium(_) => {}
        Other::Folder(_) | Other::Web(..) => trust.check(from.mirror(), How::Named)?,
    }
    let choice = Choice::default();
    let planned = sync::plan(&target, &from, &choice)?;
    if planned.way == Way::Nothing {
        return Ok(None);
    }
    if planned.bytes > MOST {
        return Ok(Some((planned, false)));
    }
    trust.prepare(&target)?;
    let watch = &mut Watch { progress: &mut |_, _| {}, waiting: &mut |_| {} };
    let report = sync::take(&target, &from, &choice, watch)?;
    // What contradicts or is damaged is told by the command.
    Ok(Some((report, true)))
}
