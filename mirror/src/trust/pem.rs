//! Public keys as PEM: written as RFC 8410 has them, so that other programs read them; read also as
//! the earlier program wrote them, with the bare 32 bytes. Text around is passed over (RFC 7468).

use super::PublicKey;
use crate::digest::base64_decode;
use base64ct::{Base64, Encoding};

const BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
const END: &str = "-----END PUBLIC KEY-----";
/// What stands before the 32 bytes: SubjectPublicKeyInfo of id-Ed25519.
const INFO: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

impl PublicKey {
    pub fn to_pem(&self) -> String {
        let mut bytes = INFO.to_vec();
        bytes.extend(self.bytes());
        format!("{BEGIN}\n{}\n{END}\n", Base64::encode_string(&bytes))
    }

    /// The one key in the text.
    pub fn from_pem(text: &str) -> Option<Self> {
        let (_, rest) = text.split_once(BEGIN)?;
        let (body, after) = rest.split_once(END)?;
        if after.contains(BEGIN) {
            return None;
        }
        let body: String = body.split_ascii_whitespace().collect();
        let mut info = [0; 44];
        if base64_decode(body.as_bytes(), &mut info).is_none() {
            return Self::parse(&body);
        }
        let key = info.strip_prefix(&INFO)?;
        Self::new(key.try_into().ok()?)
    }
}
