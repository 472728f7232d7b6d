//! Whether an archive is the package that was asked for: name and version of
//! the `package.json` inside it (DESIGN promise 2).

use super::error::{ArchiveError, Rule};
use crate::name::escape;
use crate::version::Version;
use miniserde::{Deserialize, json};
use std::cmp::Ordering;

#[derive(Deserialize)]
struct PackageJson {
    name: Option<String>,
    version: Option<String>,
}

const FILE: &[u8] = b"package.json";

/// Compares with what was asked; `None` is not compared.
pub(super) fn check(json: &[u8], name: Option<&str>, version: Option<&str>) -> Result<(), ArchiveError> {
    let refuse = |rule, detail: String| Err(ArchiveError::refused(rule, FILE, detail));
    let text = std::str::from_utf8(json).map(|t| t.strip_prefix('\u{feff}').unwrap_or(t));
    let Some(found) = text.ok().and_then(|t| json::from_str::<PackageJson>(t).ok()) else {
        return refuse(Rule::BadManifest, "is not a JSON object with a name and a version".into());
    };
    let missing = "nothing";
    if let Some(name) = name
        && found.name.as_deref().map(str::trim) != Some(name)
    {
        let found = found.name.as_deref().unwrap_or(missing);
        return refuse(
            Rule::NameMismatch,
            format!("names the package `{}`, not `{}`", escape(found), escape(name)),
        );
    }
    if let Some(version) = version
        && !found.version.as_deref().is_some_and(|v| same_version(v, version))
    {
        let found = found.version.as_deref().unwrap_or(missing);
        return refuse(
            Rule::VersionMismatch,
            format!("gives version `{}`, not `{}`", escape(found), escape(version)),
        );
    }
    Ok(())
}

/// The registry publishes what npm makes of the manifest's version: without
/// `v`, `=`, build metadata, leading zeros, and with a `-` before a pre-release.
fn same_version(written: &str, asked: &str) -> bool {
    match (cleaned(written), cleaned(asked)) {
        (Some(a), Some(b)) => a.cmp_precedence(&b) == Ordering::Equal,
        _ => written.trim() == asked.trim(),
    }
}

fn cleaned(text: &str) -> Option<Version> {
    if let Ok(version) = Version::parse_loose(text) {
        return Some(version);
    }
    let text = text.trim().trim_start_matches(['v', 'V', '=', ' ']);
    let core_end = text.find(|c: char| c != '.' && !c.is_ascii_digit()).unwrap_or(text.len());
    let (core, rest) = text.split_at(core_end);
    let mut out = String::with_capacity(text.len() + 1);
    for number in core.trim_end_matches('.').split('.') {
        let number = number.trim_start_matches('0');
        if !out.is_empty() {
            out.push('.');
        }
        out.push_str(if number.is_empty() { "0" } else { number });
    }
    if !rest.is_empty() && !rest.starts_with(['-', '+']) {
        out.push('-');
    }
    out.push_str(rest);
    Version::parse(&out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_as_npm_publishes_them() {
        for (written, asked) in [
            ("1.2.3", "1.2.3"),
            ("v1.0.0", "1.0.0"),
            ("=1.0.0", "1.0.0"),
            (" = v1.0.0 ", "1.0.0"),
            ("1.0.0+build.5", "1.0.0"),
            ("1.0.0beta", "1.0.0-beta"),
            ("01.02.03", "1.2.3"),
        ] {
            assert!(same_version(written, asked), "{written} {asked}");
        }
        for (written, asked) in [("1.2.3", "1.2.4"), ("1.0.0-a", "1.0.0"), ("", "1.0.0"), ("1.0", "1.0.0")] {
            assert!(!same_version(written, asked), "{written} {asked}");
        }
    }

    #[test]
    fn name_and_version() {
        let json = br#"{"x":[{}],"name":"a","version":"v1.0.0"}"#;
        assert!(check(json, Some("a"), Some("1.0.0")).is_ok());
        assert_eq!(check(json, Some("b"), None).unwrap_err().rule(), Some(Rule::NameMismatch));
        assert_eq!(check(json, None, Some("2.0.0")).unwrap_err().rule(), Some(Rule::VersionMismatch));
        assert_eq!(check(b"[]", Some("a"), None).unwrap_err().rule(), Some(Rule::BadManifest));
        assert!(check("\u{feff}{\"name\":\"a\"}".as_bytes(), Some("a"), None).is_ok());
    }
}
