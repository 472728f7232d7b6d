//! Why a server is not trusted, in the words of who has to do something about it.

use rustls::{
    AlertDescription as Alert, CertificateError as Certificate, Error, InvalidMessage, OtherError,
    PeerIncompatible,
};
use std::fmt;
use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TlsProblem {
    /// Days ago, by this machine's clock.
    Expired(u64),
    /// Days from now, likewise.
    Early(u64),
    /// The names that it is for, as the certificate has them.
    OtherName(String),
    UnknownIssuer,
    /// It shows a certificate that signs others, as `openssl req -x509` makes them.
    Authority,
    /// It answered, with something else than TLS.
    NotTls,
    /// It has nothing that we take, TLS 1.2 and 1.3.
    TooOld,
    Other(String),
}

/// More names than this help nobody.
const NAMES: usize = 3;

impl TlsProblem {
    /// `None` for what trying again can mend: a message that was damaged on its way.
    pub(super) fn of(error: &Error) -> Option<Self> {
        let days = |long: Duration| long.as_secs() / 86_400;
        Some(match error {
            Error::InvalidCertificate(certificate) => match certificate {
                Certificate::ExpiredContext { time, not_after } => Self::Expired(days(Duration::from_secs(
                    time.as_secs().saturating_sub(not_after.as_secs()),
                ))),
                Certificate::NotValidYetContext { time, not_before } => Self::Early(days(
                    Duration::from_secs(not_before.as_secs().saturating_sub(time.as_secs())),
                )),
                Certificate::NotValidForNameContext { presented, .. } => {
                    let names: Vec<_> = presented.iter().take(NAMES).map(|name| bare(name)).collect();
                    let more = if presented.len() > NAMES { " and others" } else { "" };
                    Self::OtherName(names.join(", ") + more)
                }
                Certificate::UnknownIssuer => Self::UnknownIssuer,
                Certificate::Other(OtherError(other))
                    if matches!(other.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity)) =>
                {
                    Self::Authority
                }
                other => Self::Other(other.to_string()),
            },
            Error::InvalidMessage(InvalidMessage::InvalidContentType) => Self::NotTls,
            Error::PeerIncompatible(PeerIncompatible::ServerDoesNotSupportTls12Or13)
            | Error::AlertReceived(Alert::ProtocolVersion) => Self::TooOld,
            Error::PeerIncompatible(_)
            | Error::PeerMisbehaved(_)
            | Error::AlertReceived(
                Alert::HandshakeFailure | Alert::AccessDenied | Alert::CertificateRequired,
            ) => Self::Other(error.to_string()),
            _ => return None,
        })
    }
}

/// `DnsName("example.com")` without what the library puts around it.
fn bare(name: &str) -> String {
    let inner = name.split_once('(').map_or(name, |(_, rest)| rest.trim_end_matches(')'));
    crate::name::escape(inner.trim_matches('"')).into_owned()
}

impl fmt::Display for TlsProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expired(days) => write!(f, "its certificate expired {days} days ago"),
            Self::Early(days) => write!(f, "its certificate is not valid before {days} days from now"),
            Self::OtherName(names) if names.is_empty() => f.write_str("its certificate names no host"),
            Self::OtherName(names) => write!(f, "its certificate is for {names}"),
            Self::UnknownIssuer => {
                f.write_str("its certificate is signed by nobody whom this machine trusts")
            }
            Self::Authority => f.write_str("its certificate is an authority's, not a server's"),
            Self::NotTls => f.write_str("what answers there does not speak TLS"),
            Self::TooOld => f.write_str("it offers nothing that is as new as TLS 1.2"),
            Self::Other(detail) => f.write_str(detail),
        }
    }
}
