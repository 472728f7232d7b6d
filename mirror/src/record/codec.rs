//! The two things every binary structure of a mirror is made of: unsigned
//! LEB128 numbers and length-prefixed UTF-8 text. The reader checks every
//! length against what is left before it looks, so that no bytes can make it
//! panic or allocate.

/// Appends `n` in base 128, lowest group first, high bit set on all but the last byte.
pub(crate) fn put_number(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

/// Appends length in bytes, then the bytes.
pub(crate) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_number(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Reads from the front of a slice; the error is a clause such as «is cut off».
#[derive(Clone)]
pub(crate) struct Cursor<'a> {
    pub bytes: &'a [u8],
    pub at: usize,
}

type Read<T> = Result<T, &'static str>;
const CUT: &str = "is cut off";

impl<'a> Cursor<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }
    pub fn left(&self) -> usize {
        self.bytes.len() - self.at
    }
    pub fn byte(&mut self) -> Read<u8> {
        let b = *self.bytes.get(self.at).ok_or(CUT)?;
        self.at += 1;
        Ok(b)
    }
    pub fn take(&mut self, n: usize) -> Read<&'a [u8]> {
        if n > self.left() {
            return Err(CUT);
        }
        let s = &self.bytes[self.at..self.at + n];
        self.at += n;
        Ok(s)
    }
    pub fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        self.take(N)?.try_into().map_err(|_| CUT)
    }
    pub fn number(&mut self) -> Read<u64> {
        let mut n = 0u64;
        for shift in (0..64).step_by(7) {
            let b = self.byte()?;
            let group = u64::from(b & 0x7f);
            if shift == 63 && group > 1 {
                break;
            }
            n |= group << shift;
            if b & 0x80 == 0 {
                return Ok(n);
            }
        }
        Err("has a number that is too large")
    }
    /// A length or count, refused when it is more than the bytes that are left
    /// (everything counted takes at least a byte).
    pub fn count(&mut self) -> Read<usize> {
        let n = self.number()?;
        if n > self.left() as u64 { Err(CUT) } else { Ok(n as usize) }
    }
    pub fn text(&mut self) -> Read<&'a str> {
        let n = self.count()?;
        std::str::from_utf8(self.take(n)?).map_err(|_| "has text that is not UTF-8")
    }
    pub fn end(&self) -> Read<()> {
        if self.left() == 0 { Ok(()) } else { Err("has bytes after its end") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_bounds() {
        for n in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let mut out = Vec::new();
            put_number(&mut out, n);
            let mut c = Cursor::new(&out);
            assert_eq!((c.number(), c.left()), (Ok(n), 0));
            assert!(Cursor::new(&out[..out.len() - 1]).number().is_err());
        }
        assert!(Cursor::new(&[0xff; 11]).number().is_err());
        assert!(Cursor::new(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]).number().is_err());
        assert!(Cursor::new(&[5, b'a']).text().is_err());
        assert!(Cursor::new(&[1, 0xff]).text().is_err());
    }
}
