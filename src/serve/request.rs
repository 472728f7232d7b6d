//! Reading a request: the line, and the few headers that matter here.

use std::io::{self, BufRead};
use std::time::Instant;

/// Bytes of a request with its headers.
pub const LIMIT: usize = 8 << 10;

/// Empty lines before a request that are passed over (RFC 9112, 2.2): some clients end a body with one.
const EMPTY: usize = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    Get,
    Head,
    Other,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub method: Method,
    /// Without the query, as it came: nothing of it is decoded.
    pub path: String,
    pub range: Option<Range>,
    pub if_none_match: Option<String>,
    pub if_range: Option<String>,
    pub keep_alive: bool,
}

/// `bytes=FROM-TO`, `bytes=FROM-`, `bytes=-LAST`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range {
    From(u64, Option<u64>),
    Last(u64),
}

pub enum Read {
    Request(Request),
    /// With this status, and then the connection ends.
    Refused(u16),
    Closed,
}

/// # Errors
/// The client is gone, or sends nothing for too long.
pub fn read(reader: &mut dyn BufRead) -> io::Result<Read> {
    let begun = Instant::now();
    let (mut head, mut empty) = (Vec::new(), 0);
    // Up to the empty line; a client that sends a byte now and then is as slow as one that sends none.
    while !(head.ends_with(b"\r\n\r\n") || head.ends_with(b"\n\n")) {
        if begun.elapsed() > super::PATIENCE && !head.is_empty() {
            return Ok(Read::Refused(408));
        }
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            return Ok(Read::Closed);
        }
        let line = buffer.iter().position(|b| *b == b'\n').map_or(buffer.len(), |at| at + 1);
        if head.len() + line > LIMIT {
            return Ok(Read::Refused(431));
        }
        head.extend_from_slice(&buffer[..line]);
        reader.consume(line);
        // Empty lines before a request are none of it.
        if head == b"\r\n" || head == b"\n" {
            head.clear();
            empty += 1;
            if empty > EMPTY {
                return Ok(Read::Refused(400));
            }
        }
    }
    Ok(parse(&head).map_or_else(Read::Refused, Read::Request))
}

fn parse(head: &[u8]) -> Result<Request, u16> {
    let text = std::str::from_utf8(head).map_err(|_| 400_u16)?;
    let mut lines = text.lines();
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(400);
    };
    let method = match method {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        _ => Method::Other,
    };
    let newer = match version {
        "HTTP/1.1" => true,
        "HTTP/1.0" => false,
        _ => return Err(505),
    };
    let path = target.split(['?', '#']).next().unwrap_or_default();
    if !path.starts_with('/') {
        return Err(400);
    }
    let mut request = Request {
        method,
        path: path.to_string(),
        range: None,
        if_none_match: None,
        if_range: None,
        keep_alive: newer,
    };
    let (mut host, mut body) = (0, false);
    for line in lines.take_while(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').ok_or(400_u16)?;
        if name.is_empty() || name.bytes().any(|b| !b.is_ascii_graphic()) {
            return Err(400);
        }
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "host" => host += 1,
            "connection" => {
                let mut words = value.split(',').map(str::trim);
                if words.clone().any(|word| word.eq_ignore_ascii_case("close")) {
                    request.keep_alive = false;
                } else if words.any(|word| word.eq_ignore_ascii_case("keep-alive")) {
                    request.keep_alive = true;
                }
            }
            "range" => request.range = range(value),
            "if-none-match" => request.if_none_match = Some(value.to_string()),
            "if-range" => request.if_range = Some(value.to_string()),
            "content-length" => body |= value != "0",
            "transfer-encoding" => body = true,
            _ => {}
        }
    }
    if newer && host != 1 {
        return Err(400);
    }
    // What comes with it is not read, so nothing that follows is a request.
    if body || method == Method::Other {
        request.keep_alive = false;
    }
    Ok(request)
}

/// One range. Several, or what is none, is as if nothing was asked for.
fn range(value: &str) -> Option<Range> {
    let (from, to) = value.strip_prefix("bytes=")?.split_once('-')?;
    let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?;
    match (from, to) {
        ("", last) => Some(Range::Last(number(last)?)),
        (from, "") => Some(Range::From(number(from)?, None)),
        (from, to) => {
            let (from, to) = (number(from)?, number(to)?);
            (from <= to).then_some(Range::From(from, Some(to)))
        }
    }
}

impl Range {
    /// The first byte and how many, of a document of that length; `None`: there are no such bytes.
    pub fn of(self, length: u64) -> Option<(u64, u64)> {
        match self {
            Self::From(from, to) => {
                let end = to.map_or(length, |to| to.saturating_add(1).min(length));
                (from < length).then(|| (from, end - from))
            }
            Self::Last(n) => {
                let n = n.min(length);
                (n > 0).then(|| (length - n, n))
            }
        }
    }
}
