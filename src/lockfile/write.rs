//! Graph → bytes.

use super::{DEFAULT_SOURCE, Error, FILE, GROUPS, KINDS, LINK, Problem, VERSION, push_key};
use crate::json::{push_escaped, push_string};
use crate::resolve::graph::{Graph, Package, PackageId};
use mirror::name::PackageName;

/// The lockfile's text. Fails when a package has no strong hash: such a file
/// could not be read again.
pub fn write(graph: &Graph) -> Result<String, Error> {
    debug_assert!(super::is_sorted(graph));
    let key = |package| {
        let mut key = String::new();
        push_key(&mut key, package);
        key
    };
    let targets = &Targets { graph, keys: graph.packages.iter().map(key).collect() };
    let mut out = String::with_capacity(graph.packages.len() * 320 + 256);
    out.push_str(&format!("{{\n  \"lockfileVersion\": {VERSION},\n  \"importers\": {{"));
    for (i, importer) in graph.importers.iter().enumerate() {
        out.push_str(if i == 0 { "\n    " } else { ",\n    " });
        push_string(&mut out, &importer.path);
        out.push_str(": {");
        let mut any = false;
        for (group, name) in GROUPS {
            let mut members = importer.dependencies.iter().filter(|d| d.group == group).peekable();
            if members.peek().is_none() {
                continue;
            }
            out.push_str(if any { ",\n      \"" } else { "\n      \"" });
            any = true;
            out.push_str(name);
            out.push_str("\": {");
            for (i, d) in members.enumerate() {
                out.push_str(if i == 0 { "\n        " } else { ",\n        " });
                targets.push_edge(&mut out, &d.alias, &d.range, d.target);
            }
            out.push_str("\n      }");
        }
        if !importer.overrides.is_empty() {
            out.push_str(if any { ",\n      \"overrides\": {" } else { "\n      \"overrides\": {" });
            any = true;
            for (i, (what, by)) in importer.overrides.iter().enumerate() {
                out.push_str(if i == 0 { "\n        " } else { ",\n        " });
                push_string(&mut out, what);
                out.push_str(": ");
                push_string(&mut out, by);
            }
            out.push_str("\n      }");
        }
        out.push_str(if any { "\n    }" } else { "}" });
    }
    out.push_str(if graph.importers.is_empty() { "},\n" } else { "\n  },\n" });
    out.push_str("  \"packages\": {");
    for (i, (package, key)) in graph.packages.iter().zip(&targets.keys).enumerate() {
        out.push_str(if i == 0 { "\n    \"" } else { ",\n    \"" });
        out.push_str(key);
        out.push_str("\": ");
        push_package(&mut out, targets, package, key)?;
    }
    out.push_str(if graph.packages.is_empty() { "}" } else { "\n  }" });
    for (i, place) in graph.places.iter().enumerate() {
        out.push_str(if i == 0 { ",\n  \"places\": [\n    " } else { ",\n    " });
        push_string(&mut out, place);
    }
    out.push_str(if graph.places.is_empty() { "\n}\n" } else { "\n  ]\n}\n" });
    Ok(out)
}

fn push_package(out: &mut String, targets: &Targets<'_>, package: &Package, key: &str) -> Result<(), Error> {
    let refuse = |problem| Err(Error { path: FILE.into(), problem, excerpt: None });
    let mut fields = Fields { out, any: false };
    if package.source != DEFAULT_SOURCE {
        push_string(fields.named("source"), &without_userinfo(&package.source));
    }
    if let Some(url) = &package.tarball {
        push_string(fields.named("tarball"), &without_userinfo(url));
    }
    match &package.integrity {
        Some(integrity) if integrity.algorithm().is_strong() => {
            // Base64 needs no escape.
            let out = fields.named("integrity");
            out.push('"');
            out.push_str(&integrity.to_string());
            out.push('"');
        }
        Some(integrity) => {
            return refuse(Problem::WeakIntegrity(key.into(), integrity.algorithm()));
        }
        None if package.source.starts_with(LINK) => {}
        None => return refuse(Problem::NoIntegrity(key.into())),
    }
    for (kind, name) in KINDS {
        let edges = package.dependencies.iter().filter(|e| e.kind == kind);
        fields.object(name, edges, |out, e| targets.push_edge(out, &e.alias, &e.range, e.target));
    }
    let pair = |out: &mut String, key: &str, value: &str| {
        push_string(out, key);
        out.push_str(": ");
        push_string(out, value);
    };
    fields.object("bin", package.bins.iter(), |out, (name, path)| pair(out, name.as_str(), path.as_str()));
    for (name, list) in
        [("bundled", &package.bundled), ("os", &package.os), ("cpu", &package.cpu), ("libc", &package.libc)]
    {
        fields.list(name, list);
    }
    fields.object("engines", package.engines.iter(), |out, (name, range)| pair(out, name, range));
    if package.install_script {
        fields.named("installScript").push_str("true");
    }
    if let Some(text) = &package.deprecated {
        push_string(fields.named("deprecated"), text);
    }
    if !fields.any {
        out.push('{');
    }
    out.push('}');
    Ok(())
}

/// The properties of a package's line.
struct Fields<'a> {
    out: &'a mut String,
    any: bool,
}

impl Fields<'_> {
    fn named(&mut self, name: &str) -> &mut String {
        self.out.push_str(if self.any { ", \"" } else { "{\"" });
        self.any = true;
        self.out.push_str(name);
        self.out.push_str("\": ");
        self.out
    }

    /// Nothing at all for no members.
    fn object<T>(&mut self, name: &str, members: impl Iterator<Item = T>, member: impl Fn(&mut String, T)) {
        let mut members = members.peekable();
        if members.peek().is_none() {
            return;
        }
        let out = self.named(name);
        for (i, m) in members.enumerate() {
            out.push_str(if i == 0 { "{" } else { ", " });
            member(out, m);
        }
        out.push('}');
    }

    fn list(&mut self, name: &str, members: &[String]) {
        if members.is_empty() {
            return;
        }
        let out = self.named(name);
        for (i, m) in members.iter().enumerate() {
            out.push_str(if i == 0 { "[" } else { ", " });
            push_string(out, m);
        }
        out.push(']');
    }
}

/// The packages, with the text of each one's key.
struct Targets<'g> {
    graph: &'g Graph,
    keys: Vec<String>,
}

impl Targets<'_> {
    /// `"alias": "TARGET RANGE"`.
    fn push_edge(&self, out: &mut String, alias: &PackageName, range: &str, target: Option<PackageId>) {
        out.push('"');
        out.push_str(alias.as_str());
        out.push_str("\": \"");
        out.push_str(match target.map(|id| (&self.graph.package(id).name, self.keys[id.index()].as_str())) {
            None => "-",
            Some((name, key)) if name == alias => &key[name.as_str().len() + 1..],
            Some((_, key)) => key,
        });
        out.push(' ');
        push_escaped(out, range);
        out.push('"');
    }
}

/// `url` without `user:password@`.
fn without_userinfo(url: &str) -> std::borrow::Cow<'_, str> {
    let Some((scheme, rest)) = url.split_once("://") else { return url.into() };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    match authority.rfind('@') {
        Some(at) => format!("{scheme}://{}", &rest[at + 1..]).into(),
        None => url.into(),
    }
}
