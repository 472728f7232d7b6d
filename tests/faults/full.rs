//! A disk that is full, of bytes or of files: DESIGN section 8, promise 4.
//!
//! Everything a command touches lies on a small disk (tmpfs) that has room for what is there and for a part of what
//! will come, from nothing to enough. Where it is not enough the command says so and changes nothing; once there is
//! room, it gives what it should.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::kill::{Known, dead};
use crate::points::spread;
use crate::scenes::{self, Scene};
use crate::support::{process, say};
use crate::world::{World, copy, difference};
use crate::{Failures, everything};

/// At the place of the live copy; gone with this.
struct Disk(PathBuf);

/// Bytes and files that a disk has room for.
#[derive(Debug, Clone, Copy)]
struct Room {
    bytes: u64,
    files: u64,
}

const PAGE: u64 = 4096;
const PLENTY: Room = Room { bytes: 64 << 20, files: 100_000 };

impl Disk {
    fn mount(world: &World, room: Room) -> Self {
        let at = world.live();
        fs::remove_dir_all(&at).expect("removes the live copy");
        fs::create_dir(&at).expect("makes the mount point");
        mount(&["-t", "tmpfs", "-o", &options(room), "tmpfs", &at.to_string_lossy()]);
        let disk = Self(at);
        for entry in fs::read_dir(world.seed()).expect("the seed").flatten() {
            copy(&entry.path(), &disk.0.join(entry.file_name()));
        }
        disk
    }
    fn resize(&self, room: Room) {
        mount(&["-o", &format!("remount,{}", options(room)), &self.0.to_string_lossy()]);
    }
    fn used(&self) -> Room {
        let s = rustix::fs::statvfs(&self.0).expect("statvfs");
        Room { bytes: (s.f_blocks - s.f_bfree) * s.f_frsize, files: s.f_files - s.f_ffree }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn options(room: Room) -> String {
    format!("size={},nr_inodes={}", room.bytes, room.files)
}

fn mount(args: &[&str]) {
    let out = Command::new("mount").args(args).output().expect("mount");
    assert!(out.status.success(), "mount {args:?}: {}", String::from_utf8_lossy(&out.stderr));
}

fn fill_up(scenes: Vec<Scene>) {
    let mut failures = Failures::default();
    for scene in scenes {
        if process::can("mount") != Some(true) {
            say(&format!("SKIPPED: full disks under {}: no right to mount a small disk", scene.name));
            continue;
        }
        let world = World::new(scene);
        let disk = Disk::mount(&world, PLENTY);
        let (old, before) = (Known::of(&world, "before"), disk.used());
        world.must(world.command());
        let (new, after) = (Known::of(&world, "undisturbed"), disk.used());
        drop(disk);
        let bytes = |n: u64| Room { bytes: before.bytes + n * PAGE, ..PLENTY };
        let files = |n: u64| Room { files: before.files + n, ..PLENTY };
        let pages = after.bytes.saturating_sub(before.bytes) / PAGE;
        let count = after.files.saturating_sub(before.files);
        let mut told = String::new();
        for (what, most, all, room) in [
            ("bytes", pages, after.bytes / PAGE, &bytes as &dyn Fn(u64) -> Room),
            ("files", count, after.files, &files),
        ] {
            // While it works there is more than in the end: the old tree and the new one.
            let sizes: Vec<u64> = (0..=most + most / 2 + all / 3 + 8).collect();
            let sizes = spread(&sizes, if everything() { 48 } else { 5 });
            let mut enough = 0;
            for n in &sizes {
                failures.attempt(|| {
                    let fits = one_size(
                        &world,
                        &format!("{}, room for {n} more {what}", world.name()),
                        room(*n),
                        &old,
                        &new,
                    );
                    enough += usize::from(fits);
                });
            }
            failures.attempt(|| {
                assert!(
                    enough > 0 && enough < sizes.len(),
                    "{}: {enough} of {} sizes are enough",
                    world.name(),
                    sizes.len()
                )
            });
            told.push_str(&format!(" {what} {} sizes, {enough} enough;", sizes.len()));
        }
        say(&format!("faults: full disk: {}:{told}", world.name()));
    }
    failures.none();
}

/// Whether it was enough.
fn one_size(world: &World, place: &str, room: Room, old: &Known, new: &Known) -> bool {
    let disk = Disk::mount(world, room);
    let hit = world.pantry(world.command(), &[]);
    let said = String::from_utf8_lossy(&hit.stderr).into_owned();
    assert!(!hit.timed_out && !said.contains("panicked"), "{place}: {said}");
    let kept = !said.contains("not kept in the home mirror");
    if hit.status == 0 {
        let now = world.look();
        let done = now.project == new.look.project && (now.mirrors == new.look.mirrors || !kept);
        assert!(done, "{place}: done, and not so: {said}\n{}", difference(&new.look, &now));
    } else {
        assert_eq!(hit.status, 1, "{place}: {said}");
        let named = said.contains('/') && said.contains("hint:");
        let reason = said.contains("no space left") || said.contains("not enough space");
        assert!(named && reason, "{place}: no file, no reason or no hint: {said}");
        let now = dead(world, place, "", old, new);
        assert!(
            now.project == old.look.project,
            "{place}: failed, and changed the project: {said}\n{}",
            difference(&old.look, &now)
        );
        let changed = now.mirrors != old.look.mirrors && !world.writes_through();
        assert!(!changed, "{place}: failed, and changed a mirror: {said}");
    }
    disk.resize(PLENTY);
    world.must(world.command());
    let now = world.look();
    let same = if kept { now == new.look } else { now.project == new.look.project };
    assert!(same, "{place}: with room it gives another result:\n{}", difference(&new.look, &now));
    world.verify(place);
    hit.status == 0
}

#[test]
fn a_full_disk_under_a_mirror_changes_nothing() {
    let some = ["mirror add, the first", "sync, both have something", "mirror gc after a sync"];
    let all = scenes::mirror().into_iter().chain(scenes::syncs());
    fill_up(all.filter(|s| some.contains(&s.name)).collect());
    fill_up(scenes::online());
}

#[test]
fn a_full_disk_under_an_install_changes_nothing() {
    fill_up(scenes::first_installs());
}

#[test]
fn a_full_disk_under_a_changing_install_changes_nothing() {
    let changes = ["upgrade", "hoisted to isolated", "isolated to store"];
    fill_up(scenes::changing_installs().into_iter().filter(|s| changes.contains(&s.name)).collect());
}
