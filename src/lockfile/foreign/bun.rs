//! bun's text lockfile. Its packages are keyed by where they are found, so it
//! is npm's under another spelling, and is read as that:
//!
//! ```text
//! "workspaces": {"": {"name": "app", "dependencies": {"a": "^1"}}, "packages/b": {…}}
//! "packages": {
//!   "a":      ["a@1.0.0", "", {"dependencies": {"c": "^2"}, "bin": "a.js", "os": "linux"}, "sha512-…"]
//!   "a/c":    ["c@2.0.0", …]                 node_modules/a/node_modules/c
//!   "b":      ["b@workspace:packages/b"]     a link
//!   "b/c":    ["c@1.0.0", …]                 packages/b/node_modules/c
//!   "d":      ["d@file:d", {"dependencies": {…}}], ["d@d.tgz", {…}, "sha512-…"]: a folder, an archive beside it
//! }
//! ```

use super::local;
use super::npm::entry::{self, Entry};
use super::npm::{self, Entries};
use super::problem::{Fault, Problem, at, common, named};
use crate::dependency::is_archive;
use crate::json::{Kind, Scanner, Syntax, loose};
use crate::lockfile;
use crate::resolve::graph::{Graph, Group, LINK, PACKED};
use crate::resolve::{ImporterRequest, Packed};
use mirror::digest::Integrity;
use mirror::name::{BinName, PackageName, RelPath};
use mirror::version::Version;
use std::borrow::Cow;

/// The newest version of the format that is known.
const NEWEST: u64 = 2;

pub fn document(text: &str, asked: &[ImporterRequest]) -> Result<Graph, Fault> {
    let mut json = Scanner::new(text, Syntax::Jsonc);
    let packed = asked.iter().flat_map(|a| &a.packed).collect();
    let mut reader = Reader { packed, ..Reader::default() };
    let mut version = None;
    json.object()?;
    while let Some(key) = json.key()? {
        match &*key.name {
            "lockfileVersion" => {
                json.peek()?;
                let offset = json.offset();
                match json.number()?.parse::<u64>() {
                    Ok(n) if n <= NEWEST => version = Some(n),
                    Ok(n) => return at(offset, Problem::TooNew(n.to_string())),
                    Err(_) => return at(offset, Problem::NoVersion),
                }
            }
            "workspaces" => loose::members(&mut json, |json, key| {
                let mut entry = Entry::new(key.name.into_owned(), key.offset)?;
                details(json, &mut entry)?;
                let name = entry.name.as_ref().map(ToString::to_string).unwrap_or_default();
                reader.members.push((name, entry.path.clone()));
                reader.entries.push(entry)
            })?,
            "packages" => loose::members(&mut json, |json, key| reader.package(json, &key.name, key.offset))?,
            "patchedDependencies" => super::unpatched(&mut json)?,
            _ => drop(json.skip()?),
        }
    }
    json.end()?;
    match version {
        Some(_) => npm::graph(reader.entries),
        None => Err(Fault { offset: None, problem: Problem::NoVersion }),
    }
}

#[derive(Default)]
struct Reader<'a> {
    entries: Entries<'a>,
    /// Names and folders of the workspace's members.
    members: Vec<(String, String)>,
    /// The archives beside the manifests: their versions stand nowhere.
    packed: Vec<&'a Packed>,
}

impl<'a> Reader<'a> {
    fn package(&mut self, json: &mut Scanner<'a>, key: &str, offset: usize) -> Result<(), Fault> {
        let mut entry = Entry::new(self.path(key), offset)?;
        json.array()?;
        let mut texts: Vec<Cow<'a, str>> = Vec::new();
        while json.element()? {
            match json.peek()? {
                Kind::Object => details(json, &mut entry)?,
                _ => texts.extend(loose::text(json)?),
            }
        }
        let Some(id) = texts.first() else { return at(offset, Problem::BadKey(key.into())) };
        let split = id.get(1..).and_then(|t| t.find('@')).map(|i| (&id[..=i], &id[i + 2..]));
        let Some((name, version)) = split else { return at(offset, Problem::BadKey(id.to_string())) };
        if let Some(folder) = version.strip_prefix("workspace:") {
            entry.is_link = true;
            entry.resolved = Some(Cow::Owned(folder.into()));
            entry.declared.clear();
            return self.entries.push(entry);
        }
        if version.is_empty() || name == "root" && version == "root:" {
            return Ok(());
        }
        let source = match version.starts_with("file:") || is_archive(version) && elsewhere(version).is_none()
        {
            true => local(version, ""),
            false => None,
        };
        if let Some(folder) = source.as_deref().and_then(|source| source.strip_prefix(LINK)) {
            entry.is_link = true;
            entry.resolved = Some(Cow::Owned(folder.into()));
            let own =
                Entry { declared: std::mem::take(&mut entry.declared), ..Entry::new(folder.into(), offset)? };
            self.members.push((entry.path.trim_start_matches("node_modules/").into(), folder.into()));
            self.entries.push(own)?;
            return self.entries.push(entry);
        }
        if let Some(path) = source.as_deref().and_then(|source| source.strip_prefix(PACKED)) {
            entry.name = Some(named(offset, PackageName::parse(name))?);
            let version = self.packed.iter().find(|p| p.path == path).map(|p| p.record.version.clone());
            entry.version = Some(version.unwrap_or(Version::new(0, 0, 0)));
            entry.resolved = source.clone().map(Cow::Owned);
        } else if let Some(from) = elsewhere(version) {
            return at(offset, Problem::Unsupported { package: name.into(), from });
        }
        if entry.resolved.is_none() {
            entry.name = Some(named(offset, PackageName::parse(name))?);
            entry.version = Some(named(offset, Version::parse_loose(version))?);
        }
        for text in &texts[1..] {
            if text.starts_with("http:") || text.starts_with("https:") {
                entry.resolved = Some(text.clone());
            } else if text.contains('-') {
                entry.integrity = Some(named(offset, Integrity::parse(text))?);
            }
        }
        self.entries.push(entry)
    }

    /// `a/@s/b` → `node_modules/a/node_modules/@s/b`; a member in front stands for its folder.
    fn path(&self, key: &str) -> String {
        let mut out = String::with_capacity(key.len() + 26);
        let mut parts = key.split('/').peekable();
        let mut first = true;
        while let Some(part) = parts.next() {
            let mut name = part.to_string();
            if part.starts_with('@')
                && let Some(rest) = parts.next()
            {
                name.push('/');
                name.push_str(rest);
            }
            let member = self.members.iter().find(|(n, folder)| *n == name && !folder.is_empty());
            match member.filter(|_| std::mem::take(&mut first) && parts.peek().is_some()) {
                Some((_, folder)) => out.push_str(folder),
                None => {
                    out.push_str(if out.is_empty() { "node_modules/" } else { "/node_modules/" });
                    out.push_str(&name);
                }
            }
        }
        out
    }
}

/// What stands behind `name@`, if it is no version.
fn elsewhere(version: &str) -> Option<&'static str> {
    match version.split_once(':')?.0 {
        "http" | "https" => Some("an address"),
        "file" | "link" => Some("a file"),
        _ => Some("a git repository"),
    }
}

/// The object of a package or a member.
fn details<'a>(json: &mut Scanner<'a>, entry: &mut Entry<'a>) -> Result<(), Fault> {
    let mut optional_peers = Vec::new();
    loose::members::<Fault>(json, |json, key| {
        match &*key.name {
            "name" => entry.name = loose::text(json)?.and_then(|n| PackageName::parse(&n).ok()),
            "version" => entry.version = loose::text(json)?.and_then(|v| Version::parse_loose(&v).ok()),
            "dependencies" => entry::declared(json, &mut entry.declared, Group::Normal)?,
            "devDependencies" => entry::declared(json, &mut entry.declared, Group::Dev)?,
            "optionalDependencies" => entry::declared(json, &mut entry.declared, Group::Optional)?,
            "peerDependencies" => entry::declared(json, &mut entry.declared, Group::Peer)?,
            "optionalPeers" => optional_peers = loose::texts(json)?,
            "bundled" => entry.in_bundle = loose::truth(json)?,
            "os" => entry.os = loose::texts(json)?,
            "cpu" => entry.cpu = loose::texts(json)?,
            "bin" if json.peek()? == Kind::Object => entry.bins = entry::bins(json)?,
            "bin" => {
                // A lone path is called like the package, which the key's last part is but for aliases.
                let path = loose::text(json)?;
                let base = entry.path.rsplit('/').next().unwrap_or("");
                if let (Some(path), Ok(name)) = (path, BinName::parse(base))
                    && let Ok(path) = RelPath::normalise(&path)
                {
                    entry.bins.push((name, path));
                }
            }
            _ => drop(json.skip()?),
        }
        Ok(())
    })?;
    for d in entry.declared.iter_mut().filter(|d| d.group == Group::Peer) {
        d.optional_peer = optional_peers.iter().any(|p| p == d.alias.as_str());
    }
    if entry.path.contains('\\') {
        return at(entry.offset, common(lockfile::Problem::BadKey(entry.path.clone())));
    }
    Ok(())
}
