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

/// Two bytes of a fence can stand for a key of four thousand.
#[test]
fn a_fence_does_not_unfold_without_end() {
    let fence = |blocks: u64| {
        let mut out = Vec::new();
        put_number(&mut out, blocks);
        for i in 0..blocks {
            let rest = if i == 0 { vec![b'a'; 4000] } else { (0x70_0000 + i).to_be_bytes()[5..].to_vec() };
            put_number(&mut out, if i == 0 { 0 } else { 3997 });
            put_number(&mut out, rest.len() as u64);
            out.extend_from_slice(&rest);
            // One byte stored and unpacked, its hash, one record with its mark.
            out.extend_from_slice(&[1, 1]);
            out.extend_from_slice(&[0; 16]);
            out.extend_from_slice(&[1, 0, 0]);
        }
        Fence::parse(&out, 8 + blocks).map(|f| f.blocks.len())
    };
    assert_eq!(fence(1), Ok(1));
    assert_eq!(fence(20_000), Err("has a block of an impossible size"));
}
