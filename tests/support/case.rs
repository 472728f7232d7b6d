//! One script test: its directory, its environment, its steps, and what holds for every case whatever it says.
//!
//! ```text
//! CASE/work      the working directory, with the archive's files          $WORK
//! CASE/home      HOME                                                     $HOME
//! CASE/pantry    PANTRY_HOME                                              $PANTRY_HOME
//! CASE/tmp       TMPDIR: must be empty at the end                         $TMPDIR
//! CASE/media     where mirrors and mounted disks go                       $MEDIA
//! CASE/bin       `pantry` and `mzp`, first on PATH
//! ```
//! Always checked: no crash, no status outside 0–4, no raw control byte in the output, nothing left in TMPDIR, nothing
//! created in CASE beside these, no child left running.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::archive::TextArchive;
use super::package::{self, Package};
use super::process::{self, Output, Running};
use super::registry::Registry;
use super::script::{self, Step};
use super::{steps_check, steps_files, steps_run, steps_world};

pub enum Stop {
    Fail(String),
    /// This machine cannot show it; the reason is printed with the results.
    Skip(String),
}

impl From<String> for Stop {
    fn from(message: String) -> Self {
        Self::Fail(message)
    }
}

impl From<&str> for Stop {
    fn from(message: &str) -> Self {
        Self::Fail(message.into())
    }
}

impl From<std::io::Error> for Stop {
    fn from(error: std::io::Error) -> Self {
        Self::Fail(error.to_string())
    }
}

pub type Outcome = Result<(), Stop>;

pub enum Verdict {
    Passed,
    Skipped(String),
    /// Fails as `known-bug REASON` says that it will.
    KnownBug(String),
    Failed(String),
}

pub struct Case {
    pub archive: TextArchive,
    pub root: PathBuf,
    pub cwd: PathBuf,
    pub env: BTreeMap<String, String>,
    pub packages: Vec<Package>,
    pub last: Output,
    pub stdin: Vec<u8>,
    pub background: Vec<(Step, Running)>,
    pub registry: Option<Registry>,
    pub remembered: BTreeMap<String, String>,
    pub mounts: Vec<PathBuf>,
    pub read_only: Vec<PathBuf>,
    /// Set by `allow escapes` and `allow leftovers`.
    pub allowed: Vec<String>,
    pub traces: u32,
    /// Set by `known-bug`: the case must fail until the bug is mended, and then lose that line.
    pub known_bug: Option<String>,
}

/// How long any one command may take, in a debug build on a busy machine.
pub const LIMIT: Duration = Duration::from_secs(300);

impl Case {
    /// Runs the case below `base` and removes what it made, unless it failed and `PANTRY_TEST_KEEP` is set.
    pub fn run(archive: TextArchive, name: &str, base: &Path) -> Verdict {
        let root = base.join(name.replace(['/', ' '], "-"));
        let verdict = match Self::prepare(archive, &root) {
            Ok(mut case) => case.play(name),
            Err(Stop::Fail(message)) => Verdict::Failed(format!("{name}: cannot be set up: {message}\n")),
            Err(Stop::Skip(reason)) => Verdict::Skipped(reason),
        };
        let keep = matches!(verdict, Verdict::Failed(_)) && std::env::var_os("PANTRY_TEST_KEEP").is_some();
        if !keep {
            let _ = fs::remove_dir_all(&root);
        }
        verdict
    }

    fn prepare(archive: TextArchive, root: &Path) -> Result<Self, Stop> {
        let _ = fs::remove_dir_all(root);
        for dir in ["work", "home", "pantry", "tmp", "media", "bin"] {
            fs::create_dir_all(root.join(dir))?;
        }
        // Canonical, or placeholders would miss what a program prints on systems where /tmp is a link.
        let root = root.canonicalize()?;
        for name in ["pantry", "mzp"] {
            symlink(process::pantry(), root.join("bin").join(name))?;
        }
        let path = std::env::var("PATH").unwrap_or_else(|_| "/usr/bin:/bin".into());
        let dir = |name: &str| root.join(name).to_string_lossy().into_owned();
        let mut env = BTreeMap::from([
            ("PATH".to_owned(), format!("{}:{path}", dir("bin"))),
            ("HOME".into(), dir("home")),
            ("PANTRY_HOME".into(), dir("pantry")),
            ("TMPDIR".into(), dir("tmp")),
            ("WORK".into(), dir("work")),
            ("MEDIA".into(), dir("media")),
            ("CASE".into(), root.to_string_lossy().into_owned()),
            // The repository: for the fixtures that are part of it.
            ("HOUSE".into(), env!("CARGO_MANIFEST_DIR").into()),
            ("LANG".into(), "C.UTF-8".into()),
            // What this machine's npm is told is not for the tests.
            ("npm_config_globalconfig".into(), dir("home/npmrc-of-no-machine")),
            // Nothing listens here: a case that wants a registry says so.
            ("npm_config_registry".into(), "http://127.0.0.1:9".into()),
        ]);
        // `make test-mz`: what the stand-in for the MinZ compiler hands over to.
        env.extend(std::env::var("MINZ_REAL").ok().map(|mz| ("MINZ_REAL".into(), mz)));
        let packages = package::described(&archive.files)?;
        for (name, content) in &archive.files {
            if name == "CATALOGUE" || name.starts_with("packages/") {
                continue;
            }
            let to = root.join("work").join(name);
            fs::create_dir_all(to.parent().unwrap_or(&root))?;
            if content.starts_with("#!") {
                let text = root.join("of-the-harness-program");
                fs::write(&text, content)?;
                steps_files::install(&text, &to)?;
            } else {
                fs::write(&to, content)?;
            }
        }
        Ok(Self {
            cwd: root.join("work"),
            archive,
            root,
            env,
            packages,
            last: Output::default(),
            stdin: Vec::new(),
            background: Vec::new(),
            registry: None,
            remembered: BTreeMap::new(),
            mounts: Vec::new(),
            read_only: Vec::new(),
            allowed: Vec::new(),
            traces: 0,
            known_bug: None,
        })
    }

    fn play(&mut self, name: &str) -> Verdict {
        let steps = match script::parse(&self.archive.script) {
            Ok(steps) => steps,
            Err(message) => return Verdict::Failed(format!("{name}: {message}\n")),
        };
        let mut verdict = Verdict::Passed;
        let mut asserted = false;
        for step in &steps {
            match self.step(step) {
                Ok(()) => asserted = true,
                Err(Stop::Skip(reason)) => {
                    verdict = Verdict::Skipped(reason);
                    break;
                }
                Err(Stop::Fail(message)) => {
                    verdict = Verdict::Failed(self.report(name, step.line, &step.text, &message));
                    break;
                }
            }
        }
        let end = self.finish();
        let verdict = match (&verdict, end) {
            (Verdict::Passed, Err(message)) => {
                Verdict::Failed(self.report(name, steps.len(), "at the end", &message))
            }
            (Verdict::Passed, Ok(())) if !asserted => Verdict::Failed(format!("{name}: an empty script\n")),
            _ => verdict,
        };
        match (verdict, &self.known_bug) {
            (Verdict::Failed(_), Some(bug)) => Verdict::KnownBug(bug.clone()),
            (Verdict::Passed, Some(_)) => Verdict::Failed(format!(
                "{name}: passes: the bug is mended, take its `known-bug` line away\n"
            )),
            (verdict, _) => verdict,
        }
    }

    fn step(&mut self, step: &Step) -> Outcome {
        let lookup = |name: &str| self.env.get(name).cloned();
        let words = step.words.iter().map(|w| w.expand(&lookup)).collect::<Result<Vec<_>, _>>()?;
        if steps_check::step(self, step, &words)?
            || steps_files::step(self, step, &words)?
            || steps_world::step(self, step, &words)?
            || steps_run::step(self, step, &words)?
        {
            return Ok(());
        }
        Err(format!("no step is called `{}`", words[0]).into())
    }

    /// A path of the script: relative to the working directory.
    pub fn path(&self, word: &str) -> PathBuf {
        self.cwd.join(word)
    }

    /// Paths, addresses, times and dates as placeholders, so that streams can be compared exactly.
    pub fn normalise(&self, text: &str) -> String {
        let mut text = text.to_owned();
        if let Some(registry) = &self.registry {
            text = text.replace(&registry.url(), "[REGISTRY]").replace(&registry.other_url(), "[OTHER]");
        }
        if let Some(secure) = self.env.get("SECURE") {
            text = text.replace(secure.as_str(), "[SECURE]");
        }
        for (name, placeholder) in [
            ("work", "[WORK]"),
            ("home", "[HOME]"),
            ("pantry", "[PANTRY]"),
            ("tmp", "[TMP]"),
            ("media", "[MEDIA]"),
            ("", "[CASE]"),
        ] {
            let dir = self.root.join(name);
            text = text.replace(dir.to_string_lossy().trim_end_matches('/'), placeholder);
        }
        text = text.replace(env!("CARGO_MANIFEST_DIR"), "[HOUSE]");
        // The temporary folder's file system decides.
        for way in ["hard link", "reflink", "copy"] {
            text = text.replace(&format!(", by {way})"), ", by [WAY])");
        }
        steps_check::placeholders(&text)
    }

    fn finish(&mut self) -> Result<(), String> {
        let mut problem = Ok(());
        for (step, running) in self.background.drain(..) {
            running.kill();
            let _ = running.wait();
            problem = Err(format!("`{}` was never waited for", step.text));
        }
        steps_world::unmount(self);
        let allowed = |what: &str| self.allowed.iter().any(|a| a == what);
        let names = |dir: &Path| -> Vec<String> {
            let entries = fs::read_dir(dir).into_iter().flatten().flatten();
            entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect()
        };
        if problem.is_ok() && !allowed("leftovers") {
            let left = names(&self.root.join("tmp"));
            if !left.is_empty() {
                problem = Err(format!("left behind in TMPDIR: {}", left.join(", ")));
            }
        }
        let known = ["work", "home", "pantry", "tmp", "media", "bin"];
        let strays: Vec<_> = names(&self.root)
            .into_iter()
            .filter(|n| !known.contains(&n.as_str()) && !n.starts_with("of-the-harness"))
            .collect();
        if !strays.is_empty() {
            problem = Err(format!("written outside of project and PANTRY_HOME: {}", strays.join(", ")));
        }
        problem
    }

    fn report(&self, name: &str, line: usize, text: &str, message: &str) -> String {
        let stream = |bytes: &[u8]| {
            let text = self.normalise(&String::from_utf8_lossy(bytes));
            let mut shown: String = text.lines().map(|l| format!("    {}\n", visible(l))).collect();
            if shown.len() > 6000 {
                let cut = (0..=6000).rev().find(|at| shown.is_char_boundary(*at)).unwrap_or(0);
                shown.truncate(cut);
                shown.push_str("…\n");
            }
            shown
        };
        let about = self.archive.script.lines().next().unwrap_or_default();
        format!(
            "{name}: {}:{line}\n  {about}\n  > {text}\n  {}\n  status of the last command: {}\n  stdout:\n{}  stderr:\n{}",
            self.archive.path.display(),
            message.trim_end().replace('\n', "\n  "),
            self.last.status,
            stream(&self.last.stdout),
            stream(&self.last.stderr),
        )
    }
}

/// Control characters as escapes, the rest as it is.
fn visible(line: &str) -> String {
    line.chars()
        .map(|c| if c.is_control() { c.escape_default().to_string() } else { c.to_string() })
        .collect()
}
