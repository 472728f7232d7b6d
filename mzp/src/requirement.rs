//! What a dependency says about versions: `^1.2`, `~1.2.3`, `=1.2.3`,
//! `>=1.2.3`, `1.2.x`, `*`, several joined by commas; a bare version is a caret
//! range. The reading is the `semver` crate's; a pre-release is matched only by
//! a requirement that names a pre-release of the same three numbers.

use mirror::name::NameError;
use mirror::version::Version;
use std::fmt;

/// A requirement and the text it was written as.
#[derive(Clone, PartialEq, Eq)]
pub struct Requirement {
    text: Box<str>,
    parsed: semver::VersionReq,
}

impl Requirement {
    /// At most 1,024 bytes and 32 parts, so that no text costs much.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let bad =
            |rule| NameError { kind: "version requirement", text: text.chars().take(100).collect(), rule };
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return Err(bad("is empty (write \"*\" for any version)"));
        }
        if trimmed.len() > 1024 {
            return Err(bad("is longer than 1,024 bytes"));
        }
        if trimmed.contains("||") {
            return Err(bad("has `||`, which MinZ packages do not know"));
        }
        match semver::VersionReq::parse(trimmed) {
            Ok(parsed) => Ok(Self { text: trimmed.into(), parsed }),
            Err(_) => Err(bad(
                "is not one of ^1.2.3, ~1.2.3, =1.2.3, >=1.2.3, 1.2.x or * (join several with commas)",
            )),
        }
    }

    pub fn any() -> Self {
        Self { text: "*".into(), parsed: semver::VersionReq::STAR }
    }

    /// `^` and a version: what adding a package writes.
    pub fn caret(version: &Version) -> String {
        format!("^{version}")
    }

    pub fn matches(&self, version: &Version) -> bool {
        let pre = semver::Prerelease::new(&version.pre).unwrap_or(semver::Prerelease::EMPTY);
        self.parsed.matches(&semver::Version {
            major: version.major,
            minor: version.minor,
            patch: version.patch,
            pre,
            build: semver::BuildMetadata::EMPTY,
        })
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }
}
impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
impl fmt::Debug for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_designs_table() {
        for (range, yes, no) in [
            ("^1.2.3", &["1.2.3", "1.9.0"][..], &["1.2.2", "2.0.0", "2.0.0-a"][..]),
            ("~1.2.3", &["1.2.3", "1.2.9"], &["1.3.0", "1.2.2"]),
            ("1.2.x", &["1.2.0", "1.2.9"], &["1.3.0", "1.1.9"]),
            (">=1.2.3", &["1.2.3", "9.0.0"], &["1.2.2"]),
            ("=1.2.3", &["1.2.3"], &["1.2.4"]),
            ("1.2.3", &["1.2.3", "1.9.0"], &["2.0.0"]),
            ("0.5", &["0.5.0", "0.5.9"], &["0.6.0", "1.0.0"]),
            (">=1.0.0, <2.0.0, <1.5.0", &["1.4.9"], &["1.5.0"]),
            ("*", &["0.0.1", "7.0.0"], &["1.0.0-a"]),
            ("^1.0.0-beta.1", &["1.0.0-beta.2", "1.0.0", "1.1.0"], &["1.0.0-alpha", "1.1.0-a"]),
        ] {
            let r = Requirement::parse(range).unwrap();
            for v in yes {
                assert!(r.matches(&Version::parse(v).unwrap()), "{range} {v}");
            }
            for v in no {
                assert!(!r.matches(&Version::parse(v).unwrap()), "{range} {v}");
            }
        }
        for bad in ["", " ", "one", ">=1 <2", "1 || 2", "^1.2.3.4", "latest", &"1,".repeat(600)] {
            assert!(Requirement::parse(bad).is_err(), "{bad}");
        }
    }
}
