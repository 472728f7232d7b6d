//! npm's configuration: which registry has which names, and who may log in where.
//!
//! Layers, weakest first: builtin, global, user, project, environment
//! (`npm_config_*`), command line. Within them `key = value` lines as npm's
//! `ini` reads them ([`ini`]), with `${VAR}` expanded from the environment that
//! the caller gives.
//!
//! What a project's own `.npmrc` may do (DESIGN section 6): name registries.
//! What it may not, until the user has allowed the project: attach a
//! credential, have `${VAR}` expanded, choose a proxy, or weaken TLS. Such
//! lines are left out with a [`Warning`]. A registry with `${VAR}` in it keeps
//! its unexpanded text instead, so that its names fail rather than go to
//! another registry.
//!
//! A credential belongs to `//host[:port]/path/` and is given out for URLs below
//! that only; for plain `http` only where a registry is configured with `http`.
//!
//! Not here: reading files and the environment (`settings`), the built-in
//! registry, and the fetching.

mod credential;
mod ini;

pub use credential::Credential;

use credential::{Fields, host_and_path};
use mirror::name::{PackageName, escape};
use std::collections::BTreeMap;
use std::fmt;

/// Where settings come from, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Builtin,
    Global,
    User,
    Project,
    Environment,
    CommandLine,
}

/// One source of settings.
#[derive(Debug, Clone, Copy)]
pub struct Layer<'a> {
    pub level: Level,
    /// The file's path, for messages.
    pub name: &'a str,
    pub content: Content<'a>,
}

#[derive(Debug, Clone, Copy)]
pub enum Content<'a> {
    /// A file's text.
    Text(&'a str),
    /// Settings that are already apart, keys as npm spells them (`registry`, `//host/:_authToken`).
    Pairs(&'a [(String, String)]),
}

/// A line that does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The layer's name.
    pub source: String,
    /// Never a value: it may be a secret.
    pub key: String,
    pub reason: Reason,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// A credential in a project file.
    ProjectCredential,
    /// `${VAR}` in a project file.
    ProjectExpansion,
    /// A proxy or a TLS setting in a project file.
    ProjectNetwork,
    /// A credential that says not for which registry.
    Unbound,
    /// `${VAR}` of a variable that is not set.
    Unset,
    /// Not base64, or half of user name and password.
    Unusable,
    /// A registry that is not an http or https URL.
    NotAUrl,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (source, key) = (escape(&self.source), escape(&self.key));
        let reason = match self.reason {
            Reason::ProjectCredential => "a project's file cannot log in anywhere before `pantry allow`",
            Reason::ProjectExpansion => "a project's file cannot read the environment before `pantry allow`",
            Reason::ProjectNetwork => {
                "a project's file cannot change proxy or certificates before `pantry allow`"
            }
            Reason::Unbound => "this credential says not for which registry (write //host/:_authToken=…)",
            Reason::Unset => "the variable it names is not set",
            Reason::Unusable => "this credential is incomplete or not base64",
            Reason::NotAUrl => "this is not an http or https URL",
        };
        write!(f, "{source}: `{key}` is left out: {reason}")
    }
}

/// All settings that count.
#[derive(Debug, Clone, Default)]
pub struct Npmrc {
    /// Key → its values: one, or several for `key[]`.
    entries: BTreeMap<String, Vec<String>>,
    /// Prefix (`host[:port]/path/`) → login, sorted.
    credentials: BTreeMap<String, Credential>,
    pub warnings: Vec<Warning>,
}

/// Settles `layers`, weakest first. `variable` is the environment;
/// `project_allowed` says that the user trusts the project's file like their own.
pub fn load(layers: &[Layer<'_>], variable: &dyn Fn(&str) -> Option<String>, project_allowed: bool) -> Npmrc {
    let mut out = Npmrc::default();
    let mut fields: BTreeMap<String, Fields> = BTreeMap::new();
    for layer in layers {
        let pairs = match layer.content {
            Content::Text(text) => ini::parse(text),
            Content::Pairs(pairs) => pairs.iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
        };
        let distrusted = layer.level == Level::Project && !project_allowed;
        // A `key[]` of this layer replaces the weaker layers' list.
        let mut begun: Vec<String> = Vec::new();
        for (key, value) in pairs {
            let mut warn = |key: &str, reason| {
                out.warnings.push(Warning { source: layer.name.into(), key: key.into(), reason })
            };
            let (key, many) = match key.strip_suffix("[]") {
                Some(k) if !k.is_empty() => (k.to_string(), true),
                _ => (key, false),
            };
            if distrusted && ini::has_expansion(&key) {
                warn(&key, Reason::ProjectExpansion);
                continue;
            }
            // A warning shows the key as it is written: what it reads from the environment may be a secret.
            let written = key;
            let key = ini::expand(&written, variable).text;
            let bound = key.strip_prefix("//").and_then(|k| k.rsplit_once(':'));
            let is_secret = bound.is_some()
                || matches!(key.as_str(), "_auth" | "_authToken" | "_authtoken" | "_password" | "username");
            if distrusted && is_secret {
                warn(&written, Reason::ProjectCredential);
                continue;
            }
            if distrusted && is_network(&key, &value) {
                warn(&written, Reason::ProjectNetwork);
                continue;
            }
            if is_secret && bound.is_none() {
                warn(&written, Reason::Unbound);
                continue;
            }
            let is_registry = key == "registry" || (key.starts_with('@') && key.ends_with(":registry"));
            let value = if distrusted && ini::has_expansion(&value) {
                warn(&written, Reason::ProjectExpansion);
                if !is_registry {
                    continue;
                }
                value
            } else {
                let expanded = ini::expand(&value, variable);
                if expanded.unset {
                    warn(&written, Reason::Unset);
                    if bound.is_some() {
                        continue;
                    }
                }
                expanded.text
            };
            if let Some((prefix, field)) = bound {
                fields.entry(credential::prefix(prefix)).or_default().set(field, value, layer.name, &written);
                continue;
            }
            let value = if is_registry && !value.trim().is_empty() {
                let Some((url, login)) = credential::split_userinfo(value.trim()) else {
                    warn(&written, Reason::NotAUrl);
                    continue;
                };
                match (login, host_and_path(&url)) {
                    (Some(_), _) if distrusted => warn(&written, Reason::ProjectCredential),
                    (Some(login), Some((_, prefix))) => {
                        out.credentials.insert(credential::prefix(&prefix), login);
                    }
                    _ => {}
                }
                url
            } else {
                value
            };
            let list = out.entries.entry(key.clone()).or_default();
            if !(many && begun.contains(&key)) {
                list.clear();
            }
            list.push(value);
            begun.push(key);
        }
    }
    for (prefix, fields) in fields {
        match fields.finish() {
            Ok(Some(credential)) => drop(out.credentials.insert(prefix, credential)),
            Ok(None) => {}
            Err((source, key)) => out.warnings.push(Warning { source, key, reason: Reason::Unusable }),
        }
    }
    out
}

/// Settings by which a project could read what the user sends elsewhere.
fn is_network(key: &str, value: &str) -> bool {
    match key {
        "cafile" | "ca" | "cert" | "key" | "proxy" | "https-proxy" | "http-proxy" | "noproxy"
        | "no-proxy" => true,
        "strict-ssl" => value.trim() != "true",
        _ => false,
    }
}

impl Npmrc {
    /// A setting's value, the last one of several; never an empty one, `null` or `undefined`.
    pub fn get(&self, key: &str) -> Option<&str> {
        let value = self.entries.get(key)?.last()?.trim();
        (!matches!(value, "" | "null" | "undefined")).then_some(value)
    }

    /// All values of a setting that may have several (`key[]`).
    pub fn all(&self, key: &str) -> &[String] {
        self.entries.get(key).map(Vec::as_slice).unwrap_or_default()
    }

    /// A setting's value as it stands; it may be empty.
    pub fn text(&self, key: &str) -> Option<&str> {
        Some(self.entries.get(key)?.last()?.trim())
    }

    /// `true` and `false` in npm's spellings.
    pub fn flag(&self, key: &str) -> Option<bool> {
        match self.entries.get(key)?.last()?.trim() {
            "true" | "" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }

    /// The registry of names without a scope of their own; `None`: the built-in one.
    pub fn registry(&self) -> Option<&str> {
        self.get("registry")
    }

    /// `@scope:registry`; `scope` without the `@`.
    pub fn scope(&self, scope: &str) -> Option<&str> {
        self.get(&format!("@{scope}:registry"))
    }

    /// The registry for a package; `None`: the built-in one.
    pub fn registry_for(&self, name: &PackageName) -> Option<&str> {
        name.scope().and_then(|s| self.scope(s)).or_else(|| self.registry())
    }

    /// Every configured registry.
    pub fn registries(&self) -> impl Iterator<Item = &str> {
        let keys = self
            .entries
            .keys()
            .filter(|k| *k == "registry" || (k.starts_with('@') && k.ends_with(":registry")));
        keys.filter_map(|k| self.get(k))
    }

    /// The login for `url`: that of the longest prefix which is bound to its
    /// host and port and to its path or a folder above.
    pub fn credential_for(&self, url: &str) -> Option<&Credential> {
        let (scheme, place) = host_and_path(url)?;
        if scheme == "http" {
            // A login for a registry on https never travels in the open.
            let host = place.split('/').next();
            let plain =
                |r: &str| host_and_path(r).is_some_and(|(s, p)| s == "http" && p.split('/').next() == host);
            if !self.registries().any(plain) {
                return None;
            }
        }
        let mut end = place.len();
        loop {
            let slash = place[..end].rfind('/')?;
            if let Some(found) = self.credentials.get(&place[..slash + 1]) {
                return Some(found);
            }
            end = slash;
        }
    }

    /// A file of root certificates, as written (`~/` is the home folder).
    pub fn cafile(&self) -> Option<&str> {
        self.get("cafile")
    }

    /// Root certificates in PEM written into the configuration itself.
    pub fn ca(&self) -> Vec<String> {
        let all = self.entries.get("ca").map(Vec::as_slice).unwrap_or_default();
        let real = all.iter().filter(|v| !matches!(v.trim(), "" | "null"));
        real.map(|v| v.replace("\\n", "\n")).collect()
    }

    /// The proxy for `http` URLs (and for others without their own).
    pub fn proxy(&self) -> Option<&str> {
        self.get("proxy").or_else(|| self.get("http-proxy")).filter(|v| *v != "false")
    }

    pub fn https_proxy(&self) -> Option<&str> {
        self.get("https-proxy").filter(|v| *v != "false").or_else(|| self.proxy())
    }

    /// Hosts that are reached without a proxy: a comma list.
    pub fn noproxy(&self) -> Option<&str> {
        self.get("noproxy").or_else(|| self.get("no-proxy"))
    }

    /// `false` turns the checking of certificates off.
    pub fn strict_ssl(&self) -> bool {
        self.flag("strict-ssl").unwrap_or(true)
    }
}

#[cfg(test)]
mod tests;
