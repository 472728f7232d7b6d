//! What becomes of every kind of archive that `support/hostile.rs` makes: by the reader itself, and by the built binary,
//! which meets it as a file (`mirror add`) and from a registry (`install`).

#![allow(clippy::disallowed_methods)] // tests may write files

mod support;

use mirror::archive::{ArchiveError, Entry, Expect, Limits, Sink, read};
use mirror::name::RelPath;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use support::archive::TextArchive;
use support::case::{Case, Verdict};
use support::hostile;

/// Kind, the rule that it breaks, and the entry that the message names (its beginning).
#[rustfmt::skip]
const REFUSED: &[(&str, &str, &str)] = &[
    ("traversal", "traversal", "package/../../../../../../../."),
    ("traversal-inner", "traversal", "package/a/../../../../../../.."),
    ("absolute", "absolute", "/tmp/escaped-absolute"),
    ("backslash", "backslash", "package/..\\..\\escaped"),
    ("drive", "backslash", "package/C:\\escaped"),
    ("control-character", "control-character", "package/a\\u{1b}[31mb"),
    ("newline", "control-character", "package/a\\u{a}b"),
    ("symlink", "link", "package/link"),
    ("symlink-then-write", "link", "package/dir"),
    ("hardlink", "link", "package/link"),
    ("character-device", "device", "package/null"),
    ("block-device", "device", "package/disk"),
    ("fifo", "device", "package/pipe"),
    ("case-collision", "case-collision", "package/index.js"),
    ("unicode-collision", "case-collision", "package/"),
    ("file-then-directory", "file-and-directory", "package/a/b"),
    ("reserved-name", "reserved-name", "package/CON"),
    ("name-mismatch", "name-mismatch", "package.json"),
    ("version-mismatch", "version-mismatch", "package.json"),
    ("broken-manifest", "bad-manifest", "package.json"),
    ("no-manifest", "no-manifest", ""),
    ("bomb", "ratio", "package/zeros"),
    ("many-entries", "too-many-entries", ""),
    ("deep", "too-deep", "package/d/d/d/d/d/d/d/d/d/d/d/"),
    ("long-name", "name-too-long", "package/nnnnnnnnnnnnnnnnnnnnnn"),
    ("bad-checksum", "bad-header", ""),
    ("dot-dot-end", "traversal", "package/.."),
    ("pax-traversal", "traversal", "package/../../escaped"),
    ("pax-absolute", "absolute", "/tmp/escaped-absolute"),
    ("pax-nul", "control-character", "package/a\\u{0}b"),
    ("gnu-traversal", "traversal", "package/../../escaped"),
    ("bidirectional", "control-character", "package/\\u{202e}gnp.\\u{1b}[0m"),
    ("case-of-directories", "case-collision", "package/Lib/y"),
    ("sharp-s", "case-collision", "package/"),
    ("trailing-dot", "case-collision", "package/a."),
    ("file-over-directory", "file-and-directory", "package/a"),
    ("reserved-with-extension", "reserved-name", "package/lib/aux.js"),
    ("reserved-directory", "reserved-name", "package/com1/x.js"),
    ("no-name", "bad-header", ""),
    ("gnu-no-name", "bad-header", ""),
    ("slash-at-the-end", "bad-header", "package/a.js/"),
    ("no-top-folder", "no-manifest", ""),
    ("many-directories", "too-many-entries", "package/3225/d/d/d/d/d/d/d/d/d"),
    ("many-names", "too-large", "package/290/"),
    ("sparse", "unknown-type", "package/a.js"),
    ("pax-sparse", "unknown-type", ""),
    ("unknown-type", "unknown-type", "package/a.js"),
    ("volume-label", "unknown-type", "label"),
    ("access-list", "unknown-type", "package/acl"),
    ("directory-listing", "unknown-type", "package/d/"),
    ("directory-with-content", "bad-header", "package/d/"),
    ("size-negative", "bad-header", "package/a.js"),
    ("size-of-7-gib", "too-large", "package/a.js"),
    ("size-beyond-64-bits", "bad-header", "package/a.js"),
    ("size-near-64-bits", "too-large", "package/a.js"),
    ("size-no-number", "bad-header", "package/a.js"),
    ("size-with-sign", "bad-header", "package/a.js"),
    ("size-with-blank", "bad-header", "package/a.js"),
    ("size-then-digits", "bad-header", "package/a.js"),
    ("prefix-of-no-ustar", "bad-header", "a.js"),
    ("zip-version-unknown", "bad-zip", "package/a.js"),
    ("size-beyond-the-end", "truncated", "package/a.js"),
    ("pax-other-size", "bad-header", "package/a.js"),
    ("pax-size-no-number", "bad-header", ""),
    ("pax-two-sizes", "bad-header", ""),
    ("pax-two-paths", "bad-header", "package/a.js"),
    ("gnu-and-pax-path", "bad-header", "package/a.js"),
    ("pax-global-path", "bad-header", ""),
    ("pax-global-size", "bad-header", ""),
    ("pax-length", "bad-header", ""),
    ("pax-no-newline", "bad-header", ""),
    ("pax-of-a-mebibyte", "too-large", ""),
    ("pax-padded-inside", "bad-header", "package/b.js"),
    ("pax-behind-its-end", "bad-header", ""),
    ("gnu-behind-its-end", "bad-header", ""),
    ("pax-of-nothing", "truncated", ""),
    ("second-tar", "trailing-garbage", ""),
    ("one-zero-block-then-more", "trailing-garbage", ""),
    ("junk-behind-the-end", "trailing-garbage", ""),
    ("cut-in-a-file", "truncated", "package/a.js"),
    ("cut-in-a-header", "trailing-garbage", ""),
    ("huge-manifest", "too-large", "package.json"),
    ("manifest-not-utf8", "bad-manifest", "package.json"),
    ("manifest-is-a-list", "bad-manifest", "package.json"),
    ("truncated", "truncated", "package/index.js"),
    ("trailing-garbage", "trailing-garbage", ""),
    ("not-gzip", "bad-gzip", ""),
    ("empty", "truncated", ""),
    ("gz-reserved-flags", "bad-gzip", ""),
    ("gz-header-checksum", "bad-gzip", ""),
    ("gz-other-method", "bad-gzip", ""),
    ("gz-checksum", "bad-gzip", ""),
    ("gz-length", "bad-gzip", ""),
    ("gz-no-trailer", "truncated", ""),
    ("gz-cut", "truncated", "package/index.js"),
    ("gz-damaged", "bad-gzip", ""),
    ("gz-in-gz", "trailing-garbage", ""),
    ("gz-second-archive", "trailing-garbage", ""),
    ("gz-zeros-then-garbage", "trailing-garbage", ""),
    ("xz-truncated", "truncated", ""),
    ("xz-cut-in-footer", "truncated", ""),
    ("xz-trailing-garbage", "trailing-garbage", ""),
    ("xz-odd-padding", "trailing-garbage", ""),
    ("xz-zeros-then-garbage", "trailing-garbage", ""),
    ("xz-dictionary", "too-large", ""),
    ("xz-dictionary-96-mib", "too-large", ""),
    ("xz-unknown-filter", "bad-xz", ""),
    ("xz-checksum", "bad-xz", ""),
    ("xz-index", "bad-xz", ""),
    ("xz-damaged", "bad-xz", ""),
    ("xz-gzip-inside", "trailing-garbage", ""),
    ("xz-traversal", "traversal", "package/../../../../../../../."),
    ("xz-absolute", "absolute", "/tmp/escaped-absolute"),
    ("xz-symlink", "link", "package/link"),
    ("xz-hardlink", "link", "package/link"),
    ("xz-fifo", "device", "package/pipe"),
    ("xz-case-collision", "case-collision", "package/index.js"),
    ("xz-bomb", "ratio", "package/zeros"),
    ("xz-second-tar", "trailing-garbage", ""),
    ("xz-pax-two-paths", "bad-header", "package/a.js"),
    ("xz-name-mismatch", "name-mismatch", "package.json"),
    ("xz-no-manifest", "no-manifest", ""),
    ("xz-bad-checksum", "bad-header", ""),
    ("xz-junk-behind-the-end", "trailing-garbage", ""),
    ("xz-cut-in-a-file", "truncated", "package/a.js"),
    ("zip-traversal", "traversal", "package/../../escaped"),
    ("zip-absolute", "absolute", "/tmp/escaped-absolute"),
    ("zip-backslash", "backslash", "package\\..\\..\\escaped"),
    ("zip-drive", "absolute", "C:/escaped"),
    ("zip-control-character", "control-character", "package/a\\u{1b}[31mb"),
    ("zip-nul", "control-character", "package/a\\u{0}b"),
    ("zip-case-collision", "case-collision", "package/a.js"),
    ("zip-unicode-collision", "case-collision", "package/"),
    ("zip-file-then-directory", "file-and-directory", "package/a/b"),
    ("zip-reserved-name", "reserved-name", "package/lib/aux.js"),
    ("zip-deep", "too-deep", "package/d/d/d/d/d/d/d/d/d/d/d/"),
    ("zip-long-name", "name-too-long", "package/nnnnnnnnnnnnnnnnnnnnnn"),
    ("zip-no-name", "bad-zip", ""),
    ("zip-name-mismatch", "name-mismatch", "package.json"),
    ("zip-no-manifest", "no-manifest", ""),
    ("zip-nothing", "no-manifest", ""),
    ("zip-symlink", "link", "package/link"),
    ("zip-fifo", "device", "package/link"),
    ("zip-block-device", "device", "package/link"),
    ("zip-directory-by-mode", "bad-zip", "package/link"),
    ("zip-directory-by-attribute", "bad-zip", "package/a.js"),
    ("zip-directory-with-content", "bad-zip", "package/d/"),
    ("zip-other-name", "bad-zip", "package/a.js"),
    ("zip-other-name-of-same-length", "bad-zip", "package/a.js"),
    ("zip-other-size", "bad-zip", "package/a.js"),
    ("zip-other-compressed-size", "bad-zip", "package/a.js"),
    ("zip-other-checksum", "bad-zip", "package/a.js"),
    ("zip-other-method", "bad-zip", "package/a.js"),
    ("zip-other-flags", "bad-zip", "package/a.js"),
    ("zip-other-offset", "bad-zip", "package/a.js"),
    ("zip-offset-beyond", "bad-zip", "package/a.js"),
    ("zip-wrong-checksum", "bad-zip", "package/a.js"),
    ("zip-size-too-small", "bad-zip", "package/a.js"),
    ("zip-size-too-large", "truncated", "package/a.js"),
    ("zip-stored-two-sizes", "bad-zip", "package/a.js"),
    ("zip-larger-than-archive", "bad-zip", "package/a.js"),
    ("zip-damaged", "bad-zip", "package/a.js"),
    ("zip-data-behind-the-end", "bad-zip", "package/a.js"),
    ("zip-overlap", "bad-zip", "package/a.js"),
    ("zip-overlap-bomb", "bad-zip", "package/000001"),
    ("zip-entry-in-an-entry", "bad-zip", "package/b.js"),
    ("zip-hidden-entry", "bad-zip", "package/a.js"),
    ("zip-bytes-before-the-directory", "bad-zip", ""),
    ("zip-bytes-in-front", "bad-gzip", ""),
    ("zip-bytes-in-the-directory", "bad-zip", ""),
    ("zip-twice", "bad-zip", "package/a.js"),
    ("zip-twice-other-content", "bad-zip", "package/a.js"),
    ("zip-descriptor-missing", "bad-zip", ""),
    ("zip-descriptor-lies", "bad-zip", "package/a.js"),
    ("zip-descriptor-unannounced", "bad-zip", "package/a.js"),
    ("zip-descriptor-and-more", "bad-zip", "package/a.js"),
    ("zip-stored-described", "bad-zip", "package/a.js"),
    ("zip-wide-lies", "bad-zip", "package/a.js"),
    ("zip-wide-unneeded", "bad-zip", "package/a.js"),
    ("zip-wide-unneeded-local", "bad-zip", "package/a.js"),
    ("zip-wide-twice", "bad-zip", "package/a.js"),
    ("zip-wide-end-lies", "bad-zip", ""),
    ("zip-many-entries", "too-many-entries", ""),
    ("zip-entries-missing", "bad-zip", ""),
    ("zip-encrypted", "encrypted", "package/a.js"),
    ("zip-strongly-encrypted", "encrypted", "package/a.js"),
    ("zip-masked", "encrypted", "package/a.js"),
    ("zip-patched", "bad-zip", "package/a.js"),
    ("zip-method-bzip2", "unknown-type", "package/a.js"),
    ("zip-method-unknown", "unknown-type", "package/a.js"),
    ("zip-volumes", "bad-zip", ""),
    ("zip-name-not-marked", "bad-name", "package/é.js"),
    ("zip-name-not-utf8", "bad-name", "package/�.js"),
    ("zip-second-name", "bad-zip", "package/a.js"),
    ("zip-extra-cut", "bad-zip", ""),
    ("zip-truncated", "truncated", ""),
    ("zip-cut-in-the-end", "bad-zip", ""),
    ("zip-trailing-garbage", "trailing-garbage", ""),
    ("zip-comment-cut", "bad-zip", ""),
    ("zip-two-ends", "bad-zip", ""),
    ("zip-directory-elsewhere", "bad-zip", ""),
    ("zip-bomb", "ratio", ""),
];

/// What is installed beside package.json (`path=content`, `*` behind an executable's path, `;` between files), of which
/// kinds. npm makes the same of those whose name begins with `ok-`.
const INSTALLED: &[(&str, &[&str])] = &[
    (
        "",
        &[
            "ok-git-archive",
            "ok-two-manifests",
            "ok-byte-order-mark",
            "ok-v-version",
            "ok-one-zero-block",
            "ok-no-zero-block",
            "ok-padded",
            "ok-padded-oddly",
        ],
    ),
    (
        "a.js=x",
        &[
            "ok-two-roots",
            "ok-pax-times",
            "ok-pax-size",
            "ok-pax-nothing",
            "ok-pax-padded",
            "ok-pax-twice",
            "ok-pax-solaris",
            "ok-pax-link",
            "ok-gnu-long-link",
            "ok-gnu-then-pax",
            "ok-gnu-times",
            "ok-version-7",
            "ok-mode-0",
            "ok-mode-with-type",
            "ok-mode-blank",
            "ok-mode-spaces",
            "ok-time-negative",
            "ok-time-blank",
            "ok-time-binary",
            "ok-time-no-number",
            "ok-size-binary",
            "ok-size-spaces",
            "ok-size-of-12-digits",
            "ok-owner-binary",
            "ok-owner-no-number",
            "ok-contiguous",
            "ok-beside",
            "ok-top-is-a-file",
            "fine-dot-package",
            "xz-ok-pax-times",
            "xz-ok-gnu-times",
        ],
    ),
    ("a.js=", &["ok-empty-file", "ok-size-blank"]),
    ("a.js*=x", &["ok-mode-777"]),
    ("lib/a.js=x", &["ok-dot-root", "ok-slashes", "ok-inner-dots", "ok-directories", "ok-old-directories"]),
    (
        "index.js=module.exports = 1\n",
        &[
            "ok-plain",
            "ok-gz-name",
            "ok-gz-comment",
            "ok-gz-extra",
            "ok-gz-everything",
            "ok-gz-text",
            "ok-gz-header-checksum",
            "ok-gz-members",
            "ok-gz-empty-member",
            "ok-gz-zeros",
            "ok-not-compressed",
            "xz-ok-plain",
            "xz-ok-streams",
            "xz-ok-padding",
            "xz-ok-crc32",
            "xz-ok-sha256",
        ],
    ),
    ("run*=#!/bin/sh\n", &["setuid", "xz-setuid"]),
    ("x.js=x", &["ok-odd-modes"]),
    ("index.js=x", &["ok-other-root"]),
    ("dist/x.js=last", &["ok-duplicate", "xz-ok-duplicate"]),
    ("index.js=…", &["ok-noise", "xz-ok-noise"]),
    ("._a.js=\0\x05\x16\x07;a.js=x", &["ok-macos"]),
    (
        concat!(
            "dddddddddddddddddddddddddddddddddddddddd/dddddddddddddddddddddddddddddddddddddddd/",
            "dddddddddddddddddddddddddddddddddddddddd/dddddddddddddddddddddddddddddddddddddddd/",
            "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff.js=x"
        ),
        &["ok-gnu-long", "ok-gnu-long-without-nul", "xz-ok-gnu-long"],
    ),
    ("\u{e9}\u{65e5}\u{1f600}.js=x", &["ok-utf8"]),
    ("\u{fffd}.js=x", &["ok-not-utf8"]),
    (
        " lead=x;#=x;$(x)=x;%41=x;-rf=x;...=x;..a=x;a b=x;a\"b=x;a*b=x;a<b>=x;a?b=x;ab:c=x;a|b=x;b..=x;t.=x;trail =x;~=x",
        &["ok-odd-names"],
    ),
    ("node_modules/b/a.js=x", &["ok-bundled"]),
    ("…", &["ok-pax-long", "ok-ustar-prefix", "ok-name-of-100", "ok-name-of-255", "ok-deep"]),
    ("a.js=…;stored=x", &["zip-ok-top-folder"]),
    ("lib/a.js=x", &["zip-ok-no-folder", "zip-ok-directories"]),
    ("a.js=…;dos.js=x;run*=#!;setuid*=#!", &["zip-ok-modes"]),
    ("a.js=…;b.js=y", &["zip-ok-described", "zip-ok-wide", "zip-ok-other-order"]),
    ("a.js=…", &["zip-ok-described-without-mark", "zip-ok-times", "zip-ok-comment", "zip-ok-padded"]),
    ("\u{e9}\u{65e5}.js=x", &["zip-ok-utf8"]),
    ("a.js=;b.js=", &["zip-ok-empty-file"]),
];

/// Path to executable and content.
#[derive(Default, PartialEq, Eq, Debug)]
struct Collect(BTreeMap<String, (bool, Vec<u8>)>);

impl Sink for Collect {
    fn directory(&mut self, _: &RelPath) -> io::Result<()> {
        Ok(())
    }
    fn file(&mut self, entry: Entry, content: &mut dyn BufRead) -> io::Result<()> {
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes)?;
        self.0.insert(entry.path.to_string(), (entry.executable, bytes));
        Ok(())
    }
}

impl Collect {
    /// As `INSTALLED` writes it.
    fn shown(&self) -> String {
        let one = |(path, (executable, bytes)): (&String, &(bool, Vec<u8>))| {
            let content = if bytes.len() > 40 { "…".into() } else { String::from_utf8_lossy(bytes) };
            format!("{path}{}={content}", if *executable { "*" } else { "" })
        };
        let others = self.0.iter().filter(|(path, _)| *path != "package.json");
        others.map(one).collect::<Vec<_>>().join(";")
    }
}

fn list(bytes: &[u8]) -> Result<Collect, ArchiveError> {
    let expect = Expect { name: Some("evil"), version: Some("1.0.0"), ..Expect::default() };
    let mut sink = Collect::default();
    read(&mut &bytes[..], &expect, &Limits::default(), &mut sink)?;
    Ok(sink)
}

fn made(kind: &str) -> Vec<u8> {
    hostile::archive(kind).unwrap_or_else(|| panic!("no kind is called {kind}"))
}

fn installed() -> impl Iterator<Item = (&'static str, &'static str)> {
    INSTALLED.iter().flat_map(|(files, kinds)| kinds.iter().map(|kind| (*kind, *files)))
}

#[test]
fn the_reader_refuses_by_the_right_rule_and_names_the_entry() {
    for (kind, rule, entry) in REFUSED {
        match list(&made(kind)) {
            Err(ArchiveError::Refused { rule: found, entry: named, .. }) => {
                assert_eq!(found.name(), *rule, "{kind}");
                assert!(
                    named.starts_with(entry) && named.is_empty() == entry.is_empty(),
                    "{kind}: `{named}`"
                );
            }
            Err(e) => panic!("{kind}: {e}"),
            Ok(files) => panic!("{kind} was taken: {}", files.shown()),
        }
    }
}

#[test]
fn the_reader_takes_every_legal_oddity() {
    for (kind, files) in installed() {
        let got = list(&made(kind)).unwrap_or_else(|e| panic!("{kind}: {e}"));
        assert!(got.0.contains_key("package.json"), "{kind}");
        if files == "…" {
            assert_eq!(got.0.len(), 2, "{kind}");
        } else {
            assert_eq!(got.shown(), files, "{kind}");
        }
    }
}

/// The same bytes as a file and from a registry: refused with status 3, the entry and the rule named, under limits of
/// memory and time, nothing written, nothing left. (What holds for every script test is looked at too.)
#[test]
fn the_binary_refuses_them_and_leaves_nothing() {
    let steps = |(kind, rule, entry): &(&str, &str, &str)| {
        let (limits, file) = ("within 60 memory 512", file(kind));
        let named = if entry.is_empty() { String::new() } else { format!(" '{entry}'") };
        let mut steps = String::new();
        // Without an index there is no name to compare with; and a manifest is then its importer's to judge.
        if !matches!(*rule, "name-mismatch" | "version-mismatch") {
            let said = match *rule {
                "no-manifest" | "bad-manifest" => "'package.json'".to_owned(),
                _ => format!("'({rule})'{named}"),
            };
            steps += &format!(
                "hostile {kind} in/{file}\n! {limits} pantry mirror add --mirror mirror in/{file}\nstatus 3\n\
                 stderr '{file}' {said}\nunchanged before\n"
            );
        }
        // Two hundred thousand directories or files are made and removed again: too much for here.
        if *rule != "too-many-entries" {
            steps += &format!(
                "registry hostile:{kind}\n! {limits} pantry install\nstatus 3\nstderr 'evil' '({rule})'{named}\n\
                 ! exists node_modules\n! exists pantry.lock\n{NOTHING_LEFT}\nstdout-is nothing\n"
            );
        }
        steps
    };
    // A mirror for several of them: it stays as it is.
    run(REFUSED.chunks(12).map(|kinds| {
        let steps: String = kinds.iter().map(steps).collect();
        let script =
            format!("# refused\npantry mirror init mirror\nremember before mirror\n{steps}{MANIFEST}");
        (kinds[0].0, script)
    }));
}

/// Neither an entry of the store, nor a temporary, nor an archive.
const NOTHING_LEFT: &str =
    "exec find $PANTRY_HOME/store $PANTRY_HOME/mirror/TMP $PANTRY_HOME/mirror/PAK -mindepth 1 -not -name tmp";

const MANIFEST: &str = "-- package.json --\n{\"dependencies\": {\"evil\": \"1.0.0\"}}\n";

/// From a mirror and from a registry the same tree.
#[test]
fn the_binary_installs_every_legal_oddity() {
    let script = |kind: &str| {
        let file = file(kind);
        format!(
            "# {kind}\nhostile {kind} in/{file}\npantry mirror init mirror\npantry mirror add --mirror mirror in/{file}\n\
             pantry install --offline --mirror mirror\nexists node_modules/evil/package.json\n\
             registry hostile:{kind}\nmkdir other\ncp package.json other/package.json\ncd other\n\
             env PANTRY_HOME=$WORK/other/home\npantry install\nsame-tree node_modules/evil ../node_modules/evil\n\
             {MANIFEST}"
        )
    };
    run(installed().map(|(kind, _)| (kind, script(kind))));
}

fn file(kind: &str) -> &'static str {
    match kind.split('-').next() {
        Some("zip") => "evil-1.0.0.zip",
        Some("xz") => "evil-1.0.0.tar.xz",
        _ => "evil-1.0.0.tgz",
    }
}

fn run(cases: impl Iterator<Item = (&'static str, String)>) {
    let base = tempfile::tempdir().expect("a directory");
    let mut failures = Vec::new();
    for (kind, script) in cases {
        let archive = TextArchive::parse(Path::new(file!()), &script);
        match Case::run(archive, kind, base.path()) {
            Verdict::Passed => {}
            Verdict::Failed(report) => failures.push(report),
            Verdict::Skipped(reason) | Verdict::KnownBug(reason) => {
                support::say(&format!("NOT SHOWN: archive {kind}: {reason}"));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// npm, given the same bytes, makes the same files (executable or not, whatever else the mode says).
#[test]
fn npm_makes_the_same_of_every_legal_oddity() {
    if std::env::var_os("PANTRY_TEST_FULL").is_none() {
        support::say("NOT SHOWN: what npm makes of the legal oddities (make test-full)");
        return;
    }
    if Command::new("npm").arg("--version").output().is_err() {
        support::say("SKIPPED: what npm makes of the legal oddities: no npm here");
        return;
    }
    let base = tempfile::tempdir().expect("a directory");
    for (kind, _) in installed().filter(|(kind, _)| kind.starts_with("ok-")) {
        let (project, bytes) = (base.path().join(kind), made(kind));
        fs::create_dir(&project).expect("a directory");
        fs::write(project.join("x.tgz"), &bytes).expect("a file");
        fs::write(project.join("package.json"), "{}").expect("a file");
        let done = Command::new("npm")
            .args([
                "install",
                "--offline",
                "--no-audit",
                "--no-fund",
                "--ignore-scripts",
                "./x.tgz",
                "--cache",
            ])
            .arg(project.join("cache"))
            .current_dir(&project)
            .output()
            .expect("npm");
        assert!(done.status.success(), "{kind}: {}", String::from_utf8_lossy(&done.stderr));
        let mut theirs = Collect::default();
        files(&project.join("node_modules/evil"), "", &mut theirs);
        assert_eq!(list(&bytes).expect(kind).shown(), theirs.shown(), "{kind}");
    }
}

fn files(dir: &Path, below: &str, found: &mut Collect) {
    for entry in fs::read_dir(dir).expect("a directory").flatten() {
        let path = format!("{below}{}", entry.file_name().to_string_lossy());
        let meta = entry.metadata().expect("it is there");
        if meta.is_dir() {
            files(&entry.path(), &format!("{path}/"), found);
        } else {
            let executable = meta.permissions().mode() & 0o111 != 0;
            found.0.insert(path, (executable, fs::read(entry.path()).expect("a file")));
        }
    }
}
