//! One entry of `packages`: what it says, with nothing looked up yet.

use crate::json::{Key, Kind, Scanner, loose};
use crate::lockfile;
use crate::lockfile::foreign::local;
use crate::lockfile::foreign::problem::{Fault, Problem, at, common, named};
use crate::resolve::graph::{Group, PACKED};
use mirror::digest::Integrity;
use mirror::http::Url;
use mirror::name::{BinName, PackageName, RelPath};
use mirror::version::Version;
use std::borrow::Cow;
use std::collections::HashSet;

/// What the entry's path makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The project, or a folder inside it that is somebody's source.
    Folder,
    /// In a `node_modules`, under this name.
    Installed(PackageName),
}

#[derive(Debug)]
pub struct Entry<'a> {
    pub path: String,
    /// Byte offset of its key.
    pub offset: usize,
    pub place: Place,
    pub name: Option<PackageName>,
    pub version: Option<Version>,
    pub resolved: Option<Cow<'a, str>>,
    pub integrity: Option<Integrity>,
    pub is_link: bool,
    pub in_bundle: bool,
    pub is_extraneous: bool,
    pub declared: Vec<Declared>,
    pub bundled: Vec<String>,
    pub bins: Vec<(BinName, RelPath)>,
    pub os: Vec<String>,
    pub cpu: Vec<String>,
    pub libc: Vec<String>,
    pub engines: Vec<(String, String)>,
    pub install_script: bool,
    pub deprecated: Option<String>,
}

/// One dependency as the entry has it.
#[derive(Debug, Clone)]
pub struct Declared {
    pub alias: PackageName,
    pub range: String,
    pub group: Group,
    /// A peer that may be missing.
    pub optional_peer: bool,
    pub offset: usize,
}

impl Entry<'_> {
    /// For messages: `name@version`, or the path.
    pub fn shown(&self) -> String {
        match (self.own_name(), &self.version) {
            (Some(name), Some(version)) => format!("{name}@{version}"),
            _ if self.path.is_empty() => "the project".into(),
            _ => self.path.clone(),
        }
    }

    /// A folder that is a link and no more.
    pub fn is_outside(&self) -> bool {
        self.path.starts_with("../")
    }

    /// The source of an archive of this machine.
    pub fn packed(&self) -> Option<String> {
        let path = self.resolved.as_deref()?.strip_prefix("file:")?;
        local(path, "").filter(|source| source.starts_with(PACKED))
    }

    /// The package's own name: what the entry says, else how it is installed.
    pub fn own_name(&self) -> Option<&PackageName> {
        match (&self.name, &self.place) {
            (Some(name), _) => Some(name),
            (None, Place::Installed(alias)) => Some(alias),
            (None, Place::Folder) => None,
        }
    }
}

/// Fields that mean something here; one bit each.
const FIELDS: [&str; 20] = [
    "name",
    "version",
    "resolved",
    "integrity",
    "link",
    "inBundle",
    "extraneous",
    "dependencies",
    "devDependencies",
    "optionalDependencies",
    "peerDependencies",
    "peerDependenciesMeta",
    "bundleDependencies",
    "bin",
    "os",
    "cpu",
    "libc",
    "engines",
    "hasInstallScript",
    "deprecated",
];

impl<'a> Entry<'a> {
    /// An entry of which only its place is known. `offset`: of its key.
    pub fn new(path: String, offset: usize) -> Result<Self, Fault> {
        Ok(Self {
            place: place(&path, offset)?,
            path,
            offset,
            name: None,
            version: None,
            resolved: None,
            integrity: None,
            is_link: false,
            in_bundle: false,
            is_extraneous: false,
            declared: Vec::new(),
            bundled: Vec::new(),
            bins: Vec::new(),
            os: Vec::new(),
            cpu: Vec::new(),
            libc: Vec::new(),
            engines: Vec::new(),
            install_script: false,
            deprecated: None,
        })
    }
}

pub fn read<'a>(json: &mut Scanner<'a>, key: &Key<'a>) -> Result<Entry<'a>, Fault> {
    let mut entry = Entry::new(key.name.clone().into_owned(), key.offset)?;
    let mut optional_peers = HashSet::new();
    let mut bundles_all = false;
    let mut seen = 0u32;
    json.object()?;
    while let Some(field) = json.key()? {
        let Some(bit) = FIELDS.iter().position(|f| *f == field.name) else {
            json.skip()?;
            continue;
        };
        if seen & (1 << bit) != 0 {
            return at(field.offset, common(lockfile::Problem::Twice(field.name.into_owned())));
        }
        seen |= 1 << bit;
        json.peek()?;
        let offset = json.offset();
        match FIELDS[bit] {
            // A project may be called anything, or nothing.
            "name" if entry.place == Place::Folder => {
                entry.name = loose::text(json)?.and_then(|n| PackageName::parse(&n).ok());
            }
            "version" if entry.place == Place::Folder => {
                entry.version = loose::text(json)?.and_then(|v| Version::parse_loose(&v).ok());
            }
            "name" => entry.name = Some(named(offset, PackageName::parse(&json.string()?))?),
            "version" => entry.version = Some(named(offset, Version::parse_loose(&json.string()?))?),
            "resolved" => entry.resolved = loose::text(json)?,
            "integrity" => {
                entry.integrity = match loose::text(json)? {
                    Some(text) => Some(named(offset, Integrity::parse(&text))?),
                    None => None,
                }
            }
            "link" => entry.is_link = loose::truth(json)?,
            "inBundle" => entry.in_bundle = loose::truth(json)?,
            "extraneous" => entry.is_extraneous = loose::truth(json)?,
            "dependencies" => declared(json, &mut entry.declared, Group::Normal)?,
            "devDependencies" => declared(json, &mut entry.declared, Group::Dev)?,
            "optionalDependencies" => declared(json, &mut entry.declared, Group::Optional)?,
            "peerDependencies" => declared(json, &mut entry.declared, Group::Peer)?,
            "peerDependenciesMeta" => loose::members::<Fault>(json, |json, peer| {
                let mut optional = false;
                loose::members::<Fault>(json, |json, field| {
                    optional |= loose::truth(json)? && field.name == "optional";
                    Ok(())
                })?;
                optional_peers.extend(optional.then_some(peer.name));
                Ok(())
            })?,
            "bundleDependencies" if json.peek()? == Kind::Bool => bundles_all = json.boolean()?,
            "bundleDependencies" => entry.bundled = loose::texts(json)?,
            "bin" => entry.bins = bins(json)?,
            "os" => entry.os = loose::texts(json)?,
            "cpu" => entry.cpu = loose::texts(json)?,
            "libc" => entry.libc = loose::texts(json)?,
            "engines" => loose::members::<Fault>(json, |json, key| {
                if let Some(range) = loose::text(json)? {
                    entry.engines.push((key.name.into_owned(), range.into_owned()));
                }
                Ok(())
            })?,
            "hasInstallScript" => entry.install_script = loose::truth(json)?,
            _ => entry.deprecated = loose::text(json)?.filter(|t| !t.is_empty()).map(Cow::into_owned),
        }
    }
    mirror::order::sort(&mut entry.engines);
    for d in entry.declared.iter_mut().filter(|d| d.group == Group::Peer) {
        d.optional_peer = optional_peers.contains(d.alias.as_str());
    }
    if bundles_all {
        let normal = entry.declared.iter().filter(|d| d.group == Group::Normal);
        entry.bundled = normal.map(|d| d.alias.to_string()).collect();
    }
    Ok(entry)
}

/// Checks the path: folders inside the project, and in each `node_modules` a package's name.
fn place(path: &str, offset: usize) -> Result<Place, Fault> {
    let bad = || Fault { offset: Some(offset), problem: Problem::BadPath(path.into()) };
    if path.is_empty() {
        return Ok(Place::Folder);
    }
    // `../` in front: a folder beside the project, which a dependency leads to.
    let inside = path.trim_start_matches("../");
    if path.starts_with('/') || inside.split('/').any(|s| s == "..") {
        return at(offset, Problem::Outside(path.into()));
    }
    named(offset, RelPath::parse(inside))?;
    let mut parts = path.split('/');
    let mut place = Place::Folder;
    while let Some(part) = parts.next() {
        if part != "node_modules" {
            // Below an installed package there is only its own `node_modules`.
            if place != Place::Folder {
                return Err(bad());
            }
            continue;
        }
        let first = parts.next().ok_or_else(bad)?;
        let name = match first.starts_with('@') {
            true => Cow::Owned(format!("{first}/{}", parts.next().ok_or_else(bad)?)),
            false => Cow::Borrowed(first),
        };
        place = Place::Installed(named(offset, PackageName::parse(&name))?);
    }
    Ok(place)
}

pub fn declared(json: &mut Scanner<'_>, out: &mut Vec<Declared>, group: Group) -> Result<(), Fault> {
    loose::members(json, |json, key| {
        if let Some(range) = loose::text(json)? {
            let alias = named(key.offset, PackageName::parse(&key.name))?;
            let range = range.into_owned();
            out.push(Declared { alias, range, group, optional_peer: false, offset: key.offset });
        }
        Ok(())
    })
}

/// Commands as the resolver takes them from an index: of a name the last part,
/// and what cannot be made is left out.
pub fn bins(json: &mut Scanner<'_>) -> Result<Vec<(BinName, RelPath)>, Fault> {
    let mut out = Vec::new();
    loose::members::<Fault>(json, |json, key| {
        let last = key.name.rsplit(['/', '\\', ':']).next().unwrap_or("");
        if let Some(path) = loose::text(json)?
            && let (Ok(name), Ok(path)) = (BinName::parse(last), RelPath::normalise(&path))
        {
            out.push((name, path));
        }
        Ok(())
    })?;
    mirror::order::sort(&mut out);
    out.dedup_by(|a, b| a.0 == b.0);
    Ok(out)
}

/// Where the archive of a package of a registry lies, if not where it is looked
/// for anyway; without user name and password.
pub fn tarball(entry: &Entry<'_>, name: &PackageName, version: &Version) -> Result<Option<String>, Fault> {
    let Some(resolved) = &entry.resolved else { return Ok(None) };
    let lower = resolved.get(..8).unwrap_or(resolved).to_ascii_lowercase();
    if !lower.starts_with("http://") && !lower.starts_with("https://") {
        let from = if lower.starts_with("git") { "a git repository" } else { "a file" };
        return at(entry.offset, Problem::Unsupported { package: entry.shown(), from });
    }
    address(resolved, name, version).map_err(|problem| Fault { offset: Some(entry.offset), problem })
}

/// The address of an archive, if it is not where it is looked for anyway; without user name and password.
pub fn address(
    resolved: &str,
    name: &PackageName,
    version: &Version,
) -> std::result::Result<Option<String>, Problem> {
    let Ok(url) = Url::parse(resolved) else {
        return Err(common(lockfile::Problem::BadUrl(format!("{name}@{version}"))));
    };
    let url = url.without_userinfo().to_string();
    // As `source::npm::registry` derives it; some registries escape the scope's slash.
    let version = version.to_string();
    let version = version.split('+').next().unwrap_or(&version);
    let tail = format!("/-/{}-{version}.tgz", name.base());
    let usual = url.strip_suffix(tail.as_str()).is_some_and(|folder| {
        let folder = folder.replace("%2f", "/").replace("%2F", "/").replace("%40", "@");
        folder.strip_suffix(name.as_str()).is_some_and(|rest| rest.ends_with('/'))
    });
    Ok((!usual).then_some(url))
}
