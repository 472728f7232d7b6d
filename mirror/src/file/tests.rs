use super::*;

#[test]
fn replaces_and_keeps_the_mode() {
    let dir = tempfile::tempdir().unwrap();
    let p = dir.path().join("x.json");
    replace(&p, b"one").unwrap();
    std::fs::set_permissions(&p, std::fs::Permissions::from_mode(0o600)).unwrap();
    replace(&p, b"two").unwrap();
    assert_eq!(read(&p, 10).unwrap(), b"two");
    assert_eq!(std::fs::metadata(&p).unwrap().permissions().mode() & 0o777, 0o600);
    replace_scratch(&p, b"three").unwrap();
    assert_eq!(read(&p, 10).unwrap(), b"three");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    assert!(matches!(read(&p, 4), Err(Error::TooLarge { found: 5, .. })));
}

#[test]
fn what_a_killed_writer_left_goes_with_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let at = |n: &str| dir.path().join(n);
    let there = || std::fs::read_dir(dir.path()).unwrap().count();
    for name in
        [".x.0123456789abcdef", ".x.0123456789abcde", ".x.0123456789abcdeg", ".y.0123456789abcdef", ".x.note"]
    {
        write_scratch(&at(name), b"half").unwrap();
    }
    // Somebody else is writing just now.
    let (_held, live) = temporary(&at("x"), 0o644).unwrap();
    assert_eq!(there(), 5);
    replace(&at("x"), b"one").unwrap();
    assert!(live.exists() && !at(".x.0123456789abcdef").exists());
    assert_eq!(there(), 6);
    replace_scratch(&at("y"), b"two").unwrap();
    assert_eq!(there(), 6);
    assert_eq!(std::fs::read(at("x")).unwrap(), b"one");
}

/// Somebody who cleans took it for a dead process's, between its making and its locking.
#[test]
fn a_temporary_file_that_another_has_is_not_ours() {
    let dir = tempfile::tempdir().unwrap();
    let temp = dir.path().join(".x.0123456789abcdef");
    let file = create_new(&temp).unwrap();
    let cleaner = open_regular(&temp).unwrap();
    assert!(attempt(&cleaner, Mode::Exclusive, &temp).unwrap());
    assert!(!is_ours(&file, &temp));
    drop(cleaner);
    assert!(is_ours(&file, &temp));
    std::fs::remove_file(&temp).unwrap();
    assert!(!is_ours(&file, &temp));
    // Where nothing can be locked nobody cleans.
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let unlockable = openat(CWD, dir.path(), flags, Permissions::empty()).unwrap();
    assert!(is_ours(&File::from(unlockable), &temp));
}

#[test]
fn a_directory_is_made_though_others_take_it_away() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("one/two");
    std::thread::scope(|scope| {
        let making = scope.spawn(|| (0..5_000).for_each(|_| make_dirs(&path).unwrap()));
        while !making.is_finished() {
            let _ = std::fs::remove_dir(&path);
        }
    });
    make_dirs(&path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o022, 0);
    for (name, to) in [("dangling", "nowhere"), ("led", "one/two")] {
        std::os::unix::fs::symlink(to, dir.path().join(name)).unwrap();
    }
    make_dirs(&dir.path().join("led/three")).unwrap();
    write_scratch(&dir.path().join("file"), b"").unwrap();
    for name in ["dangling", "file", "file/below"] {
        let said = make_dirs(&dir.path().join(name)).unwrap_err().to_string();
        assert!(!said.contains("again and again"), "{said}");
    }
}

#[test]
fn links_and_pipes_are_not_files() {
    let dir = tempfile::tempdir().unwrap();
    let at = |n: &str| dir.path().join(n);
    replace(&at("real"), b"x").unwrap();
    std::os::unix::fs::symlink(at("real"), at("link")).unwrap();
    rustix::fs::mknodat(CWD, at("pipe"), rustix::fs::FileType::Fifo, Permissions::from_raw_mode(0o600), 0)
        .unwrap();
    std::fs::create_dir(at("dir")).unwrap();
    std::os::unix::fs::symlink(at("dir"), at("dirlink")).unwrap();
    replace(&at("dir").join("f"), b"x").unwrap();
    for n in ["link", "pipe", "dir"] {
        assert!(matches!(open_regular(&at(n)), Err(Error::NotRegular { .. })), "{n}");
    }
    assert!(matches!(replace(&at("link"), b"y"), Err(Error::NotRegular { .. })));
    assert!(open_below(dir.path(), &["dir"], "f").is_ok());
    assert!(matches!(open_below(dir.path(), &["dirlink"], "f"), Err(Error::NotRegular { .. })));
    for n in ["real", "link", "pipe", "dirlink"] {
        assert!(open_directory(CWD, &at(n)).is_err(), "{n}");
    }
    let fd = open_directory(CWD, &at("dir")).unwrap();
    assert!(rustix::io::fcntl_getfd(&fd).unwrap().contains(rustix::io::FdFlags::CLOEXEC));
    // Nor does a pipe where a folder should be make anybody wait.
    for (folders, name) in [(&["pipe"][..], "f"), (&[], "pipe"), (&[], "link"), (&[], "dir")] {
        assert!(matches!(open_below(dir.path(), folders, name), Err(Error::NotRegular { .. })), "{name}");
    }
    assert!(matches!(open_below(&at("pipe"), &[], "f"), Err(Error::NotRegular { .. })));
    std::os::unix::fs::symlink(at("none"), at("dangling")).unwrap();
    for n in ["link", "dangling", "pipe", "dir"] {
        assert!(open_or_create(&at(n)).is_err(), "{n}");
    }
    assert!(!at("none").exists());
    assert_eq!(std::fs::read(at("real")).unwrap(), b"x");
}

#[test]
fn a_taken_name_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (dir.path().join("a"), dir.path().join("b"));
    replace(&a, b"a").unwrap();
    replace(&b, b"b").unwrap();
    assert!(!rename_new(&a, &b).unwrap());
    assert_eq!(std::fs::read(&b).unwrap(), b"b");
    assert!(rename_new(&a, &dir.path().join("c")).unwrap());
}

#[test]
fn errors_name_the_file_and_are_not_taken_for_something_else() {
    let dir = tempfile::tempdir().unwrap();
    let at = |n: &str| dir.path().join(n);
    write_scratch(&at("file"), b"x").unwrap();
    // A folder is read as one.
    assert!(read_at(&File::open(dir.path()).unwrap(), &mut [0; 4], 0).is_err());
    let mut two = [0; 2];
    assert_eq!(read_at(&File::open(at("file")).unwrap(), &mut two, 0).unwrap(), 1);
    assert!(make_dir(&at("new")).unwrap() && !make_dir(&at("new")).unwrap());
    std::os::unix::fs::symlink("new", at("link")).unwrap();
    for n in ["file", "link"] {
        assert!(matches!(make_dir(&at(n)), Err(Error::NotRegular { .. })), "{n}");
    }
    let absent = at("none/x");
    assert!(matches!(make_dir(&absent), Err(Error::Io { action: "create", .. })));
    let action = |r: Result<()>| match r {
        Err(Error::Io { action, path, .. }) => (action, path),
        other => panic!("{other:?}"),
    };
    assert_eq!(action(replace(&absent, b"x")).0, "create");
    assert_eq!(action(sync_dir(&absent)), ("open", absent.clone()));
    assert_eq!(action(settle(&absent)), ("open", absent.clone()));
    assert_eq!(action(sync_files(dir.path(), dir.path(), std::slice::from_ref(&absent))), ("open", absent));
    assert!(rename_new(&at("absent"), &at("to")).is_err());
}

/// Some file systems cannot sync a directory: `/proc` is one.
#[test]
#[cfg(target_os = "linux")]
fn a_directory_that_cannot_be_synced_needs_no_sync() {
    assert!(File::open("/proc/self").unwrap().sync_all().is_err());
    sync_dir(Path::new("/proc/self")).unwrap();
}

#[test]
fn a_bare_name_lies_in_the_current_folder() {
    assert_eq!(parent(Path::new("x")), Path::new("."));
    assert_eq!(parent(Path::new("/")), Path::new("."));
    assert_eq!(parent(Path::new("a/b/x")), Path::new("a/b"));
}

#[test]
fn the_owner_may_execute_it() {
    let dir = tempfile::tempdir().unwrap();
    let p = dir.path().join("x");
    write_scratch(&p, b"x").unwrap();
    for (mode, executable) in [(0o755, true), (0o500, true), (0o644, false), (0o611, false)] {
        std::fs::set_permissions(&p, std::fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(is_executable(&std::fs::metadata(&p).unwrap()), executable, "{mode:o}");
    }
}

/// Who cleans up while others write takes nobody's file away.
#[test]
fn a_file_is_replaced_though_others_clean_up() {
    let dir = tempfile::tempdir().unwrap();
    let p = dir.path().join("x");
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| (0..100).for_each(|_| replace_scratch(&p, b"whole").unwrap()));
        while !writing.is_finished() {
            clean_temporaries(&p);
        }
    });
    assert_eq!(read(&p, 10).unwrap(), b"whole");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn what_is_not_there_is_removed_already() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    write_scratch(&path, b"x").unwrap();
    remove(&path).unwrap();
    assert!(!path.exists());
    remove(&path).unwrap();
    assert!(matches!(remove(dir.path()), Err(Error::Io { action: "remove", .. })));
}
