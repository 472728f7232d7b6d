//! What the fuzz targets do with their input. `src/main.rs` gives these
//! functions to libFuzzer; `tests/fuzz.rs` gives them the corpus and every past
//! crash in `make test`. Each says more than «no panic»: what is read is written
//! and read again, two ways of reading agree, what a type promises holds.

mod archive;
mod json;
mod lockfiles;
mod manifests;
mod minz;
mod mirror;
mod network;
mod trust;
mod versions;

pub type Body = fn(&[u8]);

/// Every target: its name, which is also that of its corpus, and what it does.
pub const TARGETS: &[(&str, Body)] = &[
    ("archive", archive::archive),
    ("config", network::config),
    ("dependency", versions::dependency),
    ("foreign_lock", lockfiles::foreign_lock),
    ("json", json::json),
    ("manifest", manifests::manifest),
    ("minz", minz::minz),
    ("mzp_manifest", manifests::mzp_manifest),
    ("mzp_lock", lockfiles::mzp_lock),
    ("minz_source", minz::source),
    ("npmrc", network::npmrc),
    ("pack", mirror::pack),
    ("package_lock", lockfiles::package_lock),
    ("packument", json::packument),
    ("pantry_lock", lockfiles::pantry_lock),
    ("pnpm_workspace", manifests::pnpm_workspace),
    ("range", versions::range),
    ("record", mirror::record),
    ("root", mirror::root),
    ("segment", mirror::segment),
    ("snapshot", mirror::snapshot),
    ("trust", trust::trust),
    ("want", trust::want),
    ("url", network::url),
    ("version", versions::version),
    ("yaml", json::yaml),
];

/// One folder for the whole process: libFuzzer never ends one in an orderly way.
/// In memory, where that is possible: a target that needs files needs them thousands of times a second.
fn folder(target: &str) -> std::path::PathBuf {
    let memory = std::path::Path::new("/dev/shm");
    let base = if memory.is_dir() { memory.to_path_buf() } else { std::env::temp_dir() };
    base.join(format!("pantry-fuzz-{target}-{}", std::process::id()))
}

/// A fresh, empty folder, taken away again when it goes out of scope.
struct Fresh(std::path::PathBuf);

impl Fresh {
    fn new(target: &str) -> Self {
        let path = folder(target);
        _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Text of the input up to the next newline, and the rest.
fn line(data: &str) -> (&str, &str) {
    data.split_once('\n').unwrap_or((data, ""))
}

/// What an error says reaches a terminal: no raw control byte, and not without end.
#[track_caller]
fn says(message: &impl std::fmt::Display) {
    let text = message.to_string();
    assert!(!text.is_empty() && !text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
}
