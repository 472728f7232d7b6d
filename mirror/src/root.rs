//! The two root slots, `ROOT.A` and `ROOT.B`: 4,096 bytes each, made once,
//! overwritten in place in turn. What a commit did becomes true with one write
//! that touches no directory, and a torn one leaves the other slot.
//!
//! ```text
//! SEQUENCE SNAPSHOT LENGTH KEY SIGNATURE CHECKSUM, blanks up to byte 4,095, a newline
//!
//! SEQUENCE   decimal, from 1
//! SNAPSHOT   SHA-256 of the snapshot, 64 lower-case hexadecimal digits
//! LENGTH     of the snapshot in bytes, decimal
//! KEY        id of the signing key, or `-`
//! SIGNATURE  base64, or `-`
//! CHECKSUM   the first 16 hexadecimal digits of the SHA-256 of all that stands before it (the blank included)
//! ```
//! A slot of 4,095 blanks and a newline is empty.

use crate::digest::Hash;

/// Bytes of a slot.
pub const SLOT: usize = 4096;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    pub sequence: u64,
    pub snapshot: Hash,
    /// Bytes of the snapshot.
    pub length: u64,
    /// Id of the key that signed, and its signature over the snapshot's hash.
    pub signature: Option<(String, String)>,
}

/// What a slot's bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Slot {
    Empty,
    Valid(Root),
    /// Torn or damaged; the clause says how.
    Broken(&'static str),
}

impl Slot {
    pub fn root(&self) -> Option<&Root> {
        match self {
            Self::Valid(r) => Some(r),
            _ => None,
        }
    }

    pub fn parse(bytes: &[u8]) -> Self {
        match read(bytes) {
            Ok(Some(r)) => Self::Valid(r),
            Ok(None) => Self::Empty,
            Err(e) => Self::Broken(e),
        }
    }
}

fn read(bytes: &[u8]) -> Result<Option<Root>, &'static str> {
    if bytes.len() != SLOT {
        return Err("is not 4,096 bytes long");
    }
    if bytes[SLOT - 1] != b'\n' {
        return Err("does not end with a newline");
    }
    let text = std::str::from_utf8(&bytes[..SLOT - 1]).map_err(|_| "is not text")?;
    let line = text.trim_end_matches(' ');
    if line.is_empty() {
        return Ok(None);
    }
    let (body, checksum) = line.rsplit_once(' ').ok_or("is torn")?;
    if checksum_of(&line[..body.len() + 1]) != checksum {
        return Err("does not match its checksum");
    }
    let mut fields = body.split(' ');
    let mut next = || fields.next().ok_or("has too few fields");
    let sequence = number(next()?)?;
    let snapshot = Hash::parse(next()?).map_err(|_| "has a bad hash")?;
    let length = number(next()?)?;
    let (key, signature) = (next()?, next()?);
    if fields.next().is_some() {
        return Err("has too many fields");
    }
    let signature = match (key, signature) {
        ("-", "-") => None,
        ("-", _) | (_, "-") | ("", _) | (_, "") => return Err("has half a signature"),
        (k, s) => Some((k.to_string(), s.to_string())),
    };
    Ok(Some(Root { sequence, snapshot, length, signature }))
}

/// Decimal without sign or leading zero.
pub(crate) fn number(text: &str) -> Result<u64, &'static str> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text.len() == 1 || !text.starts_with('0'));
    text.parse().ok().filter(|_| plain).ok_or("has a bad number")
}

fn checksum_of(text: &str) -> String {
    let mut hex = Hash::of(text.as_bytes()).to_string();
    hex.truncate(16);
    hex
}

impl Root {
    /// The slot's 4,096 bytes.
    pub fn to_bytes(&self) -> [u8; SLOT] {
        let (key, signature) = match &self.signature {
            Some((k, s)) => (k.as_str(), s.as_str()),
            None => ("-", "-"),
        };
        let mut line = format!("{} {} {} {key} {signature} ", self.sequence, self.snapshot, self.length);
        let checksum = checksum_of(&line);
        line.push_str(&checksum);
        let mut out = empty();
        out[..line.len()].copy_from_slice(line.as_bytes());
        out
    }
}

/// The bytes of a slot that was never used.
pub fn empty() -> [u8; SLOT] {
    let mut out = [b' '; SLOT];
    out[SLOT - 1] = b'\n';
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_every_flipped_bit() {
        for signature in [None, Some(("ed25519-ab".to_string(), "c2ln".to_string()))] {
            let root = Root { sequence: 42, snapshot: Hash::of(b"x"), length: 123, signature };
            let bytes = root.to_bytes();
            assert_eq!(Slot::parse(&bytes), Slot::Valid(root));
            for i in 0..SLOT * 8 {
                let mut b = bytes;
                b[i / 8] ^= 1 << (i % 8);
                assert!(matches!(Slot::parse(&b), Slot::Broken(_)), "bit {i}");
            }
        }
        assert_eq!(Slot::parse(&empty()), Slot::Empty);
        // `printf '1 %064d 5 - - ' 0 | sha256sum`, the first 16 digits.
        let root = Root { sequence: 1, snapshot: Hash([0; 32]), length: 5, signature: None };
        let line = format!("1 {} 5 - - 2d8aa4768a175233 ", "0".repeat(64));
        assert!(root.to_bytes().starts_with(line.as_bytes()));
        assert!(matches!(Slot::parse(&[]), Slot::Broken(_)));
        assert!(matches!(Slot::parse(&[b' '; SLOT]), Slot::Broken(_)));
    }

    #[test]
    fn a_number_is_written_in_one_way() {
        assert_eq!(
            (number("0"), number("10"), number("18446744073709551615")),
            (Ok(0), Ok(10), Ok(u64::MAX))
        );
        for bad in ["", "+1", "-1", "01", "00", "1 ", "1a", "18446744073709551616"] {
            assert!(number(bad).is_err(), "{bad}");
        }
    }

    /// With a right checksum, so that it is the rest that is refused.
    #[test]
    fn a_line_that_does_not_fit_the_grammar_is_broken() {
        let hash = "0".repeat(64);
        let parse = |fields: &str| {
            let mut line = format!("{fields} ");
            line.push_str(&checksum_of(&line));
            let mut bytes = empty();
            bytes[..line.len()].copy_from_slice(line.as_bytes());
            Slot::parse(&bytes)
        };
        assert!(parse(&format!("1 {hash} 5 - -")).root().is_some());
        assert!(parse(&format!("1 {hash} 5 key c2ln")).root().is_some());
        for bad in [
            format!("1 {hash} 5 -"),
            format!("1 {hash} 5 - - -"),
            format!("1 {hash} 5 key -"),
            format!("1 {hash} 5 - c2ln"),
            format!("1 {hash} 5  c2ln"),
            format!("01 {hash} 5 - -"),
            format!("1 {hash} x - -"),
            format!("1 {} 5 - -", &hash[1..]),
        ] {
            assert!(matches!(parse(&bad), Slot::Broken(_)), "{bad}");
        }
    }
}
