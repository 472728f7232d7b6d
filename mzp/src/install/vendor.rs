//! Packages that are kept with the project. Installed packages need no mirror
//! while they are whole and locked; so all that is missing is that version
//! control takes them as they are, byte for byte, with their marks.

use crate::error::Result;
use std::path::{Path, PathBuf};

/// In `packages/`, for git. Others take files as they are.
const FILES: [(&str, &str); 2] = [
    (
        ".gitattributes",
        "# Every byte of the packages is checked: no line ending may change.\n* -text -ident\n",
    ),
    (".gitignore", "# Kept with the project, whatever is left out above.\n!*\n.staging/\n"),
];

/// The files that are still to be written.
pub fn missing(root: &Path) -> Vec<PathBuf> {
    let paths = FILES.iter().map(|(name, _)| root.join("packages").join(name));
    paths.filter(|path| std::fs::symlink_metadata(path).is_err()).collect()
}

/// Writes them; a file that is there is the user's.
pub fn write(root: &Path) -> Result<()> {
    for path in missing(root) {
        let text = FILES.iter().find(|(name, _)| path.ends_with(name)).map_or("", |(_, text)| text);
        mirror::file::replace(&path, text.as_bytes())?;
    }
    Ok(())
}

/// The line of the project's `.gitignore` that leaves `packages/` out as a whole,
/// which no file inside can undo.
pub fn hidden(root: &Path) -> Result<Option<String>> {
    let text = crate::text::read(&root.join(".gitignore"), crate::text::LIMIT)?.unwrap_or_default();
    let hides = |line: &&str| {
        matches!(line.trim().trim_matches('/'), "packages" | "packages/*" | "packages/**" | "*")
    };
    Ok(text.lines().find(hides).map(str::to_string))
}
