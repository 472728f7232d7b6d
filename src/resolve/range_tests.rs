use super::*;

fn v(text: &str) -> Version {
    Version::parse(text).unwrap()
}

/// Range, a version that satisfies it, one that does not (`-`: none of the kind).
const TABLE: &[(&str, &str, &str)] = &[
    ("1.0.0 - 2.0.0", "1.2.3", "2.2.3"),
    ("1.2.3 - 2", "2.9.9", "3.0.0-0"),
    ("1 - 1.2", "1.2.9", "1.3.0"),
    ("x - 1.0.0", "0.9.7", "1.0.1"),
    ("1.x - x", "1.9.7", "0.9.0"),
    ("^1.2.3+build", "1.3.0", "2.0.0"),
    ("1.2.3-pre+asdf - 2.4.3-pre+asdf", "2.4.3-alpha", "2.4.4-alpha"),
    (" v1.2.3 - v2 ", "2.0.0", "1.2.2"),
    ("1.0.0", "1.0.0", "1.0.1"),
    ("", "1.0.0", "1.0.0-rc.1"),
    ("*", "1.2.3", "1.2.3-foo"),
    ("x", "9.9.9", "-"),
    (">=*", "0.2.4", "-"),
    (">*", "-", "1.0.0"),
    ("<*", "-", "1.0.0"),
    ("<0", "-", "0.0.0-alpha"),
    (">=1.0.0", "1.0.1", "1.0.0-a"),
    (">1.0.0", "1.0.1", "1.0.0"),
    ("<=2.0.0", "0.2.9", "2.0.1"),
    (">= 1.0.0", "1.1.0", "0.1.0"),
    (">=  1", "1.0.0", "0.9.9"),
    ("<   2.0.0", "1.9999.9999", "2.0.0"),
    (">01.02.03", "1.2.4", "1.2.3"),
    ("> v1.2", "1.3.0", "1.2.9"),
    ("0.1.20 || 1.2.4", "1.2.4", "1.2.3"),
    (">=0.2.3 || <0.0.1", "0.0.0", "0.0.3"),
    ("||", "1.3.4", "-"),
    ("2.x.x", "2.1.3", "3.1.3"),
    ("1.2.x || 2.x", "2.1.3", "1.3.3"),
    ("2", "2.1.2", "1.1.2"),
    ("2.3", "2.3.1", "2.4.1"),
    ("~0.0.1", "0.0.2", "0.1.0-alpha"),
    ("~x", "0.0.9", "-"),
    ("~2", "2.0.9", "3.0.0"),
    ("~2.4", "2.4.0", "2.5.0"),
    ("~> 3.2.1", "3.2.2", "3.3.0"),
    ("~>1", "1.2.3", "2.2.3"),
    ("~ 1.0.3", "1.0.12", "1.1.0"),
    ("~1.2.3-beta.2", "1.2.3-beta.4", "1.2.4-beta.4"),
    ("~0.5.4-pre", "0.5.4", "0.5.4-alpha"),
    (">=1 <3", "2.9.9", "3.0.0"),
    ("1", "1.0.0", "1.0.0-beta"),
    ("<1.2", "1.1.1", "1.2.0"),
    ("<=1.2", "1.2.9", "1.3.0"),
    (">1", "2.0.0", "1.9.9"),
    (">1.2", "1.3.0", "1.2.8"),
    ("=0.7.x", "0.7.2", "0.8.0"),
    ("<=0.7.x", "0.6.2", "0.8.0"),
    ("~1.2.1 >=1.2.3", "1.2.3", "1.2.2"),
    ("~1.2.1 1.2.3 =1.2.3", "1.2.3", "1.2.4"),
    (">=1.2.1 1.2.3", "1.2.3", "1.2.4"),
    ("^1.2.3", "1.8.1", "1.2.2"),
    ("^0.1.2", "0.1.2", "0.2.0"),
    ("^0.0.1", "0.0.1", "0.0.2-alpha"),
    ("^0", "0.9.0", "1.0.0"),
    ("^0.x", "0.9.0", "1.0.0"),
    ("^0.1", "0.1.2", "0.2.0"),
    ("^1.2", "1.4.2", "2.0.0"),
    ("^1.x", "1.0.0", "2.0.0-0"),
    ("^ 1", "1.9.0", "2.0.0"),
    ("^1.2.3-alpha", "1.2.3-pre", "1.2.4-pre"),
    ("^0.0.1-alpha", "0.0.1-beta", "0.0.2"),
    ("^1.2.3-alpha.1.2 <2", "1.2.3", "1.2.3-alpha.1"),
    ("1.2.3beta", "1.2.3-beta", "1.2.3"),
    ("1.2.3-01", "1.2.3-1", "1.2.3-2"),
    ("= 1.2.3", "1.2.3", "1.2.4"),
    ("v1.2.3", "1.2.3", "1.2.4"),
    ("next || 1", "1.2.3", "2.0.0"),
    (">=1.0.0, <2.0.0", "1.2.3", "-"),
    ("1.2.3*", "1.2.3", "1.2.4"),
    ("\u{a0}>=\t1\n<2 ", "1.5.0", "2.0.0"),
];

#[test]
fn satisfied_and_not_as_npm_says() {
    for (range, yes, no) in TABLE {
        let r = Range::parse(range).unwrap_or_else(|| panic!("{range:?} is a range"));
        if *yes != "-" {
            assert!(r.satisfies(&v(yes)), "{yes} satisfies {range:?}: {r:?}");
        }
        if *no != "-" {
            assert!(!r.satisfies(&v(no)), "{no} does not satisfy {range:?}: {r:?}");
        }
    }
}

#[test]
fn what_is_no_range_is_a_tag() {
    for text in ["latest", "next", "beta-1", "1.x.3", "a || b", "^", ">=foo", "1.2.3.4", "blerg"] {
        assert_eq!(Range::parse(text), None, "{text}");
    }
}

#[test]
fn numbers_that_are_too_large_refuse_the_whole_range() {
    for text in
        ["^9007199254740991", ">=9007199254740992.0.0", "1 || 99999999999999999999", "<=9007199254740991"]
    {
        assert_eq!(Range::parse(text), None, "{text}");
    }
    assert!(Range::parse("9007199254740991.0.0").is_some());
    assert_eq!(Range::parse(&format!("1.2.3-{}", "a".repeat(300))), None);
    assert_eq!(Range::parse(&"1||".repeat(LONGEST)), None);
}

/// As semver.intersects has it (`tests/conformance/ranges.mjs` compares more of them).
#[test]
fn what_two_ranges_have_in_common() {
    for (a, b, expected) in [
        ("^1", "1.2.3", true),
        ("^1", "2.0.0", false),
        ("^1 || ^3", ">=2 <4", true),
        ("<1", ">=1", false),
        ("<=1.0.0", ">=1.0.0", true),
        ("<1.0.0", ">=1.0.0", false),
        (">2", ">3", true),
        ("<2 >3", "*", false),
        (">=0.0.0", "1.0.0-rc.1", true),
        ("^1.0.0", "1.5.0-rc.1", false),
        // Comparator by comparator: <2.0.0-0 alone lets no pre-release of 1.5.0 pass.
        ("^1.5.0-a", "1.5.0-rc.1", false),
        ("<0.0.0", "<1", false),
    ] {
        let (a, b) = (Range::parse(a).unwrap(), Range::parse(b).unwrap());
        assert_eq!(a.intersects(&b), expected, "{a:?} {b:?}");
    }
    let long = Range::parse(&"1 ".repeat(100_000)).unwrap();
    assert!(long.intersects(&Range::parse("2").unwrap()), "not worth the time");
}

#[test]
fn engines_are_read_strictly() {
    assert!(Range::parse_strict(">= 0.10 || ^18.0.0").is_some());
    for text in ["node >= 8", "01.2.3", "1.2.3beta"] {
        assert_eq!(Range::parse_strict(text), None, "{text}");
        assert!(Range::parse(text).is_some(), "{text}");
    }
}

#[test]
fn only_a_bare_star_is_any_version_at_all() {
    for (text, star) in
        [("*", true), ("", true), (" * ", true), ("x", false), (">=0", false), ("* || 1", false)]
    {
        assert_eq!(Range::parse(text).unwrap().is_star(), star, "{text:?}");
    }
}

#[test]
fn exactly_one_version_as_npm_reads_it() {
    for text in ["1.2.3", "v1.2.3", " =1.2.3", "= v1.2.3", "01.2.3", "1.2.3+b.1"] {
        assert_eq!(loose_version(text), Some(Version::new(1, 2, 3)), "{text}");
    }
    assert_eq!(loose_version("1.2.3beta"), Some(v("1.2.3-beta")));
    for text in ["1.2", "^1.2.3", "latest", "1.2.3.4", "", "1.2.x"] {
        assert_eq!(loose_version(text), None, "{text}");
    }
}

#[test]
fn ten_thousand_parts_are_no_trouble() {
    let text = (0..10_000).map(|i| format!("^{i}.{i}.1")).collect::<Vec<_>>().join(" || ");
    // What this thread computes, however long it was kept from it.
    let used = || rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime).tv_sec;
    let before = used();
    let range = Range::parse(&text).unwrap();
    let versions: Vec<_> = (0..100).map(|i| Version::new(i * 100, i * 100, 2)).collect();
    assert_eq!(range.max_satisfying(versions.iter()), Some(99));
    assert!(!range.satisfies(&v("10000.0.0")));
    assert!(used() - before < 5, "{} seconds", used() - before);
}

proptest::proptest! {
    #[test]
    fn never_panics(text in "[ -~\u{a0}é]{0,40}", ops in "[0-9x*.<>=~^|+ v-]{0,40}") {
        for text in [text, ops] {
            if let Some(range) = Range::parse(&text) {
                range.satisfies(&Version::new(1, 2, 3));
            }
            loose_version(&text);
        }
    }

    /// The short way to a range leads to the same one.
    #[test]
    fn plain_ranges_are_read_alike(text in "[~^]{0,2}[0-9]{0,3}(\\.[0-9]{0,2}){0,4}") {
        if let Some(range) = Range::plain(&text) {
            proptest::prop_assert_eq!(Some(range), Range::parse(&text));
        }
    }
}
