//! npm's ranges: which versions satisfy `^1.2.0 || >=3 <4.1`.
//!
//! npm reads ranges loosely (node-semver with `loose: true`): a word that is
//! no comparator is dropped, `v1.2` and `= 1.2` are versions, `1.2.3beta` has
//! a pre-release. A text of which nothing is left is no range but a dist-tag;
//! [`Range::parse`] answers `None` then, as it does for numbers above 2^53 - 1.
//!
//! Own code rather than a crate: of the crates measured none agrees with
//! node-semver on all of its own fixtures (nodejs-semver 7 lets 0.0.0 satisfy
//! `^0.3.1 <0.1.0`), and a range has to be compared on
//! [`mirror::version::Version`] anyway. `tests/conformance/ranges.mjs` compares
//! this file with the `semver` package inside an installed npm.
//!
//! ```text
//! range      = set *( "||" set )
//! set        = hyphen / *( comparator )          all of them must hold
//! hyphen     = partial " - " partial
//! comparator = [ "<" / ">" / "<=" / ">=" / "=" / "~" / "~>" / "^" ] partial
//! partial    = xr [ "." xr [ "." xr [ ["-"] pre ] [ "+" build ] ] ]
//! xr         = number / "x" / "X" / "*"
//! ```

mod read;
mod word;

pub use word::loose_version;

use mirror::version::Version;
use read::{Reader, is_blank};
use std::cmp::Ordering;

/// No range that anybody writes is longer; a longer text is not read.
const LONGEST: usize = 1 << 20;
/// Two ranges of more parts than this are taken to have something in common.
const LONGEST_COMPARED: usize = 1_000;
/// A version longer than this is none (node-semver's own limit).
const LONGEST_VERSION: usize = 256;
const MAX: u64 = (1 << 53) - 1;

/// A parsed range. Comparing allocates nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    /// The comparators of all sets, one set after the other.
    comparators: Vec<Comparator>,
    /// Where each set ends in `comparators`. An empty set lets everything pass.
    ends: Vec<u32>,
    /// Exactly `*` (or nothing): npm lets even pre-releases satisfy that.
    star: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Comparator {
    op: Op,
    version: Version,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Op {
    Less,
    LessOrEqual,
    Equal,
    GreaterOrEqual,
    Greater,
}

impl Comparator {
    fn test(&self, version: &Version) -> bool {
        let order = version.cmp_precedence(&self.version);
        match self.op {
            Op::Less => order == Ordering::Less,
            Op::LessOrEqual => order != Ordering::Greater,
            Op::Equal => order == Ordering::Equal,
            Op::GreaterOrEqual => order != Ordering::Less,
            Op::Greater => order == Ordering::Greater,
        }
    }

    /// Whether what passes this passes `other` too.
    fn implies(&self, other: &Self) -> bool {
        use Op::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual};
        let order = self.version.cmp_precedence(&other.version);
        match (other.op, self.op) {
            (Equal, Equal) => order.is_eq(),
            (GreaterOrEqual, GreaterOrEqual | Equal | Greater) | (Greater, Greater) => order.is_ge(),
            (Greater, GreaterOrEqual | Equal) => order.is_gt(),
            (LessOrEqual, LessOrEqual | Equal | Less) | (Less, Less) => order.is_le(),
            (Less, LessOrEqual | Equal) => order.is_lt(),
            _ => false,
        }
    }

    fn meets(&self, other: &Self) -> bool {
        // npm reads `>=0.0.0` as no comparator at all.
        if is_any(std::slice::from_ref(self)) || is_any(std::slice::from_ref(other)) {
            return true;
        }
        let holds =
            |c: &Self, v: &Version| c.test(v) && (!v.is_prerelease() || names(std::slice::from_ref(c), v));
        match (self.op, other.op) {
            (Op::Equal, _) => return holds(other, &self.version),
            (_, Op::Equal) => return holds(self, &other.version),
            _ => {}
        }
        let nothing = |c: &Self| {
            c.op == Op::Less && c.version.major == 0 && c.version.minor == 0 && c.version.patch == 0
        };
        if nothing(self) || nothing(other) {
            return false;
        }
        let upward = |c: &Self| matches!(c.op, Op::Greater | Op::GreaterOrEqual);
        let closed = |c: &Self| matches!(c.op, Op::LessOrEqual | Op::GreaterOrEqual);
        if upward(self) == upward(other) {
            return true;
        }
        match self.version.cmp_precedence(&other.version) {
            Ordering::Equal => closed(self) && closed(other),
            Ordering::Less => upward(self),
            Ordering::Greater => upward(other),
        }
    }
}

impl Range {
    /// As npm reads dependency ranges. `None`: not a range (perhaps a dist-tag).
    pub fn parse(text: &str) -> Option<Self> {
        Self::read(text, true)
    }

    /// As npm reads `engines`: what is not a comparator makes the text invalid.
    pub fn parse_strict(text: &str) -> Option<Self> {
        Self::read(text, false)
    }

    /// How much there is to compare a version with.
    pub fn length(&self) -> usize {
        self.comparators.len() + self.ends.len()
    }

    /// Exactly this version.
    pub fn exact(version: Version) -> Self {
        Self { comparators: vec![Comparator { op: Op::Equal, version }], ends: vec![1], star: false }
    }

    /// The range is `*`, which npm takes to mean any version at all.
    pub fn is_star(&self) -> bool {
        self.star
    }

    /// A pre-release satisfies a set only when one of the set's comparators
    /// names a pre-release of the same three numbers.
    pub fn satisfies(&self, version: &Version) -> bool {
        self.sets().any(|set| {
            set.iter().all(|c| c.test(version)) && (!version.is_prerelease() || names(set, version))
        })
    }

    /// The same where pre-releases count as what they are: versions in order (npm's `includePrerelease`).
    pub fn covers(&self, version: &Version) -> bool {
        self.sets().any(|set| set.iter().all(|c| c.test(version)))
    }

    /// Whether all that satisfies this surely satisfies `other` (semver's `subset`): each set lies within one of the other's.
    pub fn is_within(&self, other: &Self) -> bool {
        let within = |inner: &[Comparator], outer: &[Comparator]| {
            let same_pre = |c: &Comparator| {
                !c.version.is_prerelease() || &*c.version.pre == "0" || names(outer, &c.version)
            };
            outer.iter().all(|o| inner.iter().any(|i| i.implies(o))) && inner.iter().all(same_pre)
        };
        other.star || self.sets().all(|inner| other.sets().any(|outer| within(inner, outer)))
    }

    /// Whether some version could satisfy both, as npm judges it: comparator by comparator.
    pub fn intersects(&self, other: &Self) -> bool {
        if self.length().max(other.length()) > LONGEST_COMPARED {
            return true;
        }
        let possible = |set: &&[Comparator]| set.iter().all(|a| set.iter().all(|b| a.meets(b)));
        self.sets().filter(possible).any(|mine| {
            let meets = |theirs: &[Comparator]| mine.iter().all(|a| theirs.iter().all(|b| a.meets(b)));
            other.sets().filter(possible).any(meets)
        })
    }

    /// The highest of `versions` that satisfies; its place in the iterator.
    pub fn max_satisfying<'a>(&self, versions: impl Iterator<Item = &'a Version>) -> Option<usize> {
        let mut best: Option<(usize, &Version)> = None;
        for (i, v) in versions.enumerate() {
            if best.is_none_or(|(_, b)| v.cmp_precedence(b) == Ordering::Greater) && self.satisfies(v) {
                best = Some((i, v));
            }
        }
        best.map(|(i, _)| i)
    }

    /// `^1.2.3` or `~1.2`, as most of them are: one word, of which nothing is to be made ready.
    pub(super) fn plain(text: &str) -> Option<Self> {
        let numbers = text.strip_prefix(['^', '~'])?;
        if !numbers.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
            return None;
        }
        match word::read_word(text, true) {
            Ok(word::Word::Two(from, below)) => {
                Some(Self { comparators: vec![from, below], ends: vec![2], star: false })
            }
            _ => None,
        }
    }

    fn read(text: &str, loose: bool) -> Option<Self> {
        if text.len() > LONGEST {
            return None;
        }
        let text = text.trim_matches(is_blank);
        let mut reader = Reader {
            loose,
            range: Self { comparators: Vec::new(), ends: Vec::new(), star: matches!(text, "" | "*") },
        };
        for part in text.split("||") {
            reader.part(part).ok()?;
        }
        let mut range = reader.range;
        if range.ends.len() > 1 && range.sets().any(is_any) {
            // `* || 1.0.0-a` is `*`: the other sets' pre-releases are lost, as in npm.
            range.comparators.clear();
            range.ends = vec![0];
        }
        (!range.ends.is_empty()).then_some(range)
    }

    fn sets(&self) -> impl Iterator<Item = &[Comparator]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.comparators[start as usize..end as usize])
    }
}

/// Forbids nothing but pre-releases.
fn is_any(set: &[Comparator]) -> bool {
    set.iter().all(|c| c.op == Op::GreaterOrEqual && c.version == Version::new(0, 0, 0))
}

fn names(set: &[Comparator], version: &Version) -> bool {
    set.iter().any(|c| {
        c.version.is_prerelease()
            && (c.version.major, c.version.minor, c.version.patch)
                == (version.major, version.minor, version.patch)
    })
}

#[cfg(test)]
#[path = "range_tests.rs"]
mod tests;
