//! Packages described in a test, and the tarballs and packuments made of them: the same bytes every time.
//!
//! A case describes packages in two ways. A section `packages/NAME@VERSION/FILE` gives files as they are; a section
//! `CATALOGUE` has a line per package, of words that mean:
//!
//! ```text
//! app-core@1.2.0 left@^1.0.0 optional:fs-mac@^2 peer:react@^18 peer?:types@* dev:jest@^29 alias=npm:left@^1 bin:core=cli.js
//!          os:linux cpu:x64 libc:musl engines:>=20 script:postinstall=node_x bundle:left deprecated:old tag:next
//! ```

use std::collections::BTreeMap;

use super::hostile::gzip;
use miniserde::json::{self, Array, Object, Value};
use sha2::Digest;

#[derive(Debug, Clone)]
pub struct Package {
    pub name: String,
    pub version: String,
    pub manifest: Object,
    /// Path below the package, content, executable.
    pub files: Vec<(String, Vec<u8>, bool)>,
    pub tags: Vec<String>,
    pub deprecated: Option<String>,
    /// Bytes that no description could give: an archive of [`super::hostile`].
    pub made_elsewhere: Option<Vec<u8>>,
}

impl Package {
    /// `evil@1.0.0` with a hostile archive, published as any other: its integrity is that of the very bytes.
    pub fn hostile(kind: &str) -> Option<Self> {
        Some(Self {
            name: "evil".into(),
            version: "1.0.0".into(),
            manifest: named("evil", "1.0.0"),
            files: Vec::new(),
            tags: Vec::new(),
            deprecated: None,
            made_elsewhere: Some(super::hostile::archive(kind)?),
        })
    }

    pub fn spec(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }

    /// What comes after the scope: how npm names the tarball.
    pub fn basename(&self) -> &str {
        self.name.rsplit('/').next().unwrap_or(&self.name)
    }

    pub fn tarball(&self) -> Vec<u8> {
        if let Some(bytes) = &self.made_elsewhere {
            return bytes.clone();
        }
        let mut builder = tar::Builder::new(Vec::new());
        for (path, content, executable) in &self.files {
            let mut header = tar::Header::new_ustar();
            header.set_size(content.len() as u64);
            header.set_mode(if *executable { 0o755 } else { 0o644 });
            header.set_mtime(499_162_500);
            header.set_entry_type(tar::EntryType::Regular);
            builder
                .append_data(&mut header, format!("package/{path}"), content.as_slice())
                .expect("a tar entry in memory");
        }
        gzip(&builder.into_inner().expect("a tar file in memory"))
    }

    /// The version object of a packument.
    pub fn published(&self, tarball_url: &str, integrity: bool) -> Object {
        let bytes = self.tarball();
        let mut dist = Object::new();
        dist.insert("tarball".into(), text(tarball_url));
        dist.insert("shasum".into(), text(&hex(&sha1::Sha1::digest(&bytes))));
        if integrity {
            dist.insert("integrity".into(), text(&sha512(&bytes)));
        }
        let unpacked: u64 = self.files.iter().map(|(_, c, _)| c.len() as u64).sum();
        dist.insert("unpackedSize".into(), number(unpacked));
        dist.insert("fileCount".into(), number(self.files.len() as u64));
        let mut version = clone(&self.manifest);
        version.insert("dist".into(), Value::Object(dist));
        if let Some(message) = &self.deprecated {
            version.insert("deprecated".into(), text(message));
        }
        let installs = |name: &str| matches!(self.manifest.get("scripts"), Some(Value::Object(s)) if s.contains_key(name));
        if ["preinstall", "install", "postinstall"].iter().any(|s| installs(s)) {
            version.insert("hasInstallScript".into(), Value::Bool(true));
        }
        version
    }
}

/// Every package of a case, by name and then in the order in which it was described.
pub fn described(files: &[(String, String)]) -> Result<Vec<Package>, String> {
    let mut packages = Vec::new();
    for (_, catalogue) in files.iter().filter(|(name, _)| name == "CATALOGUE") {
        for line in catalogue.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')) {
            packages.push(from_line(line)?);
        }
    }
    let mut dirs: BTreeMap<String, Vec<(String, Vec<u8>, bool)>> = BTreeMap::new();
    for (path, content) in files {
        let Some(rest) = path.strip_prefix("packages/") else { continue };
        let start = usize::from(rest.starts_with('@'));
        let at = rest[start..].find('@').ok_or_else(|| format!("`{path}` has no @VERSION"))? + start;
        let slash = rest[at..].find('/').ok_or_else(|| format!("`{path}` names no file"))? + at;
        let content = content.clone().into_bytes();
        let executable = content.starts_with(b"#!");
        dirs.entry(rest[..slash].into()).or_default().push((rest[slash + 1..].into(), content, executable));
    }
    for (spec, mut files) in dirs {
        let at = spec.rfind('@').expect("found above");
        let (name, version) = (spec[..at].to_owned(), spec[at + 1..].to_owned());
        let manifest = match files.iter().find(|(path, ..)| path == "package.json") {
            Some((_, content, _)) => {
                match json::from_str(std::str::from_utf8(content).map_err(|e| e.to_string())?) {
                    Ok(Value::Object(manifest)) => manifest,
                    // A case about a broken manifest: the packument has at least a name and a version.
                    _ => named(&name, &version),
                }
            }
            None => {
                let manifest = named(&name, &version);
                files.push((
                    "package.json".into(),
                    json::to_string(&Value::Object(clone(&manifest))).into_bytes(),
                    false,
                ));
                manifest
            }
        };
        packages.push(Package {
            name,
            version,
            manifest,
            files,
            tags: Vec::new(),
            deprecated: None,
            made_elsewhere: None,
        });
    }
    Ok(packages)
}

fn from_line(line: &str) -> Result<Package, String> {
    let mut words = line.split_whitespace();
    let spec = words.next().unwrap_or_default();
    let (name, version) = cut(spec).ok_or_else(|| format!("`{spec}` is not NAME@VERSION"))?;
    let mut manifest = named(name, version);
    let mut package = Package {
        name: name.into(),
        version: version.into(),
        manifest: Object::new(),
        files: Vec::new(),
        tags: Vec::new(),
        deprecated: None,
        made_elsewhere: None,
    };
    let mut bins = Vec::new();
    for word in words {
        // Ranges with spaces are written with `_`.
        let word = word.replace('_', " ");
        let (kind, rest) = word.split_once(':').unwrap_or(("", word.as_str()));
        let dependency = |rest: &str| {
            cut(rest)
                .map(|(n, r)| (n.to_owned(), r.to_owned()))
                .ok_or_else(|| format!("`{rest}` in `{line}`"))
        };
        match kind {
            "optional" => put(&mut manifest, "optionalDependencies", dependency(rest)?),
            "dev" => put(&mut manifest, "devDependencies", dependency(rest)?),
            "peer" => put(&mut manifest, "peerDependencies", dependency(rest)?),
            "peer?" => {
                let (name, range) = dependency(rest)?;
                let mut optional = Object::new();
                optional.insert("optional".into(), Value::Bool(true));
                object(&mut manifest, "peerDependenciesMeta").insert(name.clone(), Value::Object(optional));
                put(&mut manifest, "peerDependencies", (name, range));
            }
            "os" | "cpu" | "libc" => list(&mut manifest, kind, rest),
            "bundle" => list(&mut manifest, "bundleDependencies", rest),
            "pad" => {
                let bytes = super::hostile::noise(rest.parse().map_err(|_| format!("`{word}` in `{line}`"))?);
                package.files.push(("noise.bin".into(), bytes, false));
            }
            "engines" => put(&mut manifest, "engines", ("node".into(), rest.into())),
            "deprecated" => package.deprecated = Some(rest.into()),
            "tag" => package.tags.push(rest.into()),
            "bin" | "script" => {
                let (key, value) = rest.split_once('=').ok_or_else(|| format!("`{word}` in `{line}`"))?;
                if kind == "bin" {
                    bins.push(value.to_owned());
                    put(&mut manifest, "bin", (key.into(), value.into()));
                } else {
                    put(&mut manifest, "scripts", (key.into(), value.into()));
                }
            }
            alias if alias.ends_with("=npm") => {
                put(
                    &mut manifest,
                    "dependencies",
                    (alias.trim_end_matches("=npm").into(), format!("npm:{rest}")),
                );
            }
            "" => put(&mut manifest, "dependencies", dependency(rest)?),
            other => return Err(format!("`{other}:` in `{line}` means nothing")),
        }
    }
    let says = format!("module.exports = '{name}@{version}'\n");
    package.files.push((
        "package.json".into(),
        json::to_string(&Value::Object(clone(&manifest))).into_bytes(),
        false,
    ));
    package.files.push(("index.js".into(), says.into_bytes(), false));
    for bin in bins {
        let says = format!("#!/usr/bin/env node\nconsole.log('{name}@{version}')\n");
        package.files.push((bin, says.into_bytes(), true));
    }
    package.manifest = manifest;
    Ok(package)
}

fn cut(spec: &str) -> Option<(&str, &str)> {
    let start = usize::from(spec.starts_with('@'));
    let at = spec[start..].find('@')? + start;
    Some((&spec[..at], &spec[at + 1..]))
}

fn named(name: &str, version: &str) -> Object {
    let mut object = Object::new();
    object.insert("name".into(), text(name));
    object.insert("version".into(), text(version));
    object
}

fn object<'a>(of: &'a mut Object, field: &str) -> &'a mut Object {
    match of.entry(field.into()).or_insert_with(|| Value::Object(Object::new())) {
        Value::Object(inner) => inner,
        _ => unreachable!("only objects are put here"),
    }
}

fn put(of: &mut Object, field: &str, (key, value): (String, String)) {
    object(of, field).insert(key, text(&value));
}

fn list(of: &mut Object, field: &str, value: &str) {
    if let Value::Array(array) = of.entry(field.into()).or_insert_with(|| Value::Array(Array::new())) {
        array.push(text(value));
    }
}

pub fn text(value: &str) -> Value {
    Value::String(value.into())
}

pub fn number(value: u64) -> Value {
    Value::Number(json::Number::U64(value))
}

/// miniserde's values cannot be cloned; a round trip through text can.
pub fn clone(of: &Object) -> Object {
    let mut copy = Object::new();
    for (key, value) in of {
        copy.insert(key.clone(), json::from_str(&json::to_string(value)).expect("own JSON"));
    }
    copy
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

pub fn sha512(bytes: &[u8]) -> String {
    use base64ct::Encoding;
    format!("sha512-{}", base64ct::Base64::encode_string(&sha2::Sha512::digest(bytes)))
}

#[test]
fn a_catalogue_line_becomes_a_package() {
    let package =
        from_line("@s/a@1.0.0 b@^1 x=npm:y@^2 bin:a=cli.js os:linux peer?:r@>=1_<3").expect("parses");
    assert_eq!(
        json::to_string(&Value::Object(clone(&package.manifest))),
        "{\"bin\":{\"a\":\"cli.js\"},\"dependencies\":{\"b\":\"^1\",\"x\":\"npm:y@^2\"},\"name\":\"@s/a\",\
         \"os\":[\"linux\"],\"peerDependencies\":{\"r\":\">=1 <3\"},\
         \"peerDependenciesMeta\":{\"r\":{\"optional\":true}},\"version\":\"1.0.0\"}"
    );
    assert_eq!(package.files.len(), 3);
    assert_eq!(package.tarball(), package.tarball());
}
