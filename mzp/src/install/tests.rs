use super::*;
use mirror::Mirror;
use mirror::batch::Batch;
use mirror::mirror::InitOptions;
use mirror::record::Record;
use tempfile::TempDir;

#[allow(clippy::disallowed_methods)]
fn write(path: PathBuf, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// A mirror with packages `name version dependencies`, and an empty project folder.
struct World(TempDir);

impl World {
    fn of(packages: &[(&str, &str, &str)]) -> Self {
        let world = Self(tempfile::tempdir().unwrap());
        Mirror::init(&world.mirror(), &InitOptions::default()).unwrap();
        for (name, version, dependencies) in packages {
            world.publish(name, version, dependencies, "pub fun f() -> void {}\n");
        }
        world
    }
    fn mirror(&self) -> PathBuf {
        self.0.path().join("mirror")
    }
    fn root(&self) -> PathBuf {
        self.0.path().join("project")
    }
    fn publish(&self, name: &str, version: &str, dependencies: &str, source: &str) {
        let dir = self.0.path().join(format!("{name}-{version}"));
        write(
            dir.join("mzp.toml"),
            &format!(
                "[package]\nname = \"{name}\"\nversion = \"{version}\"\n[dependencies]\n{dependencies}\n"
            ),
        );
        write(dir.join("src/lib.minz"), source);
        let (bytes, key, mut record) = crate::publish::pack(&dir).unwrap();
        let mirror = Mirror::open(&self.mirror()).unwrap();
        let batch = Batch::begin(&mirror, 0).unwrap();
        let mut writer = batch.archive().unwrap();
        std::io::Write::write_all(&mut writer, &bytes).unwrap();
        let stored = writer.finish().unwrap();
        assert_eq!(Some(stored.sha256), record.sha256);
        record.location = stored.location;
        batch
            .put(&Record {
                key,
                complete: false,
                checked: 0,
                etag: String::new(),
                modified: 0,
                tags: vec![],
                versions: vec![record],
            })
            .unwrap();
        batch.commit(&mut |_| {}).unwrap();
    }
    fn manifest(&self, dependencies: &str) {
        let text =
            format!("[package]\nname = \"game\"\nversion = \"0.1.0\"\n\n[dependencies]\n{dependencies}");
        write(self.root().join("mzp.toml"), &text);
    }
    fn plan(&self, options: &Options) -> Result<(Plan, Registry)> {
        let registry = Registry::new(vec![self.mirror()], None, Box::new(|_| {}));
        Ok((plan(&self.root(), &registry, options)?, registry))
    }
    fn install(&self) -> Result<Vec<String>> {
        self.install_with(&Options::default())
    }
    fn install_with(&self, options: &Options) -> Result<Vec<String>> {
        let project = lock(&self.root(), &mut || {})?;
        let (plan, registry) = self.plan(options)?;
        run(&plan, &project, &registry, &mut |_| {})?;
        let word = |s: &Step| format!("{s:?}").split(['(', ' ']).next().unwrap_or("").to_string();
        Ok(plan.steps.iter().map(|(n, s)| format!("{} {n}", word(s))).collect())
    }
    fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.root().join(path)).unwrap()
    }
}

#[test]
fn installs_and_then_has_nothing_to_do() {
    let w = World::of(&[("core", "1.0.0", ""), ("core", "1.1.0", ""), ("gfx", "1.0.0", "core = \"^1.0.0\"")]);
    w.manifest("gfx = \"1\"\n");
    assert_eq!(w.install().unwrap(), ["Add core", "Add gfx"]);
    assert!(w.read("mzp.lock").contains("version = \"1.1.0\""));
    assert_eq!(w.read("packages/gfx/src/lib.minz"), "pub fun f() -> void {}\n");
    let lock = w.read("mzp.lock");
    assert_eq!(w.install().unwrap(), ["Keep core", "Keep gfx"]);
    assert!(w.plan(&Options { frozen: true, ..Options::default() }).unwrap().0.is_nothing());
    assert_eq!(w.read("mzp.lock"), lock);
    let left: Vec<_> =
        std::fs::read_dir(w.root().join("packages")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
    // The lock holds what was chosen, though something newer appears.
    w.publish("core", "1.2.0", "", "pub fun g() -> void {}\n");
    assert_eq!(w.install().unwrap(), ["Keep core", "Keep gfx"]);
    // What is no longer asked for goes; nothing is left but the lock.
    w.manifest("");
    assert_eq!(w.install().unwrap().len(), 2);
    assert!(!w.root().join("packages").exists());
}

#[test]
fn adds_to_the_manifest() {
    let w = World::of(&[("core", "1.0.0", ""), ("core", "2.0.0-beta.1", "")]);
    w.manifest("# none yet\n");
    let name = MinzName::parse("core").unwrap();
    w.install_with(&Options { add: vec![Word::Name(name.clone(), None)], ..Options::default() }).unwrap();
    assert!(w.read("mzp.toml").contains("# none yet") && w.read("mzp.toml").contains("core = \"^1.0.0\""));
    let unknown = MinzName::parse("cord").unwrap();
    let before = w.read("mzp.toml");
    let e =
        w.install_with(&Options { add: vec![Word::Name(unknown, None)], ..Options::default() }).unwrap_err();
    let Error::UnknownPackage { suggestion, .. } = &e else { panic!("{e}") };
    assert_eq!(suggestion.as_deref(), Some("core"));
    assert_eq!(w.read("mzp.toml"), before);
}

fn names(list: &[&str]) -> Vec<MinzName> {
    list.iter().map(|n| MinzName::parse(n).unwrap()).collect()
}

#[test]
fn what_is_added_is_the_newest_that_fits_with_the_rest() {
    let w = World::of(&[("core", "1.0.0", ""), ("core", "1.1.0", ""), ("gfx", "1.0.0", "core = \"~1.0.0\"")]);
    w.manifest("gfx = \"1\"\n");
    w.install().unwrap();
    w.publish("core", "2.0.0", "", "pub fun g() -> void {}\n");
    let core = names(&["core"]).remove(0);
    w.install_with(&Options {
        add: vec![Word::Name(core.clone(), None)],
        table: Table::Dev,
        ..Options::default()
    })
    .unwrap();
    assert!(
        w.read("mzp.toml").ends_with("\n[dev-dependencies]\ncore = \"^1.0.0\"\n"),
        "{}",
        w.read("mzp.toml")
    );
    let manifest = Manifest::load(&w.root()).unwrap().unwrap();
    assert_eq!(Lock::load(&w.root()).unwrap().unwrap().difference(&manifest), None);
    // Once nobody holds it back it moves, though a version is locked; and with it out of the other table.
    w.install_with(&Options {
        remove: names(&["gfx", "gfx"]),
        add: vec![Word::Name(core, None)],
        ..Options::default()
    })
    .unwrap();
    assert!(w.read("mzp.toml").ends_with("\n[dependencies]\ncore = \"^2.0.0\"\n"), "{}", w.read("mzp.toml"));
    // A requirement that cannot be met changes nothing.
    let before = (w.read("mzp.toml"), w.read("mzp.lock"));
    let add = vec![Word::Name(names(&["gfx"]).remove(0), Some(Requirement::parse("9").unwrap()))];
    assert!(matches!(w.install_with(&Options { add, ..Options::default() }), Err(Error::Conflict(_))));
    assert_eq!((w.read("mzp.toml"), w.read("mzp.lock")), before);
    // Nor does a platform that the project is not for.
    let text = format!("{}[targets]\nsupported = [\"6502\"]\n", before.0);
    write(w.root().join("mzp.toml"), &text);
    let table = Table::Platform(crate::platform::Platform::find("cpm").unwrap());
    let add = vec![Word::Name(names(&["gfx"]).remove(0), None)];
    let refused = w.install_with(&Options { add, table, ..Options::default() });
    assert!(matches!(refused, Err(Error::Unsupported { platform: "cpm", .. })));
    assert_eq!(w.read("mzp.toml"), text);
}

#[test]
fn what_is_removed_needs_no_mirror_for_the_rest() {
    let w = World::of(&[("core", "1.0.0", ""), ("gfx", "1.0.0", "core = \"1\""), ("utils", "1.0.0", "")]);
    w.manifest("gfx = \"1\"\nutils = \"1\"\n\n[platform-dependencies.cpm]\nutils = \"1\"\n\n[features]\nx = [\"gfx/y\"]\n");
    // The feature is only read when it is asked for.
    assert!(w.install().is_err(), "gfx has no feature y");
    w.manifest("gfx = \"1\"\nutils = \"1\"\n\n[platform-dependencies.cpm]\nutils = \"1\"\n");
    w.install().unwrap();
    let remove = |name: &str| Options { remove: names(&[name]), ..Options::default() };
    let Error::NotNamed { suggestion, .. } = w.install_with(&remove("utlis")).unwrap_err() else { panic!() };
    assert_eq!(suggestion.as_deref(), Some("utils"));
    assert!(
        matches!(w.install_with(&remove("core")), Err(Error::NotNamed { .. })),
        "gfx needs it, mzp.toml does not"
    );
    std::fs::rename(w.mirror(), w.0.path().join("gone")).unwrap();
    Mirror::init(&w.mirror(), &InitOptions::default()).unwrap();
    assert_eq!(w.install_with(&remove("utils")).unwrap(), ["Keep core", "Keep gfx", "Remove utils"]);
    assert!(!w.read("mzp.toml").contains("utils") && !w.read("mzp.lock").contains("utils"));
    // What is not whole is not taken for the locked one.
    write(w.root().join("packages/core/mzp.toml"), "");
    w.manifest("gfx = \"^1\"\n");
    assert!(matches!(w.install(), Err(Error::UnknownPackage { .. })));
}

#[test]
fn what_a_feature_needs_is_not_removed() {
    let w = World::of(&[]);
    w.manifest("gfx = \"1\"\nsnd = { version = \"1\", optional = true }\n\n[features]\na = [\"gfx/y\"]\nb = [\"snd\"]\n");
    for (name, feature) in [("gfx", "a"), ("snd", "b")] {
        let options = Options { remove: names(&[name]), ..Options::default() };
        let refused = w.install_with(&options).unwrap_err().to_string();
        assert!(refused.ends_with(&format!("feature `{feature}` of game needs {name}")), "{refused}");
    }
}

#[test]
fn an_update_moves_what_is_named_and_the_rest_only_where_it_must() {
    let w = World::of(&[("core", "1.0.0", ""), ("gfx", "1.0.0", "core = \"1\""), ("utils", "1.0.0", "")]);
    w.manifest("gfx = \"1\"\nutils = \"1\"\n");
    w.install().unwrap();
    for (name, version, needs) in [
        ("core", "1.1.0", ""),
        ("core", "1.2.0", ""),
        ("gfx", "1.1.0", "core = \"^1.1\""),
        ("utils", "1.1.0", ""),
        ("utils", "2.0.0", ""),
    ] {
        w.publish(name, version, needs, "pub fun g() -> void {}\n");
    }
    let update = |list: &[&str]| Options { update: Some(names(list)), ..Options::default() };
    let versions = |options: &Options| {
        w.install_with(options).unwrap();
        let lock = Lock::load(&w.root()).unwrap().unwrap();
        lock.packages.iter().map(|p| format!("{} {}", p.name, p.version)).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(versions(&update(&["utils"])), "core 1.0.0, gfx 1.0.0, utils 1.1.0");
    // gfx moves, though the locked core does not fit its new version.
    assert_eq!(versions(&update(&["gfx"])), "core 1.2.0, gfx 1.1.0, utils 1.1.0");
    w.publish("core", "1.3.0", "", "pub fun h() -> void {}\n");
    assert_eq!(versions(&Options::default()), "core 1.2.0, gfx 1.1.0, utils 1.1.0");
    assert_eq!(versions(&update(&[])), "core 1.3.0, gfx 1.1.0, utils 1.1.0");
    assert!(matches!(w.plan(&update(&["cord"])), Err(Error::NotNamed { file: "mzp.lock", .. })));
}

#[test]
fn what_was_changed_is_restored_and_what_is_not_ours_is_left() {
    let w = World::of(&[("core", "1.0.0", ""), ("own", "1.0.0", "")]);
    w.manifest("core = \"1\"\n");
    w.install().unwrap();
    write(w.root().join("packages/core/src/lib.minz"), "pub fun F() -> void {}\n");
    write(w.root().join("packages/.staging/new-core/torn"), "half");
    assert_eq!(w.install().unwrap(), ["Restore core"]);
    assert_eq!(w.read("packages/core/src/lib.minz"), "pub fun f() -> void {}\n");
    // A mark that a power cut tore.
    write(w.root().join("packages/core/.mzp"), "mzp 1\n1.0.0 ");
    assert_eq!(w.install().unwrap(), ["Restore core"]);
    w.manifest("core = \"1\"\nown = \"1\"\n");
    write(w.root().join("packages/own/mine.txt"), "mine");
    assert!(matches!(w.install(), Err(Error::NotOurs { .. })));
    assert_eq!(w.read("packages/own/mine.txt"), "mine");
}

#[test]
fn a_link_leads_no_install_elsewhere() {
    let w = World::of(&[("core", "1.0.0", "")]);
    w.manifest("core = \"1\"\n");
    let elsewhere = w.0.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, w.root().join("packages")).unwrap();
    assert!(matches!(w.install(), Err(Error::NotOurs { .. })));
    assert_eq!(std::fs::read_dir(&elsewhere).unwrap().count(), 0);
}

#[test]
fn a_frozen_lock_fails_closed() {
    let w = World::of(&[("core", "1.0.0", "")]);
    let frozen = || Options { frozen: true, ..Options::default() };
    w.manifest("core = \"1\"\n");
    assert!(matches!(w.install_with(&frozen()), Err(Error::NoLock { .. })));
    w.install().unwrap();
    w.manifest("core = \"^1.0.0\"\n");
    assert!(matches!(w.install_with(&frozen()), Err(Error::LockStale { .. })));
    // A lock that names another archive is not satisfied by this one.
    w.manifest("core = \"1\"\n");
    w.install().unwrap();
    let lock = w.read("mzp.lock");
    let at = lock.find("sha256 = \"").unwrap() + 10;
    write(w.root().join("mzp.lock"), &format!("{}{}{}", &lock[..at], "0".repeat(64), &lock[at + 64..]));
    assert!(matches!(w.install_with(&frozen()), Err(Error::HashMismatch { .. })));
    assert!(w.root().join("packages/core/src/lib.minz").exists(), "the old tree stays");
}

#[test]
fn the_same_package_packs_to_the_same_bytes_and_only_what_belongs() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    write(d.join("mzp.toml"), "[package]\nname = \"a\"\nversion = \"1.0.0\"\n");
    for f in [
        "src/lib.minz",
        "src/.secret",
        ".env",
        "packages/x/src/lib.minz",
        "build/out",
        "README.md",
        "examples/demo.minz",
        "notes.txt",
    ] {
        write(d.join(f), "x");
    }
    let (bytes, key, record) = crate::publish::pack(d).unwrap();
    assert_eq!(crate::publish::pack(d).unwrap().0, bytes);
    assert_eq!((key.source.as_str(), key.name.as_str()), ("minz", "a"));
    assert_eq!(record.size, bytes.len() as u64);
    let manifest = Manifest::load(d).unwrap().unwrap();
    let files = crate::publish::files(d, &manifest).unwrap();
    let names: Vec<_> = files.iter().map(|f| f.as_str()).collect();
    assert_eq!(names, ["README.md", "examples/demo.minz", "mzp.toml", "src/lib.minz"]);
    std::os::unix::fs::symlink("/etc/passwd", d.join("src/link.minz")).unwrap();
    assert!(crate::publish::pack(d).unwrap_err().to_string().ends_with("is a link or not a regular file"));
}

/// The fixtures pack, and the games' graphs are what their README says.
#[test]
fn the_fixtures_install() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../z80-fixtures");
    let w = World::of(&[]);
    let mirror = Mirror::open(&w.mirror()).unwrap();
    let batch = Batch::begin(&mirror, 0).unwrap();
    for entry in std::fs::read_dir(fixtures.join("packages")).unwrap() {
        let (bytes, key, mut record) = crate::publish::pack(&entry.unwrap().path()).unwrap();
        let mut writer = batch.archive().unwrap();
        std::io::Write::write_all(&mut writer, &bytes).unwrap();
        record.location = writer.finish().unwrap().location;
        let (complete, checked, modified) = (false, 0, 0);
        let record = Record {
            key,
            complete,
            checked,
            etag: String::new(),
            modified,
            tags: vec![],
            versions: vec![record],
        };
        batch.put(&record).unwrap();
    }
    batch.commit(&mut |_| {}).unwrap();
    for (game, expected) in [
        ("hello", "text-console 1.0.0, utils 0.4.0, zx-core 1.1.0"),
        ("snake", "game-engine 0.1.0, zx-core 1.1.0, zx-graphics 1.1.0, zx-sound 0.5.0"),
    ] {
        let registry = Registry::new(vec![w.mirror()], None, Box::new(|_| {}));
        let plan = plan(&fixtures.join("games").join(game), &registry, &Options::default()).unwrap();
        let got: Vec<_> = plan.lock.packages.iter().map(|p| format!("{} {}", p.name, p.version)).collect();
        assert_eq!(got.join(", "), expected);
    }
}
