//! The curve P-256 for TLS: signatures of servers are checked and keys are agreed on by the crate `p256`.
//!
//! *ring* does it faster (microseconds of a connection that takes milliseconds) by a table of 150 KB, which was
//! a twentieth of the program. Points are taken uncompressed only, as TLS writes them.

use p256::ecdsa::signature::hazmat::PrehashVerifier;
use p256::ecdsa::{Signature, VerifyingKey};
use p256::elliptic_curve::sec1::ToSec1Point;
use p256::{PublicKey, SecretKey};
use rustls::crypto::{ActiveKeyExchange, SharedSecret, SupportedKxGroup};
use rustls::ffdhe_groups::FfdheGroup;
use rustls::pki_types::{AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id};
use rustls::{Error, NamedGroup, PeerMisbehaved};
use sha2::{Digest, Sha256, Sha384};

/// What a signature signs is this hash of the message.
#[derive(Debug)]
pub(super) enum Ecdsa {
    Sha256,
    Sha384,
}

impl SignatureVerificationAlgorithm for Ecdsa {
    fn verify_signature(&self, key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        let verify = || {
            let key = VerifyingKey::from_sec1_bytes(uncompressed(key)?).ok()?;
            let signature = Signature::from_der(signature).ok()?;
            match self {
                Self::Sha256 => key.verify_prehash(&Sha256::digest(message), &signature),
                Self::Sha384 => key.verify_prehash(&Sha384::digest(message), &signature),
            }
            .ok()
        };
        verify().ok_or(InvalidSignature)
    }
    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_P256
    }
    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        match self {
            Self::Sha256 => alg_id::ECDSA_SHA256,
            Self::Sha384 => alg_id::ECDSA_SHA384,
        }
    }
}

/// Bytes of a point: a tag and both coordinates.
const POINT: usize = 65;

fn uncompressed(point: &[u8]) -> Option<&[u8]> {
    (point.len() == POINT && point[0] == 4).then_some(point)
}

/// Diffie-Hellman with a key of one use.
#[derive(Debug)]
pub(super) struct Ecdh;

impl SupportedKxGroup for Ecdh {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        // One number in 2^32 is no scalar of the curve.
        let secret = loop {
            let mut bytes = [0; 32];
            getrandom::getrandom(&mut bytes).map_err(|_| Error::FailedToGetRandomBytes)?;
            if let Ok(secret) = SecretKey::from_slice(&bytes) {
                break secret;
            }
        };
        let public = secret.public_key().to_sec1_point(false);
        Ok(Box::new(Exchange { secret, public: public.as_bytes().into() }))
    }
    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }
    fn name(&self) -> NamedGroup {
        NamedGroup::secp256r1
    }
}

struct Exchange {
    secret: SecretKey,
    public: Box<[u8]>,
}

impl ActiveKeyExchange for Exchange {
    fn complete(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, Error> {
        let peer = uncompressed(peer).and_then(|point| PublicKey::from_sec1_bytes(point).ok());
        let peer = peer.ok_or(PeerMisbehaved::InvalidKeyShare)?;
        Ok(SharedSecret::from(self.secret.diffie_hellman(&peer).raw_secret_bytes().as_slice()))
    }
    fn pub_key(&self) -> &[u8] {
        &self.public
    }
    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }
    fn group(&self) -> NamedGroup {
        NamedGroup::secp256r1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rcgen::{KeyPair, SigningKey};
    use webpki::ring;

    const BOTH: [(&Ecdsa, &dyn SignatureVerificationAlgorithm); 2] =
        [(&Ecdsa::Sha256, ring::ECDSA_P256_SHA256), (&Ecdsa::Sha384, ring::ECDSA_P256_SHA384)];

    /// The order of the curve.
    const N: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa,
        0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];

    fn integer(bytes: &[u8]) -> Vec<u8> {
        let zeros = bytes.iter().take_while(|b| **b == 0).count().min(bytes.len() - 1);
        let mut value = bytes[zeros..].to_vec();
        if value[0] & 0x80 != 0 {
            value.insert(0, 0);
        }
        [&[2, value.len() as u8], &value[..]].concat()
    }

    fn der(r: &[u8], s: &[u8]) -> Vec<u8> {
        let body = [integer(r), integer(s)].concat();
        [&[0x30, body.len() as u8], &body[..]].concat()
    }

    proptest! {
        /// The same verdict as *ring*'s, on what is signed and on what is nearly so.
        #[test]
        fn judges_signatures_as_the_other_does(
            message in proptest::collection::vec(any::<u8>(), 0..200),
            what in 0..3usize, at in any::<proptest::sample::Index>(), bit in 0..8u8,
        ) {
            let pair = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
            let (mut key, mut signed) = (pair.public_key_raw().to_vec(), message.clone());
            let mut signature = pair.sign(&message).unwrap();
            prop_assert!(Ecdsa::Sha256.verify_signature(&key, &message, &signature).is_ok());
            prop_assert!(Ecdsa::Sha384.verify_signature(&key, &message, &signature).is_err());
            let harmed = [&mut key, &mut signed, &mut signature].into_iter().nth(what).unwrap();
            if !harmed.is_empty() {
                let at = at.index(harmed.len());
                harmed[at] ^= 1 << bit;
            }
            for (ours, other) in BOTH {
                let verdicts = [ours, other].map(|a| a.verify_signature(&key, &signed, &signature).is_ok());
                prop_assert_eq!(verdicts[0], verdicts[1], "{:?}", ours);
                prop_assert_eq!(ours.public_key_alg_id(), other.public_key_alg_id());
                prop_assert_eq!(ours.signature_alg_id(), other.signature_alg_id());
            }
        }
    }

    #[test]
    fn refuses_numbers_and_points_at_the_edges_as_the_other_does() {
        let pair = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let key = pair.public_key_raw();
        let good = pair.sign(b"x").unwrap();
        let (zero, one) = ([0; 32], [1]);
        let less = {
            let mut n = N;
            n[31] -= 1;
            n
        };
        let mut signatures: Vec<Vec<u8>> = vec![good.clone(), vec![], [&good[..], &[0]].concat()];
        for r in [&zero[..], &one, &less, &N, &[0xff; 32], &[0xff; 33]] {
            for s in [&zero[..], &one, &less, &N, &[0xff; 32]] {
                signatures.push(der(r, s));
            }
        }
        let mut long = good.clone();
        long.splice(1..2, [0x81, good[1]]); // a length in more bytes than it needs
        signatures.push(long);
        let mut compressed = vec![2 + (key[64] & 1)];
        compressed.extend(&key[1..33]);
        let hybrid = [&[6 + (key[64] & 1)], &key[1..]].concat();
        let off = {
            let mut off = key.to_vec();
            off[64] ^= 1;
            off
        };
        let zeros = [&[4][..], &[0; 64]].concat();
        let keys: Vec<&[u8]> = vec![key, &compressed, &hybrid, &off, &zeros, &[0], &[], &key[..64]];
        let mut taken = 0;
        for key in keys {
            for signature in &signatures {
                for (ours, other) in BOTH {
                    let ours = ours.verify_signature(key, b"x", signature).is_ok();
                    assert_eq!(
                        ours,
                        other.verify_signature(key, b"x", signature).is_ok(),
                        "{key:x?} {signature:x?}"
                    );
                    taken += usize::from(ours);
                }
            }
        }
        assert_eq!(taken, 1);
    }

    #[test]
    fn agrees_with_the_other() {
        let other = rustls::crypto::ring::kx_group::SECP256R1;
        assert_eq!((Ecdh.name(), Ecdh.name()), (other.name(), Ecdh.start().unwrap().group()));
        for _ in 0..50 {
            let (a, b) = (Ecdh.start().unwrap(), other.start().unwrap());
            let (left, right) = (a.pub_key().to_vec(), b.pub_key().to_vec());
            assert_eq!(left.len(), right.len());
            let (a, b) = (a.complete(&right).unwrap(), b.complete(&left).unwrap());
            assert_eq!(a.secret_bytes(), b.secret_bytes());
        }
        let point = other.start().unwrap().pub_key().to_vec();
        let off = {
            let mut off = point.clone();
            off[64] ^= 1;
            off
        };
        let compressed = [&[2 + (point[64] & 1)], &point[1..33]].concat();
        for bad in [&off[..], &compressed, &[0], &[], &point[..64]] {
            assert!(Ecdh.start().unwrap().complete(bad).is_err(), "{bad:x?}");
        }
    }
}
