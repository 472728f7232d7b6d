use super::*;

#[test]
fn excludes_shares_and_names_the_holder() {
    let dir = tempfile::tempdir().unwrap();
    let p = dir.path().join("LOCK");
    let first = Lock::acquire(&p, Mode::Exclusive, &mut |_| unreachable!()).unwrap();
    assert!(Lock::attempt(&p, Mode::Exclusive).unwrap().is_none());
    assert!(Lock::attempt(&p, Mode::Shared).unwrap().is_none());
    let (tx, rx) = std::sync::mpsc::channel();
    let q = p.clone();
    let waiter = std::thread::spawn(move || {
        Lock::acquire(&q, Mode::Exclusive, &mut |who| tx.send(who.to_string()).unwrap()).unwrap();
    });
    let who = rx.recv().unwrap();
    assert!(who.starts_with(&format!("process {} on ", std::process::id())), "{who}");
    drop(first);
    waiter.join().unwrap();
    let a = Lock::attempt(&p, Mode::Shared).unwrap().unwrap();
    let b = Lock::attempt(&p, Mode::Shared).unwrap().unwrap();
    assert!(Lock::attempt(&p, Mode::Exclusive).unwrap().is_none());
    drop((a, b));
    assert!(Lock::attempt(&p, Mode::Exclusive).unwrap().is_some());
}

/// Whoever waited for a directory that went away has the lock on the one that came in its place:
/// a lock on the old one would keep nobody out.
#[test]
fn a_directory_that_was_replaced_meanwhile_is_locked_anew() {
    let dir = tempfile::tempdir().unwrap();
    let (store, aside) = (dir.path().join("store"), dir.path().join("aside"));
    std::fs::create_dir(&store).unwrap();
    for mode in [Mode::Exclusive, Mode::Shared] {
        let first = DirLock::acquire(&store, &mut || {}).unwrap();
        let (tx, rx) = std::sync::mpsc::channel();
        let path = store.clone();
        let waiter =
            std::thread::spawn(move || DirLock::held(&path, mode, &mut || tx.send(()).unwrap()).unwrap());
        rx.recv().unwrap();
        std::fs::rename(&store, &aside).unwrap();
        std::fs::create_dir(&store).unwrap();
        drop(first);
        let second = waiter.join().unwrap();
        let now = File::open(&store).unwrap();
        assert!(!attempt(&now, Mode::Exclusive, &store).unwrap());
        drop(second);
        assert!(attempt(&now, Mode::Exclusive, &store).unwrap());
        std::fs::remove_dir(&aside).unwrap();
    }
}

#[test]
fn sharing_neither_makes_nor_writes_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let p = dir.path().join("PIN");
    assert!(share(&p, &mut |_| {}).unwrap().is_none() && !p.exists());
    drop(Lock::attempt(&p, Mode::Unsigned).unwrap());
    let (one, two) = (share(&p, &mut |_| {}).unwrap(), share(&p, &mut |_| {}).unwrap());
    assert!(one.is_some() && two.is_some());
    assert!(Lock::attempt(&p, Mode::Unsigned).unwrap().is_none());
    drop((one, two));
    assert!(Lock::attempt(&p, Mode::Unsigned).unwrap().is_some());
    assert_eq!(std::fs::read(&p).unwrap(), b"");
}

#[test]
fn a_lock_file_never_shrinks_and_a_guard_stays_empty() {
    let dir = tempfile::tempdir().unwrap();
    let len = |p: &Path| std::fs::metadata(p).unwrap().len();
    let guard = dir.path().join("GUARD");
    drop(Lock::attempt(&guard, Mode::Exclusive).unwrap().unwrap());
    assert_eq!(len(&guard), 0);
    let p = dir.path().join("LOCK");
    for before in [0, 49, 160, 500] {
        file::replace_scratch(&p, &vec![b'x'; before]).unwrap();
        drop(Lock::acquire(&p, Mode::Exclusive, &mut |_| {}).unwrap());
        assert_eq!(len(&p), (before as u64).max(SIGNATURE), "{before}");
    }
}

/// As a commit's guard, which goes with its folder: whoever waited has the lock on the file that is there now.
#[test]
fn a_file_that_was_removed_meanwhile_is_made_and_locked_anew() {
    let dir = tempfile::tempdir().unwrap();
    let p = dir.path().join("LOCK");
    for replaced in [false, true] {
        let first = Lock::acquire(&p, Mode::Exclusive, &mut |_| {}).unwrap();
        assert_eq!(first.path(), p);
        let (tx, rx) = std::sync::mpsc::channel();
        let path = p.clone();
        let waiter = std::thread::spawn(move || {
            Lock::acquire(&path, Mode::Exclusive, &mut |_| tx.send(()).unwrap()).unwrap()
        });
        rx.recv().unwrap();
        std::fs::remove_file(&p).unwrap();
        if replaced {
            file::write_scratch(&p, b"").unwrap();
        }
        drop(first);
        let second = waiter.join().unwrap();
        assert!(p.exists() && Lock::attempt(&p, Mode::Shared).unwrap().is_none());
        drop(second);
    }
}

#[test]
fn only_who_holds_it_alone_and_says_so_is_written_down() {
    let dir = tempfile::tempdir().unwrap();
    let text = |mode| {
        let p = dir.path().join(format!("{mode:?}"));
        drop(Lock::acquire(&p, mode, &mut |_| {}).unwrap());
        std::fs::read_to_string(p).unwrap()
    };
    assert!(text(Mode::Exclusive).starts_with("process "));
    assert_eq!((text(Mode::Shared), text(Mode::Unsigned)), (String::new(), String::new()));
}

/// That a lock cannot be had is not that somebody has it: nobody may wait for that.
#[test]
fn what_cannot_be_locked_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let flags = rustix::fs::OFlags::PATH | rustix::fs::OFlags::CLOEXEC;
    let fd = file::openat(rustix::fs::CWD, dir.path(), flags, rustix::fs::Mode::empty()).unwrap();
    let unlockable = File::from(fd);
    for mode in [Mode::Shared, Mode::Exclusive] {
        assert!(matches!(attempt(&unlockable, mode, dir.path()), Err(Error::Io { action: "lock", .. })));
        assert!(matches!(wait(&unlockable, mode, dir.path()), Err(Error::Io { action: "lock", .. })));
    }
}

#[test]
fn a_private_folder_is_new_and_those_of_the_dead_go() {
    let dir = tempfile::tempdir().unwrap();
    let parent = dir.path().join("runs");
    let (one, held) = private_dir(&parent).unwrap();
    let (two, held_too) = private_dir(&parent).unwrap();
    assert!(one != two && one.is_dir() && two.is_dir());
    file::write_scratch(&one.join("half"), b"x").unwrap();
    drop(held);
    let (three, _third) = private_dir(&parent).unwrap();
    assert_eq!(std::fs::read_dir(&parent).unwrap().count(), 2);
    assert!(two.is_dir() && std::fs::read_dir(three).unwrap().next().is_none());
    drop(held_too);
    // A folder whose name leaves no room for another's.
    let mut long = dir.path().to_path_buf();
    while long.as_os_str().len() < 4090 {
        let left = 4093 - long.as_os_str().len();
        long.push("d".repeat(left.min(200)));
        std::fs::create_dir(&long).unwrap();
    }
    assert!(matches!(private_dir(&long), Err(Error::Io { action: "create", .. })));
}

#[test]
fn the_last_one_takes_the_folder_of_private_folders_away() {
    let dir = tempfile::tempdir().unwrap();
    let parent = dir.path().join("runs");
    remove_private(&parent);
    let (one, held) = private_dir(&parent).unwrap();
    remove_private(&parent);
    assert!(one.is_dir(), "somebody has it");
    drop(held);
    // Who is about to make one there keeps it as well.
    let making = DirLock::shared(&parent, &mut || {}).unwrap();
    remove_private(&parent);
    assert!(one.is_dir());
    drop(making);
    remove_private(&parent);
    assert!(!parent.exists());
}

/// Its owner took it away when it was found already, and another one has its name.
#[test]
fn a_private_folder_is_not_taken_for_the_one_before() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("1-0");
    std::fs::create_dir(&path).unwrap();
    let old = File::open(&path).unwrap();
    assert!(is_dead(&old, &path));
    std::fs::remove_dir(&path).unwrap();
    assert!(!is_dead(&old, &path));
    std::fs::create_dir(&path).unwrap();
    assert!(!is_dead(&old, &path));
    let held = DirLock::acquire(&path, &mut || {}).unwrap();
    assert!(!is_dead(&File::open(&path).unwrap(), &path));
    drop(held);
    assert!(is_dead(&File::open(&path).unwrap(), &path));
}

/// Taken away between the making and the locking: made again.
#[test]
fn a_folder_that_was_taken_away_meanwhile_is_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let parent = dir.path().join("runs");
    let mut made = 0;
    let _held = share_in(&parent, |path| {
        made += 1;
        if made == 3 { file::make_dirs(path) } else { Ok(()) }
    })
    .unwrap();
    assert!(made == 3 && alone(&parent).is_none());
    let failed = share_in(&parent, |_| Err(Error::from_io("create", &parent, io::Error::other("x"))));
    assert!(matches!(failed, Err(Error::Io { action: "create", .. })));
    file::write_scratch(&parent.join("file"), b"").unwrap();
    assert!(matches!(
        share_in(&parent.join("file/below"), |_| Ok(())),
        Err(Error::Io { action: "open", .. })
    ));
}

/// Others clean up what looks like a dead process's, and the folder it lies in, all the time.
#[test]
fn a_private_folder_is_had_though_others_clean_up() {
    let dir = tempfile::tempdir().unwrap();
    let parent = dir.path().join("runs");
    std::thread::scope(|scope| {
        let making = scope.spawn(|| {
            for _ in 0..100 {
                let (path, _held) = private_dir(&parent).unwrap();
                file::write_scratch(&path.join("mine"), b"x").unwrap();
                assert_eq!(std::fs::read(path.join("mine")).unwrap(), b"x");
                std::fs::remove_dir_all(path).unwrap();
            }
        });
        while !making.is_finished() {
            clean_private(&parent);
            remove_private(&parent);
        }
    });
}
