//! Which registry answers for a name, where its documents and archives lie, and
//! what is sent along.
//!
//! * The one that a manifest names for a package, else a scope's own from `.npmrc`, else the configured one, else the
//!   built-in upstream. Never a second one: a name has one source.
//! * Documents: `REGISTRY/name`, a scope's slash written `%2f`.
//! * Archives: `REGISTRY/name/-/base-version.tgz` unless the document says
//!   otherwise. Addresses on the built-in upstream's hosts mean the configured
//!   registry (as npm's `replace-registry-host` has it). One on another host is
//!   asked without credentials, and may not reach into the user's own network
//!   unless the registry is there itself.

use super::upstream::Upstream;
use crate::error::Result;
use crate::npmrc::Npmrc;
use mirror::http::{HttpError, Url};
use mirror::name::PackageName;
use mirror::version::Version;
use std::sync::OnceLock;

/// Where names come from, settled once per run.
pub struct Registries {
    npmrc: Npmrc,
    upstream: Upstream,
    default: Registry,
    /// Packages whose registry the project's manifests name.
    named: OnceLock<Vec<(PackageName, String)>>,
}

/// One authority that gives out names.
#[derive(Debug, Clone)]
pub struct Registry {
    pub url: Url,
    /// See [`mirror::record::Key::source`]: `npm`, or `npm+<url>`.
    pub source: String,
    /// Addresses under which an archive lies where it would be looked for
    /// anyway, each ending with `/`.
    pub bases: Vec<String>,
}

/// Where an archive is to be fetched.
#[derive(Debug, Clone)]
pub struct Tarball {
    pub url: Url,
    /// The value of `Authorization`.
    pub credential: Option<String>,
    /// The host is not the registry's: see [`mirror::http::Client::reach_from`].
    pub foreign: bool,
}

impl Registries {
    /// An unusable address of a scope is an error for that scope's names only.
    pub fn new(npmrc: Npmrc, upstream: Upstream) -> Result<Self> {
        let url = match npmrc.registry() {
            Some(text) => Url::parse(text)?,
            None => upstream.registry.clone(),
        };
        let mut out = Self {
            npmrc,
            default: Registry {
                url: url.clone().without_userinfo(),
                source: "npm".into(),
                bases: Vec::new(),
            },
            upstream,
            named: OnceLock::new(),
        };
        out.default.bases = out.bases(&url);
        Ok(out)
    }

    fn bases(&self, url: &Url) -> Vec<String> {
        let with_slash = |u: &Url| format!("{}/", u.to_string().trim_end_matches('/'));
        let mut bases = vec![with_slash(url)];
        for host in self.upstream.hosts() {
            let https = with_slash(host);
            bases.extend(https.strip_prefix("https").map(|rest| format!("http{rest}")));
            bases.push(https);
        }
        bases.dedup();
        bases
    }

    /// Takes what manifests say, once. It goes before `.npmrc`, and gets no other login than that has for it.
    pub fn name(&self, named: Vec<(PackageName, String)>) {
        let _ = self.named.set(named);
    }

    /// The packages whose registry manifests name, with its id.
    pub fn sources_named(&self) -> Vec<(PackageName, String)> {
        let named = self.named.get().into_iter().flatten();
        named.map(|(name, _)| (name.clone(), self.source_of(name))).collect()
    }

    /// The registry that answers for `name`.
    pub fn of(&self, name: &PackageName) -> Result<Registry> {
        let own = self.named.get().into_iter().flatten().find(|(own, _)| own == name);
        let own = own.map(|(_, url)| url.as_str());
        let Some(text) = own.or_else(|| name.scope().and_then(|s| self.npmrc.scope(s))) else {
            return Ok(self.default.clone());
        };
        let url = Url::parse(text)?.without_userinfo();
        let bases = self.bases(&url);
        if bases[0] == self.default.bases[0] {
            return Ok(self.default.clone());
        }
        Ok(Registry { source: format!("npm+{url}"), url, bases })
    }

    /// The registry of names that have none of their own.
    pub fn default(&self) -> &Registry {
        &self.default
    }

    /// The registry's id for `name`, as the index keys it; `npm` when the
    /// configured address is unusable.
    pub fn source_of(&self, name: &PackageName) -> String {
        self.of(name).map_or_else(|_| "npm".into(), |r| r.source)
    }

    /// Address and credential of the document about `name`.
    pub fn document(&self, registry: &Registry, name: &PackageName) -> Result<(Url, Option<String>)> {
        let url = registry.url.with(&name.as_str().replacen('/', "%2f", 1))?;
        let credential = self.credential(&url);
        Ok((url, credential))
    }

    /// Where the archive of a version lies. `explicit` is what the document
    /// said, when that is not the usual place.
    pub fn tarball(&self, name: &PackageName, version: &Version, explicit: Option<&str>) -> Result<Tarball> {
        let registry = self.of(name)?;
        let url = match explicit {
            None => {
                // Build metadata is no part of a published version's file name.
                let version = version.to_string();
                let version = version.split('+').next().unwrap_or(&version);
                registry.url.with(&format!("{name}/-/{}-{version}.tgz", name.base()))?
            }
            Some(text) => {
                let url = Url::parse(text)?.without_userinfo();
                if self.upstream.owns(&url) && !self.upstream.owns(&registry.url) {
                    registry.url.with(url.path())?
                } else {
                    self.over_tls(url, &registry)?
                }
            }
        };
        if url.same_origin(&registry.url) || (self.upstream.owns(&url) && self.upstream.owns(&registry.url)) {
            let credential = self.credential(&url);
            return Ok(Tarball { url, credential, foreign: false });
        }
        if registry.url.is_https() && !url.is_https() {
            let rule = "leaves TLS, which the registry uses";
            return Err(HttpError::BadUrl { text: url.to_string(), rule }.into());
        }
        Ok(Tarball { url, credential: None, foreign: true })
    }

    /// Old documents point to the registry's own host with `http:`.
    fn over_tls(&self, url: Url, registry: &Registry) -> Result<Url> {
        let same = url.host() == registry.url.host() || self.upstream.owns(&url);
        if same && registry.url.is_https() && !url.is_https() && url.port() == 80 {
            let text = url.to_string();
            return Ok(Url::parse(&text.replacen("http:", "https:", 1))?);
        }
        Ok(url)
    }

    /// The value of `Authorization` for `url`, bound to its scheme, host, port
    /// and path; what is bound to one of the upstream's two hosts serves both.
    /// The value of `Authorization` for an address of a registry.
    pub fn credential(&self, url: &Url) -> Option<String> {
        let own = self.npmrc.credential_for(&url.to_string());
        let found = own.or_else(|| {
            if !self.upstream.owns(url) {
                return None;
            }
            let others = self.upstream.hosts().filter(|h| h.host() != url.host());
            others
                .filter_map(|h| h.with(url.path()).ok())
                .find_map(|u| self.npmrc.credential_for(&u.to_string()))
        });
        found.map(crate::npmrc::Credential::header)
    }
}

/// The built-in registry and no configuration.
impl Registries {
    pub fn built_in() -> Result<Self> {
        Self::new(Npmrc::default(), Upstream::built_in()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::npmrc::{Content, Layer, Level, load};

    fn registries(npmrc: &str) -> Registries {
        let layer = Layer { level: Level::User, name: ".npmrc", content: Content::Text(npmrc) };
        let upstream = Upstream {
            registry: Url::parse("https://registry.example.com/").unwrap(),
            sister: Some(Url::parse("https://registry.example.org/").unwrap()),
        };
        Registries::new(load(&[layer], &|_| None, true), upstream).unwrap()
    }
    fn name(text: &str) -> PackageName {
        PackageName::parse(text).unwrap()
    }
    fn tarball(r: &Registries, n: &str, explicit: Option<&str>) -> Result<(String, Option<String>, bool)> {
        let t = r.tarball(&name(n), &Version::parse("1.2.3-a+b").unwrap(), explicit)?;
        Ok((t.url.to_string(), t.credential, t.foreign))
    }

    #[test]
    fn a_name_has_one_registry() {
        let r =
            registries("@s:registry=http://127.0.0.1:4873/npm/\n@same:registry=https://registry.example.com");
        assert_eq!(r.of(&name("x")).unwrap().source, "npm");
        assert_eq!(r.of(&name("@t/x")).unwrap().source, "npm");
        assert_eq!(r.of(&name("@same/x")).unwrap().source, "npm");
        let own = r.of(&name("@s/x")).unwrap();
        assert_eq!(own.source, "npm+http://127.0.0.1:4873/npm/");
        assert_eq!(
            r.document(&own, &name("@s/x")).unwrap().0.to_string(),
            "http://127.0.0.1:4873/npm/@s%2fx"
        );
        let other = registries("registry=http://localhost:1/a");
        let registry = other.of(&name("x")).unwrap();
        assert_eq!(registry.source, "npm", "whatever its address");
        assert_eq!(other.document(&registry, &name("x")).unwrap().0.to_string(), "http://localhost:1/a/x");
        assert!(registries("@s:registry=ftp://x/").of(&name("@s/x")).is_ok_and(|r| r.source == "npm"));
    }

    #[test]
    fn archives() {
        let r = registries("");
        let at = |n, e| tarball(&r, n, e).unwrap().0;
        assert_eq!(at("@s/x", None), "https://registry.example.com/@s/x/-/x-1.2.3-a.tgz");
        // The sister is the same authority; plain http was the way of old documents.
        assert_eq!(
            at("x", Some("http://registry.example.org/x/-/y.tgz")),
            "https://registry.example.org/x/-/y.tgz"
        );
        assert!(!tarball(&r, "x", Some("https://registry.example.org/x/-/y.tgz")).unwrap().2);
        let foreign = tarball(&r, "x", Some("https://u:p@cdn.example.com/y.tgz")).unwrap();
        assert_eq!(foreign, ("https://cdn.example.com/y.tgz".to_string(), None, true));
        for bad in ["http://cdn.example.com/y.tgz", "file:///etc/passwd", "//x/y.tgz", "ftp://x/y"] {
            assert!(tarball(&r, "x", Some(bad)).is_err(), "{bad}");
        }
        // A configured registry stands in for the upstream's hosts.
        let r = registries("registry=http://127.0.0.1:4873/npm/");
        let at = |e| tarball(&r, "x", Some(e)).unwrap();
        assert_eq!(at("https://registry.example.org/x/-/x-1.tgz").0, "http://127.0.0.1:4873/npm/x/-/x-1.tgz");
        assert!(at("http://169.254.169.254/x.tgz").2, "asked, if at all, within what `reach_from` allows");
    }

    #[test]
    fn credentials_stay_where_they_belong() {
        let r = registries("//registry.example.org/:_authToken=T\n//cdn.example.com/:_authToken=C");
        let credential = |e| tarball(&r, "x", e).unwrap().1;
        // Bound to either of the two hosts, it serves both …
        assert_eq!(credential(None).as_deref(), Some("Bearer T"));
        assert_eq!(credential(Some("https://registry.example.org/x.tgz")).as_deref(), Some("Bearer T"));
        // … and nobody else, whatever a document says.
        assert_eq!(credential(Some("https://registry.example.net/x.tgz")), None);
        assert_eq!(credential(Some("https://registry.example.com:444/x.tgz")), None);
        assert_eq!(credential(Some("https://cdn.example.com/x.tgz")), None);
        let r = registries("registry=https://npm.example.com/team/\n//npm.example.com/team/:_authToken=T");
        let registry = r.of(&name("x")).unwrap();
        assert_eq!(r.document(&registry, &name("x")).unwrap().1.as_deref(), Some("Bearer T"));
        let outside = r
            .tarball(&name("x"), &Version::new(1, 0, 0), Some("https://npm.example.com/other/x.tgz"))
            .unwrap();
        assert_eq!(outside.credential, None);
    }

    #[test]
    fn built_in_upstream_and_its_sister() {
        let built_in = Upstream::built_in().unwrap();
        let hosts: Vec<_> = built_in.hosts().map(|u| u.host().to_string()).collect();
        assert_eq!(hosts.len(), 2);
        assert_eq!(hosts[0].rsplit_once('.').unwrap().0, hosts[1].rsplit_once('.').unwrap().0);
    }
}
