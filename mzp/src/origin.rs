//! Where a package comes from, when its name alone does not say it: as
//! `mzp.toml` has it, as the command line does ([`Word`]), and as `mzp.lock`
//! repeats it. Each kind is a type that only its parser makes.
//!
//! | | `mzp.toml` | command line | `mzp.lock` |
//! |---|---|---|---|
//! | mirrors, and the default registry behind them | `"^1"` | `NAME[@REQUIREMENT]` | |
//! | a registry of its own | `registry = "work"` (of `[registries]`) or a URL | | `registry:URL` |
//! | a folder | `path = "../lib"` | `./lib`, `file:../lib` | `path:../lib` |
//! | GitHub, a release | `github = "user/repo@v1"` | `user/repo[@v1]`, `github:…` | `github:user/repo@v1` |
//! | an archive | `url = "https://…"` | the URL | `url:https://…` |

use crate::requirement::Requirement;
use mirror::http::{HttpError, Url};
use mirror::name::{MinzName, NameError, RelPath};
use std::fmt;
use std::path::{Path, PathBuf};

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Origin {
    /// The mirrors, and the default registry behind them.
    #[default]
    Registry,
    Named(Url),
    Folder(Folder),
    Github(Repository),
    Archive(Url),
}

impl Origin {
    /// In words, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Registry => "the registry",
            Self::Named(_) => "a registry of its own",
            Self::Folder(_) => "a local folder",
            Self::Github(_) => "GitHub",
            Self::Archive(_) => "a URL",
        }
    }

    /// The inverse of `Display`, which is empty for [`Origin::Registry`].
    pub fn parse(text: &str) -> Result<Self, NameError> {
        match text.split_once(':') {
            Some(("registry", rest)) => url(rest).map(Self::Named),
            Some(("path", rest)) => Folder::parse(rest).map(Self::Folder),
            Some(("github", rest)) => Repository::parse(rest).map(Self::Github),
            Some(("url", rest)) => url(rest).map(Self::Archive),
            _ => Err(bad("source", text, "begins with none of registry:, path:, github:, url:")),
        }
    }

    /// Under which id mirrors keep its packages; folders are in none.
    pub fn id(&self) -> String {
        match self {
            Self::Registry => crate::registry::SOURCE.into(),
            Self::Named(url) => format!("{}+{url}", crate::registry::SOURCE),
            other => other.to_string(),
        }
    }

    /// The project or repository is the same, whatever the release.
    pub fn is_same_place(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Github(a), Self::Github(b)) => {
                a.path == b.path && (a.tag == b.tag || a.tag.is_none() || b.tag.is_none())
            }
            (a, b) => a == b,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry => Ok(()),
            Self::Named(url) => write!(f, "registry:{url}"),
            Self::Folder(folder) => write!(f, "path:{folder}"),
            Self::Github(repository) => write!(f, "github:{repository}"),
            Self::Archive(url) => write!(f, "url:{url}"),
        }
    }
}

fn bad(kind: &'static str, text: &str, rule: &'static str) -> NameError {
    NameError { kind, text: text.chars().take(200).collect(), rule }
}

/// An address that may stand in a file that others read: without a password.
pub fn url(text: &str) -> Result<Url, NameError> {
    match Url::parse(text) {
        Ok(url) if url.to_string().len() > 1500 => Err(bad("URL", text, "is longer than 1,500 bytes")),
        Ok(url) if url.userinfo().is_none() => Ok(url),
        Ok(url) => {
            Err(bad("URL", &url.to_string(), "has a user name or password, which do not belong in a project"))
        }
        Err(HttpError::BadUrl { text, rule }) => Err(bad("URL", &text, rule)),
        Err(_) => Err(bad("URL", text, "cannot be used")),
    }
}

/// A folder, relative to the manifest that names it: any number of `..`, then
/// names. What lies above a project is the user's to point at; nobody else's
/// manifest may hold one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Folder(Box<str>);

/// Most `..` in front.
const UP: usize = 32;

impl Folder {
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let bad = |rule| bad("folder", text, rule);
        if text.starts_with('/') {
            return Err(bad("is absolute (write it relative to this file's folder)"));
        }
        let parts: Vec<&str> = text.split('/').filter(|p| !p.is_empty() && *p != ".").collect();
        let up = parts.iter().take_while(|p| **p == "..").count();
        let rest = parts[up..].join("/");
        if up > UP {
            return Err(bad("leads too far up"));
        }
        if rest.contains('"') {
            return Err(bad("contains a quotation mark"));
        }
        match (parts.is_empty(), rest.is_empty()) {
            (true, _) => return Err(bad("is the package's own")),
            (false, true) => {}
            (false, false) => drop(RelPath::parse(&rest).map_err(|e| bad(e.rule))?),
        }
        if parts[0] == "packages" {
            return Err(bad("lies in packages/, which is mzp's own"));
        }
        Ok(Self(parts.join("/").into()))
    }

    /// Where `to` lies, seen from `from`; both as the system knows them.
    pub fn between(from: &Path, to: &Path) -> Result<Self, NameError> {
        let shared = from.components().zip(to.components()).take_while(|(a, b)| a == b).count();
        let up = std::iter::repeat_n("..", from.components().count() - shared);
        let down: Vec<_> = to.components().skip(shared).map(|c| c.as_os_str().to_string_lossy()).collect();
        Self::parse(&up.chain(down.iter().map(AsRef::as_ref)).collect::<Vec<_>>().join("/"))
    }

    /// What this folder, named by the manifest in `base`, is to whoever named `base`.
    pub fn below(&self, base: &Self) -> Result<Self, NameError> {
        let mut parts: Vec<&str> = base.0.split('/').collect();
        for part in self.0.split('/') {
            match parts.last() {
                Some(last) if part == ".." && *last != ".." => drop(parts.pop()),
                _ => parts.push(part),
            }
        }
        Self::parse(&parts.join("/"))
    }

    pub fn path(&self, root: &Path) -> PathBuf {
        root.join(&*self.0)
    }
}

impl fmt::Display for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `user/repo` or `user/repo@TAG`. A tag may be a branch or a commit as well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    path: Box<str>,
    tag: Option<Box<str>>,
}

impl Repository {
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let (path, tag) = match text.split_once('@') {
            Some((path, tag)) => (path, Some(tag)),
            None => (text, None),
        };
        let word = |w: &str, more: &[u8]| {
            !w.is_empty()
                && w.len() <= 100
                && !w.starts_with(['.', '-'])
                && !w.ends_with(".lock")
                && w.bytes().all(|b| b.is_ascii_alphanumeric() || more.contains(&b))
        };
        let valid =
            path.split_once('/').is_some_and(|(owner, name)| word(owner, b"-_.") && word(name, b"-_."));
        if !valid {
            return Err(bad("repository", text, "is not user/repo or user/repo@TAG"));
        }
        if tag.is_some_and(|t| t.contains("..") || !t.split('/').all(|part| word(part, b"-_.+"))) {
            return Err(bad("repository", text, "has a tag that git would not take"));
        }
        Ok(Self { path: path.into(), tag: tag.map(Into::into) })
    }

    /// `user/repo`
    pub fn path(&self) -> &str {
        &self.path
    }
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }
    /// The same repository at a release.
    pub fn at(&self, tag: &str) -> Result<Self, NameError> {
        Self::parse(&format!("{}@{tag}", self.path))
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        self.tag.as_ref().map_or(Ok(()), |tag| write!(f, "@{tag}"))
    }
}

/// A package as a word of the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    Name(MinzName, Option<Requirement>),
    /// As it was written: relative to the working directory, or absolute.
    Folder(PathBuf),
    Origin(Origin),
}

impl Word {
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if let Some(rest) = text.strip_prefix("file:") {
            let rest = rest.strip_prefix("//").unwrap_or(rest);
            return match rest.is_empty() {
                true => Err(bad("folder", text, "is empty")),
                false => Ok(Self::Folder(rest.into())),
            };
        }
        if matches!(text, "." | "..") || ["./", "../", "/"].iter().any(|start| text.starts_with(start)) {
            return Ok(Self::Folder(text.into()));
        }
        if text.contains("://") {
            return url(text).map(|url| Self::Origin(Origin::Archive(url)));
        }
        let repository = text.strip_prefix("github:");
        if let Some(repository) = repository.or_else(|| {
            let head = text.split('@').next().unwrap_or("");
            head.contains('/').then_some(text)
        }) {
            return Repository::parse(repository).map(|r| Self::Origin(Origin::Github(r)));
        }
        let (name, requirement) = match text.split_once('@') {
            Some((name, requirement)) => (name, Some(Requirement::parse(requirement)?)),
            None => (text, None),
        };
        Ok(Self::Name(MinzName::parse(name)?, requirement))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_command_line() {
        for (word, means) in [
            ("zx-core", "name zx-core"),
            ("zx-core@^1.2", "name zx-core ^1.2"),
            ("./lib", "folder ./lib"),
            ("../lib", "folder ../lib"),
            (".", "folder ."),
            ("..", "folder .."),
            ("/abs/lib", "folder /abs/lib"),
            ("file:lib", "folder lib"),
            ("file:../my lib", "folder ../my lib"),
            ("file:///abs/lib", "folder /abs/lib"),
            ("user/repo", "github:user/repo"),
            ("user/repo@v1.0.0", "github:user/repo@v1.0.0"),
            ("github:user/repo@feature/x", "github:user/repo@feature/x"),
            ("https://example.com/a.tgz#part", "url:https://example.com/a.tgz"),
            ("HTTP://Example.com/a.tgz?x=1", "url:http://example.com/a.tgz?x=1"),
        ] {
            let shown = match Word::parse(word).unwrap_or_else(|e| panic!("{word}: {e}")) {
                Word::Name(name, None) => format!("name {name}"),
                Word::Name(name, Some(r)) => format!("name {name} {r}"),
                Word::Folder(path) => format!("folder {}", path.display()),
                Word::Origin(origin) => {
                    assert_eq!(Origin::parse(&origin.to_string()), Ok(origin.clone()));
                    origin.to_string()
                }
            };
            assert_eq!(shown, means);
        }
        for bad in [
            "",
            "ZX",
            "a@latest",
            "file:",
            "user/",
            "user/repo/sub",
            "user/../x",
            "-x/repo",
            "user/repo@",
            "user/repo@a b",
            "user/repo@../x",
            "user/repo@-x",
            "user/repo@x?y",
            "github:user",
            "ftp://example.com/a.tgz",
            "git://example.com/a",
            "https://u:secret@example.com/a.tgz",
            "https://",
            "git@example.com:user/repo",
            "lib\\x",
        ] {
            let error = Word::parse(bad).expect_err(bad).to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn folders_are_relative_and_plain() {
        for (text, same) in [
            ("../lib", "../lib"),
            ("./lib/", "lib"),
            ("lib//x/./y", "lib/x/y"),
            ("..", ".."),
            ("../../a b", "../../a b"),
        ] {
            assert_eq!(Folder::parse(text).unwrap().to_string(), same);
        }
        let far = "../".repeat(UP + 1);
        for bad in
            ["", ".", "./", "/lib", "lib/../x", "a\\b", "C:/x", "a\nb", "a\"b", "packages/x", far.as_str()]
        {
            assert!(Folder::parse(bad).is_err(), "{bad:?}");
        }
        let between = |a: &str, b: &str| Folder::between(Path::new(a), Path::new(b)).map(|f| f.to_string());
        assert_eq!(between("/w/game", "/w/lib").unwrap(), "../lib");
        assert_eq!(between("/w/game", "/w/game/libs/a").unwrap(), "libs/a");
        assert_eq!(between("/w/lib/examples/demo", "/w/lib").unwrap(), "../..");
        assert!(between("/w/game", "/w/game").is_err());
        let folder = |text| Folder::parse(text).unwrap();
        for (own, base, joined) in [
            ("../b", "../a", "../b"),
            ("x", "../a", "../a/x"),
            ("../../b", "a", "../b"),
            ("..", "..", "../.."),
        ] {
            assert_eq!(folder(own).below(&folder(base)).unwrap().to_string(), joined);
        }
        assert!(folder("..").below(&folder("a")).is_err(), "the project itself");
    }

    #[test]
    fn what_the_lock_repeats() {
        for text in [
            "registry:https://example.com/minz",
            "path:../lib",
            "github:u/r@v1",
            "url:http://example.com/a.tgz",
        ] {
            assert_eq!(Origin::parse(text).unwrap().to_string(), text);
        }
        for bad in ["", "../lib", "path:/lib", "git:u/r", "registry:work", "url:https://u:p@example.com/"] {
            assert!(Origin::parse(bad).is_err(), "{bad}");
        }
        let origin = |text| Origin::parse(text).unwrap();
        assert!(origin("github:u/r").is_same_place(&origin("github:u/r@v1")));
        assert!(!origin("github:u/r@v2").is_same_place(&origin("github:u/r@v1")));
        assert!(!origin("github:u/r").is_same_place(&origin("github:u/s@v1")));
    }
}
