//! Versions, ranges, and what a manifest writes for a dependency.

use super::line;
use mirror::name::PackageName;
use mirror::version::Version;
use mzp::requirement::Requirement;
use pantry::dependency::{self, Dialect, Reference, Setting, Source, SourceResolution, Value};
use pantry::resolve::range::{Range, loose_version};
use pantry::resolve::spec::{Spec, Wanted};
use std::cmp::Ordering;

/// Lines are versions.
pub fn version(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut versions = Vec::new();
    for line in text.split('\n').take(8) {
        match Version::parse(line) {
            Ok(v) => {
                assert_eq!(v.to_string(), line);
                let theirs = semver::Version::parse(line).expect("semver.org's grammar");
                assert_eq!((v.major, v.minor, v.patch), (theirs.major, theirs.minor, theirs.patch));
                assert_eq!((&*v.pre, &*v.build), (theirs.pre.as_str(), theirs.build.as_str()));
                assert_eq!(Version::parse_loose(&format!(" ={line} ")).expect("loosely too"), v);
                assert_eq!(loose_version(line).expect("npm's way too").cmp_precedence(&v), Ordering::Equal);
                versions.push((v, theirs));
            }
            Err(e) => {
                super::says(&e);
                // What we refuse of semver's own is too long, too large, or not.
                let large = |v: semver::Version| v.major.max(v.minor).max(v.patch) >= 1 << 53;
                assert!(line.len() > 256 || semver::Version::parse(line).map_or(true, large), "{line:?}");
            }
        }
        if let Ok(v) = Version::parse_loose(line) {
            assert_eq!(Version::parse(&v.to_string()).expect("what is printed can be read"), v);
        }
    }
    for (a, x) in &versions {
        for (b, y) in &versions {
            assert_eq!(a.cmp_precedence(b), x.cmp_precedence(y), "{a} {b}");
            assert_eq!(a.cmp(b), b.cmp(a).reverse());
            assert_eq!(a == b, a.cmp(b) == Ordering::Equal);
            for (c, _) in &versions {
                assert!(!(a <= b && b <= c) || a <= c, "{a} {b} {c}");
            }
        }
    }
}

/// The first line is a version, the others are ranges.
pub fn range(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (first, rest) = line(text);
    let version = Version::parse(first).unwrap_or(Version::new(1, 2, 3));
    let mut ranges = Vec::new();
    for text in rest.split('\n').take(6) {
        let read = Range::parse(text);
        let holds = read.as_ref().map(|r| r.satisfies(&version));
        if let Some(range) = &read {
            assert_eq!(range.max_satisfying([&version].into_iter()).is_some(), range.satisfies(&version));
            ranges.push((text, range.clone()));
        }
        // Not the same range: `1.2.*2` is `1.2.x` loosely and `1.2.2` strictly, in npm too.
        assert!(read.is_some() || Range::parse_strict(text).is_none(), "{text:?}");
        match Spec::parse(text) {
            Spec { package: None, wanted: Wanted::Range(range) } => {
                assert_eq!(Some(&range), Range::parse(text.trim()).as_ref());
            }
            Spec { package: None, wanted: Wanted::Version(v, range) } => {
                assert!(range.satisfies(&v) && holds.is_some(), "{text:?}");
                assert_eq!(loose_version(text), Some(v));
            }
            _ => {}
        }
        match Requirement::parse(text) {
            Ok(requirement) => {
                let again =
                    Requirement::parse(&requirement.to_string()).expect("what is printed can be read");
                assert_eq!(again.to_string(), requirement.to_string());
                assert_eq!(again.matches(&version), requirement.matches(&version));
            }
            Err(e) => super::says(&e),
        }
    }
    // A range of exactly that version.
    let text = version.to_string();
    assert!(Range::parse(&text).is_some_and(|r| r.satisfies(&version)), "{text}");
    assert!(Requirement::parse(&format!("={text}")).is_ok_and(|r| r.matches(&version)), "{text}");
    let release = Version::new(version.major, version.minor, version.patch);
    for (a, x) in &ranges {
        for (b, y) in &ranges {
            // Either side of `||` is enough, both of a blank are needed; `*` swallows what pre-releases others would let in.
            let either = Range::parse(&format!("{a} || {b}")).or_else(|| {
                assert!(a.len() + b.len() > 1 << 19, "{a:?} {b:?}");
                None
            });
            if let Some(either) = either {
                assert_eq!(
                    either.satisfies(&release),
                    x.satisfies(&release) || y.satisfies(&release),
                    "{a:?} {b:?}"
                );
                assert!(
                    !either.satisfies(&version) || x.satisfies(&version) || y.satisfies(&version),
                    "{a:?} {b:?}"
                );
            }
        }
    }
}

/// The first line is the name, the second the value; more lines are `key=value` of an object.
pub fn dependency(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (name, rest) = line(text);
    let (value, options) = line(rest);
    let options: Vec<(String, Setting)> = options
        .split('\n')
        .filter_map(|l| l.split_once('='))
        .map(|(k, v)| {
            let setting = match v {
                "true" | "false" => Setting::Flag(v == "true"),
                _ => Setting::Text(v.into()),
            };
            (k.to_string(), setting)
        })
        .collect();
    let resolution = SourceResolution::default();
    let values = [Value::Text(value.into()), Value::Options(options)];
    for (dialect, value) in
        [(Dialect::Npm, &values[0]), (Dialect::Pantry, &values[0]), (Dialect::Pantry, &values[1])]
    {
        let found = match dependency::parse(name, value, dialect, &resolution) {
            Ok(found) => found,
            Err(problem) => {
                super::says(&problem);
                continue;
            }
        };
        // The alias becomes a folder's name.
        assert_eq!(PackageName::parse(found.alias.as_str()).as_ref(), Ok(&found.alias));
        if let Err(e) = found.npm() {
            super::says(&e);
        }
        match &found.source {
            Source::Github { owner, repo, reference, .. } => {
                for part in [owner, repo] {
                    assert!(
                        !part.is_empty() && !part.contains('/') && part != ".." && part != ".",
                        "{found:?}"
                    );
                }
                assert_ne!(*reference, Reference::Committish(String::new()));
            }
            Source::Git { url, .. } | Source::Http { url, .. } => {
                let shown = dependency::redact(url);
                assert_eq!(dependency::redact(&shown), shown);
            }
            Source::Npm { registry: None, .. } | Source::Auto { .. } => {
                // As the lockfile keeps it, it is read as the same again.
                let Some(words) = found.npm_words() else { continue };
                let value = Value::Text(words.clone());
                let Ok(again) = dependency::parse(found.alias.as_str(), &value, Dialect::Npm, &resolution)
                else {
                    // Words that npm drops out of a range, and that in front are the beginning of an address.
                    assert!(words.contains(char::is_whitespace) || words.contains('|'), "{words:?}");
                    continue;
                };
                let (had, has) =
                    (found.npm().expect("npm"), again.npm().unwrap_or_else(|e| panic!("{words:?}: {e}")));
                assert_eq!((had.name, had.range), (has.name, has.range), "{words:?}");
            }
            _ => {}
        }
    }
    _ = dependency::redact(value);
}
