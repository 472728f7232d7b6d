//! The order in which npm visits names and folders: that of
//! `String.prototype.localeCompare` in English. Names and paths here are ASCII.
//!
//! Punctuation comes before digits, digits before letters; case only decides
//! between texts that are equal otherwise, lower case first.

use std::cmp::Ordering;

/// All printable ASCII, ascending. Upper-case letters follow their lower-case ones.
const ORDER: &[u8] =
    b" _-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$0123456789aAbBcCdDeEfFgGhHiIjJkKlLmMnNoOpPqQrRsStTuUvVwWxXyYzZ";

/// Weight of a character without regard to case; never 0.
const WEIGHT: [u8; 256] = {
    let mut table = [255; 256];
    let mut i = 0;
    while i < ORDER.len() {
        let c = ORDER[i];
        table[c as usize] = if c.is_ascii_uppercase() { i as u8 } else { i as u8 + 1 };
        i += 1;
    }
    table
};

/// Compares as `a.localeCompare(b, 'en')`.
pub fn compare(a: &str, b: &str) -> Ordering {
    let primary = a.bytes().map(|c| WEIGHT[c as usize]).cmp(b.bytes().map(|c| WEIGHT[c as usize]));
    primary.then_with(|| {
        // Equal but for case: lower case first.
        a.bytes().map(|c| c.is_ascii_uppercase()).cmp(b.bytes().map(|c| c.is_ascii_uppercase()))
    })
}

/// Appends a key to `out`: keys compare bytewise as [`compare`] does.
pub fn key(text: &str, out: &mut Vec<u8>) {
    out.extend(text.bytes().map(|c| WEIGHT[c as usize]));
    out.push(0);
    out.extend(text.bytes().map(|c| u8::from(c.is_ascii_uppercase())));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_node_sorts() {
        let sorted = [
            "@a/b", "@a/b-c", "_x", "a", "A", "a_b", "a-b", "a.b", "a/b", "ab", "aB", "Ab", "AB", "ab2",
            "x10", "x2",
        ];
        // As `['…'].sort((a, b) => a.localeCompare(b, 'en'))` gives it.
        let mut ours = sorted;
        ours.sort_by(|a, b| compare(a, b));
        let expected = [
            "_x", "@a/b", "@a/b-c", "a", "A", "a_b", "a-b", "a.b", "a/b", "ab", "aB", "Ab", "AB", "ab2",
            "x10", "x2",
        ];
        assert_eq!(ours, expected);
        for a in sorted {
            for b in sorted {
                let (mut x, mut y) = (Vec::new(), Vec::new());
                key(a, &mut x);
                key(b, &mut y);
                assert_eq!(x.cmp(&y), compare(a, b), "{a} {b}");
            }
        }
    }
}
