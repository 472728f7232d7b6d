//! The texts of the table. A row holds what tells its text from the others; the texts themselves lie deflated in one
//! piece, which the build makes from the same table (src/build/main.rs): a third of the bytes, and no pointer to
//! each that every start would have to set.

use std::sync::OnceLock;

/// All texts, deflated, each with a zero byte behind it; and their length inflated.
static DEFLATED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/texts"));
const LENGTH: usize = include!(concat!(env!("OUT_DIR"), "/texts.length"));

/// A text, by its hash (FNV-1a). The build makes sure that no two have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text(u32);

impl Text {
    pub const fn new(text: &str) -> Self {
        Self(hash(START, text))
    }
    pub fn get(self) -> &'static str {
        all().iter().find(|(known, _)| *known == self).map_or("", |(_, text)| text)
    }
}

/// Command lines (without the program's name) and what each does: one text, a line for each, a tab between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Examples(Text);

impl Examples {
    pub const fn new(lines: &[(&str, &str)]) -> Self {
        let (mut state, mut i) = (START, 0);
        while i < lines.len() {
            state = hash(hash(state, lines[i].0), "\t");
            state = hash(hash(state, lines[i].1), "\n");
            i += 1;
        }
        Self(Text(state))
    }
    pub fn get(self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.0.get().lines().filter_map(|line| line.split_once('\t'))
    }
}

const START: u32 = 0x811c_9dc5;

const fn hash(mut state: u32, text: &str) -> u32 {
    let (bytes, mut i) = (text.as_bytes(), 0);
    while i < bytes.len() {
        state = (state ^ bytes[i] as u32).wrapping_mul(0x0100_0193);
        i += 1;
    }
    state
}

fn all() -> &'static [(Text, &'static str)] {
    static ALL: OnceLock<Vec<(Text, &'static str)>> = OnceLock::new();
    ALL.get_or_init(|| {
        let texts = mirror::inflate(DEFLATED, LENGTH).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let texts = texts.unwrap_or_default().leak();
        texts.split_terminator('\0').map(|text| (Text::new(text), text)).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_is_found_by_what_the_table_knows() {
        assert!(all().len() > 300, "{}", all().len());
        for (text, words) in all() {
            assert_eq!(text.get(), *words);
        }
        assert_eq!(Text::new("").get(), "");
        assert_eq!(Text::new("Show the version").get(), "Show the version");
        let lines = Examples::new(&[
            ("help install", "Explain a command"),
            ("help environment", "List the variables"),
        ]);
        assert_eq!(lines.get().last(), Some(("help environment", "List the variables")));
    }
}
