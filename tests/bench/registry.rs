//! A loopback npm registry over the files that `corpus.mjs` makes; everything in memory, a thread per connection, std only.
//!
//! usage: `registry CORPUS PORT LATENCY_MS MISSES`, prints `ready` once it listens. LATENCY_MS is slept before each
//! answer, to stand for a round trip. What was asked for and is not there is appended to the file MISSES.
//!
//! It behaves as a registry behind a cache does: gzip where accepted, abbreviated documents where asked for, `ETag` with
//! `If-None-Match`, `Last-Modified` with `If-Modified-Since`, `max-age=300`, connections kept alive. HTTP/1.1, no TLS.
//! `GET /-/stats` answers the counters since the last time as JSON, and resets them.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::{env, thread, time::Duration};

const MODIFIED: &str = "Fri, 20 Nov 2026 00:00:00 GMT";

/// One document in one form.
struct Document {
    plain: Vec<u8>,
    gzip: Vec<u8>,
    etag: String,
    media_type: &'static str,
}

/// The abbreviated and the full form of a packument.
#[derive(Default)]
struct Packument {
    corgi: Option<Document>,
    full: Option<Document>,
}

#[derive(Default)]
struct Counters {
    requests: AtomicU64,
    bytes: AtomicU64,
    connections: AtomicU64,
    unmodified: AtomicU64,
    packuments: AtomicU64,
    tarballs: AtomicU64,
    misses: AtomicU64,
}

struct Registry {
    packuments: HashMap<String, Packument>,
    tarballs: HashMap<String, Vec<u8>>,
    counters: Counters,
    latency: Duration,
    misses: Mutex<File>,
}

/// What of a request matters here.
#[derive(Default)]
struct Request {
    method: String,
    path: String,
    gzip: bool,
    corgi: bool,
    etag: String,
    since: String,
    close: bool,
}

fn read_request(from: &mut impl BufRead) -> io::Result<Option<Request>> {
    let mut line = String::new();
    if from.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let method = words.next().unwrap_or_default().to_string();
    let target = words.next().unwrap_or("/").split('?').next().unwrap_or("/");
    let path = target.replace("%2F", "/").replace("%2f", "/").replace("%40", "@");
    let mut request = Request { method, path, ..Request::default() };
    let mut length = 0;
    loop {
        line.clear();
        if from.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "accept" => request.corgi = value.contains("install-v1"),
            "accept-encoding" => request.gzip = value.contains("gzip"),
            "if-none-match" => request.etag = value.trim_start_matches("W/").to_string(),
            "if-modified-since" => request.since = value.to_string(),
            "content-length" => length = value.parse().unwrap_or(0),
            "connection" => request.close = value.eq_ignore_ascii_case("close"),
            _ => {}
        }
    }
    io::copy(&mut from.take(length), &mut io::sink())?;
    Ok(Some(request))
}

fn answer(to: &mut impl Write, status: &str, media_type: &str, headers: &str, body: &[u8]) -> io::Result<()> {
    let mut head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\n{headers}\r\n",
        body.len()
    )
    .into_bytes();
    // A small body rides with the head: one packet.
    if body.len() < 65_536 {
        head.extend_from_slice(body);
        return to.write_all(&head);
    }
    to.write_all(&head)?;
    to.write_all(body)
}

impl Registry {
    fn open(corpus: &Path, latency: Duration, misses: File) -> io::Result<Self> {
        let mut packuments: HashMap<String, Packument> = HashMap::new();
        for entry in fs::read_dir(corpus.join("meta"))? {
            let path = entry?.path();
            let file = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if let Some(name) = file.strip_suffix(".corgi.json") {
                let document = Document::read(&path, "application/vnd.npm.install-v1+json")?;
                packuments.entry(name.replace("%2f", "/")).or_default().corgi = Some(document);
            } else if let Some(name) = file.strip_suffix(".full.json") {
                let document = Document::read(&path, "application/json")?;
                packuments.entry(name.replace("%2f", "/")).or_default().full = Some(document);
            }
        }
        let root = corpus.join("tarballs");
        let mut tarballs = HashMap::new();
        read_tree(&root, &root, &mut tarballs)?;
        Ok(Self { packuments, tarballs, counters: Counters::default(), latency, misses: Mutex::new(misses) })
    }

    fn connection(&self, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut to = stream.try_clone()?;
        let mut from = BufReader::with_capacity(16_384, stream);
        while let Some(request) = read_request(&mut from)? {
            if request.path == "/-/stats" {
                answer(&mut to, "200 OK", "application/json", "", self.counters.take().as_bytes())?;
                continue;
            }
            self.counters.requests.fetch_add(1, Relaxed);
            if !self.latency.is_zero() {
                thread::sleep(self.latency);
            }
            self.respond(&request, &mut to)?;
            if request.close {
                break;
            }
        }
        Ok(())
    }

    fn respond(&self, request: &Request, to: &mut TcpStream) -> io::Result<()> {
        let counters = &self.counters;
        // Audits and the like are told that all is well.
        if request.method != "GET" {
            return answer(to, "200 OK", "application/json", "", b"{}");
        }
        if let Some(bytes) = self.tarballs.get(&request.path) {
            counters.tarballs.fetch_add(1, Relaxed);
            counters.bytes.fetch_add(bytes.len() as u64, Relaxed);
            let headers = "Cache-Control: public, immutable, max-age=31557600\r\n";
            return answer(to, "200 OK", "application/octet-stream", headers, bytes);
        }
        let Some(document) =
            self.packuments.get(&request.path[1..]).and_then(|packument| packument.form(request.corgi))
        else {
            counters.misses.fetch_add(1, Relaxed);
            if let Ok(mut misses) = self.misses.lock() {
                writeln!(misses, "{} {}", request.method, request.path)?;
            }
            return answer(to, "404 Not Found", "application/json", "", b"{}");
        };
        counters.packuments.fetch_add(1, Relaxed);
        let headers = format!(
            "ETag: {}\r\nLast-Modified: {MODIFIED}\r\nCache-Control: public, max-age=300\r\nVary: accept-encoding, accept\r\n",
            document.etag
        );
        // As RFC 9110 has it, If-Modified-Since counts only where there is no If-None-Match.
        let same =
            if request.etag.is_empty() { request.since == MODIFIED } else { request.etag == document.etag };
        if same {
            counters.unmodified.fetch_add(1, Relaxed);
            return answer(to, "304 Not Modified", document.media_type, &headers, b"");
        }
        let (body, headers) = if request.gzip {
            (&document.gzip, headers + "Content-Encoding: gzip\r\n")
        } else {
            (&document.plain, headers)
        };
        counters.bytes.fetch_add(body.len() as u64, Relaxed);
        answer(to, "200 OK", document.media_type, &headers, body)
    }
}

impl Packument {
    fn form(&self, corgi: bool) -> Option<&Document> {
        if corgi {
            self.corgi.as_ref().or(self.full.as_ref())
        } else {
            self.full.as_ref().or(self.corgi.as_ref())
        }
    }
}

impl Document {
    fn read(path: &Path, media_type: &'static str) -> io::Result<Self> {
        let plain = fs::read(path)?;
        let gzip = fs::read(format!("{}.gz", path.display()))?;
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for byte in &plain {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        Ok(Self { plain, gzip, etag: format!("\"{hash:016x}\""), media_type })
    }
}

impl Counters {
    fn take(&self) -> String {
        let of = |counter: &AtomicU64| counter.swap(0, Relaxed);
        format!(
            "{{\"requests\":{},\"bytes\":{},\"connections\":{},\"unmodified\":{},\"packuments\":{},\"tarballs\":{},\"misses\":{}}}\n",
            of(&self.requests),
            of(&self.bytes),
            of(&self.connections).saturating_sub(1), // the asker's own
            of(&self.unmodified),
            of(&self.packuments),
            of(&self.tarballs),
            of(&self.misses),
        )
    }
}

fn read_tree(dir: &Path, root: &Path, into: &mut HashMap<String, Vec<u8>>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            read_tree(&path, root, into)?;
        } else if let Ok(inner) = path.strip_prefix(root) {
            into.insert(format!("/{}", inner.display()), fs::read(&path)?);
        }
    }
    Ok(())
}

fn main() -> io::Result<()> {
    let words: Vec<String> = env::args().collect();
    let [_, corpus, port, latency, misses] = words.as_slice() else {
        return Err(io::Error::other("usage: registry CORPUS PORT LATENCY_MS MISSES"));
    };
    let listener = TcpListener::bind(format!("127.0.0.1:{port}"))?;
    let latency = Duration::from_millis(latency.parse().unwrap_or(0));
    let misses = OpenOptions::new().create(true).append(true).open(misses)?;
    let registry = Arc::new(Registry::open(Path::new(corpus), latency, misses)?);
    println!("ready: {} packuments, {} archives", registry.packuments.len(), registry.tarballs.len());
    for stream in listener.incoming().flatten() {
        registry.counters.connections.fetch_add(1, Relaxed);
        let registry = Arc::clone(&registry);
        let serve = move || drop(registry.connection(stream)); // a client that hangs up is not an error here
        thread::Builder::new().stack_size(128 * 1024).spawn(serve)?;
    }
    Ok(())
}
