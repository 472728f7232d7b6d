use super::*;
use std::collections::HashMap;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A compiler that does one thing, as a shell script.
fn script(body: &str) -> (TempDir, OsString) {
    let dir = tempfile::tempdir().unwrap();
    let (text, path) = (dir.path().join("text"), dir.path().join("mz"));
    mirror::file::write_scratch(&text, format!("#!/bin/sh\n{body}\n").as_bytes()).unwrap();
    // By another process: what a child of another test has open for writing, be it for a moment, cannot be executed.
    let made = std::process::Command::new("install").arg("-m755").args([&text, &path]).status();
    assert!(made.unwrap().success());
    (dir, path.into_os_string())
}

fn compile_with(body: &str, time: Duration) -> Result<Assembly> {
    let (dir, program) = script(body);
    let names = HashMap::from([("zxCoreReset".to_string(), "zx_core.reset".to_string())]);
    let place = |line: u32, column: u32| {
        Some(crate::place::Place::at(Path::new("a.minz"), "x\ny\nz", (2 * line + column) as usize - 3))
    };
    let job = Job {
        program: &program,
        directory: dir.path(),
        platform: Platform::usual(),
        packages: None,
        limits: Limits { time, ..Limits::default() },
    };
    compile(&job, &Map { place: &place, word: &|_| None, names: &names })
}
fn outcome(body: &str) -> std::result::Result<String, String> {
    let result = compile_with(body, Duration::from_secs(120));
    result.map(|a| format!("{} {}", a.duplicates, a.text)).map_err(|e| {
        let text = e.to_string();
        let at = text.find("/mz ").or(text.find("/mz`")).map_or(0, |i| i + 1);
        text[at..].to_string()
    })
}

#[test]
fn arguments_and_a_plain_success() {
    let got = outcome(
        "echo '; x' > main.a80; echo \"; Generated: now\" >> main.a80; echo main: >> main.a80; echo \"$@\" >> main.a80",
    );
    assert_eq!(got.unwrap(), "0 ; x\nmain:\nmain.minz -o main.a80 -b z80 -t zxspectrum\n");
}

#[test]
fn its_ways_of_failing() {
    for (body, expected) in [
        (
            "echo 'Error: semantic error: found 2 errors:' >&2; echo '  1. error in function main: line 2, col 1: undefined function: zxCoreReset' >&2; echo '  2. bad' >&2; exit 1",
            "mz failed with status 1\n  a.minz:2:1: in function main: undefined function: zx_core.reset\n  bad",
        ),
        (
            "echo 'Error: unknown flag: --packages' >&2; echo 'Usage:' >&2; echo '  mz' >&2; exit 1",
            "mz failed with status 1\n  unknown flag: --packages",
        ),
        (
            "echo main: > main.a80; echo 'Warning: failed to analyze function zxCoreReset: x'",
            "mz left something out of its output (it only warned)\n  failed to analyze function zx_core.reset: x",
        ),
        (
            "printf '; Function: zxCoreReset$u8\\nzxCoreReset_u8:\\n    ; TODO: PRINT_STRING_DIRECT\\n    ; TODO: see there\\nmain:\\n' > main.a80",
            "mz left something out of its output (it only warned)\n  in function zx_core.reset: PRINT_STRING_DIRECT is a comment in what it wrote, and no code",
        ),
        (
            "echo nothing > main.a80",
            "mz wrote a program without `main`: it dropped a part that it could not read, without a word",
        ),
        ("kill -9 $$", "mz was ended by a signal"),
        (
            "echo 'tree-sitter is not installed or configured properly' >&2; exit 1",
            "mz cannot use its parser",
        ),
    ] {
        assert_eq!(outcome(body).unwrap_err(), expected);
    }
    assert!(outcome("exit 0").unwrap_err().starts_with("mz reported success and did not write "));
    let (dir, _) = script("");
    let missing = probe(OsStr::new("/nonexistent/mz"), dir.path(), Limits::default()).unwrap_err();
    assert_eq!(missing.to_string(), "the MinZ compiler `/nonexistent/mz` is not here");
}

#[test]
fn a_hang_ends_with_all_its_children() {
    let start = Instant::now();
    let e = compile_with("sleep 600 & sleep 600", Duration::from_millis(200)).unwrap_err();
    assert!(e.to_string().ends_with("did not finish within 0.2 seconds and was stopped"), "{e}");
    assert!(compile_with("sleep 600 & echo main: > main.a80", Duration::from_secs(300)).is_ok());
    // A child left behind holds the streams: that it is over shows that it is gone.
    assert!(start.elapsed() < Duration::from_secs(600));
}

#[test]
fn abilities_come_from_its_help() {
    let ask = |body: &str| {
        let (dir, program) = script(body);
        probe(&program, dir.path(), Limits::default()).unwrap().packages
    };
    assert!(ask("echo '      --packages string   folder of packages'"));
    assert!(!ask("echo '  -o, --output string'"));
    assert!(!ask("echo 'Error: unknown flag: --help' >&2; exit 1"));
}

#[test]
fn functions_written_twice_are_left_once() {
    let text = "; h\n; Generated: 12:00\n; Function: a\na:\n RET\n\n; Function: a\na:\n RET\n\n; Function: main\nmain:\n CALL a\n RET\n\n; data\nx: DB 1\n END main\n";
    let (tidied, duplicates) = assembly::tidy(text);
    assert_eq!(
        tidied,
        "; h\n; Function: a\na:\n RET\n\n; Function: main\nmain:\n CALL a\n RET\n\n; data\nx: DB 1\n END main\n"
    );
    assert_eq!(duplicates, 1);
    // The last block twice: what follows it stays.
    let text = "; Function: main\nmain:\n RET\n; Function: a\na:\n RET\n; Function: a\na:\n RET\n END main\n";
    assert_eq!(
        assembly::tidy(text),
        ("; Function: main\nmain:\n RET\n; Function: a\na:\n RET\n END main\n".to_string(), 1)
    );
    // Nothing twice: nothing changes.
    assert_eq!(assembly::tidy(&tidied), (tidied.clone(), 0));
}

#[test]
fn a_comment_that_quotes_line_feeds_stays_a_comment() {
    let text = "main:\n    ; Direct print \"a\n\n\"b\"\" (7 chars)\n LD A, 97\n ; Inlined: Print \"x\ny\" (3 chars via loop)\n";
    assert_eq!(
        assembly::tidy(text).0,
        "main:\n    ; Direct print \"a\\n\\n\"b\"\" (7 chars)\n LD A, 97\n ; Inlined: Print \"x\\ny\" (3 chars via loop)\n"
    );
    // Whole already, or never ended: as it was.
    for text in [
        "; Direct print \"a (2 chars)\" (11 chars)\n RET\n; Direct print \"b\" (1 chars)\n",
        "; Direct print \"a\n RET\n END main\n",
        " DB \"print \"\n; \" (1 chars)\n",
    ] {
        assert_eq!(assembly::tidy(text).0, text);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn memory_is_bounded() {
    // The limit comes when it runs already.
    let (dir, program) = script("until [ \"$(ulimit -v)\" = 524288 ]; do sleep 0.01; done; ulimit -v");
    let limits = Limits { memory: 512 << 20, ..Limits::default() };
    let outcome = process::run(&program, &[], dir.path(), limits).unwrap();
    assert_eq!(outcome.stdout, "524288\n");
}
