//! The way back from an expanded text to the files that it was made of.

use crate::error::Error;
use crate::place::Place;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// From offsets of a text to places in files.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// As messages name them, with their texts.
    files: Vec<(PathBuf, Rc<str>)>,
    /// In the text's order; each reaches to the next.
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, Copy)]
struct Piece {
    /// Its first byte in the text.
    start: usize,
    file: usize,
    /// Where it comes from there.
    from: usize,
    /// Byte for byte; else all of it comes from `from`.
    copied: bool,
}

impl Origin {
    pub(super) fn file(&mut self, shown: &Path, text: Rc<str>) -> usize {
        self.files.push((shown.to_path_buf(), text));
        self.files.len() - 1
    }

    pub(super) fn piece(&mut self, start: usize, file: usize, from: usize, copied: bool) {
        if let Some(last) = self.pieces.last().filter(|p| p.file == file && p.copied && copied)
            && start - last.start == from - last.from
        {
            return;
        }
        self.pieces.push(Piece { start, file, from, copied });
    }

    fn find(&self, offset: usize) -> (usize, usize) {
        let i = self.pieces.partition_point(|p| p.start <= offset);
        match i.checked_sub(1).map(|i| self.pieces[i]) {
            Some(p) if p.copied => (p.file, p.from + (offset - p.start)),
            Some(p) => (p.file, p.from),
            None => (0, 0),
        }
    }

    /// The place that a byte of the text comes from.
    pub fn place(&self, offset: usize) -> Place {
        let (file, at) = self.find(offset);
        match self.files.get(file) {
            Some((shown, text)) => Place::at(shown, text, at),
            None => Place::at(Path::new(""), "", 0),
        }
    }

    /// The same for a line and a column, both from 1; column 0: it is not known.
    pub fn place_in(&self, text: &str, line: u32, column: u32) -> Place {
        let place = self.place(offset(text, line, column));
        if column > 0 { place } else { place.without_column() }
    }

    /// What reading the text found wrong, at its place.
    pub fn relocate(&self, text: &str, error: Error) -> Error {
        match error {
            Error::Text { place, what } => {
                Error::Text { place: self.place_in(text, place.line, place.column), what }
            }
            other => other,
        }
    }

    /// For each line of the text, the file and the line there (from 1) that it begins in.
    pub fn lines(&self, text: &str) -> Vec<(&Path, u32)> {
        let ends: Vec<Vec<usize>> =
            self.files.iter().map(|(_, text)| text.match_indices('\n').map(|(i, _)| i).collect()).collect();
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(i, _)| i + 1));
        starts
            .map(|start| {
                let (file, at) = self.find(start);
                let line = ends.get(file).map_or(0, |ends| ends.partition_point(|end| *end < at)) as u32 + 1;
                (self.files.get(file).map_or(Path::new(""), |(shown, _)| shown), line)
            })
            .collect()
    }
}

/// The byte at a line and a column, counted in characters.
fn offset(text: &str, line: u32, column: u32) -> usize {
    let before = (line as usize).saturating_sub(1);
    let start = match before {
        0 => 0,
        n => text.match_indices('\n').nth(n - 1).map_or(text.len(), |(i, _)| i + 1),
    };
    let rest = &text[start..];
    let end = rest.find('\n').unwrap_or(rest.len());
    let inside = rest[..end].char_indices().nth((column as usize).saturating_sub(1));
    start + inside.map_or(end, |(i, _)| i)
}
