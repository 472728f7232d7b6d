//! What is asked over the network: the static JSON registry of the design,
//! archives, and GitHub for its releases. A registry is any web server with
//!
//! ```text
//! BASE/packages/NAME      {"name": …, "versions": {"1.0.0": {"url": …, "checksum": "sha256:…", …}}, …}
//! ```
//! An archive's address may be relative to that document. Of a document only
//! addresses and checksums count, and nothing of an archive before its checksum
//! was compared; what a package needs is read from its own manifest.

use crate::error::{Error, Result};
use crate::origin::Repository;
use miniserde::json::{Object, Value};
use mirror::digest::Hash;
use mirror::http::{Client, HttpError, Reach, Request, Url};
use mirror::name::MinzName;
use mirror::version::Version;
use std::time::Duration;

/// Largest document and archive, in bytes.
pub const DOCUMENT: u64 = 4 << 20;
const ARCHIVE: u64 = 32 << 20;
/// Most versions of a package.
const VERSIONS: usize = 10_000;
const DEADLINE: Duration = Duration::from_secs(120);

/// The servers of a run.
#[derive(Clone)]
pub struct Upstream {
    /// It may be offline.
    pub client: Client,
    /// The default registry, where somebody named one.
    pub registry: Option<Url>,
    pub github: Url,
    /// Seconds for which an answer needs no new question.
    pub fresh_for: u64,
    /// Where nothing newer is wanted than what is known.
    pub prefer_known: bool,
}

/// A version that a registry offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    pub version: Version,
    pub url: Url,
    pub sha256: Hash,
}

pub enum Answer {
    /// Ascending; and the validator.
    New(Vec<Offer>, String),
    /// As it was (304).
    Unchanged,
    /// There is no such package (404, 410).
    Unknown,
}

impl Upstream {
    /// What the registry at `base` has of a package.
    pub fn ask(&self, base: &Url, name: &MinzName, etag: Option<&str>) -> Result<Answer> {
        let url = base.with(&format!("packages/{name}"))?;
        let accept = Some("application/json, */*;q=0.5");
        let request = Request { accept, etag, gzip: true, cap: DOCUMENT, ..request(&url) };
        let got = self.get(&request)?;
        match got.status {
            200 => {}
            304 if etag.is_some() => return Ok(Answer::Unchanged),
            404 | 410 => return Ok(Answer::Unknown),
            status => return Err(Error::Answer { url: Box::new(got.url), status }),
        }
        offers(&got.url, name, &got.bytes).map(|offers| Answer::New(offers, got.etag))
    }

    /// An archive's bytes, which nobody has checked yet. `by`: whose word the address is, if not the user's.
    pub fn archive(&self, url: &Url, by: Option<&Url>) -> Result<Vec<u8>> {
        let reach = match by {
            Some(by) if !by.same_origin(url) => {
                if by.is_https() && !url.is_https() {
                    let rule = "leaves TLS, which the registry uses";
                    return Err(HttpError::BadUrl { text: url.to_string(), rule }.into());
                }
                self.client.reach_from(by)
            }
            _ => Reach::Anywhere,
        };
        // Who needs a password for the registry needs it for its archives too.
        let url = by.map_or_else(|| url.clone(), |by| url.with_userinfo_of(by));
        let got = self.get(&Request { cap: ARCHIVE, reach, ..request(&url) })?;
        match got.status {
            200 => Ok(got.bytes),
            status => Err(Error::Answer { url: Box::new(got.url), status }),
        }
    }

    pub fn repository(&self, repository: &Repository) -> Result<Url> {
        let tag = repository.tag().unwrap_or("HEAD");
        Ok(self.github.with(&format!("{}/archive/{tag}.tar.gz", repository.path()))?)
    }

    /// The repository at its latest release: where GitHub leads who asks for that.
    pub fn latest(&self, repository: &Repository) -> Result<Repository> {
        let url = self.github.with(&format!("{}/releases/latest", repository.path()))?;
        let got = self.get(&Request { cap: DOCUMENT, ..request(&url) })?;
        let tag = got.url.path().split_once("/releases/tag/").map(|(_, tag)| tag);
        match tag.filter(|_| got.status == 200).map(|tag| repository.at(tag)) {
            Some(Ok(found)) => Ok(found),
            _ if matches!(got.status, 200 | 404 | 410) => {
                Err(Error::NoRelease { repository: repository.to_string() })
            }
            _ => Err(Error::Answer { url: Box::new(got.url), status: got.status }),
        }
    }

    /// The client tries again until an answer begins; a body that breaks off is asked for once more.
    fn get(&self, request: &Request<'_>) -> Result<Got> {
        let mut again = true;
        loop {
            let response = self.client.get(request)?;
            let (status, url, etag) = (response.status, response.url, response.etag.unwrap_or_default());
            if status != 200 {
                return Ok(Got { status, url, etag, bytes: Vec::new() });
            }
            match response.body.read_whole() {
                Err(HttpError::Broken { .. }) if again => again = false,
                bytes => return Ok(Got { status, url, etag, bytes: bytes? }),
            }
        }
    }
}

struct Got {
    status: u16,
    /// After redirects.
    url: Url,
    etag: String,
    bytes: Vec<u8>,
}

fn request(url: &Url) -> Request<'_> {
    Request { deadline: DEADLINE, ..Request::new(url) }
}

/// Reads a registry's document about `name`, which came from `url`.
pub fn offers(url: &Url, name: &MinzName, bytes: &[u8]) -> Result<Vec<Offer>> {
    let wrong = |refused, what: String| Error::Document { url: Box::new(url.clone()), what, refused };
    let text = std::str::from_utf8(bytes).map_err(|_| wrong(false, "is not UTF-8 text".into()))?;
    let none = || wrong(false, "is not what a MinZ registry says of a package".into());
    let document: Object = miniserde::json::from_str(text).map_err(|_| none())?;
    let text = |object: &Object, key: &str| match object.get(key) {
        Some(Value::String(text)) => Ok(text.clone()),
        _ => Err(none()),
    };
    let about = text(&document, "name")?;
    if about != name.as_str() {
        return Err(wrong(true, format!("is about `{about}`, not {name}")));
    }
    let Some(Value::Object(versions)) = document.get("versions") else { return Err(none()) };
    if versions.len() > VERSIONS {
        return Err(wrong(true, format!("has more than {VERSIONS} versions")));
    }
    let mut offers = Vec::new();
    for (version, entry) in versions.iter() {
        let Value::Object(entry) = entry else { return Err(none()) };
        let (address, checksum) = (text(entry, "url")?, text(entry, "checksum")?);
        let version = Version::parse(version).map_err(|e| wrong(true, e.to_string()))?;
        let Some(Ok(sha256)) = checksum.strip_prefix("sha256:").map(Hash::parse) else {
            return Err(wrong(true, format!("has no SHA-256 for {name} {version}")));
        };
        let url = url.join(&address).map_err(|e| wrong(true, e.to_string()))?.without_userinfo();
        offers.push(Offer { version, url, sha256 });
    }
    mirror::order::sort_by(&mut offers, |a, b| a.version.cmp(&b.version));
    Ok(offers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Offer>> {
        let url = Url::parse("https://example.com/minz/packages/zx-core").unwrap();
        offers(&url, &MinzName::parse("zx-core").unwrap(), text.as_bytes())
    }

    #[test]
    fn the_designs_document() {
        let hash = "ab".repeat(32);
        let text = format!(
            r#"{{"name": "zx-core", "versions": {{
                "1.10.0": {{"url": "../archives/zx-core-1.10.0.tgz", "checksum": "sha256:{hash}"}},
                "1.9.0": {{"url": "https://other.example.com/a.tar.gz", "checksum": "sha256:{hash}", "dependencies": {{"a": "^1"}}}}
              }}, "latest": "1.10.0", "description": "x", "keywords": ["a"], "author": "A", "license": "MIT"}}"#
        );
        let offers = read(&text).unwrap();
        let shown: Vec<_> = offers.iter().map(|o| format!("{} {}", o.version, o.url)).collect();
        assert_eq!(
            shown,
            [
                "1.9.0 https://other.example.com/a.tar.gz",
                "1.10.0 https://example.com/minz/archives/zx-core-1.10.0.tgz"
            ]
        );
    }

    #[test]
    fn what_is_no_document() {
        let hash = "ab".repeat(32);
        let version = |v: &str, url: &str, sum: &str| {
            format!(
                r#"{{"name": "zx-core", "versions": {{"{v}": {{"url": "{url}", "checksum": "{sum}"}}}}}}"#
            )
        };
        let good = format!("sha256:{hash}");
        assert!(read(&version("1.0.0", "a.tgz", &good)).is_ok());
        for (text, refused) in [
            ("<!DOCTYPE html>".to_string(), false),
            ("{}".into(), false),
            ("[".repeat(100_000), false),
            (r#"{"name": "zx-core", "versions": {"1.0.0": {"url": "a"}}}"#.into(), false),
            (version("1.0.0", "a.tgz", &good).replace("zx-core", "zx-cord"), true),
            (version("1.0", "a.tgz", &good), true),
            (version("../1.0.0", "a.tgz", &good), true),
            (version("1.0.0", "file:///etc/passwd", &good), true),
            (version("1.0.0", "a.tgz", &hash), true),
            (version("1.0.0", "a.tgz", "md5:00"), true),
            (version("1.0.0", "a.tgz", "sha256:00"), true),
            (version("1.0.0", "a.tgz", ""), true),
        ] {
            let shown: String = text.chars().take(60).collect();
            match read(&text) {
                Err(Error::Document { refused: found, .. }) => assert_eq!(found, refused, "{shown}"),
                other => panic!("{shown}: {other:?}"),
            }
        }
    }
}
