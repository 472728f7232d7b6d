//! X25519 for TLS, on the arithmetic of `ed25519-compact`, which signatures bring along: *ring* is faster
//! (microseconds of a connection that takes milliseconds) by a table and code of 33 KB.

use ed25519_compact::x25519::{PublicKey, SecretKey};
use rustls::crypto::{ActiveKeyExchange, SharedSecret, SupportedKxGroup};
use rustls::ffdhe_groups::FfdheGroup;
use rustls::{Error, NamedGroup, PeerMisbehaved};

/// Diffie-Hellman with a key of one use.
#[derive(Debug)]
pub(super) struct X25519;

impl SupportedKxGroup for X25519 {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let mut secret = [0; SecretKey::BYTES];
        getrandom::getrandom(&mut secret).map_err(|_| Error::FailedToGetRandomBytes)?;
        let secret = SecretKey::new(secret);
        let public = secret.recover_public_key().map_err(|_| Error::FailedToGetRandomBytes)?;
        Ok(Box::new(Exchange { secret, public }))
    }
    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }
    fn name(&self) -> NamedGroup {
        NamedGroup::X25519
    }
}

struct Exchange {
    secret: SecretKey,
    public: PublicKey,
}

impl ActiveKeyExchange for Exchange {
    /// Every 32 bytes are a point (RFC 7748, section 5), but with those of small order nothing is agreed on.
    fn complete(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, Error> {
        let shared = peer.try_into().ok().and_then(|peer| PublicKey::new(peer).dh(&self.secret).ok());
        let shared = shared.ok_or(PeerMisbehaved::InvalidKeyShare)?;
        Ok(SharedSecret::from(shared.as_slice()))
    }
    fn pub_key(&self) -> &[u8] {
        self.public.as_slice()
    }
    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }
    fn group(&self) -> NamedGroup {
        NamedGroup::X25519
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::crypto::ring::kx_group;

    fn hex(text: &str) -> [u8; 32] {
        let mut bytes = [0; 32];
        crate::digest::hex_decode(text, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn agrees_with_the_other() {
        let other = kx_group::X25519;
        assert_eq!((X25519.name(), X25519.start().unwrap().group()), (other.name(), other.name()));
        for round in 0..50 {
            let (a, b) = (X25519.start().unwrap(), other.start().unwrap());
            let (left, mut right) = (a.pub_key().to_vec(), b.pub_key().to_vec());
            // The last bit of a point counts for nothing.
            right[31] |= (round & 1) << 7;
            let (a, b) = (a.complete(&right).unwrap(), b.complete(&left).unwrap());
            assert_eq!(a.secret_bytes(), b.secret_bytes());
        }
    }

    /// RFC 7748, section 5.2.
    #[test]
    fn computes_what_the_standard_gives() {
        let shared = |secret, point| *PublicKey::new(hex(point)).dh(&SecretKey::new(hex(secret))).unwrap();
        for (secret, point, result) in [
            (
                "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
                "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
                "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552",
            ),
            // Its point is no canonical one.
            (
                "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
                "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
                "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957",
            ),
        ] {
            assert_eq!(shared(secret, point), hex(result));
        }
    }

    #[test]
    fn refuses_points_of_small_order_and_other_lengths_as_the_other_does() {
        let p = |last: u8| {
            let mut bytes = [0xff; 32];
            (bytes[0], bytes[31]) = (last, 0x7f);
            bytes
        };
        let (mut one, mut nine) = ([0; 32], [0; 32]);
        (one[0], nine[0]) = (1, 9);
        let order_8 = hex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800");
        let weak: [[u8; 32]; 6] = [[0; 32], one, order_8, p(0xec), p(0xed), p(0xee)];
        for point in weak.iter().map(|p| &p[..]).chain([&[][..], &nine[..31], &[9; 33]]) {
            for group in [&X25519, kx_group::X25519 as &dyn SupportedKxGroup] {
                assert!(group.start().unwrap().complete(point).is_err(), "{point:x?}");
            }
        }
        assert!(X25519.start().unwrap().complete(&nine).is_ok());
        assert!(X25519.start().unwrap().complete(&p(0xef)).is_ok());
    }
}
