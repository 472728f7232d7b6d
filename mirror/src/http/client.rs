//! Asking a server.

use super::addresses::Addresses;
use super::body::Body;
use super::error::HttpError;
use super::provider::provider;
use super::proxy::ProxyOptions;
use super::roots::{self, RootOptions};
use super::tls::TlsProblem;
use super::url::{Url, is_link_local, is_private_address};
use base64ct::{Base64, Encoding};
use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use ureq::tls::TlsConfig;
use ureq::unversioned::transport::DefaultConnector;
use ureq::{Agent, Error as Ureq, Proxy, Timeout};

/// Everything the client needs to know; `Default` is usable.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    pub user_agent: String,
    /// Idle connections that are kept, per host and in all: the number of threads that ask.
    pub connections: usize,
    /// Name and connection.
    pub connect_timeout: Duration,
    /// The same for a request that is [`Request::opportunistic`].
    pub opportunistic_timeout: Duration,
    /// From the request to the first byte of the answer, and between two reads.
    pub stall_timeout: Duration,
    /// How often an idempotent request is tried again.
    pub retries: u32,
    pub proxy: ProxyOptions,
    pub roots: RootOptions,
    /// npm's `strict-ssl`: false checks no certificate.
    pub strict_ssl: bool,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            user_agent: concat!("pantry/", env!("CARGO_PKG_VERSION")).into(),
            connections: 16,
            connect_timeout: Duration::from_secs(10),
            opportunistic_timeout: Duration::from_secs(2),
            stall_timeout: Duration::from_secs(30),
            retries: 2,
            proxy: ProxyOptions::default(),
            roots: RootOptions::default(),
            strict_ssl: true,
        }
    }
}

/// One GET, or one POST, of JSON.
#[derive(Clone)]
pub struct Request<'a> {
    pub url: &'a Url,
    pub accept: Option<&'a str>,
    /// Makes it a POST, which is sent to `url` only: a redirect is an answer then.
    pub body: Option<&'a [u8]>,
    /// Asks for 304 when the answer still has this validator.
    pub etag: Option<&'a str>,
    /// Bytes that are here already: the answer may leave them out (206).
    pub from: u64,
    /// The whole value of `Authorization`. Sent to `url` only, never after a redirect.
    pub credential: Option<&'a str>,
    /// Ask for a compressed answer and decompress it. For documents, not for archives.
    pub gzip: bool,
    /// The largest (decompressed) body that is accepted, in bytes.
    pub cap: u64,
    /// For the whole exchange, body included, and a second more for every
    /// 64 KiB that the server announces: large bodies may come slowly, not at
    /// a byte per second.
    pub deadline: Duration,
    /// Nobody waits for this answer in particular: one short attempt to connect.
    pub opportunistic: bool,
    /// Where it may go, here and after a redirect.
    pub reach: Reach,
}

/// Which addresses a request may go to. One that somebody else's document gave
/// must not reach into the user's own network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    Anywhere,
    /// Not to link-local addresses (where clouds keep their secrets).
    Private,
    /// Nor to loopback and private ones.
    Public,
}

impl<'a> Request<'a> {
    pub fn new(url: &'a Url) -> Self {
        Self {
            url,
            accept: None,
            body: None,
            etag: None,
            from: 0,
            credential: None,
            gzip: false,
            cap: 1 << 30,
            deadline: Duration::from_secs(600),
            opportunistic: false,
            reach: Reach::Anywhere,
        }
    }
}

pub struct Response {
    pub status: u16,
    /// Where the answer came from, after redirects.
    pub url: Url,
    pub etag: Option<String>,
    pub last_modified: Option<String>,
    pub content_type: Option<String>,
    pub body: Body,
}

/// Cheap to clone; all clones share connections and what is known to be down.
#[derive(Clone)]
pub struct Client {
    shared: Option<Arc<Shared>>,
}

struct Shared {
    options: ClientOptions,
    /// By [`Route`]; made when first needed (reading the roots takes a millisecond).
    agents: [OnceLock<Result<Agent, HttpError>>; 4],
    /// `host:port` → why it could not be reached.
    down: Mutex<HashMap<String, String>>,
    addresses: Addresses,
}

/// One hop's answer, before redirects are looked at.
type Hop = ureq::http::Response<ureq::Body>;

const REDIRECTS: usize = 5;
/// The longest wait that a server's `Retry-After` can ask for.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// Per connection. Answers come in through `INPUT`, a TLS record is as large.
pub(super) const INPUT: usize = 16 * 1024;
const OUTPUT: usize = 4 * 1024;

impl Client {
    pub fn new(options: ClientOptions) -> Self {
        let shared = Shared {
            options,
            agents: Default::default(),
            down: Mutex::default(),
            addresses: Addresses::default(),
        };
        Self { shared: Some(Arc::new(shared)) }
    }

    /// What connections are made with, in a build that makes any.
    fn shared(&self) -> Option<&Arc<Shared>> {
        self.shared.as_ref().filter(|_| cfg!(feature = "network"))
    }

    /// Answers every request with [`HttpError::Offline`].
    pub fn offline() -> Self {
        Self { shared: None }
    }

    pub fn is_offline(&self) -> bool {
        self.shared().is_none()
    }

    /// How far a request may reach that a document from `url` gave the address
    /// for: as far as `url` itself is, but never to link-local addresses by
    /// anybody else's word.
    pub fn reach_from(&self, url: &Url) -> Reach {
        self.shared().map_or(Reach::Public, |shared| shared.reach_by(url))
    }

    /// Asks, follows redirects, tries again where that can help. Any status is
    /// an answer, not an error.
    pub fn get(&self, request: &Request<'_>) -> Result<Response, HttpError> {
        let Some(shared) = self.shared() else {
            return Err(HttpError::Offline { url: request.url.clone() });
        };
        let deadline = Instant::now() + request.deadline;
        let tries = if request.opportunistic { 0 } else { shared.options.retries };
        let mut attempt = 0;
        let mut stale = true;
        loop {
            let outcome = shared.follow(request, deadline);
            // A kept connection that the server has closed meanwhile looks like
            // this: that is no failed attempt.
            if stale && matches!(outcome, Err(HttpError::Broken { .. })) {
                stale = false;
                continue;
            }
            let wait = match &outcome {
                Ok(r) if attempt < tries && is_retried(r.status) => {
                    backoff(attempt, retry_after(r.retry_after.as_deref()))
                }
                Err(e) if attempt < tries && e.is_transient() => backoff(attempt, None),
                Err(HttpError::Connect { url, detail }) => {
                    lock(&shared.down).insert(host_port(url), detail.clone());
                    return outcome.map(|r| r.response);
                }
                _ => return outcome.map(|r| r.response),
            };
            if Instant::now() + wait >= deadline {
                return outcome.map(|r| r.response);
            }
            std::thread::sleep(wait);
            attempt += 1;
        }
    }
}

struct Answer {
    status: u16,
    retry_after: Option<String>,
    response: Response,
}

impl Shared {
    fn follow(&self, request: &Request<'_>, deadline: Instant) -> Result<Answer, HttpError> {
        let mut url = request.url.clone();
        for hop in 0.. {
            let answer = self.hop(request, &url, hop == 0)?;
            let status = answer.status().as_u16();
            let header =
                |name: &str| answer.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_string);
            if matches!(status, 301 | 302 | 303 | 307 | 308)
                && request.body.is_none()
                && let Some(location) = header("location")
            {
                let refuse = |rule| HttpError::Redirect { url: url.clone(), to: redacted(&location), rule };
                let next = url.join(&location).map_err(|_| refuse("it is not an http address"))?;
                if url.is_https() && !next.is_https() {
                    return Err(refuse("it would leave TLS"));
                }
                if hop == REDIRECTS {
                    return Err(refuse("there were five before it"));
                }
                url = next;
                continue;
            }
            let retry_after = header("retry-after");
            let gzip = request.gzip
                && header("content-encoding").is_some_and(|e| e.trim().eq_ignore_ascii_case("gzip"));
            let (etag, last_modified, content_type) =
                (header("etag"), header("last-modified"), header("content-type"));
            let length = header("content-length").and_then(|l| l.trim().parse().ok());
            if length.is_some_and(|l| l > request.cap) && status == 200 {
                return Err(HttpError::TooLarge { url, cap: request.cap });
            }
            let length = length.filter(|_| !matches!(status, 204 | 304));
            let reader = answer.into_body().into_reader();
            let deadline = deadline + Duration::from_secs(length.unwrap_or(0).min(request.cap) >> 16);
            let body = Body::new(reader, url.clone(), gzip, length, request.cap, deadline);
            let response = Response { status, url, etag, last_modified, content_type, body };
            return Ok(Answer { status, retry_after, response });
        }
        Err(HttpError::Redirect { url, to: String::new(), rule: "there were too many" })
    }

    fn hop(&self, request: &Request<'_>, url: &Url, first: bool) -> Result<Hop, HttpError> {
        if let Some(detail) = lock(&self.down).get(&host_port(url)) {
            return Err(HttpError::Down { url: url.clone(), detail: detail.clone() });
        }
        let proxied = self.options.proxy.for_url(url).is_some();
        // Where a server sends us is its word, not the user's.
        let reach = if first || url.host() == request.url.host() {
            request.reach
        } else {
            request.reach.max(self.reach_by(request.url))
        };
        if reach != Reach::Anywhere && self.nearest(url, proxied) < reach {
            return Err(HttpError::Private { url: url.clone() });
        }
        let agent = self.agent(url, proxied)?;
        let mut headers = Vec::with_capacity(4);
        headers.extend(request.accept.map(|accept| ("accept", accept)));
        headers.extend(request.gzip.then_some(("accept-encoding", "gzip")));
        headers.extend(request.etag.map(|etag| ("if-none-match", etag)));
        let range = format!("bytes={}-", request.from);
        headers.extend((request.from > 0).then_some(("range", range.as_str())));
        let login = url.userinfo().map(basic);
        if first {
            headers.extend(request.credential.or(login.as_deref()).map(|login| ("authorization", login)));
        }
        if let Some(body) = request.body {
            let mut call = agent.post(url.to_string()).header("content-type", "application/json");
            for (name, value) in headers {
                call = call.header(name, value);
            }
            return call.send(body).map_err(|e| explain(url, e));
        }
        let mut call = agent.get(url.to_string());
        for (name, value) in headers {
            call = call.header(name, value);
        }
        if request.opportunistic {
            let short = Some(self.options.opportunistic_timeout);
            call = call.config().timeout_resolve(short).timeout_connect(short).build();
        }
        call.call().map_err(|e| explain(url, e))
    }

    fn agent(&self, url: &Url, proxied: bool) -> Result<&Agent, HttpError> {
        let slot = &self.agents[usize::from(url.is_https()) * 2 + usize::from(proxied)];
        slot.get_or_init(|| self.make_agent(url, proxied)).as_ref().map_err(Clone::clone)
    }

    fn make_agent(&self, url: &Url, proxied: bool) -> Result<Agent, HttpError> {
        let o = &self.options;
        let proxy = match o.proxy.for_url(url).filter(|_| proxied) {
            None => None,
            Some(text) => Some(Proxy::new(text).map_err(|e| HttpError::Proxy { detail: e.to_string() })?),
        };
        let mut config = Agent::config_builder()
            .proxy(proxy.clone())
            .user_agent(&o.user_agent)
            .accept("")
            .accept_encoding("")
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_resolve(Some(o.connect_timeout))
            .timeout_connect(Some(o.connect_timeout))
            .timeout_send_request(Some(o.stall_timeout))
            .timeout_recv_response(Some(o.stall_timeout))
            .timeout_per_read(Some(o.stall_timeout))
            .input_buffer_size(INPUT)
            .output_buffer_size(OUTPUT)
            .max_response_header_size(INPUT)
            .max_idle_connections(o.connections)
            .max_idle_connections_per_host(o.connections);
        if url.is_https() || proxy.is_some() {
            let mut tls = TlsConfig::builder().unversioned_rustls_crypto_provider(provider());
            if o.strict_ssl {
                tls = tls.root_certs(roots::load(&o.roots)?);
            } else {
                tls = tls.disable_verification(true);
            }
            config = config.tls_config(tls.build());
        }
        Ok(Agent::with_parts(config.build(), DefaultConnector::new(), self.addresses.clone()))
    }

    /// As [`Client::reach_from`].
    fn reach_by(&self, url: &Url) -> Reach {
        let proxied = self.options.proxy.for_url(url).is_some();
        self.nearest(url, proxied).max(Reach::Private)
    }

    /// What a request must be allowed to reach for `url`: a name counts as the
    /// nearest of its addresses. Behind a proxy only the proxy can know them.
    fn nearest(&self, url: &Url, proxied: bool) -> Reach {
        if let Some(address) = url.address() {
            return reach_of(address);
        }
        if url.host() == "localhost" || url.host().ends_with(".localhost") {
            return Reach::Private;
        }
        if proxied {
            return Reach::Public;
        }
        // A name that cannot be found fails when it is asked, with a better message.
        let found = self.addresses.of(url, self.options.connect_timeout).unwrap_or_default();
        found.iter().map(|a| reach_of(a.ip())).min().unwrap_or(Reach::Public)
    }
}

fn reach_of(address: IpAddr) -> Reach {
    if is_link_local(address) {
        Reach::Anywhere
    } else if is_private_address(address) {
        Reach::Private
    } else {
        Reach::Public
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn host_port(url: &Url) -> String {
    format!("{}:{}", url.host(), url.port())
}

fn redacted(location: &str) -> String {
    match Url::parse(location) {
        Ok(url) => url.to_string(),
        Err(HttpError::BadUrl { text, .. }) => text,
        Err(_) => String::new(),
    }
}

fn basic(userinfo: &str) -> String {
    let mut raw = Vec::with_capacity(userinfo.len());
    let mut bytes = userinfo.bytes();
    while let Some(b) = bytes.next() {
        let hex = |c: Option<u8>| c.and_then(|c| char::from(c).to_digit(16));
        match (b, hex(bytes.clone().next()), hex(bytes.clone().nth(1))) {
            (b'%', Some(high), Some(low)) => {
                raw.push((high * 16 + low) as u8);
                bytes.nth(1);
            }
            _ => raw.push(b),
        }
    }
    format!("Basic {}", Base64::encode_string(&raw))
}

fn is_retried(status: u16) -> bool {
    matches!(status, 429 | 500 | 502 | 503 | 504)
}

fn retry_after(value: Option<&str>) -> Option<Duration> {
    value.and_then(|v| v.trim().parse().ok()).map(Duration::from_secs)
}

fn backoff(attempt: u32, asked: Option<Duration>) -> Duration {
    let own = Duration::from_millis(200 << attempt.min(4));
    asked.map_or(own, |a| a.max(own)).min(RETRY_AFTER)
}

fn explain(url: &Url, error: Ureq) -> HttpError {
    let url = url.clone();
    match error {
        // Where the library has no words: the end came within the handshake.
        Ureq::Io(e)
            if url.is_https() && e.kind() == io::ErrorKind::UnexpectedEof && e.get_ref().is_none() =>
        {
            HttpError::Broken { url, detail: "it ends before the connection is secured".into() }
        }
        Ureq::Io(e) => explain_io(&url, &e),
        Ureq::Timeout(Timeout::Resolve | Timeout::Connect) => {
            HttpError::Connect { url, detail: "no answer in time".into() }
        }
        Ureq::Timeout(_) => HttpError::Timeout { url, phase: "the beginning of the answer" },
        Ureq::HostNotFound => HttpError::Connect { url, detail: "no such host".into() },
        Ureq::ConnectionFailed => HttpError::Connect { url, detail: "no connection".into() },
        Ureq::ConnectProxyFailed(detail) => {
            HttpError::Connect { url, detail: format!("the proxy refused: {}", crate::name::escape(&detail)) }
        }
        Ureq::Tls(detail) => HttpError::Tls { url, problem: TlsProblem::Other(detail.into()) },
        Ureq::Rustls(e) => {
            let problem = TlsProblem::of(&e).unwrap_or_else(|| TlsProblem::Other(e.to_string()));
            HttpError::Tls { url, problem }
        }
        other => HttpError::Broken { url, detail: crate::name::escape(&other.to_string()).into_owned() },
    }
}

pub(super) fn explain_io(url: &Url, error: &io::Error) -> HttpError {
    use io::ErrorKind as K;
    let url = url.clone();
    let inner = error.get_ref();
    // The library's own arrive wrapped.
    if let Some(e) = inner.and_then(|e| e.downcast_ref::<Ureq>()) {
        return match e {
            Ureq::Timeout(_) => HttpError::Timeout { url, phase: "between two parts of the answer" },
            Ureq::Io(e) if e.kind() == K::UnexpectedEof => {
                HttpError::Broken { url, detail: "it ends too early".into() }
            }
            other => HttpError::Broken { url, detail: crate::name::escape(&other.to_string()).into_owned() },
        };
    }
    if let Some(problem) = inner.and_then(|e| e.downcast_ref()).and_then(TlsProblem::of) {
        return HttpError::Tls { url, problem };
    }
    let text = error.to_string();
    match error.kind() {
        K::ConnectionRefused
        | K::HostUnreachable
        | K::NetworkUnreachable
        | K::NetworkDown
        | K::AddrNotAvailable => HttpError::Connect { url, detail: text },
        K::TimedOut | K::WouldBlock => HttpError::Timeout { url, phase: "between two parts of the answer" },
        K::UnexpectedEof => HttpError::Broken { url, detail: "it ends too early".into() },
        _ if inner.is_none() && error.raw_os_error().is_none() => HttpError::Broken { url, detail: text },
        _ => HttpError::Broken { url, detail: crate::name::escape(&text).into_owned() },
    }
}
