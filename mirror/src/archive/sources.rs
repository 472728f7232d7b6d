//! Where the bytes come from, and how many: sources that dribble, fail or never end, and ceilings to the byte.

use super::read::Limits;
use super::stream::{Buffers, DRAINED, RATIO_FROM, Stream, check_ratio};
use super::tests::{Collect, Tar, gz, pax, sha512};
use super::*;
use std::io::{self, Cursor, Read, Write};
use tar::EntryType;

/// Files larger than the window, and reads of every size.
#[test]
fn content_arrives_whole_however_the_source_dribbles() {
    struct Dribble<'a>(&'a [u8], usize);
    impl Read for Dribble<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            self.1 = self.1 * 7 % 4001 + 1;
            let n = self.1.min(out.len()).min(self.0.len());
            out[..n].copy_from_slice(&self.0[..n]);
            self.0 = &self.0[n..];
            Ok(n)
        }
    }
    let mut x = 1u64;
    let mut noise = |n: usize| -> Vec<u8> {
        (0..n)
            .map(|_| {
                x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (x >> 56) as u8
            })
            .collect()
    };
    let sizes = [0, 1, 511, 512, 513, 100_000, 131_072, 131_073, 700_000, 30_000, 90_000, 120_000];
    let bodies: Vec<_> = sizes.iter().map(|n| noise(*n)).collect();
    let mut tar = Tar::default();
    for (i, body) in bodies.iter().enumerate() {
        // An extended header of two blocks, wherever in the window it comes to lie.
        let comment = pax(&[("comment", &"c".repeat(600))]);
        tar = tar.entry("x", EntryType::XHeader, &comment).entry(
            &format!("p/f{i:02}"),
            EntryType::Regular,
            body,
        );
    }
    let plain = tar.end();
    let (packed, xz) = (gz(&plain), xz(&plain));
    let mut workspace = Workspace::new();
    for bytes in [&packed, &plain, &xz, &packed] {
        let mut sink = Collect::default();
        let mut source = Dribble(bytes, 1);
        workspace.read(&mut source, &Expect::default(), &Limits::default(), &mut sink).unwrap();
        let got: Vec<_> = sink.files.into_values().map(|(_, b)| b).collect();
        assert!(got == bodies);
    }
}

/// Fails once, then goes on as if nothing had been.
struct Fails<'a>(&'a [u8], Option<io::ErrorKind>);

impl Read for Fails<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self.1.take() {
            Some(kind) => Err(kind.into()),
            None => self.0.read(out),
        }
    }
}

#[test]
fn a_signal_is_no_failure_and_a_failure_is_none_of_the_archive() {
    let bytes = Tar::default().file("p/a", "x").gz();
    let expected = sha512(&bytes);
    let expect = Expect { integrity: Some(&expected), ..Expect::default() };
    let with = |kind| read(&mut Fails(&bytes, Some(kind)), &expect, &Limits::default(), &mut ());
    assert!(with(io::ErrorKind::Interrupted).is_ok());
    let e = with(io::ErrorKind::PermissionDenied).unwrap_err();
    assert!(
        matches!(&e, ArchiveError::Read(_)) && e.to_string().starts_with("cannot read the archive: "),
        "{e}"
    );
}

/// What broke a rule is hashed to its end: other bytes than were asked for are that, whatever rule they break.
#[test]
fn other_bytes_are_told_from_a_hostile_archive() {
    let hostile = [&Tar::default().file("../a", "x").gz()[..], &[0; 200_000]].concat();
    let rule = |source: &mut dyn Read, integrity: &crate::digest::Integrity| {
        let expect = Expect { integrity: Some(integrity), ..Expect::default() };
        match read(source, &expect, &Limits::default(), &mut ()) {
            Err(ArchiveError::Integrity { found, .. }) => Err(*found),
            other => Ok(other.unwrap_err().rule().unwrap()),
        }
    };
    assert_eq!(rule(&mut &hostile[..], &sha512(&hostile)), Ok(Rule::Traversal));
    assert_eq!(rule(&mut &hostile[..], &sha512(b"another")), Err(sha512(&hostile)));
    // Of a source that does not end soon there is no more to say than the rule.
    let another = crate::digest::Integrity::from(crate::digest::Hash::of(b"another"));
    let with = |more| rule(&mut hostile[..64 << 10].chain(io::repeat(0).take(more)), &another);
    assert!(with(DRAINED).is_err());
    assert_eq!(with(DRAINED + 1), Ok(Rule::Traversal));
}

#[test]
fn ceilings_to_the_byte() {
    let limits = Limits { ratio: 10, ..Limits::default() };
    for (unpacked, compressed, taken) in [
        (RATIO_FROM, 0, true),
        (RATIO_FROM + 1, 0, false),
        (RATIO_FROM * 2, RATIO_FROM / 5, true),
        (RATIO_FROM * 2, RATIO_FROM / 5 - 1, false),
    ] {
        assert_eq!(check_ratio(unpacked, compressed, &limits).is_ok(), taken, "{unpacked} {compressed}");
    }
    let mut buffers = Buffers::new();
    for (length, taken) in [(100_000, true), (100_001, false)] {
        let mut source = io::repeat(7).take(length);
        let mut stream = Stream::new(&mut source, &mut buffers, &limits, None, false);
        let rule = stream.whole(100_000).map(|all| all.len() as u64).map_err(|e| e.rule());
        assert_eq!(rule, if taken { Ok(length) } else { Err(Some(Rule::TooLarge)) });
    }
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut writer = lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::with_preset(0)).unwrap();
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

#[test]
fn a_byte_at_a_time() {
    struct One<'a>(&'a [u8]);
    impl Read for One<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let most = out.len().min(1);
            self.0.read(&mut out[..most])
        }
    }
    let tar = Tar::default().file("p/a", &"hello ".repeat(50)).end();
    for bytes in [gz(&tar), xz(&tar), tar.clone()] {
        let got = read(&mut One(&bytes), &Expect::default(), &Limits::default(), &mut ()).unwrap();
        assert_eq!((got.files, got.unpacked), (1, 300));
    }
}

/// The last of the input is long taken when most of the output is still to come.
#[test]
fn much_comes_out_of_little() {
    let tar = Tar::default().file("p/a", &" ".repeat(2 << 20)).end();
    for bytes in [gz(&tar), xz(&tar)] {
        let got = read(&mut &bytes[..], &Expect::default(), &Limits::default(), &mut ()).unwrap();
        assert_eq!(got.unpacked, 2 << 20);
    }
}

/// Empty blocks, each of which the decoder keeps a record of.
#[test]
fn xz_may_not_hold_nothing_without_end() {
    let empty = xz(b"");
    assert_eq!((1 << 20) % empty.len(), 0, "so that a MiB of them is possible");
    let rule =
        |n: usize| read(&mut Cursor::new(empty.repeat(n)), &Expect::default(), &Limits::default(), &mut ());
    assert_eq!(rule((1 << 20) / empty.len()).unwrap().files, 0);
    assert_eq!(rule((1 << 20) / empty.len() + 1).unwrap_err().rule(), Some(Rule::BadXz));
}
