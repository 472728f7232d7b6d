//! What is sent back.

use super::{Method, Request};
use std::fs::File;
use std::io::{self, Write};
use std::net::TcpStream;
use std::os::unix::fs::FileExt;

const BUFFER: usize = 64 << 10;

pub struct Answer {
    status: u16,
    kind: &'static str,
    /// With its quotes.
    tag: String,
    immutable: bool,
    body: Body,
}

enum Body {
    Text(Vec<u8>),
    File(File, u64),
}

impl Answer {
    /// One that says no more than its status.
    pub fn status(status: u16) -> Self {
        let body = Body::Text(format!("{status} {}\n", reason(status)).into_bytes());
        Self { status, kind: "text/plain; charset=utf-8", tag: String::new(), immutable: false, body }
    }

    /// A short document that may change. `tag` changes with it.
    pub fn text(bytes: Vec<u8>, tag: &str) -> Self {
        let kind = "text/plain; charset=utf-8";
        Self { status: 200, kind, tag: format!("\"{tag}\""), immutable: false, body: Body::Text(bytes) }
    }

    /// A file that never changes under its name.
    pub fn file(file: File, bytes: u64, tag: &str) -> Self {
        let kind = "application/octet-stream";
        let body = Body::File(file, bytes);
        Self { status: 200, kind, tag: format!("\"{tag}\""), immutable: true, body }
    }

    pub fn send(&self, mut to: &TcpStream, request: Option<&Request>, keep: bool) -> io::Result<()> {
        let length = match &self.body {
            Body::Text(bytes) => bytes.len() as u64,
            Body::File(_, bytes) => *bytes,
        };
        let (mut status, mut from, mut send) = (self.status, 0, length);
        let mut head = String::new();
        if let Some(request) = request.filter(|_| status == 200) {
            let known = |tags: &String| tags.split(',').any(|t| t.trim() == "*" || t.trim() == self.tag);
            let fresh = request.if_range.as_ref().is_none_or(|tag| *tag == self.tag);
            if request.if_none_match.as_ref().is_some_and(known) {
                (status, send) = (304, 0);
            } else if let Some(range) = request.range.filter(|_| fresh) {
                match range.of(length) {
                    Some((first, count)) => {
                        (status, from, send) = (206, first, count);
                        let last = first + count - 1;
                        head = format!("Content-Range: bytes {first}-{last}/{length}\r\n");
                    }
                    None => {
                        (status, send) = (416, 0);
                        head = format!("Content-Range: bytes */{length}\r\n");
                    }
                }
            }
        }
        if self.status == 200 {
            head.push_str(&format!("ETag: {}\r\nAccept-Ranges: bytes\r\nCache-Control: ", self.tag));
            head.push_str(match self.immutable {
                true => "public, max-age=31536000, immutable\r\n",
                false => "no-cache\r\n",
            });
        }
        if status == 405 {
            head.push_str("Allow: GET, HEAD\r\n");
        }
        if status != 304 {
            head.push_str(&format!("Content-Type: {}\r\nContent-Length: {send}\r\n", self.kind));
        }
        let connection = if keep { "keep-alive" } else { "close" };
        let head = format!(
            "HTTP/1.1 {status} {}\r\n{head}X-Content-Type-Options: nosniff\r\nConnection: {connection}\r\n\r\n",
            reason(status)
        );
        to.write_all(head.as_bytes())?;
        if request.is_some_and(|r| r.method == Method::Head) {
            return Ok(());
        }
        match &self.body {
            Body::Text(bytes) => to.write_all(&bytes[from as usize..(from + send) as usize]),
            Body::File(file, _) => {
                let mut buffer = vec![0; BUFFER];
                while send > 0 {
                    let want = send.min(BUFFER as u64) as usize;
                    // Shorter than it was said to be: the client sees that the connection ends too early.
                    file.read_exact_at(&mut buffer[..want], from)?;
                    to.write_all(&buffer[..want])?;
                    (from, send) = (from + want as u64, send - want as u64);
                }
                Ok(())
            }
        }
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        206 => "Partial Content",
        304 => "Not Modified",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        416 => "Range Not Satisfiable",
        431 => "Request Header Fields Too Large",
        505 => "HTTP Version Not Supported",
        _ => "Internal Server Error",
    }
}
