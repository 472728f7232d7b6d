use super::*;
use proptest::prelude::*;

pub(crate) fn sample() -> Snapshot {
    let entry = |t: &str| FileEntry { hash: Hash::of(t.as_bytes()), bytes: 10_000 };
    let segment = |level, first: &str, last: &str| SegmentEntry {
        file: entry(first),
        level,
        records: 3,
        fence_at: 8000,
        fence_bytes: 100,
        fence_hash: [7; 16],
        first: Key::npm(first).to_bytes(),
        last: Key::npm(last).to_bytes(),
    };
    let mut packs = vec![entry("p"), entry("q")];
    crate::order::sort(&mut packs);
    Snapshot {
        id: MirrorId([0xab; 16]),
        label: "my stick, 100 % \u{e9}".into(),
        sequence: 7,
        previous: Some(Hash::of(b"previous")),
        date: 1_700_000_000,
        vector: vec![(MirrorId([0xab; 16]), 7), (MirrorId([0xcd; 16]), 2)],
        policy: vec![("platforms".into(), "linux-x64 win32-x64".into()), ("x".into(), String::new())],
        exclusions: vec![
            Exclusion { key: Key::npm("left-pad"), version: None },
            Exclusion { key: Key::npm("left-pad2"), version: Some("1.0.0".into()) },
        ],
        segments: vec![segment(0, "a", "b"), segment(0, "c", "d"), segment(2, "a", "z")],
        packs,
        blobs: Some((entry("b"), 2)),
        origins: vec![Origin { id: MirrorId([0xcd; 16]), sequence: 2, snapshot: entry("o") }],
        tools: vec![("linux x64".into(), entry("t"))],
        signatures: vec![("ed25519:x".into(), "c2ln=".into())],
    }
}

#[test]
fn round_trip() {
    let full = sample();
    assert_eq!(Snapshot::parse(&full.to_bytes()), Ok(full.clone()));
    let mut bare = full;
    (bare.previous, bare.blobs) = (None, None);
    bare.label.clear();
    bare.vector.clear();
    bare.policy.clear();
    bare.exclusions.clear();
    bare.segments.clear();
    bare.packs.clear();
    bare.origins.clear();
    bare.tools.clear();
    bare.signatures.clear();
    let bytes = bare.to_bytes();
    assert!(bytes.ends_with(b"blobs - 0 0\nsignature - -\n"));
    assert_eq!(Snapshot::parse(&bytes), Ok(bare));
}

#[test]
fn other_formats_and_broken_lines() {
    let text = String::from_utf8(sample().to_bytes()).unwrap();
    let newer = text.replacen("pantry-mirror 1", "pantry-mirror 2", 1);
    assert_eq!(Snapshot::parse(newer.as_bytes()), Err(ParseError::Newer(2)));
    assert!(matches!(Snapshot::parse(b""), Err(ParseError::Line(_))));
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    // A line that must be there is missing, or stands twice, or in another place.
    for i in [1, 2, 3, 4, 5] {
        let mut l = lines.clone();
        l.remove(i);
        assert!(Snapshot::parse(l.concat().as_bytes()).is_err(), "without line {i}");
        let mut l = lines.clone();
        l.insert(i, lines[i]);
        assert!(Snapshot::parse(l.concat().as_bytes()).is_err(), "line {i} twice");
        let mut l = lines.clone();
        l.swap(i, i + 1);
        assert!(Snapshot::parse(l.concat().as_bytes()).is_err(), "line {i} swapped");
    }
    for n in 0..text.len() {
        if text.is_char_boundary(n) && n != text.len() {
            assert!(Snapshot::parse(&text.as_bytes()[..n]).is_err(), "{n}");
        }
    }
    assert!(Snapshot::parse(text.replacen("date ", "datum ", 1).as_bytes()).is_err());
    assert!(Snapshot::parse(text.replacen("date 1", "date 01", 1).as_bytes()).is_err());
}

#[test]
fn the_error_says_which_line_is_wrong() {
    let text = String::from_utf8(sample().to_bytes()).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    for i in 0..lines.len() {
        let mut l = lines.clone();
        l[i] = "nonsense\n";
        assert_eq!(Snapshot::parse(l.concat().as_bytes()), Err(ParseError::Line(i + 1)));
    }
    assert_eq!(Snapshot::parse(b"pantry-mirror 0\n"), Err(ParseError::Line(1)));
    assert_eq!(Snapshot::parse(b"pantry-mirror 2\n"), Err(ParseError::Newer(2)));
    assert_eq!(Snapshot::parse(b"\xff"), Err(ParseError::Line(0)));
    let zero = text.replacen("sequence 7", "sequence 0", 1);
    assert!(Snapshot::parse(zero.as_bytes()).is_err());
    let id = "ab".repeat(16);
    for bad in [
        id.to_uppercase(),
        id[1..].into(),
        format!("{id}a"),
        id.replace('b', "g"),
        id.replacen("ab", "\u{e9}", 1),
    ] {
        let bent = text.replacen(&format!("id {id}"), &format!("id {bad}"), 1);
        assert_eq!(Snapshot::parse(bent.as_bytes()), Err(ParseError::Line(2)), "{bad}");
    }
    assert_eq!(format!("{:?}", sample().id), id);
}

/// What a reader relies on when it searches: fences inside their files, keys that ascend and do not
/// overlap within a level, packs in order.
#[test]
fn segments_and_packs_that_contradict_themselves_are_refused() {
    let parses = |change: &dyn Fn(&mut Snapshot)| {
        let mut s = sample();
        change(&mut s);
        Snapshot::parse(&s.to_bytes()).is_ok()
    };
    let key = |name: &str| Key::npm(name).to_bytes();
    assert!(parses(&|s| s.segments[0].fence_at = 9_900));
    assert!(!parses(&|s| s.segments[0].fence_at = 9_901));
    assert!(!parses(&|s| s.segments[0].fence_at = u64::MAX));
    // One record alone is first and last.
    assert!(parses(&|s| s.segments[0].last = key("a")));
    assert!(!parses(&|s| s.segments[0].last = key("Z")));
    assert!(!parses(&|s| s.segments[1].first = key("b")));
    assert!(!parses(&|s| s.segments[1].first = key("a")));
    assert!(!parses(&|s| s.segments.swap(0, 1)));
    assert!(!parses(&|s| s.segments.swap(1, 2)));
    assert!(!parses(&|s| s.segments[2].level = 0));
    assert!(!parses(&|s| s.packs.swap(0, 1)));
    assert!(!parses(&|s| s.packs[1] = s.packs[0]));
}

#[test]
fn an_exclusion_is_of_a_package_or_of_one_version() {
    let s = sample();
    for (name, version, excluded) in [
        ("left-pad", None, true),
        ("left-pad", Some("9.0.0"), true),
        ("left-pad2", Some("1.0.0"), true),
        ("left-pad2", Some("1.0.1"), false),
        ("left-pad2", None, false),
        ("other", Some("1.0.0"), false),
        ("other", None, false),
    ] {
        assert_eq!(s.is_excluded(&Key::npm(name), version), excluded, "{name} {version:?}");
    }
}

#[test]
fn a_field_is_written_in_one_way() {
    for (text, field) in [
        ("", "-"),
        ("-", "%2D"),
        ("*", "%2A"),
        ("--", "--"),
        ("@s/Name0.9_x+y~z:1,2-3=4", "@s/Name0.9_x+y~z:1,2-3=4"),
        ("a b%\n*\u{e9}", "a%20b%25%0A%2A%C3%A9"),
    ] {
        assert_eq!(escape(text.as_bytes()), field);
        assert_eq!(unescape_text(field).as_deref(), Some(text));
    }
    for bad in ["", "%", "%2", "%2g", "%g2", "%FF"] {
        assert_eq!(unescape_text(bad), None, "{bad}");
    }
}

proptest! {
    #[test]
    fn changed_bytes_never_panic(changes in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..6)) {
        let mut bytes = sample().to_bytes();
        for (at, b) in changes {
            let n = bytes.len();
            bytes[at % n] = b;
        }
        let _ = Snapshot::parse(&bytes);
    }
    #[test]
    fn any_text_is_a_field(text in ".{0,40}") {
        let field = escape(text.as_bytes());
        prop_assert!(!field.contains([' ', '\n']) && field != "*");
        prop_assert_eq!(unescape_text(&field), (!text.is_empty()).then_some(text.clone()).or(Some(text)));
    }
}
