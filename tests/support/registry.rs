//! A loopback npm registry made of the packages of a test: packuments (full, and abbreviated for whoever accepts them),
//! tarballs, search, ETag and 304, gzip; it counts what it is asked and misbehaves on demand. Standard library only, a thread
//! per connection: enough for tests, no more.
//!
//! It listens on 127.0.0.1 and on the same port of 127.0.0.2, which serves as "another host".

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use miniserde::json::{self, Array, Object, Value};

use super::hostile::gzip;
use super::listing::matches;
use super::package::{Package, clone, text};
use super::tls::Identity;

#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub host: String,
    pub headers: Vec<(String, String)>,
}

#[derive(Debug, Clone)]
pub enum Trouble {
    Status(u16),
    /// No answer before [`Registry::recover`].
    Held,
    /// Closes after this many bytes of the body.
    Cut(usize),
    /// One bit of the body is not what it was.
    Flip,
    Redirect(String),
    Html,
    /// Never stops sending.
    Endless,
    /// Accepts and says nothing.
    Hang,
    /// Other bytes altogether: an archive made elsewhere.
    Bytes(Vec<u8>),
    RetryAfter(u64),
}

struct Fault {
    path: String,
    trouble: Trouble,
    left: Option<u32>,
}

#[derive(Default)]
struct State {
    packages: Vec<Package>,
    faults: Vec<Fault>,
    log: Vec<Request>,
    tarball_base: Option<String>,
    authorization: Option<String>,
    no_integrity: bool,
    no_abbreviated: bool,
    /// Its files are what is served: what any static web server does.
    folder: Option<PathBuf>,
    ranges: bool,
}

pub struct Registry {
    port: u16,
    state: Arc<Mutex<State>>,
}

impl Registry {
    pub fn start(packages: Vec<Package>) -> io::Result<Self> {
        let state = Arc::new(Mutex::new(State { packages, ..State::default() }));
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        serve(listener, &state, None);
        if let Ok(other) = TcpListener::bind(("127.0.0.2", port)) {
            serve(other, &state, None);
        }
        Ok(Self { port, state })
    }

    /// The same registry behind TLS, on a port of its own; its address.
    pub fn secure(&self, identity: Identity) -> io::Result<String> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = format!("https://{}", listener.local_addr()?);
        serve(listener, &self.state, Some(identity));
        Ok(address)
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The same registry under another host's name.
    pub fn other_url(&self) -> String {
        format!("http://127.0.0.2:{}", self.port)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn publish(&self, package: Package) {
        self.state().packages.push(package);
    }

    /// Answers to paths that match get into trouble, `times` times or for good.
    pub fn trouble(&self, path: &str, trouble: Trouble, times: Option<u32>) {
        self.state().faults.push(Fault { path: path.into(), trouble, left: times });
    }

    pub fn recover(&self) {
        self.state().faults.clear();
    }

    pub fn tarballs_at(&self, base: &str) {
        self.state().tarball_base = Some(base.into());
    }

    /// Whoever does not send exactly this in `Authorization` gets 401.
    pub fn require(&self, authorization: &str) {
        self.state().authorization = Some(authorization.into());
    }

    pub fn without_integrity(&self) {
        self.state().no_integrity = true;
    }

    pub fn only_full_packuments(&self) {
        self.state().no_abbreviated = true;
    }

    /// `ranges`: whether it answers requests for the end of a file with just that.
    pub fn serve_folder(&self, folder: PathBuf, ranges: bool) {
        (self.state().folder, self.state().ranges) = (Some(folder), ranges);
    }

    pub fn requests(&self) -> Vec<Request> {
        self.state().log.clone()
    }

    pub fn forget_requests(&self) {
        self.state().log.clear();
    }
}

fn serve(listener: TcpListener, state: &Arc<Mutex<State>>, identity: Option<Identity>) {
    let state = state.clone();
    // The listener lives as long as the test process: a case's registry is never asked again after the case.
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (state, identity) = (state.clone(), identity.clone());
            std::thread::spawn(move || {
                let _ = stream.set_read_timeout(Some(Duration::from_secs(60)));
                let _ = stream.set_nodelay(true);
                let _ = match &identity {
                    None => converse(stream, &state, |host| format!("http://{host}")),
                    Some(identity) => identity
                        .accept(stream)
                        .and_then(|stream| converse(stream, &state, |host| format!("https://{host}"))),
                };
            });
        }
    });
}

/// `base`: the registry's address for who calls it by that name.
fn converse(
    mut stream: impl Read + Write,
    state: &Mutex<State>,
    base: impl Fn(&str) -> String,
) -> io::Result<()> {
    let mut pending = Vec::new();
    while let Some(request) = read_request(&mut stream, &mut pending)? {
        let fault = {
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            state.log.push(request.clone());
            let hit = state.faults.iter_mut().find(|f| f.left != Some(0) && matches(&f.path, &request.path));
            hit.map(|fault| {
                if let Some(left) = &mut fault.left {
                    *left -= 1;
                }
                fault.trouble.clone()
            })
        };
        let held = || !state.lock().unwrap_or_else(PoisonError::into_inner).faults.is_empty();
        while matches!(fault, Some(Trouble::Held)) && held() {
            std::thread::sleep(Duration::from_millis(5));
        }
        let answer = {
            let state = state.lock().unwrap_or_else(PoisonError::into_inner);
            respond(&state, &request, &base)
        };
        if !send(&mut stream, &request, answer, fault)? {
            break;
        }
    }
    Ok(())
}

fn read_request(stream: &mut impl Read, pending: &mut Vec<u8>) -> io::Result<Option<Request>> {
    let end = loop {
        if let Some(at) = pending.windows(4).position(|w| w == b"\r\n\r\n") {
            break at;
        }
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk)? {
            0 => return Ok(None),
            n => pending.extend_from_slice(&chunk[..n]),
        }
        if pending.len() > 1 << 16 {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&pending[..end]).into_owned();
    pending.drain(..end + 4);
    let mut lines = head.split("\r\n");
    let mut first = lines.next().unwrap_or_default().split(' ');
    let (method, path) = (first.next().unwrap_or_default(), first.next().unwrap_or_default());
    let mut headers: Vec<_> = lines
        .filter_map(|l| l.split_once(':'))
        .map(|(k, v)| (k.trim().to_ascii_lowercase(), v.trim().to_owned()))
        .collect();
    let header = |name: &str| headers.iter().find(|(k, _)| k == name).map(|(_, v)| v.as_str());
    let body: usize = header("content-length").and_then(|l| l.parse().ok()).unwrap_or(0);
    let host = header("host").unwrap_or_default().to_owned();
    while body > pending.len() {
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk)? {
            0 => return Ok(None),
            n => pending.extend_from_slice(&chunk[..n]),
        }
        if pending.len() > 64 << 20 {
            return Ok(None);
        }
    }
    let body: Vec<u8> = pending.drain(..body).collect();
    // What was posted is asked for like a header (`sent`).
    headers.push(("body".into(), String::from_utf8_lossy(&body).into_owned()));
    let path = path.replace("%2f", "/").replace("%2F", "/").replace("%40", "@");
    Ok(Some(Request { method: method.into(), path, host, headers }))
}

struct Answer {
    status: u16,
    kind: &'static str,
    body: Vec<u8>,
}

fn json_answer(status: u16, value: &Value) -> Answer {
    Answer { status, kind: "application/json", body: json::to_string(value).into_bytes() }
}

fn error(status: u16, message: &str) -> Answer {
    let mut body = Object::new();
    body.insert("error".into(), text(message));
    json_answer(status, &Value::Object(body))
}

fn respond(state: &State, request: &Request, base: &impl Fn(&str) -> String) -> Answer {
    let header = |name: &str| request.headers.iter().find(|(k, _)| k == name).map(|(_, v)| v.as_str());
    if let Some(wanted) = &state.authorization
        && header("authorization") != Some(wanted)
    {
        return error(401, "authentication required");
    }
    let path = request.path.split('?').next().unwrap_or_default().trim_start_matches('/');
    if let Some(folder) = &state.folder
        && let file = folder.join(path)
        && (file.is_file() || state.packages.is_empty())
    {
        return match std::fs::read(&file) {
            Ok(mut body) if !path.contains("..") => {
                let range =
                    header("range").and_then(|r| r.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
                let from = range.filter(|from| state.ranges && *from <= body.len());
                let body = body.split_off(from.unwrap_or(0));
                let status = if from.is_some() { 206 } else { 200 };
                Answer { status, kind: "application/octet-stream", body }
            }
            _ => error(404, "no such file"),
        };
    }
    let base = state.tarball_base.clone().unwrap_or_else(|| base(&request.host));
    if path == "-/ping" || path == "-/npm/v1/security/advisories/bulk" || path.is_empty() {
        return json_answer(200, &Value::Object(Object::new()));
    }
    if path == "-/v1/search" {
        return search(state, &request.path);
    }
    if let Some((name, file)) = path.split_once("/-/") {
        let found = state
            .packages
            .iter()
            .find(|p| p.name == name && file == format!("{}-{}.tgz", p.basename(), p.version));
        return match found {
            Some(package) => {
                Answer { status: 200, kind: "application/octet-stream", body: package.tarball() }
            }
            None => error(404, "no such tarball"),
        };
    }
    let mut of_name: Vec<&Package> = state.packages.iter().filter(|p| p.name == path).collect();
    if of_name.is_empty() {
        return error(404, "Not found");
    }
    of_name.sort_by_key(|p| rank(&p.version));
    let abbreviated = !state.no_abbreviated
        && header("accept").is_some_and(|a| a.contains("application/vnd.npm.install-v1+json"));
    let mut answer = json_answer(200, &packument(&of_name, &base, abbreviated, !state.no_integrity));
    if abbreviated {
        answer.kind = "application/vnd.npm.install-v1+json";
    }
    answer
}

fn packument(of_name: &[&Package], base: &str, abbreviated: bool, integrity: bool) -> Value {
    const KEPT: [&str; 19] = [
        "name",
        "version",
        "deprecated",
        "dependencies",
        "optionalDependencies",
        "devDependencies",
        "bundleDependencies",
        "peerDependencies",
        "peerDependenciesMeta",
        "bin",
        "directories",
        "dist",
        "engines",
        "os",
        "cpu",
        "libc",
        "hasInstallScript",
        "acceptDependencies",
        "funding",
    ];
    let (mut versions, mut time, mut tags) = (Object::new(), Object::new(), Object::new());
    for (n, package) in of_name.iter().enumerate() {
        let url = format!("{base}/{}/-/{}-{}.tgz", package.name, package.basename(), package.version);
        let mut version = package.published(&url, integrity);
        if abbreviated {
            let dropped: Vec<_> = version.keys().filter(|k| !KEPT.contains(&k.as_str())).cloned().collect();
            for key in dropped {
                version.remove(&key);
            }
        }
        versions.insert(package.version.clone(), Value::Object(version));
        time.insert(package.version.clone(), text(&format!("2024-01-{:02}T00:00:00.000Z", n % 28 + 1)));
        for tag in &package.tags {
            tags.insert(tag.clone(), text(&package.version));
        }
    }
    let stable = of_name.iter().rev().find(|p| !p.version.contains('-')).or(of_name.last());
    if let (Some(package), false) = (stable, tags.contains_key("latest")) {
        tags.insert("latest".into(), text(&package.version));
    }
    let mut document = Object::new();
    document.insert("name".into(), text(&of_name[0].name));
    document.insert("dist-tags".into(), Value::Object(tags));
    document.insert("versions".into(), Value::Object(versions));
    document.insert("modified".into(), text("2024-02-01T00:00:00.000Z"));
    if !abbreviated {
        document.insert("_id".into(), text(&of_name[0].name));
        document.insert("readme".into(), text("A package of a test."));
        document.insert("time".into(), Value::Object(time));
    }
    Value::Object(document)
}

/// Enough order for the versions that tests use.
fn rank(version: &str) -> (Vec<u64>, bool, String) {
    let (core, pre) = version.split_once('-').unwrap_or((version, ""));
    (core.split('.').map(|n| n.parse().unwrap_or(0)).collect(), pre.is_empty(), pre.into())
}

fn search(state: &State, path: &str) -> Answer {
    let query = path.split_once("text=").map_or("", |(_, q)| q.split('&').next().unwrap_or(q));
    let mut objects = Array::new();
    for package in state.packages.iter().filter(|p| p.name.contains(query)) {
        let mut hit = Object::new();
        hit.insert("package".into(), Value::Object(clone(&package.manifest)));
        objects.push(Value::Object(hit));
    }
    let mut body = Object::new();
    body.insert("total".into(), super::package::number(objects.len() as u64));
    body.insert("objects".into(), Value::Array(objects));
    json_answer(200, &Value::Object(body))
}

/// Whether the connection can go on.
fn send(
    stream: &mut impl Write,
    request: &Request,
    answer: Answer,
    fault: Option<Trouble>,
) -> io::Result<bool> {
    let Answer { mut status, mut kind, mut body } = answer;
    let mut extra = String::new();
    let mut cut = None;
    match fault {
        None | Some(Trouble::Held) => {}
        Some(Trouble::Status(code)) => {
            (status, kind, body) =
                (code, "application/json", br#"{"error":"as the test wants it"}"#.to_vec());
        }
        Some(Trouble::Cut(at)) => cut = Some(at),
        Some(Trouble::Flip) => {
            let middle = body.len() / 2;
            if let Some(byte) = body.get_mut(middle) {
                *byte ^= 0x10;
            }
        }
        Some(Trouble::Redirect(to)) => {
            status = 302;
            extra = format!("Location: {}\r\n", to.replace("{path}", &request.path));
            body.clear();
        }
        Some(Trouble::Html) => {
            (kind, body) =
                ("text/html", b"<!DOCTYPE html><html><body>Welcome to the hotel</body></html>".to_vec());
        }
        Some(Trouble::Bytes(other)) => body = other,
        Some(Trouble::RetryAfter(seconds)) => {
            (status, body) = (429, br#"{"error":"slow down"}"#.to_vec());
            extra = format!("Retry-After: {seconds}\r\n");
        }
        Some(Trouble::Hang) => {
            std::thread::sleep(Duration::from_secs(120));
            return Ok(false);
        }
        Some(Trouble::Endless) => {
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nConnection: close\r\n\r\n")?;
            let blank = [b' '; 65536];
            loop {
                stream.write_all(&blank)?;
            }
        }
    }
    let header = |name: &str| request.headers.iter().find(|(k, _)| k == name).map(|(_, v)| v.as_str());
    let close = header("connection").is_some_and(|c| c.eq_ignore_ascii_case("close"));
    if status == 200 {
        let mut hasher = DefaultHasher::new();
        body.hash(&mut hasher);
        let etag = format!("\"{:016x}\"", hasher.finish());
        extra.push_str(&format!("ETag: {etag}\r\n"));
        if header("if-none-match") == Some(&etag) {
            write!(stream, "HTTP/1.1 304 Not Modified\r\n{extra}Content-Length: 0\r\n\r\n")?;
            return Ok(!close);
        }
        if kind.ends_with("json") && header("accept-encoding").is_some_and(|a| a.contains("gzip")) {
            body = gzip(&body);
            extra.push_str("Content-Encoding: gzip\r\n");
        }
    }
    let reason = if status == 200 { "OK" } else { "As It Is" };
    write!(
        stream,
        "HTTP/1.1 {status} {reason}\r\nContent-Type: {kind}\r\n{extra}Content-Length: {}\r\n\r\n",
        body.len()
    )?;
    if request.method == "HEAD" {
        return Ok(!close);
    }
    if let Some(at) = cut {
        stream.write_all(&body[..at.min(body.len())])?;
        return Ok(false);
    }
    stream.write_all(&body)?;
    Ok(!close)
}
