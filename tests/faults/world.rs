//! What a command touches, all below one directory, with a copy of how it was before; and what is looked at afterwards.
//!
//! ```text
//! BASE/live    work (the project), game (a MinZ project), home, pantry, tmp, tgz, mirror, out
//! BASE/seed    the same before the command
//! BASE/trace   what strace wrote
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mirror::Mirror;
use mirror::digest::Hash;
use mirror::mirror::Prefix;
use mirror::record::{Location, Record, VersionRecord};

use crate::scenes::{Scene, Step};
use crate::support::package::{Package, described};
use crate::support::process::{self, Output, Run, Running};
use crate::support::registry::Registry;
use crate::support::{diff, listing};

const CATALOGUE: &str = "left@1.0.0 right@^1 bin:left=cli.js\nleft@1.1.0 right@^1\nleft@2.0.0 right@^2\nright@1.0.0\n\
right@2.0.0\nother@1.0.0\nlate@1.0.0\n@scope/tool@1.0.0 left@1\nbig@1.0.0 bin:big=bin/big.js\n";

pub struct World {
    base: tempfile::TempDir,
    env: Vec<(String, String)>,
    scene: Scene,
    registry: Option<Registry>,
}

/// What a look at the live copy finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// Project, MinZ project and exported files, with their contents.
    pub project: String,
    /// Store, homes and temporary directories: paths.
    pub rest: String,
    /// What the mirrors say that they hold.
    pub mirrors: BTreeSet<String>,
}

impl World {
    pub fn new(scene: Scene) -> Self {
        pin();
        Self::crowded(scene)
    }

    /// With as many workers as the commands like.
    pub fn crowded(scene: Scene) -> Self {
        let base = tempfile::tempdir().expect("a directory");
        let live = base.path().join("live");
        for dir in ["work", "game", "home", "pantry", "tmp", "tgz"] {
            fs::create_dir_all(live.join(dir)).expect("makes directories");
        }
        for package in packages() {
            let name =
                format!("{}-{}.tgz", package.name.trim_start_matches('@').replace('/', "-"), package.version);
            fs::write(live.join("tgz").join(name), package.tarball()).expect("writes a tarball");
        }
        let registry = scene.online.then(|| Registry::start(packages()).expect("a loopback port"));
        let at = |name: &str| live.join(name).to_string_lossy().into_owned();
        let house = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut env = vec![
            ("PATH".to_owned(), std::env::var("PATH").unwrap_or_default()),
            ("HOME".into(), at("home")),
            ("PANTRY_HOME".into(), at("pantry")),
            ("TMPDIR".into(), at("tmp")),
            // Half a profile would spoil `make coverage`.
            ("LLVM_PROFILE_FILE".into(), "/dev/null".into()),
            ("LANG".into(), "C.UTF-8".into()),
            ("MZ".into(), house.join("tests/support/fake-mz").to_string_lossy().into_owned()),
            (
                "npm_config_registry".into(),
                registry.as_ref().map_or_else(|| "http://127.0.0.1:9".into(), Registry::url),
            ),
        ];
        if scene.online {
            env.push(("PANTRY_CONCURRENCY".into(), "1".into()));
        }
        let world = Self { base, env, scene, registry };
        for step in &world.scene.before {
            match step {
                Step::Run(command) => world.must(command),
                Step::Write(path, text) => {
                    let path = world.live().join(path);
                    fs::create_dir_all(path.parent().expect("below")).expect("makes directories");
                    fs::write(path, text).expect("writes");
                }
                Step::Rot(folder) => rot(&world.live().join(folder)),
            }
        }
        if world.scene.online && world.scene.command.starts_with("mzp ") {
            world.serve();
        }
        copy(&world.live(), &world.seed());
        world
    }

    /// What was published to `out` is the registry.
    fn serve(&self) {
        let served = self.base.path().join("served");
        copy(&self.live().join("out"), &served);
        let registry = self.registry.as_ref().expect("an online scene");
        registry.serve_folder(served, false);
        let home = self.live().join("home/.mzp");
        fs::create_dir_all(&home).expect("makes directories");
        let text = format!("registry = \"{}\"\n", registry.url());
        fs::write(home.join("config.toml"), text).expect("writes");
    }

    pub fn name(&self) -> &'static str {
        self.scene.name
    }
    pub fn command(&self) -> &'static str {
        self.scene.command
    }
    /// A command that brings back what was there before, where there is one.
    pub fn back(&self) -> Option<&'static str> {
        self.scene.back
    }
    /// The command is a program of somebody else's for a part of the time.
    pub fn runs_another(&self) -> bool {
        self.command() == "mzp build"
    }
    /// It keeps what it has fetched, in one commit or several, whatever comes of the rest.
    pub fn writes_through(&self) -> bool {
        self.scene.online
    }
    /// All of the project changes in one step.
    pub fn changes_as_a_whole(&self) -> bool {
        let word = self.command().split(' ').next();
        word.is_some_and(|word| ["install", "add", "remove", "update"].contains(&word))
    }
    pub fn base(&self) -> &Path {
        self.base.path()
    }
    pub fn live(&self) -> PathBuf {
        self.base.path().join("live")
    }
    pub fn seed(&self) -> PathBuf {
        self.base.path().join("seed")
    }

    pub fn restore(&self) {
        fs::remove_dir_all(self.live()).expect("removes the live copy");
        copy(&self.seed(), &self.live());
    }

    fn run_of(&self, command: &str, prefix: &[String]) -> Run {
        let mut argv: Vec<OsString> = prefix.iter().map(OsString::from).collect();
        argv.push(process::pantry().into());
        argv.extend(command.split(' ').map(OsString::from));
        let cwd = self.live().join(if command.starts_with("mzp") { "game" } else { "work" });
        Run { argv, env: self.env.clone(), cwd, stdin: Vec::new(), limit: Duration::from_secs(300) }
    }

    pub fn start(&self, dir: &str, command: &str) -> Running {
        Run { cwd: self.live().join(dir), ..self.run_of(command, &[]) }.spawn().expect("starts")
    }

    pub fn pantry(&self, command: &str, prefix: &[String]) -> Output {
        self.run_of(command, prefix).run().expect("starts")
    }

    pub fn must(&self, command: &str) {
        let out = self.pantry(command, &[]);
        assert_eq!(out.status, 0, "{command:?}: {}", String::from_utf8_lossy(&out.stderr));
    }

    /// The mirrors there are, as a word of a command.
    pub fn mirrors(&self) -> Vec<&'static str> {
        let there = |m: &&str| self.live().join("work").join(m).join("ROOT.A").exists();
        let all = ["../mirror", "../stick", "../parts/01", "../parts/02", "../parts/03", "../pantry/mirror"];
        all.into_iter().filter(there).collect()
    }

    pub fn look(&self) -> Look {
        let (live, mut project) = (self.live(), String::new());
        for dir in ["work", "two", "game", "out"] {
            // The state holds points in time.
            // What the compiler works in holds its own.
            let skip = ["node_modules/.pantry/state", "build/spectrum/unit/*"].map(String::from);
            if live.join(dir).exists() {
                let tree = listing::list(&live.join(dir), &skip, true).expect("lists");
                tree.lines().for_each(|l| project.push_str(&format!("{dir}: {l}\n")));
            }
        }
        // The mirror's own files are named by hashes over a date.
        let skip = ["work", "two", "game", "out", "tgz", "mirror", "stick", "parts", "pantry/mirror"]
            .map(String::from);
        let rest = listing::list(&live, &skip, false).expect("lists");
        // What is remembered of a mirror is called by its id, which `mirror init` draws.
        let known = |line: &str| {
            let folder = ["pantry/trust/mirrors/", "pantry/held/"].into_iter().find(|f| line.contains(f));
            match folder.and_then(|f| line.split_once(f).map(|(before, _)| (before, f))) {
                Some((before, folder)) => format!("{before}{folder}ID\n"),
                None => format!("{line}\n"),
            }
        };
        let rest: String = rest.lines().map(known).collect();
        let mut mirrors = BTreeSet::new();
        for mirror in self.mirrors() {
            let held = held(&live.join("work").join(mirror), !self.writes_through());
            mirrors.extend(
                held.unwrap_or_else(|e| panic!("{mirror}: {e}")).iter().map(|l| format!("{mirror}: {l}")),
            );
        }
        Look { project, rest, mirrors }
    }

    /// The mirror is damaged, and the command mends it.
    pub fn is_rotten(&self) -> bool {
        self.scene.before.iter().any(|step| matches!(step, Step::Rot(_)))
    }

    /// Every mirror's bytes are what they should be.
    pub fn verify(&self, place: &str) {
        for mirror in self.mirrors() {
            let out = self.pantry(&format!("mirror verify {mirror}"), &[]);
            let said = String::from_utf8_lossy(&out.stderr);
            assert_eq!(out.status, 0, "{place}: {mirror} is damaged: {said}");
        }
    }

    /// How many files of each kind the mirrors have once what nothing refers to is gone, and what is left in TMP.
    pub fn counted(&self, place: &str) -> Vec<String> {
        let mut counts = Vec::new();
        for mirror in self.mirrors() {
            let out = self.pantry(&format!("mirror gc {mirror}"), &[]);
            assert_eq!(out.status, 0, "{place}: gc: {}", String::from_utf8_lossy(&out.stderr));
            let list = listing::list(&self.live().join("work").join(mirror), &[], false).expect("lists");
            let mut kinds = BTreeMap::<&str, usize>::new();
            // Word of other mirrors is left by each run anew.
            let files = list.lines().filter_map(|l| l.strip_prefix("f  ")).filter(|p| !p.starts_with("SEE/"));
            for path in files {
                *kinds.entry(path.split('/').next().unwrap_or_default()).or_default() += 1;
            }
            counts.push(format!("{mirror} {kinds:?}"));
        }
        counts
    }

    /// What lies in folders for what is being made.
    pub fn temporaries(&self) -> Vec<String> {
        let list = listing::list(&self.live(), &["node_modules".into()], false).expect("lists");
        let below = |path: &&str| path.split('/').rev().skip(1).any(|part| part == "tmp" || part == "TMP");
        // Where a link leads is not where it stands.
        let paths = list.lines().filter_map(|l| l.get(3..)?.split(" -> ").next());
        let paths = paths.map(|p| p.trim_end_matches('/'));
        paths.filter(below).map(str::to_owned).collect()
    }

    /// Files of the user's that a command may replace, each the old or the new, never between.
    pub fn owned(&self) -> Vec<(&'static str, Option<Vec<u8>>)> {
        let files = [
            "work/package.json",
            "work/pantry.lock",
            "pantry/global/package.json",
            "pantry/global/pantry.lock",
            "game/mzp.toml",
            "game/mzp.lock",
            "game/src/main.minz",
            "out/packages/zx-graphics",
        ];
        files.iter().map(|f| (*f, fs::read(self.live().join(f)).ok())).collect()
    }

    /// What stands in `node_modules` and in the MinZ project's `packages`, by package: a reader that comes while the
    /// command is dead may find a package old, new or not there, but never a part of one.
    pub fn units(&self) -> BTreeMap<String, String> {
        let mut units = self.units_in("work/node_modules");
        units.extend(
            self.units_in("two/node_modules").into_iter().map(|(unit, text)| (format!("two {unit}"), text)),
        );
        units.extend(
            self.units_in("game/packages").into_iter().map(|(unit, text)| (format!("MinZ {unit}"), text)),
        );
        units
    }

    /// Trees beside `node_modules` that say they are finished: the next run may put one in its place.
    pub fn asides(&self) -> Vec<BTreeMap<String, String>> {
        let finished = |dir: &&str| self.live().join(dir).join(".pantry/state").exists();
        let dirs = ["work/.node_modules-new", "work/.node_modules-old"];
        dirs.into_iter().filter(finished).map(|dir| self.units_in(dir)).collect()
    }

    fn units_in(&self, dir: &str) -> BTreeMap<String, String> {
        let mut units = BTreeMap::<String, String>::new();
        let at = self.live().join(dir);
        let skip = [".staging", ".pantry/s*", ".pantry/trash", ".pantry/journal"].map(String::from);
        if at.is_dir() {
            for line in listing::list(&at, &skip, true).expect("lists").lines() {
                let (kind, path) = line.split_at(3);
                let name = path.split([' ', '\n']).next().unwrap_or_default();
                if let Some(unit) = unit_of(name) {
                    units.entry(unit).or_default().push_str(&format!("{kind}{path}\n"));
                }
            }
        }
        units
    }
}

/// The package that a path below `node_modules` belongs to: what ends with the last name after a `node_modules`.
fn unit_of(path: &str) -> Option<String> {
    let nested = path.rfind("node_modules/").map_or(0, |at| at + "node_modules/".len());
    let mut parts = path[nested..].split('/').filter(|p| !p.is_empty());
    let first = parts.next()?;
    // Ours, and caches of other tools.
    if first.starts_with('.') && first != ".bin" {
        return None;
    }
    let second = if first.starts_with('@') || first == ".bin" { Some(parts.next()?) } else { None };
    Some(format!("{}{first}/{}", &path[..nested], second.unwrap_or_default()))
}

pub fn packages() -> Vec<Package> {
    let mut all = described(&[("CATALOGUE".into(), CATALOGUE.into())]).expect("a catalogue");
    let big = all.iter_mut().find(|p| p.name == "big").expect("described");
    // Noise, so that the archive is a blob of its own.
    let mut seed = 1_u32;
    let noise = std::iter::repeat_with(|| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 24) as u8
    });
    big.files.push(("noise".into(), noise.take(300_000).collect(), false));
    for n in 0..4 {
        big.files.push((format!("lib/{n}/index.js"), format!("module.exports = {n}\n").into_bytes(), false));
    }
    all
}

fn rot(folder: &Path) {
    for entry in fs::read_dir(folder).expect("lists").flatten().map(|entry| entry.path()) {
        if entry.is_dir() {
            rot(&entry);
            continue;
        }
        let mut bytes = fs::read(&entry).expect("reads");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 16;
        fs::write(&entry, bytes).expect("writes");
    }
}

/// All that a mirror says, record by record, and the archives that are there, byte for byte; but for where they lie
/// and when upstream was asked. `whole`: also of a package as a whole, which a pull in several commits says bit by bit.
fn held(dir: &Path, whole: bool) -> mirror::error::Result<Vec<String>> {
    let mirror = Mirror::open(dir)?;
    let mut lines: Vec<String> =
        mirror.snapshot().exclusions.iter().map(|e| format!("without {:?} {:?}", e.key, e.version)).collect();
    mirror.for_each(Prefix::All, &mut |view| {
        let record = Record { checked: 0, ..view.to_record()? };
        let name = &record.key.name;
        for version in &record.versions {
            let facts = VersionRecord { location: Location::Absent, as_of: None, ..version.clone() };
            let mut bytes = Vec::new();
            // What cannot be read is not there.
            if version.location.is_present()
                && mirror.read_archive(name, version).map(|mut a| a.read_to_end(&mut bytes)).is_err()
            {
                continue;
            }
            lines.push(format!(
                "{name}@{} {} {}",
                version.version,
                brief(&bytes),
                brief(format!("{facts:?}").as_bytes())
            ));
        }
        let facts = Record { versions: Vec::new(), ..record.clone() };
        lines.extend(whole.then(|| format!("{name} {}", brief(format!("{facts:?}").as_bytes()))));
        Ok(())
    })?;
    Ok(lines)
}

fn brief(bytes: &[u8]) -> String {
    if bytes.is_empty() { "absent".into() } else { Hash::of(bytes).to_string()[..12].to_owned() }
}

/// With hard links, modes and times: the store's files are links of the project's.
pub fn copy(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-a").arg(from).arg(to).status().expect("cp");
    assert!(done.success());
}

/// This thread and what it starts run on one processor: the command then has one worker, and its calls come in the
/// same order every time.
fn pin() {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
    static ALLOWED: OnceLock<Vec<usize>> = OnceLock::new();
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let allowed = ALLOWED.get_or_init(|| {
        let set = sched_getaffinity(None).expect("the allowed processors");
        (0..CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).collect()
    });
    let mut one = CpuSet::new();
    one.set(allowed[NEXT.fetch_add(1, Ordering::Relaxed) % allowed.len()]);
    sched_setaffinity(None, &one).expect("may choose among the allowed processors");
}

/// `a` and `b` side by side, for a message.
pub fn difference(a: &Look, b: &Look) -> String {
    let text = |l: &Look| format!("{}{}{:#?}", l.project, l.rest, l.mirrors);
    diff::lines(&text(a), &text(b))
}
