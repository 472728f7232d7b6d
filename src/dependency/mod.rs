//! One dependency of a manifest: from its words to a typed [`Source`].
//!
//! Two dialects. In pantry's own files (pantry.json, pantry.jsonc, package.jsonc)
//! the *name* tells the source (spec/dependency-syntax.md), unless
//! `sourceResolution.preferences` or an object with a `source` does:
//!
//! | name | source |
//! |---|---|
//! | `http(s)://…`, not ending in `.git` | HTTP archive |
//! | `….git` | git |
//! | `@scope/name` | npm |
//! | `owner/repo` | GitHub |
//! | `domain.tld` (org com dev io sh net), also `domain.tld/path` | pkgx |
//! | any other name | auto: the order in force decides |
//!
//! In package.json the name is always npm's, and the *value* tells the source,
//! as npm-package-arg reads it: a range or tag, `npm:name@range`, `owner/repo`,
//! a git or HTTP URL, `file:`, a path; and `link:` and `workspace:`, which
//! other package managers brought in. The same values are understood beside a
//! plain or scoped name in pantry's files.
//!
//! Pure: nothing is looked up here. What no part of the program can install
//! yet is told apart by [`Dependency::npm`].

mod npm;
mod pantry;
mod resolution;

pub(crate) use npm::decode as percent_decode;
pub use npm::is_archive;
pub use resolution::{Origin, SourceResolution};

use mirror::name::{NameError, PackageName, escape};
use std::fmt;

/// How a manifest's words are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// spec/dependency-syntax.md
    Pantry,
    /// package.json, as npm means it.
    Npm,
}

/// What stands right of the colon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Text(String),
    /// An object with its properties in order (pantry's files only).
    Options(Vec<(String, Setting)>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setting {
    Text(String),
    Flag(bool),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// The folder it is installed under.
    pub alias: PackageName,
    pub source: Source,
    /// Install for the user, not only for this project.
    pub global: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A name of the npm registry (or of the registry at `registry`).
    Npm {
        name: PackageName,
        range: String,
        registry: Option<String>,
    },
    /// A plain name: the first of `order` that knows it has it.
    Auto {
        name: PackageName,
        range: String,
        order: Vec<Origin>,
    },
    Pkgx {
        project: String,
        version: String,
    },
    Github {
        owner: String,
        repo: String,
        version: String,
        reference: Reference,
    },
    Git {
        url: String,
        version: String,
        reference: Reference,
    },
    Http {
        url: String,
        version: String,
    },
    /// A folder or archive of this machine, relative to the manifest or absolute.
    Local {
        path: String,
        form: LocalForm,
    },
    /// A member of this workspace; the range behind `workspace:`.
    Workspace {
        range: String,
    },
    /// What the workspace's catalog of that name has for the dependency's name.
    Catalog {
        name: String,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LocalForm {
    /// `link:`: always a link, its dependencies are its own business.
    Link,
    /// `file:` or a path: a folder.
    Folder,
    /// `file:` or a path that ends in `.tgz`, `.tar.gz` or `.tar`.
    Archive,
}

/// A place in a repository's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// What the version says, else the default branch.
    Default,
    Branch(String),
    Tag(String),
    /// `#…`: a commit, a tag or a branch, whichever it is.
    Committish(String),
    /// `#semver:…`: the highest tag in this range.
    Range(String),
}

/// Why a dependency cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    Name(NameError),
    /// Neither a range nor a dist-tag.
    Range(String),
    UnknownSource(String),
    /// An object without `source`.
    NoSource,
    Missing {
        source: &'static str,
        option: &'static str,
    },
    UnknownOption {
        source: &'static str,
        option: String,
    },
    /// A string where true or false belongs, or the other way round.
    WrongKind {
        option: String,
        expected: &'static str,
    },
    BranchAndTag,
    /// An object in package.json.
    NotText,
    Url(String),
    /// A scheme that nothing here speaks (`ext::`, `ftp:`, …).
    Scheme(String),
    Repository(String),
    /// A branch, tag or version that begins with `-` or holds blanks or control characters.
    Word(String),
    NestedAlias(String),
    /// `npm:` before something that is no registry package.
    AliasOf(String),
    Format(String),
    Path(String),
}

impl Problem {
    /// Whether it is the name, not the value, that is wrong.
    pub fn is_about(&self, name: &str) -> bool {
        match self {
            Self::Name(NameError { text, .. })
            | Self::Repository(text)
            | Self::Url(text)
            | Self::Format(text) => name.contains(text.as_str()),
            _ => false,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(e) => e.fmt(f),
            Self::Range(t) => write!(f, "`{}` is neither a version range nor a tag", escape(t)),
            Self::UnknownSource(s) => write!(
                f,
                "`{}` is not a source; the sources are npm, pkgx, github, git, http and local",
                escape(s)
            ),
            Self::NoSource => f.write_str("a dependency written as an object needs a `source`"),
            Self::Missing { source, option } => {
                write!(f, "a dependency with `\"source\": \"{source}\"` needs `{option}`")
            }
            Self::UnknownOption { source, option } => {
                write!(f, "a dependency with `\"source\": \"{source}\"` has no option `{}`", escape(option))
            }
            Self::WrongKind { option, expected } => write!(f, "`{}` has to be {expected}", escape(option)),
            Self::BranchAndTag => f.write_str("`branch` and `tag` exclude each other"),
            Self::NotText => f.write_str("in package.json a dependency is a string"),
            Self::Url(t) => write!(f, "`{}` is not a URL that can be fetched", escape(&redact(t))),
            Self::Scheme(t) => {
                write!(f, "`{}` is not a kind of address that dependencies can have", escape(t))
            }
            Self::Repository(t) => write!(f, "`{}` is not `owner/repository`", escape(t)),
            Self::Word(t) => write!(f, "`{}` cannot be a version, branch or tag", escape(t)),
            Self::NestedAlias(t) => write!(f, "`{}` is an alias of an alias", escape(t)),
            Self::AliasOf(t) => write!(f, "`npm:` needs a package name and a range, not `{}`", escape(t)),
            Self::Format(t) => {
                write!(
                    f,
                    "`{}` is not an archive that can be unpacked (.tar.gz, .tgz, .tar.xz, .zip)",
                    escape(&redact(t))
                )
            }
            Self::Path(t) => write!(f, "`{}` is not a path", escape(t)),
        }
    }
}
impl std::error::Error for Problem {}
impl From<NameError> for Problem {
    fn from(e: NameError) -> Self {
        Self::Name(e)
    }
}

/// A dependency that is understood, but that this version cannot install.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsupported {
    pub alias: PackageName,
    /// What it is: `a GitHub repository`, …
    pub what: &'static str,
    /// Where it comes from, without a password.
    pub from: String,
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} comes from {} ({}), which this version cannot install yet",
            self.alias,
            self.what,
            escape(&self.from)
        )
    }
}
impl std::error::Error for Unsupported {}

/// What an npm resolution needs of a dependency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NpmRequest<'a> {
    pub name: &'a PackageName,
    pub range: &'a str,
    /// A registry of its own; `None`: the one that `.npmrc` gives to the name.
    pub registry: Option<&'a str>,
}

/// Reads one dependency.
pub fn parse(
    name: &str,
    value: &Value,
    dialect: Dialect,
    resolution: &SourceResolution,
) -> Result<Dependency, Problem> {
    match (dialect, value) {
        (Dialect::Pantry, _) => pantry::parse(name, value, resolution),
        (Dialect::Npm, Value::Text(text)) => {
            let alias = PackageName::parse(name)?;
            let source = npm::parse(&alias, text)?;
            Ok(Dependency { alias, source, global: false })
        }
        (Dialect::Npm, Value::Options(_)) => Err(Problem::NotText),
    }
}

impl Dependency {
    /// The registry package it is, if it is one. A plain name whose order holds
    /// npm counts as one: no other registry of plain names can be asked yet.
    pub fn npm(&self) -> Result<NpmRequest<'_>, Unsupported> {
        let (what, from) = match &self.source {
            Source::Npm { name, range, registry } => {
                return Ok(NpmRequest { name, range, registry: registry.as_deref() });
            }
            Source::Auto { name, range, order } if order.contains(&Origin::Npm) => {
                return Ok(NpmRequest { name, range, registry: None });
            }
            Source::Auto { name, order, .. } => {
                let order: Vec<&str> = order.iter().map(|o| o.name()).collect();
                ("a source other than npm", format!("{name}: {}", order.join(", ")))
            }
            Source::Pkgx { project, .. } => ("pkgx", project.clone()),
            Source::Github { owner, repo, .. } => ("a GitHub repository", format!("{owner}/{repo}")),
            Source::Git { url, .. } => ("a git repository", redact(url)),
            Source::Http { url, .. } => ("an archive at a URL", redact(url)),
            Source::Local { path, form: LocalForm::Archive } => ("an archive of this machine", path.clone()),
            Source::Local { path, .. } => ("a folder of this machine", path.clone()),
            Source::Workspace { range } => ("this workspace", format!("workspace:{range}")),
            Source::Catalog { name } => ("a catalog", format!("catalog:{name}")),
        };
        Err(Unsupported { alias: self.alias.clone(), what, from })
    }

    /// The range as npm would write it right of the alias: what a resolver and
    /// a lockfile keep. `None` when it is not a registry package.
    pub fn npm_words(&self) -> Option<String> {
        let request = self.npm().ok()?;
        Some(match *request.name == self.alias {
            true => request.range.to_string(),
            false => format!("npm:{}@{}", request.name, request.range),
        })
    }
}

/// `url` without `user:password@`.
pub fn redact(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.into() };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    match authority.rfind('@') {
        Some(at) if authority[..at].contains(':') || !scheme.ends_with("ssh") => {
            format!("{scheme}://***@{}", &rest[at + 1..])
        }
        _ => url.into(),
    }
}

/// A range or a dist-tag, trimmed; nothing is `*`.
fn range_or_tag(text: &str) -> Result<String, Problem> {
    let text = text.trim();
    if text.is_empty() {
        return Ok("*".into());
    }
    // npm takes for a tag whatever needs no escape in a URL.
    let is_tag = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&b));
    // What the lockfile, where this stands alone, would read as something else.
    if (is_tag || is_range(text)) && !pantry::is_locator(text) {
        Ok(text.into())
    } else {
        Err(Problem::Range(text.into()))
    }
}

fn is_range(text: &str) -> bool {
    crate::resolve::range::Range::parse(text).is_some()
}

/// Something that is handed to git or put into a URL: one word, no option.
fn word(text: &str) -> Result<String, Problem> {
    let bad = text.is_empty()
        || text.starts_with('-')
        || text.len() > 1024
        || text.contains(|c: char| c.is_control() || c.is_whitespace());
    if bad { Err(Problem::Word(text.into())) } else { Ok(text.into()) }
}

/// A version of something other than npm: any words of printable text.
fn loose_version(text: &str) -> Result<String, Problem> {
    let text = text.trim();
    if text.starts_with('-') || text.len() > 1024 || text.contains(char::is_control) {
        return Err(Problem::Word(text.into()));
    }
    Ok(if text.is_empty() { "latest".into() } else { text.into() })
}

/// A name's `owner/repo`, each a segment that GitHub allows.
fn repository(text: &str) -> Result<(String, String), Problem> {
    let bad = || Problem::Repository(text.into());
    let (owner, repo) = text.split_once('/').ok_or_else(bad)?;
    let repo = repo.strip_suffix(".git").unwrap_or(repo);
    let good = |s: &str, extra: &[u8]| {
        !s.is_empty()
            && s.len() <= 100
            && s.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || extra.contains(&b))
    };
    if !good(owner, b"_") || !good(repo, b"._") || matches!(repo, "." | "..") || owner.starts_with('-') {
        return Err(bad());
    }
    Ok((owner.into(), repo.into()))
}

/// `http(s)://host…` without blanks or control characters.
fn http_url(text: &str) -> Result<String, Problem> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let host = rest.and_then(|r| r.split(['/', '?', '#']).next()).map(|a| a.rsplit('@').next().unwrap_or(a));
    match host {
        Some(h)
            if !h.is_empty()
                && !text.contains(|c: char| c.is_control() || c.is_whitespace() || c == '\\') =>
        {
            Ok(text.into())
        }
        _ => Err(Problem::Url(text.into())),
    }
}

/// An address that may be handed to the git program: never an option, never a
/// remote helper (`ext::…`).
fn git_url(text: &str) -> Result<String, Problem> {
    let bad = || Problem::Url(text.into());
    if text.starts_with('-')
        || text.contains(|c: char| c.is_control() || c.is_whitespace())
        || text.contains("::")
    {
        return Err(bad());
    }
    if let Some((scheme, rest)) = text.split_once("://") {
        if !matches!(scheme, "https" | "http" | "ssh" | "git" | "file") {
            return Err(Problem::Scheme(scheme.into()));
        }
        let host = rest.split(['/', '?', '#']).next().unwrap_or("");
        let host = host.rsplit('@').next().unwrap_or("");
        if (host.is_empty() && scheme != "file") || host.starts_with('-') || rest.is_empty() {
            return Err(bad());
        }
        return Ok(text.into());
    }
    // `user@host:path`
    match text.split_once(':') {
        Some((host, path)) => {
            let name = host.split_once('@').map(|(_, h)| h);
            match name {
                Some(h)
                    if !h.is_empty() && !h.starts_with('-') && !path.is_empty() && !path.starts_with('-') =>
                {
                    Ok(text.into())
                }
                _ => Err(bad()),
            }
        }
        None => Err(bad()),
    }
}

#[cfg(test)]
mod tests;
