//! Going through the other mirror's records, some thousands at a time.

use super::carrier::Carrier;
use super::gain::{Gain, gain};
use super::{Choice, Report, Way};
use crate::digest::Hash;
use crate::error::Result;
use crate::layout::Folder;
use crate::mirror::Mirror;
use crate::record::RecordView;
use crate::segment::{Item, Merge, Source};
use crate::snapshot::SegmentEntry;
use std::collections::HashSet;

/// Records that are joined in one commit.
const CHUNK: usize = 20_000;

/// A walk: where it is, and what it has found.
pub struct Joining<'a> {
    pub from: &'a Carrier,
    choice: &'a Choice<'a>,
    /// Segments that the target had at the beginning: what is in them is here.
    known: HashSet<Hash>,
    brought: bool,
    /// The first key that was not looked at yet.
    at: Vec<u8>,
    taken: u64,
    /// Packs and blobs that the other mirror cannot give.
    pub lost: HashSet<Hash>,
    /// Packs and blobs counted in the report.
    counted: HashSet<Hash>,
    pub report: Report,
}

/// Where it was.
pub struct Position {
    at: Vec<u8>,
    taken: u64,
    report: Report,
    counted: HashSet<Hash>,
}

impl<'a> Joining<'a> {
    pub fn new(target: &Mirror, from: &'a Carrier, choice: &'a Choice<'a>) -> Self {
        Self {
            from,
            choice,
            known: target.snapshot().segments.iter().map(|s| s.file.hash).collect(),
            brought: false,
            at: Vec::new(),
            taken: 0,
            lost: HashSet::new(),
            counted: HashSet::new(),
            report: Report { way: Way::Joined, ..Report::default() },
        }
    }

    pub fn position(&self) -> Position {
        Position {
            at: self.at.clone(),
            taken: self.taken,
            report: self.report.clone(),
            counted: self.counted.clone(),
        }
    }

    pub fn again(&mut self, position: Position, lost: HashSet<Hash>, damaged: Vec<String>) {
        let Position { at, taken, report, counted } = position;
        (self.at, self.taken, self.report, self.counted) = (at, taken, report, counted);
        self.lost.extend(lost);
        self.report.damaged.extend(damaged);
    }

    /// The next records that `target` gains something by, each told with which of its new archives
    /// are chosen. Whether there may be more.
    pub fn chunk(
        &mut self,
        target: &Mirror,
        each: &mut dyn FnMut(&Gain, &[usize]) -> Result<()>,
    ) -> Result<bool> {
        let source = self.from.mirror();
        let segments = &source.snapshot().segments;
        let is_new = |s: &SegmentEntry| !self.known.contains(&s.file.hash);
        let lowest = segments.iter().filter(|s| is_new(s)).map(|s| s.level).min();
        // What hides a record of a new segment: seldom anything, since deltas are merged from above.
        let above = |s: &SegmentEntry| lowest.is_some_and(|lowest| s.level > lowest);
        if !self.brought {
            // Of a remote mirror's index no more than is read, and what was read once stays.
            for segment in segments.iter().filter(|s| is_new(s) || above(s)) {
                self.from.bring(Folder::Segments, &segment.file)?;
            }
            if let Some((list, _)) = &source.snapshot().blobs {
                self.from.bring(Folder::Snapshots, list)?;
            }
            self.brought = true;
        }
        let mixed = segments.iter().any(|s| !is_new(s) && above(s));
        let mut merge = Merge::new(source.sources_of(&is_new, &self.at));
        let mut records = 0;
        while let Some(item) = merge.next()? {
            if records >= CHUNK {
                self.at = item.key;
                return Ok(true);
            }
            let view = if mixed {
                self.effective(&item)?
            } else {
                Some(item.view().map_err(|e| e.at(source.dir()))?)
            };
            let Some(view) = view.filter(|v| !v.is_tombstone()) else { continue };
            let gained = gain(target, view, &self.lost, &mut self.report.conflicts)?;
            let Some(mut gained) = gained else { continue };
            let chosen = self.choose(&mut gained)?;
            if gained.is_nothing()? {
                continue;
            }
            self.count(&gained, &chosen);
            records += 1;
            each(&gained, &chosen)?;
        }
        self.at = Vec::new();
        Ok(false)
    }

    /// The record that counts in the source's state: one that a segment which both have hides does not.
    fn effective(&self, item: &Item) -> Result<Option<RecordView>> {
        match crate::snapshot::key_from_bytes(&item.key) {
            Some(key) => self.from.mirror().lookup(&key),
            None => Ok(None),
        }
    }

    /// The bytes of what lies behind `at`, without going there.
    pub fn ahead(&self, target: &Mirror) -> Result<u64> {
        let Position { at, taken, report, counted } = self.position();
        let before = report.bytes;
        let (known, lost) = (self.known.clone(), self.lost.clone());
        let mut walk = Joining { at, taken, report, counted, known, lost, ..*self };
        while walk.chunk(target, &mut |_, _| Ok(()))? {}
        Ok(walk.report.bytes - before)
    }

    /// Which of the new archives are worth the space; the others are known here afterwards, not present.
    fn choose(&mut self, gained: &mut Gain) -> Result<Vec<usize>> {
        if self.choice.is_all() {
            return Ok(gained.new.clone());
        }
        let mut chosen = Vec::new();
        for &i in &gained.new {
            let version = gained.record.load(i)?;
            let unwanted = self.choice.wanted.is_some_and(|wanted| !wanted(gained.record.key(), &version));
            let too_much = self.choice.limit.is_some_and(|limit| self.taken + version.size > limit);
            if unwanted || too_much {
                self.report.over_limit += u64::from(!unwanted);
                self.report.left_out += 1;
                self.report.left_out_bytes += version.size;
            } else {
                self.taken += version.size;
                chosen.push(i);
            }
        }
        gained.keep_only(&chosen)?;
        Ok(chosen)
    }

    fn count(&mut self, gained: &Gain, chosen: &[usize]) {
        let report = &mut self.report;
        report.records += 1;
        report.archives += chosen.len() as u64;
        if !self.choice.is_all() {
            report.files += chosen.len() as u64;
            report.bytes = self.taken;
            return;
        }
        for pack in gained.packs.iter().filter(|p| self.counted.insert(**p)) {
            let packs = &self.from.mirror().snapshot().packs;
            report.files += 1;
            report.bytes += packs.binary_search_by(|p| p.hash.cmp(pack)).map_or(0, |i| packs[i].bytes);
        }
        for blob in gained.blobs.iter().filter(|b| self.counted.insert(b.hash)) {
            report.files += 1;
            report.bytes += blob.bytes;
        }
    }
}
