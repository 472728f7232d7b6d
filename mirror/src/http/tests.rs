//! The client against a small server in a thread.

use super::*;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Answers each connection with what `answer` makes of the request's head, and closes it.
struct Server {
    port: u16,
    heads: Arc<Mutex<Vec<String>>>,
}

fn serve(answer: impl Fn(&str, &mut TcpStream) + Send + 'static) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let heads = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&heads);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut head = String::new();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            while reader.read_line(&mut head).is_ok_and(|n| n > 2) {}
            seen.lock().unwrap().push(head.clone());
            answer(&head, &mut stream);
        }
    });
    Server { port, heads }
}

impl Server {
    fn url(&self, path: &str) -> Url {
        Url::parse(&format!("http://127.0.0.1:{}{path}", self.port)).unwrap()
    }
    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

fn say(stream: &mut TcpStream, status: &str, headers: &str, body: &[u8]) {
    let _ = write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n",
        body.len()
    );
    let _ = stream.write_all(body);
}

/// A patient one: however slow a machine is, nothing times out but where a test is about that.
fn client() -> Client {
    Client::new(ClientOptions {
        stall_timeout: Duration::from_secs(120),
        connect_timeout: Duration::from_secs(120),
        ..ClientOptions::default()
    })
}

fn text(client: &Client, request: &Request<'_>) -> Result<(u16, String), HttpError> {
    let response = client.get(request)?;
    Ok((response.status, String::from_utf8(response.body.read_whole()?).unwrap()))
}

#[test]
fn plain_answer_and_headers_sent() {
    let s = serve(|_, c| {
        say(c, "200 OK", "ETag: \"x\"\r\nLast-Modified: then\r\nContent-Type: text/plain\r\n", b"hello")
    });
    let url = s.url("/a%2fb?c");
    let request = Request {
        accept: Some("application/json"),
        etag: Some("\"old\""),
        credential: Some("Bearer t"),
        ..Request::new(&url)
    };
    let r = client().get(&request).unwrap();
    assert_eq!((r.status, r.etag.as_deref(), r.body.announced()), (200, Some("\"x\""), Some(5)));
    assert_eq!(r.content_type.as_deref(), Some("text/plain"));
    assert_eq!(r.body.read_whole().unwrap(), b"hello");
    let head = s.heads()[0].to_ascii_lowercase();
    assert!(head.starts_with("get /a%2fb?c http/1.1\r\n"), "{head}");
    for line in [
        "accept: application/json",
        "if-none-match: \"old\"",
        "authorization: bearer t",
        "user-agent: pantry/",
    ] {
        assert!(head.contains(line), "{head}");
    }
    assert!(!head.contains("accept-encoding"), "an archive's bytes are wanted as they are: {head}");
}

#[test]
fn any_status_is_an_answer() {
    let s = serve(|head, c| {
        let status = head.split(['/', ' ']).nth(2).unwrap().to_string();
        say(c, &format!("{status} X"), "", if status == "304" { b"" } else { b"why" });
    });
    let client = client();
    for status in [304, 400, 401, 403, 404, 410] {
        let url = s.url(&format!("/{status}"));
        assert_eq!(text(&client, &Request::new(&url)).unwrap().0, status);
    }
    assert_eq!(s.heads().len(), 6, "none of them is asked again");
}

#[test]
fn a_busy_server_is_asked_again() {
    let count = Mutex::new(0);
    let s = serve(move |_, c| {
        let mut n = count.lock().unwrap();
        *n += 1;
        match *n {
            1 => say(c, "503 Busy", "", b""),
            // An absurd wait is cut, see `backoff`.
            2 => say(c, "429 Slow", "Retry-After: 0\r\n", b""),
            _ => say(c, "200 OK", "", b"at last"),
        }
    });
    assert_eq!(text(&client(), &Request::new(&s.url("/"))).unwrap(), (200, "at last".into()));
    let s = serve(|_, c| say(c, "500 No", "Retry-After: 1000000000\r\n", b""));
    let url = s.url("/");
    let request = Request { deadline: Duration::from_secs(3), ..Request::new(&url) };
    assert_eq!(client().get(&request).unwrap().status, 500);
    assert_eq!(s.heads().len(), 1, "the deadline covers the waits");
    let url = s.url("/x");
    let request = Request { opportunistic: true, ..Request::new(&url) };
    assert_eq!(client().get(&request).unwrap().status, 500);
    assert_eq!(s.heads().iter().filter(|h| h.contains("/x")).count(), 1);
}

#[test]
fn redirects_lose_credentials() {
    let other = serve(|_, c| say(c, "200 OK", "", b"there"));
    let port = other.port;
    let s = serve(move |head, c| {
        let status = head.split(['/', ' ']).nth(2).unwrap();
        say(c, &format!("{status} Moved"), &format!("Location: http://127.0.0.1:{port}/y\r\n"), b"");
    });
    let client = client();
    for status in [301, 302, 303, 307, 308] {
        let url = Url::parse(&format!("http://user:secret@127.0.0.1:{}/{status}", s.port)).unwrap();
        let request = Request { credential: Some("Bearer secret"), ..Request::new(&url) };
        let r = client.get(&request).unwrap();
        assert_eq!((r.status, r.url.port()), (200, port));
    }
    assert!(s.heads().iter().all(|h| h.contains("Bearer secret")));
    assert!(other.heads().iter().all(|h| !h.to_ascii_lowercase().contains("authorization")));
    // Within one host too: a credential is bound to the path it was given for.
    let s = serve(|head, c| {
        if head.starts_with("GET /a") {
            say(c, "302 X", "Location: /b\r\n", b"")
        } else {
            say(c, "200 OK", "", b"")
        }
    });
    let url = s.url("/a");
    client.get(&Request { credential: Some("Bearer secret"), ..Request::new(&url) }).unwrap();
    assert!(s.heads()[0].contains("secret") && !s.heads()[1].contains("secret"));
}

#[test]
fn redirects_that_are_not_followed() {
    let s = serve(|head, c| {
        let to = match head.split(' ').nth(1).unwrap() {
            "/loop" => "/loop",
            "/file" => "file:///etc/passwd",
            "/meta" => "http://169.254.169.254/latest",
            _ => "",
        };
        say(c, "302 Found", &format!("Location: {to}\r\n"), b"");
    });
    let client = client();
    let ask = |path: &str| client.get(&Request::new(&s.url(path))).err().unwrap();
    assert!(matches!(ask("/loop"), HttpError::Redirect { .. }));
    assert_eq!(s.heads().len(), 6);
    let file = ask("/file");
    assert!(file.to_string().contains("file:///etc/passwd"), "{file}");
    // The server is at a private address: allowed or not, its redirect to a
    // link-local one is not followed.
    let url = s.url("/meta");
    let before = s.heads().len();
    let meta = |reach| client.get(&Request { reach, ..Request::new(&url) }).err().unwrap();
    assert!(matches!(meta(Reach::Public), HttpError::Private { url } if url.host() == "127.0.0.1"));
    assert_eq!(s.heads().len(), before);
    assert!(matches!(meta(Reach::Private), HttpError::Private { url } if url.host() == "169.254.169.254"));
    assert_eq!(s.heads().len(), before + 1);
    // Not even for an address that the user gave: where it leads is the server's word.
    assert!(matches!(meta(Reach::Anywhere), HttpError::Private { url } if url.host() == "169.254.169.254"));
    assert_eq!(client.reach_from(&url), Reach::Private);
    assert_eq!(client.reach_from(&Url::parse("http://8.8.8.8/").unwrap()), Reach::Public);
    assert_eq!(client.reach_from(&Url::parse("http://169.254.0.1/").unwrap()), Reach::Private);
}

#[test]
fn bodies_that_lie() {
    let gz = |bytes: &[u8]| {
        let mut e = GzEncoder::new(Vec::new(), Compression::best());
        e.write_all(bytes).unwrap();
        e.finish().unwrap()
    };
    let (good, bomb) = (gz(b"{\"a\":1}"), gz(&vec![b' '; 4 << 20]));
    // Kept until the end of the test: what is not answered must not look like what is broken off.
    let kept = Mutex::new(Vec::new());
    let s = serve(move |head, c| match head.split(' ').nth(1).unwrap() {
        "/short" => {
            let _ = write!(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort");
        }
        "/endless" => {
            let _ = write!(c, "HTTP/1.1 200 OK\r\n\r\n");
            while c.write_all(&[b'x'; 4096]).is_ok() {}
        }
        "/dribble" => {
            let _ = write!(c, "HTTP/1.1 200 OK\r\n\r\n");
            while c.write_all(b"x").is_ok() {
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        "/stall" => {
            let _ = write!(c, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx");
            kept.lock().unwrap().push(c.try_clone().unwrap());
        }
        "/silent" => kept.lock().unwrap().push(c.try_clone().unwrap()),
        "/headers" => {
            let _ = write!(c, "HTTP/1.1 200 OK\r\n");
            while c.write_all(&[b"X-A: ", &[b'y'; 900][..], b"\r\n"].concat()).is_ok() {}
        }
        "/chunked" => {
            let _ = write!(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
        }
        "/cut" => {
            let _ = write!(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nhello");
        }
        "/gzip" => say(c, "200 OK", "Content-Encoding: gzip\r\n", &good),
        "/bomb" => say(c, "200 OK", "Content-Encoding: gzip\r\n", &bomb),
        _ => {}
    });
    let within =
        |stall_timeout| Client::new(ClientOptions { retries: 0, stall_timeout, ..ClientOptions::default() });
    let one_try = within(Duration::from_secs(120));
    let asked = |client: &Client, path: &str, deadline| {
        let url = s.url(path);
        text(client, &Request { gzip: true, cap: 1 << 20, deadline, ..Request::new(&url) })
    };
    let ask = |path: &str| asked(&one_try, path, Duration::from_secs(600));
    assert!(matches!(ask("/short"), Err(HttpError::Broken { .. })), "{:?}", ask("/short"));
    assert!(matches!(ask("/cut"), Err(HttpError::Broken { .. })), "{:?}", ask("/cut"));
    assert!(matches!(ask("/endless"), Err(HttpError::TooLarge { cap: 0x10_0000, .. })));
    assert!(matches!(ask("/bomb"), Err(HttpError::TooLarge { .. })));
    let drop_by_drop = asked(&one_try, "/dribble", Duration::from_millis(900));
    assert!(matches!(drop_by_drop, Err(HttpError::Timeout { .. })), "{drop_by_drop:?}");
    assert!(matches!(ask("/headers"), Err(HttpError::Broken { .. })), "{:?}", ask("/headers"));
    assert_eq!(ask("/gzip").unwrap().1, "{\"a\":1}");
    assert_eq!(ask("/chunked").unwrap().1, "hello");
    // An archive's bytes are never decompressed, whatever the server says about them.
    let url = s.url("/gzip");
    let raw = one_try.get(&Request::new(&url)).unwrap().body.read_whole().unwrap();
    assert_eq!(raw[..2], [0x1f, 0x8b]);
    let impatient = within(Duration::from_millis(300));
    for path in ["/stall", "/silent"] {
        let said = asked(&impatient, path, Duration::from_secs(600));
        assert!(matches!(said, Err(HttpError::Timeout { .. })), "{path}: {said:?}");
    }
}

#[test]
fn a_host_that_is_down_is_asked_once() {
    // The end of a connection: nobody listens there, and while it is open nobody else can.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let port = taken.local_addr().unwrap().port();
    let client = client();
    let url = Url::parse(&format!("http://u:secret@127.0.0.1:{port}/x")).unwrap();
    let request = Request { opportunistic: true, ..Request::new(&url) };
    let first = client.get(&request).err().unwrap();
    assert!(matches!(first, HttpError::Connect { .. }) && first.is_unreachable(), "{first}");
    assert!(first.to_string().contains(&format!("http://127.0.0.1:{port}/x")), "{first}");
    assert!(!first.to_string().contains("secret"));
    let again = client.clone().get(&request).err().unwrap();
    assert!(matches!(again, HttpError::Down { .. }), "{again}");
    let offline = Client::offline().get(&request).err().unwrap();
    assert!(matches!(offline, HttpError::Offline { .. }) && !offline.to_string().contains("secret"));
}

#[test]
fn connections_are_kept() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = Url::parse(&format!("http://{}/x", listener.local_addr().unwrap())).unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut buffer = [0; 4096];
        for _ in 0..3 {
            let mut n = 0;
            while !buffer[..n].ends_with(b"\r\n\r\n") {
                let read = stream.read(&mut buffer[n..]).unwrap();
                assert!(read > 0, "the connection was not kept");
                n += read;
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
        }
    });
    let client = client();
    for _ in 0..3 {
        assert_eq!(text(&client, &Request::new(&url)).unwrap().1, "ok");
    }
    server.join().unwrap();
}

#[test]
fn through_a_proxy_by_connect() {
    let proxy = serve(|head, c| {
        assert!(head.starts_with("CONNECT example.com:80 "), "{head}");
        let _ = write!(c, "HTTP/1.1 200 OK\r\n\r\n");
        let mut inner = String::new();
        let mut reader = BufReader::new(c.try_clone().unwrap());
        while reader.read_line(&mut inner).is_ok_and(|n| n > 2) {}
        say(c, "200 OK", "", inner.split("\r\n").next().unwrap().as_bytes());
    });
    let options = ClientOptions {
        proxy: ProxyOptions {
            http: Some(format!("http://127.0.0.1:{}", proxy.port)),
            ..ProxyOptions::default()
        },
        ..ClientOptions::default()
    };
    let url = Url::parse("http://example.com/thing").unwrap();
    assert_eq!(text(&Client::new(options), &Request::new(&url)).unwrap().1, "GET /thing HTTP/1.1");
}

#[test]
fn tls_to_a_server_without_it_is_a_clear_error() {
    let s = serve(|_, c| say(c, "400 Bad", "", b"not TLS"));
    let url = Url::parse(&format!("https://127.0.0.1:{}/", s.port)).unwrap();
    let e = Client::new(ClientOptions::default()).get(&Request::new(&url)).err().unwrap();
    assert!(matches!(e, HttpError::Tls { problem: TlsProblem::NotTls, .. }), "{e:?}");
    assert!(e.to_string().contains(&format!("https://127.0.0.1:{}/", s.port)));
    assert_eq!(s.heads().len(), 1, "nothing changes by asking again");
}

#[test]
fn a_handshake_that_never_ends_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = Url::parse(&format!("https://{}/", listener.local_addr().unwrap())).unwrap();
    let impatient = Client::new(ClientOptions {
        retries: 0,
        connect_timeout: Duration::from_millis(200),
        ..ClientOptions::default()
    });
    let e = impatient.get(&Request::new(&url)).err().unwrap();
    assert!(matches!(e, HttpError::Connect { .. }) && e.to_string().contains("no answer in time"), "{e:?}");
}
