//! Hostile input in bulk: manifests, lockfiles and mirrors that are cut, bent, nested, or named after something else, each
//! given to the built binary. Whatever it is given, it ends in time, in 512 MB, with a status of 0 to 4, without a raw
//! control character, with nothing in TMPDIR and nothing new in the project unless it succeeded; a refusal names the file.
//! Cases that are one of a kind are script tests; `catalogue.tsv` lists both.

#![allow(clippy::disallowed_methods)] // a test changes files as it likes

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};
use support::process::{self, Output, Run};
use support::{listing, package, steps_run};

const MANIFEST: &str = r#"{"name": "app", "dependencies": {"left": "^1.0.0"}}"#;

/// A mirror with `left` and `right`, the lock of [`MANIFEST`] and the tree that it makes.
struct World {
    dir: tempfile::TempDir,
    lock: String,
    tree: String,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        for name in ["home", "pantry", "tmp", "tgz"] {
            fs::create_dir(dir.path().join(name)).expect("a directory");
        }
        let mut world = Self { dir, lock: String::new(), tree: String::new() };
        let catalogue = "left@1.0.0 right@^1 bin:left=cli.js\nright@1.1.0\n";
        let mirror = world.path("mirror");
        let mut add = vec!["mirror".into(), "add".into(), "--mirror".into(), mirror.clone()];
        for package in package::described(&[("CATALOGUE".into(), catalogue.into())]).expect("packages") {
            let file = world.dir.path().join(format!("tgz/{}.tgz", package.name));
            fs::write(&file, package.tarball()).expect("a tarball");
            add.push(file.to_string_lossy().into_owned());
        }
        let nowhere = world.dir.path();
        assert_eq!(world.run("pantry", &["mirror", "init", &mirror], nowhere).status, 0);
        assert_eq!(
            world.run("pantry", &add.iter().map(String::as_str).collect::<Vec<_>>(), nowhere).status,
            0
        );
        let project = world.project(&[("package.json", MANIFEST.as_bytes())]);
        let done = world.run("pantry", &["install", "--offline", "--mirror", &mirror], &project);
        assert_eq!(done.status, 0, "{}", said(&done));
        world.lock = fs::read_to_string(project.join("pantry.lock")).expect("a lock");
        world.tree = listing::list(
            &project.join("node_modules"),
            &[".pantry".into(), ".bin".into(), ".bin/*".into()],
            true,
        )
        .expect("a tree");
        world
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_string_lossy().into_owned()
    }

    fn project(&self, files: &[(&str, &[u8])]) -> PathBuf {
        let dir = self.dir.path().join("work");
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir(&dir).expect("the project");
        for (name, bytes) in files {
            let file = dir.join(name);
            fs::create_dir_all(file.parent().expect("below the project")).expect("a directory");
            fs::write(file, bytes).expect("a file");
        }
        dir
    }

    fn run(&self, program: &str, args: &[&str], cwd: &Path) -> Output {
        let mut argv: Vec<std::ffi::OsString> = Vec::new();
        if process::can("prlimit") == Some(true) {
            argv.extend(["prlimit".into(), format!("--as={}", 512 << 20).into()]);
        }
        argv.push(process::pantry().into());
        argv.extend((program == "mzp").then(|| "mzp".into()));
        argv.extend(args.iter().map(Into::into));
        let env = [
            ("PATH", std::env::var("PATH").unwrap_or_default()),
            ("HOME", self.path("home")),
            ("PANTRY_HOME", self.path("pantry")),
            ("TMPDIR", self.path("tmp")),
            // What is wrong with a mirror has to be found even where nobody asks who signed it.
            ("PANTRY_SIGNATURES", "off".into()),
            ("LANG", "C.UTF-8".into()),
            ("npm_config_registry", "http://127.0.0.1:9".into()),
        ];
        let env = env.map(|(k, v)| (k.to_string(), v)).to_vec();
        let limit = Duration::from_secs(300);
        Run { argv, env, cwd: cwd.into(), stdin: Vec::new(), limit }.run().expect("the binary")
    }

    /// Runs it in a project of these files, and what must hold whatever they are.
    #[track_caller]
    fn check(
        &self,
        what: &str,
        program: &str,
        args: &[&str],
        files: &[(&str, &[u8])],
        names: &[&str],
    ) -> Output {
        let project = self.project(files);
        let before = listing::list(&project, &[], true).expect("the project");
        let out = self.run(program, args, &project);
        let said = said(&out);
        assert!(!out.timed_out, "{what}: no end");
        assert!(
            (0..=4).contains(&out.status) && !said.contains("panicked"),
            "{what}: status {}\n{said}",
            out.status
        );
        let raw = said.chars().find(|c| steps_run::is_control(*c));
        assert!(raw.is_none(), "{what}: a raw {raw:?} in the output");
        assert!(said.len() < 40_000, "{what}: {} bytes of words", said.len());
        if out.status != 0 {
            assert!(names.iter().any(|n| said.contains(n)), "{what}: names none of {names:?}:\n{said}");
            let after = listing::list(&project, &[], true).expect("the project");
            assert_eq!(before, after, "{what}: failed and left something");
        }
        for dir in ["tmp", "home"] {
            let left = listing::list(&self.dir.path().join(dir), &[], false).expect("a directory");
            assert_eq!(left, "", "{what}: left in {dir}");
        }
        let strays: Vec<_> = fs::read_dir(self.dir.path())
            .expect("the world")
            .flatten()
            .map(|e| e.file_name().to_string_lossy().into_owned())
            .filter(|n| !["home", "pantry", "tmp", "tgz", "mirror", "damaged", "work"].contains(&n.as_str()))
            .collect();
        assert!(strays.is_empty(), "{what}: written outside: {strays:?}");
        out
    }

    /// A sync from that mirror into a new home mirror, which is whole afterwards, whatever there was to take.
    #[track_caller]
    fn takes_what_is_whole(&self, what: &str, from: &str) -> bool {
        let _ = fs::remove_dir_all(self.dir.path().join("pantry"));
        let out = self.check(what, "pantry", &["sync", from], &[], &["damaged", "mirror", "left", "right"]);
        let verify = self.run("pantry", &["mirror", "verify"], self.dir.path());
        assert_eq!(verify.status, 0, "{what}: {}\n{}", said(&out), said(&verify));
        let list = said(&self.run("pantry", &["mirror", "list"], self.dir.path()));
        assert!(out.status != 0 || list.contains("left") && list.contains("right"), "{what}: {list}");
        out.status == 0
    }

    /// What was installed is what the lock says, or nothing was.
    #[track_caller]
    fn whole_or_nothing(&self, what: &str, out: &Output) {
        if out.status == 0 {
            let tree = self.dir.path().join("work/node_modules");
            let tree = listing::list(&tree, &[".pantry".into(), ".bin".into(), ".bin/*".into()], true)
                .expect("a tree");
            assert_eq!(tree, self.tree, "{what}: installed something else");
        }
    }
}

fn said(out: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr))
}

/// Every beginning of a text, and the text with one bit of each byte turned over; one in `step` of them.
fn damaged(bytes: &[u8], step: usize) -> impl Iterator<Item = (String, Vec<u8>)> {
    let cut = (0..bytes.len()).step_by(step).map(|n| (format!("cut at {n}"), bytes[..n].to_vec()));
    let bent = (0..bytes.len()).skip(step / 2).step_by(step).map(|n| {
        let mut bent = bytes.to_vec();
        bent[n] ^= 1 << (n % 8);
        (format!("byte {n} bent"), bent)
    });
    cut.chain(bent)
}

fn step(quick: usize) -> usize {
    if std::env::var_os("PANTRY_TEST_FULL").is_some() { 1 } else { quick }
}

#[test]
fn locks_that_are_cut_or_bent() {
    let world = World::new();
    let mirror = world.path("mirror");
    let args = ["install", "--offline", "--frozen-lockfile", "--mirror", &mirror];
    for (how, bytes) in damaged(world.lock.as_bytes(), step(3)) {
        let what = format!("pantry.lock {how}");
        let files = [("package.json", MANIFEST.as_bytes()), ("pantry.lock", bytes.as_slice())];
        let out = world.check(&what, "pantry", &args, &files, &["pantry.lock", "left", "right"]);
        world.whole_or_nothing(&what, &out);
    }
    let lock = r#"{"lockfileVersion": 3, "packages": {"": {"dependencies": {"left": "1"}},
        "node_modules/left": {"version": "1.0.0", "resolved": "http://127.0.0.1:9/left/-/left-1.0.0.tgz", "peerDependenciesMeta": {"x": {"optional": true}}}}}"#;
    for (how, bytes) in damaged(lock.as_bytes(), step(5)) {
        let files = [("package-lock.json", bytes.as_slice())];
        let args = ["mirror", "pull", "--from", "package-lock.json", "--dry-run"];
        world.check(
            &format!("package-lock.json {how}"),
            "pantry",
            &args,
            &files,
            &["package-lock.json", "left"],
        );
    }
}

#[test]
fn manifests_that_are_cut_or_bent() {
    let world = World::new();
    let mirror = world.path("mirror");
    let pantry = "// a comment\n{\"dependencies\": {\"left\": {\"version\": \"^1\", \"source\": \"npm\"}}, /* b */ \"bin\": {\"x\": \"y.js\"},}\n";
    let toml = "[package]\nname = \"app\"\nversion = \"0.1.0\"\n\n[targets]\nsupported = [\"spectrum\"]\n\n[features]\nbig = [\"src/main.minz\"]\n";
    for (file, text) in [
        ("package.json", MANIFEST),
        ("pantry.jsonc", pantry),
        ("package.jsonc", pantry),
        ("pantry.json", pantry),
    ] {
        for (how, bytes) in damaged(text.as_bytes(), step(4)) {
            let args = ["install", "--offline", "--dry-run", "--mirror", &mirror];
            world.check(
                &format!("{file} {how}"),
                "pantry",
                &args,
                &[(file, &bytes)],
                &[file, "left", "index here"],
            );
        }
    }
    for (how, bytes) in damaged(toml.as_bytes(), step(4)) {
        let files =
            [("mzp.toml", bytes.as_slice()), ("src/main.minz", b"fun main() -> void {\n}\n".as_slice())];
        let args = ["install", "--offline", "--frozen-lockfile", "--mirror", &mirror];
        world.check(&format!("mzp.toml {how}"), "mzp", &args, &files, &["mzp.toml", "mzp.lock"]);
    }
}

/// Names that are paths, options, devices, or write to the terminal.
const NAMES: [&str; 24] = [
    "..",
    ".",
    "../x",
    "../../x",
    "/etc/x",
    "a/b/c",
    "a\\b",
    "c:x",
    "node_modules",
    ".bin",
    ".pantry",
    "CON",
    "nul.txt",
    "a\u{0}b",
    "a\u{1b}[31mb",
    "a\u{202e}b",
    "a\nb",
    "a b",
    "",
    "-rf",
    "@/x",
    "@s/..",
    "%2e%2e/x",
    "ends.",
];

#[test]
fn names_in_every_position() {
    let world = World::new();
    let mirror = world.path("mirror");
    let install = ["install", "--offline", "--mirror", &mirror];
    let long = "n".repeat(300);
    for name in NAMES.into_iter().chain([long.as_str()]) {
        let mut quoted = String::new();
        pantry::json::push_string(&mut quoted, name);
        let inner = &quoted[1..quoted.len() - 1];
        let integrity = format!("sha512-{}==", "A".repeat(86));
        let lock = |key: &str, edge: &str, more: &str| {
            format!(
                r#"{{"lockfileVersion": 1, "importers": {{"": {{"dependencies": {{"left": "1.0.0 ^1.0.0"}}}}}}, "packages": {{
                "left@1.0.0": {{"integrity": "{integrity}"{edge}{more}}}{key}}}}}"#
            )
        };
        let manifests = [
            ("package.json", format!(r#"{{"dependencies": {{{quoted}: "1"}}}}"#)),
            ("package.json", format!(r#"{{"dependencies": {{"ok": "npm:{inner}@1"}}}}"#)),
            (
                "package.json",
                format!(
                    r#"{{"optionalDependencies": {{{quoted}: "1"}}, "dependencies": {{"absent": "1"}}}}"#
                ),
            ),
            ("package.json", format!(r#"{{"name": {quoted}, "dependencies": {{"absent": "1"}}}}"#)),
            (
                "package.json",
                format!(r#"{{"bin": {{{quoted}: "x.js"}}, "dependencies": {{"absent": "1"}}}}"#),
            ),
            ("package.json", format!(r#"{{"bin": {{"x": {quoted}}}, "dependencies": {{"absent": "1"}}}}"#)),
            (
                "package.json",
                format!(r#"{{"scripts": {{{quoted}: "x"}}, "dependencies": {{"absent": "1"}}}}"#),
            ),
            ("package.json", format!(r#"{{"version": {quoted}, "dependencies": {{"absent": "1"}}}}"#)),
            ("package.json", format!(r#"{{"dependencies": {{"absent": {quoted}}}}}"#)),
            ("package.json", format!(r#"{{"workspaces": [{quoted}], "dependencies": {{"absent": "1"}}}}"#)),
            (
                "package.json",
                format!(r#"{{"bundleDependencies": [{quoted}], "dependencies": {{"absent": "1"}}}}"#),
            ),
            (
                "pantry.json",
                format!(r#"{{"dependencies": {{{quoted}: "npm:left@1", "absent": "npm:absent@1"}}}}"#),
            ),
            (
                "pantry.json",
                format!(
                    r#"{{"dependencies": {{{quoted}: {{"version": "1", "source": "npm"}}, "absent": "npm:absent@1"}}}}"#
                ),
            ),
            ("pantry.json", format!(r#"{{"dependencies": {{"absent": {quoted}, "gone": "npm:gone@1"}}}}"#)),
        ];
        for (file, text) in &manifests {
            let what = format!("{text:?}");
            let files = [(*file, text.as_bytes())];
            let out = world.check(
                &what,
                "pantry",
                &install,
                &files,
                &[file, "absent", "gone", "workspace", "ok@", "every index here"],
            );
            assert_ne!(out.status, 0, "{what}: accepted");
        }
        let frozen = ["install", "--offline", "--frozen-lockfile", "--mirror", &mirror];
        for text in [
            lock(&format!(r#", "{inner}@1.0.0": {{"integrity": "{integrity}"}}"#), "", ""),
            lock("", &format!(r#", "dependencies": {{{quoted}: "1.0.0 1"}}"#), ""),
            lock("", &format!(r#", "dependencies": {{"x": "{inner}@1.0.0 1"}}"#), ""),
            lock("", &format!(r#", "bin": {{{quoted}: "x.js"}}"#), ""),
            lock("", &format!(r#", "bin": {{"x": {quoted}}}"#), ""),
            lock("", &format!(r#", "source": "link:{inner}""#), ""),
            lock("", &format!(r#", "tarball": {quoted}"#), ""),
            lock("", &format!(r#", "os": [{quoted}]"#), ""),
            lock("", &format!(r#", "bundled": [{quoted}]"#), ""),
            lock("", "", "").replace(r#""": {"dep"#, &format!(r#"{quoted}: {{"dep"#)),
            lock("", "", "").replace("1.0.0 ^", &format!("{inner} ^")),
        ] {
            let files = [("package.json", MANIFEST.as_bytes()), ("pantry.lock", text.as_bytes())];
            let out = world.check(&text, "pantry", &frozen, &files, &["pantry.lock", "left", "lock"]);
            assert_ne!(out.status, 0, "{text}: accepted");
        }
        let npm = [
            format!(
                r#"{{"lockfileVersion": 3, "packages": {{"": {{}}, "node_modules/{inner}": {{"version": "1.0.0"}}}}}}"#
            ),
            format!(
                r#"{{"lockfileVersion": 3, "packages": {{"": {{}}, "node_modules/x": {{"name": {quoted}, "version": "1.0.0"}}}}}}"#
            ),
            format!(
                r#"{{"lockfileVersion": 3, "packages": {{"": {{"dependencies": {{"x": "1"}}}}, "node_modules/x": {{"version": {quoted}}}}}}}"#
            ),
            format!(
                r#"{{"lockfileVersion": 3, "packages": {{"": {{"dependencies": {{"x": "1"}}}}, "node_modules/x": {{"resolved": {quoted}, "link": true}}}}}}"#
            ),
        ];
        for text in &npm {
            let args = ["mirror", "pull", "--from", "package-lock.json"];
            world.check(
                text,
                "pantry",
                &args,
                &[("package-lock.json", text.as_bytes())],
                &["package-lock.json", "x"],
            );
        }
        let toml = |table: &str| format!("[package]\nname = \"app\"\nversion = \"0.1.0\"\n{table}\n");
        for text in [
            toml(&format!("[dependencies]\n{quoted} = \"1\"")),
            toml(&format!("[exports]\n{quoted} = {quoted}")),
            toml(&format!("[features]\nf = [{quoted}]")),
            toml(&format!("[targets]\ndefault = {quoted}")),
            format!("[package]\nname = {quoted}\nversion = \"0.1.0\"\n"),
            format!("[package]\nname = \"app\"\nversion = {quoted}\n"),
        ] {
            let files = [("mzp.toml", text.as_bytes())];
            world.check(
                &text,
                "mzp",
                &["install", "--offline", "--frozen-lockfile", "--mirror", &mirror],
                &files,
                &["mzp.toml", "mzp.lock"],
            );
        }
        if !name.contains('\0') {
            for args in [
                ["mirror", "remove", "--mirror", &mirror, "--", name],
                ["mirror", "pull", "--mirror", &mirror, "--", name],
                ["mirror", "add", "--mirror", &mirror, "--", name],
                ["help", "--json", "-q", "-v", "--", name],
            ] {
                let out =
                    world.check(&format!("{args:?}"), "pantry", &args, &[("package.json", b"{}")], &[""]);
                assert!(out.status != 0 || args[0] == "help", "{args:?}: accepted");
            }
        }
    }
    let verified = world.run("pantry", &["mirror", "verify", &mirror], world.dir.path());
    assert_eq!(verified.status, 0, "{}", said(&verified));
}

#[test]
fn mirrors_that_are_cut_or_bent() {
    let world = World::new();
    let (whole, spoilt) = (world.dir.path().join("mirror"), world.dir.path().join("damaged"));
    let rows = listing::list(&whole, &[], false).expect("the mirror");
    let files: Vec<&str> = rows.lines().filter_map(|l| l.strip_prefix("f  ")).collect();
    // What the newest snapshot names must be missed; an older one is nobody's.
    let newest = newest_snapshot(&whole);
    let text = fs::read_to_string(whole.join("SNP").join(short_name(&newest))).expect("the snapshot");
    let is_named = |file: &str| {
        file == format!("SNP/{}", short_name(&newest))
            || text.split_whitespace().any(|word| word.len() == 64 && file.ends_with(&short_name(word)))
    };
    let (mut runs, mut found) = (0, 0);
    for file in files {
        let bytes = fs::read(whole.join(file)).expect("a file");
        let quick = if file.starts_with("ROOT") { 200 } else { (bytes.len() / 14).max(1) };
        for (how, changed) in damaged(&bytes, step(quick)) {
            // Behind the line of a slot are 3,900 blanks: a few will do.
            let _ = fs::remove_dir_all(&spoilt);
            copy(&whole, &spoilt);
            fs::write(spoilt.join(file), &changed).expect("damage");
            let (what, at) = (format!("{file} {how}"), spoilt.to_string_lossy().into_owned());
            let verify =
                world.check(&what, "pantry", &["mirror", "verify", &at], &[], &["damaged", "mirror", file]);
            assert!(verify.status == 3 || !is_named(file), "{what}: verify says {}", said(&verify));
            let _ = fs::remove_dir_all(world.dir.path().join("pantry"));
            let args = ["install", "--offline", "--mirror", &at];
            let manifest = [("package.json", MANIFEST.as_bytes())];
            let names = ["damaged", "left", "right", "SEG", "SNP", "PAK", "ROOT"];
            let out = world.check(&what, "pantry", &args, &manifest, &names);
            world.whole_or_nothing(&what, &out);
            runs += 1;
            found += usize::from(verify.status == 3);
        }
    }
    support::say(&format!("mirrors: {runs} damaged, {found} found by verify, none installed"));
}

/// Another computer on a share, or a hostile stick, gives other bytes at each reading: what is hashed is what is installed.
#[test]
fn a_mirror_that_changes_while_it_is_read() {
    let world = World::new();
    let at = world.path("damaged");
    copy(&world.dir.path().join("mirror"), Path::new(&at));
    let rows = listing::list(Path::new(&at), &[], false).expect("the mirror");
    let pack = rows.lines().find_map(|l| l.strip_prefix("f  PAK/")).expect("a pack");
    let pack = Path::new(&at).join("PAK").join(pack);
    let good = fs::read(&pack).expect("a pack");
    let (stop, done) = (std::sync::atomic::AtomicBool::new(false), std::sync::atomic::Ordering::Relaxed);
    let (mut installed, mut refused, mut taken) = (0, 0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            use std::os::unix::fs::FileExt;
            let file = fs::OpenOptions::new().write(true).open(&pack).expect("the pack");
            for n in 0_usize.. {
                if stop.load(done) {
                    break;
                }
                let i = 8 + n * 7 % (good.len() - 8);
                let _ = file.write_all_at(&[good[i] ^ 0x20], i as u64);
                std::thread::sleep(Duration::from_micros(300));
                let _ = file.write_all_at(&good[i..=i], i as u64);
                std::thread::sleep(Duration::from_micros(n as u64 % 3 * 2000));
            }
        });
        for n in 0..40 {
            let _ = fs::remove_dir_all(world.dir.path().join("pantry"));
            let args = ["install", "--offline", "--mirror", &at];
            let manifest = [("package.json", MANIFEST.as_bytes())];
            let out = world.check(
                &format!("reading {n}"),
                "pantry",
                &args,
                &manifest,
                &["damaged", "left", "right"],
            );
            world.whole_or_nothing("a changing mirror", &out);
            if out.status == 0 {
                installed += 1
            } else {
                refused += 1
            }
            if n % 2 == 0 {
                taken += usize::from(world.takes_what_is_whole(&format!("sync {n}"), &at));
            }
        }
        stop.store(true, done);
    });
    support::say(&format!(
        "a changing mirror: {installed} times whole, {refused} times refused; of 20 syncs {taken} took all"
    ));
}

/// A stick that is pulled in the middle: named, the project as it was; put in again, all is well.
#[test]
fn a_mirror_that_is_pulled_while_it_is_read() {
    let world = World::new();
    let (at, gone) = (world.path("mirror"), world.path("damaged"));
    let (mut installed, mut refused, mut taken) = (0, 0, 0);
    for n in 0..15 {
        let pulled = std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(n * 2));
                fs::rename(&at, &gone).expect("pulled");
            });
            world.takes_what_is_whole(&format!("sync, pulled after {} ms", n * 2), &at)
        });
        taken += usize::from(pulled);
        fs::rename(&gone, &at).expect("put in again");
        assert!(world.takes_what_is_whole("put in again", &at));
        let _ = fs::remove_dir_all(world.dir.path().join("pantry"));
        let out = std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(n * 2));
                fs::rename(&at, &gone).expect("pulled");
            });
            let args = ["install", "--offline", "--mirror", &at];
            let manifest = [("package.json", MANIFEST.as_bytes())];
            world.check(
                &format!("pulled after {} ms", n * 2),
                "pantry",
                &args,
                &manifest,
                &["mirror", "left", "right"],
            )
        });
        world.whole_or_nothing("a pulled mirror", &out);
        if out.status == 0 {
            installed += 1
        } else {
            refused += 1
        }
        fs::rename(&gone, &at).expect("put in again");
    }
    support::say(&format!(
        "a pulled mirror: {installed} times whole, {refused} times refused; of 15 syncs {taken} took all"
    ));
}

/// What only a forger makes: every hash is right, and what is said is wrong.
#[test]
fn snapshots_that_lie_under_a_right_hash() {
    let world = World::new();
    let (whole, forged) = (world.dir.path().join("mirror"), world.dir.path().join("damaged"));
    let old = newest_snapshot(&whole);
    let text = fs::read_to_string(whole.join("SNP").join(short_name(&old))).expect("the snapshot");
    let line = |word: &str| text.lines().find(|l| l.starts_with(word)).expect("such a line").to_string();
    let field = |word: &str, n: usize, to: &str| {
        let mut fields: Vec<String> = line(word).split(' ').map(String::from).collect();
        fields[n] = to.into();
        text.replace(&line(word), &fields.join(" "))
    };
    let huge = "9223372036854775807";
    let many = (0..100_000).map(|i| format!("policy p{i:06} x\n")).collect::<String>();
    let lies = [
        ("a segment of 2 GiB", field("segment", 2, "2147483648")),
        ("a segment of 9 EB", field("segment", 2, huge)),
        ("records without number", field("segment", 4, huge)),
        ("a fence far away", field("segment", 5, "2147483000").replace(" 1 ", " 2147483647 ")),
        ("a fence of 9 EB", field("segment", 6, huge)),
        ("a pack of 9 EB", field("pack", 2, huge)),
        ("a pack that is not there", field("pack", 1, &"0".repeat(64))),
        (
            "a list of blobs of 9 EB",
            text.replace(&line("blobs"), &format!("blobs {} {huge} {huge}", "0".repeat(64))),
        ),
        ("a label that writes", field("label", 1, "%1b%5b31m%0a%e2%80%aeevil")),
        ("100,000 policies", text.replace(&line("segment"), &format!("{many}{}", line("segment")))),
        ("a snapshot of the future", text.replace("pantry-mirror 1", "pantry-mirror 2")),
        ("the last sequence of all", field("sequence", 1, "18446744073709551615")),
        ("no signature line", text.replace("signature - -\n", "")),
        ("nothing", String::new()),
    ];
    for (what, lie) in lies {
        let _ = fs::remove_dir_all(&forged);
        copy(&whole, &forged);
        let hash = package::hex(&Sha256::digest(lie.as_bytes()));
        fs::write(forged.join("SNP").join(short_name(&hash)), &lie).expect("a snapshot");
        let mut slot = format!("99 {hash} {} - - ", lie.len());
        slot.push_str(&package::hex(&Sha256::digest(slot.as_bytes()))[..16]);
        fs::write(forged.join("ROOT.A"), format!("{slot:4095}\n")).expect("a slot");
        if what.contains("2 GiB") {
            // As large as it says, and of nothing but holes.
            let segment = line("segment").split(' ').nth(1).map(short_name).expect("a name");
            let file =
                fs::OpenOptions::new().write(true).open(forged.join("SEG").join(segment)).expect("a segment");
            file.set_len(1 << 31).expect("a hole");
        }
        let at = forged.to_string_lossy().into_owned();
        let _ = fs::remove_dir_all(world.dir.path().join("pantry"));
        for args in [
            &["mirror", "status", &at][..],
            &["mirror", "verify", &at],
            &["mirror", "list", &at],
            &["mirror", "gc", "--dry-run", &at],
        ] {
            world.check(what, "pantry", args, &[], &["mirror", "damaged"]);
        }
        let manifest = [("package.json", MANIFEST.as_bytes())];
        let out = world.check(
            what,
            "pantry",
            &["install", "--offline", "--mirror", &at],
            &manifest,
            &["mirror", "damaged", "left"],
        );
        world.whole_or_nothing(what, &out);
    }
}

/// Sizes that no file of a person has: an answer within 512 MB and a minute.
#[test]
fn nested_without_end_and_a_million_of_each() {
    let world = World::new();
    let mirror = world.path("mirror");
    let install = ["install", "--offline", "--mirror", &mirror];
    let pull = ["mirror", "pull", "--from", "package-lock.json", "--dry-run"];
    let mzp = ["install", "--offline", "--mirror", &mirror];
    let deep = |open: &str| open.repeat(200_000);
    let keys = |n: usize, value: &str| {
        let all: Vec<String> = (0..n).map(|i| format!("\"k{i}\":{value}")).collect();
        format!("{{{}}}", all.join(","))
    };
    let package = "[package]\nname = \"a\"\nversion = \"1.0.0\"\n";
    let mut cases: Vec<(&str, String)> = Vec::new();
    for file in ["package.json", "pantry.json", "pantry.jsonc", "package.jsonc"] {
        cases.push((file, deep("{\"a\":")));
        cases.push((file, format!("{{\"dependencies\":{}", keys(300_000, "\"1\""))));
    }
    cases.extend([
        ("package.json", format!("{{\"overrides\":{}", deep("{\"a\":"))),
        ("package.json", keys(1_000_000, "1").replacen('}', "", 1)),
        ("pantry.lock", format!("{{\"lockfileVersion\":1,\"importers\":{}", deep("{\"a\":"))),
        ("pantry.lock", format!("{{\"lockfileVersion\":1,\"importers\":{{}},\"packages\":{}", keys(1_000_000, "{}"))),
        ("package-lock.json", format!("{{\"lockfileVersion\":3,\"packages\":{}", deep("{\"a\":"))),
        ("package-lock.json", format!("{{\"lockfileVersion\":3,\"packages\":{{\"{}x\":{{}}}}}}", deep("node_modules/x/"))),
        (
            "package-lock.json",
            // Peers beside as many that may be missing, none of them the same.
            format!(
                "{{\"lockfileVersion\":3,\"packages\":{{\"node_modules/x\":{{\"version\":\"1.0.0\",\"peerDependencies\":{},\"peerDependenciesMeta\":{}}}}}",
                keys(100_000, "\"1\""),
                keys(100_000, "{\"optional\":true}").replace("\"k", "\"q")
            ),
        ),
        ("mzp.toml", format!("a={}", deep("["))),
        ("mzp.toml", format!("a={}", deep("{a="))),
        ("mzp.toml", format!("a{}=1", deep(".a"))),
        ("mzp.toml", format!("{package}[dependencies]\n{}", (0..80_000).map(|i| format!("k{i}=\"1\"\n")).collect::<String>())),
        ("mzp.toml", "a=1\n".repeat(1_000_000)),
        ("mzp.lock", format!("a={}", deep("["))),
        ("mzp.lock", (0..200_000).map(|i| format!("k{i}=1\n")).collect()),
    ]);
    for (file, text) in cases {
        let what = format!("{file}: {} bytes of {}…", text.len(), text.chars().take(40).collect::<String>());
        let mut files = vec![(file, text.as_bytes())];
        let (program, args) = match file {
            "pantry.lock" => {
                files.push(("package.json", MANIFEST.as_bytes()));
                ("pantry", &install[..])
            }
            "package-lock.json" => ("pantry", &pull[..]),
            "mzp.lock" => {
                files.push(("mzp.toml", package.as_bytes()));
                ("mzp", &mzp[..])
            }
            "mzp.toml" => ("mzp", &mzp[..]),
            _ => ("pantry", &install[..]),
        };
        let out = world.check(&what, program, args, &files, &[file]);
        assert_eq!(out.status, 1, "{what}: {}", said(&out));
    }
}

/// SIGINT at any time is as a kill: the next run finds the old tree or the new one, and finishes.
#[test]
fn interrupted_at_any_time() {
    let world = World::new();
    let mirror = world.path("mirror");
    let project = world.project(&[("package.json", MANIFEST.as_bytes())]);
    for n in 0..12 {
        let _ = fs::remove_dir_all(world.dir.path().join("pantry"));
        let _ = fs::remove_dir_all(project.join("node_modules"));
        let argv = [process::pantry().to_str().expect("a path"), "install", "--offline", "--mirror", &mirror];
        let running = std::process::Command::new(argv[0])
            .args(&argv[1..])
            .env_clear()
            .envs([
                ("HOME", world.path("home")),
                ("PANTRY_HOME", world.path("pantry")),
                ("TMPDIR", world.path("tmp")),
            ])
            .current_dir(&project)
            .stderr(std::process::Stdio::null())
            .spawn();
        let mut running = running.expect("the binary");
        std::thread::sleep(Duration::from_millis(n * 3));
        let pid =
            i32::try_from(running.id()).ok().and_then(rustix::process::Pid::from_raw).expect("a process");
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::INT);
        running.wait().expect("its end");
        let out = world.run("pantry", &argv[1..], &project);
        assert_eq!(out.status, 0, "after {} ms: {}", n * 3, said(&out));
        world.whole_or_nothing("interrupted", &out);
        assert_eq!(listing::list(&world.dir.path().join("tmp"), &[], false).expect("TMPDIR"), "");
        let around = listing::list(&project, &["node_modules".into(), "node_modules/*".into()], false)
            .expect("the project");
        assert_eq!(around, "f  package.json\nf  pantry.lock\n", "after {} ms", n * 3);
    }
}

/// The hash that the slot with the highest sequence names.
fn newest_snapshot(mirror: &Path) -> String {
    let slot = |name: &str| {
        let text = fs::read_to_string(mirror.join(name)).expect("a slot");
        let mut fields = text.split(' ').map(String::from);
        let sequence = fields.next().and_then(|n| n.parse::<u64>().ok())?;
        Some((sequence, fields.next()?))
    };
    ["ROOT.A", "ROOT.B"].into_iter().filter_map(slot).max().expect("a valid slot").1
}

/// A file's name, as `mirror/README.md` has it: the first 11 base32 characters of its hash, as 8.3.
fn short_name(hash: &str) -> String {
    let bytes: Vec<u8> = (0..16).filter_map(|i| u8::from_str_radix(hash.get(i..=i)?, 16).ok()).collect();
    let bits: String = bytes.iter().map(|b| format!("{b:04b}")).collect();
    let letters: String = (0..11)
        .map(|i| usize::from_str_radix(&bits[i * 5..i * 5 + 5], 2).expect("five bits"))
        .map(|n| char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[n]))
        .collect();
    format!("{}.{}", &letters[..8], &letters[8..])
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("a directory").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a copy");
        }
    }
}
