//! Runs the script tests of `tests/scripts` against the built binary: every `.txt` file is one test, named after its path.
//! `tests/README.md` is the manual. Speaks enough of libtest's command line for `cargo test --test scripts FILTER`.

#![allow(clippy::disallowed_methods, clippy::print_stdout, clippy::print_stderr, clippy::exit)] // a test runner

mod support;

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Instant;

use support::archive::TextArchive;
use support::case::{Case, Verdict};

#[derive(Default)]
struct Options {
    filters: Vec<String>,
    skip: Vec<String>,
    exact: bool,
    list: bool,
    threads: Option<usize>,
}

fn main() -> ExitCode {
    let options = options();
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let mut cases = Vec::new();
    find(&dir, &mut cases);
    cases.sort();
    let named = |path: &PathBuf| {
        let below = path.strip_prefix(&dir).unwrap_or(path).with_extension("");
        (below.to_string_lossy().into_owned(), path.clone())
    };
    let all: Vec<(String, PathBuf)> = cases.iter().map(named).collect();
    let hit =
        |name: &str, word: &String| if options.exact { name == word } else { name.contains(word.as_str()) };
    let wanted: VecDeque<_> = all
        .iter()
        .filter(|(name, _)| options.filters.is_empty() || options.filters.iter().any(|f| hit(name, f)))
        .filter(|(name, _)| !options.skip.iter().any(|f| hit(name, f)))
        .cloned()
        .collect();
    if options.list {
        wanted.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    let left_out = all.len() - wanted.len();
    println!("\nrunning {} script tests", wanted.len());
    let began = Instant::now();
    let base = std::env::temp_dir().join(format!("pantry-scripts-{}", std::process::id()));
    // Of a killed run with the same number, as containers have them.
    let _ = fs::remove_dir_all(&base);
    let threads =
        options.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(2, Into::into));
    let (queue, results) = (Mutex::new(wanted), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                while let Some((name, path)) = queue.lock().ok().and_then(|mut q| q.pop_front()) {
                    let began = Instant::now();
                    let verdict = match TextArchive::read(&path) {
                        Ok(archive) => Case::run(archive, &name, &base),
                        Err(error) => Verdict::Failed(format!("{name}: {error}\n")),
                    };
                    let word = match &verdict {
                        Verdict::Passed => "ok".to_owned(),
                        Verdict::Skipped(reason) => format!("SKIPPED: {reason}"),
                        Verdict::KnownBug(bug) => format!("KNOWN BUG: {bug}"),
                        Verdict::Failed(_) => "FAILED".to_owned(),
                    };
                    let took = began.elapsed().as_secs_f64();
                    let slow = if took > 3.0 { format!(" ({took:.1} s)") } else { String::new() };
                    println!("test {name} ... {word}{slow}");
                    if let Ok(mut results) = results.lock() {
                        results.push((name, verdict));
                    }
                }
            });
        }
    });
    let results = results.into_inner().unwrap_or_default();
    let strays: Vec<_> = fs::read_dir(&base).into_iter().flatten().flatten().collect();
    let keeping = std::env::var_os("PANTRY_TEST_KEEP").is_some();
    let mut failures: Vec<&String> =
        results.iter().filter_map(|(_, v)| if let Verdict::Failed(r) = v { Some(r) } else { None }).collect();
    let stray_report = format!("written beside the cases' directories: {strays:?}\n");
    if !keeping && !strays.is_empty() {
        failures.push(&stray_report);
    }
    if !keeping {
        let _ = fs::remove_dir_all(&base);
    }
    if !failures.is_empty() {
        println!("\nfailures:\n");
        failures.iter().for_each(|report| println!("{report}"));
    }
    let skipped: Vec<_> =
        results.iter().filter(|(_, v)| matches!(v, Verdict::Skipped(_) | Verdict::KnownBug(_))).collect();
    if !skipped.is_empty() {
        println!("\nNOT SHOWN:");
        for (name, verdict) in &skipped {
            match verdict {
                Verdict::Skipped(reason) => println!("    {name}: {reason}"),
                Verdict::KnownBug(bug) => println!("    {name}: KNOWN BUG: {bug}"),
                _ => {}
            }
        }
    }
    let passed = results.iter().filter(|(_, v)| matches!(v, Verdict::Passed)).count();
    println!(
        "\ntest result: {}. {passed} passed; {} failed; {} ignored; 0 measured; {left_out} filtered out; finished in {:.2}s\n",
        if failures.is_empty() { "ok" } else { "FAILED" },
        failures.len(),
        skipped.len(),
        began.elapsed().as_secs_f64(),
    );
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn options() -> Options {
    let mut options = Options::default();
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--exact" => options.exact = true,
            "--list" => options.list = true,
            "--skip" => options.skip.extend(args.next()),
            "--test-threads" => options.threads = args.next().and_then(|n| n.parse().ok()),
            "--format" | "--color" => drop(args.next()),
            flag if flag.starts_with("--test-threads=") => {
                options.threads = flag.rsplit('=').next().and_then(|n| n.parse().ok());
            }
            flag if flag.starts_with('-') => {}
            filter => options.filters.push(filter.into()),
        }
    }
    options
}

fn find(dir: &Path, cases: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            find(&path, cases);
        } else if path.extension().is_some_and(|e| e == "txt") {
            cases.push(path);
        }
    }
}
