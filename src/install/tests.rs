//! Store, build and apply together, on real directories.

mod properties;

use super::apply::{self, Changes};
use super::build::{Builder, Ladder};
use super::listing::Stored;
use super::state::{Draft, Fingerprint, Input, State};
use super::store::{Key, Listed, Store, Wanted};
use super::unit::{Linker, Op, Unit};
use mirror::archive::Workspace;
use mirror::digest::{Algorithm, Hasher, Integrity};
use mirror::name::RelPath;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// A package archive with these files, `package.json` first.
fn archive(name: &str, version: &str, files: &[(&str, &str)]) -> (Vec<u8>, Integrity) {
    let gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut tar = tar::Builder::new(gz);
    let manifest = format!(r#"{{"name":"{name}","version":"{version}"}}"#);
    for (path, text) in std::iter::once(&("package.json", manifest.as_str())).chain(files) {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, format!("package/{path}"), text.as_bytes()).unwrap();
    }
    let bytes = tar.into_inner().unwrap().finish().unwrap();
    let mut hasher = Hasher::new(Algorithm::Sha512);
    hasher.update(&bytes);
    (bytes, hasher.finish())
}

struct World {
    _dir: tempfile::TempDir,
    project: PathBuf,
    store: Store,
    listings: HashMap<Key, Stored>,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let project = dir.path().join("project");
        std::fs::create_dir(&project).unwrap();
        let store = Store::open(&dir.path().join("home/store"), &mut || {}).unwrap();
        Self { project, store, listings: HashMap::new(), _dir: dir }
    }

    fn add(&mut self, name: &str, version: &str, files: &[(&str, &str)], bins: &[&str]) -> Key {
        let (bytes, integrity) = archive(name, version, files);
        let bins: Vec<RelPath> = bins.iter().map(|b| RelPath::parse(b).unwrap()).collect();
        let wanted = Wanted { integrity: Some(&integrity), name, version, bins: &bins };
        let (key, stored, _) =
            self.store.add(&mut bytes.as_slice(), &wanted, &mut Workspace::new(), Listed::Now).unwrap();
        self.listings.insert(key, stored);
        key
    }

    fn draft(&self, units: &[Unit]) -> Draft {
        Draft::new(
            self.store.boot(),
            Fingerprint::of(Linker::Hoisted, "test"),
            units.len(),
            units,
            String::new(),
        )
    }

    fn apply(&self, units: &[Unit]) -> Changes {
        let ladder = Ladder::for_volume(rustix::fd::AsFd::as_fd(self.store.fd()));
        let builder = Builder { store: &self.store, listings: &self.listings, ladder: &ladder, threads: 2 };
        apply::recover(&self.project).unwrap();
        let draft = self.draft(units);
        let settle = apply::Settle { save: &mut || Ok(Vec::new()), draft: &draft };
        match State::read(&self.project) {
            Some(before) => apply::by_units(&self.project, &builder, units, &before, &[], settle).unwrap(),
            None => apply::whole(&self.project, &builder, units, settle).unwrap(),
        }
    }

    fn tree(&self) -> Vec<String> {
        let mut out = Vec::new();
        walk(&self.project.join("node_modules"), "", &mut out);
        out
    }
}

fn walk(dir: &Path, prefix: &str, out: &mut Vec<String>) {
    let mut entries: Vec<_> = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap()).collect();
    entries.sort_by_key(|e| e.file_name());
    for entry in entries {
        let path = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        let kind = entry.file_type().unwrap();
        if path == ".pantry" {
            continue;
        }
        if kind.is_symlink() {
            out.push(format!("{path} -> {}", std::fs::read_link(entry.path()).unwrap().display()));
        } else if kind.is_dir() {
            walk(&entry.path(), &format!("{path}/"), out);
        } else {
            out.push(path);
        }
    }
}

fn package(path: &str, key: Key) -> Unit {
    Unit::new(path.into(), vec![Op::Package { at: String::new(), key, own: false }])
}

#[test]
fn a_tree_is_made_changed_and_left_alone() {
    let mut world = World::new();
    let a1 = world.add("a", "1.0.0", &[("lib/x.js", "1"), ("cli.js", "#!")], &["cli.js"]);
    let a2 = world.add("a", "2.0.0", &[("lib/y.js", "2")], &[]);
    let b = world.add("@s/b", "1.0.0", &[("i.js", "b")], &[]);
    let bin = Unit::new(
        ".bin".into(),
        vec![Op::Directory { at: String::new() }, Op::Link { at: "a".into(), target: "../a/cli.js".into() }],
    );
    let first = [bin.clone(), package("@s/b", b), package("a", a1)];
    assert_eq!(world.apply(&first), Changes { put: 3, dropped: 0, kept: 0 });
    let made = [
        ".bin/a -> ../a/cli.js",
        "@s/b/i.js",
        "@s/b/package.json",
        "a/cli.js",
        "a/lib/x.js",
        "a/package.json",
    ];
    assert_eq!(world.tree(), made);
    let mode = std::fs::metadata(world.project.join("node_modules/a/cli.js")).unwrap().permissions();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777, 0o755);

    assert_eq!(world.apply(&first), Changes { put: 0, dropped: 0, kept: 3 });
    assert_eq!(world.apply(&[package("a", a2)]), Changes { put: 1, dropped: 2, kept: 0 });
    assert_eq!(world.tree(), ["a/lib/y.js", "a/package.json"]);
    // Somebody removed it by hand: it comes back.
    std::fs::remove_dir_all(world.project.join("node_modules/a")).unwrap();
    assert_eq!(world.apply(&[package("a", a2)]), Changes { put: 1, dropped: 0, kept: 0 });
    let books = std::fs::read_dir(world.project.join("node_modules/.pantry")).unwrap().count();
    assert_eq!(books, 1, "only the state remains");
}

#[test]
fn a_foreign_tree_is_replaced_and_tool_caches_stay() {
    let mut world = World::new();
    let a = world.add("a", "1.0.0", &[], &[]);
    let modules = world.project.join("node_modules");
    std::fs::create_dir_all(modules.join(".cache/tool")).unwrap();
    std::fs::create_dir_all(modules.join("old")).unwrap();
    std::fs::create_dir_all(modules.join(".pnpm")).unwrap();
    world.apply(&[package("a", a)]);
    assert!(
        modules.join(".cache/tool").is_dir()
            && !modules.join("old").exists()
            && !modules.join(".pnpm").exists()
    );
    assert!(!world.project.join(".node_modules-old").exists());
}

#[test]
fn a_journal_left_by_a_kill_is_carried_out() {
    let mut world = World::new();
    let a1 = world.add("a", "1.0.0", &[], &[]);
    let a2 = world.add("a", "2.0.0", &[("new.js", "")], &[]);
    world.apply(&[package("a", a1), package("gone", a1)]);
    // As after a kill between the journal and the first rename, and again after it.
    for arrived in [false, true] {
        let own = world.project.join("node_modules/.pantry");
        std::fs::create_dir_all(own.join("stage")).unwrap();
        if !arrived {
            let from = world.store.dir().join(a2.as_str());
            std::process::Command::new("cp").arg("-r").arg(from).arg(own.join("stage/0")).status().unwrap();
        }
        std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(own.join("journal"))
            .and_then(|mut f| std::io::Write::write_all(&mut f, b"put 0 a\ndrop 1 gone\nend\n"))
            .unwrap();
        apply::recover(&world.project).unwrap();
        assert_eq!(world.tree(), ["a/new.js", "a/package.json"]);
        assert!(!own.join("journal").exists() && !own.join("stage").exists() && !own.join("trash").exists());
    }
}

/// Killed while the old tree was being emptied, or before its caches were brought over.
#[test]
fn what_stands_aside_gives_back_what_is_kept_and_is_no_finished_tree() {
    let mut world = World::new();
    let a = world.add("a", "1.0.0", &[], &[]);
    for aside in [apply::OLD, ".node_modules-new"] {
        let aside = world.project.join(aside);
        world.apply(&[package("a", a)]);
        let half = world.project.join("node_modules");
        std::fs::create_dir_all(half.join(".cache")).unwrap();
        std::fs::rename(&half, &aside).unwrap();
        std::fs::remove_dir_all(aside.join("a")).unwrap();
        let state = std::fs::read(aside.join(".pantry/state")).unwrap();
        world.apply(&[package("a", a)]);
        assert_eq!(world.tree(), ["a/package.json"], "{}", aside.display());
        // With the new tree in place.
        std::fs::create_dir_all(aside.join(".vite")).unwrap();
        std::fs::create_dir_all(aside.join(".pantry")).unwrap();
        mirror::file::write_scratch(&aside.join(".pantry/state"), &state).unwrap();
        assert!(!apply::is_clean(&world.project));
        apply::recover(&world.project).unwrap();
        assert!(apply::is_clean(&world.project) && world.project.join("node_modules/.vite").is_dir());
        std::fs::remove_dir_all(world.project.join("node_modules")).unwrap();
    }
}

#[test]
fn a_journal_never_reaches_outside() {
    let mut world = World::new();
    let a = world.add("a", "1.0.0", &[], &[]);
    world.apply(&[package("a", a)]);
    let own = world.project.join("node_modules/.pantry");
    std::fs::create_dir_all(own.join("stage/0")).unwrap();
    std::fs::create_dir(world.project.join("mine")).unwrap();
    std::os::unix::fs::symlink("../mine", world.project.join("node_modules/@l")).unwrap();
    let text = b"put 0 ../mine\ndrop 1 ../mine\nput 0 /etc/x\ndrop 2 @l/x\nend\n";
    std::fs::create_dir(world.project.join("mine/x")).unwrap();
    std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(own.join("journal"))
        .and_then(|mut f| std::io::Write::write_all(&mut f, text))
        .unwrap();
    apply::recover(&world.project).unwrap();
    assert!(world.project.join("mine/x").is_dir());
}

#[test]
fn the_state_knows_when_nothing_changed() {
    let mut world = World::new();
    let a = world.add("a", "1.0.0", &[], &[]);
    let manifest = world.project.join("package.json");
    mirror::file::write_scratch(&manifest, b"{}").unwrap();
    let units = [package("a", a), package("@s/b", a)];
    let ladder = Ladder::copies();
    let builder = Builder { store: &world.store, listings: &world.listings, ladder: &ladder, threads: 1 };
    let options = Fingerprint::of(Linker::Hoisted, "x");
    let inputs = [Input::look(&world.project, Path::new("package.json")).unwrap()];
    let draft = Draft::new(world.store.boot(), options, 2, &units, "a@1.0.0".into());
    let settle = apply::Settle { save: &mut || Ok(inputs.to_vec()), draft: &draft };
    apply::whole(&world.project, &builder, &units, settle).unwrap();
    let boot = world.store.boot();
    let current =
        |options| State::read(&world.project).is_some_and(|s| s.is_current(&world.project, options, boot));
    assert!(current(options));
    assert!(!current(Fingerprint::of(Linker::Hoisted, "y")));
    std::fs::remove_dir_all(world.project.join("node_modules/@s/b")).unwrap();
    assert!(!current(options));
    apply::recover(&world.project).unwrap();
    let torn =
        std::fs::read_to_string(world.project.join(super::state::PATH)).unwrap().replace("end .\n", "");
    mirror::file::replace(&world.project.join(super::state::PATH), torn.as_bytes()).unwrap();
    assert!(State::read(&world.project).is_none());
}

#[test]
fn a_changed_store_file_is_found_and_an_unsynced_entry_of_an_earlier_start_is_checked() {
    let mut world = World::new();
    let a = world.add("a", "1.0.0", &[("x.js", "good")], &[]);
    let listing = world.store.listing(&a).unwrap().unwrap();
    assert!(world.store.verify(&a, &listing).unwrap());
    // As after a restart: the boot id in the listing is another one.
    let file = world.store.dir().join(format!("{}.l", a.as_str()));
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[9] ^= 1;
    let crc = crc32fast::hash(&bytes[8..]);
    bytes[4..8].copy_from_slice(&crc.to_le_bytes());
    mirror::file::replace(&file, &bytes).unwrap();
    assert!(world.store.trusted(&a).unwrap().is_some());
    assert_eq!(std::fs::read(&file).unwrap()[8], b'D');
    // And one whose file did not survive the power cut.
    mirror::file::replace(&file, &bytes).unwrap();
    mirror::file::replace(&world.store.dir().join(a.as_str()).join("x.js"), b"").unwrap();
    assert!(world.store.trusted(&a).unwrap().is_none());
    assert!(world.store.listing(&a).unwrap().is_none());
}

/// What a killed run left unlisted: taken when it is what the archive says, made anew when it is not.
#[test]
fn an_entry_is_here_once_it_is_listed() {
    let world = World::new();
    let (bytes, integrity) = archive("a", "1.0.0", &[("x.js", "good")]);
    let wanted = Wanted { integrity: Some(&integrity), name: "a", version: "1.0.0", bins: &[] };
    let add =
        |listed| world.store.add(&mut bytes.as_slice(), &wanted, &mut Workspace::new(), listed).unwrap().0;
    let key = add(Listed::Later);
    let file = world.store.dir().join(key.as_str()).join("x.js");
    assert!(file.exists() && world.store.trusted(&key).unwrap().is_none());
    mirror::file::replace(&file, b"torn").unwrap();
    add(Listed::Later);
    assert_eq!(std::fs::read(&file).unwrap(), b"good");
    world.store.list(&key);
    assert!(world.store.trusted(&key).unwrap().is_some());
    std::fs::remove_file(world.store.dir().join(format!("{}.l", key.as_str()))).unwrap();
    let before = std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(&file).unwrap());
    add(Listed::Now);
    assert_eq!(std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(&file).unwrap()), before);
    assert!(world.store.trusted(&key).unwrap().is_some());
}

/// What a power cut leaves of an entry whose listing did not survive it (or of one that was put there
/// while a new one was on its way) is not taken for what the next run extracts.
#[test]
fn a_torn_entry_without_a_whole_listing_is_replaced() {
    for listing in [None, Some(&b""[..]), Some(&b"PLS2 torn"[..])] {
        let mut world = World::new();
        let a = world.add("a", "1.0.0", &[("x.js", "good"), ("y.js", "too")], &[]);
        let (entry, list) =
            (world.store.dir().join(a.as_str()), world.store.dir().join(format!("{}.l", a.as_str())));
        mirror::file::replace(&entry.join("x.js"), b"").unwrap();
        std::fs::remove_file(entry.join("y.js")).unwrap();
        std::fs::remove_file(&list).unwrap();
        if let Some(bytes) = listing {
            mirror::file::write_scratch(&list, bytes).unwrap();
        }
        assert!(world.store.trusted(&a).unwrap().is_none());
        world.add("a", "1.0.0", &[("x.js", "good"), ("y.js", "too")], &[]);
        let stored = world.store.trusted(&a).unwrap().unwrap();
        assert!(world.store.verify(&a, &stored).unwrap(), "{listing:?}");
        // A whole one stays what it is, the very files.
        let inode = |p: &Path| std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(p).unwrap());
        let before = inode(&entry.join("x.js"));
        world.add("a", "1.0.0", &[("x.js", "good"), ("y.js", "too")], &[]);
        assert_eq!(inode(&entry.join("x.js")), before);
    }
}

#[test]
fn a_mode_that_a_power_cut_lost_is_mended() {
    use std::os::unix::fs::PermissionsExt;
    let mut world = World::new();
    let a = world.add("a", "1.0.0", &[("cli.js", "x")], &["cli.js"]);
    let file = world.store.dir().join(a.as_str()).join("cli.js");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let list = world.store.dir().join(format!("{}.l", a.as_str()));
    let mut bytes = std::fs::read(&list).unwrap();
    bytes[9] ^= 1;
    let crc = crc32fast::hash(&bytes[8..]);
    bytes[4..8].copy_from_slice(&crc.to_le_bytes());
    mirror::file::replace(&list, &bytes).unwrap();
    assert!(world.store.trusted(&a).unwrap().is_some());
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o755);
}

#[test]
fn a_refused_archive_leaves_nothing() {
    let world = World::new();
    let (bytes, integrity) = archive("a", "1.0.0", &[("x.js", "1")]);
    let mut wrong = bytes.clone();
    let last = wrong.len() - 12;
    wrong[last] ^= 1;
    for (bytes, name) in [(&wrong, "a"), (&bytes, "other")] {
        let wanted = Wanted { integrity: Some(&integrity), name, version: "1.0.0", bins: &[] };
        world.store.add(&mut bytes.as_slice(), &wanted, &mut Workspace::new(), Listed::Now).err().unwrap();
        assert!(world.store.listing(&Key::of(&integrity)).unwrap().is_none());
    }
    let left: Vec<_> =
        std::fs::read_dir(world.store.dir()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["tmp"]);
    let private = std::fs::read_dir(world.store.dir().join("tmp")).unwrap().next().unwrap().unwrap().path();
    assert_eq!(std::fs::read_dir(private).unwrap().count(), 0);
}

/// Time and memory are those of the graph, whichever way round a chain stands in it.
#[test]
fn what_cannot_run_here_takes_its_dependants_along_however_many() {
    use crate::install::platform::Platform;
    use crate::install::select::{Groups, select};
    use crate::resolve::graph::EdgeKind::Normal;
    const N: usize = 100_000;
    let chain = |i: usize| (i, if i + 1 < N { vec![(i + 1, i + 1, Normal)] } else { Vec::new() });
    let mut graph = super::hoist::tests::graph(&(0..N).map(chain).collect::<Vec<_>>(), &[(0, 0)]);
    graph.packages[N - 1].os.push("plan9".into());
    graph.importers[0].dependencies[0].group = crate::resolve::graph::Group::Optional;
    let selection =
        select(&graph, Groups { dev: true, optional: true }, &Platform::current(), &[], &[], None);
    assert!(selection.included.iter().all(|on| !on) && selection.unfit.is_empty());
    assert_eq!(selection.skipped.len(), 1);
}
