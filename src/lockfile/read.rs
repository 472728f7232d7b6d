//! Bytes → graph, in one pass: packages are read in order while their edges
//! wait as text, because an edge may point to a line further down.

use super::{DEFAULT_SOURCE, Error, GROUPS, KINDS, LIMIT, LINK, Problem, VERSION};
use crate::install::hoist;
use crate::json::{self, Excerpt, Key, Scanner, Syntax};
use crate::resolve::graph::{Edge, EdgeKind, Graph, Group, Importer, Package, PackageId, Wanted};
use mirror::digest::Integrity;
use mirror::name::{BinName, NameError, PackageName, RelPath};
use mirror::version::Version;
use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;

/// Reads a lockfile. `path` is only for messages.
pub fn read(bytes: &[u8], path: &Path) -> Result<Graph, Error> {
    let fail = |problem, excerpt| Err(Error { path: path.to_path_buf(), problem, excerpt });
    if bytes.len() > LIMIT {
        return fail(Problem::TooLarge, None);
    }
    let lossy;
    let (text, result) = match json::text(bytes) {
        Ok(text) if text.trim_start_matches('\u{feff}').trim().is_empty() => {
            return fail(Problem::Empty, None);
        }
        Ok(text) => (text, document(text)),
        Err(e) => {
            lossy = String::from_utf8_lossy(bytes);
            (&*lossy, Err(e.into()))
        }
    };
    let Fault { offset, problem } = match result {
        Ok(graph) => return Ok(graph),
        Err(fault) => fault,
    };
    // A conflict shows as bad syntax, or as a key that stands twice.
    let (offset, problem) = match conflict(text) {
        Some(at) => (Some(at), Problem::MergeConflict),
        None if problem == Problem::Syntax(json::Problem::Ends) => (offset, Problem::Torn),
        None => (offset, problem),
    };
    fail(problem, offset.map(|at| Box::new(Excerpt::new(path, text, at))))
}

/// Where a merge left its first marker.
pub(super) fn conflict(text: &str) -> Option<usize> {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if ["<<<<<<< ", "||||||| ", ">>>>>>> "].iter().any(|m| line.starts_with(m))
            || line.trim_end() == "======="
        {
            return Some(at);
        }
        at += line.len();
    }
    None
}

struct Fault {
    offset: Option<usize>,
    problem: Problem,
}

impl From<json::Error> for Fault {
    fn from(e: json::Error) -> Self {
        Self { offset: Some(e.offset), problem: Problem::Syntax(e.problem) }
    }
}

fn at<T>(offset: usize, problem: Problem) -> Result<T, Fault> {
    Err(Fault { offset: Some(offset), problem })
}

/// A parser's answer, with the place of what it read.
fn named<T>(offset: usize, result: Result<T, NameError>) -> Result<T, Fault> {
    result.map_err(|e| Fault { offset: Some(offset), problem: Problem::Name(e) })
}

/// A dependency whose target is still text.
struct Pending<'a> {
    /// Index of the importer or package, and of the dependency in it.
    owner: usize,
    index: usize,
    /// The value, and the length of its target part.
    value: Cow<'a, str>,
    target: usize,
    offset: usize,
}

/// Beside the bits of [`GROUPS`].
const OVERRIDES: u8 = 0x80;

struct Reader<'a> {
    json: Scanner<'a>,
    graph: Graph,
    of_importers: Vec<Pending<'a>>,
    of_packages: Vec<Pending<'a>>,
    /// Package key → line, in the order of the file.
    lines: HashMap<Cow<'a, str>, u32>,
    /// Where each package's key stands.
    places: Vec<usize>,
}

fn document(text: &str) -> Result<Graph, Fault> {
    let mut r = Reader {
        json: Scanner::new(text, Syntax::Json),
        graph: Graph::default(),
        of_importers: Vec::new(),
        of_packages: Vec::new(),
        lines: HashMap::new(),
        places: Vec::new(),
    };
    r.json.object()?;
    r.version()?;
    let (mut importers, mut packages, mut places) = (false, false, false);
    while let Some(key) = r.json.key()? {
        let seen = match &*key.name {
            "importers" => &mut importers,
            "packages" => &mut packages,
            "places" => &mut places,
            _ => return at(key.offset, Problem::UnknownField(key.name.into_owned())),
        };
        if std::mem::replace(seen, true) {
            return at(key.offset, Problem::Twice(key.name.into_owned()));
        }
        match &*key.name {
            "importers" => r.importers()?,
            "packages" => r.packages()?,
            _ => r.places()?,
        }
    }
    r.json.end()?;
    for (seen, name) in [(importers, "importers"), (packages, "packages")] {
        if !seen {
            return Err(Fault { offset: None, problem: Problem::NoSection(name) });
        }
    }
    r.connect()?;
    r.sort();
    r.single_archives()?;
    Ok(r.graph)
}

impl<'a> Reader<'a> {
    /// The version comes first, so that nothing newer is misread.
    fn version(&mut self) -> Result<(), Fault> {
        let start = self.json.offset();
        match self.json.key()? {
            Some(key) if key.name == "lockfileVersion" => {}
            _ => return at(start, Problem::NoVersion),
        }
        let kind = self.json.peek()?;
        let offset = self.json.offset();
        match if kind == json::Kind::Number { self.json.number()?.parse::<u64>().ok() } else { None } {
            Some(VERSION) => Ok(()),
            Some(n) if n > VERSION => at(offset, Problem::NewerVersion(n)),
            _ => at(offset, Problem::NoVersion),
        }
    }

    fn importers(&mut self) -> Result<(), Fault> {
        self.json.object()?;
        let mut places = Vec::new();
        while let Some(key) = self.json.key()? {
            if !key.name.is_empty() {
                named(key.offset, RelPath::parse(&key.name))?;
            }
            self.json.object()?;
            self.graph.importers.push(Importer { path: key.name.into_owned(), ..Importer::default() });
            places.push(key.offset);
            let mut seen = 0u8;
            while let Some(key) = self.json.key()? {
                if key.name == "overrides" && seen & OVERRIDES == 0 {
                    seen |= OVERRIDES;
                    self.overrides()?;
                    continue;
                }
                let Some(i) = GROUPS.iter().position(|(_, name)| *name == key.name) else {
                    return at(key.offset, Problem::UnknownField(key.name.into_owned()));
                };
                if seen & (1 << i) != 0 {
                    return at(key.offset, Problem::Twice(key.name.into_owned()));
                }
                seen |= 1 << i;
                self.group(GROUPS[i].0)?;
            }
        }
        let mut order: Vec<usize> = (0..places.len()).collect();
        let path = |i: usize| &self.graph.importers[i].path;
        mirror::order::sort_by_key(&mut order, |&i| path(i));
        if let Some(w) = order.windows(2).find(|w| path(w[0]) == path(w[1])) {
            return at(places[w[1]], Problem::Twice(path(w[1]).clone()));
        }
        Ok(())
    }

    fn overrides(&mut self) -> Result<(), Fault> {
        let owner = self.graph.importers.len() - 1;
        let mut places = Vec::new();
        self.json.object()?;
        while let Some(key) = self.json.key()? {
            let by = self.json.string()?.into_owned();
            self.graph.importers[owner].overrides.push((key.name.into_owned(), by));
            places.push(key.offset);
        }
        let all = &self.graph.importers[owner].overrides;
        let mut order: Vec<usize> = (0..places.len()).collect();
        mirror::order::sort_by_key(&mut order, |&i| &all[i].0);
        match order.windows(2).find(|w| all[w[0]].0 == all[w[1]].0) {
            Some(w) => at(places[w[1]], Problem::Twice(all[w[1]].0.clone())),
            None => Ok(()),
        }
    }

    fn group(&mut self, group: Group) -> Result<(), Fault> {
        let owner = self.graph.importers.len() - 1;
        self.json.object()?;
        while let Some(key) = self.json.key()? {
            let (alias, range, pending) =
                self.edge(&key, owner, !matches!(group, Group::Normal | Group::Dev))?;
            let wanted = &mut self.graph.importers[owner].dependencies;
            self.of_importers.extend(pending.map(|p| Pending { index: wanted.len(), ..p }));
            wanted.push(Wanted { alias, range, group, target: None });
        }
        Ok(())
    }

    /// `"alias": "TARGET RANGE"`, the key already read.
    fn edge(
        &mut self,
        key: &Key<'a>,
        owner: usize,
        may_lack: bool,
    ) -> Result<(PackageName, String, Option<Pending<'a>>), Fault> {
        let alias = named(key.offset, PackageName::parse(&key.name))?;
        self.json.peek()?;
        let offset = self.json.offset();
        let value = self.json.string()?;
        let Some(target) = value.find(' ') else {
            return at(offset, Problem::BadTarget(value.into_owned()));
        };
        let range = value[target + 1..].to_string();
        if &value[..target] == "-" {
            if !may_lack {
                return at(offset, Problem::Unresolved(alias.as_str().into()));
            }
            return Ok((alias, range, None));
        }
        Ok((alias, range, Some(Pending { owner, index: 0, value, target, offset })))
    }

    fn packages(&mut self) -> Result<(), Fault> {
        self.json.object()?;
        while let Some(key) = self.json.key()? {
            let package = self.package(&key)?;
            self.graph.packages.push(package);
            self.places.push(key.offset);
            let line = u32::try_from(self.places.len() - 1).unwrap_or(u32::MAX);
            if self.lines.insert(key.name.clone(), line).is_some() {
                return at(key.offset, Problem::Twice(key.name.into_owned()));
            }
        }
        Ok(())
    }

    fn package(&mut self, key: &Key<'a>) -> Result<Package, Fault> {
        let mut package = parse_key(key)?;
        let owner = self.graph.packages.len();
        self.json.object()?;
        // Of KINDS first, then of the names below.
        let mut seen = 0u32;
        while let Some(field) = self.json.key()? {
            let kind = KINDS.iter().position(|(_, name)| *name == field.name);
            let bit = match (kind, &*field.name) {
                (Some(i), _) => i,
                (None, "source") => 4,
                (None, "tarball") => 5,
                (None, "integrity") => 6,
                (None, "bin") => 7,
                (None, "bundled") => 8,
                (None, "os") => 9,
                (None, "cpu") => 10,
                (None, "libc") => 11,
                (None, "engines") => 12,
                (None, "installScript") => 13,
                (None, "deprecated") => 14,
                _ => return at(field.offset, Problem::UnknownField(field.name.into_owned())),
            };
            if seen & (1 << bit) != 0 {
                return at(field.offset, Problem::Twice(field.name.into_owned()));
            }
            seen |= 1 << bit;
            match bit {
                4 => package.source = self.json.string()?.into_owned(),
                5 => package.tarball = Some(self.json.string()?.into_owned()),
                6 => {
                    self.json.peek()?;
                    let offset = self.json.offset();
                    package.integrity = Some(named(offset, Integrity::parse(&self.json.string()?))?);
                }
                7 => self.bins(&mut package)?,
                8 => package.bundled = self.list()?,
                9 => package.os = self.list()?,
                10 => package.cpu = self.list()?,
                11 => package.libc = self.list()?,
                12 => {
                    self.json.object()?;
                    while let Some(k) = self.json.key()? {
                        package.engines.push((k.name.into_owned(), self.json.string()?.into_owned()));
                    }
                }
                13 => package.install_script = self.json.boolean()?,
                14 => package.deprecated = Some(self.json.string()?.into_owned()),
                kind => self.edges(&mut package, owner, KINDS[kind].0)?,
            }
        }
        check(&package, key)?;
        Ok(package)
    }

    fn edges(&mut self, package: &mut Package, owner: usize, kind: EdgeKind) -> Result<(), Fault> {
        self.json.object()?;
        while let Some(key) = self.json.key()? {
            let (alias, range, pending) = self.edge(&key, owner, kind != EdgeKind::Normal)?;
            self.of_packages.extend(pending.map(|p| Pending { index: package.dependencies.len(), ..p }));
            package.dependencies.push(Edge { alias, range, kind, target: None });
        }
        Ok(())
    }

    fn bins(&mut self, package: &mut Package) -> Result<(), Fault> {
        self.json.peek()?;
        let start = self.json.offset();
        self.json.object()?;
        while let Some(key) = self.json.key()? {
            let name = named(key.offset, BinName::parse(&key.name))?;
            self.json.peek()?;
            let offset = self.json.offset();
            let path = named(offset, RelPath::parse(&self.json.string()?))?;
            package.bins.push((name, path));
        }
        mirror::order::sort(&mut package.bins);
        match package.bins.windows(2).find(|w| w[0].0 == w[1].0) {
            Some(w) => at(start, Problem::Twice(w[0].0.as_str().into())),
            None => Ok(()),
        }
    }

    fn list(&mut self) -> Result<Vec<String>, Fault> {
        let mut out = Vec::new();
        self.json.array()?;
        while self.json.element()? {
            out.push(self.json.string()?.into_owned());
        }
        Ok(out)
    }

    /// Sorted, should a merge have put them out of order.
    fn places(&mut self) -> Result<(), Fault> {
        let mut all = Vec::new();
        self.json.array()?;
        while self.json.element()? {
            self.json.peek()?;
            let offset = self.json.offset();
            let place = self.json.string()?.into_owned();
            if place.len() > hoist::LONGEST_PATH || all.len() == hoist::MOST_PLACES || !is_place(&place) {
                return at(offset, Problem::BadPlace(place));
            }
            all.push((place, offset));
        }
        mirror::order::sort_by(&mut all, |a, b| a.0.cmp(&b.0));
        if let Some(w) = all.windows(2).find(|w| w[0].0 == w[1].0) {
            return at(w[1].1, Problem::Twice(w[1].0.clone()));
        }
        self.graph.places = all.into_iter().map(|p| p.0).collect();
        Ok(())
    }

    /// Finds every edge's target, now that all lines are known.
    fn connect(&mut self) -> Result<(), Fault> {
        let mut key = String::new();
        let lines = &self.lines;
        let mut find = |alias: &PackageName, p: &Pending<'_>| {
            let target = &p.value[..p.target];
            key.clear();
            if !target.contains('@') {
                key.push_str(alias.as_str());
                key.push('@');
            }
            key.push_str(target);
            match lines.get(key.as_str()) {
                Some(&line) => Ok(Some(PackageId(line))),
                None => at(p.offset, Problem::Nowhere(key.clone())),
            }
        };
        for p in &self.of_importers {
            let wanted = &mut self.graph.importers[p.owner].dependencies[p.index];
            wanted.target = find(&wanted.alias, p)?;
        }
        for p in &self.of_packages {
            let edge = &mut self.graph.packages[p.owner].dependencies[p.index];
            edge.target = find(&edge.alias, p)?;
        }
        self.single_aliases()
    }

    /// One version from one source is one archive, however many variants it
    /// has. The packages are in order.
    fn single_archives(&self) -> Result<(), Fault> {
        let mut first: HashMap<&str, &Package> = HashMap::new();
        for run in self.graph.packages.chunk_by(|a, b| a.name == b.name && a.version == b.version) {
            if run.len() == 1 {
                continue;
            }
            first.clear();
            for p in run {
                let one = first.entry(&p.source).or_insert(p);
                if (&one.integrity, &one.tarball) != (&p.integrity, &p.tarball) {
                    let mut key = String::new();
                    super::push_key(&mut key, p);
                    let offset = self.lines.get(key.as_str()).map(|&line| self.places[line as usize]);
                    return Err(Fault { offset, problem: Problem::TwoArchives(key) });
                }
            }
        }
        Ok(())
    }

    /// A group or kind names an alias once.
    fn single_aliases(&mut self) -> Result<(), Fault> {
        for importer in &mut self.graph.importers {
            mirror::order::sort_by(&mut importer.dependencies, |a, b| {
                (&a.alias, a.group).cmp(&(&b.alias, b.group))
            });
            if let Some(w) = importer
                .dependencies
                .windows(2)
                .find(|w| (&w[0].alias, w[0].group) == (&w[1].alias, w[1].group))
            {
                return Err(Fault { offset: None, problem: Problem::Twice(w[0].alias.as_str().into()) });
            }
        }
        for (package, &place) in self.graph.packages.iter_mut().zip(&self.places) {
            mirror::order::sort_by(&mut package.dependencies, |a, b| {
                (&a.alias, a.kind).cmp(&(&b.alias, b.kind))
            });
            if let Some(w) =
                package.dependencies.windows(2).find(|w| (&w[0].alias, w[0].kind) == (&w[1].alias, w[1].kind))
            {
                return at(place, Problem::Twice(w[0].alias.as_str().into()));
            }
        }
        Ok(())
    }

    /// Into the graph's order, if a merge has left another one.
    fn sort(&mut self) {
        mirror::order::sort_by(&mut self.graph.importers, |a, b| a.path.cmp(&b.path));
        let key = |p: &Package, q: &Package| {
            p.name.cmp(&q.name).then_with(|| p.version.cmp(&q.version)).then(p.variant.cmp(&q.variant))
        };
        if self.graph.packages.is_sorted_by(|p, q| key(p, q).is_lt()) {
            return;
        }
        let mut order: Vec<usize> = (0..self.graph.packages.len()).collect();
        mirror::order::sort_by(&mut order, |&a, &b| key(&self.graph.packages[a], &self.graph.packages[b]));
        let mut new_id = vec![PackageId(0); order.len()];
        for (i, &old) in order.iter().enumerate() {
            new_id[old] = PackageId(u32::try_from(i).unwrap_or(u32::MAX));
        }
        mirror::order::sort_by(&mut self.graph.packages, key);
        let of_importers =
            self.graph.importers.iter_mut().flat_map(|i| &mut i.dependencies).map(|w| &mut w.target);
        let of_packages =
            self.graph.packages.iter_mut().flat_map(|p| &mut p.dependencies).map(|e| &mut e.target);
        for id in of_importers.chain(of_packages).flatten() {
            *id = new_id[id.index()];
        }
    }
}

/// `node_modules/NAME` once or more, after an importer's folder. Whether there is such an importer does not matter.
fn is_place(text: &str) -> bool {
    let Some((folder, names)) = text.split_once("node_modules/") else { return false };
    (folder.is_empty() || folder.strip_suffix('/').is_some_and(|f| RelPath::parse(f).is_ok()))
        && names.split("/node_modules/").all(|name| PackageName::parse(name).is_ok())
}

/// `name@version` or `name@version#n`.
fn parse_key(key: &Key<'_>) -> Result<Package, Fault> {
    let bad = || Fault { offset: Some(key.offset), problem: Problem::BadKey(key.name.clone().into_owned()) };
    let (rest, variant) = match key.name.split_once('#') {
        Some((rest, n)) => match n.parse::<u32>() {
            // Only the one spelling that is written: no `+`, no zeros in front.
            Ok(v) if v > 0 && !n.starts_with(['0', '+']) => (rest, v),
            _ => return Err(bad()),
        },
        None => (&*key.name, 0),
    };
    let (name, version) = rest.rsplit_once('@').filter(|(n, _)| !n.is_empty()).ok_or_else(bad)?;
    let name = named(key.offset, PackageName::parse(name))?;
    let version = named(key.offset, Version::parse(version))?;
    Ok(Package { variant, ..Package::new(name, version, DEFAULT_SOURCE) })
}

/// What a package must have, whatever else it says.
fn check(package: &Package, key: &Key<'_>) -> Result<(), Fault> {
    let name = || key.name.clone().into_owned();
    match (&package.integrity, package.source.strip_prefix(LINK).or(package.packed())) {
        (None, _) if !package.is_linked() => return at(key.offset, Problem::NoIntegrity(name())),
        (Some(i), _) if !i.algorithm().is_strong() => {
            return at(key.offset, Problem::WeakIntegrity(name(), i.algorithm()));
        }
        // `../` in front leads out of the project, to where its manifests say.
        (_, Some(path)) => drop(named(key.offset, RelPath::parse(path.trim_start_matches("../")))?),
        _ => {}
    }
    let registry = package.source.strip_prefix("npm+");
    if package.tarball.as_deref().into_iter().chain(registry).any(|url| !is_plain_http(url)) {
        return at(key.offset, Problem::BadUrl(name()));
    }
    Ok(())
}

/// `http(s)://host…` without user name, password, blanks or control characters.
fn is_plain_http(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")) else {
        return false;
    };
    let end = rest.bytes().position(|b| matches!(b, b'/' | b'?' | b'#'));
    let authority = &rest[..end.unwrap_or(rest.len())];
    // A character is only looked at as such where its byte does not tell: a lock has hundreds of these.
    let plain = |url: &str| url.bytes().all(|b| b > b' ' && b < 0x7f && b != b'\\');
    let odd = |c: char| c.is_control() || c.is_whitespace() || c == '\\';
    !authority.is_empty() && !authority.contains('@') && (plain(url) || !url.contains(odd))
}
