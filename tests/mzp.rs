//! `mzp` as it is built: fixtures from a mirror, and a stand-in for the compiler (`support/fake-mz`) that has the real
//! one's traps. What comes out is run here, call by call, so that a missing or doubled function shows.

#![allow(clippy::disallowed_methods)] // tests may write files

use mirror::Mirror;
use mirror::batch::Batch;
use mirror::mirror::InitOptions;
use mirror::record::Record;
use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

const SNAKE: &str = "--------\nreadybeep\n@oo*\ngame over";

struct World {
    dir: tempfile::TempDir,
    version: &'static str,
}

struct Answer {
    status: i32,
    out: String,
    err: String,
}

fn house() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

impl World {
    /// A mirror with all fixtures, and a copy of one of the games.
    fn with(game: &str) -> Self {
        let world = Self { dir: tempfile::tempdir().unwrap(), version: "head" };
        let mirror = Mirror::init(&world.path("mirror"), &InitOptions::default()).unwrap();
        let batch = Batch::begin(&mirror, 0).unwrap();
        for entry in std::fs::read_dir(house().join("z80-fixtures/packages")).unwrap() {
            let (bytes, key, mut version) = mzp::publish::pack(&entry.unwrap().path()).unwrap();
            let mut writer = batch.archive().unwrap();
            writer.write_all(&bytes).unwrap();
            version.location = writer.finish().unwrap().location;
            let versions = vec![version];
            let (etag, tags) = (String::new(), Vec::new());
            batch
                .put(&Record { key, complete: false, checked: 0, etag, modified: 0, tags, versions })
                .unwrap();
        }
        batch.commit(&mut |_| {}).unwrap();
        let source = house().join("z80-fixtures/games").join(game);
        for file in ["mzp.toml", "src/main.minz"] {
            world.write(file, &std::fs::read_to_string(source.join(file)).unwrap());
        }
        world
    }
    fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }
    fn write(&self, path: &str, text: &str) {
        let path = self.path("game").join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.path("game").join(path)).unwrap()
    }
    /// `pantry mzp …` in the game's folder.
    fn mzp(&self, words: &str) -> Answer {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pantry"));
        command.arg("mzp").args(words.split_whitespace());
        let path = std::env::var_os("PATH").unwrap_or_default();
        command
            .env_clear()
            .envs(std::env::var_os("LLVM_PROFILE_FILE").map(|file| ("LLVM_PROFILE_FILE", file)))
            .env("PATH", path)
            .env("HOME", self.path("home"))
            .env("PANTRY_HOME", self.path("home/.pantry"))
            .env("PANTRY_MIRROR", self.path("mirror"))
            // Made in this process, and signed by nobody.
            .env("PANTRY_SIGNATURES", "off")
            .env("MZ", house().join("tests/support/fake-mz"))
            .envs(std::env::var_os("MINZ_REAL").map(|mz| ("MINZ_REAL", mz)))
            .envs(
                Some(self.version).filter(|version| *version != "head").map(|version| ("MINZ_FAKE", version)),
            )
            .env("NO_COLOR", "1")
            .current_dir(self.path("game"));
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Answer {
            status: output.status.code().unwrap_or(-1),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }
    fn ok(&self, words: &str) -> Answer {
        let answer = self.mzp(words);
        assert_eq!(answer.status, 0, "mzp {words}:\n{}{}", answer.out, answer.err);
        answer
    }
    /// What the program prints that was built for a target: the stand-in's assembly is understood here; a real compiler's runs on
    /// the built-in machine.
    fn prints(&self, target: &str, file: &str) -> String {
        match std::env::var_os("MINZ_REAL").filter(|_| self.version == "head") {
            Some(_) => self.ok(&format!("run --target {target}")).out,
            None => execute(&self.read(file)),
        }
    }
    fn fails(&self, words: &str, status: i32) -> String {
        let answer = self.mzp(words);
        assert_eq!(answer.status, status, "mzp {words}:\n{}{}", answer.out, answer.err);
        assert_eq!(answer.out, "");
        answer.err
    }
}

/// Runs the stand-in's assembly from `main`: what RST 16 prints. Every label must be there once.
fn execute(assembly: &str) -> String {
    let lines: Vec<&str> = assembly.lines().collect();
    let mut labels = HashMap::new();
    for (i, line) in lines.iter().enumerate() {
        if let Some(label) = line.strip_suffix(':').filter(|l| !l.starts_with(' ')) {
            assert!(labels.insert(label, i).is_none(), "label {label} twice in\n{assembly}");
        }
    }
    let (mut stack, mut at, mut a, mut out) = (Vec::new(), labels["main"], 0u8, Vec::new());
    for _ in 0..10_000 {
        let line = lines[at].split(';').next().unwrap_or_default().trim();
        at += 1;
        if let Some(n) = line.strip_prefix("LD A, ") {
            a = n.parse().unwrap();
        } else if ["RST 16", "CALL 5", "CALL $00A2", "CALL $BB5A"].contains(&line) {
            out.push(a);
        } else if let Some(label) = line.strip_prefix("CALL ") {
            stack.push(at);
            at = *labels.get(label).unwrap_or_else(|| panic!("no {label} in\n{assembly}"));
        } else if line == "RET" {
            match stack.pop() {
                Some(back) => at = back,
                None => return String::from_utf8(out).unwrap().replace("\r\n", "\n").replace('\r', "\n"),
            }
        }
    }
    panic!("the program does not end");
}

#[test]
fn a_game_installs_from_a_mirror_and_builds_with_every_version_of_the_compiler() {
    let mut w = World::with("snake");
    let first = w.ok("install");
    assert_eq!(first.out, "");
    assert!(first.err.contains("zx-graphics@1.1.0"), "{}", first.err);
    let lock = w.read("mzp.lock");
    assert!(w.ok("install --frozen-lockfile").err.contains("Up to date"));
    assert_eq!(w.read("mzp.lock"), lock);
    for version in ["head", "newer", "packages"] {
        w.version = version;
        let built = w.ok("build -v");
        assert!(built.err.contains("build/spectrum/snake.a80"), "{}", built.err);
        let assembly = w.read("build/spectrum/snake.a80");
        assert_eq!(w.prints("spectrum", "build/spectrum/snake.a80"), SNAKE, "{version}");
        assert!(!assembly.contains("Generated"));
        // The same again, byte for byte.
        w.ok("build");
        assert_eq!(w.read("build/spectrum/snake.a80"), assembly, "{version}");
    }
    w.ok("build --timeout 60000 -o out/deep/game.a80");
    assert_eq!(w.prints("spectrum", "out/deep/game.a80"), SNAKE);
}

#[test]
fn a_program_that_the_compilers_modules_can_hold_is_staged() {
    let mut w = World::with("hello");
    w.write("mzp.toml", "[package]\nname = \"hello\"\nversion = \"0.1.0\"\n[dependencies]\nutils = \"^0.4.0\"\nmath-fixed = \"*\"\n");
    w.write("src/main.minz", "import utils;\nimport math_fixed;\nfun main() -> void {\n    utils.comma();\n    math_fixed.describe();\n}\n");
    w.ok("install");
    for version in ["head", "newer"] {
        w.version = version;
        let built = w.ok("build --json");
        assert!(built.out.contains("\"way\": \"staged\""), "{}", built.out);
        let duplicates = if version == "head" { "\"duplicates\": 3" } else { "\"duplicates\": 0" };
        assert!(built.out.contains(duplicates), "{}", built.out);
        assert_eq!(w.prints("spectrum", "build/spectrum/hello.a80"), ", 8.8");
    }
    // Its messages have the user's line and column.
    w.write("src/main.minz", "import utils;\nfun main() -> void {\n    utils.comma();\n    nope();\n}\n");
    let err = w.fails("build", 1);
    assert!(err.contains("src/main.minz:4:5: in function main: undefined function: nope"), "{err}");
    // The staged tree can be had without a compiler.
    w.write("src/main.minz", "import utils;\nfun main() -> void { utils.comma(); }\n");
    let staged = w.ok("build --emit staged -o tree");
    assert!(!staged.err.contains("warning"), "{}", staged.err);
    assert_eq!(w.read("tree/utils.minz"), w.read("packages/utils/src/lib.minz"));
    assert!(w.fails("build --emit staged -o tree", 1).contains("tree"));
}

#[test]
fn a_bundle_needs_no_compiler_and_each_target_has_its_own() {
    let w = World::with("hello");
    w.ok("install");
    w.ok("build --emit bundle");
    let spectrum = w.read("build/spectrum/bundle/main.minz");
    assert!(spectrum.contains("zxCoreNewLine") && !spectrum.contains("import"), "{spectrum}");
    assert!(w.read("build/spectrum/bundle/main.map").contains("\tpackages/text-console/src/lib.minz\t"));
    w.ok("build --emit bundle --target cpm -o cpm.minz");
    assert!(!w.read("cpm.minz").contains("zxCore"));
    for (target, output) in
        [("spectrum", "Welcome, Spectrum\n"), ("cpm", "Welcome, CP/M"), ("msx", "Welcome, machine")]
    {
        w.ok(&format!("build --target {target}"));
        assert_eq!(w.prints(target, &format!("build/{target}/hello.a80")), output);
    }
    assert!(w.fails("build --target c64", 1).contains("hello does not support c64"));
    assert!(w.fails("build --target spectrun", 1).contains("did you mean `spectrum`?"));
}

#[test]
fn what_the_compiler_keeps_to_itself_is_said() {
    let mut w = World::with("hello");
    w.ok("install");
    // A syntax error that leaves the brackets whole would be silent: mzp or the missing main says it.
    w.write("src/main.minz", "fun main( -> void { let x = = 5; }\n");
    assert!(w.fails("build", 1).contains("src/main.minz:1:9: a bracket that is never closed"));
    w.write("src/main.minz", "fun main() -> int { }\n");
    let said = w.fails("build", 1);
    // The one that was tried says this of it, with a status.
    assert!(
        said.contains("wrote a program without `main`") || said.contains("undefined type: int"),
        "{said}"
    );
    w.write("src/main.minz", "import text-console;\nfun main() -> void { }\n");
    assert!(w.fails("build", 1).contains("src/main.minz:1:12: an import has no `-`: write `_` for it"));
    w.write("src/main.minz", "\nimport zx_sound;\nfun main() -> void { zx_sound.beep(); }\n");
    let err = w.fails("build", 1);
    assert!(err.contains("src/main.minz:2:8: cannot find module `zx_sound`"), "{err}");
    assert!(err.contains("`mzp install zx-sound` adds the package"), "{err}");
    // And that command really helps (a target that it does not support goes first).
    let manifest = w.read("mzp.toml").replace("\"spectrum\", \"cpm\", \"msx\", \"cpc\"", "\"spectrum\"");
    w.write("mzp.toml", &manifest);
    w.ok("install zx-sound");
    w.ok("build");
    w.version = "head";
    assert_eq!(w.prints("spectrum", "build/spectrum/hello.a80"), "beep\n");
}

#[test]
fn a_compiler_that_hangs_or_is_not_there() {
    let w = World::with("hello");
    w.ok("install");
    w.write("text", "#!/bin/sh\ncase \"$1\" in --help) exit 0;; esac\nsleep 600 &\nsleep 600\n");
    // By another process: what a child of another test has open for writing, be it for a moment, cannot be executed.
    let made = Command::new("install").args(["-m755", "text", "hang"]).current_dir(w.path("game")).status();
    assert!(made.unwrap().success());
    let run = |mz: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_pantry"))
            .args(["mzp", "build", "--timeout", "300"])
            .env("MZ", mz)
            .env("HOME", w.path("home"))
            .current_dir(w.path("game"))
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let start = std::time::Instant::now();
    let (status, err) = run("./hang");
    assert_eq!(status, Some(1));
    assert!(err.contains("did not finish within 0.3 seconds"), "{err}");
    assert!(start.elapsed().as_secs() < 600);
    let (status, err) = run("/nonexistent/mz");
    assert_eq!(status, Some(1));
    assert!(err.contains("is not here") && err.contains("--emit bundle"), "{err}");
}

#[test]
fn init_makes_a_project_that_builds() {
    let w = World::with("hello");
    let made = w.ok("init ../fresh-game --target cpm");
    assert!(made.err.contains("fresh-game is a MinZ project for cpm"), "{}", made.err);
    std::fs::rename(w.path("game"), w.path("old")).unwrap();
    std::fs::rename(w.path("fresh-game"), w.path("game")).unwrap();
    w.ok("install");
    w.ok("build");
    assert_eq!(w.prints("cpm", "build/cpm/fresh-game.a80"), "fresh-game");
    assert!(w.fails("init", 1).contains("mzp.toml"));
}

#[test]
fn refusals_have_their_status() {
    let w = World::with("snake");
    assert!(w.fails("install nope", 4).contains("nope is in no mirror"));
    assert!(w.fails("install zx-grafics", 4).contains("did you mean `zx-graphics`?"));
    assert!(w.fails("install ./local", 1).contains("./local"));
    assert!(w.fails("build --emit prg", 1).contains("spectrum does not load .prg files"));
    assert!(w.fails("install --target cpm", 1).contains("is not in this version"));
    assert_eq!(w.mzp("install Bad_Name").status, 2);
    assert!(w.fails("build", 1).contains("`mzp install` puts the packages in place"));
    assert!(w.fails("install --frozen-lockfile", 1).contains("mzp.lock is missing"));
    assert!(!w.path("game/mzp.lock").exists() && !w.path("game/packages").exists());
    w.ok("install --dry-run");
    assert!(!w.path("game/mzp.lock").exists() && !w.path("game/packages").exists());
    w.write("mzp.toml", "[package]\nname = \"snake\"\nversion = \"0.1.0\"\n[dependancies]\n");
    let err = w.fails("install", 1);
    assert!(
        err.contains("mzp.toml:4:2: unknown key `dependancies`")
            && err.contains("did you mean `dependencies`?"),
        "{err}"
    );
    w.write("mzp.toml", "[package]\nname = \"snake\"\nversion = \"0.1.0\"\n[dependencies]\ngame-engine = \"^0.2.0\"\nzx-graphics = \"=1.0.0\"\n[targets]\nsupported = [\"spectrum\"]\n");
    let err = w.fails("install", 1);
    assert!(
        err.contains("snake needs zx-graphics =1.0.0")
            && err.contains("game-engine 0.2.0 needs zx-graphics ^1.1.0"),
        "{err}"
    );
}

/// Ten thousand packages in a mirror, each of which needs the next: whatever somebody publishes, a command ends soon.
#[test]
fn a_mirror_of_ten_thousand_packages() {
    let w = World::with("hello");
    let mirror = Mirror::open(&w.path("mirror")).unwrap();
    let batch = Batch::begin(&mirror, 0).unwrap();
    let mut writer = batch.archive().unwrap();
    writer.write_all(b"one for all: none is unpacked").unwrap();
    let location = writer.finish().unwrap().location;
    for n in 0..10_000 {
        let text =
            format!("[package]\nname = \"p{n}\"\nversion = \"1.0.0\"\n[dependencies]\np{} = \"1\"\n", n + 1);
        let manifest = mzp::manifest::Manifest::parse(Path::new("mzp.toml"), &text).unwrap();
        let mut version = mzp::registry::record(&manifest);
        version.sha256 = Some(mirror::digest::Hash::of(text.as_bytes()));
        version.location = location.clone();
        let (etag, tags, versions) = (String::new(), Vec::new(), vec![version]);
        let key = mzp::registry::key(&manifest.name);
        batch.put(&Record { key, complete: false, checked: 0, etag, modified: 0, tags, versions }).unwrap();
    }
    batch.commit(&mut |_| {}).unwrap();
    w.ok("search p77");
    w.ok("install");
    // The last thousand of the chain: its end is in no mirror, and the whole way there is told.
    let err = w.fails("install p9000 --dry-run", 4);
    assert!(err.contains("p10000 is in no mirror (needed by hello -> p9000 1.0.0 -> "), "{err}");
}
