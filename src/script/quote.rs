//! Words → one line for `sh`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// `text` and the words behind it, each as one word whatever it holds.
pub fn line(text: &str, words: &[OsString]) -> OsString {
    let mut line = text.as_bytes().to_vec();
    for word in words {
        line.push(b' ');
        push(&mut line, word);
    }
    OsString::from_vec(line)
}

fn push(line: &mut Vec<u8>, word: &OsStr) {
    let bytes = word.as_bytes();
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"-_./:=@%+,".contains(b);
    if !bytes.is_empty() && bytes.iter().all(plain) {
        return line.extend_from_slice(bytes);
    }
    line.push(b'\'');
    for byte in bytes {
        match byte {
            b'\'' => line.extend_from_slice(b"'\\''"),
            byte => line.push(*byte),
        }
    }
    line.push(b'\'');
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        /// The shell gives back what was put in.
        #[test]
        fn any_word_stays_one_word(words in proptest::collection::vec(proptest::collection::vec(1u8.., 0..12), 0..4)) {
            let words: Vec<OsString> = words.into_iter().map(OsString::from_vec).collect();
            let out = std::process::Command::new("/bin/sh")
                .arg("-c").arg(line("printf '%s\\0'", &words)).output().unwrap();
            let mut expected: Vec<u8> = words.iter().flat_map(|w| [w.as_bytes(), b"\0"].concat()).collect();
            if words.is_empty() {
                expected.push(0);
            }
            proptest::prop_assert_eq!(out.stdout, expected);
        }
    }
}
