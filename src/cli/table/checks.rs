//! The rules that every row keeps.

use super::{FAMILIES, GLOBAL, root_path, roots};
use crate::cli::command::{Command, Kind, PassOn};
use crate::cli::invocation::Program;
use std::collections::HashMap;

/// Every row with its canonical path.
fn every_row() -> Vec<(String, &'static Command)> {
    fn walk(path: String, row: &'static Command, out: &mut Vec<(String, &'static Command)>) {
        out.push((path.clone(), row));
        for member in row.members {
            walk(format!("{path} {}", member.name), member, out);
        }
    }
    let mut rows = Vec::new();
    for row in roots(Program::Pantry) {
        walk(root_path(Program::Pantry, row), row, &mut rows);
    }
    rows
}

#[test]
fn every_row_says_what_it_is() {
    for (path, row) in every_row() {
        assert!(!row.summary.get().is_empty() && !row.summary.get().ends_with('.'), "{path}: summary");
        assert!(row.summary.get().chars().count() <= 80, "{path}: summary is too long");
        assert!(row.examples.get().next().is_some(), "{path}: no example");
        for (line, what) in row.examples.get() {
            assert!(line.starts_with(&*path) || path == "mzp" || row.is_family(), "{path}: example `{line}`");
            assert!(!what.is_empty() && !what.ends_with('.'), "{path}: example `{line}`");
        }
        for flag in row.own_flags() {
            assert!(!flag.help.get().is_empty() && !flag.help.get().ends_with('.'), "{path} --{}", flag.long);
        }
        if row.is_family() {
            assert!(row.arguments.is_empty() && row.flags.is_empty(), "{path}: a family with arguments");
        }
    }
}

#[test]
fn every_example_parses() {
    for (path, row) in every_row() {
        for (line, _) in row.examples.get() {
            // Shell syntax around the command is the shell's business.
            let line = line.split(" > ").next().unwrap();
            let words = line.split(' ').map(|word| word.trim_matches('\'').into()).collect();
            let parsed = crate::cli::parse(Program::Pantry, words).unwrap_or_else(|e| panic!("{line}: {e}"));
            assert!(parsed.path == path || row.is_family(), "{line} is {}", parsed.path);
        }
    }
}

#[test]
fn options_do_not_clash() {
    for (path, row) in every_row() {
        let mut longs = HashMap::new();
        let mut shorts = HashMap::new();
        for flag in row.all_flags() {
            assert!(longs.insert(flag.long, ()).is_none(), "{path}: --{} twice", flag.long);
            if let Some(short) = flag.short {
                assert!(shorts.insert(short, ()).is_none(), "{path}: -{short} twice");
            }
            for other in flag.conflicts {
                assert_ne!(*other, flag.long, "{path}: --{other} conflicts with itself");
            }
            assert!(
                flag.long.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'),
                "{path}: --{}",
                flag.long
            );
        }
    }
}

/// So that an option may stand before its command: whether it takes a value
/// must be known before the command is.
#[test]
fn a_long_option_takes_a_value_everywhere_or_nowhere() {
    let mut seen: HashMap<&str, (bool, String)> = HashMap::new();
    for (path, row) in every_row() {
        for flag in row.all_flags() {
            let (with_value, other) =
                seen.entry(flag.long).or_insert_with(|| (flag.value.is_some(), path.clone()));
            assert_eq!(*with_value, flag.value.is_some(), "--{} differs in {path} and {other}", flag.long);
        }
    }
    assert!(seen.len() > GLOBAL.len());
}

#[test]
fn names_are_unique_and_arguments_in_order() {
    fn check(rows: &mut dyn Iterator<Item = &'static Command>) {
        let mut names = HashMap::new();
        for row in rows {
            for name in [row.name].iter().chain(row.aliases) {
                assert!(names.insert(*name, ()).is_none(), "{name} twice");
            }
            let mut optional_seen = false;
            for (index, argument) in row.arguments.iter().enumerate() {
                assert!(!(optional_seen && argument.required), "{}: required after optional", row.name);
                assert!(!argument.many || index + 1 == row.arguments.len(), "{}: many, not last", row.name);
                assert!(!(argument.many && row.pass_on != PassOn::No), "{}: many and passed on", row.name);
                optional_seen |= !argument.required;
            }
            check(&mut row.members.iter());
        }
    }
    check(&mut roots(Program::Pantry));
    check(&mut roots(Program::Mzp));
    assert!(FAMILIES.iter().all(|family| !family.rows.is_empty()));
}

/// DESIGN section 5, word for word: nothing may fall out of the table.
#[test]
fn every_command_of_the_design_is_here() {
    let wanted = "install i add remove rm uninstall update up list ls tree why outdated dedupe prune audit \
        search info init run scripts test build dev px ci import link unlink trust untrust clean sync \
        generate-key sign verify env env:list env:remove env:clean env:inspect shell:integrate \
        shell:activate shell:lookup allow deny exec doctor start stop restart status enable disable logs \
        services cache:stats cache:clear cache:dump whoami publish unpublish deprecate help version man complete";
    for word in wanted.split_whitespace() {
        assert!(super::root(Program::Pantry, word).is_some(), "{word}");
    }
    let families = [
        (
            "mirror",
            "init status add remove pull sync verify repair gc diff want export import key serve list",
        ),
        ("keyring", "list add remove"),
        ("registry", "list add remove enable disable default test login logout serve"),
        ("dist-tag", "list add remove"),
        (
            "mzp",
            "init create install add remove update search info list tree why outdated build run test clean \
             publish vendor doctor",
        ),
    ];
    for (family, words) in families {
        for word in words.split_whitespace() {
            assert!(super::find(&format!("{family} {word}")).is_some(), "{family} {word}");
        }
    }
    for word in families[4].1.split_whitespace() {
        assert!(super::root(Program::Mzp, word).is_some(), "mzp {word}");
    }
}

#[test]
fn choices_are_words() {
    for (path, row) in every_row() {
        for flag in row.all_flags() {
            if let Some((name, kind)) = flag.value {
                assert!(name.bytes().all(|b| b.is_ascii_uppercase()), "{path} --{}: {name}", flag.long);
                if let Kind::Choice(words) | Kind::Choices(words) = kind {
                    assert!(words.len() > 1, "{path} --{}: one choice is none", flag.long);
                }
            }
        }
    }
}

/// So that a shell can complete a value from the option's name alone.
#[test]
fn the_words_of_an_option_are_the_same_everywhere() {
    let mut seen: HashMap<&str, (&[&str], String)> = HashMap::new();
    for (path, row) in every_row() {
        for flag in row.all_flags() {
            if let Some((_, kind)) = flag.value {
                let (words, other) = seen.entry(flag.long).or_insert((kind.words(), path.clone()));
                assert_eq!(*words, kind.words(), "--{} differs in {path} and {other}", flag.long);
            }
        }
    }
}
