//! `~/.mzp/registry/index.json`: what the home mirror holds of MinZ, for people and
//! their tools to read. Written anew when it is missing or of another state of the
//! mirror; nothing here reads more of it than its first line.
//!
//! ```text
//! {"mirror": "9f86d081884c7d65…", "sequence": 12,
//! "packages": {
//! "zx-core": {"latest": "1.1.0", "description": …, "keywords": […], "versions": {"1.0.0": {"checksum": "sha256:…", "dependencies": {…}}, …}}
//! }}
//! ```
//! A line for each package.

use crate::error::Result;
use crate::registry::{SOURCE, extra};
use mirror::Mirror;
use mirror::mirror::Prefix;
use mirror::record::{DependencyKind, Ecosystem, RecordView, VersionRecord};
use mirror::version::Version;
use std::fmt::Write as _;
use std::path::Path;

/// Where it lies in `~/.mzp`.
pub const FILE: &str = "registry/index.json";

/// Longest index whose first line is looked at.
const LIMIT: u64 = 64 << 20;

/// Makes the file say what the mirror in `home` holds, if there is one. Whether it was written.
pub fn refresh(home: &Path, file: &Path) -> Result<bool> {
    if !Mirror::is_made(home) {
        return Ok(false);
    }
    let mirror = Mirror::open(home)?;
    let first = format!("{{\"mirror\": \"{}\", \"sequence\": {},\n", mirror.id(), mirror.sequence());
    if mirror::file::read(file, LIMIT).is_ok_and(|bytes| bytes.starts_with(first.as_bytes())) {
        return Ok(false);
    }
    let mut out = first + "\"packages\": {";
    let mut any = false;
    let prefix = Prefix::Names { ecosystem: Ecosystem::Minz, source: SOURCE, begin: "" };
    mirror.for_each(prefix, &mut |view| {
        let line = package(&view)?;
        if !line.is_empty() {
            let _ = write!(out, "{}\n{line}", if any { "," } else { "" });
            any = true;
        }
        Ok(())
    })?;
    out.push_str("\n}}\n");
    if let Some(folder) = file.parent() {
        mirror::file::make_dirs(folder)?;
    }
    mirror::file::replace_scratch(file, out.as_bytes())?;
    Ok(true)
}

fn quoted(text: &str) -> String {
    miniserde::json::to_string(text)
}

/// Empty where no archive of it is here.
fn package(view: &RecordView) -> std::result::Result<String, mirror::Error> {
    let mut versions = Vec::new();
    for i in (0..view.len()).filter(|i| view.is_present(*i)) {
        versions.push(view.load(i)?);
    }
    let newest = versions.iter().max_by_key(|r| (!r.version.is_prerelease(), r.version.clone()));
    let Some(newest) = newest else { return Ok(String::new()) };
    let mut out = format!("{}: {{\"latest\": {}", quoted(&view.key().name), shown(&newest.version));
    if let Some(text) = extra(newest, "description") {
        let _ = write!(out, ", \"description\": {}", quoted(text));
    }
    let words = extra(newest, "keywords").unwrap_or_default().split(',').filter(|w| !w.is_empty());
    let _ = write!(out, ", \"keywords\": [{}]", words.map(quoted).collect::<Vec<_>>().join(", "));
    let versions: Vec<_> = versions.iter().map(version).collect();
    let _ = write!(out, ", \"versions\": {{{}}}}}", versions.join(", "));
    Ok(out)
}

fn shown(version: &Version) -> String {
    quoted(&version.to_string())
}

fn version(record: &VersionRecord) -> String {
    let needs =
        record.dependencies.iter().filter(|d| d.kind == DependencyKind::Normal && d.condition.is_empty());
    let needs: Vec<_> = needs.map(|d| format!("{}: {}", quoted(&d.name), quoted(&d.range))).collect();
    let hash = record.sha256.map(|h| h.to_string()).unwrap_or_default();
    format!(
        "{}: {{\"checksum\": \"sha256:{hash}\", \"dependencies\": {{{}}}}}",
        shown(&record.version),
        needs.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Manifest;
    use crate::registry::{key, record};
    use mirror::Batch;
    use mirror::digest::Hash;
    use std::io::Write;
    use std::path::PathBuf;

    fn bytes(folder: PathBuf) -> u64 {
        std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().metadata().unwrap().len()).sum()
    }

    /// The specification's measure: what a registry of a hundred packages costs in a mirror.
    #[test]
    fn a_hundred_packages_in_less_than_16_kb() {
        let dir = tempfile::tempdir().unwrap();
        let (home, file) = (dir.path().join("mirror"), dir.path().join("registry/index.json"));
        assert!(!refresh(&home, &file).unwrap());
        let mirror = Mirror::open_or_init(&home, "home").unwrap();
        let batch = Batch::begin(&mirror, 0).unwrap();
        for n in 0..100 {
            let text = format!(
                "[package]\nname = \"package-{n}\"\nversion = \"1.{n}.0\"\ndescription = \"Number {n} of a hundred, with a line that says what it is for\"\n\
                 [dependencies]\nzx-core = \"^1.0.0\"\npackage-{} = \"^1.{}.0\"\n[targets]\nsupported = [\"z80\"]\n[features]\nfast = [\"src/fast.minz\"]\ndefault = [\"fast\"]\n\
                 [metadata]\nkeywords = [\"graphics\", \"spectrum\", \"number-{n}\"]\n",
                (n + 1) % 100,
                (n + 1) % 100
            );
            let manifest = Manifest::parse(Path::new("mzp.toml"), &text).unwrap();
            let mut writer = batch.archive().unwrap();
            writer.write_all(text.as_bytes()).unwrap();
            let mut version = record(&manifest);
            let hash = Hash::of(text.as_bytes());
            (version.sha256, version.integrity) = (Some(hash), Some(hash.into()));
            batch.put_version(key(&manifest.name), writer.finish().unwrap().of(version)).unwrap();
        }
        batch.commit(&mut |_| {}).unwrap();
        let index = bytes(home.join("SEG"));
        assert!((1_000..16_384).contains(&index), "{index} bytes");

        assert!(refresh(&home, &file).unwrap());
        let text = std::fs::read_to_string(&file).unwrap();
        assert_eq!(text.lines().count(), 103, "a line for each, two before and one behind");
        assert!(
            text.contains("\n\"package-7\": {\"latest\": \"1.7.0\", \"description\": \"Number 7 of"),
            "{text}"
        );
        assert!(miniserde::json::from_str::<miniserde::json::Object>(&text).is_ok());
        // Of this state already; missing; of another state.
        assert!(!refresh(&home, &file).unwrap());
        mirror::file::remove(&file).unwrap();
        assert!(refresh(&home, &file).unwrap());
        let batch = Batch::begin(&mirror, 0).unwrap();
        batch.remove(&key(&mirror::name::MinzName::parse("package-7").unwrap()), None);
        batch.commit(&mut |_| {}).unwrap();
        assert!(refresh(&home, &file).unwrap());
        assert!(!std::fs::read_to_string(&file).unwrap().contains("\n\"package-7\""));
    }
}
