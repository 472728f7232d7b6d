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

use mirror::version::Version;
use std::borrow::Cow;
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

/// The version that npm finds in a text when it asks for exactly one version
/// (`semver.valid` in loose mode): `1.2.3`, `v1.2.3`, `=1.2.3`, `1.2.3beta`.
pub fn loose_version(text: &str) -> Option<Version> {
    let text = text.trim_matches(is_blank);
    let p = partial(text, true)?;
    let build = p.rest.strip_prefix('+').map_or(p.rest.is_empty(), |build| {
        build.split('.').all(|id| !id.is_empty() && identifier(id) == id.len())
    });
    if build { p.version().ok().flatten() } else { None }
}

/// JavaScript's `\s`.
fn is_blank(c: char) -> bool {
    (c.is_whitespace() && c != '\u{85}') || c == '\u{feff}'
}

/// The whole range is refused, as node-semver throws there: a number above
/// 2^53 - 1, a version of more than 256 bytes, a bad word in strict mode.
struct Refused;

struct Reader {
    loose: bool,
    range: Range,
}

/// What a word came to.
enum Word {
    /// Nothing is forbidden.
    Any,
    /// Nothing is allowed.
    Never,
    One(Comparator),
    Two(Comparator, Comparator),
    /// Not a comparator.
    Bad,
}

impl Reader {
    fn part(&mut self, part: &str) -> Result<(), Refused> {
        let part = tidy(part);
        let start = self.range.comparators.len();
        let (mut any, mut never) = (false, false);
        if let Some((from, to)) = hyphen(&part, self.loose) {
            let words = [from.at_least()?, to.at_most()?];
            any = words.iter().all(|w| matches!(w, Word::Any));
            for word in words {
                self.take(word, &mut never);
            }
        } else {
            let mut words = part.split(' ').peekable();
            let mut first = true;
            while let Some(word) = words.next() {
                let word = match read_word(word, self.loose)? {
                    Word::Bad => self.second_reading(word)?,
                    word => word,
                };
                if matches!(word, Word::Bad) && !self.loose {
                    return Err(Refused);
                }
                // npm loses a wildcard that stands between other words.
                any |= matches!(word, Word::Any) && (first || words.peek().is_none());
                first = false;
                self.take(word, &mut never);
            }
        }
        if never {
            self.range.comparators.truncate(start);
            self.range.comparators.push(never_comparator());
        }
        if any || self.range.comparators.len() > start {
            self.range.ends.push(self.range.comparators.len() as u32);
        }
        Ok(())
    }

    /// npm deletes the first `*` with its operator from a word it could not
    /// read; a full version may be left.
    fn second_reading(&self, word: &str) -> Result<Word, Refused> {
        let Some(rest) = without_star(word) else { return Ok(Word::Bad) };
        if rest.is_empty() {
            return Ok(Word::Any);
        }
        match whole(without_operator(&rest), self.loose) {
            Some(p) if !p.numbers.contains(&None) => comparator(&rest, self.loose),
            _ => Ok(Word::Bad),
        }
    }

    fn take(&mut self, word: Word, never: &mut bool) {
        match word {
            Word::Never => *never = true,
            Word::One(c) => self.range.comparators.push(c),
            Word::Two(a, b) => self.range.comparators.extend([a, b]),
            Word::Any | Word::Bad => {}
        }
    }
}

/// `<0.0.0-0`, below which there is no version.
fn never_comparator() -> Comparator {
    Comparator { op: Op::Less, version: bound(0, 0, 0) }
}

/// The very first pre-release of a version: what lies below it is below all of them.
fn bound(major: u64, minor: u64, patch: u64) -> Version {
    Version { pre: "0".into(), ..Version::new(major, minor, patch) }
}

/// Blanks collapsed and trimmed, build metadata removed, no blank between an
/// operator and its version. Borrowed when the text is tidy already.
fn tidy(part: &str) -> Cow<'_, str> {
    let part = part.trim_matches(is_blank);
    if !part.bytes().any(|b| b == b'+' || !b.is_ascii_graphic()) {
        return part.into();
    }
    let mut text = String::with_capacity(part.len());
    for c in part.chars() {
        if !is_blank(c) {
            text.push(c);
        } else if !text.ends_with(' ') {
            text.push(' ');
        }
    }
    if text.contains('+') {
        text = without_build(&text);
    }
    if text.contains(' ') { glued(&text).into() } else { text.into() }
}

/// No blank between an operator and the version it belongs to.
fn glued(text: &str) -> String {
    let b = text.as_bytes();
    let mut out = Vec::with_capacity(b.len());
    let mut i = 0;
    while i < b.len() {
        let mut op = i + usize::from(matches!(b[i], b'<' | b'>'));
        op += usize::from(b.get(op) == Some(&b'='));
        let blank = op + usize::from(b.get(op) == Some(&b' '));
        let skip = b[blank..].iter().take_while(|c| matches!(c, b'v' | b'=' | b' ')).count();
        if b.get(blank + skip).is_some_and(|c| c.is_ascii_digit() || matches!(c, b'x' | b'X' | b'*')) {
            out.extend_from_slice(&b[i..op]);
            // A blank with no operator in front separates two comparators.
            out.extend_from_slice(&b[if op == i { op } else { blank }..=blank + skip]);
            i = blank + skip + 1;
            continue;
        }
        out.push(b[i]);
        i += 1;
    }
    // Only blanks were left out.
    let text = String::from_utf8(out).unwrap_or_default();
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(i) = rest.find(['~', '^']) {
        let (head, tail) = rest.split_at(i);
        // `~>` is an older spelling of `~`.
        let after = tail[1..].strip_prefix(' ').or_else(|| tail.strip_prefix("~> "));
        out.push_str(head);
        out.push_str(&tail[..1]);
        rest = after.unwrap_or(&tail[1..]);
    }
    out + rest
}

fn without_build(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(plus) = rest.find('+') {
        let after = &rest[plus + 1..];
        let mut n = identifier(after);
        if n == 0 {
            out.push_str(&rest[..=plus]);
            rest = after;
            continue;
        }
        while let Some(next) = after[n..].strip_prefix('.') {
            match identifier(next) {
                0 => break,
                m => n += 1 + m,
            }
        }
        out.push_str(&rest[..plus]);
        rest = &after[n..];
    }
    out.push_str(rest);
    out
}

/// Bytes of `[0-9A-Za-z-]` at the start.
fn identifier(s: &str) -> usize {
    s.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'-').count()
}

/// One to three numbers or wildcards, perhaps a pre-release.
struct Partial<'a> {
    /// `None` where it is missing or a wildcard; the digits otherwise.
    numbers: [Option<&'a str>; 3],
    pre: Option<&'a str>,
    /// What follows it in the text.
    rest: &'a str,
}

/// Reads `[v=\s]* xr[.xr[.xr[pre]]]` at the start of `text`.
fn partial(text: &str, loose: bool) -> Option<Partial<'_>> {
    let mut rest = text.trim_start_matches(['v', '=', ' ']);
    let mut numbers = [None; 3];
    let mut pre = None;
    for (i, slot) in numbers.iter_mut().enumerate() {
        let after = match i {
            0 => rest,
            _ => match rest.strip_prefix('.') {
                Some(after) => after,
                None => break,
            },
        };
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        if digits > 0 {
            if !loose && digits > 1 && after.starts_with('0') {
                return None;
            }
            *slot = Some(&after[..digits]);
            rest = &after[digits..];
        } else if after.starts_with(['x', 'X', '*']) {
            rest = &after[1..];
        } else if i == 0 {
            return None;
        } else {
            break;
        }
        if i == 2 {
            // `1.2.34.5` has, loosely, the patch 3 and the pre-release `4.5`.
            if loose && digits > 1 && rest.starts_with('.') {
                *slot = Some(&after[..digits - 1]);
                rest = &after[digits - 1..];
            }
            (pre, rest) = prerelease(rest, loose);
        }
    }
    Some(Partial { numbers, pre, rest })
}

/// `-alpha.1`, or loosely `alpha.1`.
fn prerelease(text: &str, loose: bool) -> (Option<&str>, &str) {
    let body = match text.strip_prefix('-') {
        Some(body) if identifier(body) > 0 => body,
        _ if loose => text,
        _ => return (None, text),
    };
    let mut n = identifier(body);
    if n == 0 {
        return (None, text);
    }
    while let Some(next) = body[n..].strip_prefix('.') {
        match identifier(next) {
            0 => break,
            m => n += 1 + m,
        }
    }
    (Some(&body[..n]), &body[n..])
}

fn number(digits: &str) -> Result<u64, Refused> {
    match digits.parse::<u64>() {
        Ok(n) if n <= MAX => Ok(n),
        _ => Err(Refused),
    }
}

/// One more, where that is still a version's number.
fn next(n: u64) -> Result<u64, Refused> {
    if n < MAX { Ok(n + 1) } else { Err(Refused) }
}

impl Partial<'_> {
    fn number(&self, i: usize) -> Result<u64, Refused> {
        self.numbers[i].map_or(Ok(0), number)
    }

    /// `Ok(None)`: it has wildcards.
    fn version(&self) -> Result<Option<Version>, Refused> {
        if self.numbers.contains(&None) {
            return Ok(None);
        }
        let mut version = Version::new(self.number(0)?, self.number(1)?, self.number(2)?);
        if let Some(pre) = self.pre {
            if pre.len() + self.numbers.iter().flatten().map(|n| n.len() + 1).sum::<usize>() > LONGEST_VERSION
            {
                return Err(Refused);
            }
            version.pre = canonical(pre).into();
        }
        Ok(Some(version))
    }

    /// The lower end of a hyphen range.
    fn at_least(&self) -> Result<Word, Refused> {
        let version = match self.numbers {
            [None, ..] => return Ok(Word::Any),
            [_, None, _] => Version::new(self.number(0)?, 0, 0),
            [_, _, None] => Version::new(self.number(0)?, self.number(1)?, 0),
            _ => self.version()?.ok_or(Refused)?,
        };
        Ok(lower(version))
    }

    /// The upper end of a hyphen range.
    fn at_most(&self) -> Result<Word, Refused> {
        Ok(Word::One(match self.numbers {
            [None, ..] => return Ok(Word::Any),
            [_, None, _] => Comparator { op: Op::Less, version: bound(next(self.number(0)?)?, 0, 0) },
            [_, _, None] => {
                Comparator { op: Op::Less, version: bound(self.number(0)?, next(self.number(1)?)?, 0) }
            }
            _ => Comparator { op: Op::LessOrEqual, version: self.version()?.ok_or(Refused)? },
        }))
    }
}

/// Numbers in a pre-release without leading zeros, as node-semver keeps them.
fn canonical(pre: &str) -> Cow<'_, str> {
    let padded = |id: &str| id.len() > 1 && id.starts_with('0') && id.bytes().all(|b| b.is_ascii_digit());
    if !pre.split('.').any(padded) {
        return pre.into();
    }
    let strip = |id| match padded(id) {
        true => match id.trim_start_matches('0') {
            "" => "0",
            id => id,
        },
        false => id,
    };
    pre.split('.').map(strip).collect::<Vec<_>>().join(".").into()
}

fn lower(version: Version) -> Word {
    Word::One(Comparator { op: Op::GreaterOrEqual, version })
}

fn between(from: Version, below: Version) -> Word {
    Word::Two(
        Comparator { op: Op::GreaterOrEqual, version: from },
        Comparator { op: Op::Less, version: below },
    )
}

/// `1.2 - 3.4.5`
fn hyphen(part: &str, loose: bool) -> Option<(Partial<'_>, Partial<'_>)> {
    if !part.contains(" - ") {
        return None;
    }
    let from = partial(part, loose)?;
    let to = partial(from.rest.strip_prefix(" - ")?, loose)?;
    to.rest.is_empty().then_some((from, to))
}

fn read_word(word: &str, loose: bool) -> Result<Word, Refused> {
    match word.as_bytes() {
        [] => Ok(Word::Any),
        [b'^', ..] => caret(&word[1..], loose),
        [b'~', b'>', ..] => tilde(&word[2..], loose),
        [b'~', ..] => tilde(&word[1..], loose),
        _ => comparator(word, loose),
    }
}

fn whole(text: &str, loose: bool) -> Option<Partial<'_>> {
    partial(text, loose).filter(|p| p.rest.is_empty())
}

fn caret(text: &str, loose: bool) -> Result<Word, Refused> {
    let Some(p) = whole(text, loose) else { return Ok(Word::Bad) };
    let zero = |i: usize| p.numbers[i] == Some("0");
    if p.numbers[0].is_none() {
        return Ok(Word::Any);
    }
    let major = p.number(0)?;
    if p.numbers[1].is_none() {
        return Ok(between(Version::new(major, 0, 0), bound(next(major)?, 0, 0)));
    }
    let minor = p.number(1)?;
    Ok(match p.numbers {
        [_, _, None] if zero(0) => between(Version::new(0, minor, 0), bound(0, next(minor)?, 0)),
        [_, _, None] => between(Version::new(major, minor, 0), bound(next(major)?, 0, 0)),
        _ => {
            let from = p.version()?.ok_or(Refused)?;
            let below = match (zero(0), zero(1)) {
                (true, true) => bound(0, 0, next(from.patch)?),
                (true, false) => bound(0, next(minor)?, 0),
                _ => bound(next(major)?, 0, 0),
            };
            between(from, below)
        }
    })
}

fn tilde(text: &str, loose: bool) -> Result<Word, Refused> {
    let Some(p) = whole(text, loose) else { return Ok(Word::Bad) };
    if p.numbers[0].is_none() {
        return Ok(Word::Any);
    }
    let major = p.number(0)?;
    if p.numbers[1].is_none() {
        return Ok(between(Version::new(major, 0, 0), bound(next(major)?, 0, 0)));
    }
    let minor = p.number(1)?;
    Ok(match p.numbers {
        [_, _, None] => between(Version::new(major, minor, 0), bound(major, next(minor)?, 0)),
        _ => between(p.version()?.ok_or(Refused)?, bound(major, next(minor)?, 0)),
    })
}

/// `>=1.2`, `1.x`, `=1.2.3`, `1.2.3`.
fn comparator(word: &str, loose: bool) -> Result<Word, Refused> {
    let (op, text) = match word.as_bytes() {
        [b'<', b'=', ..] => (Some(Op::LessOrEqual), &word[2..]),
        [b'>', b'=', ..] => (Some(Op::GreaterOrEqual), &word[2..]),
        [b'<', ..] => (Some(Op::Less), &word[1..]),
        [b'>', ..] => (Some(Op::Greater), &word[1..]),
        _ => (None, word),
    };
    let Some(p) = whole(text, loose) else { return Ok(Word::Bad) };
    // `1.x.3` and `x.1` are no ranges; npm leaves them to fail.
    let invalid = (p.numbers[0].is_none() && p.numbers[1].is_some())
        || (p.numbers[1].is_none() && p.numbers[2].is_some());
    if invalid {
        return Ok(Word::Bad);
    }
    if let Some(version) = p.version()? {
        return Ok(match op {
            Some(Op::GreaterOrEqual) => lower(version),
            Some(Op::Less) if version == bound(0, 0, 0) => Word::Never,
            op => Word::One(Comparator { op: op.unwrap_or(Op::Equal), version }),
        });
    }
    let (major, minor) = (p.number(0)?, p.number(1)?);
    let whole_major = p.numbers[1].is_none();
    // The first version after all that the wildcard stands for.
    let after = |major, minor| match whole_major {
        true => Ok((next(major)?, 0)),
        false => Ok((major, next(minor)?)),
    };
    Ok(match (p.numbers[0], op) {
        (None, Some(Op::Less | Op::Greater)) => Word::Never,
        (None, _) => Word::Any,
        (_, None | Some(Op::Equal)) => {
            let (m, n) = after(major, minor)?;
            between(Version::new(major, minor, 0), bound(m, n, 0))
        }
        (_, Some(Op::Greater)) => {
            let (m, n) = after(major, minor)?;
            lower(Version::new(m, n, 0))
        }
        (_, Some(Op::GreaterOrEqual)) => lower(Version::new(major, minor, 0)),
        (_, Some(Op::Less)) => match bound(major, minor, 0) {
            v if v == bound(0, 0, 0) => Word::Never,
            version => Word::One(Comparator { op: Op::Less, version }),
        },
        (_, Some(Op::LessOrEqual)) => {
            let (m, n) = after(major, minor)?;
            Word::One(Comparator { op: Op::Less, version: bound(m, n, 0) })
        }
    })
}

fn without_operator(word: &str) -> &str {
    word.trim_start_matches(['<', '>']).trim_start_matches('=')
}

/// `word` without its first `*` and the operator in front; `None`: it has none.
fn without_star(word: &str) -> Option<String> {
    let star = word.find('*')?;
    let head = &word[..star];
    let head = head.strip_suffix('=').unwrap_or(head);
    let head = head.strip_suffix(['<', '>']).unwrap_or(head);
    Some(format!("{head}{}", &word[star + 1..]))
}

#[cfg(test)]
#[path = "range_tests.rs"]
mod tests;
