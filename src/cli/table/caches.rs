//! Caches and the store of extracted packages: what can be made again.

use super::{DRY_RUN, JSON};
use crate::cli::command::{Command, Flag, command, flag};

const ONLY: &[Flag] = &[
    flag("env-only", "Only what belongs to environments").conflicts(&["package-only"]),
    flag("package-only", "Only what belongs to packages").conflicts(&["env-only"]),
];

pub const ROWS: &[Command] = &[
    command("cache:stats", "Show how much is cached")
        .flags(&[ONLY, JSON])
        .examples(&[("cache:stats", "Show the sizes of caches and store")]),
    command("cache:clear", "Delete what is cached")
        .about("Deletes what can be made again. A mirror is never touched.")
        .flags(&[ONLY, JSON])
        .examples(&[("cache:clear --package-only", "Delete extracted packages, keep environments")]),
    command("cache:dump", "List everything that is cached")
        .flags(&[ONLY, JSON])
        .examples(&[("cache:dump --json", "List everything for a program to read")]),
    command("store", "Check the store of extracted packages")
        .examples(&[("store verify", "Find extracted packages that were changed")])
        .members(&[command("verify", "Find extracted packages that were changed")
            .about(
                "Compares every file in the store with what was extracted: an edit made in a node_modules \
                 whose files are hard links of the store's, a flipped bit, a file that is missing or too many. \
                 What differs is named and taken out of the store, so that the next install extracts it anew; \
                 `pantry install --force` mends a project that has it. Exits 3 when something was found.",
            )
            .flags(&[JSON])
            .examples(&[("store verify", "Compare every file with what was extracted")]),
            command("prune", "Remove extracted packages that no project uses")
            .about(
                "A project uses what its pantry.lock and its node_modules have. Every project that installed \
                 something is known; one that is gone is forgotten.",
            )
            .flags(&[DRY_RUN, JSON])
            .examples(&[("store prune --dry-run", "List what would go")])]),
];
