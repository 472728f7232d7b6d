//! The body of an answer, streamed.

use super::error::HttpError;
use super::url::Url;
use flate2::bufread::MultiGzDecoder;
use std::io::{self, BufReader, Read};
use std::time::{Duration, Instant};
use ureq::BodyReader;

/// Reads the (decompressed) body up to a cap and until a deadline. Its
/// `io::Error`s carry an [`HttpError`] that names the URL.
pub struct Body {
    inner: Inner,
    url: Url,
    /// Bytes that may still come.
    left: u64,
    cap: u64,
    deadline: Instant,
    /// Bytes that the server announced and that have not come (plain bodies).
    announced: Option<u64>,
    pace: Pace,
}

/// A server that sends a byte now and then keeps the connection alive and the
/// user waiting: in every half minute at least this much must come.
struct Pace {
    until: Instant,
    /// Bytes that must still come before.
    wanted: u64,
}

const HALF_MINUTE: Duration = Duration::from_secs(30);
const BYTES: u64 = 4096;
/// What a connection's own buffer gives at most.
const INPUT: usize = super::client::INPUT;

impl Pace {
    fn new() -> Self {
        Self { until: Instant::now() + HALF_MINUTE, wanted: BYTES }
    }

    fn came(&mut self, bytes: usize) -> bool {
        self.wanted = self.wanted.saturating_sub(bytes as u64);
        let now = Instant::now();
        if now < self.until {
            return true;
        }
        let kept = self.wanted == 0;
        *self = Self { until: now + HALF_MINUTE, wanted: BYTES };
        kept
    }
}

enum Inner {
    Plain(BodyReader<'static>),
    Gzip(Box<MultiGzDecoder<BufReader<BodyReader<'static>>>>),
}

impl Body {
    pub(super) fn new(
        reader: BodyReader<'static>,
        url: Url,
        gzip: bool,
        length: Option<u64>,
        cap: u64,
        deadline: Instant,
    ) -> Self {
        let announced = length.filter(|_| !gzip);
        let inner = if gzip {
            Inner::Gzip(Box::new(MultiGzDecoder::new(BufReader::with_capacity(INPUT, reader))))
        } else {
            Inner::Plain(reader)
        };
        Self { inner, url, left: cap, cap, deadline, announced, pace: Pace::new() }
    }

    /// Bytes that the server announced, when they come as they are.
    pub fn announced(&self) -> Option<u64> {
        self.announced
    }

    /// Reads it whole.
    pub fn read_whole(mut self) -> Result<Vec<u8>, HttpError> {
        let mut out = Vec::with_capacity(self.announced.unwrap_or(0).min(1 << 20) as usize);
        let url = self.url.clone();
        match self.read_to_end(&mut out) {
            Ok(_) => Ok(out),
            Err(e) => Err(HttpError::inside(&e)
                .cloned()
                .unwrap_or(HttpError::Broken { url, detail: e.to_string() })),
        }
    }

    fn fail<T>(error: HttpError) -> io::Result<T> {
        let kind = match error {
            HttpError::Timeout { .. } => io::ErrorKind::TimedOut,
            HttpError::TooLarge { .. } => io::ErrorKind::FileTooLarge,
            _ => io::ErrorKind::InvalidData,
        };
        Err(io::Error::new(kind, error))
    }
}

impl Read for Body {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        if Instant::now() >= self.deadline {
            return Self::fail(HttpError::Timeout { url: self.url.clone(), phase: "the whole answer" });
        }
        let n = match &mut self.inner {
            Inner::Plain(r) => r.read(out),
            Inner::Gzip(r) => r.read(out),
        };
        let n = match n {
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => return Err(e),
            Err(e) => return Self::fail(super::client::explain_io(&self.url, &e)),
        };
        if n as u64 > self.left {
            return Self::fail(HttpError::TooLarge { url: self.url.clone(), cap: self.cap });
        }
        self.left -= n as u64;
        if n > 0 && !self.pace.came(n) {
            let phase = "more than a byte now and then";
            return Self::fail(HttpError::Timeout { url: self.url.clone(), phase });
        }
        if let Some(announced) = &mut self.announced {
            if n == 0 && *announced > 0 {
                let detail = format!("{announced} bytes of it are missing");
                return Self::fail(HttpError::Broken { url: self.url.clone(), detail });
            }
            *announced = announced.saturating_sub(n as u64);
        }
        Ok(n)
    }
}
