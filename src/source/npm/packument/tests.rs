//! Documents as registries write them, and as they should not.

use super::facts::{is_derived, read_integrity};
use super::*;
use mirror::digest::Integrity;
use mirror::record::{Dependency, DependencyKind, Record};

fn bases() -> Vec<String> {
    vec!["http://example.com/npm/".into(), "http://example.org/npm/".into()]
}

fn scan_text(name: &str, json: &str) -> Result<Record, PackumentError> {
    scan_from(name, &mut json.as_bytes())
}

fn scan_from(name: &str, source: &mut dyn Read) -> Result<Record, PackumentError> {
    let asked = Asked { key: Key::npm(name), bases: &bases(), checked: 5, etag: "\"e\"".into() };
    scan(source, asked).map(|bytes| Record::decode(&bytes).unwrap())
}

/// One version `1.0.0` with `fields`.
fn version(fields: &str) -> mirror::record::VersionRecord {
    let json = format!(r#"{{"name":"x","versions":{{"1.0.0":{{{fields}}}}}}}"#);
    let mut record = scan_text("x", &json).unwrap();
    assert_eq!(record.versions.len(), 1, "{json}");
    record.versions.remove(0)
}

fn edges(v: &mirror::record::VersionRecord) -> Vec<(&str, &str, DependencyKind)> {
    v.dependencies
        .iter()
        .map(|Dependency { name, range, kind, .. }| (name.as_str(), range.as_str(), *kind))
        .collect()
}

const SHA512: &str =
    "sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==";

#[test]
fn abbreviated_form() {
    let json = format!(
        r#" {{ "name" : "@s/x", "modified": "2026-01-02T03:04:05.678Z", "unknown": [1, {{"a": "}}"}}],
        "dist-tags": {{"latest": "1.2.0", "next": "2.0.0-rc.1"}},
        "versions": {{
          "1.2.0": {{"name":"@s/x","version":"1.2.0","bin":"cli.js","engines":{{"node":">=18"}},"os":["linux","!win32"],
             "cpu":"x64","libc":["glibc"],"hasInstallScript":true,"deprecated":"use \u0079",
             "dependencies":{{"b":"^1","a":"~2"}},"devDependencies":{{"z":"1"}},
             "dist":{{"integrity":"{SHA512}","shasum":"da39a3ee5e6b4b0d3255bfef95601890afd80709",
                      "unpackedSize": 1234,"tarball":"http://example.org/npm/@s/x/-/x-1.2.0.tgz","signatures":[{{"sig":"\"]"}}]}}}},
          "2.0.0-rc.1": {{"name":"@s/x","version":"2.0.0-rc.1","dist":{{"shasum":"da39a3ee5e6b4b0d3255bfef95601890afd80709",
                      "tarball":"http://cdn.example.com/x.tgz"}}}}
        }} }} "#
    );
    let r = scan_text("@s/x", &json).unwrap();
    assert_eq!((r.complete, r.checked, r.etag.as_str(), r.modified), (true, 5, "\"e\"", 1_767_323_045));
    let tag = |t: &str, v: &str| (t.to_string(), v.to_string());
    assert_eq!(r.tags, [tag("latest", "1.2.0"), tag("next", "2.0.0-rc.1")]);
    let v = &r.versions[0];
    assert_eq!(v.integrity, Some(Integrity::parse(SHA512).unwrap()));
    assert_eq!(edges(v), [("a", "~2", DependencyKind::Normal), ("b", "^1", DependencyKind::Normal)]);
    assert_eq!(v.bins, [tag("x", "cli.js")]);
    assert_eq!((v.unpacked, v.install_script, v.deprecated.as_deref()), (1234, true, Some("use y")));
    assert_eq!(
        (v.os.len(), v.cpu.as_slice(), v.libc.as_slice()),
        (2, &["x64".to_string()][..], &["glibc".to_string()][..])
    );
    assert_eq!((v.engines.as_slice(), &v.tarball), (&[tag("node", ">=18")][..], &None));
    let v = &r.versions[1];
    assert_eq!(v.integrity.as_ref().unwrap().algorithm().name(), "sha1");
    assert_eq!(v.tarball.as_deref(), Some("http://cdn.example.com/x.tgz"));
}

#[test]
fn full_form_tells_times_before_or_after() {
    let time = r#""time":{"created":"2020-01-01T00:00:00Z","modified":"2021-01-01T00:00:00.000Z","1.0.0":"2020-02-29T12:00:00.5Z","9.9.9":"no"}"#;
    let versions = r#""versions":{"1.0.0":{"scripts":{"test":"x","postinstall":"y"}},"1.1.0":{"gypfile":true,"scripts":{"build":"z"}},"1.2.0":{"scripts":{"test":"t"}}}"#;
    let readme = format!(r#""readme":"{}""#, "r\\\"{[".repeat(100_000));
    for json in [format!("{{{time},{readme},{versions}}}"), format!("{{{versions},{readme},{time}}}")] {
        let r = scan_text("x", &json).unwrap();
        assert_eq!(r.modified, 1_609_459_200);
        let seen: Vec<_> = r.versions.iter().map(|v| (v.published, v.install_script)).collect();
        assert_eq!(seen, [(1_582_977_600, true), (0, true), (0, false)]);
    }
}

#[test]
fn npm_takes_the_last_list_that_names_a_dependency() {
    use DependencyKind::{Normal, Optional, Peer, PeerOptional};
    let v = version(
        r#""peerDependencies":{"p":"1","q":"2","both":"3"},"peerDependenciesMeta":{"q":{"optional":true},"p":{"optional":false},"r":{"optional":true}},
           "dependencies":{"both":"4","opt":"5","odd":7},"optionalDependencies":{"opt":"6"}"#,
    );
    assert_eq!(
        edges(&v),
        [("both", "4", Normal), ("opt", "6", Optional), ("p", "1", Peer), ("q", "2", PeerOptional)]
    );
    // Whatever the order of the lists, and of equal keys the last.
    let v = version(
        r#""optionalDependencies":{"a":"1"},"dependencies":{"a":"2","b":"1","b":"2"},"peerDependencies":{"a":"3"}"#,
    );
    assert_eq!(edges(&v), [("a", "1", Optional), ("b", "2", Normal)]);
}

#[test]
fn fields_of_odd_types() {
    let v = version(
        r#""bin":{"a":"x","b":7},"engines":["node >= 0.4"],"os":"linux","cpu":{"x":1},"libc":null,"bundleDependencies":true,
           "dependencies":{"d":"1"},"optionalDependencies":[],"peerDependencies":"x","peerDependenciesMeta":{"a":true},
           "deprecated":false,"hasInstallScript":"yes","scripts":[],"dist":{"integrity":7,"shasum":"zz","unpackedSize":-1,"tarball":[]}"#,
    );
    assert_eq!(v.bins, [("a".to_string(), "x".to_string())]);
    assert_eq!((v.engines.len(), v.os.as_slice(), v.cpu.len()), (0, &["linux".to_string()][..], 0));
    assert_eq!(v.bundled, ["d"]);
    assert_eq!(
        (v.deprecated.as_ref(), v.install_script, &v.integrity, &v.tarball),
        (None, false, &None, &None)
    );
    for (text, want) in
        [(r#""""#, None), ("true", Some("")), (r#""no""#, Some("no")), ("null", None), ("{}", None)]
    {
        assert_eq!(version(&format!(r#""deprecated":{text}"#)).deprecated.as_deref(), want, "{text}");
    }
    assert_eq!(version(r#""bundledDependencies":["a",1,"b"]"#).bundled, ["a", "b"]);
    assert!(version(r#""bundleDependencies":false,"dependencies":{"a":"1"}"#).bundled.is_empty());
    let strongest =
        version(&format!(r#""dist":{{"integrity":"sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk= {SHA512}"}}"#));
    assert_eq!(strongest.integrity.unwrap().algorithm().name(), "sha512");
}

#[test]
fn what_claims_to_be_something_else_is_left_out() {
    let json = r#"{"versions":{"1.0.0":{"version":"1.0.1"},"1.0.1":{"name":"y"},"../x":{},"1":{},"1.0.2":"text","1.0.3":{"version":"v1.0.3","name":"x"},"1.0.4":{}}}"#;
    let r = scan_text("x", json).unwrap();
    let versions: Vec<_> = r.versions.iter().map(|v| v.version.to_string()).collect();
    assert_eq!(versions, ["1.0.3", "1.0.4"]);
    assert!(
        matches!(scan_text("x", r#"{"name":"evil"}"#), Err(PackumentError::WrongName { found }) if found == "evil")
    );
}

#[test]
fn what_is_no_packument() {
    for json in [
        "",
        "<html>",
        "[]",
        "null",
        "\"x\"",
        "{",
        r#"{"name":"x""#,
        r#"{"a":1,}"#,
        r#"{"a" 1}"#,
        "{} x",
        r#"{"a":1 "b":2}"#,
    ] {
        assert!(matches!(scan_text("x", json), Err(PackumentError::Malformed { .. })), "{json}");
    }
    // Odd, but an object: no versions.
    for json in [
        "{}",
        r#"{"versions":[],"dist-tags":null,"time":"x","modified":7}"#,
        r#"{"error":"not found"}"#,
        "{}\n\n",
    ] {
        assert_eq!(scan_text("x", json).unwrap().versions.len(), 0, "{json}");
    }
    let huge = format!(r#"{{"versions":{{"1.0.0":{{"description":"{}"}}}}}}"#, "x".repeat(2 << 20));
    assert!(matches!(scan_text("x", &huge), Err(PackumentError::TooLarge { .. })));
    let deep = format!(r#"{{"x":{}"#, "[".repeat(3_000_000));
    assert!(matches!(scan_text("x", &deep), Err(PackumentError::Malformed { .. })));
}

#[test]
fn a_broken_source_is_an_error_and_bad_utf8_is_not() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::ConnectionReset.into())
        }
    }
    let json = br#"{"versions":{"#;
    assert!(matches!(scan_from("x", &mut (&json[..]).chain(Broken)), Err(PackumentError::Read(_))));
    let bytes = b"{\"versions\":{\"1.0.0\":{\"deprecated\":\"\xff\",\"bin\":{\"a\":\"b\"}},\"1.0.1\":{}}}";
    let r = scan_from("x", &mut &bytes[..]).unwrap();
    assert_eq!(r.versions[0].deprecated.as_deref(), Some("\u{fffd}"));
    assert_eq!((r.versions[0].bins.len(), r.versions.len()), (1, 2));
}

/// The same record whatever the size of the parts in which the document comes,
/// and with versions larger than the window.
#[test]
fn windows_do_not_show() {
    struct Parts<'a>(&'a [u8], usize);
    impl Read for Parts<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            self.1 = self.1 * 31 % 1009 + 1;
            let n = self.1.min(out.len()).min(self.0.len());
            out[..n].copy_from_slice(&self.0[..n]);
            self.0 = &self.0[n..];
            Ok(n)
        }
    }
    let mut json = String::from(r#"{"name":"x","versions":{"#);
    for i in 0..600 {
        let filler = "f".repeat(if i == 300 { 200_000 } else { i * 7 % 900 });
        let comma = if i == 0 { "" } else { "," };
        json += &format!(
            r#"{comma}"1.{i}.0":{{"description":"{filler}","dependencies":{{"d{i}":"^{i}"}},"dist":{{"integrity":"{SHA512}"}}}}"#
        );
    }
    json += r#"},"dist-tags":{"latest":"1.599.0"}}"#;
    let whole = scan_text("x", &json).unwrap();
    assert_eq!(whole.versions.len(), 600);
    assert_eq!(whole.versions[300].dependencies[0].name, "d300");
    assert_eq!(scan_from("x", &mut Parts(json.as_bytes(), 7)).unwrap(), whole);
}

#[test]
fn integrity_by_the_short_way_is_the_same() {
    assert_eq!(read_integrity(SHA512), Integrity::parse(SHA512).ok());
    for text in
        ["sha512-AAAA==", "", "sha512-", "md5-xx", &SHA512.replace('z', "!"), &SHA512.replace("Pg==", "Ph==")]
    {
        assert_eq!(read_integrity(text), Integrity::parse(text).ok(), "{text}");
    }
}

#[test]
fn tarballs_that_need_no_url() {
    let ok = |url: &str, name: &str| {
        bases().iter().any(|b| is_derived(url, b, name, name.rsplit('/').next().unwrap(), "1.0.0"))
    };
    assert!(ok("http://example.com/npm/x/-/x-1.0.0.tgz", "x"));
    assert!(ok("http://example.org/npm/@s%2fx/-/x-1.0.0.tgz", "@s/x"));
    for no in [
        "https://example.com/npm/x/-/x-1.0.0.tgz",
        "http://example.com/npm/x/-/x-1.0.1.tgz",
        "http://example.com/x/-/x-1.0.0.tgz",
        "http://example.com/npm/x/-/x-1.0.0.tgz?a",
    ] {
        assert!(!ok(no, "x"), "{no}");
    }
}

#[test]
fn dates() {
    assert_eq!(unix_seconds("1970-01-01T00:00:00Z"), Some(0));
    assert_eq!(unix_seconds("2000-03-01T00:00:00.000Z"), Some(951_868_800));
    assert_eq!(unix_seconds("2026-11-21T06:44:05.123Z"), Some(1_795_243_445));
    for bad in [
        "",
        "2026",
        "2026-13-01T00:00:00Z",
        "2026-01-01 00:00:00Z",
        "1969-01-01T00:00:00Z",
        "2026-01-01T00:00:00+01:00",
        "é026-01-01T00:00:00Z",
    ] {
        assert_eq!(unix_seconds(bad), None, "{bad}");
    }
}

proptest::proptest! {
    #[test]
    fn any_text(json in "[{}\\[\\]\",:a1\\\\ tn]{0,80}") {
        let _ = scan_text("x", &json);
        let _ = scan_text("x", &format!(r#"{{"versions":{{"1.0.0":{json}"#));
    }
}
