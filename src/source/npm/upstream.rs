//! The npm registry that is asked when nothing else is configured.

use mirror::http::{HttpError, Url};

/// A registry and the other host name under which it is the same authority:
/// its documents point there, and logins, lockfiles and `.npmrc` entries that
/// are bound to either serve both.
#[derive(Debug, Clone)]
pub struct Upstream {
    pub registry: Url,
    pub sister: Option<Url>,
}

const REGISTRY: &str = "https://registry.npmjs.com/";
/// The sister's host ends with this instead.
const SISTER_DOMAIN: &str = "org";

impl Upstream {
    pub fn built_in() -> Result<Self, HttpError> {
        let registry = Url::parse(REGISTRY)?;
        let stem = registry.host().rsplit_once('.').map_or("", |(stem, _)| stem);
        let sister = Url::parse(&format!("https://{stem}.{SISTER_DOMAIN}/"))?;
        Ok(Self { registry, sister: Some(sister) })
    }

    /// `url` is on one of the two hosts, over TLS or not (old documents say `http:`).
    pub(super) fn owns(&self, url: &Url) -> bool {
        self.hosts().any(|h| h.host() == url.host() && (h.port() == url.port() || is_default_port(url)))
    }

    pub(super) fn hosts(&self) -> impl Iterator<Item = &Url> {
        std::iter::once(&self.registry).chain(&self.sister)
    }
}

fn is_default_port(url: &Url) -> bool {
    url.port() == if url.is_https() { 443 } else { 80 }
}
