//! Whose packages may be installed: what is made of publishers' statements, and of packages without one.
//!
//! A mirror carries a [`Statement`] as a fact of the version that it is about:
//!
//! ```text
//! signature.KEYID    DATE INTEGRITY SIGNATURE
//! ```
//! Name and version are the record's own, so that a statement that is put elsewhere fits nothing. It is held
//! against the hash that is installed, never against what else the mirror says. One by a key that is trusted is
//! enough. One that is not what that key has signed, or that says another hash, is refused whatever the policy;
//! none, or one by a key that nobody here knows, is what the policy is for.

use super::{KeyId, Policy, PublicKey, Signature, Statement};
use crate::digest::Integrity;
use crate::error::{Error, Result};
use crate::name::{PackageName, escape};
use crate::record::Key;
use crate::root::number;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// What a fact's name begins with that is a statement.
const FACT: &str = "signature.";

/// Whether a fact of a version is a publisher's statement: such do not go when upstream says
/// something else about the version, and those of all mirrors count.
pub(crate) fn is_statement(fact: &(String, String)) -> bool {
    fact.0.starts_with(FACT)
}

/// A publisher whom the user trusts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publisher {
    pub key: PublicKey,
    pub name: String,
    /// Only for packages of this scope; empty: for all.
    pub scope: String,
}

impl Publisher {
    /// Id and name.
    pub fn shown(&self) -> String {
        match self.name.as_str() {
            "" => self.key.id().to_string(),
            name => format!("{} ({})", self.key.id(), escape(name)),
        }
    }

    /// Whether the key counts for a package of that name.
    pub fn is_for(&self, package: &str) -> bool {
        let scope = self.scope.as_str();
        scope.is_empty() || package.strip_prefix(scope).is_some_and(|rest| rest.starts_with('/'))
    }
}

/// What is asked of some packages: `left`, `@scope/*`, `*`, each also as `SOURCE:…`, the source being an
/// ecosystem (`npm`, `minz`) or a registry's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    pattern: String,
    policy: Policy,
}

impl Rule {
    /// `None`: it would never fit.
    pub fn new(pattern: &str, policy: Policy) -> Option<Self> {
        let (source, name) = parts(pattern);
        let scope = name.strip_suffix("/*").filter(|scope| scope.starts_with('@'));
        let probe = scope.map_or_else(|| name.to_string(), |scope| format!("{scope}/x"));
        // Old names may have a star; no rule means that.
        let known = name == "*" || (!probe.contains('*') && PackageName::parse(&probe).is_ok());
        let known = known && source.is_none_or(|source| !source.is_empty());
        known.then(|| Self { pattern: pattern.into(), policy })
    }

    pub fn is_about_the_same(&self, other: &Self) -> bool {
        self.pattern == other.pattern
    }

    /// How closely it fits: the longer the name, the closer; then where it names the source.
    fn fits(&self, of: &Key) -> Option<(usize, bool)> {
        let (source, name) = parts(&self.pattern);
        let is_source =
            |source: &str| source == of.source || source == Statement::ecosystem_name(of.ecosystem);
        let begin = name.strip_suffix('*');
        let is_name = begin.map_or(of.name == name, |begin| of.name.starts_with(begin));
        let length = begin.unwrap_or(name).len();
        (is_name && source.is_none_or(is_source)).then_some((length, source.is_some()))
    }
}

fn parts(pattern: &str) -> (Option<&str>, &str) {
    pattern.rsplit_once(':').map_or((None, pattern), |(source, name)| (Some(source), name))
}

/// Whom the user trusts, and of which packages it is asked.
#[derive(Debug)]
pub struct Publishers {
    rules: Vec<Rule>,
    keyring: PathBuf,
    read: fn(&Path) -> Result<Vec<Publisher>>,
    /// Read when a statement is met.
    known: OnceLock<Vec<Publisher>>,
}

/// A package that nobody who is trusted stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unvouched {
    /// `left@1.0.0`
    pub package: String,
    pub keyring: PathBuf,
    pub doubt: Doubt,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Doubt {
    /// There is no statement.
    Unsigned,
    /// By these, who are not trusted, or not for that name.
    Unknown(Vec<KeyId>),
    /// The statement names the archive by a hash of another kind than the lock.
    OtherKind(&'static str),
    /// It is not what that publisher has signed.
    Wrong(String),
}

impl Publishers {
    pub fn new(rules: Vec<Rule>, keyring: PathBuf, read: fn(&Path) -> Result<Vec<Publisher>>) -> Self {
        Self { rules, keyring, read, known: OnceLock::new() }
    }

    /// Whether there is a package of which more is asked than that what it has is not wrong.
    pub fn ask(&self) -> bool {
        self.rules.iter().any(|rule| rule.policy != Policy::Off)
    }

    /// What is asked of a package: by the rule that fits most closely, of two the stricter.
    pub fn policy(&self, of: &Key) -> Policy {
        let strictness = |policy| Policy::NAMES.iter().rev().position(|(_, p)| *p == policy);
        let fitting =
            self.rules.iter().filter_map(|rule| Some((rule.fits(of)?, strictness(rule.policy), rule)));
        let closest = fitting.max_by_key(|(fit, strictness, _)| (*fit, *strictness));
        closest.map_or(Policy::Off, |(.., rule)| rule.policy)
    }

    /// What an answer depends on: rules and keys. For whoever remembers that all was well.
    pub fn fingerprint(&self) -> String {
        let mut text = String::new();
        if self.ask() {
            self.rules.iter().for_each(|r| text.push_str(&format!("\nsigned {} {:?}", r.pattern, r.policy)));
            let keys = crate::file::read(&self.keyring, 4 << 20).unwrap_or_default();
            text.push_str(&crate::digest::hex(&crate::digest::Hash::of(&keys).0));
        }
        text
    }

    fn known(&self) -> Result<&[Publisher]> {
        if let Some(known) = self.known.get() {
            return Ok(known);
        }
        let known = (self.read)(&self.keyring)?;
        Ok(self.known.get_or_init(|| known))
    }

    /// Whether that archive, which is of this hash, may be installed as this version, by the facts that mirrors
    /// have of it. What is amiss and no reason to refuse it is returned.
    ///
    /// # Errors
    /// [`Error::Unvouched`]; the keyring cannot be read.
    pub fn check(
        &self,
        policy: Policy,
        of: &Key,
        version: &str,
        integrity: &Integrity,
        facts: &[(String, String)],
    ) -> Result<Option<Unvouched>> {
        let (mut wrong, mut unknown, mut other) = (None, Vec::new(), None);
        for (name, value) in facts {
            let Some(id) = name.strip_prefix(FACT).and_then(KeyId::parse) else { continue };
            let known = self.known()?.iter().find(|publisher| publisher.key.id() == id);
            let Some(publisher) = known.filter(|publisher| publisher.is_for(&of.name)) else {
                unknown.push(id);
                continue;
            };
            let said = Statement::of_fact(of, version, value);
            match said.filter(|(said, signature)| said.is_signed_by(&publisher.key, signature)) {
                Some((said, _)) if said.integrity == *integrity => return Ok(None),
                Some((said, _)) if said.integrity.algorithm() != integrity.algorithm() => {
                    other = Some(said.integrity.algorithm().name());
                }
                _ => wrong = Some(publisher.shown()),
            }
        }
        let is_wrong = wrong.is_some();
        let doubt = match (wrong, other) {
            (Some(by), _) => Doubt::Wrong(by),
            (None, Some(kind)) => Doubt::OtherKind(kind),
            (None, None) if unknown.is_empty() => Doubt::Unsigned,
            (None, None) => Doubt::Unknown(unknown),
        };
        let package = format!("{}@{}", escape(&of.name), escape(version));
        let unvouched = || Unvouched { package, keyring: self.keyring.clone(), doubt };
        match policy {
            Policy::Off if !is_wrong => Ok(None),
            Policy::Warn if !is_wrong => Ok(Some(unvouched())),
            _ => Err(Error::Unvouched(Box::new(unvouched()))),
        }
    }
}

impl Statement {
    /// As a mirror carries it: name and value of the fact.
    pub fn fact(&self, key: KeyId, signature: &Signature) -> (String, String) {
        (format!("{FACT}{key}"), format!("{} {} {signature}", self.date, self.integrity))
    }

    fn of_fact(of: &Key, version: &str, value: &str) -> Option<(Self, Signature)> {
        let mut fields = value.splitn(3, ' ');
        let date = number(fields.next()?).ok()?;
        let integrity = Integrity::parse(fields.next()?).ok()?;
        let signature = Signature::parse(fields.next()?)?;
        let (name, version) = (of.name.clone(), version.to_string());
        Some((Self { ecosystem: of.ecosystem, name, version, integrity, date }, signature))
    }
}

impl fmt::Display for Unvouched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { package, keyring, doubt } = self;
        let keyring = super::machine::shown(keyring);
        match doubt {
            Doubt::Unsigned => write!(f, "{package} is not signed by its publisher"),
            Doubt::Unknown(ids) => {
                let ids = super::machine::listed(ids);
                write!(f, "{package} is signed by {ids}, which is not trusted for it in {keyring}")
            }
            Doubt::OtherKind(kind) => {
                write!(f, "{package} is signed by its {kind}, and locked by a hash of another kind")
            }
            Doubt::Wrong(by) => write!(f, "{package} is not what {by} in {keyring} has signed"),
        }
    }
}

#[cfg(test)]
mod tests;
