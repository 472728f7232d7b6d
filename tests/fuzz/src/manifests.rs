//! `package.json`, pantry's own manifests and `mzp.toml`: reading them, and editing them without touching the rest.

use super::line;
use mirror::name::MinzName;
use pantry::manifest::{self, Format, Manifest, edit, workspace};
use pantry::resolve::graph::Group;
use std::path::Path;

/// The first byte chooses the file, the next two lines are a dependency, the rest is the manifest.
pub fn manifest(data: &[u8]) {
    let Some((&how, data)) = data.split_first() else { return };
    let format = [Format::PackageJson, Format::PantryJsonc][usize::from(how & 1)];
    let Ok(text) = std::str::from_utf8(data) else {
        let e = manifest::read(data, Path::new(format.file()), format).expect_err("not UTF-8");
        return super::says(&e);
    };
    let (key, rest) = line(text);
    let (value, document) = line(rest);
    let before = match read(document, format) {
        Ok(manifest) => manifest,
        Err(e) => return super::says(&e),
    };
    before.warnings.iter().for_each(super::says);
    for (name, path) in &before.bin {
        assert!(!name.as_str().contains('/'));
        super::archive::stays_inside(path);
    }
    for workspace in &before.workspaces {
        let inside = workspace.trim_start_matches('!').split('/').all(|s| s != "..");
        assert!(inside && !workspace.starts_with('/'), "{workspace}");
    }
    for d in &before.dependencies {
        assert_eq!(document.as_bytes()[d.offset], b'"');
        before.excerpt(d.offset);
    }
    match manifest::overrides(std::slice::from_ref(&before), &|name| (name.len() < 3).then(|| "1".into())) {
        Ok(all) => all.iter().for_each(|o| assert!(!o.path.is_empty() && !o.to_string().is_empty())),
        Err(e) => super::says(&e),
    }
    let merged = manifest::merge(std::slice::from_ref(&before));
    if let Err(e) = &merged {
        super::says(e);
    }
    let group = [None, Some(Group::Normal), Some(Group::Dev), Some(Group::Peer)][usize::from(how >> 1 & 3)];
    let had = edit::groups(&before, key);
    if let Ok(after) = edit::set(&before, group, key, value) {
        let text = after.text.clone();
        let has = edit::groups(&after, key);
        let wanted = |g: &Group| match group {
            Some(group) => *g == group,
            None => had.contains(g) || had.is_empty() && *g == Group::Normal,
        };
        assert!(has.iter().any(wanted), "{has:?}\n{text}");
        others(&before, &after, key);
        if had.is_empty() {
            // Only something new: all old bytes are there, but blanks in an empty table and a `null` in its place.
            let mut nulls = document.match_indices("null");
            let without = |at: usize| format!("{}{}", &document[..at], &document[at + 4..]);
            let kept = holds(&text, document) || nulls.any(|(at, _)| holds(&text, &without(at)));
            assert!(kept, "{document}\n{text}");
        }
        let again = edit::set(&after, group, key, value).expect("the same once more");
        assert_eq!(again.text, text);
    }
    if let Ok(after) = edit::remove(&before, key) {
        let text = after.text.clone();
        assert_eq!(edit::groups(&after, key), []);
        others(&before, &after, key);
        if had.is_empty() {
            assert_eq!(text, document);
        } else if had.len() == 1 {
            assert!(holds(document, &text), "taking out writes nothing\n{text}");
        }
    }
}

fn read(text: &str, format: Format) -> Result<Manifest, manifest::Error> {
    manifest::read(text.as_bytes(), Path::new(format.file()), format)
}

/// The other dependencies and all other fields are as they were.
fn others(before: &Manifest, after: &Manifest, key: &str) {
    let others = |m: &Manifest| -> Vec<String> {
        let mut all: Vec<String> = m
            .dependencies
            .iter()
            .filter(|d| d.key != key)
            .map(|d| format!("{:?} {} {:?} {:?}", d.group, d.key, d.value, d.dependency))
            .collect();
        all.sort();
        all
    };
    assert_eq!(others(before), others(after));
    assert_eq!((&before.name, &before.version, &before.bin), (&after.name, &after.version, &after.bin));
    assert_eq!((&before.scripts, &before.engines, &before.os), (&after.scripts, &after.engines, &after.os));
    assert_eq!(before.raw(&before.overrides), after.raw(&after.overrides));
    assert_eq!(before.workspaces, after.workspaces);
}

/// Whether all characters of `part` but blanks stand in `whole`, in their order.
fn holds(whole: &str, part: &str) -> bool {
    let mut rest = whole.chars();
    part.chars().filter(|c| !c.is_whitespace()).all(|c| rest.any(|other| other == c))
}

/// `pnpm-workspace.yaml`: the first line is a folder's path, the rest the file.
pub fn pnpm_workspace(data: &[u8]) {
    let Some(at) = data.iter().position(|b| *b == b'\n') else { return };
    let folder = String::from_utf8_lossy(&data[..at]);
    let found = match workspace::pnpm(&data[at + 1..], Path::new("pnpm-workspace.yaml")) {
        Ok(found) => found,
        Err(e) => return super::says(&e),
    };
    // It has members, catalogs and overrides; whatever else stands there is pnpm's business.
    assert!(found.dependencies.is_empty() && found.scripts.is_empty() && found.trusted.is_empty());
    for pattern in &found.workspaces {
        let bare = pattern.trim_start_matches('!');
        assert!(bare.split('/').all(|s| s != "..") && !bare.starts_with('/'), "{pattern}");
        workspace::matches(bare, &folder);
    }
    assert!(found.catalogs.iter().all(|(_, name, _)| !name.is_empty()));
    if let Err(e) = manifest::overrides(std::slice::from_ref(&found), &|_| None) {
        super::says(&e);
    }
}

/// The first line is a dependency's name, the rest `mzp.toml`.
pub fn mzp_manifest(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (name, document) = line(text);
    let path = Path::new("mzp.toml");
    let before = match mzp::manifest::Manifest::parse(path, document) {
        Ok(manifest) => manifest,
        Err(e) => return super::says(&e),
    };
    assert_eq!(MinzName::parse(before.name.as_str()).as_ref(), Ok(&before.name));
    assert!(before.platforms().contains(&before.default_platform()) || before.platforms().is_empty());
    // What it would be published as can be written and read.
    let record = mzp::registry::record(&before);
    if let Ok(candidate) = mzp::registry::candidate(&record) {
        assert!(candidate.needs.len() <= record.dependencies.len());
    }
    if let Err(e) = mzp::feature::check(&before) {
        super::says(&e);
    }
    let Ok(name) = MinzName::parse(name) else { return };
    let set = mzp::manifest::edit::set_dependency(path, document, Default::default(), &name, "^1.2.3");
    match set {
        Ok(text) => {
            let after = mzp::manifest::Manifest::parse(path, &text);
            // A table of its own with another source, or a name that is also a platform's: refused, but by the reader.
            if let Ok(after) = after {
                assert!(after.dependencies.iter().any(|d| d.name == name), "{text}");
                assert_eq!((&after.name, &after.version), (&before.name, &before.version));
            }
            let comments = |t: &str| t.split('\n').filter(|l| l.trim_start().starts_with('#')).count();
            assert!(comments(&text) >= comments(document), "{text}");
        }
        Err(e) => super::says(&e),
    }
    match mzp::manifest::edit::remove_dependency(path, document, &name) {
        Ok(Some(text)) => {
            let after = mzp::manifest::Manifest::parse(path, &text).expect("an edit leaves what can be read");
            assert!(!after.dependencies.iter().any(|d| d.name == name), "{text}");
        }
        Ok(None) => assert!(!before.dependencies.iter().any(|d| d.name == name)),
        Err(e) => super::says(&e),
    }
}
