//! What a mirror gains by one record of another.

use crate::digest::Hash;
use crate::error::{Conflict, Result};
use crate::mirror::Mirror;
use crate::record::join::{Teller, differing, join, restricted};
use crate::record::{Location, RecordView};
use crate::snapshot::FileEntry;
use std::collections::HashSet;

/// A record as it may be joined in: without versions that conflict or were removed here on purpose.
pub struct Gain {
    pub record: RecordView,
    /// What is known of the package here.
    ours: Option<RecordView>,
    /// Rows of the record whose archives are there and not here.
    pub new: Vec<usize>,
    /// The packs that these lie in, and the blobs among them.
    pub packs: Vec<Hash>,
    pub blobs: Vec<FileEntry>,
}

/// `None`: nothing of it may be taken. `lost`: packs and blobs that are counted as absent there.
pub fn gain(
    target: &Mirror,
    theirs: RecordView,
    lost: &HashSet<Hash>,
    conflicts: &mut Vec<Conflict>,
) -> Result<Option<Gain>> {
    let key = theirs.key().clone();
    let state = target.snapshot();
    let mut refused = HashSet::new();
    if !state.is_whole() {
        if state.exclusions.iter().any(|e| e.key == key && e.version.is_none()) {
            return Ok(None);
        }
        refused.extend((0..theirs.len()).filter(|i| state.is_excluded(&key, Some(theirs.version(*i)))));
    }
    let ours = target.lookup(&key)?;
    if let Some(ours) = &ours {
        for i in 0..theirs.len() {
            if let Some(j) = ours.find(theirs.version(i))
                && let Some(conflict) = differing(ours, j, &theirs, i)?
            {
                conflicts.push(conflict);
                refused.insert(i);
            }
        }
    }
    let mut absent = HashSet::new();
    if !lost.is_empty() {
        for i in 0..theirs.len() {
            let gone = match theirs.location(i) {
                Location::Pack { pack, .. } => lost.contains(&pack),
                Location::Blob => theirs.load(i)?.sha256.is_some_and(|h| lost.contains(&h)),
                Location::Absent => false,
            };
            if gone {
                absent.insert(i);
            }
        }
    }
    let record = match refused.is_empty() && absent.is_empty() {
        true => theirs,
        false => RecordView::parse(restricted(&theirs, &refused, &absent)?.into())?,
    };
    if record.is_empty() && !refused.is_empty() {
        return Ok(None);
    }
    let here =
        |i: usize| ours.as_ref().is_some_and(|o| o.find(record.version(i)).is_some_and(|j| o.is_present(j)));
    let new: Vec<usize> = (0..record.len()).filter(|i| record.is_present(*i) && !here(*i)).collect();
    let mut gain = Gain { record, ours, new, packs: Vec::new(), blobs: Vec::new() };
    gain.locate()?;
    Ok(Some(gain))
}

impl Gain {
    /// Whether all of it is here already.
    pub fn is_nothing(&self) -> Result<bool> {
        if !self.new.is_empty() {
            return Ok(false);
        }
        let Some(ours) = &self.ours else { return Ok(false) };
        let joined = join(Some(ours), &self.record, Teller::Mirror, &mut |v| v.location.clone())?;
        Ok(*ours.to_bytes()? == *joined)
    }

    /// Only these archives are taken; the others are known, not here.
    pub fn keep_only(&mut self, chosen: &[usize]) -> Result<()> {
        let absent: HashSet<usize> = (0..self.record.len()).filter(|i| !chosen.contains(i)).collect();
        self.record = RecordView::parse(restricted(&self.record, &HashSet::new(), &absent)?.into())?;
        self.new = chosen.to_vec();
        self.locate()
    }

    fn locate(&mut self) -> Result<()> {
        self.packs.clear();
        self.blobs.clear();
        for &i in &self.new {
            match self.record.location(i) {
                Location::Pack { pack, .. } if !self.packs.contains(&pack) => self.packs.push(pack),
                Location::Blob => {
                    let v = self.record.load(i)?;
                    self.blobs.extend(v.sha256.map(|hash| FileEntry { hash, bytes: v.size }));
                }
                _ => {}
            }
        }
        Ok(())
    }
}
