//! What TLS computes with: *ring*, without what a client never does. A quarter of a megabyte of what its own
//! provider names would only lie in the binary: signing with keys of one's own, its tables for P-256 and X25519
//! (`p256`, `x25519`), and on x86-64, where processors have instructions for AES and every server takes it,
//! ChaCha20.

use super::p256::{Ecdh, Ecdsa};
use super::x25519::X25519;
use rustls::crypto::ring::{cipher_suite as suite, kx_group};
use rustls::crypto::{CryptoProvider, GetRandomFailed, KeyProvider, SecureRandom, WebPkiSupportedAlgorithms};
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::SigningKey;
use rustls::{Error, SignatureScheme as Scheme, SupportedCipherSuite};
use std::sync::Arc;
use webpki::ring;

pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider {
        cipher_suites: SUITES.to_vec(),
        kx_groups: vec![&X25519, &Ecdh, kx_group::SECP384R1],
        signature_verification_algorithms: SIGNATURES,
        secure_random: &System,
        key_provider: &System,
    })
}

/// In the order in which they are offered.
static SUITES: &[SupportedCipherSuite] = &[
    suite::TLS13_AES_256_GCM_SHA384,
    suite::TLS13_AES_128_GCM_SHA256,
    #[cfg(not(target_arch = "x86_64"))]
    suite::TLS13_CHACHA20_POLY1305_SHA256,
    suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    #[cfg(not(target_arch = "x86_64"))]
    suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    #[cfg(not(target_arch = "x86_64"))]
    suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
];

/// TLS 1.2 leaves the curve to the certificate, TLS 1.3 takes the first of each row.
static SIGNATURES: WebPkiSupportedAlgorithms = WebPkiSupportedAlgorithms {
    all: &[
        &Ecdsa::Sha256,
        &Ecdsa::Sha384,
        ring::ECDSA_P384_SHA256,
        ring::ECDSA_P384_SHA384,
        ring::ED25519,
        ring::RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
        ring::RSA_PSS_2048_8192_SHA384_LEGACY_KEY,
        ring::RSA_PSS_2048_8192_SHA512_LEGACY_KEY,
        ring::RSA_PKCS1_2048_8192_SHA256,
        ring::RSA_PKCS1_2048_8192_SHA384,
        ring::RSA_PKCS1_2048_8192_SHA512,
        ring::RSA_PKCS1_2048_8192_SHA256_ABSENT_PARAMS,
        ring::RSA_PKCS1_2048_8192_SHA384_ABSENT_PARAMS,
        ring::RSA_PKCS1_2048_8192_SHA512_ABSENT_PARAMS,
    ],
    mapping: &[
        (Scheme::ECDSA_NISTP384_SHA384, &[ring::ECDSA_P384_SHA384, &Ecdsa::Sha384]),
        (Scheme::ECDSA_NISTP256_SHA256, &[&Ecdsa::Sha256, ring::ECDSA_P384_SHA256]),
        (Scheme::ED25519, &[ring::ED25519]),
        (Scheme::RSA_PSS_SHA512, &[ring::RSA_PSS_2048_8192_SHA512_LEGACY_KEY]),
        (Scheme::RSA_PSS_SHA384, &[ring::RSA_PSS_2048_8192_SHA384_LEGACY_KEY]),
        (Scheme::RSA_PSS_SHA256, &[ring::RSA_PSS_2048_8192_SHA256_LEGACY_KEY]),
        (Scheme::RSA_PKCS1_SHA512, &[ring::RSA_PKCS1_2048_8192_SHA512]),
        (Scheme::RSA_PKCS1_SHA384, &[ring::RSA_PKCS1_2048_8192_SHA384]),
        (Scheme::RSA_PKCS1_SHA256, &[ring::RSA_PKCS1_2048_8192_SHA256]),
    ],
};

#[derive(Debug)]
struct System;

impl SecureRandom for System {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), GetRandomFailed> {
        getrandom::getrandom(bytes).map_err(|_| GetRandomFailed)
    }
}

impl KeyProvider for System {
    fn load_private_key(&self, _: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, Error> {
        Err(Error::General("certificates of clients are not supported".into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::pki_types::SignatureVerificationAlgorithm as Algorithm;

    /// Nothing that the library's own provider can check is left out here, nor anything weaker taken.
    #[test]
    fn verifies_what_the_library_verifies() {
        let (ours, whole) = (provider(), rustls::crypto::ring::default_provider());
        let names = |p: &CryptoProvider| {
            let known = &p.signature_verification_algorithms;
            let ids = |list: &[&dyn Algorithm]| -> Vec<_> {
                list.iter().map(|a| (a.public_key_alg_id(), a.signature_alg_id())).collect()
            };
            (ids(known.all), known.mapping.iter().map(|(s, list)| (*s, ids(list))).collect::<Vec<_>>())
        };
        assert_eq!(names(&ours), names(&whole));
        assert_eq!(
            ours.kx_groups.iter().map(|g| g.name()).collect::<Vec<_>>(),
            whole.kx_groups.iter().map(|g| g.name()).collect::<Vec<_>>()
        );
        let without = |p: &CryptoProvider| -> Vec<_> {
            let names = p.cipher_suites.iter().map(|s| format!("{:?}", s.suite()));
            names.filter(|n| cfg!(not(target_arch = "x86_64")) || !n.contains("CHACHA20")).collect()
        };
        assert!(without(&ours).len() >= 6);
        assert_eq!(without(&ours), without(&whole));
        let mut bytes = [0; 64];
        ours.secure_random.fill(&mut bytes).unwrap();
        assert_ne!(bytes, [0; 64]);
    }
}
