//! One manifest: bytes → [`Manifest`].

use super::{Declared, Error, Format, LIMIT, MOST_DEPENDENCIES, Manifest, Problem, Warning};
use crate::dependency::{self, Dialect, Origin, Setting, SourceResolution, Value};
use crate::json::{self, Excerpt, Key, Kind, Position, Scanner};
use crate::resolve::graph::Group;
use mirror::name::{BinName, NameError, PackageName, RelPath};
use mirror::version::Version;
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::path::Path;

/// Reads a manifest of the given format. `path` is only for messages.
pub fn read(bytes: &[u8], path: &Path, format: Format) -> Result<Manifest, Error> {
    if bytes.len() > LIMIT {
        return Err(Error::file(path, Problem::TooLarge));
    }
    let text = match json::text(bytes) {
        Ok(text) => text,
        Err(e) => {
            let lossy = String::from_utf8_lossy(bytes);
            let excerpt = Some(Box::new(Excerpt::new(path, &lossy, e.offset)));
            return Err(Error { path: path.into(), problem: Problem::Syntax(e.problem), excerpt });
        }
    };
    if text.trim_start_matches('\u{feff}').trim().is_empty() {
        return Err(Error::file(path, Problem::Empty));
    }
    let reader = Reader {
        json: Scanner::new(text, format.syntax()),
        path,
        format,
        raw: Vec::new(),
        optional: HashSet::new(),
    };
    reader.document().map_err(|fault| {
        let is_syntax = matches!(fault.problem, Problem::Syntax(_) | Problem::Twice { .. });
        let marker = if is_syntax { conflict(text) } else { None };
        let (offset, problem) = match marker {
            Some(at) => (at, Problem::MergeConflict),
            None => (fault.offset, fault.problem),
        };
        Error { path: path.into(), problem, excerpt: Some(Box::new(Excerpt::new(path, text, offset))) }
    })
}

/// Where a merge left its first marker.
fn conflict(text: &str) -> Option<usize> {
    let start = |marker: &str| {
        text.match_indices(marker).map(|(i, _)| i).find(|&i| i == 0 || text.as_bytes()[i - 1] == b'\n')
    };
    ["<<<<<<< ", ">>>>>>> "].into_iter().filter_map(start).min()
}

/// Fields that are objects and that an empty array stands for too.
const TABLES: [&str; 5] =
    ["dependencies", "devDependencies", "optionalDependencies", "peerDependencies", "peerDependenciesMeta"];

/// Whether a name could lead somewhere, or write to a terminal.
fn is_path(text: &str) -> bool {
    text.contains(['/', '\\']) || text.contains("..") || text.contains(char::is_control)
}

struct Fault {
    offset: usize,
    problem: Problem,
}

impl From<json::Error> for Fault {
    fn from(e: json::Error) -> Self {
        Self { offset: e.offset, problem: Problem::Syntax(e.problem) }
    }
}

fn named<T>(offset: usize, result: Result<T, NameError>) -> Result<T, Fault> {
    result.map_err(|e| Fault { offset, problem: Problem::Name(e) })
}

/// A dependency before its words are understood: that takes `sourceResolution`,
/// which may stand further down.
struct RawDependency {
    key: String,
    value: Value,
    group: Group,
    offset: usize,
    value_offset: usize,
}

struct Reader<'a> {
    json: Scanner<'a>,
    path: &'a Path,
    format: Format,
    raw: Vec<RawDependency>,
    /// Names that `peerDependenciesMeta` makes optional.
    optional: HashSet<String>,
}

/// Keys of one object, to find the second of two.
#[derive(Default)]
struct Seen(HashMap<String, usize>);

impl Seen {
    fn add(&mut self, text: &str, key: &Key<'_>) -> Result<(), Fault> {
        match self.0.insert(key.name.clone().into_owned(), key.offset) {
            None => Ok(()),
            Some(first) => {
                let (name, first) = (key.name.clone().into_owned(), Position::of(text, first));
                Err(Fault { offset: key.offset, problem: Problem::Twice { name, first } })
            }
        }
    }
}

impl<'a> Reader<'a> {
    fn document(mut self) -> Result<Manifest, Fault> {
        let mut m = Manifest {
            path: self.path.to_path_buf(),
            format: self.format,
            text: self.json.text().to_string(),
            name: None,
            version: None,
            dependencies: Vec::new(),
            bundled: Vec::new(),
            scripts: Vec::new(),
            bin: Vec::new(),
            engines: Vec::new(),
            os: Vec::new(),
            cpu: Vec::new(),
            workspaces: Vec::new(),
            catalogs: Vec::new(),
            trusted: Vec::new(),
            mirrors: Vec::new(),
            resolution: SourceResolution::default(),
            overrides: None,
            resolutions: None,
            pnpm_overrides: None,
            registries: None,
            services: None,
            warnings: Vec::new(),
        };
        let mut seen = Seen::default();
        // `bin` as a string is called like the package, whose name may follow.
        let mut lone_bin = None;
        let mut bundle_all = false;
        self.json.object()?;
        while let Some(key) = self.json.key()? {
            let known = self.field(&key, &mut m, &mut lone_bin, &mut bundle_all)?;
            if known {
                seen.add(self.json.text(), &key)?;
            }
        }
        self.json.end()?;
        if let Some((offset, path)) = lone_bin {
            let name = m.name.as_ref().and_then(|n| BinName::parse(n.base()).ok());
            match (name, RelPath::normalise(&path)) {
                (Some(name), Ok(path)) => m.bin.push((name, path)),
                _ => self.dropped(&mut m, offset, "bin"),
            }
        }
        self.understand(&mut m)?;
        if bundle_all {
            let normal = m.dependencies.iter().filter(|d| d.group == Group::Normal);
            m.bundled = normal.map(|d| d.dependency.alias.as_str().to_string()).collect();
        }
        Ok(m)
    }

    /// Reads one field of the document; `false` for one that is not known.
    fn field(
        &mut self,
        key: &Key<'a>,
        m: &mut Manifest,
        lone_bin: &mut Option<(usize, String)>,
        bundle_all: &mut bool,
    ) -> Result<bool, Fault> {
        let kind = self.json.peek()?;
        let offset = self.json.offset();
        if kind == Kind::Null {
            self.json.null()?;
            return Ok(false);
        }
        let is_npm = self.format.dialect() == Dialect::Npm;
        match &*key.name {
            // npm lets a project that is never published be called anything; ours may not be called a path.
            "name" | "version" if is_npm && kind != Kind::String => self.drop_field(m, key)?,
            "name" => {
                let text = self.text(key)?;
                match PackageName::parse(text.trim()) {
                    _ if text.trim().is_empty() => {}
                    Err(_) if is_npm && !is_path(&text) => self.dropped(m, offset, "name"),
                    name => m.name = Some(named(offset, name)?),
                }
            }
            "version" => {
                let text = self.text(key)?;
                match Version::parse_loose(&text) {
                    _ if text.trim().is_empty() => {}
                    Err(_) if is_npm && !is_path(&text) => self.dropped(m, offset, "version"),
                    version => m.version = Some(named(offset, version)?),
                }
            }
            // What programs write for an empty object.
            _ if is_npm
                && kind == Kind::Array
                && TABLES.contains(&&*key.name)
                && self.is_empty_array()? => {}
            "dependencies" => self.table(key, Group::Normal)?,
            "devDependencies" => self.table(key, Group::Dev)?,
            "optionalDependencies" => self.table(key, Group::Optional)?,
            "peerDependencies" => self.table(key, Group::Peer)?,
            "peerDependenciesMeta" => self.peer_meta(key)?,
            "bundleDependencies" | "bundledDependencies" => match kind {
                Kind::Bool => *bundle_all = self.json.boolean()?,
                Kind::Array => m.bundled = self.list(key)?,
                Kind::Object => m.bundled = self.keys()?,
                _ if is_npm => self.drop_field(m, key)?,
                found => return self.wrong(key, "an array of names", found),
            },
            "scripts" => self.scripts(key, m)?,
            "bin" => match kind {
                Kind::String => *lone_bin = Some((offset, self.text(key)?)),
                Kind::Object => self.bins(m)?,
                _ => self.drop_field(m, key)?,
            },
            "engines" if kind == Kind::Object => self.strings(m, "engines", |m| &mut m.engines)?,
            "os" | "cpu" => {
                let list = match kind {
                    Kind::String => vec![self.text(key)?],
                    _ => self.list(key)?,
                };
                if key.name == "os" { m.os = list } else { m.cpu = list }
            }
            "workspaces" => self.workspaces(key, m)?,
            "catalog" if kind == Kind::Object => self.catalog(key, "default", m)?,
            "catalogs" if kind == Kind::Object => self.catalogs(key, m)?,
            "trustedDependencies" => m.trusted = self.list(key)?,
            "mirrors" if self.format.dialect() == Dialect::Pantry => m.mirrors = self.list(key)?,
            "sourceResolution" if self.format.dialect() == Dialect::Pantry => self.resolution(key, m)?,
            "overrides" => m.overrides = Some(self.span()?),
            "resolutions" => m.resolutions = Some(self.span()?),
            "pnpm" if kind == Kind::Object => self.pnpm(m)?,
            "registries" => m.registries = Some(self.span()?),
            "services" => m.services = Some(self.span()?),
            _ => {
                self.json.skip()?;
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn wrong<T>(&self, key: &Key<'_>, expected: &'static str, found: Kind) -> Result<T, Fault> {
        let problem = Problem::Kind { field: key.name.clone().into_owned(), expected, found };
        Err(Fault { offset: self.json.offset(), problem })
    }

    /// A string, or an error that names the field.
    fn text(&mut self, key: &Key<'_>) -> Result<String, Fault> {
        match self.json.peek()? {
            Kind::String => Ok(self.json.string()?.into_owned()),
            found => self.wrong(key, "a string", found),
        }
    }

    fn object(&mut self, key: &Key<'_>) -> Result<(), Fault> {
        match self.json.peek()? {
            Kind::Object => Ok(self.json.object()?),
            found => self.wrong(key, "an object", found),
        }
    }

    fn list(&mut self, key: &Key<'_>) -> Result<Vec<String>, Fault> {
        match self.json.peek()? {
            Kind::Array => self.json.array()?,
            found => return self.wrong(key, "an array of strings", found),
        }
        let mut out = Vec::new();
        while self.json.element()? {
            out.push(self.text(key)?);
        }
        Ok(out)
    }

    fn keys(&mut self) -> Result<Vec<String>, Fault> {
        let mut out = Vec::new();
        self.json.object()?;
        while let Some(key) = self.json.key()? {
            self.json.skip()?;
            out.push(key.name.into_owned());
        }
        Ok(out)
    }

    fn span(&mut self) -> Result<Range<usize>, Fault> {
        self.json.peek()?;
        let start = self.json.offset();
        Ok(start..start + self.json.skip()?.len())
    }

    fn dropped(&self, m: &mut Manifest, offset: usize, field: &str) {
        let excerpt = Excerpt::new(self.path, self.json.text(), offset);
        m.warnings.push(Warning::Dropped { excerpt, field: field.into() });
    }

    /// Passes over an array when nothing is in it.
    fn is_empty_array(&mut self) -> Result<bool, Fault> {
        let mut ahead = self.json.clone();
        ahead.array()?;
        if ahead.element()? {
            return Ok(false);
        }
        self.json = ahead;
        Ok(true)
    }

    fn drop_field(&mut self, m: &mut Manifest, key: &Key<'_>) -> Result<(), Fault> {
        self.json.skip()?;
        self.dropped(m, key.offset, &key.name);
        Ok(())
    }

    /// An object of strings; members of another kind are left out with a warning.
    fn strings(
        &mut self,
        m: &mut Manifest,
        field: &str,
        into: fn(&mut Manifest) -> &mut Vec<(String, String)>,
    ) -> Result<(), Fault> {
        self.json.object()?;
        while let Some(key) = self.json.key()? {
            if self.json.peek()? == Kind::String {
                let value = self.json.string()?.into_owned();
                into(m).push((key.name.into_owned(), value));
            } else {
                self.json.skip()?;
                self.dropped(m, key.offset, &format!("{field}.{}", key.name));
            }
        }
        Ok(())
    }

    fn scripts(&mut self, key: &Key<'a>, m: &mut Manifest) -> Result<(), Fault> {
        if self.json.peek()? != Kind::Object {
            return self.drop_field(m, key);
        }
        self.json.object()?;
        let mut seen = Seen::default();
        while let Some(key) = self.json.key()? {
            if key.name.contains(char::is_control) {
                return Err(Fault {
                    offset: key.offset,
                    problem: Problem::ScriptName(key.name.into_owned()),
                });
            }
            seen.add(self.json.text(), &key)?;
            if self.json.peek()? == Kind::String && !key.name.is_empty() {
                m.scripts.push((key.name.into_owned(), self.json.string()?.into_owned()));
            } else {
                self.json.skip()?;
                self.dropped(m, key.offset, &format!("scripts.{}", key.name));
            }
        }
        Ok(())
    }

    fn bins(&mut self, m: &mut Manifest) -> Result<(), Fault> {
        self.json.object()?;
        while let Some(key) = self.json.key()? {
            let path = match self.json.peek()? {
                Kind::String => RelPath::normalise(&self.json.string()?).ok(),
                _ => {
                    self.json.skip()?;
                    None
                }
            };
            match (BinName::parse(&key.name), path) {
                (Ok(name), Some(path)) => m.bin.push((name, path)),
                _ => self.dropped(m, key.offset, &format!("bin.{}", key.name)),
            }
        }
        Ok(())
    }

    fn workspaces(&mut self, key: &Key<'a>, m: &mut Manifest) -> Result<(), Fault> {
        if self.json.peek()? == Kind::Object {
            // yarn's long form; only its patterns matter.
            self.json.object()?;
            while let Some(inner) = self.json.key()? {
                match &*inner.name {
                    "packages" => self.patterns(&inner, m)?,
                    "catalog" => self.catalog(&inner, "default", m)?,
                    "catalogs" => self.catalogs(&inner, m)?,
                    _ => drop(self.json.skip()?),
                }
            }
            return Ok(());
        }
        self.patterns(key, m)
    }

    fn catalogs(&mut self, key: &Key<'a>, m: &mut Manifest) -> Result<(), Fault> {
        self.object(key)?;
        while let Some(key) = self.json.key()? {
            self.catalog(&key, &key.name, m)?;
        }
        Ok(())
    }

    fn catalog(&mut self, key: &Key<'a>, catalog: &str, m: &mut Manifest) -> Result<(), Fault> {
        self.object(key)?;
        while let Some(key) = self.json.key()? {
            let value = match self.json.peek()? {
                // YAML's `react: 18`.
                Kind::Number => self.json.number()?.to_string(),
                _ => self.text(&key)?,
            };
            m.catalogs.push((catalog.to_string(), key.name.into_owned(), value));
        }
        Ok(())
    }

    fn patterns(&mut self, key: &Key<'a>, m: &mut Manifest) -> Result<(), Fault> {
        match self.json.peek()? {
            Kind::Array => self.json.array()?,
            found => return self.wrong(key, "an array of patterns", found),
        }
        while self.json.element()? {
            let offset = self.json.offset();
            let pattern = self.text(key)?;
            let inner = pattern.strip_prefix('!').unwrap_or(&pattern);
            let drive = inner.as_bytes().get(1) == Some(&b':');
            let leaves =
                inner.starts_with(['/', '~']) || drive || inner.split(['/', '\\']).any(|s| s == "..");
            if leaves || inner.contains(char::is_control) {
                return Err(Fault { offset, problem: Problem::Pattern(pattern) });
            }
            m.workspaces.push(pattern);
        }
        Ok(())
    }

    fn pnpm(&mut self, m: &mut Manifest) -> Result<(), Fault> {
        self.json.object()?;
        while let Some(key) = self.json.key()? {
            match &*key.name {
                "overrides" => m.pnpm_overrides = Some(self.span()?),
                _ => drop(self.json.skip()?),
            }
        }
        Ok(())
    }

    fn peer_meta(&mut self, key: &Key<'a>) -> Result<(), Fault> {
        self.object(key)?;
        while let Some(name) = self.json.key()? {
            if self.json.peek()? != Kind::Object {
                self.json.skip()?;
                continue;
            }
            self.json.object()?;
            while let Some(option) = self.json.key()? {
                // npm asks for truth, not for `true`; nothing else is ever written.
                if self.json.skip()? == "true" && option.name == "optional" {
                    self.optional.insert(name.name.clone().into_owned());
                }
            }
        }
        Ok(())
    }

    fn resolution(&mut self, key: &Key<'a>, m: &mut Manifest) -> Result<(), Fault> {
        let origin = |offset, text: String| match Origin::parse(&text) {
            Some(origin) => Ok(origin),
            None => Err(Fault { offset, problem: Problem::Origin(text) }),
        };
        self.object(key)?;
        while let Some(key) = self.json.key()? {
            match &*key.name {
                "order" => {
                    let mut order = Vec::new();
                    match self.json.peek()? {
                        Kind::Array => self.json.array()?,
                        found => return self.wrong(&key, "an array of sources", found),
                    }
                    while self.json.element()? {
                        let offset = self.json.offset();
                        let found = origin(offset, self.text(&key)?)?;
                        if !order.contains(&found) {
                            order.push(found);
                        }
                    }
                    m.resolution.order = order;
                }
                "preferences" => {
                    self.object(&key)?;
                    let mut seen = Seen::default();
                    while let Some(pattern) = self.json.key()? {
                        seen.add(self.json.text(), &pattern)?;
                        self.json.peek()?;
                        let offset = self.json.offset();
                        let found = origin(offset, self.text(&pattern)?)?;
                        m.resolution.preferences.push((pattern.name.into_owned(), found));
                    }
                }
                _ => drop(self.json.skip()?),
            }
        }
        Ok(())
    }

    fn table(&mut self, key: &Key<'a>, group: Group) -> Result<(), Fault> {
        self.object(key)?;
        let mut seen = Seen::default();
        while let Some(key) = self.json.key()? {
            seen.add(self.json.text(), &key)?;
            let kind = self.json.peek()?;
            let value_offset = self.json.offset();
            let value = match kind {
                Kind::String => Value::Text(self.json.string()?.into_owned()),
                Kind::Object if self.format.dialect() == Dialect::Pantry => self.options()?,
                found => {
                    let expected = match self.format.dialect() {
                        Dialect::Pantry => "a string or an object",
                        Dialect::Npm => "a string",
                    };
                    return self.wrong(&key, expected, found);
                }
            };
            if self.raw.len() == MOST_DEPENDENCIES {
                return Err(Fault { offset: key.offset, problem: Problem::TooMany });
            }
            self.raw.push(RawDependency {
                key: key.name.into_owned(),
                value,
                group,
                offset: key.offset,
                value_offset,
            });
        }
        Ok(())
    }

    fn options(&mut self) -> Result<Value, Fault> {
        let mut out = Vec::new();
        let mut seen = Seen::default();
        self.json.object()?;
        while let Some(key) = self.json.key()? {
            seen.add(self.json.text(), &key)?;
            let setting = match self.json.peek()? {
                Kind::String => Setting::Text(self.json.string()?.into_owned()),
                Kind::Bool => Setting::Flag(self.json.boolean()?),
                found => return self.wrong(&key, "a string, true or false", found),
            };
            out.push((key.name.into_owned(), setting));
        }
        Ok(Value::Options(out))
    }

    /// Turns words into dependencies, now that the whole file is known.
    fn understand(self, m: &mut Manifest) -> Result<(), Fault> {
        for raw in self.raw {
            let RawDependency { key, value, group, offset, value_offset } = raw;
            let dependency = dependency::parse(&key, &value, self.format.dialect(), &m.resolution);
            let dependency = dependency.map_err(|problem| {
                let at_name = problem.is_about(&key);
                let problem = Problem::Dependency { key: key.clone(), problem };
                Fault { offset: if at_name { offset } else { value_offset }, problem }
            })?;
            let optional_peer = group == Group::Peer && self.optional.contains(&key);
            m.dependencies.push(Declared { key, value, group, optional_peer, dependency, offset });
        }
        Ok(())
    }
}
