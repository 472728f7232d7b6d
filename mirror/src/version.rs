//! Version numbers as npm writes them (Semantic Versioning 2.0.0), parsed fast:
//! choosing one version of a package means parsing hundreds.
//!
//! Ordering is precedence (build metadata ignored), made total by comparing the
//! text of the build metadata last, so that sorted output never depends on the
//! order of the input. Ranges are not here: npm's belong to `pantry::resolve`,
//! MinZ's to `mzp::solve`.

use crate::name::NameError;
use std::cmp::Ordering;
use std::fmt;

/// `MAJOR.MINOR.PATCH[-pre][+build]`. Numbers are at most 2^53 - 1, as in npm.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Version {
    pub major: u64,
    pub minor: u64,
    pub patch: u64,
    /// Without the `-`; empty when there is none.
    pub pre: Box<str>,
    /// Without the `+`; empty when there is none.
    pub build: Box<str>,
}

const MAX: u64 = (1 << 53) - 1;
/// Of any `u64`: the fields are public.
const MAX_DIGITS: usize = 20;

impl Version {
    /// Strict: exactly the grammar of semver.org; at most 256 bytes.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        Self::read(text).map_err(|rule| NameError { kind: "version", text: text.to_string(), rule })
    }

    /// As npm reads versions in old manifests: surrounding blanks, `v` or `=` in front.
    pub fn parse_loose(text: &str) -> Result<Self, NameError> {
        let t = text.trim();
        let t = t.strip_prefix('=').unwrap_or(t).trim_start();
        let t = t.strip_prefix(['v', 'V']).unwrap_or(t);
        Self::parse(t).map_err(|e| NameError { text: text.to_string(), ..e })
    }

    pub fn new(major: u64, minor: u64, patch: u64) -> Self {
        Self { major, minor, patch, pre: "".into(), build: "".into() }
    }

    pub fn is_prerelease(&self) -> bool {
        !self.pre.is_empty()
    }

    fn read(text: &str) -> Result<Self, &'static str> {
        if let Some([major, minor, patch]) = three_numbers(text.as_bytes()) {
            return Ok(Self::new(major, minor, patch));
        }
        if text.len() > 256 {
            return Err("is longer than 256 bytes");
        }
        let (rest, build) = match text.split_once('+') {
            Some((r, b)) => (r, b),
            None => (text, ""),
        };
        let (core, pre) = match rest.split_once('-') {
            Some((c, p)) => (c, Some(p)),
            None => (rest, None),
        };
        if text.len() != rest.len() && build.is_empty() {
            return Err("has empty build metadata");
        }
        let mut numbers = core.split('.');
        let mut next = || numbers.next().ok_or("needs three numbers").and_then(number);
        let (major, minor, patch) = (next()?, next()?, next()?);
        if numbers.next().is_some() {
            return Err("has more than three numbers");
        }
        for (part, is_pre) in [(pre, true), ((!build.is_empty()).then_some(build), false)] {
            for id in part.into_iter().flat_map(|p| p.split('.')) {
                if id.is_empty() || !id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
                    return Err("has a bad pre-release or build identifier");
                }
                if is_pre && id.len() > 1 && id.starts_with('0') && id.bytes().all(|b| b.is_ascii_digit()) {
                    return Err("has a pre-release number with a leading zero");
                }
            }
        }
        Ok(Self { major, minor, patch, pre: pre.unwrap_or("").into(), build: build.into() })
    }

    /// Precedence only (semver.org, rule 11): build metadata does not count.
    pub fn cmp_precedence(&self, other: &Self) -> Ordering {
        (self.major, self.minor, self.patch).cmp(&(other.major, other.minor, other.patch)).then_with(
            || match (self.pre.is_empty(), other.pre.is_empty()) {
                (true, true) => Ordering::Equal,
                (true, false) => Ordering::Greater,
                (false, true) => Ordering::Less,
                (false, false) => cmp_pre(&self.pre, &other.pre),
            },
        )
    }
}

/// The short way for what nearly all versions are. (An index has tens of thousands of them.)
fn three_numbers(text: &[u8]) -> Option<[u64; 3]> {
    let mut out = [0u64; 3];
    let (mut part, mut digits) = (0, 0);
    for &b in text {
        match b {
            // A leading zero, or more digits than surely fit: the long way tells.
            b'0'..=b'9' if digits < 15 && (digits == 0 || out[part] > 0) => {
                out[part] = out[part] * 10 + u64::from(b - b'0');
                digits += 1;
            }
            b'.' if digits > 0 && part < 2 => (part, digits) = (part + 1, 0),
            _ => return None,
        }
    }
    (part == 2 && digits > 0).then_some(out)
}

fn number(s: &str) -> Result<u64, &'static str> {
    if s.is_empty() || !s.bytes().all(|b| b.is_ascii_digit()) {
        return Err("has a part that is not a number");
    }
    if s.len() > 1 && s.starts_with('0') {
        return Err("has a number with a leading zero");
    }
    match s.parse::<u64>() {
        Ok(n) if n <= MAX => Ok(n),
        _ => Err("has a number that is too large"),
    }
}

fn cmp_pre(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.split('.'), b.split('.'));
    loop {
        let (x, y) = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(x), Some(y)) => (x, y),
        };
        let numeric = |s: &str| s.bytes().all(|c| c.is_ascii_digit());
        let order = match (numeric(x), numeric(y)) {
            // Without leading zeros, the longer number is the larger one.
            (true, true) => x.len().cmp(&y.len()).then_with(|| x.cmp(y)),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => x.cmp(y),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.cmp_precedence(other).then_with(|| self.build.cmp(&other.build))
    }
}
impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Most of what is written many times over is numbers: without a formatter for each.
        let mut text = [b'.'; 3 * MAX_DIGITS + 2];
        let mut at = text.len();
        for (place, number) in [self.patch, self.minor, self.major].into_iter().enumerate() {
            at -= usize::from(place > 0);
            let mut rest = number;
            loop {
                at -= 1;
                text[at] = b'0' + (rest % 10) as u8;
                rest /= 10;
                if rest == 0 {
                    break;
                }
            }
        }
        f.write_str(std::str::from_utf8(&text[at..]).unwrap_or_default())?;
        if !self.pre.is_empty() {
            write!(f, "-{}", self.pre)?;
        }
        if !self.build.is_empty() {
            write!(f, "+{}", self.build)?;
        }
        Ok(())
    }
}
impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grammar() {
        for ok in [
            "0.0.0",
            "1.2.3",
            "1.2.3-a.1",
            "1.2.3-0a",
            "1.0.0+001",
            "1.0.0-rc.1+b.2",
            "1.0.0--",
            "9007199254740991.0.0",
            "0.123456789012345.1234567890123456",
        ] {
            assert_eq!(Version::parse(ok).unwrap().to_string(), ok);
        }
        for bad in [
            "",
            "1",
            "1.2",
            "1.2.3.4",
            "1..3",
            "1.2.",
            "1.2.00",
            "v1.2.3",
            "01.2.3",
            "1.2.3-",
            "1.2.3+",
            "1.2.3-01",
            "1.2.3-a..b",
            "9007199254740992.0.0",
            "1.0.0/../..",
            "a.b.c",
            "1.2.x",
        ] {
            assert!(Version::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(Version::parse_loose(" v1.2.3").unwrap(), Version::new(1, 2, 3));
    }

    #[test]
    fn precedence_of_semver_org() {
        let order = [
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0.0",
            "1.0.1",
            "1.1.0",
            "2.0.0",
        ];
        for w in order.windows(2) {
            assert!(Version::parse(w[0]).unwrap() < Version::parse(w[1]).unwrap(), "{w:?}");
        }
        let (a, b) = (Version::parse("1.0.0+a").unwrap(), Version::parse("1.0.0+b").unwrap());
        assert_eq!(a.cmp_precedence(&b), Ordering::Equal);
        assert!(a < b);
    }
}
