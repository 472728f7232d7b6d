use super::super::attempt;
use super::super::tests::{project, registries, world};
use super::*;
use proptest::prelude::*;

/// The same words without those that name a dependency twice.
fn once(words: &str) -> Vec<&str> {
    let mut once: Vec<&str> = Vec::new();
    for word in words.split(' ') {
        if once.iter().all(|w| w.split('@').next() != word.split('@').next()) {
            once.push(word);
        }
    }
    once
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// Whatever is answered without the tree is what the tree would have given.
    #[test]
    fn an_edit_is_answered_as_the_resolver_would(
        (lines, before) in registries(),
        (after, named) in (proptest::collection::vec(0usize..6, 1..5), 0..3),
        (_, more) in registries(),
    ) {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let world = world(&lines);
        let before = once(&before);
        let Ok(locked) = attempt(&project(&before.join(" ")), &world) else { return Ok(()) };
        // Peers that exclude each other are looked at anew each time, and may settle otherwise.
        let again = Request { locked: Some(&locked.graph), ..project(&before.join(" ")) };
        if attempt(&again, &world).ok().as_ref() != Some(&locked) {
            return Ok(());
        }
        let more = once(&more);
        let all: Vec<&str> = before.iter().chain(&more).copied().collect();
        let after: Vec<&str> = after.iter().filter_map(|i| all.get(*i)).copied().collect();
        let after = after.join(" ");
        let mut request = Request { locked: Some(&locked.graph), ..project(&once(&after).join(" ")) };
        let aliases = request.importers[0].dependencies.iter().map(|d| d.alias.clone());
        let known = |a: &PackageName| before.iter().any(|b| b.split('@').next() == Some(a.as_str()));
        let explicit = aliases.filter(|a| named == 2 || named == 1 && !known(a));
        request.explicit = explicit.map(|alias| (String::new(), alias)).collect();
        let whole = attempt(&request, &world);
        if let Some(answer) = answer(&request, Some(&world)) {
            prop_assert_eq!(Some(answer), whole.ok());
        }
    }
}

/// So that the property is not about nothing.
#[test]
fn what_is_told_without_the_tree() {
    let world = world(&[
        "a@1.0.0: b@1 c@1",
        "b@1.0.0",
        "c@1.0.0: peeropt:t@1",
        "d@1.0.0: e@1 b@1",
        "e@1.0.0",
        "n@1.0.0: m@1 peer:p@1",
        "m@1.0.0",
        "p@1.0.0",
        "t@1.0.0",
        "z@1.0.0: y@1",
        "y@1.0.0: a@1",
    ]);
    let told = |before: &str, after: &str| {
        let locked = attempt(&project(before), &world).unwrap().graph;
        let request = Request { locked: Some(&locked), ..project(after) };
        let answer = answer(&request, Some(&world));
        let whole = attempt(&request, &world).unwrap();
        assert_eq!(super::super::resolve(&request, &world).unwrap(), whole);
        answer.map(|answer| assert_eq!(answer, whole)).is_some()
    };
    // What goes: leaves with what only it needs; not what others need, too; not an optional peer of what stays.
    assert!(told("a@1 d@1 n@1 t@1", "a@1 d@1 t@1"));
    assert!(told("a@1 n@1", "n@1"));
    assert!(!told("a@1 d@1 n@1", "a@1 n@1"));
    assert!(!told("a@1 t@1", "a@1"));
    // What comes: with its peers; not what brings names that are there.
    assert!(told("a@1", "a@1 n@1"));
    assert!(told("a@1", "n@1"));
    assert!(!told("a@1", "a@1 d@1"));
    assert!(!told("a@1", "a@1 z@1"));
    assert!(!told("a@1", "a@1 t@1"));
}
