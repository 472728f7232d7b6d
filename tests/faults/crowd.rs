//! Four processes that share a store and a mirror, with as many workers as they like, all killed at a random moment.
//!
//! Nothing that was there is lost, nothing is torn, and each command afterwards gives what it should. `make test` takes
//! the same moments every time; `PANTRY_FAULTS_ROUNDS` and `PANTRY_FAULTS_SEED` give more and others.

use std::time::Duration;

use crate::everything;
use crate::scenes;
use crate::support::say;
use crate::world::World;

const COMMANDS: [&[(&str, &str)]; 2] = [
    &[
        ("work", "install --offline --mirror ../mirror"),
        ("two", "install --offline --mirror ../mirror --linker store"),
        ("work", "mirror add --mirror ../mirror ../tgz/late-1.0.0.tgz"),
        ("work", "mirror gc ../mirror"),
    ],
    &[
        ("work", "install --offline --mirror ../mirror --linker isolated"),
        ("two", "install --offline --mirror ../mirror"),
        ("two", "mirror remove --mirror ../mirror other@1.0.0"),
        ("work", "cache:clear"),
    ],
];

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|v| v.parse().ok())
}

#[test]
fn a_crowd_killed_at_any_moment_loses_nothing() {
    let rounds = number("PANTRY_FAULTS_ROUNDS").unwrap_or(if everything() { 100 } else { 12 });
    let seed = number("PANTRY_FAULTS_SEED").unwrap_or(20_261_121);
    let mut random = seed;
    let mut below = |most: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % most
    };
    let mut interrupted = 0;
    for (set, commands) in COMMANDS.iter().enumerate() {
        let world = World::crowded(scenes::crowd());
        let (before, known) = (world.look().mirrors, world.units());
        let began = std::time::Instant::now();
        for (dir, command) in *commands {
            let out = world.start(dir, command).wait().expect("ends");
            assert_eq!(out.status, 0, "{command}: {}", String::from_utf8_lossy(&out.stderr));
        }
        // Together they take as long as the machine has processors for, and no longer than one after the other.
        let mut longest =
            u64::try_from(began.elapsed().as_micros()).unwrap_or(100_000).clamp(8_000, 200_000) / 2;
        let (wanted, after) = (world.look(), world.units());
        let (mut round, mut killed) = (0, 0);
        while round < rounds / 2 || killed < rounds / 4 {
            assert!(
                round < rounds * 4,
                "set {set}: only {killed} processes were killed at work in {round} rounds"
            );
            let (moment, so_far) = (Duration::from_micros(below(longest.max(1))), killed);
            let place = format!("set {set}, round {round} of seed {seed}, killed after {moment:?}");
            world.restore();
            let running: Vec<_> = commands.iter().map(|(dir, command)| world.start(dir, command)).collect();
            std::thread::sleep(moment);
            running.iter().for_each(crate::support::process::Running::kill);
            for one in running {
                let out = one.wait().expect("ends");
                let said = String::from_utf8_lossy(&out.stderr).into_owned();
                killed += u64::from(out.status == 137);
                assert!([0, 137].contains(&out.status), "{place}: status {}: {said}", out.status);
            }
            world.verify(&place);
            for line in world.look().mirrors {
                let fits = before.contains(&line) || wanted.mirrors.contains(&line);
                assert!(fits, "{place}: a mirror lists what it never held: {line}");
            }
            for line in before.intersection(&wanted.mirrors) {
                assert!(world.look().mirrors.contains(line), "{place}: a mirror has lost {line}");
            }
            for (unit, text) in world.units() {
                let whole = [&known, &after].iter().any(|k| k.get(&unit) == Some(&text));
                assert!(whole, "{place}: {unit} is neither old nor new:\n{text}");
            }
            for (dir, command) in *commands {
                let out = world.start(dir, command).wait().expect("ends");
                // What is removed already cannot be removed.
                let done = out.status == 0 || command.contains(" remove ");
                assert!(done, "{place}: {command}: {}", String::from_utf8_lossy(&out.stderr));
            }
            world.verify(&place);
            let now = world.look();
            assert_eq!(now.project, wanted.project, "{place}: the reruns give another result");
            assert_eq!(now.mirrors, wanted.mirrors, "{place}: the mirror holds something else");
            let left: Vec<String> = world.temporaries();
            assert!(left.is_empty(), "{place}: left behind: {left:?}");
            // Where we are let wait longer than they work, nobody is left to kill: sooner, then.
            if killed == so_far {
                longest /= 2;
            }
            round += 1;
        }
        interrupted += killed;
    }
    say(&format!(
        "faults: a crowd of four killed {rounds} times (seed {seed}): {interrupted} processes were at work"
    ));
}
