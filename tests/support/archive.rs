//! Text archives: a script and the files it needs on one page, as Go's `testscript` has them.
//!
//! ```text
//! # what the case shows
//! pantry install --offline
//!
//! -- package.json --
//! {"name": "app"}
//! -- expected.txt --
//! …
//! ```
//! Everything before the first `-- NAME --` line is the script. A file's content runs to the next such line.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

#[derive(Debug, Clone)]
pub struct TextArchive {
    pub path: PathBuf,
    pub script: String,
    pub files: Vec<(String, String)>,
}

impl TextArchive {
    pub fn read(path: &Path) -> io::Result<Self> {
        Ok(Self::parse(path, &fs::read_to_string(path)?))
    }

    pub fn parse(path: &Path, text: &str) -> Self {
        let mut archive = Self { path: path.into(), script: String::new(), files: Vec::new() };
        for line in text.split_inclusive('\n') {
            if let Some(name) = section(line) {
                archive.files.push((name.into(), String::new()));
            } else {
                let target = match archive.files.last_mut() {
                    Some((_, content)) => content,
                    None => &mut archive.script,
                };
                target.push_str(line);
            }
        }
        archive
    }

    pub fn file(&self, name: &str) -> Option<&str> {
        self.files.iter().find(|(n, _)| n == name).map(|(_, content)| content.as_str())
    }

    /// Rewrites one section in the file on disk: how `PANTRY_TEST_UPDATE=1` accepts new output.
    pub fn replace_on_disk(&self, name: &str, content: &str) -> io::Result<()> {
        let mut now = Self::read(&self.path)?;
        match now.files.iter_mut().find(|(n, _)| n == name) {
            Some((_, old)) => *old = content.into(),
            None => now.files.push((name.into(), content.into())),
        }
        let mut text = now.script;
        for (name, content) in &now.files {
            if !text.is_empty() && !text.ends_with('\n') {
                text.push('\n');
            }
            text.push_str(&format!("-- {name} --\n{content}"));
        }
        fs::write(&self.path, text)
    }
}

fn section(line: &str) -> Option<&str> {
    let name = line.trim_end().strip_prefix("-- ")?.strip_suffix(" --")?;
    (!name.is_empty()).then_some(name.trim())
}

#[test]
fn a_text_archive_is_a_script_and_its_files() {
    let archive = TextArchive::parse(Path::new("x.txt"), "pantry a\n-- one --\n1\n\n-- two/b --\n2\n");
    assert_eq!(archive.script, "pantry a\n");
    assert_eq!(archive.file("one"), Some("1\n\n"));
    assert_eq!(archive.file("two/b"), Some("2\n"));
}
