//! The JSON scanner, and the scanner of packuments, which reads JSON a window at a time.

use mirror::record::{Key, Record};
use pantry::json::{Kind, Position, Scanner, Syntax, push_string, text, yaml};
use pantry::source::npm::packument::{Asked, PackumentError, scan};
use std::io::{self, Read};

pub fn json(data: &[u8]) {
    let text = match text(data) {
        Ok(text) => text,
        Err(e) => return assert!(std::str::from_utf8(data).is_err() && e.offset <= data.len()),
    };
    let (strict, loose) = (pass(text, Syntax::Json), pass(text, Syntax::Jsonc));
    if let Some(found) = strict {
        assert_eq!(loose, Some(found), "what is JSON is JSONC");
    }
    let (walked, rendered) = (walk(text, Syntax::Json), walk(text, Syntax::Jsonc));
    // Half of a surrogate pair is legal JSON, but no text: it can only be passed over.
    let halves = text.contains("\\u");
    assert!(
        walked.is_some() == strict.is_some() || (halves && strict.is_some()),
        "skipping and reading agree"
    );
    assert!(rendered.is_some() == loose.is_some() || (halves && loose.is_some()));
    // What is read, written again, is the same to a reader; from then on also to the eye.
    if let Some(rendered) = rendered {
        assert_eq!(walk(&rendered, Syntax::Json).as_ref(), Some(&rendered));
        let shown = |c: char| !c.is_control() && !matches!(c, '\u{2028}'..='\u{202e}' | '\u{feff}');
        assert!(rendered.chars().all(shown));
    }
    Position::of(text, text.len());
}

/// Whatever YAML is read becomes JSON, whose tokens all lead to a place of the file; JSON in one line means the same.
pub fn yaml(data: &[u8]) {
    let Ok(text) = text(data) else { return };
    match yaml::documents(text) {
        Ok(documents) => {
            assert!(!documents.is_empty());
            for document in &documents {
                let json = document.json.as_str();
                assert_eq!(pass(json, Syntax::Json), Some(json), "{text}");
                let mut last = 0;
                for offset in (0..json.len()).filter(|&i| json.is_char_boundary(i)) {
                    let origin = document.origin(offset);
                    assert!(last <= origin && text.is_char_boundary(origin), "{text}");
                    last = origin;
                }
                let again = yaml::documents(json).expect("JSON is YAML");
                assert_eq!((again.len(), again[0].json.as_str()), (1, json));
            }
        }
        Err(e) => {
            assert!(e.offset <= text.len() && text.is_char_boundary(e.offset), "{e:?}");
            super::says(&e);
        }
    }
}

/// The document's value by skipping it.
fn pass(text: &str, syntax: Syntax) -> Option<&str> {
    let mut json = Scanner::new(text, syntax);
    let done = json.skip().and_then(|found| json.end().map(|()| found));
    done.inspect_err(|e| {
        assert!(e.offset <= text.len() && text.is_char_boundary(e.offset), "{e:?}");
        super::says(&e.problem);
    })
    .ok()
}

/// The document's value token by token, written compactly.
fn walk(text: &str, syntax: Syntax) -> Option<String> {
    let mut json = Scanner::new(text, syntax);
    let mut out = String::new();
    value(&mut json, &mut out).ok()?;
    json.end().ok()?;
    Some(out)
}

fn value(json: &mut Scanner<'_>, out: &mut String) -> Result<(), pantry::json::Error> {
    match json.peek()? {
        Kind::Object => {
            json.object()?;
            out.push('{');
            let mut any = false;
            while let Some(key) = json.key()? {
                assert_eq!(json.text().as_bytes()[key.offset], b'"');
                out.push_str(if std::mem::replace(&mut any, true) { "," } else { "" });
                push_string(out, &key.name);
                out.push(':');
                value(json, out)?;
            }
            out.push('}');
        }
        Kind::Array => {
            json.array()?;
            out.push('[');
            let mut any = false;
            while json.element()? {
                out.push_str(if std::mem::replace(&mut any, true) { "," } else { "" });
                value(json, out)?;
            }
            out.push(']');
        }
        Kind::String => push_string(out, &json.string()?),
        Kind::Number => out.push_str(json.number()?),
        Kind::Bool => out.push_str(if json.boolean()? { "true" } else { "false" }),
        Kind::Null => {
            json.null()?;
            out.push_str("null");
        }
    }
    Ok(())
}

/// The first byte says in which pieces the rest comes; however it does, the record is the same.
pub fn packument(data: &[u8]) {
    let Some((&how, data)) = data.split_first() else { return };
    let bases = ["http://example.com/npm/".to_string()];
    let read = |source: &mut dyn Read| {
        let asked = Asked { key: Key::npm("x"), bases: &bases, checked: 5, etag: "\"e\"".into() };
        scan(source, asked)
    };
    let whole = read(&mut &data[..]);
    for step in [1, 1 + usize::from(how), data.len() / 2 + 1] {
        // Bytes one at a time only where that is soon done.
        if data.len() / step < 1 << 14 {
            let pieces = read(&mut Pieces { data, step });
            assert_eq!(format!("{whole:?}"), format!("{pieces:?}"), "in pieces of {step}");
        }
    }
    match whole {
        Ok(bytes) => {
            let record = Record::decode(&bytes).expect("our own record");
            let mut again = Vec::new();
            record.encode(&mut again).expect("it was encoded before");
            assert_eq!(again, bytes);
            assert!(record.complete && record.checked == 5 && record.key == Key::npm("x"));
            // What was taken for a packument is JSON in the eyes of the other scanner too, or was passed over unread.
            assert!(record.versions.len() <= data.len());
        }
        Err(e) => {
            if let PackumentError::Malformed { offset, .. } | PackumentError::TooLarge { offset } = e {
                assert!(offset <= data.len() as u64);
            }
            super::says(&e);
        }
    }
}

struct Pieces<'a> {
    data: &'a [u8],
    step: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.step.min(out.len()).min(self.data.len());
        out[..n].copy_from_slice(&self.data[..n]);
        self.data = &self.data[n..];
        Ok(n)
    }
}
