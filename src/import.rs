//! An archive's own manifest → the index record of a mirror, for archives that
//! come without an upstream's index (`mirror add`).
//!
//! package.json is read as npm's normalizer reads it (`@npmcli/package-json`):
//! fields of the wrong kind are put right or left out, one edge a name (a
//! normal dependency overrules a peer, an optional one both), the last of two
//! equal keys counts. What is left out although somebody may miss it becomes a
//! [`Note`]. mzp.toml is read by the `mzp` crate.
//!
//! Not here: the archive itself (`mirror::archive`) and where its bytes lie.

use crate::commands::NPM;
use crate::json::{self, Kind, Scanner, Syntax, loose};
use mirror::archive::Summary;
use mirror::name::{BinName, NameError, PackageName, RelPath, escape};
use mirror::record::{Dependency, DependencyKind, Ecosystem, Key, VersionRecord};
use mirror::version::Version;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

/// What an archive says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    pub key: Key,
    /// Its location is still the caller's to say.
    pub record: VersionRecord,
    pub notes: Vec<Note>,
}

/// Something that the record cannot carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// A command whose name or path cannot be used.
    Bin(String),
    /// `directories.bin`: commands are whatever lies in a folder.
    BinFolder,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bin(name) => write!(f, "the command `{}` cannot be made", escape(name)),
            Self::BinFolder => f.write_str("commands named by `directories.bin` are not made"),
        }
    }
}

#[derive(Debug)]
pub enum Error {
    /// Neither package.json nor mzp.toml.
    NoManifest,
    Json(json::Error),
    /// The field is missing, empty or no string.
    Missing(&'static str),
    Name(NameError),
    Minz(Box<mzp::Error>),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoManifest => f.write_str("there is neither a package.json nor a mzp.toml inside"),
            Self::Json(e) => write!(f, "its package.json is broken: {e}"),
            Self::Missing(field) => write!(f, "its package.json has no `{field}`"),
            Self::Name(e) => e.fmt(f),
            Self::Minz(e) => e.fmt(f),
        }
    }
}
impl std::error::Error for Error {}
impl From<json::Error> for Error {
    fn from(e: json::Error) -> Self {
        Self::Json(e)
    }
}
impl From<NameError> for Error {
    fn from(e: NameError) -> Self {
        Self::Name(e)
    }
}

/// The record of an archive that has been read. `has_gyp`: a `binding.gyp`
/// lies at its top, which makes npm compile it.
pub fn archive(summary: &Summary, has_gyp: bool) -> Result<Imported, Error> {
    let mut imported = match (&summary.package_json, &summary.mzp_toml) {
        (Some(bytes), _) if NPM => package_json(bytes, has_gyp)?,
        (_, Some(bytes)) => mzp_toml(bytes)?,
        _ => return Err(Error::NoManifest),
    };
    let record = &mut imported.record;
    record.integrity = Some(summary.integrity.clone());
    record.sha256 = summary.sha256;
    record.size = summary.compressed;
    record.unpacked = summary.unpacked;
    Ok(imported)
}

/// From the bytes of a mzp.toml.
pub fn mzp_toml(bytes: &[u8]) -> Result<Imported, Error> {
    let text = json::text(bytes)?;
    let manifest =
        mzp::manifest::Manifest::parse(Path::new("mzp.toml"), text).map_err(|e| Error::Minz(Box::new(e)))?;
    mzp::package::plain(&manifest).map_err(|e| Error::Minz(Box::new(e)))?;
    let (key, record) = (mzp::registry::key(&manifest.name), mzp::registry::record(&manifest));
    Ok(Imported { key, record, notes: Vec::new() })
}

/// From the bytes of a package.json. `has_gyp` as for [`archive`].
pub fn package_json(bytes: &[u8], has_gyp: bool) -> Result<Imported, Error> {
    let mut r = Reader { json: Scanner::new(json::text(bytes)?, Syntax::Json), found: Found::default() };
    r.document()?;
    let found = r.found;
    let name = PackageName::parse(found.name.as_deref().ok_or(Error::Missing("name"))?.trim())?;
    let version = Version::parse_loose(found.version.as_deref().ok_or(Error::Missing("version"))?)?;
    let mut record = VersionRecord::new(version);
    let mut notes = Vec::new();
    record.bundled = match found.bundled {
        Bundled::All => found.normal.keys().cloned().collect(),
        Bundled::Names(names) => names,
    };
    record.bins = bins(&name, found.bin, &mut notes);
    if found.bin_folder && record.bins.is_empty() {
        notes.push(Note::BinFolder);
    }
    let mut edges: BTreeMap<String, (String, DependencyKind)> = BTreeMap::new();
    for (name, range) in found.peers {
        let optional = found.optional_peers.contains(&name);
        let kind = if optional { DependencyKind::PeerOptional } else { DependencyKind::Peer };
        edges.insert(name, (range, kind));
    }
    for (table, kind) in [(found.normal, DependencyKind::Normal), (found.optional, DependencyKind::Optional)]
    {
        edges.extend(table.into_iter().map(|(name, range)| (name, (range, kind))));
    }
    let edge = |(name, (range, kind))| Dependency { name, range, kind, condition: String::new() };
    record.dependencies = edges.into_iter().map(edge).collect();
    (record.os, record.cpu, record.libc) = (found.os, found.cpu, found.libc);
    record.engines = found.engines.into_iter().collect();
    record.install_script = found.scripts.preinstall
        || found.scripts.install
        || found.scripts.postinstall
        || (has_gyp && found.gypfile != Some(false));
    let key = Key { ecosystem: Ecosystem::Npm, source: "npm".into(), name: name.to_string() };
    Ok(Imported { key, record, notes })
}

/// Commands as npm normalizes them, sorted; `None` of a pair was no string.
fn bins(
    package: &PackageName,
    found: Vec<(Option<String>, Option<String>)>,
    notes: &mut Vec<Note>,
) -> Vec<(String, String)> {
    let mut out = BTreeMap::new();
    for (key, path) in found {
        // A lone path is called like the package; of an odd name the last part counts.
        let key = key.unwrap_or_else(|| package.base().to_string());
        let base = key.rsplit(['/', '\\', ':']).find(|s| !s.is_empty()).unwrap_or("");
        let path = path.map(|p| p.replace('\\', "/"));
        let path = path.as_deref().map(|p| RelPath::normalise(p.trim_start_matches('/')));
        match (BinName::parse(base), path) {
            (Ok(name), Some(Ok(path))) => drop(out.insert(name.to_string(), path.to_string())),
            _ => notes.push(Note::Bin(key)),
        }
    }
    out.into_iter().collect()
}

enum Bundled {
    All,
    Names(Vec<String>),
}

#[derive(Default)]
struct Scripts {
    preinstall: bool,
    install: bool,
    postinstall: bool,
}

struct Found {
    name: Option<String>,
    version: Option<String>,
    normal: BTreeMap<String, String>,
    optional: BTreeMap<String, String>,
    peers: BTreeMap<String, String>,
    optional_peers: Vec<String>,
    bundled: Bundled,
    bin: Vec<(Option<String>, Option<String>)>,
    bin_folder: bool,
    engines: BTreeMap<String, String>,
    os: Vec<String>,
    cpu: Vec<String>,
    libc: Vec<String>,
    scripts: Scripts,
    gypfile: Option<bool>,
}

impl Default for Found {
    fn default() -> Self {
        Self {
            name: None,
            version: None,
            normal: BTreeMap::new(),
            optional: BTreeMap::new(),
            peers: BTreeMap::new(),
            optional_peers: Vec::new(),
            bundled: Bundled::Names(Vec::new()),
            bin: Vec::new(),
            bin_folder: false,
            engines: BTreeMap::new(),
            os: Vec::new(),
            cpu: Vec::new(),
            libc: Vec::new(),
            scripts: Scripts::default(),
            gypfile: None,
        }
    }
}

struct Reader<'a> {
    json: Scanner<'a>,
    found: Found,
}

type Result1<T> = Result<T, json::Error>;

impl Reader<'_> {
    fn document(&mut self) -> Result1<()> {
        let mut bundled_typo = None;
        let mut has_bundle = false;
        self.json.object()?;
        while let Some(key) = self.json.key()? {
            match &*key.name {
                "name" => self.found.name = self.string()?,
                "version" => self.found.version = self.string()?.filter(|v| !v.trim().is_empty()),
                "dependencies" => self.found.normal = self.table()?,
                "optionalDependencies" => self.found.optional = self.table()?,
                "peerDependencies" => self.found.peers = self.table()?,
                "peerDependenciesMeta" => self.found.optional_peers = self.optional_peers()?,
                "bundleDependencies" => {
                    (self.found.bundled, has_bundle) = (self.bundled()?, true);
                }
                "bundledDependencies" => bundled_typo = Some(self.bundled()?),
                "bin" => self.found.bin = self.bin()?,
                "directories" => self.found.bin_folder = self.has_string("bin")?,
                "engines" => self.found.engines = self.table()?,
                "os" => self.found.os = loose::texts(&mut self.json)?,
                "cpu" => self.found.cpu = loose::texts(&mut self.json)?,
                "libc" => self.found.libc = loose::texts(&mut self.json)?,
                "scripts" => self.found.scripts = self.scripts()?,
                "gypfile" => {
                    self.found.gypfile = match self.json.peek()? {
                        Kind::Bool => Some(self.json.boolean()?),
                        _ => self.json.skip().map(|_| None)?,
                    }
                }
                _ => drop(self.json.skip()?),
            }
        }
        self.json.end()?;
        if let (false, Some(bundled)) = (has_bundle, bundled_typo) {
            self.found.bundled = bundled;
        }
        Ok(())
    }

    /// The string members of an object; nothing of anything else.
    fn table(&mut self) -> Result1<BTreeMap<String, String>> {
        let mut out = BTreeMap::new();
        loose::members(&mut self.json, |json, key| {
            if let Some(value) = loose::text(json)? {
                out.insert(key.name.into_owned(), value.into_owned());
            }
            Ok(())
        })
        .map(|()| out)
    }

    fn string(&mut self) -> Result1<Option<String>> {
        loose::text(&mut self.json).map(|t| t.map(Cow::into_owned))
    }

    fn has_string(&mut self, wanted: &str) -> Result1<bool> {
        Ok(self.table()?.contains_key(wanted))
    }

    fn bundled(&mut self) -> Result1<Bundled> {
        Ok(match self.json.peek()? {
            Kind::Bool if self.json.boolean()? => Bundled::All,
            Kind::Array => Bundled::Names(loose::texts(&mut self.json)?),
            Kind::Object => {
                let mut names = Vec::new();
                loose::members(&mut self.json, |json, key| {
                    names.push(key.name.into_owned());
                    json.skip().map(drop)
                })?;
                Bundled::Names(names)
            }
            // `false` has been read.
            Kind::Bool => Bundled::Names(Vec::new()),
            _ => {
                self.json.skip()?;
                Bundled::Names(Vec::new())
            }
        })
    }

    fn bin(&mut self) -> Result1<Vec<(Option<String>, Option<String>)>> {
        let mut out = Vec::new();
        match self.json.peek()? {
            Kind::Object => loose::members(&mut self.json, |json, key| {
                let path = loose::text(json)?.map(Cow::into_owned);
                out.push((Some(key.name.into_owned()), path));
                Ok(())
            })?,
            // A path each, called like its file.
            Kind::Array => {
                out.extend(loose::texts(&mut self.json)?.into_iter().map(|p| (Some(p.clone()), Some(p))))
            }
            _ => out.extend(self.string()?.filter(|p| !p.is_empty()).map(|p| (None, Some(p)))),
        }
        Ok(out)
    }

    fn optional_peers(&mut self) -> Result1<Vec<String>> {
        let mut out = Vec::new();
        loose::members(&mut self.json, |json, peer| {
            let mut optional = false;
            loose::members(json, |json, field| {
                optional |= loose::truth(json)? && field.name == "optional";
                Ok(())
            })?;
            out.extend(optional.then(|| peer.name.into_owned()));
            Ok(())
        })
        .map(|()| out)
    }

    fn scripts(&mut self) -> Result1<Scripts> {
        let table = self.table()?;
        let has = |name: &str| table.get(name).is_some_and(|s| !s.is_empty());
        Ok(Scripts {
            preinstall: has("preinstall"),
            install: has("install"),
            postinstall: has("postinstall"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn import(text: &str) -> Imported {
        package_json(text.as_bytes(), false).unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    fn edges(i: &Imported) -> Vec<String> {
        i.record.dependencies.iter().map(|d| format!("{:?} {} {}", d.kind, d.name, d.range)).collect()
    }

    fn pairs(list: &[(String, String)]) -> Vec<(&str, &str)> {
        list.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect()
    }

    #[test]
    fn a_usual_package() {
        let i = import(
            r#"{"name": "@s/tool", "version": "1.2.3", "dependencies": {"b": "^1", "a": "npm:x@2", "o": "1"},
            "optionalDependencies": {"o": "2"}, "peerDependencies": {"p": "*", "q": ">=1", "b": "9"},
            "peerDependenciesMeta": {"q": {"optional": true}}, "devDependencies": {"d": "1"},
            "bin": {"tool": "./bin/tool.js"}, "engines": {"node": ">=18", "npm": 9}, "os": ["linux"], "cpu": "x64",
            "libc": ["glibc"], "scripts": {"postinstall": "node x"}, "bundleDependencies": ["b"], "main": "i.js"}"#,
        );
        assert_eq!(
            (i.key.ecosystem, i.key.source.as_str(), i.key.name.as_str()),
            (Ecosystem::Npm, "npm", "@s/tool")
        );
        assert_eq!(i.record.version.to_string(), "1.2.3");
        assert_eq!(
            edges(&i),
            ["Normal a npm:x@2", "Normal b ^1", "Optional o 2", "Peer p *", "PeerOptional q >=1"]
        );
        assert_eq!(pairs(&i.record.bins), [("tool", "bin/tool.js")]);
        assert_eq!(pairs(&i.record.engines), [("node", ">=18")]);
        assert_eq!(
            (i.record.os, i.record.cpu, i.record.libc),
            (vec!["linux".into()], vec!["x64".into()], vec!["glibc".into()])
        );
        assert_eq!((i.record.install_script, i.record.bundled), (true, vec!["b".to_string()]));
        assert_eq!(i.notes, []);
    }

    #[test]
    fn odd_fields_as_npms_normalizer_takes_them() {
        let with = |fields: &str| import(&format!(r#"{{"name": "x", "version": " v1.0.0 ", {fields}}}"#));
        for (fields, bins) in [
            (r#""bin": "./cli.js""#, vec![("x", "cli.js")]),
            (r#""bin": "/abs.js""#, vec![("x", "abs.js")]),
            (r#""bin": ["bin/a", "b.js"]"#, vec![("a", "bin/a"), ("b.js", "b.js")]),
            (r#""bin": {"../../up": "a.js", "dir\\b": "c\\d.js"}"#, vec![("b", "c/d.js"), ("up", "a.js")]),
            (r#""bin": {"a": "1", "a": "2"}"#, vec![("a", "2")]),
            (r#""bin": 7"#, vec![]),
            (r#""bin": """#, vec![]),
        ] {
            let i = with(fields);
            assert_eq!((pairs(&i.record.bins), i.notes.len()), (bins, 0), "{fields}");
        }
        assert_eq!(with(r#""bin": {"a": "../x", "-b": "y", "c": null}"#).notes.len(), 3);
        assert_eq!(with(r#""directories": {"bin": "./bin"}"#).notes, [Note::BinFolder]);
        for (fields, bundled) in [
            (r#""bundledDependencies": ["a"]"#, vec!["a"]),
            (r#""bundledDependencies": ["a"], "bundleDependencies": ["b"]"#, vec!["b"]),
            (r#""bundleDependencies": true, "dependencies": {"q": "1", "p": "1"}"#, vec!["p", "q"]),
            (r#""bundleDependencies": false, "dependencies": {"q": "1"}"#, vec![]),
            (r#""bundleDependencies": {"a": 1}"#, vec!["a"]),
            (r#""bundleDependencies": "a""#, vec![]),
        ] {
            assert_eq!(with(fields).record.bundled, bundled, "{fields}");
        }
        let i = with(
            r#""engines": ["node >= 0.8"], "dependencies": ["a"], "peerDependencies": {"p": 1, "q": "1"}, "os": 3,
            "peerDependenciesMeta": [], "scripts": "none", "x": "\ud800""#,
        );
        assert_eq!(
            (i.record.engines.len(), edges(&i), i.record.os.len()),
            (0, vec!["Peer q 1".to_string()], 0)
        );
        assert_eq!(i.record.version.to_string(), "1.0.0");
        assert!(!i.record.install_script);
    }

    #[test]
    fn what_would_run_at_install() {
        let wants = |fields: &str, gyp| {
            let text = format!(r#"{{"name": "x", "version": "1.0.0", "a": 0{fields}}}"#);
            package_json(text.as_bytes(), gyp).unwrap().record.install_script
        };
        assert!(!wants("", false) && wants("", true));
        assert!(!wants(r#", "gypfile": false"#, true));
        for name in ["preinstall", "install", "postinstall"] {
            assert!(wants(&format!(r#", "scripts": {{"{name}": "x"}}"#), false));
            assert!(!wants(&format!(r#", "scripts": {{"{name}": ""}}"#), false));
        }
        assert!(!wants(r#", "scripts": {"prepare": "x", "test": "y"}"#, false));
    }

    #[test]
    fn what_is_no_package() {
        for (text, words) in [
            ("{}", "its package.json has no `name`"),
            ("{\"name\": 1, \"version\": \"1.0.0\"}", "its package.json has no `name`"),
            ("{\"name\": \"x\"}", "its package.json has no `version`"),
            (
                "{\"name\": \"../x\", \"version\": \"1.0.0\"}",
                "`../x` is not a valid package name: it contains a `/`",
            ),
            ("{\"name\": \"x\", \"version\": \"1\"}", "`1` is not a valid version: it needs three numbers"),
            ("{\"name\": ", "its package.json is broken: the text ends in the middle"),
        ] {
            assert_eq!(package_json(text.as_bytes(), false).unwrap_err().to_string(), words);
        }
    }

    #[test]
    fn an_archive_brings_hash_and_sizes() {
        let hash = mirror::digest::Hash::of(b"x");
        let summary = |package_json: Option<&str>, mzp_toml: Option<&str>| Summary {
            integrity: hash.into(),
            sha256: Some(hash),
            compressed: 10,
            unpacked: 20,
            files: 1,
            package_json: package_json.map(|t| t.as_bytes().to_vec()),
            mzp_toml: mzp_toml.map(|t| t.as_bytes().to_vec()),
        };
        let i = archive(&summary(Some(r#"{"name": "x", "version": "1.0.0"}"#), None), false).unwrap();
        assert_eq!(
            (i.record.integrity, i.record.sha256, i.record.size, i.record.unpacked),
            (Some(hash.into()), Some(hash), 10, 20)
        );
        let toml = "[package]\nname = \"gfx\"\nversion = \"1.2.0\"\n[dependencies]\ncore = \"1\"\n";
        let i = archive(&summary(None, Some(toml)), false).unwrap();
        assert_eq!(
            (i.key.ecosystem, i.key.name.as_str(), i.record.dependencies.len()),
            (Ecosystem::Minz, "gfx", 1)
        );
        assert!(matches!(archive(&summary(None, None), false), Err(Error::NoManifest)));
        assert!(matches!(archive(&summary(None, Some("[package")), false), Err(Error::Minz(_))));
    }
}
