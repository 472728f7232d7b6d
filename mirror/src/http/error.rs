//! What can go wrong between here and a server, as data.

use super::tls::TlsProblem;
use super::url::Url;
use std::fmt;
use std::io;
use std::path::PathBuf;

#[derive(Debug, Clone)]
pub enum HttpError {
    /// The client makes no connections (`--offline`).
    Offline {
        url: Url,
    },
    /// Not a URL that can be asked for. `text` has no user name and password.
    BadUrl {
        text: String,
        rule: &'static str,
    },
    /// No connection could be made (name not found, refused, unreachable).
    Connect {
        url: Url,
        detail: String,
    },
    /// An earlier request of this run could not reach the host.
    Down {
        url: Url,
        detail: String,
    },
    Timeout {
        url: Url,
        phase: &'static str,
    },
    /// A server that cannot be trusted to be the one that is meant.
    Tls {
        url: Url,
        problem: TlsProblem,
    },
    /// A redirect that is not followed.
    Redirect {
        url: Url,
        to: String,
        rule: &'static str,
    },
    /// An address that this request may not go to.
    Private {
        url: Url,
    },
    /// The answer broke off, or does not follow the protocol.
    Broken {
        url: Url,
        detail: String,
    },
    /// The body is larger than was allowed, in bytes.
    TooLarge {
        url: Url,
        cap: u64,
    },
    /// A file of certificates.
    Roots {
        path: PathBuf,
        detail: String,
    },
    /// The proxy's own address is unusable.
    Proxy {
        detail: String,
    },
}

impl HttpError {
    /// Trying again may help.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Connect { .. } | Self::Timeout { .. } | Self::Broken { .. })
    }
    /// The server was not reached at all (exit status 4).
    pub fn is_unreachable(&self) -> bool {
        matches!(
            self,
            Self::Offline { .. }
                | Self::Connect { .. }
                | Self::Down { .. }
                | Self::Timeout { .. }
                | Self::Tls { .. }
                | Self::Broken { .. }
        )
    }
    /// The error inside an `io::Error` that [`super::Body`] gave.
    pub fn inside(error: &io::Error) -> Option<&Self> {
        error.get_ref().and_then(|e| e.downcast_ref())
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Offline { url } => write!(f, "offline: {url} was not asked"),
            Self::BadUrl { text, rule } => {
                write!(f, "`{}` is not a usable URL: it {rule}", crate::name::escape(text))
            }
            Self::Connect { url, detail } => write!(f, "cannot reach {url}: {detail}"),
            Self::Down { url, detail } => {
                write!(f, "{url}: its host could not be reached ({detail})")
            }
            Self::Timeout { url, phase } => write!(f, "{url} took too long ({phase})"),
            Self::Tls { url, problem } => write!(f, "no trusted connection to {url}: {problem}"),
            Self::Redirect { url, to, rule } => {
                write!(f, "{url} redirects to `{}`, which is not followed: {rule}", crate::name::escape(to))
            }
            Self::Private { url } => write!(f, "{url} is a private or link-local address and was not asked"),
            Self::Broken { url, detail } => write!(f, "the answer from {url} is broken: {detail}"),
            Self::TooLarge { url, cap } => write!(f, "the answer from {url} is larger than {cap} bytes"),
            Self::Roots { path, detail } => {
                write!(f, "cannot use the certificates in {}: {detail}", path.display())
            }
            Self::Proxy { detail } => write!(f, "the proxy cannot be used: {detail}"),
        }
    }
}
impl std::error::Error for HttpError {}
