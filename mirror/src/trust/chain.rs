//! The chain of a mirror's keys, for rotation by threshold: KEY/00000001.KEY, KEY/00000002.KEY, …
//!
//! ```text
//! pantry-keys 1
//! id ID                     the mirror
//! version N                 the file's number, from 1
//! threshold T               so many of the keys are needed to change them
//! date SECONDS              information only
//! key BASE64              * sorted, each once
//! signature KEY SIGNATURE * over all lines before
//! ```
//! The first stands by the signatures of T of its own keys. Each further one needs T of the keys
//! before it, by their T, and T of its own: who was pinned to any of them finds the way to the
//! last, and nobody becomes a key's owner without having shown that he has it. Files are never
//! overwritten. Any one of the last version's keys signs snapshots: a machine that writes is alone.

use super::{Lines, PublicKey, SecretKey, Signed, count, with_signatures};
use crate::error::{Error, Result};
use crate::file;
use crate::layout;
use crate::mirror::Mirror;
use crate::root::number;
use crate::snapshot::MirrorId;
use std::io;

/// Longest file that is read, most keys in one, longest chain.
const MAX_BYTES: u64 = 16 << 10;
const MAX_KEYS: usize = 32;
const MAX_VERSION: u64 = 10_000;

/// Who may sign for a mirror, and how many of them change that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    pub id: MirrorId,
    pub version: u64,
    pub threshold: u64,
    /// Unix seconds.
    pub date: u64,
    /// Sorted, each once.
    pub keys: Vec<PublicKey>,
    pub signatures: Signed,
}

impl Keys {
    /// The first version, with one key, signed by it.
    pub fn first(id: MirrorId, key: &SecretKey, date: u64) -> Self {
        let keys = vec![key.public()];
        let mut first = Self { id, version: 1, threshold: 1, date, keys, signatures: Signed::new() };
        first.sign(key);
        first
    }

    /// KEY/'s name for it.
    pub fn file_name(version: u64) -> String {
        format!("{version:08}.KEY")
    }

    fn text(&self) -> String {
        let Self { id, version, threshold, date, .. } = self;
        let mut out =
            format!("pantry-keys 1\nid {id}\nversion {version}\nthreshold {threshold}\ndate {date}\n");
        self.keys.iter().for_each(|key| out.push_str(&format!("key {key}\n")));
        out
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        with_signatures(self.text(), &self.signatures)
    }

    /// What the text says; nothing of it is believed yet.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut lines = Lines::of("pantry-keys", bytes)?;
        let id = MirrorId::parse(lines.take("id")?)?;
        let version = number(lines.take("version")?).ok().filter(|n| (1..=MAX_VERSION).contains(n))?;
        let threshold = number(lines.take("threshold")?).ok()?;
        let date = number(lines.take("date")?).ok()?;
        let mut keys: Vec<PublicKey> = Vec::new();
        while let Some(key) = lines.take("key") {
            let key = PublicKey::parse(key)?;
            if keys.last().is_some_and(|last| *last >= key) || keys.len() == MAX_KEYS {
                return None;
            }
            keys.push(key);
        }
        let signatures = lines.signatures()?;
        if !(1..=keys.len() as u64).contains(&threshold) {
            return None;
        }
        Some(Self { id, version, threshold, date, keys, signatures })
    }

    /// Adds the signature of one of its keys, or of the keys before it.
    pub fn sign(&mut self, key: &SecretKey) {
        let id = key.public().id();
        self.signatures.retain(|(signer, _)| *signer != id);
        self.signatures.push((id, key.sign(self.text().as_bytes())));
    }

    /// Whether enough of its own keys have signed it: what the first of a chain needs.
    pub fn is_whole(&self) -> bool {
        self.has(&self.keys, self.threshold)
    }

    /// Whether it is what follows `before`, by enough of the keys of both.
    pub fn follows(&self, before: &Self) -> bool {
        self.id == before.id
            && self.version == before.version + 1
            && self.is_whole()
            && self.has(&before.keys, before.threshold)
    }

    pub(super) fn has(&self, keys: &[PublicKey], threshold: u64) -> bool {
        count(keys, &self.signatures, self.text().as_bytes()) as u64 >= threshold
    }
}

impl Mirror {
    /// Who may sign for the mirror: the last version of KEY/, reached from `known`, or from the
    /// first, which then is believed as it is. `None`: there is none.
    pub fn keys(&self, known: Option<Keys>) -> Result<Option<Keys>> {
        let mut last = known;
        loop {
            let version = last.as_ref().map_or(1, |keys| keys.version + 1);
            let name = Keys::file_name(version);
            let Some(bytes) = self.key_file(&name)? else { return Ok(last) };
            let next = Keys::parse(&bytes).filter(|next| match &last {
                Some(last) => next.follows(last),
                None => next.id == self.id() && next.version == 1 && next.is_whole(),
            });
            if next.is_none() {
                let what = "it does not hold the mirror's keys, signed by enough of those before";
                return Err(Error::damaged(&self.layout().path(layout::KEYS).join(name), what));
            }
            last = next;
        }
    }

    /// A file of KEY/; `None`: there is none.
    pub(crate) fn key_file(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let layout = self.layout();
        let name = layout.name(name);
        match file::open_below(&layout.dir, &[&layout.name(layout::KEYS)], &name) {
            Ok(file) => {
                let path = layout.path(layout::KEYS).join(name);
                match file::read_open(file, &path, MAX_BYTES) {
                    Err(Error::TooLarge { .. }) => {
                        Err(Error::damaged(&path, "it is larger than any such file"))
                    }
                    read => read.map(Some),
                }
            }
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }
}
