//! An `http` or `https` URL, taken apart once.

use super::error::HttpError;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// Scheme, host, port, path with query. A user name and password are kept
/// apart and never shown; a fragment is dropped.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Url {
    https: bool,
    /// Lower case; an IPv6 address in brackets.
    host: Box<str>,
    port: u16,
    /// Begins with `/`; with the query.
    path: Box<str>,
    userinfo: Option<Box<str>>,
}

impl Url {
    pub fn parse(text: &str) -> Result<Self, HttpError> {
        Self::read(text).map_err(|rule| HttpError::BadUrl { text: redact(text), rule })
    }

    fn read(text: &str) -> Result<Self, &'static str> {
        if text.len() > 4096 {
            return Err("is longer than 4,096 bytes");
        }
        let Some((scheme, rest)) = text.split_once("://") else { return Err("has no scheme") };
        let https = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err("is neither http nor https"),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let (userinfo, host_port) = match authority.rsplit_once('@') {
            Some((u, h)) => (Some(u).filter(|u| !u.is_empty()), h),
            None => (None, authority),
        };
        let (host, port) = split_port(host_port)?;
        let port = match port {
            None | Some("") => {
                if https {
                    443
                } else {
                    80
                }
            }
            Some(p) if p.bytes().all(|b| b.is_ascii_digit()) => {
                p.parse().map_err(|_| "has an impossible port")?
            }
            Some(_) => return Err("has an impossible port"),
        };
        let host = host.to_ascii_lowercase();
        let valid = if let Some(inner) = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
            inner.parse::<Ipv6Addr>().is_ok()
        } else {
            !host.is_empty()
                && host.len() <= 253
                && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
        };
        if !valid {
            return Err("has no valid host");
        }
        if userinfo.is_some_and(|u| !u.bytes().all(|b| b.is_ascii_graphic())) {
            return Err("has an invalid user name or password");
        }
        Ok(Self {
            https,
            host: host.into(),
            port,
            path: clean_path(path)?.into(),
            userinfo: userinfo.map(Into::into),
        })
    }

    pub fn is_https(&self) -> bool {
        self.https
    }
    pub fn host(&self) -> &str {
        &self.host
    }
    pub fn port(&self) -> u16 {
        self.port
    }
    /// With the query; begins with `/`.
    pub fn path(&self) -> &str {
        &self.path
    }
    /// `user:password` as it stood in the URL.
    pub fn userinfo(&self) -> Option<&str> {
        self.userinfo.as_deref()
    }
    /// The same address without user name and password.
    pub fn without_userinfo(mut self) -> Self {
        self.userinfo = None;
        self
    }
    /// With the user name and password that `other` has, where both are one origin.
    pub fn with_userinfo_of(&self, other: &Self) -> Self {
        let userinfo = if self.same_origin(other) { other.userinfo.clone() } else { None };
        Self { userinfo: userinfo.or_else(|| self.userinfo.clone()), ..self.clone() }
    }
    /// The host as an address, when it is one.
    pub fn address(&self) -> Option<IpAddr> {
        self.host.trim_start_matches('[').trim_end_matches(']').parse().ok()
    }
    /// Scheme, host and port are equal.
    pub fn same_origin(&self, other: &Self) -> bool {
        self.https == other.https && self.host == other.host && self.port == other.port
    }
    /// `self` lies under `prefix`: the same origin, and a path that continues
    /// the prefix's at a `/` (`/npm` covers `/npm/x`, not `/npm-other`).
    pub fn is_under(&self, prefix: &Self) -> bool {
        let base = prefix.path.trim_end_matches('/');
        self.same_origin(prefix)
            && self
                .path
                .strip_prefix(base)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
            && !self.path.split(['/', '?']).any(|s| s == "..")
    }
    /// `self` with `tail` (already encoded) behind its path, one `/` between them.
    pub fn with(&self, tail: &str) -> Result<Self, HttpError> {
        let base = self.path.split('?').next().unwrap_or("/").trim_end_matches('/');
        let path = format!("{base}/{}", tail.trim_start_matches('/'));
        let path = clean_path(&path).map_err(|rule| HttpError::BadUrl { text: redact(&path), rule })?;
        Ok(Self { path: path.into(), ..self.clone() })
    }
    /// What a `Location` header means here (RFC 3986, section 5). The user name
    /// and password are not inherited.
    pub fn join(&self, location: &str) -> Result<Self, HttpError> {
        let location = location.trim();
        let scheme = if self.https { "https" } else { "http" };
        let has_scheme = location.split_once(':').is_some_and(|(s, _)| {
            s.starts_with(|c: char| c.is_ascii_alphabetic())
                && s.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
        });
        if has_scheme {
            return Self::parse(location);
        }
        if location.starts_with("//") {
            return Self::parse(&format!("{scheme}:{location}"));
        }
        let base = self.path.split('?').next().unwrap_or("/");
        let path = match location.as_bytes().first() {
            None => return Ok(self.clone().without_userinfo()),
            Some(b'/') => location.to_string(),
            Some(b'?') => format!("{base}{location}"),
            Some(_) => format!("{}/{location}", base.rsplit_once('/').map_or("", |(b, _)| b)),
        };
        let path = clean_path(&without_dots(&path))
            .map_err(|rule| HttpError::BadUrl { text: redact(location), rule })?;
        Ok(Self { path: path.into(), ..self.clone().without_userinfo() })
    }
}

/// Without user name and password.
impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.https { "https" } else { "http" }, self.host)?;
        if self.port != if self.https { 443 } else { 80 } {
            write!(f, ":{}", self.port)?;
        }
        f.write_str(&self.path)
    }
}
impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

fn split_port(text: &str) -> Result<(&str, Option<&str>), &'static str> {
    if text.starts_with('[') {
        let end = text.find(']').ok_or("has no valid host")?;
        let (host, rest) = text.split_at(end + 1);
        return match rest.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if rest.is_empty() => Ok((host, None)),
            None => Err("has no valid host"),
        };
    }
    Ok(match text.split_once(':') {
        Some((h, p)) => (h, Some(p)),
        None => (text, None),
    })
}

/// Path and query fit for a request line: no fragment, blanks and what is not
/// ASCII as `%XX`, no control characters.
fn clean_path(text: &str) -> Result<String, &'static str> {
    let text = text.split('#').next().unwrap_or("");
    let mut out = String::with_capacity(text.len() + 1);
    if !text.starts_with('/') {
        out.push('/');
    }
    for b in text.bytes() {
        match b {
            0..=0x1f | 0x7f => return Err("contains a control character"),
            b' ' | b'"' | b'<' | b'>' | b'`' | b'{' | b'}' | b'\\' | b'^' | b'|' | 0x80.. => {
                out.push('%');
                out.extend([b >> 4, b & 15].map(|d| char::from(b"0123456789ABCDEF"[usize::from(d)])));
            }
            _ => out.push(char::from(b)),
        }
    }
    Ok(out)
}

fn without_dots(path: &str) -> String {
    let (path, query) = path.split_at(path.find('?').unwrap_or(path.len()));
    let mut out: Vec<&str> = Vec::new();
    let last = path.split('/').count() - 1;
    for (i, part) in path.split('/').enumerate() {
        match part {
            "." | ".." => {
                if part == ".." && out.len() > 1 {
                    out.pop();
                }
                if i == last {
                    out.push("");
                }
            }
            _ => out.push(part),
        }
    }
    out.join("/") + query
}

/// A text that was meant as a URL, without what stands before an `@`.
fn redact(text: &str) -> String {
    let cut: String = text.chars().take(300).collect();
    match (cut.find("://"), cut.rfind('@')) {
        (Some(start), Some(at)) if at > start => format!("{}://{}", &cut[..start], &cut[at + 1..]),
        (None, Some(at)) => cut[at + 1..].to_string(),
        _ => cut,
    }
}

/// 169.254.0.0/16 and fe80::/10.
pub(super) fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(a) => a.is_link_local(),
        IpAddr::V6(a) => match a.to_ipv4_mapped() {
            Some(v4) => v4.is_link_local(),
            None => a.segments()[0] & 0xffc0 == 0xfe80,
        },
    }
}

/// Loopback, private, link-local, shared and unspecified addresses.
pub fn is_private_address(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(a) => {
            let [x, y, ..] = a.octets();
            a.is_private()
                || a.is_loopback()
                || a.is_link_local()
                || a.is_broadcast()
                || x == 0
                || (x == 100 && (64..128).contains(&y))
                || (x == 198 && (18..20).contains(&y))
        }
        IpAddr::V6(a) => {
            if let Some(v4) = a.to_ipv4_mapped() {
                return is_private_address(IpAddr::V4(v4));
            }
            let first = a.segments()[0];
            a.is_loopback() || a.is_unspecified() || first & 0xfe00 == 0xfc00 || first & 0xffc0 == 0xfe80
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn parts() {
        let u = url("HTTPS://User:p%40ss@Example.COM:8443/a b/é?q=1#frag");
        assert_eq!(u.to_string(), "https://example.com:8443/a%20b/%C3%A9?q=1");
        assert_eq!(u.userinfo(), Some("User:p%40ss"));
        assert_eq!(url("http://example.com").to_string(), "http://example.com/");
        assert_eq!(url("http://[::1]:80/x").to_string(), "http://[::1]/x");
        for bad in [
            "",
            "example.com",
            "file:///etc/passwd",
            "ftp://example.com/",
            "http://",
            "http:///x",
            "http://a b/",
            "http://exa\nmple.com/",
            "http://example.com/\u{1b}[31m",
            "http://example.com:99999/",
            "http://example.com:-1/",
            "http://[::1/",
            "http://[x]/",
            "http://ex\u{e4}mple.com/",
        ] {
            assert!(Url::parse(bad).is_err(), "{bad:?}");
        }
        let e = Url::parse("http://user:secret@exa mple.com/").unwrap_err().to_string();
        assert!(!e.contains("secret"), "{e}");
    }

    #[test]
    fn prefixes() {
        let base = url("https://example.com/npm/");
        for yes in
            ["https://example.com/npm/x", "https://example.com/npm", "https://example.com:443/npm/@a%2fb"]
        {
            assert!(url(yes).is_under(&base), "{yes}");
        }
        for no in [
            "https://example.com/npm-other/x",
            "https://example.com/",
            "http://example.com/npm/x",
            "https://example.com:444/npm/x",
            "https://example.com.evil.test/npm/x",
            "https://example.com/npm/../other",
        ] {
            assert!(!url(no).is_under(&base), "{no}");
        }
        assert_eq!(base.with("@a%2fb").unwrap().path(), "/npm/@a%2fb");
    }

    #[test]
    fn a_password_goes_to_its_own_origin_only() {
        let own = url("https://u:p@example.com/minz");
        assert_eq!(url("https://example.com/a.tgz").with_userinfo_of(&own).userinfo(), Some("u:p"));
        for other in ["https://example.com:444/a", "http://example.com/a", "https://other.example.com/a"] {
            assert_eq!(url(other).with_userinfo_of(&own).userinfo(), None, "{other}");
        }
    }

    #[test]
    fn locations() {
        let base = url("https://u:p@example.com/a/b/c?x=1");
        for (location, want) in [
            ("/x", "https://example.com/x"),
            ("d", "https://example.com/a/b/d"),
            ("../d?y", "https://example.com/a/d?y"),
            ("../../../../d", "https://example.com/d"),
            ("//other.example.com/x", "https://other.example.com/x"),
            ("http://example.com/x", "http://example.com/x"),
            ("?z", "https://example.com/a/b/c?z"),
        ] {
            let u = base.join(location).unwrap();
            assert_eq!((u.to_string().as_str(), u.userinfo()), (want, None));
        }
        assert!(base.join("file:///etc/passwd").is_err());
        assert!(base.join("javascript:alert(1)").is_err());
    }

    #[test]
    fn private_addresses() {
        for yes in [
            "127.0.0.1",
            "10.1.2.3",
            "172.31.0.1",
            "192.168.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "::ffff:10.0.0.1",
        ] {
            assert!(is_private_address(yes.parse().unwrap()), "{yes}");
        }
        for no in ["8.8.8.8", "172.32.0.1", "100.128.0.1", "2001:db8::1", "::ffff:8.8.8.8"] {
            assert!(!is_private_address(no.parse().unwrap()), "{no}");
        }
    }
}
