use super::*;
use crate::record::codec::put_number;
use crate::record::{Key, RecordBuilder, VersionRecord};
use crate::version::Version;
use proptest::prelude::*;
use std::sync::Arc;

fn record(name: &str, versions: u64, text: usize) -> (Vec<u8>, Vec<u8>) {
    let key = Key::npm(name);
    let mut b = RecordBuilder::new(key.clone());
    b.checked = 1;
    for i in 0..versions {
        let mut v = VersionRecord::new(Version::new(1, 0, i));
        v.tarball = Some(format!("{name}-{i}-").repeat(text));
        b.push_version(&v).unwrap();
    }
    (key.to_bytes(), b.finish().unwrap())
}

/// Writes records and opens what was written.
fn write(
    dir: &Path,
    records: &[(Vec<u8>, Vec<u8>)],
    compress: bool,
) -> (Layout, Vec<(SegmentEntry, Arc<Segment>)>) {
    let mut w = SegmentWriter::new(dir, 0, compress);
    for (k, r) in records {
        w.push(k, r).unwrap();
    }
    let layout = Layout { dir: dir.into(), lower: false };
    crate::file::make_dir(&layout.path("SEG")).unwrap();
    let segments = w
        .finish()
        .unwrap()
        .into_iter()
        .map(|(e, temp)| {
            layout.place(&temp, Folder::Segments, &e.file.hash, e.file.bytes).unwrap();
            let s = Arc::new(Segment::open(&layout, &e).unwrap());
            (e, s)
        })
        .collect();
    (layout, segments)
}

fn many() -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut all: Vec<_> = (0..500).map(|i| record(&format!("p{i}"), i % 7, 3)).collect();
    all.push(record("large", 3000, 10));
    all.push(record("one-large-body", 1, 20_000));
    all.sort();
    all
}

#[test]
fn every_record_is_found_and_nothing_else() {
    for compress in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let all = many();
        let (_, segments) = write(dir.path(), &all, compress);
        assert_eq!(segments.len(), 1);
        let (entry, segment) = &segments[0];
        for (k, r) in &all {
            let view = segment.lookup(k).unwrap().unwrap();
            assert_eq!(*view.to_bytes().unwrap(), **r);
            let whole = RecordView::parse(r.clone().into()).unwrap();
            for i in [0, view.len() / 2, view.len().saturating_sub(1)] {
                assert_eq!(view.load(i).ok(), whole.load(i).ok());
            }
        }
        for name in ["a", "p", "p1000", "zzz", "larg", "largf"] {
            assert!(segment.lookup(&Key::npm(name).to_bytes()).unwrap().is_none());
        }
        let mut n = 0;
        segment
            .check(entry, &mut |_| {
                n += 1;
                Ok(())
            })
            .unwrap();
        assert_eq!(n, all.len());
        let compact = entry.file.bytes * 4 < all.iter().map(|(_, r)| r.len() as u64).sum();
        assert_eq!(compact, compress);
    }
}

#[test]
fn merging_takes_the_newest_and_walks_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let old = many();
    let (_, base) = write(dir.path(), &old, true);
    let mut new = vec![record("p3", 9, 2), record("aaa", 1, 1), record("large", 1, 1)];
    new.sort();
    let (_, delta) = write(dir.path(), &new, true);
    let walk = |from: &[u8]| {
        let source = |s: &[(SegmentEntry, Arc<Segment>)]| {
            let open: Vec<_> = s.iter().map(|(_, s)| s.clone()).collect();
            Box::new(Levels::new(0..open.len(), move |i| Ok(open[i].clone()), from)) as Box<dyn Source>
        };
        let mut m = Merge::new(vec![source(&delta), source(&base)]);
        let mut out = Vec::new();
        while let Some(i) = m.next().unwrap() {
            let key = i.key.clone();
            out.push((key, i.view().unwrap().to_bytes().unwrap().to_vec()));
        }
        out
    };
    let mut expected: std::collections::BTreeMap<_, _> = old.into_iter().collect();
    expected.extend(new);
    assert_eq!(walk(b""), expected.clone().into_iter().collect::<Vec<_>>());
    let from = Key::npm("p3").to_bytes();
    assert_eq!(
        walk(&from),
        expected.range(from.clone()..).map(|(k, v)| (k.clone(), v.clone())).collect::<Vec<_>>()
    );
}

#[test]
fn every_flipped_bit_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let all: Vec<_> = (0..9).map(|i| record(&format!("p{i}"), 2, 3)).collect();
    let (layout, segments) = write(dir.path(), &all, true);
    let entry = &segments[0].0;
    let path = layout.folder(Folder::Segments, &entry.file.hash).join(entry.file.hash.file_name());
    let bytes = std::fs::read(&path).unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut b = bytes.clone();
        b[bit / 8] ^= 1 << (bit % 8);
        crate::file::replace_scratch(&path, &b).unwrap();
        let found = Segment::open(&layout, entry).and_then(|s| s.check(entry, &mut |_| Ok(())));
        assert!(found.is_err(), "bit {bit}");
    }
}

#[test]
fn segments_end_where_their_keys_say() {
    let dir = tempfile::tempdir().unwrap();
    let mut all: Vec<_> = (0..40_000).map(|i| record(&format!("package-{i}"), 1, 1)).collect();
    all.sort();
    let (_, a) = write(dir.path(), &all, true);
    assert!(a.len() > 3);
    assert!(a.iter().all(|(e, _)| e.fence_bytes < 34 << 10 && e.file.bytes < 5 << 20));
    // One package more changes the segments around it only.
    all.insert(0, record("a", 1, 1));
    let (_, b) = write(dir.path(), &all, true);
    let same = b.iter().filter(|(e, _)| a.iter().any(|(f, _)| e == f)).count();
    assert!(same * 2 >= a.len(), "{same} of {}", a.len());
}

proptest! {
    #[test]
    fn hostile_blocks_and_fences_never_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..200), method in 0u8..3, raw in 0usize..5000,
    ) {
        let mut stored = vec![method];
        stored.extend_from_slice(&bytes);
        if let Ok(b) = Block::decode(stored, raw) {
            let _ = b.views();
        }
        let _ = Fence::parse(&bytes, bytes.len() as u64);
    }
    #[test]
    fn changed_large_blocks_never_panic(changes in proptest::collection::vec((0usize..2000, any::<u8>()), 1..5)) {
        let (_, r) = record("large", 600, 10);
        let view = RecordView::parse(r.clone().into()).unwrap();
        let (head, bodies) = view.lengths();
        let mut stored = block::encode_large(&r, head, bodies, false);
        for (at, b) in changes {
            stored[at] = b;
        }
        if let Ok(b) = Block::decode(stored, r.len())
            && let Ok(views) = b.views()
        {
            for v in views {
                let _ = (0..v.len()).map(|i| v.load(i)).filter(|r| r.is_ok()).count();
            }
        }
    }
}

/// A fence of blocks: bytes of the key that are shared, the others, lengths stored and unpacked, records.
fn fence(blocks: &[(u64, &[u8], u64, u64, u64)]) -> Vec<u8> {
    let mut out = Vec::new();
    put_number(&mut out, blocks.len() as u64);
    for (shared, rest, stored, raw, records) in blocks {
        put_number(&mut out, *shared);
        put_number(&mut out, rest.len() as u64);
        out.extend_from_slice(rest);
        put_number(&mut out, *stored);
        put_number(&mut out, *raw);
        out.extend_from_slice(&[0; 16]);
        put_number(&mut out, *records);
        out.resize(out.len() + 2 * *records as usize, 0);
    }
    out
}

/// Two bytes of a fence can stand for a key of four thousand: all keys together have 32 MiB.
#[test]
fn a_fence_does_not_unfold_without_end() {
    let parse = |blocks: u64| {
        let first = [b'a'; 4096];
        let rest: Vec<_> = (0..blocks).map(|i| (0x70_0000 + i).to_be_bytes()).collect();
        let mut all: Vec<(u64, &[u8], u64, u64, u64)> = vec![(0, &first, 1, 1, 1)];
        all.extend(rest[1..].iter().map(|r| (4093, &r[5..], 1, 1, 1)));
        Fence::parse(&fence(&all), 8 + blocks).map(|f| f.blocks.len())
    };
    assert_eq!(parse(1), Ok(1));
    assert_eq!(parse(8192), Ok(8192));
    assert_eq!(parse(8193), Err("has a block of an impossible size"));
}

#[test]
fn a_fence_names_blocks_that_can_be() {
    const STORED: u64 = block::MAX_STORED;
    const RAW: u64 = block::MAX_RAW;
    let (shares, size) = ("shares more of a key than there is", "has a block of an impossible size");
    let long = [b'k'; 5000];
    let one = |stored, raw, records| vec![(0, &b"k"[..], stored, raw, records)];
    let two = |shared, rest: &'static [u8]| vec![(0, &b"aaaa"[..], 1, 1, 1), (shared, rest, 1, 1, 1)];
    let three = |shared| [two(0, b"b"), vec![(shared, &b"c"[..], 1, 1, 1)]].concat();
    let cases = [
        (one(1, 1, 1), Ok(())),
        (one(STORED, RAW, 3), Ok(())),
        (one(STORED + 1, RAW, 1), Err(size)),
        (one(STORED, RAW + 1, 1), Err(size)),
        (one(0, 0, 1), Err(size)),
        (one(1, 1, 0), Err(size)),
        (one(2, 2080, 1), Ok(())),
        (one(2, 2081, 1), Err(size)),
        (two(4, b"b"), Ok(())),
        (two(5, b"b"), Err(shares)),
        (two(4, b""), Err("is not in order")),
        (two(3, b"A"), Err("is not in order")),
        (three(1), Ok(())),
        (three(2), Err(shares)),
        (three(4), Err(shares)),
        (vec![(0, &long[..], 1, 1, 1), (4096, b"l", 1, 1, 1)], Ok(())),
        (vec![(0, &long[..], 1, 1, 1), (4097, b"l", 1, 1, 1)], Err(shares)),
        (vec![], Err("does not follow its blocks")),
    ];
    for (blocks, expected) in cases {
        let end = 8 + blocks.iter().map(|b| b.2).sum::<u64>();
        let bytes = fence(&blocks);
        assert_eq!(Fence::parse(&bytes, end).map(|_| ()), expected, "{blocks:?}");
        if expected.is_ok() {
            assert_eq!(Fence::parse(&bytes, end + 1).map(|_| ()), Err("does not follow its blocks"));
            assert_eq!(Fence::parse(&bytes, end - 1).map(|_| ()), Err("has blocks behind its end"));
        }
    }
    let f = Fence::parse(&fence(&three(1)), 11).unwrap();
    assert_eq!((f.key(0), f.key(1), f.key(2)), (&b"aaaa"[..], &b"b"[..], &b"bc"[..]));
}

/// What a look-up goes by is what is there, whoever wrote the segment.
#[test]
fn a_segment_is_what_snapshot_and_fence_say() {
    let dir = tempfile::tempdir().unwrap();
    let (layout, segments) = write(dir.path(), &many(), true);
    let entry = &segments[0].0;
    let said = |entry: &SegmentEntry, change: &dyn Fn(&mut Segment)| {
        let mut s = Segment::open(&layout, &segments[0].0).unwrap();
        change(&mut s);
        s.check(entry, &mut |_| Ok(())).map_err(|e| e.to_string())
    };
    assert_eq!(said(entry, &|_| {}), Ok(()));
    let with = |change: &dyn Fn(&mut SegmentEntry), what: &str| {
        let mut e = entry.clone();
        change(&mut e);
        let found = said(&e, &|_| {}).unwrap_err();
        assert!(found.contains(what), "{found}: {what}");
    };
    with(&|e| e.file.bytes += 1, "its fence is not at its end");
    with(&|e| e.fence_bytes -= 1, "its fence is not at its end");
    with(&|e| (e.fence_at, e.fence_bytes) = (e.fence_at - 1, e.fence_bytes + 1), "its first or last bytes");
    with(&|e| e.records += 1, "the records that the snapshot says");
    with(&|e| e.last.push(b'x'), "the records that the snapshot says");
    with(&|e| e.first.push(b'x'), "not in order");
    let bent = |change: &dyn Fn(&mut Segment), what: &str| {
        let found = said(entry, change).unwrap_err();
        assert!(found.contains(what), "{found}: {what}");
    };
    bent(&|s| s.fence.marks[1][0] ^= 1, "not in order");
    bent(&|s| s.fence.keys[s.fence.blocks[1].key_end as usize - 1] ^= 1, "not in order");
    bent(&|s| s.fence.blocks.last_mut().unwrap().marks_end -= 1, "counts records wrongly");
    bent(&|s| s.fence.blocks[1].hash[0] ^= 1, "block 1, from the record of one-large-body on");

    let a = record("a", 1, 1);
    let b = record("b", 1, 1);
    for wrong in [[b.clone(), a.clone()], [a.clone(), a]] {
        let dir = tempfile::tempdir().unwrap();
        let (_, s) = write(dir.path(), &wrong, true);
        let found = s[0].1.check(&s[0].0, &mut |_| Ok(())).unwrap_err().to_string();
        assert!(found.contains("not in order"), "{found}");
    }
}

#[test]
fn a_fence_that_is_too_large_is_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let (layout, segments) = write(dir.path(), &[record("a", 1, 1)], true);
    for (bytes, too_large) in [(MAX_FENCE, false), (MAX_FENCE + 1, true)] {
        let mut e = segments[0].0.clone();
        e.fence_bytes = bytes;
        let Err(error) = Segment::open(&layout, &e) else { panic!("{bytes}") };
        assert_eq!(error.to_string().contains("its fence is too large"), too_large, "{error}");
    }
}

#[test]
fn a_walk_begins_at_the_block_that_may_hold_its_first_key() {
    let dir = tempfile::tempdir().unwrap();
    let (layout, segments) = write(dir.path(), &many(), true);
    let (entry, s) = &segments[0];
    assert!(s.len() > 3);
    assert!(s.path().starts_with(layout.path("SEG")));
    for i in 0..s.len() {
        let first = s.fence.key(i).to_vec();
        assert_eq!(s.seek(&first), i);
        assert_eq!(s.seek(&[&first[..], b"\0"].concat()), i);
    }
    assert_eq!((s.seek(b""), s.seek(&entry.last), s.seek(b"\xff")), (0, s.len() - 1, s.len() - 1));
    // `printf abc | sha256sum` begins with ba78.
    assert_eq!(mark(b"abc"), [0xba, 0x78]);
    assert_eq!(half_hash(b"abc")[..4], [0xba, 0x78, 0x16, 0xbf]);
}
