//! A medium that goes away while mirrors are synced: exFAT by FUSE, whose daemon is killed at one moment after another, so
//! that every file of it is gone at once and what it had not written is lost. DESIGN section 8, promises 3 and 4: a word
//! on why and the right status, the other side as it was or as it should be; what was reported is on the medium when
//! it comes back, and the same command again ends as an undisturbed one does.

#![allow(clippy::disallowed_methods)] // a test

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use mirror::Mirror;
use mirror::mirror::Prefix;
use support::package::described;
use support::process::{self, Run};

struct World {
    base: tempfile::TempDir,
    /// `/dev/loopN`, with the stick's file system.
    device: String,
}

/// A stick that is plugged in; pulled out when dropped.
struct Plugged(Child, PathBuf);

impl Drop for Plugged {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
        let _ = Command::new("umount").arg("-l").arg(&self.1).status();
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = Command::new("losetup").args(["-d", &self.device]).status();
    }
}

fn tool(program: &str, args: &[&str]) -> Option<String> {
    let out = Command::new(program).args(args).output().ok().filter(|out| out.status.success())?;
    Some(String::from_utf8_lossy(&out.stdout).trim().to_owned())
}

impl World {
    fn new() -> Option<Self> {
        if process::can("exfat") != Some(true) {
            return None;
        }
        let base = tempfile::tempdir().expect("a directory");
        for dir in ["work", "home", "pantry", "tmp", "tgz", "stick"] {
            fs::create_dir(base.path().join(dir)).expect("makes directories");
        }
        let image = base.path().join("image");
        fs::File::create(&image).and_then(|file| file.set_len(48 << 20)).expect("an image");
        tool("mkfs.exfat", &[&image.to_string_lossy()])?;
        let device = tool("losetup", &["-f", "--show", &image.to_string_lossy()])?;
        Some(Self { base, device })
    }

    fn at(&self, name: &str) -> PathBuf {
        self.base.path().join(name)
    }

    /// Until it is there to be looked at.
    fn plug(&self) -> Plugged {
        let stick = self.at("stick");
        let daemon = Command::new("mount.exfat-fuse")
            .args(["-d", &self.device])
            .arg(&stick)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the exFAT daemon");
        let plugged = Plugged(daemon, stick.clone());
        let is_mounted = || {
            let mounts = fs::read_to_string("/proc/mounts").expect("mounts");
            mounts.contains(&*stick.to_string_lossy())
        };
        for _ in 0..6000 {
            if is_mounted() {
                return plugged;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("exFAT is not mounted in a minute");
    }

    fn run(&self, args: &[&str]) -> Run {
        let mut argv = vec![process::pantry().into()];
        argv.extend(args.iter().map(Into::into));
        let (env, cwd) = (process::homes(self.base.path()), self.at("work"));
        Run { argv, env, cwd, stdin: Vec::new(), limit: Duration::from_secs(300) }
    }

    fn ok(&self, args: &[&str]) {
        let out = self.run(args).run().expect("starts");
        assert_eq!(out.status, 0, "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    }
}

/// Records and archives, byte for byte, but for where they lie.
fn held(dir: &Path) -> Vec<String> {
    let mirror = Mirror::open(dir).expect("opens");
    let mut lines = Vec::new();
    let each = &mut |view: mirror::record::RecordView| {
        for version in view.to_record()?.versions {
            let mut bytes = Vec::new();
            if version.location.is_present() {
                let mut archive = mirror.read_archive(&view.key().name, &version)?;
                std::io::Read::read_to_end(&mut archive, &mut bytes).expect("is read");
            }
            let hash = mirror::digest::Hash::of(&bytes);
            lines.push(format!("{}@{} {hash} {:?}", view.key().name, version.version, version.sha256));
        }
        Ok(())
    };
    mirror.for_each(Prefix::All, each).expect("walks");
    lines
}

#[test]
fn a_stick_that_is_pulled_out_of_a_sync_costs_what_was_not_reported() {
    let Some(world) = World::new() else {
        return support::say("SKIPPED: a stick that is pulled out of a sync: no exFAT here");
    };
    let catalogue = "a@1.0.0\nb@1.0.0\nc@1.0.0\nd@1.0.0\n";
    let mut all = Vec::new();
    for (n, mut package) in
        described(&[("CATALOGUE".into(), catalogue.into())]).expect("a catalogue").into_iter().enumerate()
    {
        let mut seed = n as u32;
        let noise = std::iter::repeat_with(|| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 24) as u8
        });
        package.files.push(("noise".into(), noise.take(400_000).collect(), false));
        let path = world.at("tgz").join(format!("{}.tgz", package.name));
        fs::write(&path, package.tarball()).expect("writes");
        all.push(path.to_string_lossy().into_owned());
    }
    let (home, stick) = (world.at("pantry/mirror"), world.at("stick/PANTRY"));
    let (home_text, stick_text) = (home.to_string_lossy().into_owned(), stick.to_string_lossy().into_owned());
    world.ok(&["mirror", "add", &all[0], &all[1]]);
    let full = std::env::var_os("PANTRY_TEST_FULL").is_some_and(|v| !v.is_empty());
    let rounds = if full { 40 } else { 8 };
    let (mut gone, mut done) = (0, 0);
    for n in 0..rounds {
        let moment = if full { n * 8 } else { n * (n + 1) * 4 } as u64;
        // A new stick each time, with something of its own.
        let mut plugged = world.plug();
        let _ = fs::remove_dir_all(&stick);
        world.ok(&["mirror", "init", &stick_text]);
        world.ok(&["mirror", "add", "--mirror", &stick_text, &all[2], &all[3]]);
        let before = held(&home);
        let args = [["sync", &home_text, &stick_text], ["sync", &stick_text, "--both"]][n % 2];
        if n == 0 {
            // Before the first look.
            plugged.0.kill().expect("kills");
        }
        let running = world.run(&args).spawn().expect("starts");
        std::thread::sleep(Duration::from_millis(moment));
        let _ = plugged.0.kill();
        let out = running.wait().expect("ends");
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        let place = format!("{args:?}, pulled out after {moment} ms: {said}");
        assert!(!out.timed_out && !said.contains("panicked"), "{place}");
        let now = held(&home);
        drop(plugged);
        let _plugged = world.plug();
        if out.status == 0 {
            done += 1;
        } else {
            gone += 1;
            assert_eq!(out.status, 1, "{place}");
            assert!(said.contains("error: ") && said.contains("hint: plug the medium in again"), "{place}");
        }
        let on_stick = held(&stick);
        if n % 2 == 0 {
            assert_eq!(now, before, "{place}");
        }
        let fits = |mirror: &[String]| mirror.len() == 2 || mirror.len() == 4;
        assert!(fits(&now) && fits(&on_stick), "{place}: {now:#?} {on_stick:#?}");
        assert!(out.status != 0 || on_stick.len() == 4, "{place}: reported, and gone: {on_stick:#?}");
        world.ok(&args);
        assert_eq!(held(&stick).len(), 4, "{place}");
        world.ok(&["mirror", "verify", &stick_text]);
        world.ok(&["mirror", "verify", &home_text]);
        world.ok(&["sync", &stick_text]);
        assert_eq!(held(&stick), held(&home), "{place}");
        // As it was before.
        fs::remove_dir_all(&home).expect("goes");
        world.ok(&["mirror", "add", &all[0], &all[1]]);
    }
    assert!(gone > 0, "a stick that is not there was synced with");
    support::say(&format!("pulled out: {gone} syncs ended with a word, {done} were done before"));
}
