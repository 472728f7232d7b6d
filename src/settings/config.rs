//! The user's own configuration, `$PANTRY_HOME/config.toml`. Every key may be
//! left out; an unknown one is an error, so that a slip does not go unnoticed.
//!
//! ```toml
//! mirrors = ["/media/stick/PANTRY", "~/mirrors/work"]   # before the home mirror
//! offline = false
//! prefer-offline = false
//! registry = "https://registry.example.com"             # npm's
//! linker = "hoisted"                                    # isolated, store
//! concurrency = 48                                      # as PANTRY_CONCURRENCY
//! max-concurrent = 16                                   # as PANTRY_MAX_CONCURRENT
//! cache-ttl = 3600                                      # seconds
//! download-timeout = 30000                              # milliseconds
//! dns-resolver = "192.0.2.1"
//! cafile = "~/certificates.pem"
//! home-mirror-limit = "10 GiB"                          # kept by `mirror gc`
//! mirror-max-age = 90                                   # days; older ones (but the home mirror) are refused
//! signatures = "required"                               # warn, off: of mirrors that are not this machine's
//!                                                       # a table says it of packages, too; see `signatures`
//! sync = "auto"                                         # ask, never: may trusted mirrors that are plugged in be used?
//! peers = ["http://server.example.com/mirror/", "/net/share/PANTRY"]   # mirrors that home is kept up to date with
//! private = ["@acme", "secret-project"]                  # names that leave this machine in no want-list
//! trusted-dependencies = ["esbuild", "sharp@0.34.5"]    # may run scripts at install, in every project
//!                                                       # (minz:NAME: its build.minz is followed)
//! ```

use super::{MOST_AT_A_TIME, value};
use crate::cli::suggest::closest;
use crate::error::{Error, Result, Status};
use crate::install::unit::Linker;
use crate::json::Excerpt;
use crate::opportunity::Sync;
use mirror::name::escape;
use mirror::trust::{Policy, Rule};
use mzp::toml::{self, Entry};
use std::io::{ErrorKind, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A configuration longer than this is something else.
const LIMIT: u64 = 1 << 20;

const KEYS: &[&str] = &[
    "cache-ttl",
    "cafile",
    "concurrency",
    "dns-resolver",
    "download-timeout",
    "home-mirror-limit",
    "linker",
    "max-concurrent",
    "mirror-max-age",
    "mirrors",
    "offline",
    "prefer-offline",
    "peers",
    "private",
    "registry",
    "signatures",
    "sync",
    "trusted-dependencies",
];

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Config {
    pub mirrors: Vec<PathBuf>,
    pub offline: bool,
    pub prefer_offline: bool,
    pub registry: Option<String>,
    pub linker: Option<Linker>,
    pub concurrency: Option<usize>,
    pub max_concurrent: Option<usize>,
    pub cache_ttl: Option<Duration>,
    pub download_timeout: Option<Duration>,
    pub name_server: Option<SocketAddr>,
    pub cafile: Option<PathBuf>,
    /// Bytes.
    pub home_mirror_limit: Option<u64>,
    pub trusted: Vec<String>,
    pub private: Vec<String>,
    pub sync: Option<Sync>,
    pub peers: Vec<String>,
    pub signatures: Option<Policy>,
    /// Days.
    pub mirror_max_age: Option<u64>,
    pub signed: Vec<Rule>,
}

impl Config {
    /// Reads the file; where there is none, everything is left to the defaults.
    /// `user_home` is what `~` stands for.
    pub(super) fn read(path: &Path, user_home: Option<&Path>) -> Result<Self> {
        match read(path)? {
            Some(text) => Self::parse(path, &text, user_home),
            None => Ok(Self::default()),
        }
    }

    fn parse(path: &Path, text: &str, user_home: Option<&Path>) -> Result<Self> {
        let mut config = Self::default();
        each(path, text, KEYS, &mut |key, value| config.set(key, value, user_home))?;
        Ok(config)
    }

    fn set(
        &mut self,
        key: &str,
        value: &toml::Value<'_>,
        user_home: Option<&Path>,
    ) -> std::result::Result<(), Refusal> {
        match key {
            "mirrors" => {
                let list = value.list().ok_or(Refusal::Rule("a list of folders"))?;
                for entry in list {
                    self.mirrors.push(folder(entry, user_home)?);
                }
            }
            "offline" => self.offline = truth(value)?,
            "prefer-offline" => self.prefer_offline = truth(value)?,
            "registry" => self.registry = Some(text(value, "a URL")?.to_string()),
            "linker" => {
                let rule = "hoisted, isolated or store";
                self.linker = Some(Linker::parse(text(value, rule)?).ok_or(Refusal::Rule(rule))?);
            }
            "concurrency" => self.concurrency = Some(at_a_time(value)?),
            "max-concurrent" => self.max_concurrent = Some(at_a_time(value)?),
            "cache-ttl" => {
                let seconds = value.number().ok_or(Refusal::Rule("a number of seconds"))?;
                self.cache_ttl = Some(Duration::from_secs(seconds));
            }
            "download-timeout" => {
                let rule = Refusal::Rule("a number of milliseconds, 1 or more");
                let milliseconds = value.number().filter(|n| *n > 0).ok_or(rule)?;
                self.download_timeout = Some(Duration::from_millis(milliseconds));
            }
            "dns-resolver" => {
                let rule = "an IP address, with or without a port";
                self.name_server = Some(value::address(text(value, rule)?).ok_or(Refusal::Rule(rule))?);
            }
            "mirror-max-age" => {
                self.mirror_max_age = Some(value.number().ok_or(Refusal::Rule("a number of days"))?);
            }
            "signatures" => {
                for (name, policy) in signatures(value)? {
                    match (name, Rule::new(name, policy)) {
                        ("mirrors", _) => self.signatures = Some(policy),
                        (_, Some(rule)) => self.signed.push(rule),
                        (_, None) => return Err(Refusal::Rule(SIGNATURES)),
                    }
                }
            }
            "cafile" => self.cafile = Some(folder(value, user_home)?),
            "home-mirror-limit" => {
                let rule = "a number of bytes, or a text such as \"10 GiB\"";
                let bytes = value.number().or_else(|| value.text().and_then(value::bytes));
                self.home_mirror_limit = Some(bytes.ok_or(Refusal::Rule(rule))?);
            }
            "private" => self.private = texts(value, "a list of scopes and packages")?,
            "peers" => {
                let rule = "a list of folders and addresses";
                for entry in value.list().ok_or(Refusal::Rule(rule))? {
                    let word = text(entry, rule)?;
                    self.peers.push(match word.starts_with("http://") || word.starts_with("https://") {
                        true => word.into(),
                        false => folder(entry, user_home)?.to_string_lossy().into_owned(),
                    });
                }
            }
            "sync" => {
                let rule = "auto, ask or never";
                let word = text(value, rule)?;
                let known = Sync::NAMES.iter().find(|(name, _)| *name == word);
                self.sync = Some(known.ok_or(Refusal::Rule(rule))?.1);
            }
            "trusted-dependencies" => self.trusted = texts(value, "a list of packages")?,
            _ => return Err(Refusal::Unknown),
        }
        Ok(())
    }
}

const SIGNATURES: &str = "required, warn or off, or a table of these for mirrors, \"*\", \"@scope/*\", \"name\", \"SOURCE:*\", \"SOURCE:name\"";

/// Of mirrors alone, or a table:
///
/// ```toml
/// [signatures]
/// mirrors = "required"
/// "@acme/*" = "required"     # packages: the rule that fits most closely counts
/// "minz:*" = "warn"
/// ```
fn signatures<'a>(value: &'a toml::Value<'_>) -> std::result::Result<Vec<(&'a str, Policy)>, Refusal> {
    let policy = |value: &toml::Value<'_>| {
        let known = Policy::NAMES.iter().find(|(name, _)| value.text() == Some(name));
        known.map(|(_, policy)| *policy).ok_or(Refusal::Rule(SIGNATURES))
    };
    match value.table() {
        Some(table) => table.entries.iter().map(|e| Ok((&*e.key, policy(&e.value)?))).collect(),
        None => Ok(vec![("mirrors", policy(value)?)]),
    }
}

/// The text of a configuration; `None` where there is none.
pub(super) fn read(path: &Path) -> Result<Option<String>> {
    match std::fs::metadata(path) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(source) => return Err(Box::new(Error::Io { action: "read", path: path.into(), source })),
        // A pipe would be waited for.
        Ok(found) if !found.is_file() || found.len() > LIMIT => {
            let rule = format!("a file of at most {} MiB", LIMIT >> 20).into();
            return Err(Box::new(Error::Setting {
                name: path.to_string_lossy().into(),
                value: "something else".into(),
                rule,
            }));
        }
        Ok(_) => {}
    }
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(Error::io("read", path))?;
    file.take(LIMIT).read_to_string(&mut text).map_err(Error::io("read", path))?;
    Ok(Some(text))
}

/// Gives each key of a configuration to `set`; what that refuses is an error at its place.
pub(super) fn each(
    path: &Path,
    text: &str,
    known: &[&str],
    set: &mut dyn FnMut(&str, &toml::Value<'_>) -> std::result::Result<(), Refusal>,
) -> Result<()> {
    let wrong = |offset: usize, message: String, hint: Option<String>| Error::Text {
        status: Status::Usage,
        excerpt: Some(Box::new(Excerpt::new(path, text, offset))),
        message,
        hints: hint.into_iter().collect(),
    };
    let document = toml::parse(text).map_err(|error| wrong(error.offset, error.message.into(), None))?;
    for Entry { key: name, key_span, value, .. } in &document.entries {
        set(name, value).map_err(|refusal| match refusal {
            Refusal::Unknown => {
                let hint = closest(name, known.iter().copied()).map(|near| format!("did you mean `{near}`?"));
                wrong(key_span.start, format!("unknown key `{}`", escape(name)), hint)
            }
            Refusal::Rule(rule) => wrong(value.span.start, format!("`{name}` must be {rule}"), None),
        })?;
    }
    Ok(())
}

pub(super) enum Refusal {
    Unknown,
    /// Completes «must be …».
    Rule(&'static str),
}

fn truth(value: &toml::Value<'_>) -> std::result::Result<bool, Refusal> {
    value.truth().ok_or(Refusal::Rule("true or false"))
}

pub(super) fn text<'a>(
    value: &'a toml::Value<'_>,
    rule: &'static str,
) -> std::result::Result<&'a str, Refusal> {
    value.text().filter(|text| !text.is_empty()).ok_or(Refusal::Rule(rule))
}

fn texts(value: &toml::Value<'_>, rule: &'static str) -> std::result::Result<Vec<String>, Refusal> {
    let list = value.list().ok_or(Refusal::Rule(rule))?;
    list.iter().map(|entry| text(entry, rule).map(String::from)).collect()
}

fn at_a_time(value: &toml::Value<'_>) -> std::result::Result<usize, Refusal> {
    let found = value.number().and_then(|n| usize::try_from(n).ok());
    found.filter(|n| (1..=MOST_AT_A_TIME).contains(n)).ok_or(Refusal::Rule("a whole number from 1 to 1024"))
}

/// An absolute path, or one below the user's home.
fn folder(value: &toml::Value<'_>, user_home: Option<&Path>) -> std::result::Result<PathBuf, Refusal> {
    let rule = "an absolute path, or one that begins with ~/";
    let text = text(value, rule)?;
    match (text.strip_prefix("~/"), user_home) {
        (Some(rest), Some(home)) => Ok(home.join(rest)),
        _ if Path::new(text).is_absolute() => Ok(text.into()),
        _ => Err(Refusal::Rule(rule)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config> {
        Config::parse(Path::new("config.toml"), text, Some(Path::new("/h")))
    }

    #[test]
    fn the_documented_example() {
        let example = crate::settings::tests::example(include_str!("config.rs"));
        let config = parse(&example).unwrap();
        assert_eq!(config.mirrors, [PathBuf::from("/media/stick/PANTRY"), "/h/mirrors/work".into()]);
        assert_eq!(config.home_mirror_limit, Some(10 << 30));
        assert_eq!(config.cafile, Some("/h/certificates.pem".into()));
        assert_eq!(config.name_server, Some("192.0.2.1:53".parse().unwrap()));
        assert_eq!((config.concurrency, config.max_concurrent), (Some(48), Some(16)));
        assert_eq!((config.signatures, config.signed), (Some(Policy::Required), Vec::new()));
        let table =
            "[signatures]\nmirrors = 'warn'\n'@acme/*' = 'required'\n\"minz:*\" = \"off\"\nleft = 'warn'\n";
        let config = parse(table).unwrap();
        let rules = [("@acme/*", Policy::Required), ("minz:*", Policy::Off), ("left", Policy::Warn)]
            .map(|(p, y)| Rule::new(p, y).unwrap());
        assert_eq!((config.signatures, config.signed), (Some(Policy::Warn), rules.to_vec()));
        for key in KEYS {
            assert!(example.contains(&format!("{key} = ")), "{key}");
        }
    }

    #[test]
    fn what_is_wrong_is_shown_where_it_stands() {
        for (text, expected) in [
            ("ofline = true", "config.toml:1:1: unknown key `ofline` | did you mean `offline`?"),
            ("\noffline = 1", "config.toml:2:11: `offline` must be true or false | "),
            ("linker = 'pnp'", "config.toml:1:10: `linker` must be hoisted, isolated or store | "),
            (
                "mirrors = ['x']",
                "config.toml:1:11: `mirrors` must be an absolute path, or one that begins with ~/ | ",
            ),
            ("concurrency = 0", "config.toml:1:15: `concurrency` must be a whole number from 1 to 1024 | "),
            ("signatures = 1", "config.toml:1:14: `signatures` must be required, warn or off, or a table"),
            (
                "signatures = { mirrors = 'yes' }",
                "config.toml:1:14: `signatures` must be required, warn or off,",
            ),
            (
                "[signatures]\n'@acme*' = 'off'",
                "config.toml:1:1: `signatures` must be required, warn or off,",
            ),
            ("cache-ttl = -1", "config.toml:1:13: `cache-ttl` must be a number of seconds | "),
            (
                "home-mirror-limit = 'lots'",
                "config.toml:1:21: `home-mirror-limit` must be a number of bytes,",
            ),
            ("offline = true\noffline = true", "config.toml:2:1: "),
            ("offline = \u{1b}", "config.toml:1:11: "),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.status(), Status::Usage);
            let shown = format!("{error} | {}", error.hints().join(" "));
            assert!(shown.starts_with(expected), "{shown}");
            assert!(!shown.contains('\u{1b}') && error.excerpt().is_some());
        }
    }

    #[test]
    fn no_file_is_no_configuration() {
        let folder = tempfile::tempdir().unwrap();
        let absent = Config::read(&folder.path().join("config.toml"), None).unwrap();
        assert_eq!(absent, Config::default());
        assert!(Config::read(folder.path(), None).is_err());
    }
}
