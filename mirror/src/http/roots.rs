//! Which certificate authorities are trusted.
//!
//! Built-in roots alone fail behind a gateway that opens TLS with its own
//! authority, so files come first: those that were configured, then the one
//! that `SSL_CERT_FILE` names, then the system's bundle, then the built-in ones.

use super::error::HttpError;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use ureq::tls::{Certificate, PemItem, RootCerts, parse_pem};

/// Where the roots come from; all empty: the system's bundle.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RootOptions {
    /// `--cafile` or npm's `cafile`: takes the place of everything else.
    pub cafile: Option<PathBuf>,
    /// npm's `ca`: certificates in PEM, likewise.
    pub ca: Vec<String>,
    /// `SSL_CERT_FILE`: takes the place of the system's bundle.
    pub ssl_cert_file: Option<PathBuf>,
    /// `NODE_EXTRA_CA_CERTS`: in addition to any of them (but not to the
    /// built-in ones, which can only be used alone).
    pub extra: Option<PathBuf>,
}

/// Where distributions keep the bundle.
const SYSTEM: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/usr/local/etc/ssl/cert.pem",
];

/// A bundle has a few hundred KB.
const CAP: u64 = 16 << 20;

pub(super) fn load(options: &RootOptions) -> Result<RootCerts, HttpError> {
    let mut roots = Vec::new();
    if options.cafile.is_some() || !options.ca.is_empty() {
        for (i, pem) in options.ca.iter().enumerate() {
            add(pem.as_bytes(), Path::new(&format!("ca[{i}]")), &mut roots)?;
        }
        if let Some(path) = &options.cafile {
            add(&read(path)?, path, &mut roots)?;
        }
    } else if let Some(path) = &options.ssl_cert_file {
        add(&read(path)?, path, &mut roots)?;
    } else if let Some((path, pem)) =
        SYSTEM.iter().find_map(|p| Some((Path::new(p), read(Path::new(p)).ok()?)))
    {
        // A broken certificate in a system's bundle is not the user's fault.
        let _ = add(&pem, path, &mut roots);
    }
    if let Some(path) = &options.extra {
        add(&read(path)?, path, &mut roots)?;
    }
    Ok(if roots.is_empty() { RootCerts::WebPki } else { RootCerts::from(roots) })
}

fn read(path: &Path) -> Result<Vec<u8>, HttpError> {
    let fail = |detail: String| HttpError::Roots { path: path.to_path_buf(), detail };
    let file = File::open(path).map_err(|e| fail(e.to_string()))?;
    let mut bytes = Vec::new();
    file.take(CAP).read_to_end(&mut bytes).map_err(|e| fail(e.to_string()))?;
    Ok(bytes)
}

fn add(pem: &[u8], path: &Path, roots: &mut Vec<Certificate<'static>>) -> Result<(), HttpError> {
    let before = roots.len();
    for item in parse_pem(pem) {
        match item {
            Ok(PemItem::Certificate(c)) => roots.push(c),
            Ok(_) => {}
            Err(e) => return Err(HttpError::Roots { path: path.to_path_buf(), detail: e.to_string() }),
        }
    }
    if roots.len() == before {
        return Err(HttpError::Roots { path: path.to_path_buf(), detail: "there is none in it".into() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_file_must_hold_certificates() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.pem");
        let options = RootOptions { cafile: Some(path.clone()), ..RootOptions::default() };
        assert!(matches!(load(&options), Err(HttpError::Roots { .. })));
        std::io::Write::write_all(
            &mut File::options().write(true).create_new(true).open(&path).unwrap(),
            b"hello",
        )
        .unwrap();
        let text = load(&options).err().unwrap().to_string();
        assert!(text.contains("x.pem") && text.contains("none"), "{text}");
        assert!(load(&RootOptions::default()).is_ok());
    }
}
