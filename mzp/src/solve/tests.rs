use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// `name version: dep req [for platform] [optional]; … | feature = part,part | only cpu`
#[derive(Default)]
struct Shelf(BTreeMap<MinzName, BTreeMap<Version, Candidate>>);

fn name(s: &str) -> MinzName {
    MinzName::parse(s).unwrap()
}
fn need(text: &str) -> Need {
    let (text, optional) = match text.strip_suffix(" optional") {
        Some(t) => (t, true),
        None => (text, false),
    };
    let (text, platform) = match text.split_once(" for ") {
        Some((t, p)) => (t, Platform::find(p)),
        None => (text, None),
    };
    let (text, features) = match text.split_once(" with ") {
        Some((t, f)) => (t, f.split(',').map(String::from).collect()),
        None => (text, Vec::new()),
    };
    let (n, r) = text.trim().split_once(' ').unwrap();
    Need {
        name: name(n),
        requirement: Requirement::parse(r).unwrap(),
        platform,
        optional,
        features,
        default_features: true,
    }
}

impl Shelf {
    fn of(lines: &[&str]) -> Self {
        let mut shelf = Self::default();
        for line in lines {
            let (head, rest) = line.split_once(':').unwrap_or((line, ""));
            let (n, v) = head.split_once(' ').unwrap();
            let mut parts = rest.split('|').map(str::trim);
            let mut c = Candidate::default();
            let needs = parts.next().unwrap_or("");
            c.needs = needs.split(';').map(str::trim).filter(|s| !s.is_empty()).map(need).collect();
            for p in parts {
                if let Some(cpu) = p.strip_prefix("only ") {
                    c.supported = vec![Support::find(cpu).unwrap()];
                } else {
                    let (f, items) = p.split_once(" = ").unwrap();
                    let items = items.split(',').filter(|s| !s.is_empty());
                    c.features.push((f.into(), items.map(|i| Part::parse(i).unwrap()).collect()));
                }
            }
            shelf.0.entry(name(n)).or_default().insert(Version::parse(v).unwrap(), c);
        }
        shelf
    }
    fn solve(&self, needs: &[&str], targets: &[&str]) -> Result<Vec<Chosen>> {
        solve(&Request {
            project: name("game"),
            needs: needs.iter().map(|n| (need(n), None)).collect(),
            platforms: targets.iter().map(|t| Platform::find(t).unwrap()).collect(),
            preferred: Map::new(),
            first: &[],
            source: self,
        })
    }
    fn text(&self, needs: &[&str]) -> String {
        match self.solve(needs, &["spectrum"]) {
            Ok(list) => {
                list.iter().map(|c| format!("{} {}", c.name, c.version)).collect::<Vec<_>>().join("; ")
            }
            Err(e) => e.to_string(),
        }
    }
}
impl PackageSource for Shelf {
    fn versions(&self, name: &MinzName) -> Result<Vec<Version>> {
        Ok(self.0.get(name).map(|v| v.keys().cloned().collect()).unwrap_or_default())
    }
    fn dependencies(&self, name: &MinzName, version: &Version) -> Result<Candidate> {
        Ok(self.0[name][version].clone())
    }
    fn suggest(&self, name: &MinzName) -> Option<String> {
        crate::suggestion::nearest(name.as_str(), self.0.keys().map(MinzName::as_str)).map(String::from)
    }
}

#[test]
fn a_diamond_takes_the_highest_that_all_accept() {
    let shelf = Shelf::of(&[
        "core 1.0.0",
        "core 1.1.0",
        "core 1.2.0",
        "core 2.0.0",
        "gfx 1.0.0: core ^1.0.0",
        "snd 1.0.0: core ~1.1.0",
        "gfx 1.1.0: core ^1.0.0",
    ]);
    assert_eq!(shelf.text(&["gfx ^1.0.0", "snd ^1.0.0"]), "core 1.1.0; gfx 1.1.0; snd 1.0.0");
    assert_eq!(shelf.text(&["gfx =1.0.0"]), "core 1.2.0; gfx 1.0.0");
}

#[test]
fn backtracks_to_an_older_version() {
    let shelf = Shelf::of(&["core 1.0.0", "gfx 1.0.0: core ^1.0.0", "gfx 1.1.0: core ^2.0.0"]);
    assert_eq!(shelf.text(&["gfx ^1.0.0"]), "core 1.0.0; gfx 1.0.0");
}

#[test]
fn a_conflict_is_a_chain_to_follow() {
    let shelf = Shelf::of(&[
        "core 1.0.0",
        "core 1.1.0",
        "core 2.0.0",
        "gfx 1.0.0: core ^1.0.0",
        "gfx 1.1.0: core ^1.0.0",
        "engine 0.1.0: gfx ^1.0.0",
    ]);
    assert_eq!(
        shelf.text(&["core ^2.0.0", "engine ^0.1.0"]),
        "no set of versions fits\n  game needs core ^2.0.0\n  game needs engine ^0.1.0\n  engine 0.1.0 needs gfx ^1.0.0\n  gfx 1.0.0, 1.1.0 needs core ^1.0.0\n  present of core: 1.0.0, 1.1.0, 2.0.0"
    );
    assert_eq!(
        shelf.text(&["gfx ^9.0.0"]),
        "no set of versions fits\n  game needs gfx ^9.0.0\n  present of gfx: 1.0.0, 1.1.0"
    );
}

#[test]
fn a_conflict_says_what_would_fit() {
    let shelf = Shelf::of(&[
        "core 1.0.0",
        "core 1.1.0",
        "core 2.0.0",
        "gfx 1.0.0: core ^1.0.0",
        "gfx 2.0.0: core ^2.0.0",
        "snd 0.5.0: core ^1.0.0",
        "snd 0.6.0: core ^1.1.0",
        "bad 1.0.0: core =1.0.0; snd ^0.6.0",
    ]);
    let change = |needs: &[&str]| match shelf.solve(needs, &["spectrum"]) {
        Err(Error::Conflict(c)) => c.change.map(|c| format!("{} {}", c.name, c.requirement)),
        other => panic!("{other:?}"),
    };
    // The entry in whose place another version would do, directly or through others.
    assert_eq!(change(&["core ^2.0.0", "gfx ^1.0.0"]).as_deref(), Some("core ^1.1.0"));
    assert_eq!(change(&["gfx ^2.0.0", "snd ^0.5.0"]).as_deref(), Some("gfx ^1.0.0"));
    assert_eq!(change(&["core =1.0.0", "snd ^0.6.0"]).as_deref(), Some("core ^1.1.0"));
    assert_eq!(change(&["core ^9.0.0"]).as_deref(), Some("core ^2.0.0"));
    // What is asked for it fits: the change is tried out, and nothing is promised that does not hold.
    let fits = shelf.text(&["core ^1.1.0", "gfx ^1.0.0"]);
    assert_eq!(fits, "core 1.1.0; gfx 1.0.0");
    // Where no one change helps, none is named.
    assert_eq!(change(&["bad ^1.0.0"]), None);
    assert_eq!(change(&["core ^9.0.0", "gfx ^9.0.0"]), None);
}

#[test]
fn unknown_packages_name_who_needs_them() {
    let shelf = Shelf::of(&["engine 0.1.0: gfxx ^1.0.0", "gfx 1.0.0"]);
    let Err(Error::UnknownPackage { name, chain, suggestion, .. }) =
        shelf.solve(&["engine ^0.1.0"], &["spectrum"])
    else {
        panic!("solved")
    };
    assert_eq!((name.as_str(), suggestion.as_deref()), ("gfxx", Some("gfx")));
    assert_eq!(chain, ["game", "engine 0.1.0"]);
    assert_eq!(shelf.text(&["nope 1"]), "nope is in no mirror (needed by game)");
}

#[test]
fn platforms_join_only_for_their_target() {
    let shelf = Shelf::of(&[
        "io 1.0.0: hw ^1.0.0 for spectrum; bdos ^1.0.0 for cpm",
        "hw 1.0.0: | only z80",
        "bdos 1.0.0",
        "sid 1.0.0: | only 6502",
    ]);
    let names = |targets: &[&str]| {
        let list = shelf.solve(&["io 1"], targets).unwrap();
        list.into_iter().map(|c| c.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(&["spectrum"]), ["hw", "io"]);
    assert_eq!(names(&["spectrum", "cpm"]), ["bdos", "hw", "io"]);
    assert_eq!(names(&["c64"]), ["io"]);
    assert_eq!(
        shelf.text(&["sid ^1.0.0"]),
        "no set of versions fits\n  game needs sid ^1.0.0\n  sid 1.0.0 supports only 6502"
    );
}

#[test]
fn features_bring_optional_dependencies() {
    let shelf = Shelf::of(&[
        "gfx 1.0.0: tiles ^1.0.0 optional; core ^1.0.0 | maps = tiles,core/fast | default = src/x.minz",
        "tiles 1.0.0",
        "core 1.0.0: turbo ^1.0.0 optional | fast = turbo",
        "turbo 1.0.0",
    ]);
    assert_eq!(shelf.text(&["gfx 1"]), "core 1.0.0; gfx 1.0.0");
    assert_eq!(shelf.text(&["gfx 1 with maps"]), "core 1.0.0; gfx 1.0.0; tiles 1.0.0; turbo 1.0.0");
    assert_eq!(shelf.text(&["gfx 1 with tiles"]), "core 1.0.0; gfx 1.0.0; tiles 1.0.0");
    assert_eq!(
        shelf.text(&["gfx 1 with nope"]),
        "no set of versions fits\n  game needs gfx 1\n  gfx 1.0.0 has no feature `nope`"
    );
}

#[test]
fn the_lock_is_preferred_and_prereleases_are_not() {
    let shelf = Shelf::of(&["core 1.0.0", "core 1.1.0", "core 1.2.0-beta.1"]);
    assert_eq!(shelf.text(&["core ^1.0.0"]), "core 1.1.0");
    assert_eq!(shelf.text(&["core ^1.2.0-beta"]), "core 1.2.0-beta.1");
    let request = |v: &str| Request {
        project: name("game"),
        needs: vec![(need("core ^1.0.0"), None)],
        platforms: vec![Platform::usual()],
        preferred: Map::from_iter([(name("core"), Version::parse(v).unwrap())]),
        first: &[],
        source: &shelf,
    };
    assert_eq!(solve(&request("1.0.0")).unwrap()[0].version.to_string(), "1.0.0");
    assert_eq!(solve(&request("0.9.0")).unwrap()[0].version.to_string(), "1.1.0");
}

#[test]
fn cycles_between_packages_end() {
    let shelf = Shelf::of(&["a 1.0.0: b 1", "b 1.0.0: a 1"]);
    assert_eq!(shelf.text(&["a 1"]), "a 1.0.0; b 1.0.0");
}

/// Every answer keeps every rule, and `no` is only said when trying them all agrees.
fn check(shelf: &Shelf) {
    let names: Vec<_> = shelf.0.keys().cloned().collect();
    let choices: Vec<Vec<Option<Version>>> =
        names.iter().map(|n| shelf.0[n].keys().cloned().map(Some).chain([None]).collect()).collect();
    let fits = |pick: &dyn Fn(&MinzName) -> Option<Version>| {
        let meets = |n: &Need| pick(&n.name).is_some_and(|v| n.requirement.matches(&v));
        meets(&need("p0 *"))
            && names.iter().all(|n| pick(n).is_none_or(|v| shelf.0[n][&v].needs.iter().all(meets)))
    };
    let mut any = false;
    let total: usize = choices.iter().map(Vec::len).product();
    for mut i in 0..total {
        let mut picked = BTreeMap::new();
        for (n, c) in names.iter().zip(&choices) {
            picked.insert(n.clone(), c[i % c.len()].clone());
            i /= c.len();
        }
        any |= fits(&|n| picked.get(n).cloned().flatten());
    }
    match shelf.solve(&["p0 *"], &["spectrum"]) {
        Ok(list) => {
            let picked: BTreeMap<_, _> = list.into_iter().map(|c| (c.name, c.version)).collect();
            assert!(fits(&|n| picked.get(n).cloned()), "{picked:?}");
        }
        Err(e) => assert!(!any, "{e}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    #[test]
    fn agrees_with_trying_everything(edges in proptest::collection::vec((0usize..4, 0u64..3, 0usize..4, 0u64..3), 0..12)) {
        let mut shelf = Shelf::default();
        for p in 0..4 {
            for v in 0..3 {
                shelf.0.entry(name(&format!("p{p}"))).or_default().insert(Version::new(v + 1, 0, 0), Candidate::default());
            }
        }
        for (p, v, q, w) in edges {
            let c = shelf.0.get_mut(&name(&format!("p{p}"))).unwrap().get_mut(&Version::new(v + 1, 0, 0)).unwrap();
            c.needs.push(need(&format!("p{q} ={}.0.0", w + 1)));
        }
        check(&shelf);
    }
}
