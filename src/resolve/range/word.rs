//! One word of a range: versions that may be partial, and the operators before them.

use super::read::is_blank;
use super::{Comparator, LONGEST_VERSION, MAX, Op};
use mirror::version::Version;
use std::borrow::Cow;

/// The whole range is refused, as node-semver throws there: a number above
/// 2^53 - 1, a version of more than 256 bytes, a bad word in strict mode.
pub(super) struct Refused;

/// What a word came to.
pub(super) enum Word {
    /// Nothing is forbidden.
    Any,
    /// Nothing is allowed.
    Never,
    One(Comparator),
    Two(Comparator, Comparator),
    /// Not a comparator.
    Bad,
}

/// The very first pre-release of a version: what lies below it is below all of them.
pub(super) fn bound(major: u64, minor: u64, patch: u64) -> Version {
    Version { pre: "0".into(), ..Version::new(major, minor, patch) }
}

/// Bytes of `[0-9A-Za-z-]` at the start.
pub(super) fn identifier(s: &str) -> usize {
    s.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'-').count()
}

/// One to three numbers or wildcards, perhaps a pre-release.
pub(super) struct Partial<'a> {
    /// `None` where it is missing or a wildcard; the digits otherwise.
    pub(super) numbers: [Option<&'a str>; 3],
    pre: Option<&'a str>,
    /// What follows it in the text.
    rest: &'a str,
}

/// Reads `[v=\s]* xr[.xr[.xr[pre]]]` at the start of `text`.
pub(super) fn partial(text: &str, loose: bool) -> Option<Partial<'_>> {
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
pub(super) fn prerelease(text: &str, loose: bool) -> (Option<&str>, &str) {
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

pub(super) fn number(digits: &str) -> Result<u64, Refused> {
    match digits.parse::<u64>() {
        Ok(n) if n <= MAX => Ok(n),
        _ => Err(Refused),
    }
}

/// One more, where that is still a version's number.
pub(super) fn next(n: u64) -> Result<u64, Refused> {
    if n < MAX { Ok(n + 1) } else { Err(Refused) }
}

impl Partial<'_> {
    pub(super) fn number(&self, i: usize) -> Result<u64, Refused> {
        self.numbers[i].map_or(Ok(0), number)
    }

    /// `Ok(None)`: it has wildcards.
    pub(super) fn version(&self) -> Result<Option<Version>, Refused> {
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
    pub(super) fn at_least(&self) -> Result<Word, Refused> {
        let version = match self.numbers {
            [None, ..] => return Ok(Word::Any),
            [_, None, _] => Version::new(self.number(0)?, 0, 0),
            [_, _, None] => Version::new(self.number(0)?, self.number(1)?, 0),
            _ => self.version()?.ok_or(Refused)?,
        };
        Ok(lower(version))
    }

    /// The upper end of a hyphen range.
    pub(super) fn at_most(&self) -> Result<Word, Refused> {
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
pub(super) fn canonical(pre: &str) -> Cow<'_, str> {
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

pub(super) fn lower(version: Version) -> Word {
    Word::One(Comparator { op: Op::GreaterOrEqual, version })
}

pub(super) fn between(from: Version, below: Version) -> Word {
    Word::Two(
        Comparator { op: Op::GreaterOrEqual, version: from },
        Comparator { op: Op::Less, version: below },
    )
}

/// `1.2 - 3.4.5`
pub(super) fn hyphen(part: &str, loose: bool) -> Option<(Partial<'_>, Partial<'_>)> {
    if !part.contains(" - ") {
        return None;
    }
    let from = partial(part, loose)?;
    let to = partial(from.rest.strip_prefix(" - ")?, loose)?;
    to.rest.is_empty().then_some((from, to))
}

pub(super) fn read_word(word: &str, loose: bool) -> Result<Word, Refused> {
    match word.as_bytes() {
        [] => Ok(Word::Any),
        [b'^', ..] => caret(&word[1..], loose),
        [b'~', b'>', ..] => tilde(&word[2..], loose),
        [b'~', ..] => tilde(&word[1..], loose),
        _ => comparator(word, loose),
    }
}

pub(super) fn whole(text: &str, loose: bool) -> Option<Partial<'_>> {
    partial(text, loose).filter(|p| p.rest.is_empty())
}

/// What `^` and `~` have in common: all, and a major version alone. `rest` is given that and the minor one.
fn from_minor(
    text: &str,
    loose: bool,
    rest: &dyn Fn(&Partial<'_>, u64, u64) -> Result<Word, Refused>,
) -> Result<Word, Refused> {
    let Some(p) = whole(text, loose) else { return Ok(Word::Bad) };
    if p.numbers[0].is_none() {
        return Ok(Word::Any);
    }
    let major = p.number(0)?;
    if p.numbers[1].is_none() {
        return Ok(between(Version::new(major, 0, 0), bound(next(major)?, 0, 0)));
    }
    rest(&p, major, p.number(1)?)
}

pub(super) fn caret(text: &str, loose: bool) -> Result<Word, Refused> {
    from_minor(text, loose, &|p, major, minor| {
        let zero = |i: usize| p.numbers[i] == Some("0");
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
    })
}

pub(super) fn tilde(text: &str, loose: bool) -> Result<Word, Refused> {
    from_minor(text, loose, &|p, major, minor| {
        let from = match p.numbers {
            [_, _, None] => Version::new(major, minor, 0),
            _ => p.version()?.ok_or(Refused)?,
        };
        Ok(between(from, bound(major, next(minor)?, 0)))
    })
}

/// `>=1.2`, `1.x`, `=1.2.3`, `1.2.3`.
pub(super) fn comparator(word: &str, loose: bool) -> Result<Word, Refused> {
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

pub(super) fn without_operator(word: &str) -> &str {
    word.trim_start_matches(['<', '>']).trim_start_matches('=')
}

/// `word` without its first `*` and the operator in front; `None`: it has none.
pub(super) fn without_star(word: &str) -> Option<String> {
    let star = word.find('*')?;
    let head = &word[..star];
    let head = head.strip_suffix('=').unwrap_or(head);
    let head = head.strip_suffix(['<', '>']).unwrap_or(head);
    Some(format!("{head}{}", &word[star + 1..]))
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
