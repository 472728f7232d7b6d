//! What our reader takes, other readers list alike: archives whose headers were changed at random are read by us, by
//! Python's tarfile and zipfile and by libarchive (bsdtar), in `differential/compare.py`. Where they differ, the
//! difference stands in `differential/reviewed.tsv` with its reason, or this fails.
//!
//! `PANTRY_MUTATIONS` says how many archives are made (a few thousand otherwise), `PANTRY_SEED` from which number.

#![allow(clippy::disallowed_methods)] // tests may write files

mod support;

use mirror::archive::{Entry, Expect, Limits, Sink, read};
use mirror::name::RelPath;
use sha2::Digest;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::io::{self, BufRead};
use std::path::Path;
use std::process::Command;
use support::hostile::gzip;
use support::package::hex;
use support::{hostile, say};

const TARS: &[&str] = &[
    "ok-plain",
    "ok-directories",
    "ok-old-directories",
    "ok-pax-times",
    "ok-pax-long",
    "ok-pax-twice",
    "ok-gnu-long",
    "ok-gnu-times",
    "ok-ustar-prefix",
    "ok-duplicate",
    "ok-git-archive",
    "ok-version-7",
    "ok-dot-root",
    "ok-two-roots",
    "ok-macos",
    "fine-dot-package",
];
const ZIPS: &[&str] = &[
    "zip-ok-top-folder",
    "zip-ok-no-folder",
    "zip-ok-modes",
    "zip-ok-directories",
    "zip-ok-described",
    "zip-ok-wide",
    "zip-ok-utf8",
    "zip-ok-times",
    "zip-ok-comment",
];

/// A xorshift: the same archives every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % below
    }
    fn one<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.roll(of.len())]
    }
}

/// Fields of a tar header, and what may stand there.
const FIELDS: &[(std::ops::Range<usize>, &[&[u8]])] = &[
    (
        0..100,
        &[
            b"package/a.js",
            b"package/./b",
            b"./package/b",
            b"package//c",
            b"x",
            b"package/d/",
            b"a/b/c",
            b"package/\xff",
            b"package/a\0b",
            b"package/lib",
        ],
    ),
    (
        100..108,
        &[
            b"0000755\0",
            b"   644 \0",
            b"\0\0\0\0\0\0\0\0",
            b"8888888\0",
            b"\x80\0\0\0\0\0\0\x7f",
            b"-000001\0",
        ],
    ),
    (
        108..124,
        &[
            b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
            b"zzzzzzzzzzzzzzzz",
            b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        ],
    ),
    (
        124..136,
        &[
            b"00000000000\0",
            b"00000000001\0",
            b"          1 ",
            b"1\0         \0",
            b"000000000001",
            b"\x80\0\0\0\0\0\0\0\0\0\0\x01",
            b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
            b"000000001\0\x007",
            b"+0000000001\0",
            b"0x000000001\0",
            b" 1 2        ",
            b"00000000777\0",
            b"\0\0\0\0\0\0\0\0\0\0\0\0",
            b"00000 00001\0",
        ],
    ),
    (
        136..148,
        &[
            b"\x80\0\0\0\0\0\0\0\0\0\0\x01",
            b"-0000000001\0",
            b"zzzzzzzzzzz\0",
            b"77777777777\0",
            b"\0\0\0\0\0\0\0\0\0\0\0\0",
        ],
    ),
    (
        156..157,
        &[
            b"0", b"\0", b"5", b"7", b"1", b"2", b"x", b"g", b"X", b"L", b"K", b"S", b"V", b"A", b"D", b"N",
            b" ", b"\xff",
        ],
    ),
    (157..257, &[b"target", b"/etc/passwd", b"\0"]),
    (257..265, &[b"ustar\x0000", b"ustar  \0", b"\0\0\0\0\0\0\0\0", b"ustar\0\0\0", b"USTAR\x0000"]),
    (265..345, &[b"root\0", b"\xff\xff"]),
    (345..500, &[b"package", b"package/x", b"/", b"a\0b", b"./package", b"package/"]),
    (482..500, &[b"\x01", b"00000000001\0"]),
    (500..512, &[b"tar\0", b"xxxxxxxxtar\0"]),
];

fn is_header(block: &[u8]) -> bool {
    let sum: u32 = block.iter().map(|b| u32::from(*b)).sum::<u32>()
        - block[148..156].iter().map(|b| u32::from(*b)).sum::<u32>()
        + 8 * 32;
    block[148..156].starts_with(format!("{sum:06o}\0").as_bytes())
}

fn seal(block: &mut [u8]) {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|b| u32::from(*b)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

fn changed_tar(dice: &mut Dice, mut tar: Vec<u8>) -> Vec<u8> {
    for _ in 0..=dice.roll(3) {
        let headers: Vec<usize> =
            (0..tar.len() / 512).map(|n| n * 512).filter(|at| is_header(&tar[*at..at + 512])).collect();
        let Some(at) = (!headers.is_empty()).then(|| headers[dice.roll(headers.len())]) else { break };
        match dice.roll(12) {
            0..=6 => {
                let (range, values) = &FIELDS[dice.roll(FIELDS.len())];
                let value = dice.one(values);
                let place = at + range.start;
                tar[place..place + value.len()].copy_from_slice(value);
                if dice.roll(2) == 0 {
                    tar[place + value.len()..at + range.end].fill(0);
                }
            }
            7 | 8 => {
                tar[at + dice.roll(512)] =
                    *dice.one(&[&0_u8, &b' ', &b'0', &b'7', &b'/', &b'.', &b'a', &0x80, &0xff, &b'\n'])
            }
            // In what stands behind the header: an extended header's records, or a file.
            9 if at + 1024 <= tar.len() => {
                let place = at + 512 + dice.roll(40);
                tar[place] = *dice.one(&[&0_u8, &b' ', &b'0', &b'2', &b'9', &b'=', &b'/', &b'\n', &0xff]);
                continue;
            }
            10 => drop(tar.drain(at..at + 512)),
            _ => {
                let block = tar[at..at + 512].to_vec();
                drop(tar.splice(at..at, block));
            }
        }
        if at + 512 <= tar.len() && dice.roll(20) > 0 {
            seal(&mut tar[at..at + 512]);
        }
    }
    tar
}

fn changed_zip(dice: &mut Dice, mut zip: Vec<u8>) -> Vec<u8> {
    // Where records begin, all of them short: most of what can be changed is within sixty bytes of that.
    let records: Vec<usize> = (0..zip.len() - 4).filter(|at| zip[*at..].starts_with(b"PK")).collect();
    for _ in 0..=dice.roll(2) {
        let at = (records[dice.roll(records.len())] + 4 + dice.roll(56)).min(zip.len() - 1);
        let bit = 1 << dice.roll(8);
        zip[at] = match dice.roll(3) {
            0 => zip[at] ^ bit,
            1 => *dice.one(&[&0_u8, &1, &8, &0xff, &b'/', &b'.']),
            _ => dice.roll(256) as u8,
        };
    }
    zip
}

#[derive(Default)]
struct Collect(BTreeMap<String, String>);

impl Sink for Collect {
    fn directory(&mut self, _: &RelPath) -> io::Result<()> {
        Ok(())
    }
    fn file(&mut self, entry: Entry, content: &mut dyn BufRead) -> io::Result<()> {
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes)?;
        let what = format!("{} {}", bytes.len(), hex(&sha2::Sha256::digest(&bytes)));
        self.0.insert(entry.path.to_string(), what);
        Ok(())
    }
}

/// Writes those that our reader takes, with its listing; how many there are.
fn write_accepted(folder: &Path, archives: impl Iterator<Item = (String, Vec<u8>)>) -> usize {
    let mut listing = String::new();
    let mut accepted = 0;
    for (name, bytes) in archives {
        let mut files = Collect::default();
        if read(&mut &bytes[..], &Expect::default(), &Limits::default(), &mut files).is_err() {
            continue;
        }
        accepted += 1;
        fs::write(folder.join(&name), bytes).expect("a file");
        writeln!(listing, "{name}\t\t").expect("a string");
        for (path, what) in files.0 {
            writeln!(listing, "{name}\t{path}\t{what}").expect("a string");
        }
    }
    fs::write(folder.join("LISTING"), listing).expect("a file");
    accepted
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn what_we_take_others_list_alike() {
    let many = number("PANTRY_MUTATIONS").unwrap_or(6000);
    let mut dice = Dice(number("PANTRY_SEED").unwrap_or(20_261_121) | 1);
    let folder = tempfile::tempdir().expect("a directory");
    let made = |kind: &str| hostile::archive(kind).expect("a known kind");
    let tars: Vec<Vec<u8>> = TARS.iter().map(|kind| hostile::stream(kind).expect("a known kind")).collect();
    let zips: Vec<Vec<u8>> = ZIPS.iter().map(|kind| made(kind)).collect();
    let unchanged: Vec<_> = (TARS.iter().map(|k| (format!("{k}.tgz"), made(k))))
        .chain(ZIPS.iter().map(|k| (format!("{k}.zip"), made(k))))
        .chain(TARS.iter().map(|k| (format!("{k}.tar.xz"), made(&format!("xz-{k}")))))
        .collect();
    let least = unchanged.len();
    let changed = (0..many).map(|n| match n % 3 {
        0 => {
            let zip = zips[dice.roll(zips.len())].clone();
            (format!("{n:07}.zip"), changed_zip(&mut dice, zip))
        }
        1 => {
            let tar = tars[dice.roll(tars.len())].clone();
            (format!("{n:07}.tar"), changed_tar(&mut dice, tar))
        }
        _ => {
            let tar = tars[dice.roll(tars.len())].clone();
            (format!("{n:07}.tgz"), gzip(&changed_tar(&mut dice, tar)))
        }
    });
    let accepted = write_accepted(folder.path(), unchanged.into_iter().chain(changed));
    assert!(accepted > least, "nothing that was changed was taken: the changes are too coarse");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/differential/compare.py");
    let done = match Command::new("python3").arg(script).arg(folder.path()).output() {
        Ok(done) => done,
        Err(_) => return say("SKIPPED: what other readers list: no python3 here"),
    };
    let printed = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let reviewed =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/differential/reviewed.tsv"))
            .expect("the reviewed list");
    let reviewed: Vec<(&str, &str)> = (reviewed.lines().filter(|l| !l.starts_with('#')))
        .filter_map(|line| {
            line.split_once('\t').and_then(|(reader, rest)| Some((reader, rest.split_once('\t')?.0)))
        })
        .collect();
    let mut wrong = Vec::new();
    let mut differ = 0;
    for line in printed.lines() {
        if let Some(reader) = line.strip_prefix("ABSENT\t") {
            say(&format!("NOT SHOWN: what {reader} lists of archives: it is not here"));
            continue;
        }
        differ += 1;
        let known = |(reader, what): &(&str, &str)| {
            line.strip_prefix(reader).and_then(|l| l.strip_prefix('\t')).is_some_and(|l| l.starts_with(what))
        };
        if !reviewed.iter().any(known) {
            wrong.push(line);
        }
    }
    say(&format!(
        "differential: {accepted} of {many} changed archives were taken; {differ} differences, all reviewed but {}",
        wrong.len()
    ));
    if !wrong.is_empty() && std::env::var_os("PANTRY_TEST_KEEP").is_some() {
        say(&format!("kept: {}", folder.keep().display()));
    }
    wrong.truncate(60);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
