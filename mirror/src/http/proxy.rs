//! Which requests go through a proxy.

use super::url::Url;
use std::net::IpAddr;

/// Proxies as the user's settings have them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProxyOptions {
    /// For `http:` targets: `[http://][user:password@]host[:port]`.
    pub http: Option<String>,
    /// For `https:` targets.
    pub https: Option<String>,
    pub no_proxy: NoProxy,
}

impl ProxyOptions {
    /// The proxy for `url`, unless it is excepted.
    pub fn for_url(&self, url: &Url) -> Option<&str> {
        let proxy = if url.is_https() { &self.https } else { &self.http };
        proxy.as_deref().filter(|p| !p.trim().is_empty() && !self.no_proxy.matches(url))
    }
}

/// A `NO_PROXY` list: entries separated by commas or blanks.
///
/// `*` everything · `example.com` and `.example.com` that host and those below
/// it · `10.0.0.0/8` a network · `[::1]`, `::1`, `10.1.2.3` an address · any of
/// them with `:port`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NoProxy(Vec<Entry>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    pattern: Pattern,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Pattern {
    Any,
    Network(IpAddr, u32),
    /// Lower case, without a dot in front.
    Host(String),
}

impl NoProxy {
    /// Entries that make no sense are passed over, as everybody does.
    pub fn parse(list: &str) -> Self {
        Self(list.split([',', ' ', '\t', '\n']).filter_map(Entry::parse).collect())
    }

    pub fn matches(&self, url: &Url) -> bool {
        let address = url.address();
        let host = url.host().trim_end_matches('.');
        self.0.iter().any(|entry| {
            entry.port.is_none_or(|p| p == url.port())
                && match &entry.pattern {
                    Pattern::Any => true,
                    Pattern::Network(network, bits) => address.is_some_and(|a| contains(*network, *bits, a)),
                    Pattern::Host(name) => host
                        .strip_suffix(name.as_str())
                        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.')),
                }
        })
    }
}

impl Entry {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_lowercase();
        let any = |port| Some(Self { pattern: Pattern::Any, port });
        if text.is_empty() {
            return None;
        }
        if text == "*" {
            return any(None);
        }
        // An IPv6 address without brackets has colons of its own.
        if let Some(pattern) = network(&text) {
            return Some(Self { pattern, port: None });
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((h, p)) => (h, Some(p.parse().ok()?)),
            None => (text.as_str(), None),
        };
        let inner = host.trim_start_matches('[').trim_end_matches(']');
        if let Some(pattern) = network(inner) {
            return Some(Self { pattern, port });
        }
        let name = host.trim_start_matches("*.").trim_start_matches('.').trim_end_matches('.');
        if name == "*" {
            return any(port);
        }
        (!name.is_empty()).then(|| Self { pattern: Pattern::Host(name.to_string()), port })
    }
}

fn network(text: &str) -> Option<Pattern> {
    let (address, bits) = match text.split_once('/') {
        Some((a, b)) => (a, Some(b.parse::<u32>().ok()?)),
        None => (text, None),
    };
    let address: IpAddr = address.trim_start_matches('[').trim_end_matches(']').parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.unwrap_or(most);
    (bits <= most).then_some(Pattern::Network(address, bits))
}

fn contains(network: IpAddr, bits: u32, address: IpAddr) -> bool {
    match (network, address) {
        (IpAddr::V4(n), IpAddr::V4(a)) => {
            (n.to_bits() ^ a.to_bits()).checked_shr(32 - bits).unwrap_or(0) == 0
        }
        (IpAddr::V6(n), IpAddr::V6(a)) => {
            (n.to_bits() ^ a.to_bits()).checked_shr(128 - bits).unwrap_or(0) == 0
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_proxy_table() {
        for (list, url, direct) in [
            ("", "http://localhost/", false),
            ("*", "http://anything.example.com/", true),
            ("localhost,127.0.0.1,.local", "http://localhost/", true),
            ("localhost,127.0.0.1,.local", "http://127.0.0.1:8080/", true),
            ("localhost,127.0.0.1,.local", "http://printer.local/", true),
            ("localhost", "http://notlocalhost.com/", false),
            ("localhost", "http://notlocalhost/", false),
            ("example.com", "http://example.com/", true),
            ("example.com", "http://sub.example.com/", true),
            ("example.com", "http://badexample.com/", false),
            (".example.com", "http://sub.example.com/", true),
            (".example.com", "http://example.com/", true),
            ("*.example.com", "http://a.b.example.com/", true),
            ("localhost, example.com", "http://example.com/", true),
            ("EXAMPLE.com", "http://Example.COM./", true),
            ("example.com:8080", "http://example.com:8080/", true),
            ("example.com:8080", "http://example.com/", false),
            ("example.com:443", "https://example.com/", true),
            ("10.0.0.0/8", "http://10.200.3.4/", true),
            ("10.0.0.0/8", "http://11.0.0.1/", false),
            ("0.0.0.0/0", "http://8.8.8.8/", true),
            ("192.168.1.1", "http://192.168.1.10/", false),
            ("[::1]", "http://[::1]/", true),
            ("::1", "http://[::1]:4873/", true),
            ("[::1]:4873", "http://[::1]:4873/", true),
            ("[::1]:4873", "http://[::1]/", false),
            ("fd00::/8", "http://[fd12::5]/", true),
            ("fd00::/8", "http://[fe80::5]/", false),
            ("10.0.0.0/99,,,x:y:z", "http://10.0.0.1/", false),
        ] {
            assert_eq!(NoProxy::parse(list).matches(&Url::parse(url).unwrap()), direct, "{list:?} {url}");
        }
    }

    #[test]
    fn one_proxy_per_scheme() {
        let options = ProxyOptions {
            http: Some("http://proxy.example.com:1".into()),
            https: Some("http://proxy.example.com:2".into()),
            no_proxy: NoProxy::parse("direct.example.com"),
        };
        let of =
            |u: &str| options.for_url(&Url::parse(u).unwrap()).map(|p| p.rsplit(':').next().unwrap_or(""));
        assert_eq!(of("http://example.com/"), Some("1"));
        assert_eq!(of("https://example.com/"), Some("2"));
        assert_eq!(of("https://direct.example.com/"), None);
    }
}
