//! Tree shaking: what of a program is reached from `main`.
//!
//! Modules that no import leads to never enter a [`Program`]; among the items of
//! those that do, what no word of a reached item names is left out. An item that
//! was not recognised is always kept, and keeps what it names.

use crate::program::Program;
use crate::program::active::Active;
use crate::program::names::{References, To};
use crate::source::items::ItemKind;

/// For each module, for each item: whether it is kept. Imports never are.
pub fn reached(program: &Program, references: &References) -> Vec<Vec<bool>> {
    let mut keep: Vec<Vec<bool>> =
        program.modules.iter().map(|m| vec![false; m.source.items.len()]).collect();
    let mut todo = Vec::new();
    for (m, module) in program.modules.iter().enumerate() {
        for (i, item) in module.source.items.iter().enumerate() {
            let root = item.kind == ItemKind::Other
                || (m + 1 == program.modules.len() && module.source.name(item) == Some("main"));
            if root {
                keep[m][i] = true;
                todo.push((m, i));
            }
        }
    }
    while let Some((m, i)) = todo.pop() {
        for r in &references[m][i] {
            if let To::Item((tm, ti)) = r.to
                && !keep[tm][ti]
            {
                keep[tm][ti] = true;
                todo.push((tm, ti));
            }
        }
    }
    keep
}

/// Source bytes of the modules of the active packages that the program does not
/// use, and how many modules that is.
pub fn unused_modules(program: &Program, active: &Active<'_>) -> (usize, u64) {
    let (mut count, mut bytes) = (0, 0);
    for package in active.packages.values() {
        let mut folders = vec![package.dir().join("src")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
                let (path, Ok(kind)) = (entry.path(), entry.file_type()) else { continue };
                if kind.is_dir() {
                    folders.push(path);
                } else if kind.is_file() && path.extension().is_some_and(|e| e == "minz") {
                    let shown = path.strip_prefix(active.root()).unwrap_or(&path);
                    if !program.modules.iter().any(|m| m.file == shown) {
                        count += 1;
                        bytes += entry.metadata().map_or(0, |m| m.len());
                    }
                }
            }
        }
    }
    (count, bytes)
}
