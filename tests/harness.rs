//! The harness's own tests: its parsers, its package maker, its registry. What tests everything else must itself be right.

#![allow(clippy::disallowed_methods)] // tests may write files

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use support::archive::TextArchive;
use support::case::{Case, Verdict};
use support::hostile;
use support::package::described;
use support::registry::{Registry, Trouble};

const CATALOGUE: &str = "a@1.0.0 b@^1\nb@1.0.0\nb@1.1.0 bin:b=cli.js\n@s/c@2.0.0-rc.1\n";

fn registry() -> Registry {
    let packages = described(&[("CATALOGUE".into(), CATALOGUE.into())]).expect("a catalogue");
    Registry::start(packages).expect("a loopback port")
}

fn get(registry: &Registry, path: &str, headers: &str) -> (String, Vec<u8>) {
    let address = registry.url().trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(address).expect("the registry listens");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x.example.com\r\n{headers}Connection: close\r\n\r\n")
        .expect("sends");
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").map_or(bytes.len(), |at| at + 4);
    (String::from_utf8_lossy(&bytes[..end]).into_owned(), bytes[end..].to_vec())
}

#[test]
fn the_registry_serves_packuments_and_tarballs() {
    let registry = registry();
    let (head, body) = get(&registry, "/b", "");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let text = String::from_utf8(body).expect("JSON");
    assert!(text.contains("\"latest\":\"1.1.0\""), "{text}");
    assert!(text.contains("http://x.example.com/b/-/b-1.0.0.tgz"), "{text}");
    let (_, tarball) = get(&registry, "/b/-/b-1.1.0.tgz", "");
    assert_eq!(tarball[..2], [0x1f, 0x8b]);
    let (head, _) = get(&registry, "/@s%2fc", "");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(get(&registry, "/nope", "").0.starts_with("HTTP/1.1 404"));
    assert_eq!(registry.requests().len(), 4);
}

#[test]
fn the_registry_knows_etags_gzip_and_abbreviated_documents() {
    let registry = registry();
    let (head, full) = get(&registry, "/a", "");
    let etag = head.lines().find_map(|l| l.strip_prefix("ETag: ")).expect("an etag").to_owned();
    assert!(get(&registry, "/a", &format!("If-None-Match: {etag}\r\n")).0.starts_with("HTTP/1.1 304"));
    let (head, short) = get(&registry, "/a", "Accept: application/vnd.npm.install-v1+json\r\n");
    assert!(head.contains("application/vnd.npm.install-v1+json"));
    assert!(short.len() < full.len());
    let (head, packed) = get(&registry, "/a", "Accept-Encoding: gzip\r\n");
    assert!(head.contains("Content-Encoding: gzip"));
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(packed.as_slice()).read_to_end(&mut text).expect("gzip");
    assert_eq!(text, full);
}

#[test]
fn the_registry_misbehaves_on_demand() {
    let registry = registry();
    registry.trouble("/a", Trouble::Status(503), Some(1));
    assert!(get(&registry, "/a", "").0.starts_with("HTTP/1.1 503"));
    assert!(get(&registry, "/a", "").0.starts_with("HTTP/1.1 200"));
    let whole = get(&registry, "/b/-/b-1.0.0.tgz", "").1;
    registry.trouble("/b/-/*", Trouble::Cut(10), Some(1));
    assert_eq!(get(&registry, "/b/-/b-1.0.0.tgz", "").1, whole[..10]);
    registry.trouble("/b/-/*", Trouble::Flip, Some(1));
    assert_ne!(get(&registry, "/b/-/b-1.0.0.tgz", "").1, whole);
    registry.trouble("/a", Trouble::Redirect("http://other.example.com{path}".into()), None);
    assert!(get(&registry, "/a", "").0.contains("Location: http://other.example.com/a"));
    registry.recover();
    registry.require("Bearer secret");
    assert!(get(&registry, "/a", "").0.starts_with("HTTP/1.1 401"));
    assert!(get(&registry, "/a", "Authorization: Bearer secret\r\n").0.starts_with("HTTP/1.1 200"));
}

#[test]
fn a_failing_case_says_where_and_what() {
    let dir = tempfile::tempdir().expect("a directory");
    let run = |script: &str| {
        let archive = TextArchive::parse(Path::new("case.txt"), script);
        Case::run(archive, "case", dir.path())
    };
    let failed = |script: &str| match run(script) {
        Verdict::Failed(report) => report,
        Verdict::Passed | Verdict::KnownBug(_) => panic!("passed: {script}"),
        Verdict::Skipped(reason) => panic!("skipped: {reason}"),
    };
    assert!(matches!(
        run("exec echo hello\nstdout 'hello'\n! stdout 'bye'\nstderr-is nothing\n"),
        Verdict::Passed
    ));
    assert!(failed("exec echo hello\nstdout 'bye'\n").contains("case.txt:2"));
    assert!(failed("exec sh -c 'exit 3'\n").contains("status 3, wanted 0"));
    assert!(failed("! exec true\n").contains("wanted failure"));
    assert!(failed("exec echo b\nstdout-is x\n-- x --\na\n").contains("- a\n  + b"));
    assert!(failed("exec sh -c 'echo > ../stray'\n").contains("outside"));
    assert!(failed("exec sh -c 'echo > $TMPDIR/x'\n").contains("left behind in TMPDIR: x"));
    assert!(failed("remember x f\nwrite f 'b'\nunchanged x\n-- f --\na\n").contains("changed"));
    assert!(matches!(run("known-bug 'x'\nexec false\n"), Verdict::KnownBug(_)));
    assert!(failed("known-bug 'x'\nexec true\n").contains("mended"));
    assert!(failed("frobnicate\n").contains("no step is called"));
    assert!(failed("exec sleep 9 &\n").contains("never waited for"));
    assert!(matches!(
        run("tree d want\n-- d/f --\n-- d/g/h --\n#!x\n-- want --\nf  f\nd  g/\nx  g/h\n"),
        Verdict::Passed
    ));
}

#[test]
fn hostile_archives_are_what_they_say() {
    let tar = |kind: &str| {
        let mut bytes = Vec::new();
        let packed = hostile::archive(kind).expect("known");
        let _ = flate2::read::GzDecoder::new(packed.as_slice()).read_to_end(&mut bytes);
        bytes
    };
    let holds = |kind: &str, what: &[u8]| tar(kind).windows(what.len()).any(|w| w == what);
    assert!(holds("traversal", b"package/../../"));
    assert!(holds("control-character", b"\x1b[31m"));
    assert!(holds("name-mismatch", b"\"other\""));
    assert_eq!(tar("symlink")[1024 + 156], b'2');
    assert!(hostile::archive("bomb").expect("known").len() < 2 << 20);
    assert!(hostile::archive("no such thing").is_none());
}
