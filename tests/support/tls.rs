//! The loopback registry behind TLS: certificates made for the occasion, and servers that are none.
//!
//! An authority of its own signs for 127.0.0.1; each [`Identity`] that is not good differs from the good one in one thing.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// What a server says of itself when somebody connects.
#[derive(Clone)]
pub enum Identity {
    Certificate(Arc<ServerConfig>),
    /// Bytes instead of a handshake, then the end of the connection.
    Bytes(&'static [u8]),
    /// Accepts and says nothing.
    Silent,
}

/// A handshake message "server hello" of TLS 1.1, with a cipher of its time.
const TLS_1_1: &[u8] = b"\x16\x03\x02\x00\x2a\x02\x00\x00\x26\x03\x02\
    0123456789abcdef0123456789abcdef\x00\x00\x2f\x00";
/// The alert "protocol version", which servers send that know what they are asked for and do not have it.
const TOO_NEW: &[u8] = b"\x15\x03\x01\x00\x02\x02\x46";

fn other(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::other(error)
}

fn authority(name: &str) -> Result<CertifiedIssuer<'static, KeyPair>, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate()?)
}

impl Identity {
    /// The identity, and in PEM the authority that a user would have to trust.
    pub fn new(kind: &str) -> io::Result<(Self, String)> {
        let ours = authority("The authority of a test").map_err(other)?;
        let identity = match kind {
            "cut" => Self::Bytes(&TLS_1_1[..20]),
            "plain" => {
                Self::Bytes(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            }
            "old" => Self::Bytes(TLS_1_1),
            "too-new" => Self::Bytes(TOO_NEW),
            "silent" => Self::Silent,
            kind => Self::Certificate(Arc::new(server(kind, &ours).map_err(other)?)),
        };
        Ok((identity, ours.pem()))
    }

    pub fn accept(&self, mut stream: TcpStream) -> io::Result<StreamOwned<ServerConnection, TcpStream>> {
        match self {
            Self::Certificate(config) => {
                let mut connection = ServerConnection::new(config.clone()).map_err(other)?;
                connection.complete_io(&mut stream)?;
                Ok(StreamOwned::new(connection, stream))
            }
            Self::Bytes(bytes) => {
                // What is closed before all was read is reset, and the bytes are lost.
                let mut hello = [0; 4096];
                let _ = stream.read(&mut hello)?;
                stream.write_all(bytes)?;
                Err(io::ErrorKind::ConnectionAborted.into())
            }
            Self::Silent => {
                std::thread::sleep(Duration::from_secs(120));
                Err(io::ErrorKind::TimedOut.into())
            }
        }
    }
}

fn server(
    kind: &str,
    ours: &CertifiedIssuer<'_, KeyPair>,
) -> Result<ServerConfig, Box<dyn std::error::Error + Send + Sync>> {
    let key = KeyPair::generate()?;
    let name = if kind == "elsewhere" { "elsewhere.example.com" } else { "127.0.0.1" };
    let mut params = CertificateParams::new([name.to_owned()])?;
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2120, 1, 1);
    let certificate = match kind {
        "good" | "elsewhere" => params.signed_by(&key, ours)?,
        "expired" => {
            params.not_after = date_time_ymd(2021, 1, 1);
            params.signed_by(&key, ours)?
        }
        "early" => {
            params.not_before = date_time_ymd(2119, 1, 1);
            params.signed_by(&key, ours)?
        }
        "stranger" => params.signed_by(&key, &*authority("Somebody else")?)?,
        "self-signed" => params.self_signed(&key)?,
        "authority" => {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.signed_by(&key, ours)?
        }
        kind => return Err(format!("no server is called `{kind}`").into()),
    };
    let key = PrivateKeyDer::try_from(key.serialize_der())?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(config.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key)?)
}
