use super::*;
use crate::batch::Batch;
use crate::mirror::InitOptions;
use crate::root::{Root, Slot};

/// A place for mirrors, and a machine's memory.
struct World {
    dir: tempfile::TempDir,
    trust: Trust,
}

/// One day for all that a test makes, so that the same is the same; and a young one, whose age is not worth a word.
fn date() -> u64 {
    static DATE: std::sync::OnceLock<u64> = std::sync::OnceLock::new();
    *DATE.get_or_init(crate::time::now)
}

fn secret(n: u8) -> SecretKey {
    SecretKey::new([n; 32]).unwrap()
}

impl World {
    fn new(policy: Policy) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let trust =
            Trust::new(Some(dir.path().join("own/trust")), Some(dir.path().join("own/mirror")), policy);
        Self { dir, trust }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A mirror whose id is the same each time.
    fn mirror(&self, name: &str, key: Option<u8>) -> Mirror {
        let (id, date) = (Some([7; 16]), Some(date()));
        let options = InitOptions { label: "BLUE".into(), id, date, signer: key.map(secret) };
        Mirror::init(&self.path(name), &options).unwrap()
    }

    fn check(&self, mirror: &Mirror) -> Option<Why> {
        self.checked(mirror, How::Named)
    }

    fn checked(&self, mirror: &Mirror, how: How) -> Option<Why> {
        match self.trust.check(&mirror.refresh().unwrap(), how) {
            Ok(()) => None,
            Err(Error::Untrusted(e)) => Some(e.why),
            Err(e) => panic!("{e}"),
        }
    }
}

fn commit(mirror: &Mirror, label: &str) {
    let batch = Batch::begin(mirror, 0).unwrap();
    batch.set_label(label);
    batch.set_date(date());
    batch.commit(&mut |_| {}).unwrap();
}

#[test]
fn the_first_time_pins_and_then_only_what_goes_on_is_taken() {
    let w = World::new(Policy::Required);
    let (mine, other) = (w.mirror("a", Some(1)), w.mirror("b", Some(2)));
    let plain = w.mirror("c", None);
    assert_eq!(w.check(&plain), Some(Why::Unsigned));
    assert_eq!(w.checked(&mine, How::Found), Some(Why::NotPinned(vec![secret(1).public().id()])));
    assert!(w.trust.pins().unwrap().is_empty());
    assert_eq!(w.check(&mine), None);
    let notes = w.trust.finish();
    assert_eq!(notes.len(), 1);
    let id = secret(1).public().id().to_string();
    assert!(notes[0].contains(&id) && notes[0].contains("\"BLUE\""), "{notes:?}");
    assert_eq!(w.checked(&mine, How::Found), None);
    commit(&mine, "BLUE 2");
    assert_eq!(w.check(&mine), None);
    assert!(w.trust.finish().is_empty());
    let pin = w.trust.pin(&mine.id()).unwrap().unwrap();
    assert_eq!((pin.label.as_str(), pin.head.unwrap().0), ("BLUE 2", 2));
    assert_eq!(Pin::parse(&pin.to_bytes()), Some(pin.clone()));
    // The same id, from somebody else; and without any signature.
    commit(&other, "BLUE 2");
    commit(&other, "BLUE 3");
    let key = |n: u8| vec![secret(n).public().id()];
    assert_eq!(w.check(&other), Some(Why::Others { signed: key(2), keys: key(1) }));
    commit(&plain, "BLUE 2");
    commit(&plain, "BLUE 3");
    assert_eq!(w.check(&plain), Some(Why::NoLonger));
    // Nothing of that was remembered.
    assert_eq!(w.trust.pin(&mine.id()).unwrap(), Some(pin));
    assert_eq!(w.check(&mine), None);
}

#[test]
fn an_older_state_and_another_one_are_refused() {
    let w = World::new(Policy::Required);
    let (mine, copy) = (w.mirror("a", Some(1)), w.mirror("b", Some(1)));
    commit(&mine, "2");
    commit(&mine, "3");
    assert_eq!(w.check(&mine), None);
    assert_eq!(w.check(&copy), Some(Why::Older { seen: 3, found: 1 }));
    commit(&copy, "2");
    commit(&copy, "three");
    assert_eq!(w.check(&copy), Some(Why::Forked(3)));
    assert!(w.trust.adopt(&copy.refresh().unwrap(), false).is_err());
    w.trust.adopt(&copy.refresh().unwrap(), true).unwrap();
    assert_eq!(w.check(&copy), None);
    assert_eq!(w.check(&mine), Some(Why::Forked(3)));
    // Whoever forgot does not know.
    assert!(w.trust.forget(&mine.id()).unwrap() && !w.trust.forget(&mine.id()).unwrap());
    assert_eq!(w.check(&mine), None);
}

#[test]
fn of_a_torn_slot_the_state_before_is_taken_and_no_other() {
    let w = World::new(Policy::Required);
    let mine = w.mirror("a", Some(1));
    commit(&mine, "2");
    commit(&mine, "3");
    assert_eq!(w.check(&mine), None);
    let now = mine.refresh().unwrap();
    let slot = |sequence: u64| {
        let at = now.slots().iter().position(|s| s.root().is_some_and(|r| r.sequence == sequence)).unwrap();
        w.path("a").join(crate::layout::SLOTS[at])
    };
    crate::file::replace_scratch(&slot(3), &[b'x'; 4096]).unwrap();
    assert_eq!(mine.refresh().unwrap().sequence(), 2);
    assert_eq!(w.check(&mine), None);
    assert_eq!(w.trust.pin(&mine.id()).unwrap().unwrap().head.unwrap().0, 3);
    // Two steps back is no torn slot.
    let older = w.mirror("old", Some(1));
    let root = match &older.slots()[0] {
        Slot::Valid(root) => Root { ..root.clone() },
        other => panic!("{other:?}"),
    };
    let snapshots = |name: &str| std::fs::read_dir(w.path(name).join("SNP")).unwrap().flatten();
    for entry in snapshots("old") {
        std::fs::copy(entry.path(), w.path("a/SNP").join(entry.file_name())).unwrap();
    }
    crate::file::replace_scratch(&slot(2), &root.to_bytes()).unwrap();
    assert_eq!(w.check(&mine), Some(Why::Older { seen: 3, found: 1 }));
}

#[test]
fn whoever_commits_while_one_looks_makes_no_rollback() {
    let w = World::new(Policy::Required);
    let mine = w.mirror("a", Some(1));
    let before = mine.refresh().unwrap();
    commit(&mine, "2");
    assert_eq!(w.check(&mine), None);
    assert_eq!((before.sequence(), w.trust.check(&before, How::Named).is_ok()), (1, true));
}

#[test]
fn a_state_far_ahead_is_refused() {
    let w = World::new(Policy::Required);
    let mine = w.mirror("a", Some(1));
    assert_eq!(w.check(&mine), None);
    let mut pin = w.trust.pin(&mine.id()).unwrap().unwrap();
    let head = |n: u64| Head { id: mine.id(), sequence: n, body: Hash::of(b"x"), signatures: Vec::new() };
    assert_eq!(against(&head(2), pin.head), None);
    assert_eq!(against(&head(1 + JUMP), pin.head), None);
    assert_eq!(against(&head(2 + JUMP), pin.head), Some(Why::TooFar { seen: 1, found: 2 + JUMP }));
    assert_eq!(against(&head(u64::MAX), pin.head), Some(Why::TooFar { seen: 1, found: u64::MAX }));
    pin.head = None;
    assert_eq!(against(&head(u64::MAX), pin.head), None);
}

#[test]
fn the_policy_decides_about_what_is_unknown_and_not_about_contradictions() {
    let w = World::new(Policy::Warn);
    let (plain, mine, other) = (w.mirror("c", None), w.mirror("a", Some(1)), w.mirror("b", Some(2)));
    assert_eq!(w.check(&plain), None);
    assert_eq!(w.check(&plain), None);
    let notes = w.trust.finish();
    assert!(matches!(&notes[..], [one] if one.ends_with("it is not signed")), "{notes:?}");
    assert_eq!(w.checked(&mine, How::Found), None);
    assert!(w.trust.pins().unwrap().is_empty());
    assert_eq!(w.check(&mine), None);
    commit(&other, "2");
    assert!(matches!(w.check(&other), Some(Why::Others { .. })));
    commit(&plain, "2");
    assert_eq!(w.check(&plain), Some(Why::NoLonger));
    let off = Trust::new(Some(w.path("own/trust")), None, Policy::Off);
    for mirror in [&plain, &other] {
        off.check(mirror, How::Named).unwrap();
    }
    assert!(off.finish().is_empty());
}

#[test]
fn the_home_mirror_is_not_looked_at() {
    let w = World::new(Policy::Required);
    let home = w.mirror("own/mirror", None);
    assert_eq!(w.check(&home), None);
    let by_another_name = Mirror::open(&w.path("own/../own/mirror")).unwrap();
    assert_eq!(w.check(&by_another_name), None);
    assert!(w.trust.finish().is_empty());
}

#[test]
fn secret_keys_are_kept_apart_and_shown_to_nobody() {
    let w = World::new(Policy::Required);
    assert!(w.trust.own().unwrap().is_empty());
    let key = w.trust.machine_key().unwrap();
    assert_eq!(w.trust.machine_key().unwrap().public(), key.public());
    let path = w.path("own/trust/keys/0001.key");
    assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
    assert!(w.trust.finish().is_empty());
    let second = w.trust.new_key(1).unwrap();
    assert_eq!(w.trust.new_key(1).unwrap().public(), second.public());
    assert_eq!(w.trust.machine_key().unwrap().public(), second.public());
    assert_eq!(w.trust.own().unwrap().len(), 2);
    // Others may read it: said. It is none: said, without what it holds.
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    w.trust.own().unwrap();
    assert!(matches!(&w.trust.finish()[..], [one] if one.contains("chmod 600")));
    file::replace_private(&path, &key.to_text().as_bytes()[1..]).unwrap();
    let error = w.trust.own().unwrap_err().to_string();
    assert!(error.contains("0001.key") && !error.contains(&key.to_text()[5..20]), "{error}");
}

#[test]
fn who_has_a_key_writes_and_what_was_written_is_remembered() {
    let w = World::new(Policy::Required);
    let key = w.trust.machine_key().unwrap();
    let options = InitOptions { signer: Some(key), ..InitOptions::default() };
    let mirror = Mirror::init(&w.path("a"), &options).unwrap();
    w.trust.adopt(&mirror, false).unwrap();
    let opened = Mirror::open(mirror.dir()).unwrap();
    w.trust.prepare(&opened).unwrap();
    commit(&opened, "2");
    w.trust.finish();
    assert_eq!(w.trust.pin(&mirror.id()).unwrap().unwrap().head.unwrap().0, 2);
    let strange = w.mirror("b", Some(9));
    assert!(matches!(w.trust.prepare(&strange.refresh().unwrap()), Err(Error::NoKey { .. })));
    w.trust.prepare(&w.mirror("c", None)).unwrap();
}

#[test]
fn a_memory_that_is_damaged_or_cannot_be_kept() {
    let w = World::new(Policy::Required);
    let mine = w.mirror("a", Some(1));
    assert_eq!(w.check(&mine), None);
    let path = w.path("own/trust/mirrors").join(mine.id().to_string());
    let good = std::fs::read(&path).unwrap();
    // The signatures have been checked; they are not needed any more.
    let text = String::from_utf8(good.clone()).unwrap();
    for end in 0..text.find("signature").unwrap() {
        assert!(Pin::parse(&good[..end]).is_none(), "{end}");
    }
    file::replace_scratch(&path, b"pantry-pin 1\n").unwrap();
    assert!(matches!(w.trust.check(&mine, How::Named), Err(Error::Damaged { .. })));
    // Nowhere to keep it: said, and read all the same.
    let nowhere = Trust::new(None, None, Policy::Required);
    nowhere.check(&mine, How::Named).unwrap();
    let notes = nowhere.finish();
    assert!(notes.iter().any(|n| n.contains("is not remembered")), "{notes:?}");
    assert!(nowhere.adopt(&mine, false).is_err() && nowhere.machine_key().is_err());
}

/// A mirror of another id, by the same key.
fn another(w: &World, name: &str) -> Mirror {
    let options = InitOptions { id: Some([9; 16]), signer: Some(secret(1)), ..InitOptions::default() };
    Mirror::init(&w.path(name), &options).unwrap()
}

#[test]
fn what_others_have_seen_exposes_an_old_copy() {
    let (here, there) = (World::new(Policy::Required), World::new(Policy::Required));
    let (blue, old) = (here.mirror("blue", Some(1)), here.mirror("old", Some(1)));
    let red = another(&here, "red");
    assert_eq!((here.check(&old), here.check(&red)), (None, None));
    commit(&blue, "2");
    // Another machine sees blue's second state, and says so on red.
    there.trust.check(&blue.refresh().unwrap(), How::Named).unwrap();
    let heads = there.trust.heads().unwrap();
    assert_eq!(heads.len(), 1);
    assert_eq!(red.leave_heads(&heads, &mut |_| {}).unwrap(), 1);
    assert_eq!(red.leave_heads(&heads, &mut |_| {}).unwrap(), 0);
    assert_eq!(here.check(&old), None);
    commit(&red, "2");
    assert_eq!(here.check(&red), None);
    assert_eq!(here.check(&old), Some(Why::Older { seen: 2, found: 1 }));
    assert_eq!(here.check(&blue), None);
    // A further one takes the place of the one before.
    commit(&blue, "3");
    there.trust.check(&blue.refresh().unwrap(), How::Named).unwrap();
    assert_eq!(red.leave_heads(&there.trust.heads().unwrap(), &mut |_| {}).unwrap(), 1);
    let seen = red.heads_seen().unwrap();
    assert_eq!(seen.iter().map(|(head, _)| head.sequence).collect::<Vec<_>>(), [3]);
    assert!(crate::verify::verify(&red.refresh().unwrap(), &mut |_| {}).unwrap().damaged.is_empty());
    // On the mirror itself it exposes it also to who never saw it.
    old.leave_heads(&there.trust.heads().unwrap(), &mut |_| {}).unwrap();
    let stranger = World::new(Policy::Required);
    let why = match stranger.trust.check(&old.refresh().unwrap(), How::Named) {
        Err(Error::Untrusted(e)) => e.why,
        other => panic!("{other:?}"),
    };
    assert_eq!(why, Why::Older { seen: 3, found: 1 });
    assert!(stranger.trust.pins().unwrap().is_empty());
}

#[test]
fn nobody_is_believed_about_a_mirror_but_itself() {
    let w = World::new(Policy::Required);
    let (blue, red) = (w.mirror("blue", Some(1)), another(&w, "red"));
    assert_eq!(w.check(&blue), None);
    let good = blue.head();
    // A higher state, signed by another's key, by nobody, and with the signature of a lower one.
    let forged =
        |n: u64, signatures: &[_]| Head { sequence: n, signatures: signatures.to_vec(), ..good.clone() };
    let theirs = secret(2);
    let text = String::from_utf8(forged(7, &[]).to_bytes()).unwrap();
    let by_them = (theirs.public().id(), theirs.sign(text.as_bytes()));
    let by_name = (secret(1).public().id(), theirs.sign(text.as_bytes()));
    for signatures in [&[by_them][..], &[by_name], &[], &good.signatures] {
        red.leave_heads(&[forged(9 + signatures.len() as u64, signatures)], &mut |_| {}).unwrap();
        for entry in std::fs::read_dir(w.path("red/SEE")).unwrap().flatten() {
            std::fs::copy(entry.path(), w.path("blue/SEE").join(entry.file_name())).unwrap();
        }
        commit(&red, "next");
        commit(&blue, "next");
        assert_eq!((w.check(&red), w.check(&blue)), (None, None));
    }
    // Whatever else lies there is passed over.
    file::replace_scratch(&w.path("red/SEE/X"), b"pantry-head 1\n").unwrap();
    file::replace_scratch(&w.path("red/SEE/Y"), &[b'x'; 10_000]).unwrap();
    std::os::unix::fs::symlink("/dev/zero", w.path("red/SEE/Z")).unwrap();
    commit(&red, "last");
    assert_eq!(w.check(&red), None);
}

#[test]
fn two_states_of_one_number_that_go_round_are_told() {
    let w = World::new(Policy::Required);
    let (blue, copy, red) = (w.mirror("blue", Some(1)), w.mirror("copy", Some(1)), another(&w, "red"));
    commit(&blue, "two");
    commit(&copy, "TWO");
    assert_eq!((w.check(&blue), w.check(&red)), (None, None));
    red.leave_heads(&[copy.refresh().unwrap().head()], &mut |_| {}).unwrap();
    commit(&red, "2");
    w.trust.finish();
    assert_eq!(w.check(&red), None);
    let notes = w.trust.finish();
    assert!(matches!(&notes[..], [one] if one.contains("two different states 2")), "{notes:?}");
}
