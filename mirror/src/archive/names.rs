//! What an entry may be called, and whether two entries are one.

use super::decompose::decompose;
use super::error::{ArchiveError, Rule};
use super::read::Limits;
use crate::name::RelPath;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Node {
    File,
    /// An entry of its own, no file in it yet.
    Mentioned,
    /// Holds a file.
    Directory,
}

/// A file that may be written.
pub(super) struct Admitted {
    pub(super) path: RelPath,
    pub(super) replaces: bool,
}

/// The leading directory, as the first entry shows it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Root {
    Unknown,
    /// The manifest stands at the top (zip archives only).
    Bare,
    /// One component, whatever it is called (`.` too).
    One,
    /// `./package/`.
    DotPackage,
}

/// Every path of an archive, by its folded form.
pub(super) struct Names {
    root: Root,
    hasher: RandomState,
    /// Hash of the folded path → index into `nodes`.
    index: HashMap<u64, u32>,
    nodes: Vec<(std::ops::Range<u32>, Node)>,
    /// The exact paths of `nodes`.
    text: String,
    /// Scratch: the entry's normalised path, its folded form, a decomposition.
    normal: String,
    folded: String,
    parts: String,
    /// The directory of the file before (in `text`), which needs no second look.
    last_parent: Option<u32>,
    /// Directories that the current file is the first to need, parents first.
    fresh: Vec<u32>,
}

impl Names {
    pub(super) fn new() -> Self {
        Self {
            root: Root::Unknown,
            hasher: RandomState::new(),
            index: HashMap::new(),
            nodes: Vec::new(),
            text: String::new(),
            normal: String::new(),
            folded: String::new(),
            parts: String::new(),
            last_parent: None,
            fresh: Vec::new(),
        }
    }

    pub(super) fn reset(&mut self) {
        self.root = Root::Unknown;
        self.index.clear();
        self.nodes.clear();
        self.text.clear();
        self.fresh.clear();
        self.last_parent = None;
    }

    /// Nothing is dropped from the paths of this archive.
    pub(super) fn without_root(&mut self) {
        self.root = Root::Bare;
    }

    /// The directories to make before the file that was just admitted.
    pub(super) fn fresh(&self) -> impl Iterator<Item = Result<RelPath, ArchiveError>> {
        self.fresh.iter().map(|i| relative(&self.text[range(&self.nodes[*i as usize].0)]))
    }

    /// `None`: not part of the package (a file beside the leading directory).
    pub(super) fn file(&mut self, raw: &[u8], limits: &Limits) -> Result<Option<Admitted>, ArchiveError> {
        self.fresh.clear();
        self.normalise(raw, limits)?;
        if self.normal.is_empty() {
            return Ok(None);
        }
        let path = relative(&self.normal)?;
        self.parents(raw, limits)?;
        let (index, known) = self.register(self.normal.len(), Node::File, raw, limits)?;
        if known.is_some_and(|k| k != Node::File) {
            return Err(clash(raw));
        }
        debug_assert!(self.nodes[index as usize].1 == Node::File);
        Ok(Some(Admitted { path, replaces: known.is_some() }))
    }

    pub(super) fn directory(&mut self, raw: &[u8], limits: &Limits) -> Result<(), ArchiveError> {
        self.normalise(raw, limits)?;
        let ends: Vec<usize> = self.normal.match_indices('/').map(|(i, _)| i).collect();
        for end in ends.into_iter().chain((!self.normal.is_empty()).then_some(self.normal.len())) {
            if self.register(end, Node::Mentioned, raw, limits)?.1 == Some(Node::File) {
                return Err(clash(raw));
            }
        }
        Ok(())
    }

    fn parents(&mut self, raw: &[u8], limits: &Limits) -> Result<(), ArchiveError> {
        let Some(parent) = self.normal.rfind('/') else { return Ok(()) };
        if let Some(last) = self.last_parent
            && self.text[range(&self.nodes[last as usize].0)] == self.normal[..parent]
        {
            return Ok(());
        }
        let mut at = 0;
        while let Some(end) = self.normal[at..=parent].find('/').map(|i| i + at) {
            let (index, known) = self.register(end, Node::Directory, raw, limits)?;
            match known {
                Some(Node::File) => return Err(clash(raw)),
                Some(Node::Directory) => {}
                None | Some(Node::Mentioned) => {
                    self.nodes[index as usize].1 = Node::Directory;
                    self.fresh.push(index);
                }
            }
            self.last_parent = Some(index);
            at = end + 1;
        }
        Ok(())
    }

    /// Looks `normal[..end]` up by its folded form, adding it when it is new;
    /// the index, and what it was before.
    fn register(
        &mut self,
        end: usize,
        node: Node,
        raw: &[u8],
        limits: &Limits,
    ) -> Result<(u32, Option<Node>), ArchiveError> {
        let path = &self.normal[..end];
        fold(path, &mut self.parts, &mut self.folded);
        let hash = self.hasher.hash_one(self.folded.as_bytes());
        if let Some(&index) = self.index.get(&hash) {
            let (place, known) = &self.nodes[index as usize];
            let other = &self.text[range(place)];
            if other != path {
                let detail =
                    format!("and `{}` are one name on some file systems", crate::name::escape(other));
                return Err(ArchiveError::refused(Rule::CaseCollision, raw, detail));
            }
            return Ok((index, Some(*known)));
        }
        if self.nodes.len() as u64 >= limits.entries {
            let detail =
                format!("and what stands before it need more than {} files and directories", limits.entries);
            return Err(ArchiveError::refused(Rule::TooManyEntries, raw, detail));
        }
        if self.text.len() + path.len() > limits.names {
            let detail = format!("and the names before it have more than {} bytes together", limits.names);
            return Err(ArchiveError::refused(Rule::TooLarge, raw, detail));
        }
        let start = self.text.len() as u32;
        self.text.push_str(path);
        let index = self.nodes.len() as u32;
        self.nodes.push((start..self.text.len() as u32, node));
        self.index.insert(hash, index);
        Ok((index, None))
    }

    /// Checks the name as it was written and leaves it, without the leading
    /// directory, in `normal` (empty: nothing is left).
    fn normalise(&mut self, raw: &[u8], limits: &Limits) -> Result<(), ArchiveError> {
        let refuse = |rule, detail: &str| Err(ArchiveError::refused(rule, raw, detail));
        let text = String::from_utf8_lossy(raw);
        self.normal.clear();
        if text.starts_with('/') {
            return refuse(Rule::Absolute, "is an absolute path");
        }
        if text.len() > limits.name {
            let detail = format!("is longer than {} bytes", limits.name);
            return Err(ArchiveError::refused(Rule::NameTooLong, raw, detail));
        }
        let plain = |b: u8| (0x20..0x7f).contains(&b) && b != b'\\';
        if !text.bytes().all(plain) {
            if text.contains('\\') {
                return refuse(Rule::Backslash, "contains a backslash");
            }
            if text.chars().any(char::is_control) {
                return refuse(Rule::ControlCharacter, "contains a control character");
            }
        }
        if self.root == Root::Unknown {
            self.root = if text.starts_with("./package/") { Root::DotPackage } else { Root::One };
        }
        let leading = match self.root {
            Root::Bare => 0,
            Root::DotPackage if text.starts_with("./package/") => 2,
            _ => 1,
        };
        let mut depth = 0;
        for (i, part) in text.split('/').enumerate() {
            if part == ".." {
                return refuse(Rule::Traversal, "leaves its directory (`..`)");
            }
            if part.len() > 255 {
                return refuse(Rule::NameTooLong, "has a part of more than 255 bytes");
            }
            let drive = part.as_bytes();
            if depth == 0 && drive.len() >= 2 && drive[1] == b':' && drive[0].is_ascii_alphabetic() {
                return refuse(Rule::Absolute, "names a drive");
            }
            if i < leading || part.is_empty() || part == "." {
                continue;
            }
            if crate::name::is_reserved_on_windows(part) {
                return refuse(Rule::ReservedName, "is the name of a device on Windows");
            }
            depth += 1;
            if depth > limits.depth {
                let detail = format!("is more than {} directories deep", limits.depth);
                return Err(ArchiveError::refused(Rule::TooDeep, raw, detail));
            }
            if !self.normal.is_empty() {
                self.normal.push('/');
            }
            self.normal.push_str(part);
        }
        Ok(())
    }
}

/// The form in which names are one on file systems that fold case or
/// normalise: canonical decomposition, then upper and lower case (which makes
/// `ß` and `ss`, `ſ` and `s`, `K` (kelvin) and `k` the same, as full case folding does),
/// without the dots and spaces at the end that FAT and Windows drop. (Each folder on
/// the way is folded as a path of its own, so only the path's end matters.)
fn fold(path: &str, parts: &mut String, folded: &mut String) {
    folded.clear();
    if path.is_ascii() {
        folded.push_str(path);
        folded.make_ascii_lowercase();
    } else {
        parts.clear();
        for c in path.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase) {
            decompose(c, parts);
        }
        folded.push_str(parts);
    }
    if folded.ends_with(['.', ' ']) {
        folded.truncate(folded.trim_end_matches(['.', ' ']).len());
    }
}

fn range(place: &std::ops::Range<u32>) -> std::ops::Range<usize> {
    place.start as usize..place.end as usize
}

fn relative(path: &str) -> Result<RelPath, ArchiveError> {
    RelPath::parse(path).map_err(|e| ArchiveError::refused(Rule::BadName, path.as_bytes(), e.rule))
}

fn clash(raw: &[u8]) -> ArchiveError {
    ArchiveError::refused(Rule::FileAndDirectory, raw, "is used as a file and as a directory")
}
