use super::request::{Range, read};
use super::*;
use std::io::{Read as _, Write};

struct Small;
impl Site for Small {
    fn answer(&self, request: &Request) -> Answer {
        match request.path.as_str() {
            "/a" => Answer::text(b"0123456789".to_vec(), "tag"),
            _ => Answer::status(404),
        }
    }
}

/// What comes back on one connection.
fn talk(sent: &[u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (served, _) = listener.accept().unwrap();
    client.write_all(sent).unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    let _ = connection(&served, &Small);
    drop(served);
    let mut said = String::new();
    let _ = client.read_to_string(&mut said);
    said
}

fn get(more: &str) -> String {
    talk(format!("GET /a HTTP/1.1\r\nHost: x\r\n{more}Connection: close\r\n\r\n").as_bytes())
}

#[test]
fn answers_whole_parts_and_what_is_known_already() {
    let said = get("");
    assert!(said.starts_with("HTTP/1.1 200 OK\r\n") && said.ends_with("\r\n\r\n0123456789"), "{said}");
    for (range, status, body) in [
        ("bytes=0-0", "206", "0"),
        ("bytes=3-", "206", "3456789"),
        ("bytes=-2", "206", "89"),
        ("bytes=8-99", "206", "89"),
        ("bytes=-99", "206", "0123456789"),
        ("bytes=10-", "416", ""),
        ("bytes=-0", "416", ""),
        // As if nothing was asked for.
        ("bytes=0-1,3-4", "200", "0123456789"),
        ("bytes=5-2", "200", "0123456789"),
        ("lines=1-2", "200", "0123456789"),
        ("bytes=18446744073709551616-", "200", "0123456789"),
        ("bytes=0-18446744073709551615", "206", "0123456789"),
    ] {
        let said = get(&format!("Range: {range}\r\n"));
        assert!(said.starts_with(&format!("HTTP/1.1 {status} ")), "{range}: {said}");
        assert!(said.ends_with(&format!("\r\n\r\n{body}")), "{range}: {said}");
    }
    assert!(get("Range: bytes=0-0\r\nIf-Range: \"old\"\r\n").starts_with("HTTP/1.1 200"));
    assert!(get("Range: bytes=0-0\r\nIf-Range: \"tag\"\r\n").starts_with("HTTP/1.1 206"));
    let known = get("If-None-Match: \"x\", \"tag\"\r\n");
    assert!(known.starts_with("HTTP/1.1 304") && known.ends_with("\r\n\r\n"), "{known}");
    assert!(get("If-None-Match: \"x\"\r\n").starts_with("HTTP/1.1 200"));
    let head = talk(b"HEAD /a HTTP/1.0\r\n\r\n");
    assert!(head.contains("Content-Length: 10\r\n") && head.ends_with("\r\n\r\n"), "{head}");
}

#[test]
fn what_is_no_request_is_refused_and_ends_the_connection() {
    let long = [b"GET /a HTTP/1.1\r\nHost: x\r\nX: ".as_slice(), &[b'a'; 9000]].concat();
    let cases: [(&[u8], &str); 12] = [
        (b"GET /b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "404"),
        (b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", "405"),
        (b"GET /a HTTP/1.1\r\n\r\n", "400"),
        (b"GET /a HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", "400"),
        (b"GET /a\r\n\r\n", "400"),
        (b"GET  /a HTTP/1.1\r\n\r\n", "400"),
        (b"GET a HTTP/1.1\r\nHost: x\r\n\r\n", "400"),
        (b"GET /a HTTP/2\r\nHost: x\r\n\r\n", "505"),
        (b"GET /a HTTP/1.1\r\nHost: x\r\nno header\r\n\r\n", "400"),
        (b"\xff\xfe\r\n\r\n", "400"),
        (&long, "431"),
        // A few empty lines are passed over; no end of them is no request.
        (b"\r\n\n\r\n\r\n\r\nGET /a HTTP/1.0\r\n\r\n", "400"),
    ];
    assert!(talk(b"\r\n\n\r\n\r\nGET /a HTTP/1.0\r\n\r\n").starts_with("HTTP/1.1 200"));
    for (sent, status) in cases {
        let said = talk(sent);
        assert!(said.starts_with(&format!("HTTP/1.1 {status} ")), "{status}: {said}");
        assert_eq!(said.matches("HTTP/1.1").count(), 1, "{said}");
        assert!(said.contains("Connection: close"), "{said}");
    }
    assert_eq!(talk(b""), "");
    assert_eq!(talk(b"GET /a HT"), "");
}

#[test]
fn several_requests_come_over_one_connection() {
    let one = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";
    assert_eq!(talk(one.repeat(3).as_bytes()).matches("0123456789").count(), 3);
    // What comes with a request is no request.
    let smuggled = format!("GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{one}", one.len());
    assert_eq!(talk(smuggled.as_bytes()).matches("HTTP/1.1 200").count(), 1);
    assert_eq!(talk("GET /a HTTP/1.0\r\n\r\n".repeat(2).as_bytes()).matches("HTTP/1.1 200").count(), 1);
}

#[test]
fn a_range_never_reaches_beyond_the_end() {
    assert_eq!(Range::From(u64::MAX, None).of(5), None);
    assert_eq!(Range::From(0, Some(u64::MAX)).of(5), Some((0, 5)));
    assert_eq!(Range::Last(9).of(0), None);
    let mut empty = std::io::empty();
    assert!(matches!(read(&mut empty), Ok(Read::Closed)));
}
