//! The publishers whom the user trusts, `$PANTRY_HOME/keyring.json`, and the signatures of archives,
//! `FILE.sig`: both as the earlier program wrote them, and readable by it.
//!
//! ```text
//! keyring.json   {"<key id>": "<PEM>", …}; in front of the PEM's first line may stand `Name: …` and `Scope: …`
//! FILE.sig       {"algorithm":"ed25519","signature":"<of the file's bytes>","key_id":"…","timestamp":N,
//!                 "package":"npm:NAME","version":"…","integrity":"sha512-…","statement":"<signature>"}
//! ```
//! The last four are this program's: a signature of what [`mirror::trust::Statement`] says, so that
//! one package's archive is not taken for another's. The earlier program's signatures have none.

use crate::error::{Error, Result, Status};
use crate::json::{self, Kind, Scanner, Syntax, push_string};
use mirror::digest::{Algorithm, Hasher, Integrity};
use mirror::name::escape;
use mirror::record::Ecosystem;
pub use mirror::trust::Publisher as Entry;
use mirror::trust::{KeyId, PublicKey, SecretKey, Signature, Statement};
use std::io;
use std::path::Path;

/// Largest keyring, signature, and file that is signed.
const KEYRING: u64 = 4 << 20;
const SIGNATURE: u64 = 64 << 10;
const FILE: u64 = 256 << 20;

/// In the order of their ids.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Keyring(pub Vec<Entry>);

/// A signature's file.
#[derive(Debug, PartialEq, Eq)]
pub struct Signed {
    pub key: KeyId,
    pub bytes: Signature,
    pub timestamp: u64,
    pub statement: Option<(Statement, Signature)>,
}

fn refused(path: &Path, what: &str) -> Box<Error> {
    let message = format!("{}: {what}", escape(&path.to_string_lossy()));
    Box::new(Error::Other { status: Status::Refused, message, hints: Vec::new() })
}

impl Keyring {
    /// Nobody, where there is no file.
    pub fn read(path: &Path) -> Result<Self> {
        publishers(path).map(Self).map_err(|e| match e {
            mirror::Error::Damaged { what, .. } => refused(path, &what),
            e => e.into(),
        })
    }

    /// The error is a clause for people.
    pub fn parse(bytes: &[u8]) -> std::result::Result<Self, String> {
        let wrong = |e: json::Error| format!("this is no keyring: {e}");
        let mut json = Scanner::new(json::text(bytes).map_err(wrong)?, Syntax::Json);
        let mut ring = Self::default();
        json.object().map_err(wrong)?;
        while let Some(id) = json.key().map_err(wrong)? {
            let text = json.string().map_err(wrong)?;
            let entry = parse_entry(&text).filter(|entry| entry.key.id().to_string() == *id.name);
            let entry =
                entry.ok_or_else(|| format!("what stands under {} is not that key", escape(&id.name)))?;
            ring.add(entry);
        }
        json.end().map_err(wrong)?;
        Ok(ring)
    }

    fn place(&self, id: KeyId) -> std::result::Result<usize, usize> {
        self.0.binary_search_by(|entry| entry.key.id().cmp(&id))
    }

    /// Puts a key in, in the place of the same one.
    pub fn add(&mut self, entry: Entry) {
        match self.place(entry.key.id()) {
            Ok(at) => self.0[at] = entry,
            Err(at) => self.0.insert(at, entry),
        }
    }

    pub fn find(&self, id: KeyId) -> Option<&Entry> {
        self.place(id).ok().map(|at| &self.0[at])
    }

    pub fn to_text(&self) -> String {
        let mut out = String::from("{");
        for (at, entry) in self.0.iter().enumerate() {
            out.push_str(if at == 0 { "\n  " } else { ",\n  " });
            push_string(&mut out, &entry.key.id().to_string());
            out.push_str(": ");
            push_string(&mut out, &entry_to_text(entry));
        }
        out.push_str("\n}\n");
        out
    }
}

fn entry_to_text(entry: &Entry) -> String {
    let mut out = String::new();
    for (field, value) in [("Name: ", &entry.name), ("Scope: ", &entry.scope)] {
        if !value.is_empty() {
            out.extend([field, value, "\n"]);
        }
    }
    out + &entry.key.to_pem()
}

fn parse_entry(text: &str) -> Option<Entry> {
    let key = PublicKey::from_pem(text)?;
    let field = |field: &str| {
        let value =
            text.lines().take_while(|line| !line.starts_with('-')).find_map(|l| l.strip_prefix(field));
        value.unwrap_or_default().to_string()
    };
    let entry = Entry { key, name: field("Name: "), scope: field("Scope: ") };
    // What looks like the key's own lines would be taken for them when it is read again.
    (!entry.name.contains("-----") && !entry.scope.contains("-----")).then_some(entry)
}

/// The keyring, for [`mirror::trust::Publishers`].
pub fn publishers(path: &Path) -> mirror::error::Result<Vec<Entry>> {
    match mirror::file::read(path, KEYRING) {
        Ok(bytes) => match Keyring::parse(&bytes) {
            Ok(ring) => Ok(ring.0),
            Err(what) => Err(mirror::Error::Damaged { path: path.into(), what }),
        },
        Err(mirror::Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(e),
    }
}

impl Signed {
    pub fn new(key: &SecretKey, bytes: &[u8], of: Option<(Ecosystem, String, String)>, date: u64) -> Self {
        let statement = of.map(|(ecosystem, name, version)| {
            let statement =
                Statement { ecosystem, name, version, integrity: integrity(bytes, kind(ecosystem)), date };
            let signature = statement.sign(key);
            (statement, signature)
        });
        Self { key: key.public().id(), bytes: key.sign(bytes), timestamp: date, statement }
    }

    pub fn to_text(&self) -> String {
        let mut out = String::from("{\"algorithm\":\"ed25519\"");
        let mut field = |name: &str, value: &str| {
            out.push(',');
            push_string(&mut out, name);
            out.push(':');
            push_string(&mut out, value);
        };
        field("signature", &self.bytes.to_string());
        field("key_id", &self.key.to_string());
        if let Some((statement, signature)) = &self.statement {
            let ecosystem = Statement::ecosystem_name(statement.ecosystem);
            field("package", &format!("{ecosystem}:{}", statement.name));
            field("version", &statement.version);
            field("integrity", &statement.integrity.to_string());
            field("statement", &signature.to_string());
        }
        out + &format!(",\"timestamp\":{}}}\n", self.timestamp)
    }

    pub fn read(path: &Path) -> Result<Self> {
        let bytes = mirror::file::read(path, SIGNATURE)?;
        Self::parse(&bytes).ok_or_else(|| refused(path, "this is no Ed25519 signature"))
    }

    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut json = Scanner::new(json::text(bytes).ok()?, Syntax::Json);
        const FIELDS: [&str; 7] =
            ["algorithm", "signature", "key_id", "package", "version", "integrity", "statement"];
        let mut found = [const { None }; 7];
        let mut timestamp = None;
        json.object().ok()?;
        while let Some(key) = json.key().ok()? {
            let at = FIELDS.iter().position(|name| *name == &*key.name);
            match (at, json.peek().ok()?) {
                // Each stands once.
                (Some(at), Kind::String) if found[at].is_none() => found[at] = Some(json.string().ok()?),
                (Some(_), _) => return None,
                (None, Kind::Number) if &*key.name == "timestamp" => {
                    timestamp = json.number().ok()?.parse().ok()
                }
                (None, _) => _ = json.skip().ok()?,
            }
        }
        json.end().ok()?;
        let [algorithm, bytes, key, package, version, integrity, statement] = found;
        let timestamp = timestamp?;
        if algorithm?.as_ref() != "ed25519" {
            return None;
        }
        let statement = match (package, version, integrity, statement) {
            (None, None, None, None) => None,
            (package, version, integrity, statement) => {
                let package = package?;
                let (ecosystem, name) = package.split_once(':')?;
                let ecosystem = [Ecosystem::Npm, Ecosystem::Minz]
                    .into_iter()
                    .find(|e| Statement::ecosystem_name(*e) == ecosystem)?;
                let integrity = Integrity::parse(&integrity?).ok().filter(|i| i.algorithm().is_strong())?;
                let (name, version) = (name.to_string(), version?.into_owned());
                let said = Statement { ecosystem, name, version, integrity, date: timestamp };
                Some((said, Signature::parse(&statement?)?))
            }
        };
        Some(Self { key: KeyId::parse(&key?)?, bytes: Signature::parse(&bytes?)?, timestamp, statement })
    }

    /// Whether the key has signed these bytes, and everything that is said of them; the clause says
    /// what is wrong.
    pub fn verify(&self, entry: &Entry, bytes: &[u8]) -> std::result::Result<(), &'static str> {
        if !entry.key.verify(bytes, &self.bytes) {
            return Err("the signature is not of these bytes by that key");
        }
        match &self.statement {
            None if !entry.scope.is_empty() => Err("the key counts for a scope, and no name is signed"),
            None => Ok(()),
            Some((said, signature)) => match () {
                () if !said.is_signed_by(&entry.key, signature) => {
                    Err("what is said of name, version and date is not signed by that key")
                }
                () if said.integrity != integrity(bytes, said.integrity.algorithm()) => {
                    Err("what is said is of other bytes")
                }
                () if !entry.is_for(&said.name) => Err("the key does not count for that name"),
                () => Ok(()),
            },
        }
    }
}

/// What locks name an archive by.
fn kind(of: Ecosystem) -> Algorithm {
    if of == Ecosystem::Minz { Algorithm::Sha256 } else { Algorithm::Sha512 }
}

fn integrity(bytes: &[u8], kind: Algorithm) -> Integrity {
    let mut hasher = Hasher::new(kind);
    hasher.update(bytes);
    hasher.finish()
}

/// A file that is signed or checked, whole.
pub fn bytes(path: &Path) -> Result<Vec<u8>> {
    Ok(mirror::file::read(path, FILE)?)
}

#[cfg(test)]
mod tests;
