//! Archives made byte by byte, and what becomes of them.

use super::*;
use crate::digest::{Algorithm, Hasher, Integrity};
use crate::name::RelPath;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::collections::BTreeMap;
use std::io::{self, BufRead, Write};
use tar::{EntryType, Header};

/// A tar stream under construction.
#[derive(Default)]
pub(super) struct Tar(pub(super) Vec<u8>);

impl Tar {
    fn raw(
        mut self,
        name: &[u8],
        kind: EntryType,
        size: u64,
        body: &[u8],
        edit: impl Fn(&mut Header),
    ) -> Self {
        let mut h = Header::new_ustar();
        h.as_old_mut().name[..name.len()].copy_from_slice(name);
        h.set_entry_type(kind);
        h.set_size(size);
        h.set_mode(0o644);
        h.set_mtime(0);
        edit(&mut h);
        h.set_cksum();
        self.0.extend_from_slice(h.as_bytes());
        self.0.extend_from_slice(body);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }
    pub(super) fn entry(self, name: &str, kind: EntryType, body: &[u8]) -> Self {
        self.raw(name.as_bytes(), kind, body.len() as u64, body, |_| {})
    }
    pub(super) fn file(self, name: &str, body: &str) -> Self {
        self.entry(name, EntryType::Regular, body.as_bytes())
    }
    pub(super) fn end(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 1024, 0);
        self.0
    }
    pub(super) fn gz(self) -> Vec<u8> {
        gz(&self.end())
    }
}

pub(super) fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut e = GzEncoder::new(Vec::new(), Compression::default());
    e.write_all(bytes).unwrap();
    e.finish().unwrap()
}

pub(super) fn pax(records: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (k, v) in records {
        let rest = k.len() + v.len() + 3;
        let mut n = rest + 1;
        while n != rest + n.to_string().len() {
            n = rest + n.to_string().len();
        }
        writeln!(out, "{n} {k}={v}").unwrap();
    }
    out
}

pub(super) fn sha512(bytes: &[u8]) -> Integrity {
    let mut h = Hasher::new(Algorithm::Sha512);
    h.update(bytes);
    h.finish()
}

/// Collects what arrives.
#[derive(Default)]
pub(super) struct Collect {
    directories: Vec<String>,
    pub(super) files: BTreeMap<String, (bool, Vec<u8>)>,
}
impl Sink for Collect {
    fn directory(&mut self, path: &RelPath) -> io::Result<()> {
        self.directories.push(path.to_string());
        Ok(())
    }
    fn file(&mut self, entry: Entry, content: &mut dyn BufRead) -> io::Result<()> {
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes)?;
        assert_eq!(bytes.len() as u64, entry.size);
        let before = self.files.insert(entry.path.to_string(), (entry.executable, bytes));
        assert_eq!(before.is_some(), entry.replaces);
        Ok(())
    }
}

fn collect(bytes: &[u8]) -> Result<Collect, ArchiveError> {
    let mut sink = Collect::default();
    read(&mut &bytes[..], &Expect::default(), &Limits::default(), &mut sink)?;
    Ok(sink)
}
fn names(bytes: &[u8]) -> Vec<String> {
    collect(bytes).unwrap().files.into_keys().collect()
}
fn rule(bytes: &[u8]) -> Rule {
    match collect(bytes) {
        Ok(_) => panic!("accepted"),
        Err(e) => e.rule().unwrap_or_else(|| panic!("{e}")),
    }
}

#[test]
fn reads_files_in_order_with_their_directories() {
    let bytes = Tar::default()
        .file("package/package.json", "{}")
        .raw(b"package/bin/x.sh", EntryType::Regular, 1, b"x", |h| h.set_mode(0o4711))
        .file("package/lib/a/b.js", "ab")
        .entry("package/empty/", EntryType::Directory, b"")
        .file("package/lib/c.js", "")
        .gz();
    let got = collect(&bytes).unwrap();
    assert_eq!(got.directories, ["bin", "lib", "lib/a"]);
    assert_eq!(got.files["bin/x.sh"], (true, b"x".to_vec()));
    assert_eq!(got.files["lib/a/b.js"], (false, b"ab".to_vec()));
    assert_eq!(got.files.len(), 4);
}

#[test]
fn leading_component_is_dropped_as_npm_does() {
    let t = |names: &[&str]| names.iter().fold(Tar::default(), |t, n| t.file(n, "x")).gz();
    assert_eq!(names(&t(&["anything/package.json", "anything/a"])), ["a", "package.json"]);
    // No common prefix: the first component of each goes, a file at the top is not part of the package.
    assert_eq!(names(&t(&["one/a", "two/b", "README"])), ["a", "b"]);
    // `tar czf x.tgz .`, and `tar czf x.tgz ./package`.
    assert_eq!(names(&t(&["./package.json", "./lib/a"])), ["lib/a", "package.json"]);
    assert_eq!(names(&t(&["./package/package.json", "./package/a"])), ["a", "package.json"]);
    assert_eq!(names(&t(&["./package/a", "./other/b"])), ["a", "other/b"]);
    assert_eq!(names(&t(&["package/./dist//x", "package/y"])), ["dist/x", "y"]);
}

#[test]
fn the_last_of_two_equal_paths_wins() {
    let bytes =
        Tar::default().file("package/a", "old").file("package/./a", "newer").file("package/b", "").gz();
    let got = collect(&bytes).unwrap();
    assert_eq!(got.files["a"].1, b"newer");
    let mut sink = ();
    let summary = read(&mut &bytes[..], &Expect::default(), &Limits::default(), &mut sink).unwrap();
    assert_eq!((summary.files, summary.unpacked), (2, 8));
}

#[test]
fn names_that_leave_or_cannot_be() {
    let one = |name: &str| Tar::default().file("package/ok", "").file(name, "x").gz();
    assert_eq!(rule(&one("package/../x")), Rule::Traversal);
    assert_eq!(rule(&one("../x")), Rule::Traversal);
    assert_eq!(rule(&one("..")), Rule::Traversal);
    assert_eq!(rule(&one("/etc/x")), Rule::Absolute);
    assert_eq!(rule(&one("C:/x")), Rule::Absolute);
    assert_eq!(rule(&one("package/c:x")), Rule::Absolute);
    assert_eq!(rule(&one("package/a\\b")), Rule::Backslash);
    assert_eq!(rule(&one("\\")), Rule::Backslash);
    assert_eq!(rule(&one("package/a\nb")), Rule::ControlCharacter);
    assert_eq!(rule(&one("package/a\u{85}b")), Rule::ControlCharacter);
    let with_pax = |path: &str| {
        Tar::default().entry("x", EntryType::XHeader, &pax(&[("path", path)])).file("package/short", "x").gz()
    };
    assert_eq!(rule(&with_pax("package/a\0b")), Rule::ControlCharacter);
    assert_eq!(rule(&with_pax(&format!("package/{}", "a".repeat(256)))), Rule::NameTooLong);
    assert_eq!(rule(&with_pax(&format!("package/{}x", "abc/".repeat(1100)))), Rule::NameTooLong);
    assert_eq!(rule(&with_pax(&format!("package/{}x", "a/".repeat(256)))), Rule::TooDeep);
    assert_eq!(names(&with_pax(&format!("package/{}x", "a/".repeat(255)))).len(), 1);
    // A device on Windows, whatever follows the dot: none among the 33,000 files of 925 real packages.
    for name in ["package/CON", "package/lib/aux.js", "package/nul/x", "package/com1.txt"] {
        assert_eq!(rule(&one(name)), Rule::ReservedName, "{name}");
    }
    // Legal oddities: what npm installs on Linux must install.
    let odd =
        ["aux-js", "nuls", "console.js", "ab:c", "lib/c:x", "x.", " y", "..a", "a..b", "-rf", "$(x)", "é.js"];
    let bytes = odd.iter().fold(Tar::default(), |t, n| t.file(&format!("package/{n}"), "")).gz();
    assert_eq!(names(&bytes).len(), odd.len());
    let bytes = Tar::default().raw(b"package/\xff\xfe", EntryType::Regular, 0, b"", |_| {}).gz();
    assert_eq!(names(&bytes), ["\u{fffd}\u{fffd}"]);
}

#[test]
fn the_entry_is_named_and_escaped() {
    let e = collect(&Tar::default().file("package/a\u{1b}[31m", "").gz()).err().unwrap();
    let text = e.to_string();
    assert!(text.contains("package/a\\u{1b}[31m") && text.contains("control-character"), "{text}");
}

#[test]
fn only_files_and_directories() {
    let link = |kind| {
        let edit = |h: &mut Header| h.as_old_mut().linkname[..3].copy_from_slice(b"/et");
        Tar::default().raw(b"package/l", kind, 0, b"", edit).gz()
    };
    for (kind, what) in [(EntryType::Symlink, "symbolic"), (EntryType::Link, "hard")] {
        let e = collect(&link(kind)).err().unwrap();
        assert_eq!(e.rule(), Some(Rule::Link));
        assert!(e.to_string().ends_with(&format!("entry `package/l` is a {what} link to `/et`")), "{e}");
    }
    for kind in [EntryType::Char, EntryType::Block, EntryType::Fifo] {
        assert_eq!(rule(&link(kind)), Rule::Device);
    }
    for kind in [EntryType::GNUSparse, EntryType::new(b'V'), EntryType::new(b'!')] {
        assert_eq!(rule(&link(kind)), Rule::UnknownType);
    }
    assert_eq!(names(&Tar::default().entry("package/a", EntryType::Continuous, b"x").gz()), ["a"]);
    let dir = Tar::default().entry("package/d", EntryType::Directory, b"x").gz();
    assert_eq!(rule(&dir), Rule::BadHeader);
}

#[test]
fn collisions() {
    let two =
        |a: &str, b: &str| Tar::default().file(&format!("p/{a}"), "1").file(&format!("p/{b}"), "2").gz();
    for (a, b) in [
        ("README", "readme"),
        ("a/X", "A/x"),
        ("dir/one", "DIR/two"),
        ("stra\u{df}e", "STRASSE"),
        ("\u{e9}", "e\u{301}"),
        ("\u{212a}", "k"),
        ("\u{17f}", "s"),
        ("\u{1ebf}", "e\u{302}\u{301}"),
        ("a", "a."),
        ("lib/x", "lib . /y"),
        ("\u{e9}", "\u{e9} "),
    ] {
        assert_eq!(rule(&two(a, b)), Rule::CaseCollision, "{a} {b}");
    }
    assert_eq!(rule(&two("a", "a/b")), Rule::FileAndDirectory);
    assert_eq!(rule(&two("a/b", "a")), Rule::FileAndDirectory);
    assert_eq!(names(&two("cafe", "caf\u{e9}")).len(), 2);
    let dir = Tar::default().file("p/a", "").entry("p/a/", EntryType::Directory, b"").gz();
    assert_eq!(rule(&dir), Rule::FileAndDirectory);
}

#[test]
fn what_follows_the_end() {
    let tar = || Tar::default().file("package/a", "x");
    let good = tar().gz();
    let with = |tail: &[u8]| [&good[..], tail].concat();
    assert_eq!(names(&with(&[0; 700])), ["a"]);
    assert_eq!(rule(&with(b"junk")), Rule::TrailingGarbage);
    assert_eq!(rule(&with(b"\0junk")), Rule::TrailingGarbage);
    assert_eq!(rule(&with(&tar().gz())), Rule::TrailingGarbage);
    // Several members that make one tar stream are legal (RFC 1952, section 2.2).
    let whole = tar().file("package/b", "y").end();
    let members = [gz(&whole[..700]), gz(&whole[700..]), gz(b"")].concat();
    assert_eq!(names(&members), ["a", "b"]);
    // Another tar behind the end of the first: some readers go on there.
    assert_eq!(rule(&gz(&[tar().end(), tar().end()].concat())), Rule::TrailingGarbage);
    let one_zero_block = [&tar().0[..], &[0; 512], &tar().0[..]].concat();
    assert_eq!(rule(&gz(&one_zero_block)), Rule::TrailingGarbage);
    // No end marker at all, yet a whole gzip stream.
    assert_eq!(names(&gz(&tar().0)), ["a"]);
}

#[test]
fn cut_anywhere_it_is_refused() {
    let bytes = Tar::default().file("package/a", &"hello ".repeat(500)).file("package/b", "x").gz();
    for cut in 0..bytes.len() {
        assert!(matches!(rule(&bytes[..cut]), Rule::Truncated | Rule::BadGzip), "{cut}");
    }
    let tar = Tar::default().file("package/a", "0123456789").0;
    assert_eq!(rule(&gz(&tar[..700])), Rule::Truncated);
    assert_eq!(rule(&gz(&tar[..300])), Rule::TrailingGarbage);
}

#[test]
fn a_flipped_bit_is_an_integrity_error_and_never_a_panic() {
    let bytes = Tar::default().file("package/a", &"hello ".repeat(50)).gz();
    let expected = sha512(&bytes);
    let expect = Expect { integrity: Some(&expected), ..Expect::default() };
    let ok = read(&mut &bytes[..], &expect, &Limits::default(), &mut ()).unwrap();
    assert_eq!((ok.integrity, ok.compressed, ok.unpacked), (expected.clone(), bytes.len() as u64, 300));
    for bit in 0..bytes.len() * 8 {
        let mut bad = bytes.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        match read(&mut &bad[..], &expect, &Limits::default(), &mut ()) {
            Err(ArchiveError::Integrity { found, .. }) => assert_eq!(*found, sha512(&bad)),
            other => panic!("bit {bit}: {other:?}"),
        }
    }
}

#[test]
fn hashes() {
    let bytes = Tar::default().file("package/a", "x").gz();
    let mut sha1 = Hasher::new(Algorithm::Sha1);
    sha1.update(&bytes);
    let sha1 = sha1.finish();
    // A weak hash is checked, and a strong one computed for the lock.
    let expect = Expect { integrity: Some(&sha1), sha256: true, ..Expect::default() };
    let got = read(&mut &bytes[..], &expect, &Limits::default(), &mut ()).unwrap();
    assert_eq!((got.integrity, got.sha256), (sha512(&bytes), Some(crate::digest::Hash::of(&bytes))));
    let ours = Integrity::from(crate::digest::Hash::of(&bytes));
    let expect = Expect { integrity: Some(&ours), ..Expect::default() };
    let got = read(&mut &bytes[..], &expect, &Limits::default(), &mut ()).unwrap();
    assert_eq!((got.integrity, got.sha256), (ours, Some(crate::digest::Hash::of(&bytes))));
}

#[test]
fn contradictory_headers_are_refused() {
    let x = |records: &[(&str, &str)]| Tar::default().entry("x", EntryType::XHeader, &pax(records));
    assert_eq!(names(&x(&[("path", "package/long"), ("mtime", "1.5")]).file("package/s", "").gz()), ["long"]);
    assert_eq!(names(&x(&[("size", "3")]).file("package/s", "abc").gz()), ["s"]);
    assert_eq!(rule(&x(&[("size", "0")]).file("package/s", "abc").gz()), Rule::BadHeader);
    assert_eq!(rule(&x(&[("path", "p/a"), ("path", "p/b")]).file("p/s", "").gz()), Rule::BadHeader);
    assert_eq!(rule(&x(&[("GNU.sparse.name", "p/a")]).file("p/s", "").gz()), Rule::UnknownType);
    for malformed in [&b"junk"[..], b"9999 path=a\n", b"12 path=ab\n", b"5 =a\n", b"-3 a=b\n"] {
        let t = Tar::default().entry("x", EntryType::XHeader, malformed).file("p/s", "");
        assert_eq!(rule(&t.gz()), Rule::BadHeader, "{malformed:?}");
    }
    assert_eq!(rule(&x(&[("path", "p/a")]).gz()), Rule::Truncated);
    let global = |k: &str| {
        Tar::default().entry("g", EntryType::XGlobalHeader, &pax(&[(k, "5")])).file("package/a", "").gz()
    };
    assert_eq!(names(&global("comment")), ["a"]);
    assert_eq!(rule(&global("path")), Rule::BadHeader);
    assert_eq!(rule(&global("size")), Rule::BadHeader);
    let long = format!("package/{}/f", "d".repeat(200));
    let gnu = Tar::default().entry("././@LongLink", EntryType::GNULongName, format!("{long}\0").as_bytes());
    assert_eq!(names(&gnu.file("package/cut", "x").gz()), [long.strip_prefix("package/").unwrap()]);
    let both = x(&[("path", "p/a")]).entry("././@LongLink", EntryType::GNULongName, b"p/b\0").file("p/c", "");
    assert_eq!(rule(&both.gz()), Rule::BadHeader);
    let negative =
        Tar::default().raw(b"p/a", EntryType::Regular, 0, b"", |h| h.as_old_mut().size = [0xff; 12]);
    assert_eq!(rule(&negative.gz()), Rule::BadHeader);
    let mut bad_sum = Tar::default().file("p/a", "").end();
    bad_sum[0] ^= 1;
    assert_eq!(rule(&gz(&bad_sum)), Rule::BadHeader);
    assert_eq!(rule(b"<html>not found</html>"), Rule::BadGzip);
    assert_eq!(rule(b""), Rule::Truncated);
}

#[test]
fn ceilings() {
    let bytes = Tar::default().file("p/a", &"x".repeat(3000)).file("p/b", "").gz();
    let with =
        |limits: Limits| read(&mut &bytes[..], &Expect::default(), &limits, &mut ()).err().unwrap().rule();
    let base = Limits::default;
    assert_eq!(with(Limits { entries: 1, ..base() }), Some(Rule::TooManyEntries));
    assert_eq!(with(Limits { bytes: 2999, ..base() }), Some(Rule::TooLarge));
    assert_eq!(with(Limits { name: 2, ..base() }), Some(Rule::NameTooLong));
    // Each of them is what is still taken: three bytes of name, two entries, 5,120 bytes of tar.
    let least = Limits { name: 3, entries: 2, bytes: 5120, ..base() };
    assert!(read(&mut &bytes[..], &Expect::default(), &least, &mut ()).is_ok());
    assert_eq!(with(Limits { bytes: 5119, ..base() }), Some(Rule::TooLarge));
    let padded = [&bytes[..], &vec![0; 10_000]].concat();
    let with_padding =
        |bytes| read(&mut &padded[..], &Expect::default(), &Limits { bytes, ..base() }, &mut ());
    assert!(with_padding(padded.len() as u64).is_ok());
    assert_eq!(with_padding(padded.len() as u64 - 1).unwrap_err().rule(), Some(Rule::TooLarge));
    // Every header counts: an extended one, and the second of two for one file.
    let three = Tar::default().entry("x", EntryType::XHeader, b"").file("p/a", "").file("p/a", "").gz();
    let with_three =
        |entries| read(&mut &three[..], &Expect::default(), &Limits { entries, ..base() }, &mut ());
    assert_eq!(with_three(2).unwrap_err().rule(), Some(Rule::TooManyEntries));
    assert!(with_three(3).is_ok());
    // A size that only a header claims is refused before anything is read for it.
    let huge = Tar::default().raw(b"p/a", EntryType::Regular, 7 << 30, b"", |_| {}).gz();
    assert_eq!(rule(&huge), Rule::TooLarge);
    // 65 MiB of zeros in 65 KB, and one MiB less of them, at which nobody looks.
    let zeros = |n: u64| {
        let header = Tar::default().raw(b"p/a", EntryType::Regular, n << 20, b"", |_| {}).0;
        [gz(&header), gz(&[0; 1 << 20]).repeat(n as usize)].concat()
    };
    let tight = Limits { ratio: 200, ..base() };
    let with = |n| read(&mut &zeros(n)[..], &Expect::default(), &tight, &mut ()).err().and_then(|e| e.rule());
    assert_eq!(with(65), Some(Rule::Ratio));
    assert_eq!(with(63), None);
}

/// A few kilobytes that would make millions of directories, or gigabytes of names.
#[test]
fn directories_and_names_are_bounded_too() {
    let deep = |n: usize, dir: usize, depth: usize| {
        let path = |i: usize| format!("p/{i}{}x", format!("/{}", "d".repeat(dir)).repeat(depth) + "/");
        (0..n).fold(Tar::default(), |t, i| {
            t.entry("x", EntryType::XHeader, &pax(&[("path", &path(i))])).file("p/x", "")
        })
    };
    let tight = Limits { entries: 5000, ..Limits::default() };
    let err = read(&mut &deep(100, 1, 60).gz()[..], &Expect::default(), &tight, &mut ()).err().unwrap();
    assert_eq!(err.rule(), Some(Rule::TooManyEntries));
    assert_eq!(names(&deep(20, 60, 60).gz()).len(), 20);
    // `a`, `a/bc` and `d` have six bytes together.
    let six = Tar::default().file("p/a/bc", "").file("p/d", "").gz();
    let with =
        |names| read(&mut &six[..], &Expect::default(), &Limits { names, ..Limits::default() }, &mut ());
    assert!(with(6).is_ok());
    for less in [5, 3, 0] {
        assert_eq!(with(less).unwrap_err().rule(), Some(Rule::TooLarge), "{less}");
    }
}

#[test]
fn name_and_version_of_what_was_asked() {
    let json = r#"{"name":"@s/n","version":"1.2.3","x":{"name":"y"}}"#;
    let bytes = Tar::default().file("package/package.json", json).gz();
    let check = |name, version| {
        let expect = Expect { name: Some(name), version: Some(version), ..Expect::default() };
        read(&mut &bytes[..], &expect, &Limits::default(), &mut ())
    };
    assert_eq!(check("@s/n", "1.2.3").unwrap().package_json.unwrap(), json.as_bytes());
    assert_eq!(check("n", "1.2.3").unwrap_err().rule(), Some(Rule::NameMismatch));
    assert_eq!(check("@s/n", "1.2.4").unwrap_err().rule(), Some(Rule::VersionMismatch));
    let without = Tar::default().file("package/a", "").gz();
    let expect = Expect { name: Some("n"), ..Expect::default() };
    let err = read(&mut &without[..], &expect, &Limits::default(), &mut ()).unwrap_err();
    assert_eq!(err.rule(), Some(Rule::NoManifest));
    assert!(read(&mut &without[..], &Expect::default(), &Limits::default(), &mut ()).is_ok());
    let unasked = read(&mut &bytes[..], &Expect::default(), &Limits::default(), &mut ()).unwrap();
    assert_eq!(unasked.package_json, None);
    let padded = |n: u64| {
        let json = json.to_owned() + &" ".repeat(n as usize - json.len());
        let bytes = Tar::default().file("package/package.json", &json).gz();
        read(&mut &bytes[..], &Expect { name: Some("@s/n"), ..expect }, &Limits::default(), &mut ())
    };
    assert!(padded(MANIFEST_CAP).is_ok());
    assert_eq!(padded(MANIFEST_CAP + 1).unwrap_err().rule(), Some(Rule::TooLarge));
    let minz = Tar::default().file("p/mzp.toml", "[package]").gz();
    let expect = Expect { manifests: true, ..Expect::default() };
    let got = read(&mut &minz[..], &expect, &Limits::default(), &mut ()).unwrap();
    assert_eq!((got.mzp_toml.as_deref(), got.package_json), (Some(&b"[package]"[..]), None));
    let unasked = read(&mut &minz[..], &Expect::default(), &Limits::default(), &mut ()).unwrap();
    assert_eq!(unasked.mzp_toml, None);
}

#[test]
fn extracting() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = Tar::default()
        .file("package/a/b/c.js", "first")
        .raw(b"package/run", EntryType::Regular, 2, b"#!", |h| h.set_mode(0o7777))
        .raw(b"package/secret", EntryType::Regular, 1, b"s", |h| h.set_mode(0))
        .file("package/a/b/c.js", "second")
        .gz();
    let target = dir.path().join("x");
    let mut sink = Extract::create(&target).unwrap();
    read(&mut &bytes[..], &Expect::default(), &Limits::default(), &mut sink).unwrap();
    let listing = sink.into_listing();
    assert_eq!(std::fs::read(target.join("a/b/c.js")).unwrap(), b"second");
    let mode = |p: &str| {
        use std::os::unix::fs::PermissionsExt;
        std::fs::metadata(target.join(p)).unwrap().permissions().mode() & 0o7777
    };
    // Less what the umask takes, never more.
    assert_eq!(mode("run") & !0o755, 0);
    assert_eq!((mode("run") & 0o700, mode("secret") & 0o700), (0o700, 0o600));
    assert_eq!(listing.directories.iter().map(RelPath::as_str).collect::<Vec<_>>(), ["a", "a/b"]);
    let mut files: Vec<_> =
        listing.files.iter().map(|f| (f.path.as_str(), f.executable, f.size, f.crc32)).collect();
    files.sort_unstable();
    let crc = crc32fast::hash;
    let want = [
        ("a/b/c.js", false, 6, crc(b"second")),
        ("run", true, 2, crc(b"#!")),
        ("secret", false, 1, crc(b"s")),
    ];
    assert_eq!(files, want);
    assert!(Extract::create(&target).is_err(), "never into what is there");
}

/// Nothing is followed, even if somebody put a link into the private directory.
#[test]
fn extraction_does_not_follow_links() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("x");
    let mut sink = Extract::create(&target).unwrap();
    std::os::unix::fs::symlink(dir.path().join("canary"), target.join("a")).unwrap();
    let bytes = Tar::default().file("p/a", "evil").gz();
    let err = read(&mut &bytes[..], &Expect::default(), &Limits::default(), &mut sink).unwrap_err();
    assert!(matches!(&err, ArchiveError::Write { entry, .. } if entry == "p/a"), "{err}");
    assert!(!dir.path().join("canary").exists());
}

#[test]
fn packing_is_deterministic_and_reads_back() {
    let dir = tempfile::tempdir().unwrap();
    let long = format!("{}/{}.txt", "d".repeat(120), "f".repeat(120));
    let made = |name: &str| {
        let root = dir.path().join(name);
        for (path, body) in [("b.js", "b"), ("a/x", "x"), (&long, "deep"), ("package.json", "{}")] {
            let p = root.join(path);
            std::fs::create_dir_all(p.parent().unwrap()).unwrap();
            std::fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .open(&p)
                .unwrap()
                .write_all(body.as_bytes())
                .unwrap();
        }
        root
    };
    let paths = |order: &[&str]| order.iter().map(|p| RelPath::parse(p).unwrap()).collect::<Vec<_>>();
    let (mut one, mut two) = (Vec::new(), Vec::new());
    pack(&made("one"), &paths(&["b.js", "a/x", &long, "package.json"]), &mut one).unwrap();
    pack(&made("two"), &paths(&["package.json", &long, "a/x", "b.js"]), &mut two).unwrap();
    assert_eq!(one, two);
    let got = collect(&one).unwrap();
    assert_eq!(got.files[&long].1, b"deep");
    assert_eq!(got.files.len(), 4);
    assert!(got.files.values().all(|(executable, _)| !executable));
    std::fs::set_permissions(
        dir.path().join("two/b.js"),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    let mut three = Vec::new();
    pack(&dir.path().join("two"), &paths(&["b.js"]), &mut three).unwrap();
    assert!(collect(&three).unwrap().files["b.js"].0);
    std::os::unix::fs::symlink("b.js", dir.path().join("one/link")).unwrap();
    assert!(pack(&dir.path().join("one"), &paths(&["link"]), &mut Vec::new()).is_err());
}

proptest::proptest! {
    /// Whatever the bytes are: an answer, no panic.
    #[test]
    fn any_tar_bytes(edits in proptest::collection::vec((0usize..3000, proptest::num::u8::ANY), 0..12)) {
        let mut tar = Tar::default()
            .entry("x", EntryType::XHeader, &pax(&[("path", "package/long"), ("mtime", "1")]))
            .file("package/s", "abc")
            .entry("././@LongLink", EntryType::GNULongName, b"package/other\0")
            .file("package/t", "def")
            .end();
        for (at, value) in edits {
            let at = at % tar.len();
            tar[at] = value;
        }
        // Keep the sums right, so that the bytes behind them are looked at.
        for start in (0..tar.len()).step_by(512) {
            let mut header = Header::new_old();
            header.as_mut_bytes().copy_from_slice(&tar[start..start + 512]);
            if header.as_old().name[0] != 0 {
                header.set_cksum();
                tar[start..start + 512].copy_from_slice(header.as_bytes());
            }
        }
        let _ = collect(&gz(&tar));
    }
}
