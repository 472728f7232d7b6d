//! What is missing here: noted in this machine's want-list, which a stick can carry to where there is a
//! network (`mirror::want`, `pantry sync --wants`), and said to be where it was seen (`mirror::held`).
//!
//! The list is the home mirror's own in WNT/; what mirrors were seen to hold lies in `$PANTRY_HOME/held/`.

use crate::error::Seen;
use crate::install::platform::Platform;
use crate::resolve::range::Range;
use crate::resolve::spec::{Spec, Wanted};
use crate::source::mirrors::Mirrors;
use mirror::Mirror;
use mirror::held::Held;
use mirror::record::{Ecosystem, Key, RecordView};
use mirror::snapshot::MirrorId;
use mirror::version::Version;
use mirror::want::{Want, WantList};
use mzp::requirement::Requirement;
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock, PoisonError};

/// The notebook of a run.
#[derive(Debug)]
pub struct Misses {
    /// `$PANTRY_HOME`; `None`: nothing is remembered.
    home: Option<PathBuf>,
    wants: Mutex<Vec<Want>>,
    held: OnceLock<Vec<(MirrorId, Held)>>,
}

impl Misses {
    pub fn new(home: Option<PathBuf>) -> Self {
        Self { home, wants: Mutex::default(), held: OnceLock::new() }
    }

    /// Something of npm's that no mirror has.
    pub fn note(&self, key: Key, range: &str) {
        self.note_for(key, range, Platform::current().to_string());
    }

    /// Something that no mirror has, wanted for a platform in its ecosystem's words.
    pub fn note_for(&self, key: Key, range: &str, platform: String) {
        let range = if range.is_empty() { "*".to_string() } else { range.to_string() };
        let want = Want { key, range, platform, since: mirror::time::now() };
        self.wants.lock().unwrap_or_else(PoisonError::into_inner).push(want);
    }

    /// The mirror that was seen last with it, and is none of those that were asked now.
    pub fn seen(&self, key: &Key, version: Option<&str>, asked: &Mirrors) -> Option<Seen> {
        self.seen_beside(key, version, &asked.iter().map(Mirror::id).collect::<Vec<_>>())
    }

    /// The same, beside mirrors with these ids.
    pub fn seen_beside(&self, key: &Key, version: Option<&str>, asked: &[MirrorId]) -> Option<Seen> {
        // Only a hint: what cannot be read does not count.
        let read = |home: &PathBuf| Held::all(&home.join(FOLDER)).unwrap_or_default();
        let held = self.held.get_or_init(|| self.home.as_ref().map(read).unwrap_or_default());
        let (_, held) = held.iter().find(|(id, held)| !asked.contains(id) && held.has(key, version))?;
        Some(Seen { label: held.label.clone(), date: held.date })
    }

    /// Remembers what a mirror holds that is not the home mirror.
    pub fn remember(&self, mirror: &Mirror) -> mirror::error::Result<()> {
        match &self.home {
            Some(home) if mirror.dir() != home.join("mirror") => {
                Held::note(&home.join(FOLDER), mirror, mirror::time::now())
            }
            _ => Ok(()),
        }
    }

    /// To be called when a run ends: what was missing goes on this machine's list. How much of it is new there.
    pub fn finish(&self) -> mirror::error::Result<usize> {
        let wants = std::mem::take(&mut *self.wants.lock().unwrap_or_else(PoisonError::into_inner));
        let Some(home) = self.home.as_ref().filter(|_| !wants.is_empty()) else { return Ok(0) };
        let mut new = 0;
        let mut take = |own: &mut WantList| {
            let before = own.wants.len();
            let changed = own.want(&wants);
            new = own.wants.len().saturating_sub(before);
            changed
        };
        let mirror = Mirror::open_or_init(&home.join("mirror"), "home")?;
        mirror.change_wants(mirror::time::now(), &mut take, &mut |_| {})?;
        Ok(new)
    }
}

/// Where what mirrors were seen to hold is kept, in `$PANTRY_HOME`.
const FOLDER: &str = "held";

/// Whether a mirror has what was wanted, whatever that needs in turn.
pub fn is_here(view: &RecordView, want: &Want) -> bool {
    let present = || (0..view.len()).filter(|i| view.is_present(*i)).map(|i| view.version(i));
    let fits = |is: &dyn Fn(&Version) -> bool| present().any(|v| Version::parse(v).is_ok_and(|v| is(&v)));
    match want.key.ecosystem {
        Ecosystem::Npm => match Spec::parse(&want.range).wanted {
            Wanted::Version(version, _) => fits(&|v| *v == version),
            Wanted::Range(range) => fits(&|v| Range::satisfies(&range, v)),
            Wanted::Tag(tag) => view.tag(&tag).is_some_and(|tagged| present().any(|v| v == tagged)),
            _ => false,
        },
        Ecosystem::Minz => Requirement::parse(&want.range).is_ok_and(|r| fits(&|v| r.matches(v))),
        _ => false,
    }
}
