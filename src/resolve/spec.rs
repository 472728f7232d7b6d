//! What a dependency's value asks for, as npm reads it (npm-package-arg): a
//! version, a range, a dist-tag, an alias of one of those, or something that
//! is not in a registry.
//!
//! This is the dialect of packages in the npm registry and of package.json;
//! what pantry's own manifests may say is `crate::dependency`'s business.

use super::range::{Range, loose_version};
use mirror::name::PackageName;
use mirror::version::Version;

/// A dependency's value, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// The package, where it is not called as the dependency is (`npm:name@…`).
    pub package: Option<PackageName>,
    pub wanted: Wanted,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// Exactly one version, and the range that it alone satisfies.
    Version(Version, Range),
    Range(Range),
    /// A dist-tag. Any version that is there already satisfies it.
    Tag(Box<str>),
    /// A member of the workspace (`workspace:^`, `workspace:name@1`).
    Member(Range),
    /// A folder, by its path from the project's root (`link:packages/a`); only what manifests ask for is one.
    Link(Box<str>),
    /// An archive, by its path from the project's root (`file:lib/a.tgz`); only what manifests ask for is one.
    Packed(Box<str>),
    /// Not in a registry, or not a value at all.
    Unsupported(Unsupported),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsupported {
    /// `file:`, `link:`, a path, a tarball on disk.
    File,
    /// `user/repo`, `git+ssh:`, `github:` …
    Git,
    /// `https://…/x.tgz`
    Url,
    /// None of npm's forms: a tag with characters that a URL cannot have, an alias of an alias.
    Malformed,
}

impl Spec {
    pub fn parse(value: &str) -> Self {
        if value.get(..4).is_some_and(|head| head.eq_ignore_ascii_case("npm:")) {
            return Self::alias(&value[4..]);
        }
        if let Some(rest) = value.strip_prefix("workspace:") {
            return Self::member(rest.trim());
        }
        let wanted = match (value.strip_prefix("link:"), value.strip_prefix("file:")) {
            (Some(path), _) => Wanted::Link(path.into()),
            (_, Some(path)) if is_tarball(path) => Wanted::Packed(path.into()),
            _ => Wanted::parse(value),
        };
        Self { package: None, wanted }
    }

    fn member(value: &str) -> Self {
        let at = value.get(1..).and_then(|t| t.find('@')).map_or(0, |i| i + 1);
        let (package, range) = match PackageName::parse(&value[..at]) {
            Ok(package) => (Some(package), &value[at + 1..]),
            Err(_) => (None, value),
        };
        match Range::parse(if matches!(range, "^" | "~") { "*" } else { range }) {
            Some(range) => Self { package, wanted: Wanted::Member(range) },
            None => Self::malformed(),
        }
    }

    fn alias(target: &str) -> Self {
        let at = target.get(1..).and_then(|t| t.find('@')).map_or(target.len(), |i| i + 1);
        let (name, rest) = target.split_at(at);
        let rest = rest.strip_prefix('@').unwrap_or(rest);
        let nested = rest.get(..4).is_some_and(|head| head.eq_ignore_ascii_case("npm:"));
        match PackageName::parse(name) {
            Ok(name) if !nested => match Wanted::parse(rest) {
                Wanted::Unsupported(_) | Wanted::Member(_) | Wanted::Link(_) | Wanted::Packed(_) => {
                    Self::malformed()
                }
                wanted => Self { package: Some(name), wanted },
            },
            _ => Self::malformed(),
        }
    }

    /// The package that a registry is asked for, where it is to come from one.
    pub fn registry_name(&self, alias: &PackageName) -> Option<PackageName> {
        match self.wanted {
            Wanted::Unsupported(_) | Wanted::Member(_) | Wanted::Link(_) | Wanted::Packed(_) => None,
            _ => Some(self.package.clone().unwrap_or_else(|| alias.clone())),
        }
    }

    fn malformed() -> Self {
        Self { package: None, wanted: Wanted::Unsupported(Unsupported::Malformed) }
    }

    /// Whether a version of whatever package lies in the right folder will do.
    /// As in npm, the package behind an alias is not compared, and a tag is
    /// content with anything that came from a registry.
    pub fn is_satisfied_by(&self, version: &Version) -> bool {
        match &self.wanted {
            Wanted::Range(range) | Wanted::Member(range) => range.is_star() || range.satisfies(version),
            Wanted::Version(_, range) => range.satisfies(version),
            Wanted::Tag(_) | Wanted::Link(_) | Wanted::Packed(_) => true,
            Wanted::Unsupported(_) => false,
        }
    }
}

impl Wanted {
    fn parse(value: &str) -> Self {
        let value = value.trim();
        if let Some(range) = Range::plain(value) {
            return Self::Range(range);
        }
        if let Some(version) = loose_version(value) {
            return Self::Version(version.clone(), Range::exact(version));
        }
        // A range holds none of what marks the other forms, and is by far the most frequent.
        if !value.contains(['/', ':']) {
            if is_path(value) || is_tarball(value) {
                return Self::Unsupported(Unsupported::File);
            }
            return match Range::parse(value) {
                Some(range) => Self::Range(range),
                None if is_tag(value) => Self::Tag(value.into()),
                None => Self::Unsupported(Unsupported::Malformed),
            };
        }
        Self::Unsupported(elsewhere(value))
    }
}

/// What `encodeURIComponent` leaves as it is.
fn is_tag(value: &str) -> bool {
    value.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&b))
}

fn is_path(value: &str) -> bool {
    let b = value.as_bytes();
    value.starts_with(['.', '/'])
        || value.starts_with("~/")
        || (b.len() > 1 && b[0].is_ascii_alphabetic() && b[1] == b':')
}

fn is_tarball(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    lower.ends_with(".tgz") || lower.ends_with(".tar.gz") || lower.ends_with(".tar")
}

fn elsewhere(value: &str) -> Unsupported {
    if is_path(value) {
        return Unsupported::File;
    }
    match value.split_once(':').map(|(scheme, rest)| (scheme.to_ascii_lowercase(), rest)) {
        Some((scheme, rest)) => match scheme.as_str() {
            "file" | "portal" | "workspace" | "catalog" => Unsupported::File,
            "http" | "https" if !rest.split(['#', '?']).next().unwrap_or("").ends_with(".git") => {
                Unsupported::Url
            }
            _ => Unsupported::Git,
        },
        // `user/repo`; a tarball in a folder.
        None if is_tarball(value) => Unsupported::File,
        None => Unsupported::Git,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_npm_makes_of_a_value() {
        let kind = |value: &str| match Spec::parse(value).wanted {
            Wanted::Version(..) => "version",
            Wanted::Range(_) => "range",
            Wanted::Tag(_) => "tag",
            Wanted::Member(_) => "member",
            Wanted::Link(_) => "link",
            Wanted::Packed(_) => "packed",
            Wanted::Unsupported(Unsupported::File) => "file",
            Wanted::Unsupported(Unsupported::Git) => "git",
            Wanted::Unsupported(Unsupported::Url) => "url",
            Wanted::Unsupported(Unsupported::Malformed) => "malformed",
        };
        for (value, expected) in [
            ("1.2.3", "version"),
            ("v1.2.3", "version"),
            ("^1.2", "range"),
            ("", "range"),
            ("*", "range"),
            (" >=1 <2 ", "range"),
            ("next || 1", "range"),
            ("latest", "tag"),
            ("next-11", "tag"),
            ("^x^", "malformed"),
            ("a b", "malformed"),
            ("./a", "file"),
            ("../a", "file"),
            ("~/a", "file"),
            ("/a", "file"),
            ("C:\\a", "file"),
            ("file:a.tgz", "packed"),
            ("file:a", "file"),
            ("link:../a", "link"),
            ("a.tgz", "file"),
            ("user/repo", "git"),
            ("github:user/repo#semver:^1", "git"),
            ("git+ssh://git@example.com/a.git#v1", "git"),
            ("git@example.com:a/b.git", "git"),
            ("https://example.com/a/b.git", "git"),
            ("https://example.com/a.tgz", "url"),
            ("workspace:*", "member"),
            ("workspace:^", "member"),
            ("workspace:@s/a@^1", "member"),
            ("workspace:../a", "malformed"),
            ("npm:a@^1", "range"),
            ("npm:@s/a", "range"),
            ("npm:a@next", "tag"),
            ("npm:", "malformed"),
            ("npm:a@npm:b", "malformed"),
            ("npm:../a", "malformed"),
            ("npm:a@user/repo", "malformed"),
        ] {
            assert_eq!(kind(value), expected, "{value:?}");
        }
        let alias = Spec::parse("npm:@s/a@1 || 2");
        assert_eq!(alias.package.as_ref().map(PackageName::as_str), Some("@s/a"));
        assert!(alias.is_satisfied_by(&Version::new(2, 1, 0)));
    }

    /// npm: a tag edge is valid whatever version is there; `*` takes pre-releases too.
    #[test]
    fn tags_and_stars_are_content_with_anything() {
        let pre = Version::parse("3.0.0-rc.1").unwrap();
        assert!(Spec::parse("latest").is_satisfied_by(&pre));
        assert!(Spec::parse("*").is_satisfied_by(&pre));
        assert!(!Spec::parse(">=1").is_satisfied_by(&pre));
    }
}
