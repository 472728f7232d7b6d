//! What becomes of every kind of archive that `support/hostile` makes: by the built binary, which meets it as a file
//! (`mirror add`) and from a registry (`install`), and by npm. (By the reader alone: `mirror/src/archive/corpus.rs`.)

#![allow(clippy::disallowed_methods)] // tests may write files

mod support;

use mirror::archive::{Entry, Expect, Limits, Sink, read};
use mirror::name::RelPath;
use std::fs;
use std::io::{self, BufRead};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use support::archive::TextArchive;
use support::case::{Case, Verdict};
use support::hostile;
use support::hostile::outcomes::{Files, REFUSED, installed, shown};

/// What the reader makes of an archive.
#[derive(Default)]
struct Collect(Files);

impl Sink for Collect {
    fn directory(&mut self, _: &RelPath) -> io::Result<()> {
        Ok(())
    }
    fn file(&mut self, entry: Entry, content: &mut dyn BufRead) -> io::Result<()> {
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes)?;
        self.0.insert(entry.path.to_string(), (entry.executable, bytes));
        Ok(())
    }
}

fn list(bytes: &[u8]) -> Files {
    let mut sink = Collect::default();
    read(&mut &bytes[..], &Expect::default(), &Limits::default(), &mut sink).expect("a legal archive");
    sink.0
}

fn made(kind: &str) -> Vec<u8> {
    hostile::archive(kind).unwrap_or_else(|| panic!("no kind is called {kind}"))
}

/// The same bytes as a file and from a registry: refused with status 3, the entry and the rule named, under limits of
/// memory and time, nothing written, nothing left. (What holds for every script test is looked at too.)
#[test]
fn the_binary_refuses_them_and_leaves_nothing() {
    let steps = |(kind, rule, entry): &(&str, &str, &str)| {
        let (limits, file) = ("within 60 memory 512", file(kind));
        let named = if entry.is_empty() { String::new() } else { format!(" '{entry}'") };
        let mut steps = String::new();
        // Without an index there is no name to compare with; and a manifest is then its importer's to judge.
        if !matches!(*rule, "name-mismatch" | "version-mismatch") {
            let said = match *rule {
                "no-manifest" | "bad-manifest" => "'package.json'".to_owned(),
                _ => format!("'({rule})'{named}"),
            };
            steps += &format!(
                "hostile {kind} in/{file}\n! {limits} pantry mirror add --mirror mirror in/{file}\nstatus 3\n\
                 stderr '{file}' {said}\nunchanged before\n"
            );
        }
        // Two hundred thousand directories or files are made and removed again: too much for here.
        if *rule != "too-many-entries" {
            steps += &format!(
                "registry hostile:{kind}\n! {limits} pantry install\nstatus 3\nstderr 'evil' '({rule})'{named}\n\
                 ! exists node_modules\n! exists pantry.lock\n{NOTHING_LEFT}\nstdout-is nothing\n"
            );
        }
        steps
    };
    // A mirror for several of them: it stays as it is.
    run(REFUSED.chunks(12).map(|kinds| {
        let steps: String = kinds.iter().map(steps).collect();
        let script =
            format!("# refused\npantry mirror init mirror\nremember before mirror\n{steps}{MANIFEST}");
        (kinds[0].0, script)
    }));
}

/// Neither an entry of the store, nor a temporary, nor an archive.
const NOTHING_LEFT: &str =
    "exec find $PANTRY_HOME/store $PANTRY_HOME/mirror/TMP $PANTRY_HOME/mirror/PAK -mindepth 1 -not -name tmp";

const MANIFEST: &str = "-- package.json --\n{\"dependencies\": {\"evil\": \"1.0.0\"}}\n";

/// From a mirror and from a registry the same tree.
#[test]
fn the_binary_installs_every_legal_oddity() {
    let script = |kind: &str| {
        let file = file(kind);
        format!(
            "# {kind}\nhostile {kind} in/{file}\npantry mirror init mirror\npantry mirror add --mirror mirror in/{file}\n\
             pantry install --offline --mirror mirror\nexists node_modules/evil/package.json\n\
             registry hostile:{kind}\nmkdir other\ncp package.json other/package.json\ncd other\n\
             env PANTRY_HOME=$WORK/other/home\npantry install\nsame-tree node_modules/evil ../node_modules/evil\n\
             {MANIFEST}"
        )
    };
    run(installed().map(|(kind, _)| (kind, script(kind))));
}

fn file(kind: &str) -> &'static str {
    match kind.split('-').next() {
        Some("zip") => "evil-1.0.0.zip",
        Some("xz") => "evil-1.0.0.tar.xz",
        _ => "evil-1.0.0.tgz",
    }
}

fn run(cases: impl Iterator<Item = (&'static str, String)>) {
    let base = tempfile::tempdir().expect("a directory");
    let mut failures = Vec::new();
    for (kind, script) in cases {
        let archive = TextArchive::parse(Path::new(file!()), &script);
        match Case::run(archive, kind, base.path()) {
            Verdict::Passed => {}
            Verdict::Failed(report) => failures.push(report),
            Verdict::Skipped(reason) | Verdict::KnownBug(reason) => {
                support::say(&format!("NOT SHOWN: archive {kind}: {reason}"));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// npm, given the same bytes, makes the same files (executable or not, whatever else the mode says).
#[test]
fn npm_makes_the_same_of_every_legal_oddity() {
    if std::env::var_os("PANTRY_TEST_FULL").is_none() {
        support::say("NOT SHOWN: what npm makes of the legal oddities (make test-full)");
        return;
    }
    if Command::new("npm").arg("--version").output().is_err() {
        support::say("SKIPPED: what npm makes of the legal oddities: no npm here");
        return;
    }
    let base = tempfile::tempdir().expect("a directory");
    for (kind, _) in installed().filter(|(kind, _)| kind.starts_with("ok-")) {
        let (project, bytes) = (base.path().join(kind), made(kind));
        fs::create_dir(&project).expect("a directory");
        fs::write(project.join("x.tgz"), &bytes).expect("a file");
        fs::write(project.join("package.json"), "{}").expect("a file");
        let done = Command::new("npm")
            .args([
                "install",
                "--offline",
                "--no-audit",
                "--no-fund",
                "--ignore-scripts",
                "./x.tgz",
                "--cache",
            ])
            .arg(project.join("cache"))
            .current_dir(&project)
            .output()
            .expect("npm");
        assert!(done.status.success(), "{kind}: {}", String::from_utf8_lossy(&done.stderr));
        let mut theirs = Files::new();
        files(&project.join("node_modules/evil"), "", &mut theirs);
        assert_eq!(shown(&list(&bytes)), shown(&theirs), "{kind}");
    }
}

fn files(dir: &Path, below: &str, found: &mut Files) {
    for entry in fs::read_dir(dir).expect("a directory").flatten() {
        let path = format!("{below}{}", entry.file_name().to_string_lossy());
        let meta = entry.metadata().expect("it is there");
        if meta.is_dir() {
            files(&entry.path(), &format!("{path}/"), found);
        } else {
            let executable = meta.permissions().mode() & 0o111 != 0;
            found.insert(path, (executable, fs::read(entry.path()).expect("a file")));
        }
    }
}
