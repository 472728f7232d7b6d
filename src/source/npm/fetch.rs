//! Asking a registry for one document.

use super::packument::{Asked, PackumentError, scan};
use super::registry::{Registries, Registry};
use crate::error::{Error, Status};
use mirror::http::{Body, Client, HttpError, Reach, Request, Response, Url};
use mirror::name::{PackageName, escape};
use mirror::record::{Ecosystem, Key, RecordView};
use mirror::version::Version;
use std::io::Read;
use std::time::Duration;

/// The form with only what an installer needs, where a registry offers it.
const ACCEPT: &str = "application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*";
/// The form that tells when versions were published.
const FULL: &str = "application/json";
/// The largest packument known has 200 MB.
const CAP: u64 = 1 << 30;

/// What the registry said about a name.
pub enum Answer {
    /// Its document, as a record that is complete and was checked just now.
    New(RecordView),
    /// What is known is still so (304).
    Unchanged,
    /// There is no such package (404, or 410).
    Unknown,
}

/// Why there is no answer. May be told to several who wait for it.
#[derive(Debug, Clone)]
pub enum FetchError {
    Http(HttpError),
    Status {
        url: Url,
        status: u16,
    },
    /// Not a packument, or one of another package.
    Document {
        url: Url,
        what: String,
        refused: bool,
    },
    /// The name's registry has an unusable address, or the like.
    Config {
        message: String,
        status: Status,
    },
}

impl FetchError {
    /// The registry could not be asked, or could not answer; what was known
    /// before may stand in for it. A refusal (401, 403) or nonsense may not.
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Http(e) => e.is_unreachable(),
            Self::Status { status, .. } => *status == 429 || *status >= 500,
            Self::Document { .. } | Self::Config { .. } => false,
        }
    }

    pub fn into_error(self, name: &PackageName) -> Box<Error> {
        match self {
            Self::Http(e) => e.into(),
            Self::Status { url, status } => {
                Box::new(Error::Answer { url: Box::new(url), status, concerning: name.to_string() })
            }
            Self::Document { url, what, refused } => Box::new(Error::Other {
                status: if refused { Status::Refused } else { Status::Failed },
                message: format!("{name}: {url}: {what}"),
                hints: vec![format!("`{}` may not be an npm registry", url)],
            }),
            Self::Config { message, status } => Error::Other { status, message, hints: Vec::new() }.into(),
        }
    }
}

/// Called with the body and with what reads it: to watch the reading.
pub type Around<'a> = &'a mut dyn FnMut(&mut dyn Read, &mut dyn FnMut(&mut dyn Read));

/// How to ask.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    pub client: &'a Client,
    pub registries: &'a Registries,
    /// Unix seconds of now, for [`mirror::record::Record::checked`].
    pub now: u64,
    /// Only what was published until then will be taken (Unix seconds): documents with dates are asked for.
    pub before: Option<u64>,
}

impl Question<'_> {
    /// Asks the registry of `name`. With the validator of a complete record in
    /// `etag`, the answer may be [`Answer::Unchanged`]. `in_passing`: something
    /// is known already, so only a short time is spent on reaching the host.
    /// `around` wraps the body, to watch the reading.
    pub fn ask(
        &self,
        name: &PackageName,
        etag: Option<&str>,
        in_passing: bool,
        around: Around<'_>,
    ) -> Result<Answer, FetchError> {
        let config =
            |e: Box<Error>| FetchError::Config { message: format!("{name}: {e}"), status: e.status() };
        let registry = self.registries.of(name).map_err(config)?;
        let (url, credential) = self.registries.document(&registry, name).map_err(config)?;
        let etag = etag.filter(|e| !e.is_empty());
        let mut tries = 0;
        loop {
            let request = Request {
                accept: Some(if self.before.is_some() { FULL } else { ACCEPT }),
                etag,
                credential: credential.as_deref(),
                gzip: true,
                cap: CAP,
                deadline: Duration::from_secs(300),
                opportunistic: in_passing,
                ..Request::new(&url)
            };
            // The client tries again until an answer begins; a body that
            // breaks off has to be asked for again from the start.
            let response = self.client.get(&request).map_err(FetchError::Http)?;
            match self.read(name, &registry, &request, response, around) {
                Err(FetchError::Http(HttpError::Broken { .. } | HttpError::Timeout { .. }))
                    if tries < 2 && !in_passing =>
                {
                    tries += 1;
                }
                outcome => return outcome,
            }
        }
    }

    /// Asks for a version's archive; the body is its bytes as they are, at most
    /// `cap`, checked by nobody yet. `explicit`: [`mirror::record::VersionRecord::tarball`].
    pub fn archive(
        &self,
        name: &PackageName,
        version: &Version,
        explicit: Option<&str>,
        cap: u64,
    ) -> Result<Body, FetchError> {
        let config = |e: Box<Error>| match *e {
            Error::Http(e) => FetchError::Http(*e),
            e => FetchError::Config { message: format!("{name}: {e}"), status: e.status() },
        };
        let tarball = self.registries.tarball(name, version, explicit).map_err(config)?;
        let reach = if tarball.foreign {
            self.client.reach_from(&self.registries.of(name).map_err(config)?.url)
        } else {
            Reach::Anywhere
        };
        let credential = tarball.credential.as_deref();
        let request = Request { credential, reach, cap, ..Request::new(&tarball.url) };
        let response = self.client.get(&request).map_err(FetchError::Http)?;
        match response.status {
            200 => Ok(response.body),
            status => Err(FetchError::Status { url: response.url, status }),
        }
    }

    fn read(
        &self,
        name: &PackageName,
        registry: &Registry,
        request: &Request<'_>,
        response: Response,
        around: Around<'_>,
    ) -> Result<Answer, FetchError> {
        match response.status {
            200 => {}
            304 if request.etag.is_some() => return Ok(Answer::Unchanged),
            404 | 410 => return Ok(Answer::Unknown),
            status => return Err(FetchError::Status { url: response.url, status }),
        }
        let (url, mut body) = (response.url, response.body);
        let key = Key { ecosystem: Ecosystem::Npm, source: registry.source.clone(), name: name.to_string() };
        let mut asked = Some(Asked {
            key,
            bases: &registry.bases,
            checked: self.now,
            etag: response.etag.unwrap_or_default(),
        });
        let mut outcome = None;
        around(&mut body, &mut |reader| {
            outcome = asked.take().map(|asked| scan(reader, asked));
        });
        let document = |what: String, refused| FetchError::Document { url: url.clone(), what, refused };
        let bytes = match outcome {
            None => return Err(document("it was not read".into(), false)),
            Some(Ok(bytes)) => bytes,
            Some(Err(PackumentError::Read(e))) => {
                let broken =
                    || HttpError::Broken { url: url.clone(), detail: escape(&e.to_string()).into_owned() };
                return Err(FetchError::Http(HttpError::inside(&e).cloned().unwrap_or_else(broken)));
            }
            Some(Err(e)) => {
                return Err(document(e.to_string(), matches!(e, PackumentError::WrongName { .. })));
            }
        };
        let view = RecordView::parse(bytes.into()).map_err(|e| document(e.to_string(), false))?;
        Ok(Answer::New(view))
    }
}

#[cfg(test)]
mod tests {
    use super::super::upstream::Upstream;
    use super::*;
    use crate::npmrc::{Content, Layer, Level, load};
    use mirror::http::ClientOptions;
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;

    /// A registry that answers every path with that path, and logs the heads.
    fn serve() -> (u16, std::sync::Arc<std::sync::Mutex<Vec<String>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let heads = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let log = heads.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let mut head = String::new();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                while reader.read_line(&mut head).is_ok_and(|n| n > 2) {}
                let path = head.split(' ').nth(1).unwrap_or("").to_string();
                log.lock().unwrap().push(head);
                let status = if path.contains("gone") { 404 } else { 200 };
                let length = path.len();
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{path}"
                );
            }
        });
        (port, heads)
    }

    #[test]
    fn archives_and_their_credentials() {
        let ((port, heads), (other, foreign)) = (serve(), serve());
        let text = format!("registry=http://127.0.0.1:{port}/\n//127.0.0.1:{port}/:_authToken=CANARY");
        let layer = Layer { level: Level::User, name: "x", content: Content::Text(&text) };
        let upstream =
            Upstream { registry: Url::parse("https://registry.example.com/").unwrap(), sister: None };
        let registries = Registries::new(load(&[layer], &|_| None, true), upstream).unwrap();
        let client = Client::new(ClientOptions { retries: 0, ..ClientOptions::default() });
        let question = Question { client: &client, registries: &registries, now: 0, before: None };
        let (name, version) = (PackageName::parse("@s/x").unwrap(), Version::new(1, 0, 0));
        let get = |explicit: Option<&str>| {
            question.archive(&name, &version, explicit, 1 << 20).map(|b| b.read_whole().unwrap())
        };
        assert_eq!(get(None).unwrap(), b"/@s/x/-/x-1.0.0.tgz");
        assert!(heads.lock().unwrap()[0].contains("Bearer CANARY"));
        // Another host, as near as the registry: asked, without the credential.
        assert_eq!(get(Some(&format!("http://127.0.0.1:{other}/y.tgz"))).unwrap(), b"/y.tgz");
        assert!(!foreign.lock().unwrap()[0].contains("CANARY"));
        let refused = get(Some("http://169.254.169.254/latest")).unwrap_err();
        assert_eq!(refused.into_error(&name).status(), Status::Refused);
        let gone = get(Some(&format!("http://127.0.0.1:{port}/gone.tgz"))).unwrap_err();
        assert_eq!(gone.into_error(&name).status(), Status::Unreachable);
        assert!(get(Some("file:///etc/passwd")).is_err());
    }

    #[test]
    fn one_name_under_two_hosts_is_one_authority() {
        // As the built-in upstream and its sister, on two loopback names.
        let (port, heads) = serve();
        let at = |host: &str| Url::parse(&format!("http://{host}:{port}/")).unwrap();
        let upstream = Upstream { registry: at("127.0.0.1"), sister: Some(at("localhost")) };
        // Bound to the sister, and the registry on plain http has to be configured to get it.
        let text = format!("@t:registry=http://localhost:{port}/\n//localhost:{port}/:_authToken=CANARY");
        let layer = Layer { level: Level::User, name: "x", content: Content::Text(&text) };
        let registries = Registries::new(load(&[layer], &|_| None, true), upstream).unwrap();
        let client = Client::new(ClientOptions::default());
        let question = Question { client: &client, registries: &registries, now: 0, before: None };
        let (name, version) = (PackageName::parse("x").unwrap(), Version::new(1, 0, 0));
        for explicit in [None, Some(format!("http://localhost:{port}/x/-/x-1.0.0.tgz"))] {
            let body = question.archive(&name, &version, explicit.as_deref(), 1 << 20).unwrap();
            assert_eq!(body.read_whole().unwrap(), b"/x/-/x-1.0.0.tgz");
        }
        assert!(heads.lock().unwrap().iter().all(|h| h.contains("Bearer CANARY")), "both hosts get it");
    }
}
