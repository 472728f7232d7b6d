//! What a machine remembers of mirrors, and what follows from it: which keys are a mirror's, and how
//! far it was when it was last seen. It lies in a folder of the user's (`$PANTRY_HOME/trust`), never
//! on the mirror: who replaces a stick cannot replace that.
//!
//! ```text
//! keys/NNNN.key     this machine's secret keys, 64 hexadecimal digits, mode 0600; the last one signs new mirrors
//! mirrors/ID        a mirror that is pinned, as below
//! LOCK              held by whoever changes any of them
//!
//! pantry-pin 1
//! label TEXT        what the mirror called itself, escaped as in a snapshot
//! since SECONDS     when it was pinned
//! told HASH         what lay in its SEE/, and which mirrors were pinned, when that was looked at; left out before
//! head SEQUENCE BODY SECONDS   the furthest state that was seen, and when; left out before the first
//! signature KEY SIGNATURE *    that state's own
//! pantry-keys 1 …   the mirror's keys, as in its KEY/
//! ```
//! The home mirror is the machine's own and is not looked at. Of every other one that is named:
//!
//! - the first time, the keys of its KEY/ are pinned, which is said; one that was only found
//!   (plugged in) is not pinned by that;
//! - later its keys have to be those, or be reached from them by the chain;
//! - a sequence below the one that was seen is a rollback, another content with the same one a fork.
//!   One less is taken where the last slot is broken: that is what a torn write leaves, and it is said;
//! - what others left in SEE/ counts as seen, of this mirror and of all that are pinned, where those mirrors'
//!   own keys have signed it; it is read where its files, or which mirrors are pinned, are not what they were;
//! - its age is told after a month, and no reason to refuse it unless somebody wants that: a stick is old;
//! - a sequence that is more than 2^32 ahead is refused: it would make every true one a rollback.
//!
//! Nothing is remembered before everything has been checked.

use super::{Head, KeyId, Keys, Lines, SecretKey, Signed, with_signatures};
use crate::digest::Hash;
use crate::error::{Error, Result};
use crate::file;
use crate::lock::{Lock, Mode};
use crate::mirror::Mirror;
use crate::name::escape;
use crate::root::number;
use crate::snapshot::{self, MirrorId};
use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Longest file of a pin or a key.
const LIMIT: u64 = 32 << 10;
/// Further ahead than any mirror comes.
const JUMP: u64 = 1 << 32;

/// An age in days that is told.
const SAID: u64 = 30;

/// What is made of a mirror (or an archive) whose signature is missing or unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    Required,
    Warn,
    Off,
}

impl Policy {
    pub const NAMES: [(&str, Self); 3] =
        [("required", Self::Required), ("warn", Self::Warn), ("off", Self::Off)];
}

/// How somebody came to a mirror.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    Named,
    /// It was plugged in. Nobody said anything about it.
    Found,
}

/// A mirror that is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Untrusted {
    pub path: PathBuf,
    pub why: Why,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    Unsigned,
    /// Unsigned, and pinned with keys.
    NoLonger,
    /// Signed, and there is no KEY/ that says by whom.
    NoKeys,
    /// By these, not by one of those.
    Others {
        signed: Vec<KeyId>,
        keys: Vec<KeyId>,
    },
    NotPinned(Vec<KeyId>),
    Older {
        seen: u64,
        found: u64,
    },
    Forked(u64),
    /// Since when it is as it is, Unix seconds; older than is wanted here.
    Aged {
        date: u64,
        days: u64,
    },
    TooFar {
        seen: u64,
        found: u64,
    },
}

/// A mirror that is pinned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    pub label: String,
    /// Unix seconds.
    pub since: u64,
    /// What others had left on it when that was looked at.
    pub told: Option<Hash>,
    /// Sequence, content and when it was seen.
    pub head: Option<(u64, Hash, u64)>,
    /// The state's own.
    pub signatures: Signed,
    pub keys: Keys,
}

/// The machine's memory, and the policy of a run.
#[derive(Debug)]
pub struct Trust {
    folder: Option<PathBuf>,
    home: Option<PathBuf>,
    policy: Policy,
    /// Days; an older state is refused.
    pub max_age: Option<u64>,
    /// Mirrors that may have been written to.
    prepared: Mutex<Vec<PathBuf>>,
    notes: Mutex<Vec<String>>,
    /// Nothing is remembered of this run.
    looking: AtomicBool,
}

impl Trust {
    /// `folder`: where it is kept; `None`: nowhere. `home`: the home mirror.
    pub fn new(folder: Option<PathBuf>, home: Option<PathBuf>, policy: Policy) -> Self {
        Self {
            folder,
            home,
            policy,
            max_age: None,
            prepared: Mutex::default(),
            notes: Mutex::default(),
            looking: AtomicBool::new(false),
        }
    }

    /// For a run that is to change nothing: what it sees is judged as ever, and forgotten.
    pub fn only_look(&self) {
        self.looking.store(true, Ordering::Relaxed);
    }

    pub fn policy(&self) -> Policy {
        self.policy
    }

    /// To be called when a run ends: what this machine itself has made of pinned mirrors is remembered, so
    /// that an older state is a rollback here too. What is to be said of the run, each once.
    pub fn finish(&self) -> Vec<String> {
        for dir in std::mem::take(&mut *held(&self.prepared)) {
            // What cannot be read is found out by whoever reads it.
            let _ = Mirror::open(&dir).and_then(|mirror| self.made(&mirror));
        }
        std::mem::take(&mut *held(&self.notes))
    }

    fn note(&self, text: String) {
        let mut notes = held(&self.notes);
        if !notes.contains(&text) {
            notes.push(text);
        }
    }

    fn is_home(&self, mirror: &Mirror) -> bool {
        let place = |path: &Path| path.metadata().map(|m| (m.dev(), m.ino())).ok();
        self.home.as_ref().is_some_and(|home| {
            home == mirror.dir() || place(home).is_some_and(|home| Some(home) == place(mirror.dir()))
        })
    }

    /// Whether the mirror may be read from. To be asked before anything of it is used.
    ///
    /// # Errors
    /// [`Error::Untrusted`]; what is remembered of it cannot be read.
    pub fn check(&self, mirror: &Mirror, how: How) -> Result<()> {
        if self.is_home(mirror) {
            return Ok(());
        }
        let date = mirror.snapshot().date;
        let days = crate::time::now().saturating_sub(date) / 86_400;
        if self.max_age.is_some_and(|most| days > most) {
            return Err(untrusted(mirror, Why::Aged { date, days }));
        }
        if days > SAID {
            self.note(format!(
                "what {} knows is of {}, {days} days ago",
                shown(mirror.dir()),
                &crate::time::date(date)[..10]
            ));
        }
        if self.policy == Policy::Off {
            return Ok(());
        }
        match self.looked_at(mirror, how) {
            // Nothing is known of it. What contradicts what is known is another matter.
            Err(Error::Untrusted(e))
                if self.policy == Policy::Warn
                    && matches!(e.why, Why::Unsigned | Why::NoKeys | Why::NotPinned(_)) =>
            {
                self.note(e.to_string());
                Ok(())
            }
            looked_at => looked_at,
        }
    }

    /// Whether a mirror that was only found is one that this machine knows, whatever the policy is for
    /// those that are named.
    pub fn knows(&self, mirror: &Mirror) -> bool {
        self.looked_at(mirror, How::Found).is_ok()
    }

    fn looked_at(&self, mirror: &Mirror, how: How) -> Result<()> {
        let refuse = |why| Err(untrusted(mirror, why));
        let pin = self.pin(&mirror.id())?;
        let head = mirror.head();
        let told = self.told(mirror)?;
        // What was checked when it was seen first.
        if let Some(pin) = &pin
            && let Some((sequence, body, _)) = pin.head
            && (sequence, body) == (head.sequence, head.body)
            && (told.is_none() || told == pin.told)
        {
            return Ok(());
        }
        if head.signatures.is_empty() {
            return refuse(if pin.is_some() { Why::NoLonger } else { Why::Unsigned });
        }
        let keys = signed_keys(mirror, &head, pin.as_ref().map(|pin| pin.keys.clone()))?;
        let Some(mut pin) = pin else {
            let own = self.own()?.iter().any(|key| keys.keys.contains(&key.public()));
            if how == How::Found && !own {
                return refuse(Why::NotPinned(ids(&keys)));
            }
            let label = escape(&mirror.snapshot().label).into_owned();
            let label = if label.is_empty() { shown(mirror.dir()) } else { format!("\"{label}\"") };
            if !own {
                let keys = listed(&ids(&keys));
                let done = if self.looking.load(Ordering::Relaxed) { "would pin" } else { "pinned" };
                self.note(format!(
                    "{done} the key {keys} of the mirror {label}, which is seen for the first time"
                ));
            }
            let all = mirror.heads_seen()?;
            if let Some(why) = all.iter().find_map(|(other, _)| of_same(&head, other, &keys)) {
                return refuse(why);
            }
            self.keep(mirror, fresh(mirror, keys).at(&head));
            self.learn(&all)?;
            return Ok(());
        };
        pin.keys = keys;
        pin.told = told;
        let all = mirror.heads_seen()?;
        let told = all.iter().find_map(|(other, _)| of_same(&head, other, &pin.keys));
        match against(&head, pin.head).or(told) {
            Some(Why::Older { seen, found }) => {
                // Somebody of this machine may have committed since it was opened.
                let now = mirror.refresh()?;
                if now.sequence() > found {
                    return self.looked_at(&now, how);
                }
                if found + 1 == seen && mirror.fallback().is_some() {
                    return Ok(());
                }
                return refuse(Why::Older { seen, found });
            }
            Some(why) => return refuse(why),
            None => {}
        }
        pin.label = mirror.snapshot().label.clone();
        self.keep(mirror, pin.at(&head));
        self.learn(&all)
    }

    /// What tells that there is something new in SEE/, or somebody to whom it matters; `None`: it is empty.
    fn told(&self, mirror: &Mirror) -> Result<Option<Hash>> {
        let files = crate::left::files(mirror, crate::layout::SEEN)?;
        if files.is_empty() {
            return Ok(None);
        }
        let mut text = self.names("mirrors")?.join("\n").into_bytes();
        for file in files {
            text.push(b'\n');
            text.extend(file.file_name().unwrap_or_default().as_encoded_bytes());
        }
        Ok(Some(Hash::of(&text)))
    }

    /// What was left on one mirror about others that are pinned.
    fn learn(&self, heads: &[(Head, PathBuf)]) -> Result<()> {
        for (head, _) in heads {
            let Some(pin) = self.pin(&head.id)? else { continue };
            if !head.is_signed_by(&pin.keys.keys) {
                continue;
            }
            match against(head, pin.head) {
                None if pin.head.is_none_or(|(sequence, ..)| sequence < head.sequence) => {
                    if let Err(e) = self.put(&head.id, &pin.at(head)) {
                        self.note(format!("what was told of the mirror {} is not remembered: {e}", head.id));
                    }
                }
                Some(Why::Forked(sequence)) => {
                    self.note(format!("two different states {sequence} of the mirror {} go round", head.id));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// How far this machine has seen each mirror: what it can hand on.
    pub fn heads(&self) -> Result<Vec<Head>> {
        let head = |pin: Pin| {
            let (sequence, body, _) = pin.head?;
            (!pin.signatures.is_empty()).then_some(Head {
                id: pin.keys.id,
                sequence,
                body,
                signatures: pin.signatures,
            })
        };
        Ok(self.pins()?.into_iter().filter_map(head).collect())
    }

    /// What a reading could not keep is said; it is no reason not to read.
    fn keep(&self, mirror: &Mirror, pin: Pin) {
        if let Err(e) = self.put(&mirror.id(), &pin) {
            self.note(format!("what was seen of {} is not remembered: {e}", shown(mirror.dir())));
        }
    }

    /// Sees to it that commits to the mirror are signed, where it is a signed one.
    ///
    /// # Errors
    /// [`Error::NoKey`]: none of its keys is this machine's.
    pub fn prepare(&self, mirror: &Mirror) -> Result<()> {
        if mirror.snapshot().signatures.is_empty() {
            return Ok(());
        }
        let known = self.pin(&mirror.id())?.map(|pin| pin.keys);
        let keys = mirror.keys(known)?.map(|keys| keys.keys).unwrap_or_default();
        let key = self.own()?.into_iter().find(|key| keys.contains(&key.public()));
        mirror.sign_with(vec![key.ok_or_else(|| Error::NoKey { path: mirror.dir().into() })?]);
        held(&self.prepared).push(mirror.dir().into());
        Ok(())
    }

    fn made(&self, mirror: &Mirror) -> Result<()> {
        if let Some(pin) = self.pin(&mirror.id())?
            && pin.head.is_none_or(|(sequence, ..)| sequence < mirror.sequence())
        {
            self.keep(mirror, pin.at(&mirror.head()));
        }
        Ok(())
    }

    /// Pins the keys that the mirror has now, and its state, whatever keys were known before; an older
    /// state only with `back`.
    ///
    /// # Errors
    /// Its state is not signed by them, or older; they cannot be kept.
    pub fn adopt(&self, mirror: &Mirror, back: bool) -> Result<Pin> {
        let head = mirror.head();
        if !back
            && let Some(pin) = self.pin(&mirror.id())?
            && let Some(why) = against(&head, pin.head)
        {
            return Err(untrusted(mirror, why));
        }
        if head.signatures.is_empty() {
            return Err(untrusted(mirror, Why::Unsigned));
        }
        let keys = signed_keys(mirror, &head, None)?;
        let pin = fresh(mirror, keys).at(&head);
        self.put(&mirror.id(), &pin)?;
        Ok(pin)
    }

    /// Forgets a mirror; whether it was known.
    pub fn forget(&self, id: &MirrorId) -> Result<bool> {
        let Some(path) = self.pin_path(id) else { return Ok(false) };
        let _lock = self.lock()?;
        if !path.exists() {
            return Ok(false);
        }
        file::remove(&path)?;
        file::sync_dir(path.parent().unwrap_or(&path))?;
        Ok(true)
    }

    fn pin_path(&self, id: &MirrorId) -> Option<PathBuf> {
        Some(self.folder.as_ref()?.join("mirrors").join(id.to_string()))
    }

    /// What is remembered of that mirror.
    pub fn pin(&self, id: &MirrorId) -> Result<Option<Pin>> {
        let Some(path) = self.pin_path(id) else { return Ok(None) };
        let Some(bytes) = found(file::read(&path, LIMIT))? else { return Ok(None) };
        let pin = Pin::parse(&bytes).filter(|pin| pin.keys.id == *id);
        pin.map(Some).ok_or_else(|| Error::damaged(&path, "it is no pin of that mirror"))
    }

    /// All mirrors that are pinned.
    pub fn pins(&self) -> Result<Vec<Pin>> {
        let mut pins = Vec::new();
        for name in self.names("mirrors")? {
            if let Some(id) = MirrorId::parse(&name) {
                pins.extend(self.pin(&id)?);
            }
        }
        Ok(pins)
    }

    fn put(&self, id: &MirrorId, pin: &Pin) -> Result<()> {
        if self.looking.load(Ordering::Relaxed) {
            return Ok(());
        }
        let Some(path) = self.pin_path(id) else { return Err(nowhere()) };
        let _lock = self.lock()?;
        file::replace(&path, &pin.to_bytes())
    }

    /// This machine's secret keys, the newest first.
    pub fn own(&self) -> Result<Vec<SecretKey>> {
        let mut keys = Vec::new();
        for name in self.names("keys")?.iter().rev().filter(|name| name.ends_with(".key")) {
            let path = self.folder.iter().map(|f| f.join("keys").join(name)).collect::<PathBuf>();
            if path.metadata().is_ok_and(|m| m.mode() & 0o077 != 0) {
                self.note(format!("{}: others can read this secret key; `chmod 600` it", shown(&path)));
            }
            let key = SecretKey::read(&path)?;
            keys.push(key.ok_or_else(|| Error::damaged(&path, "it is no secret key"))?);
        }
        Ok(keys)
    }

    /// The key that this machine signs new mirrors with, made on first need.
    pub fn machine_key(&self) -> Result<SecretKey> {
        match self.own()?.into_iter().next() {
            Some(key) => Ok(key),
            None => self.new_key(0),
        }
    }

    /// One more key, durable before it is returned, unless there are more than `had` meanwhile.
    pub fn new_key(&self, had: usize) -> Result<SecretKey> {
        let Some(folder) = &self.folder else { return Err(nowhere()) };
        let _lock = self.lock()?;
        let names = self.names("keys")?;
        if names.len() > had {
            return self.own()?.into_iter().next().ok_or_else(nowhere);
        }
        let key = SecretKey::generate()?;
        let path = folder.join("keys").join(format!("{:04}.key", names.len() + 1));
        file::replace_private(&path, format!("{}\n", key.to_text()).as_bytes())?;
        Ok(key)
    }

    /// The names in one of the two folders, sorted.
    fn names(&self, of: &str) -> Result<Vec<String>> {
        let Some(folder) = &self.folder else { return Ok(Vec::new()) };
        let folder = folder.join(of);
        let entries = std::fs::read_dir(&folder).map_err(Error::io("read", &folder));
        let Some(entries) = found(entries)? else { return Ok(Vec::new()) };
        let mut names = Vec::new();
        for entry in entries {
            let name = entry.map_err(Error::io("read", &folder))?.file_name().into_string();
            names.extend(name.ok().filter(|name| !name.starts_with('.')));
        }
        crate::order::sort(&mut names);
        Ok(names)
    }

    /// The lock on the folder, which is made if need be, to last.
    fn lock(&self) -> Result<Lock> {
        let Some(folder) = &self.folder else { return Err(nowhere()) };
        for inner in ["keys", "mirrors"] {
            let path = folder.join(inner);
            if !path.is_dir() {
                file::make_dirs(&path)?;
                path.ancestors().skip(1).take(3).try_for_each(file::sync_dir)?;
            }
        }
        // Whoever has it is done in milliseconds.
        Lock::acquire(&folder.join("LOCK"), Mode::Unsigned, &mut |_| {})
    }
}

impl Pin {
    /// The same with this state as the furthest.
    fn at(self, head: &Head) -> Self {
        let seen = (head.sequence, head.body, crate::time::now());
        Self { head: Some(seen), signatures: head.signatures.clone(), ..self }
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let label = snapshot::escape(self.label.as_bytes());
        let mut out = format!("pantry-pin 1\nlabel {label}\nsince {}\n", self.since);
        if let Some(told) = &self.told {
            out.push_str(&format!("told {told}\n"));
        }
        let mut signatures = [].as_slice();
        if let Some((sequence, body, when)) = &self.head {
            out.push_str(&format!("head {sequence} {body} {when}\n"));
            signatures = &self.signatures;
        }
        let mut out = with_signatures(out, signatures);
        out.extend(self.keys.to_bytes());
        out
    }

    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut lines = Lines::of("pantry-pin", bytes)?;
        let label = snapshot::unescape_text(lines.take("label")?)?;
        let since = number(lines.take("since")?).ok()?;
        let told = match lines.take("told") {
            Some(hash) => Some(Hash::parse(hash).ok()?),
            None => None,
        };
        let head = match lines.take("head") {
            Some(line) => {
                let mut fields = line.splitn(3, ' ');
                let sequence = number(fields.next()?).ok()?;
                let body = Hash::parse(fields.next()?).ok()?;
                Some((sequence, body, number(fields.next()?).ok()?))
            }
            None => None,
        };
        let mut signatures = Signed::new();
        while let Some(signature) = lines.signature() {
            signatures.push(signature?);
        }
        Some(Self { label, since, told, head, signatures, keys: Keys::parse(lines.0.as_bytes())? })
    }
}

/// The mirror's keys, if one of them has signed its head.
fn signed_keys(mirror: &Mirror, head: &Head, known: Option<Keys>) -> Result<Keys> {
    let Some(keys) = mirror.keys(known)? else { return Err(untrusted(mirror, Why::NoKeys)) };
    if !head.is_signed_by(&keys.keys) {
        let signed = head.signatures.iter().map(|(id, _)| *id).collect();
        return Err(untrusted(mirror, Why::Others { signed, keys: ids(&keys) }));
    }
    Ok(keys)
}

/// What a head that is met says against it, beside one that was seen.
fn against(head: &Head, seen: Option<(u64, Hash, u64)>) -> Option<Why> {
    let ((seen, body, _), found) = (seen?, head.sequence);
    if found < seen {
        Some(Why::Older { seen, found })
    } else if found == seen && body != head.body {
        Some(Why::Forked(seen))
    } else if found - seen > JUMP {
        Some(Why::TooFar { seen, found })
    } else {
        None
    }
}

fn untrusted(mirror: &Mirror, why: Why) -> Error {
    Error::Untrusted(Box::new(Untrusted { path: mirror.dir().into(), why }))
}

fn nowhere() -> Error {
    let source = io::Error::other("neither PANTRY_HOME nor HOME says where");
    Error::Io { action: "keep", path: "trust".into(), source }
}

fn fresh(mirror: &Mirror, keys: Keys) -> Pin {
    Pin {
        label: mirror.snapshot().label.clone(),
        since: crate::time::now(),
        told: None,
        head: None,
        signatures: Signed::new(),
        keys,
    }
}

/// What somebody else's word of the same mirror says against this state of it.
fn of_same(head: &Head, other: &Head, keys: &Keys) -> Option<Why> {
    let told = other.id == head.id && other.is_signed_by(&keys.keys);
    let why = against(head, Some((other.sequence, other.body, 0))).filter(|_| told);
    // Being ahead of what others have seen is no fault.
    why.filter(|why| !matches!(why, Why::TooFar { .. }))
}

fn ids(keys: &Keys) -> Vec<KeyId> {
    keys.keys.iter().map(|key| key.id()).collect()
}

fn held<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

fn found<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

pub(super) fn shown(path: &Path) -> String {
    escape(&path.to_string_lossy()).into_owned()
}

pub(super) fn listed(ids: &[KeyId]) -> String {
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    ids.join(", ")
}

impl fmt::Display for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not trusted: ", shown(&self.path))?;
        match &self.why {
            Why::Unsigned => f.write_str("it is not signed"),
            Why::NoLonger => f.write_str("it was signed when it was pinned, and is no longer"),
            Why::NoKeys => f.write_str("it is signed, but does not say by whom (KEY/ is empty)"),
            Why::Others { signed, keys } => {
                write!(f, "it is signed by {}, not by its key {}", listed(signed), listed(keys))
            }
            Why::NotPinned(keys) => write!(f, "its key {} is not pinned", listed(keys)),
            Why::Older { seen, found } => {
                write!(f, "it is at state {found}, but this machine has seen its state {seen}")
            }
            Why::Forked(sequence) => {
                write!(f, "its state {sequence} is not the state {sequence} that this machine has seen")
            }
            Why::Aged { date, days } => {
                write!(f, "it is of {}, {days} days ago", &crate::time::date(*date)[..10])
            }
            Why::TooFar { seen, found } => {
                write!(f, "it claims state {found}, far beyond state {seen}, which this machine has seen")
            }
        }
    }
}

#[cfg(test)]
mod tests;
