//! A place in a text file, with the line itself, so that an error can quote it
//! long after the text is gone.

use std::path::{Path, PathBuf};

/// `file:line:column`. Boxed, so that errors that carry one stay small.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place(Box<Spot>);

/// What a [`Place`] holds. Line and column are counted from 1, the column in characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spot {
    pub file: PathBuf,
    pub line: u32,
    pub column: u32,
    /// The line, without its end, at most 200 characters. Not escaped.
    pub text: String,
}

impl Place {
    /// The place of byte `offset` of `text`. An offset past the end is the end.
    pub fn at(file: &Path, text: &str, offset: usize) -> Self {
        let mut offset = offset.min(text.len());
        while !text.is_char_boundary(offset) {
            offset -= 1;
        }
        let start = text[..offset].rfind('\n').map_or(0, |i| i + 1);
        let end = text[offset..].find('\n').map_or(text.len(), |i| offset + i);
        Self(Box::new(Spot {
            file: file.to_path_buf(),
            line: text[..start].matches('\n').count() as u32 + 1,
            column: text[start..offset].chars().count() as u32 + 1,
            text: text[start..end].trim_end_matches('\r').chars().take(200).collect(),
        }))
    }

    /// The same line; the column is not known.
    pub fn without_column(mut self) -> Self {
        self.0.column = 0;
        self
    }
}

impl std::ops::Deref for Place {
    type Target = Spot;
    fn deref(&self) -> &Spot {
        &self.0
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let file = self.file.to_string_lossy();
        write!(f, "{}:{}", mirror::name::escape(&file), self.line)?;
        if self.column > 0 { write!(f, ":{}", self.column) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_lines_and_characters() {
        let text = "one\r\nzwei é x\nlast";
        let p = Place::at(Path::new("a.minz"), text, text.find('x').unwrap());
        assert_eq!((p.line, p.column, p.text.as_str()), (2, 8, "zwei é x"));
        assert_eq!(p.to_string(), "a.minz:2:8");
        assert_eq!(Place::at(Path::new("a"), text, 999).line, 3);
        assert_eq!(Place::at(Path::new("a"), text, 0).text, "one");
        assert_eq!(Place::at(Path::new("a"), text, 999).without_column().to_string(), "a:3");
    }
}
