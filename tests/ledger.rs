//! The ledger `tests/spec.tsv` kept honest: a row for everything the specification names, and an answer in each.
//!
//! ```text
//! id <TAB> document <TAB> what <TAB> answer
//! answer:  test:WHERE[; WHERE…]    WHERE is scripts/…txt, FILE::function, `make TARGET` or a file
//!          open: SUBJECT           the step that will build it
//!          not built: REASON
//! ```
//! The specification's documents are not part of the repository. Where they lie beside it (`../shared/spec`, or
//! `PANTRY_SPEC_DIR`), every command, flag, variable and endpoint that they write in code must stand in some row.

#![allow(clippy::disallowed_methods)] // a test reads files and says what it left out

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Past the capturing of test output: what was not checked must be seen.
fn say(message: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "{message}");
}

struct Row {
    id: String,
    document: String,
    what: String,
    answer: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn ledger() -> Vec<Row> {
    let text = fs::read_to_string(root().join("tests/spec.tsv")).expect("tests/spec.tsv");
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("id\tdocument\twhat\tanswer"));
    let row = |(n, line): (usize, &str)| {
        let cells: Vec<_> = line.split('\t').map(str::to_owned).collect();
        let [id, document, what, answer] =
            cells.try_into().unwrap_or_else(|_| panic!("line {}: {line}", n + 2));
        Row { id, document, what, answer }
    };
    lines.enumerate().map(row).collect()
}

#[test]
fn ids_are_unique_and_every_row_is_whole() {
    let rows = ledger();
    assert!(rows.len() >= 500, "only {} rows", rows.len());
    let mut ids = BTreeSet::new();
    for row in &rows {
        assert!(ids.insert(&row.id), "{} twice", row.id);
        assert!(!row.what.trim().is_empty() && row.document.ends_with(".md"), "{}", row.id);
    }
}

#[test]
fn every_row_has_an_answer_and_every_named_test_exists() {
    let mut wrong = Vec::new();
    let (mut shown, mut open, mut not_built) = (0, 0, 0);
    let makefile = fs::read_to_string(root().join("Makefile")).unwrap_or_default();
    for row in ledger() {
        let problem = if let Some(tests) = row.answer.strip_prefix("test:") {
            shown += 1;
            tests.split("; ").find_map(|t| missing(t.trim(), &makefile))
        } else if let Some(subject) = row.answer.strip_prefix("open: ") {
            open += 1;
            subject.trim().is_empty().then(|| "open, but for whom?".to_owned())
        } else if let Some(reason) = row.answer.strip_prefix("not built: ") {
            not_built += 1;
            (reason.len() < 20).then(|| "not built, and no reason to speak of".to_owned())
        } else {
            Some(format!("no answer: `{}`", row.answer))
        };
        wrong.extend(problem.map(|p| format!("{} ({}): {p}", row.id, row.what)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    say(&format!("ledger: {shown} shown by tests, {open} open, {not_built} not built"));
}

fn missing(test: &str, makefile: &str) -> Option<String> {
    if let Some(target) = test.strip_prefix("make ") {
        let there = makefile.lines().any(|l| l.starts_with(&format!("{target}:")));
        return (!there).then(|| format!("no target `{target}` in the Makefile"));
    }
    let (file, function) = test.split_once("::").map_or((test, None), |(f, t)| (f, Some(t)));
    let path = if file.starts_with("scripts/") { root().join("tests").join(file) } else { root().join(file) };
    let Ok(text) = fs::read_to_string(&path) else { return Some(format!("no file `{}`", path.display())) };
    if text.lines().any(|line| line.starts_with("known-bug ")) {
        return Some(format!("`{file}` shows a bug, not the thing"));
    }
    let function = function?;
    (!text.contains(&format!("fn {function}("))).then(|| format!("no test `{function}` in `{file}`"))
}

/// `catalogue.tsv`: hostile input by the numbers of its catalogue (M manifests, L lockfiles, R mirrors, H answers to the
/// client, S requests to the server, C arguments and environment), each with the test that shows it or why there is none.
#[test]
fn every_case_of_the_catalogue_has_an_answer() {
    let text = fs::read_to_string(root().join("tests/catalogue.tsv")).expect("tests/catalogue.tsv");
    let makefile = fs::read_to_string(root().join("Makefile")).unwrap_or_default();
    let (mut wrong, mut ids, mut shown, mut open) = (Vec::new(), BTreeSet::new(), 0, 0);
    for line in text.lines().skip(1) {
        let &[id, what, answer] = line.split('\t').collect::<Vec<_>>().as_slice() else { panic!("{line}") };
        assert!(ids.insert(id) && !what.is_empty(), "{line}");
        let problem = match (answer.strip_prefix("test:"), answer.strip_prefix("open: ")) {
            (Some(tests), _) => {
                shown += 1;
                tests.split("; ").find_map(|t| missing(t.trim(), &makefile))
            }
            (_, Some(subject)) => {
                open += 1;
                subject.trim().is_empty().then(|| "open, but for whom?".to_owned())
            }
            _ => Some(format!("no answer: `{answer}`")),
        };
        wrong.extend(problem.map(|p| format!("{id} ({what}): {p}")));
    }
    for (group, count) in [("M", 21), ("L", 13), ("R", 24), ("H", 22), ("C", 16)] {
        let absent: Vec<_> =
            (1..=count).map(|n| format!("{group}{n}")).filter(|id| !ids.contains(id.as_str())).collect();
        assert!(absent.is_empty(), "no row: {absent:?}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    say(&format!("catalogue: {shown} shown by tests, {open} open"));
}

/// `traps.tsv`: what the MinZ compiler was seen to trip over, each with the test that shows what mzp makes of it. None is open.
#[test]
fn every_trap_of_the_compiler_has_a_test() {
    let text = fs::read_to_string(root().join("tests/traps.tsv")).expect("tests/traps.tsv");
    let makefile = fs::read_to_string(root().join("Makefile")).unwrap_or_default();
    let (mut wrong, mut count) = (Vec::new(), 0);
    for line in text.lines().skip(1) {
        let &[id, what, answer] = line.split('\t').collect::<Vec<_>>().as_slice() else { panic!("{line}") };
        count += 1;
        assert_eq!(id, format!("T{count}"), "{what}");
        let tests = answer.strip_prefix("test:").unwrap_or_else(|| panic!("{id}: no test: `{answer}`"));
        let problem = tests.split("; ").find_map(|t| missing(t.trim(), &makefile));
        wrong.extend(problem.map(|p| format!("{id} ({what}): {p}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count >= 55, "a row is missing: {count}");
}

#[test]
fn everything_the_specification_writes_in_code_stands_in_a_row() {
    let dir =
        std::env::var_os("PANTRY_SPEC_DIR").map_or_else(|| root().join("../shared/spec"), PathBuf::from);
    if !dir.is_dir() {
        say("NOT SHOWN: the specification is not beside the repository; only the ledger's form was checked");
        return;
    }
    let rows = ledger();
    let mut absent = BTreeSet::new();
    for entry in fs::read_dir(dir).expect("the specification").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.ends_with(".md") || name == "README.md" {
            continue;
        }
        let text = fs::read_to_string(entry.path()).expect("a document");
        let whats: Vec<&str> = rows.iter().filter(|r| r.document == name).map(|r| r.what.as_str()).collect();
        assert!(!whats.is_empty(), "no rows for {name}");
        for word in named(&text) {
            if !whats.iter().any(|what| what.contains(&word)) {
                absent.insert(format!("{name}: {word}"));
            }
        }
    }
    assert!(absent.is_empty(), "in no row:\n{}", absent.into_iter().collect::<Vec<_>>().join("\n"));
}

/// Inline code, and from code blocks: `pantry …`, `mzp …`, flags and variables.
fn named(text: &str) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    let mut language = None;
    for line in text.lines() {
        if let Some(fence) = line.trim_start().strip_prefix("```") {
            language = if language.is_some() { None } else { Some(fence.to_owned()) };
            continue;
        }
        match language.as_deref() {
            None => words.extend(line.split('`').skip(1).step_by(2).map(str::to_owned)),
            // Listings of the earlier implementations are not the specification.
            Some("zig" | "go" | "javascript" | "typescript") => {}
            Some(_) => {
                let code = line.split("  #").next().unwrap_or_default().trim();
                for program in ["pantry ", "mzp "] {
                    let command = code.strip_prefix(program).unwrap_or_default();
                    let word = command
                        .split_whitespace()
                        .next()
                        .filter(|w| w.chars().all(|c| c.is_ascii_lowercase()));
                    words.extend(word.map(str::to_owned));
                }
                let parts = code.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_'));
                words.extend(
                    parts
                        .filter(|p| is_variable(p) || (code.starts_with("pantry") && is_flag(p)))
                        .map(str::to_owned),
                );
            }
        }
    }
    words.retain(|w| !w.trim().is_empty());
    words
}

fn is_flag(word: &str) -> bool {
    word.strip_prefix("--").is_some_and(|rest| rest.len() > 1)
}

fn is_variable(word: &str) -> bool {
    word.contains('_')
        && word.starts_with(|c: char| c.is_ascii_uppercase())
        && word.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
        && !word.starts_with("TARGET_")
        && !word.starts_with("DEBUG_")
}
