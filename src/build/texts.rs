//! The texts of the command table in one deflated piece. The table's own files are compiled into this program; where
//! the shipped one keeps a hash of a text (src/cli/text.rs), here the text itself stands.

use flate2::{Compress, Compression, FlushCompress, Status};
use std::collections::BTreeSet;
use std::fs::write as put;
use std::path::Path;

use crate::cli::command::Command;
use crate::cli::invocation::Program;
use crate::cli::table;

pub fn write(dir: &Path) {
    let mut texts = BTreeSet::from([String::new()]);
    table::GLOBAL.iter().for_each(|flag| add(&mut texts, flag.help.0));
    table::variables::VARIABLES.iter().for_each(|variable| add(&mut texts, variable.help.0));
    for program in [Program::Pantry, Program::Mzp] {
        table::roots(program).for_each(|row| walk(&mut texts, row));
    }
    let mut hashes = BTreeSet::new();
    for text in &texts {
        assert!(
            !text.contains('\0') && hashes.insert(hash(text)),
            "a text that is not told from others: {text}"
        );
    }
    let all: String = texts.iter().flat_map(|text| [text.as_str(), "\0"]).collect();
    let mut deflated = Vec::with_capacity(all.len() + 64);
    let done = Compress::new(Compression::best(), false).compress_vec(
        all.as_bytes(),
        &mut deflated,
        FlushCompress::Finish,
    );
    assert!(matches!(done, Ok(Status::StreamEnd)), "the texts could not be compressed");
    put(dir.join("texts"), deflated).expect("the build's directory can be written");
    put(dir.join("texts.length"), all.len().to_string()).expect("the build's directory can be written");
}

fn walk(texts: &mut BTreeSet<String>, row: &'static Command) {
    add(texts, row.summary.0);
    add(texts, row.description.0);
    row.arguments.iter().for_each(|argument| add(texts, argument.help.0));
    row.own_flags().for_each(|flag| add(texts, flag.help.0));
    texts.insert(row.examples.0.iter().map(|(line, what)| format!("{line}\t{what}\n")).collect());
    row.members.iter().for_each(|member| walk(texts, member));
}

fn add(texts: &mut BTreeSet<String>, text: &str) {
    texts.insert(text.to_string());
}

/// As src/cli/text.rs does it.
fn hash(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |state, byte| (state ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}
