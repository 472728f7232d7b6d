//! The reader alone, and the corpus of hostile and odd archives with which the built binary is tested, too.

use super::tests::Collect;
use super::*;

#[path = "../../../tests/support/hostile/mod.rs"]
#[allow(dead_code)] // some of it only others need
mod hostile;

use hostile::outcomes::{REFUSED, installed, shown};

/// A hundred megabytes and more each: only the built binary meets them. The same rules on a small scale: `ceilings`.
const LARGE: &[&str] = &["bomb", "xz-bomb", "zip-bomb", "many-entries", "many-directories", "many-names"];

fn list(kind: &str) -> Result<Collect, ArchiveError> {
    let bytes = hostile::archive(kind).unwrap_or_else(|| panic!("no kind is called {kind}"));
    let expect = Expect { name: Some("evil"), version: Some("1.0.0"), ..Expect::default() };
    let mut sink = Collect::default();
    read(&mut &bytes[..], &expect, &Limits::default(), &mut sink)?;
    Ok(sink)
}

#[test]
fn refused_by_the_right_rule_and_the_entry_named() {
    for (kind, rule, entry) in REFUSED.iter().filter(|(kind, ..)| !LARGE.contains(kind)) {
        match list(kind) {
            Err(ArchiveError::Refused { rule: found, entry: named, .. }) => {
                assert_eq!(found.name(), *rule, "{kind}");
                assert!(
                    named.starts_with(entry) && named.is_empty() == entry.is_empty(),
                    "{kind}: `{named}`"
                );
            }
            Err(e) => panic!("{kind}: {e}"),
            Ok(got) => panic!("{kind} was taken: {}", shown(&got.files)),
        }
    }
}

#[test]
fn every_legal_oddity_is_taken() {
    for (kind, files) in installed() {
        let got = list(kind).unwrap_or_else(|e| panic!("{kind}: {e}")).files;
        assert!(got.contains_key("package.json"), "{kind}");
        if files == "…" {
            assert_eq!(got.len(), 2, "{kind}");
        } else {
            assert_eq!(shown(&got), files, "{kind}");
        }
    }
}

#[test]
fn files_are_called_by_what_they_begin_with() {
    let called = ["ok-plain", "xz-ok-plain", "zip-ok-top-folder", "ok-not-compressed"]
        .map(|kind| file_extension(&hostile::archive(kind).unwrap()));
    assert_eq!(called, ["tgz", "tar.xz", "zip", "tar"]);
}

#[test]
fn ceilings_of_a_zip_archive() {
    // One file of a thousand bytes, most of them blanks.
    let bytes = hostile::archive("zip-ok-manifest-alone").unwrap();
    let rule = |limits: Limits| {
        read(&mut &bytes[..], &Expect::default(), &limits, &mut ())
            .map(|s| s.unpacked)
            .map_err(|e| e.rule().unwrap())
    };
    let base = Limits::default;
    assert_eq!(rule(Limits { bytes: 1000, entries: 1, ..base() }), Ok(1000));
    assert_eq!(rule(Limits { bytes: 999, ..base() }), Err(Rule::TooLarge));
    assert_eq!(rule(Limits { entries: 0, ..base() }), Err(Rule::TooManyEntries));
}
