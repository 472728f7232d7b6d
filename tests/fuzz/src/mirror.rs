//! The mirror's own files: records, segments, packs, snapshots, root slots. Hashes and checksums that no mutation would
//! guess are made right first; what they protect is then anybody's.

use super::Fresh;
use mirror::Mirror;
use mirror::digest::Hash;
use mirror::mirror::{InitOptions, Prefix};
use mirror::record::{Key, Location, Record, RecordView};
use mirror::root::{Root, SLOT, Slot};
use mirror::snapshot::{FileEntry, MirrorId, SegmentEntry, Snapshot};
use mirror::verify::{Damage, Report, verify};
use std::path::PathBuf;

pub fn record(data: &[u8]) {
    let view = match RecordView::parse(data.into()) {
        Ok(view) => view,
        Err(e) => return super::says(&e),
    };
    assert_eq!(&*view.to_bytes().expect("it is in memory"), data);
    assert_eq!(view.versions().len(), view.len());
    let packs: Vec<Hash> = view.packs().collect();
    for i in 0..view.len() {
        let location = view.location(i);
        assert_eq!(location.is_present(), view.is_present(i));
        if let Location::Pack { pack, .. } = &location {
            assert!(packs.contains(pack));
        }
        match view.load(i) {
            Ok(v) => {
                assert_eq!(v.version.to_string(), view.version(i));
                let told = (v.location, v.published, v.deprecated.is_some());
                assert_eq!(told, (location, view.published(i), view.is_deprecated(i)));
            }
            Err(e) => super::says(&e),
        }
    }
    assert_eq!((view.version(view.len()), view.published(view.len())), ("", 0));
    let Ok(record) = view.to_record() else { return };
    let encode = |record: &Record| {
        let mut out = Vec::new();
        record.encode(&mut out).map(|()| out)
    };
    let bytes = encode(&record).expect("what was read can be written");
    let again = Record::decode(&bytes).expect("what was written can be read");
    assert_eq!(encode(&again).expect("twice"), bytes);
    let ascending = record.versions.is_sorted_by(|a, b| a.version < b.version);
    if ascending && record.tags.is_sorted_by(|a, b| a.0 < b.0) {
        assert_eq!(again, record);
    }
}

pub fn root(data: &[u8]) {
    let mut slot = [b' '; SLOT];
    slot[SLOT - 1] = b'\n';
    match data.split_first() {
        Some((0, bytes)) => {
            check_slot(bytes);
            let n = bytes.len().min(SLOT);
            slot[..n].copy_from_slice(&bytes[..n]);
        }
        // A line whose checksum is made here.
        Some((_, text)) if text.len() < SLOT - 20 => {
            let checksum = Hash::of(&[text, b" "].concat()).to_string();
            let line = [text, b" ", &checksum.as_bytes()[..16]].concat();
            slot[..line.len()].copy_from_slice(&line);
        }
        _ => return,
    }
    check_slot(&slot);
}

fn check_slot(bytes: &[u8]) {
    match Slot::parse(bytes) {
        Slot::Valid(root) => {
            let written = root.to_bytes();
            assert_eq!(Slot::parse(&written), Slot::Valid(root));
            assert!(written == bytes, "a slot is written in one way");
        }
        Slot::Empty => assert!(bytes == mirror::root::empty()),
        Slot::Broken(what) => assert!(!what.is_empty()),
    }
}

pub fn snapshot(data: &[u8]) {
    if let Ok(snapshot) = Snapshot::parse(data) {
        let bytes = snapshot.to_bytes();
        assert_eq!(Snapshot::parse(&bytes).expect("what was written can be read"), snapshot);
        for e in &snapshot.exclusions {
            assert!(snapshot.is_excluded(&e.key, e.version.as_deref()));
        }
        // Whatever else it names is not there: opened and looked into, but nothing that is named is found.
        let world = World::new("snapshot", snapshot);
        let Ok(mirror) = Mirror::open(&world.dir()) else { return };
        _ = mirror.lookup(&Key::npm("left"));
        _ = mirror.for_each(Prefix::All, &mut |_| Ok(()));
        let report = verify(&mirror, &mut |_| {}).expect("a report");
        report.damaged.iter().for_each(|d| super::says(&d.what));
    }
}

/// A mirror that holds what the snapshot names, as far as it is put there.
struct World {
    fresh: Fresh,
    snapshot: Snapshot,
}

impl World {
    fn new(target: &str, snapshot: Snapshot) -> Self {
        let fresh = Fresh::new(target);
        let world = Self { fresh, snapshot };
        Mirror::init(
            &world.dir(),
            &InitOptions { label: "x".into(), id: Some([7; 16]), date: Some(1), signer: None },
        )
        .expect("a mirror");
        world.state();
        world
    }

    fn dir(&self) -> PathBuf {
        self.fresh.0.join("m")
    }

    fn put(&self, folder: &str, bytes: &[u8]) -> FileEntry {
        let hash = Hash::of(bytes);
        let path = self.dir().join(folder).join(hash.file_name());
        mirror::file::replace_scratch(&path, bytes).expect("a file");
        FileEntry { hash, bytes: bytes.len() as u64 }
    }

    /// Makes the snapshot the mirror's state.
    fn state(&self) {
        let file = self.put("SNP", &self.snapshot.to_bytes());
        let root = Root {
            sequence: self.snapshot.sequence,
            snapshot: file.hash,
            length: file.bytes,
            signature: None,
        };
        for slot in ["ROOT.A", "ROOT.B"] {
            mirror::file::replace_scratch(&self.dir().join(slot), &root.to_bytes()).expect("a slot");
        }
    }

    fn report(&self, below: &str) -> (Mirror, Report) {
        let mirror = Mirror::open(&self.dir()).expect("the snapshot is whole");
        let mut report = verify(&mirror, &mut |_| {}).expect("a report");
        report.damaged.iter().for_each(|d| super::says(&d.what));
        let about =
            |d: &Damage| d.path.starts_with(self.dir().join(below)) || d.what.starts_with("the record of");
        report.damaged.retain(about);
        (mirror, report)
    }
}

fn empty() -> Snapshot {
    let id = MirrorId([7; 16]);
    Snapshot {
        id,
        label: "x".into(),
        sequence: 2,
        previous: None,
        date: 1,
        vector: vec![(id, 2)],
        policy: Vec::new(),
        exclusions: Vec::new(),
        segments: Vec::new(),
        packs: Vec::new(),
        blobs: None,
        origins: Vec::new(),
        tools: Vec::new(),
        signatures: Vec::new(),
    }
}

/// The input is a pack. A clean bill means what a second reader, written from the format alone, says too.
pub fn pack(data: &[u8]) {
    let mut world = World::new("pack", empty());
    let file = world.put("PAK", data);
    world.snapshot.packs.push(file);
    world.state();
    let (_, report) = world.report("PAK");
    assert_eq!(report.damaged.is_empty(), is_pack(data), "{:?}", report.damaged);
}

fn is_pack(data: &[u8]) -> bool {
    let read = || -> Option<()> {
        let (body, tail) = data.split_at_checked(data.len().checked_sub(16)?)?;
        let at = usize::try_from(u64::from_le_bytes(tail[..8].try_into().ok()?)).ok()?;
        let whole = body.starts_with(b"MIRPAK1\n") && tail[8..] == *b"MIRPKI1\n" && at >= 8;
        let mut index = whole.then(|| body.get(at..)).flatten()?;
        let mut next = 8;
        for _ in 0..number(&mut index)? {
            let (hash, rest) = index.split_at_checked(32)?;
            index = rest;
            let (from, size) = (number(&mut index)?, number(&mut index)?);
            let (from, to) = (usize::try_from(from).ok()?, usize::try_from(from.checked_add(size)?).ok()?);
            let archive = body[..at].get(from..to).filter(|_| from == next)?;
            next = to;
            (Hash::of(archive).0 == *hash).then_some(())?;
        }
        (index.is_empty() && next == at).then_some(())
    };
    read().is_some()
}

fn number(bytes: &mut &[u8]) -> Option<u64> {
    let mut n = 0;
    for shift in (0..64).step_by(7) {
        let (&b, rest) = bytes.split_first()?;
        *bytes = rest;
        if shift == 63 && b & 0x7f > 1 {
            return None;
        }
        n |= u64::from(b & 0x7f) << shift;
        if b & 0x80 == 0 {
            return Some(n);
        }
    }
    None
}

/// The input is a segment; the hashes in its fence are made right. Where `verify` finds nothing wrong, every record that
/// a walk gives is found by its key too, and nothing else is.
pub fn segment(data: &[u8]) {
    let Some((bytes, fence_at, first)) = with_hashes(data) else { return };
    let mut world = World::new("segment", empty());
    let fence = &bytes[fence_at..bytes.len() - 16];
    let mut half = [0; 16];
    half.copy_from_slice(&Hash::of(fence).0[..16]);
    let mut entry = SegmentEntry {
        file: world.put("SEG", &bytes),
        level: 0,
        records: 1,
        fence_at: fence_at as u64,
        fence_bytes: fence.len() as u64,
        fence_hash: half,
        last: vec![0xff; 3],
        first,
    };
    world.snapshot.segments = vec![entry.clone()];
    if Snapshot::parse(&world.snapshot.to_bytes()).is_err() {
        return;
    }
    world.state();
    let (mirror, _) = world.report("SEG");
    let mut views = Vec::new();
    let walk = mirror.for_each(Prefix::All, &mut |view| {
        views.push(view);
        Ok(())
    });
    if let Err(e) = &walk {
        super::says(e);
    }
    let Some(last) = views.last() else { return };
    // The snapshot says what the segment holds, as far as that can be said.
    (entry.last, entry.records) = (last.key().to_bytes(), views.len() as u64);
    world.snapshot.segments = vec![entry];
    if Snapshot::parse(&world.snapshot.to_bytes()).is_err() {
        return;
    }
    world.state();
    let (mirror, report) = world.report("SEG");
    if !report.damaged.is_empty() {
        return;
    }
    assert!(walk.is_ok());
    let hidden = |view: &RecordView| view.is_empty() && view.checked() == 0;
    for view in views.iter().filter(|v| !hidden(v)) {
        let found = mirror.lookup(view.key()).expect("a whole segment").expect("a walk gave it");
        assert_eq!(found.key(), view.key());
        assert_eq!(*found.to_bytes().expect("whole"), *view.to_bytes().expect("whole"));
        let mut other = view.key().clone();
        other.name.push('~');
        if !views.iter().any(|v| *v.key() == other) {
            assert!(mirror.lookup(&other).expect("a whole segment").is_none());
        }
    }
}

/// The bytes with right half hashes, where their fence begins, and its first key.
fn with_hashes(data: &[u8]) -> Option<(Vec<u8>, usize, Vec<u8>)> {
    let mut out = data.to_vec();
    let end = data.len().checked_sub(16)?;
    let fence_at = usize::try_from(u64::from_le_bytes(data[end..end + 8].try_into().ok()?)).ok()?;
    let mut fence = data.get(fence_at..end)?;
    let mut at = 8usize;
    let mut first = None;
    let mut blocks = |fence: &mut &[u8]| -> Option<()> {
        for _ in 0..number(fence)? {
            let (_, rest) = (number(fence)?, usize::try_from(number(fence)?).ok()?);
            let (key, tail) = fence.split_at_checked(rest)?;
            *fence = tail;
            first.get_or_insert_with(|| key.to_vec());
            let (stored, _) = (usize::try_from(number(fence)?).ok()?, number(fence)?);
            let block = data[..fence_at].get(at..at.checked_add(stored)?)?;
            at += stored;
            let place = end.checked_sub(fence.len())?;
            out.get_mut(place..place + 16)?.copy_from_slice(&Hash::of(block).0[..16]);
            *fence = fence.get(16..)?;
            let marks = usize::try_from(number(fence)?.checked_mul(2)?).ok()?;
            *fence = fence.get(marks..)?;
        }
        Some(())
    };
    _ = blocks(&mut fence);
    Some((out, fence_at, first.unwrap_or_default()))
}
