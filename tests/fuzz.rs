//! The bodies of the fuzz targets (`make fuzz`) over their corpora and every past crash: what was found once stays mended.

#![allow(clippy::disallowed_methods)] // a test reads the tree

#[path = "fuzz/src/lib.rs"]
mod targets;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn below(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz").join(folder)
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect()
}

/// The inputs of a target. Each begins with what a panic needs to be traced back.
fn replay(target: &str, body: targets::Body) -> usize {
    let mut ran = 0;
    for folder in ["corpus", "crashes"] {
        let folder = below(folder).join(target);
        for name in names(&folder) {
            let data = std::fs::read(folder.join(&name)).expect("an input");
            let done = std::panic::catch_unwind(|| body(&data));
            assert!(done.is_ok(), "{target}: {}", folder.join(&name).display());
            ran += 1;
        }
    }
    ran
}

#[test]
fn every_input_of_every_target_passes() {
    let mut failed = Vec::new();
    for (target, body) in targets::TARGETS {
        match std::panic::catch_unwind(|| replay(target, *body)) {
            Ok(0) => failed.push(format!("{target} has no corpus")),
            Ok(_) => {}
            Err(_) => failed.push((*target).to_string()),
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
}

#[test]
fn every_corpus_has_its_target_and_all_are_small() {
    let known: BTreeSet<String> = targets::TARGETS.iter().map(|(name, _)| (*name).to_string()).collect();
    assert_eq!(names(&below("corpus")), known);
    assert!(names(&below("crashes")).is_subset(&known));
    let size = |folder: &Path| -> u64 {
        names(folder).iter().map(|n| folder.join(n).metadata().expect("a file").len()).sum()
    };
    let total: u64 = known.iter().map(|t| size(&below("corpus").join(t))).sum();
    assert!(total < 300 << 10, "{total} bytes");
}
