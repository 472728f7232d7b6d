//! One text put into a list of a manifest, or taken out of it.

use super::{Object, apply, insert};
use crate::json::{self, Scanner, Syntax, push_string};
use crate::manifest::{Error, Manifest};
use std::ops::Range;

/// The manifest with `value` in the list `field`, where the alphabet puts it if the list is in order.
pub fn include(manifest: &Manifest, field: &str, value: &str) -> Result<Manifest, Error> {
    apply(manifest, |text, syntax| {
        let mut text = text.to_string();
        let root = Object::scan(&text, syntax, 0)?;
        let mut quoted = String::new();
        push_string(&mut quoted, value);
        let Some(i) = root.index(field) else {
            insert(&mut text, syntax, &root, &root, root.members.len(), field, &format!("[{quoted}]"));
            return Ok(text);
        };
        let place = root.members[i].value.clone();
        if text.as_bytes()[place.start] != b'[' {
            text.replace_range(place, &format!("[{quoted}]"));
            return Ok(text);
        }
        let elements = scan(&text, syntax, place.start)?;
        if elements.iter().any(|e| e.value == value) {
            return Ok(text);
        }
        let sorted = elements.is_sorted_by(|a, b| a.value <= b.value);
        let at = elements.iter().position(|e| sorted && e.value.as_str() > value);
        match (at.and_then(|i| elements.get(i)), elements.last()) {
            (Some(next), _) => {
                let gap = gap(&text, next.range.start);
                let gap = if gap.is_empty() { " ".to_string() } else { gap.to_string() };
                text.insert_str(next.range.start, &format!("{quoted},{gap}"));
            }
            (None, Some(last)) => {
                let gap = gap(&text, last.range.start);
                let gap = if elements.len() == 1 && gap.is_empty() { " " } else { gap };
                let new = format!(",{gap}{quoted}");
                text.insert_str(last.range.end, &new);
            }
            (None, None) => text.insert_str(place.start + 1, &quoted),
        }
        Ok(text)
    })
}

/// The manifest with `value` out of the list `field`; unchanged where it is not in it.
pub fn leave_out(manifest: &Manifest, field: &str, value: &str) -> Result<Manifest, Error> {
    apply(manifest, |text, syntax| {
        let mut text = text.to_string();
        let root = Object::scan(&text, syntax, 0)?;
        let Some(place) = root.index(field).map(|i| root.members[i].value.clone()) else { return Ok(text) };
        if text.as_bytes()[place.start] != b'[' {
            return Ok(text);
        }
        let elements = scan(&text, syntax, place.start)?;
        let Some(i) = elements.iter().position(|e| e.value == value) else { return Ok(text) };
        let own = elements[i].range.clone();
        let range = match (i.checked_sub(1).map(|p| &elements[p]), elements.get(i + 1)) {
            (_, Some(next)) => own.start..next.range.start,
            (Some(previous), None) => previous.range.end..own.end,
            (None, None) => own,
        };
        text.replace_range(range, "");
        Ok(text)
    })
}

struct Element {
    value: String,
    range: Range<usize>,
}

/// The list whose `[` stands at `start`.
fn scan(text: &str, syntax: Syntax, start: usize) -> Result<Vec<Element>, json::Error> {
    let shift = |e: json::Error| json::Error { offset: e.offset + start, ..e };
    let mut json = Scanner::new(&text[start..], syntax);
    let mut elements = Vec::new();
    json.array().map_err(shift)?;
    while json.element().map_err(shift)? {
        json.peek().map_err(shift)?;
        let from = json.offset() + start;
        let value = json.clone().string().map_or_else(|_| String::new(), |text| text.into_owned());
        let length = json.skip().map_err(shift)?.len();
        elements.push(Element { value, range: from..from + length });
    }
    Ok(elements)
}

/// The blanks and the line's end before a place.
fn gap(text: &str, before: usize) -> &str {
    let head = &text[..before];
    &head[head.trim_end_matches([' ', '\t', '\n', '\r']).len()..]
}

#[cfg(test)]
mod tests {
    use super::super::tests::manifest;
    use super::*;
    use crate::manifest::Format;

    #[test]
    fn a_list_keeps_its_shape() {
        let with = |text: &str, value: &str| {
            include(&manifest(text, Format::PantryJsonc), "trustedDependencies", value).unwrap().text
        };
        let without = |text: &str, value: &str| {
            leave_out(&manifest(text, Format::PantryJsonc), "trustedDependencies", value).unwrap().text
        };
        for (text, value, expected) in [
            ("{}", "b", "{\n  \"trustedDependencies\": [\"b\"]\n}"),
            (
                "{\n  \"name\": \"x\"\n}\n",
                "b",
                "{\n  \"name\": \"x\",\n  \"trustedDependencies\": [\"b\"]\n}\n",
            ),
            ("{\"trustedDependencies\": []}", "b", "{\"trustedDependencies\": [\"b\"]}"),
            ("{\"trustedDependencies\": null}", "b", "{\"trustedDependencies\": [\"b\"]}"),
            (
                "{\"trustedDependencies\": [ /* none */ ]}",
                "b",
                "{\"trustedDependencies\": [\"b\" /* none */ ]}",
            ),
            (
                "{\"trustedDependencies\": [\"a\", \"c\"]}",
                "b",
                "{\"trustedDependencies\": [\"a\", \"b\", \"c\"]}",
            ),
            ("{\"trustedDependencies\": [\"a\"]}", "b", "{\"trustedDependencies\": [\"a\", \"b\"]}"),
            ("{\"trustedDependencies\": [\"c\"]}", "b", "{\"trustedDependencies\": [\"b\", \"c\"]}"),
            (
                "{\"trustedDependencies\": [\"c\", \"a\"]}",
                "b",
                "{\"trustedDependencies\": [\"c\", \"a\", \"b\"]}",
            ),
            (
                "{\r\n\t\"trustedDependencies\": [\r\n\t\t\"a\", // why\r\n\t],\r\n}",
                "b",
                "{\r\n\t\"trustedDependencies\": [\r\n\t\t\"a\",\r\n\t\t\"b\", // why\r\n\t],\r\n}",
            ),
        ] {
            assert_eq!(with(text, value), expected);
            assert_eq!(with(expected, value), expected);
            assert!(!without(expected, value).contains("\"b\""), "{expected}");
        }
        assert_eq!(
            without("{\"trustedDependencies\": [\"a\", \"b\", \"c\"]}", "b"),
            "{\"trustedDependencies\": [\"a\", \"c\"]}"
        );
        assert_eq!(
            without("{\"trustedDependencies\": [\"a\", \"b\"]}", "b"),
            "{\"trustedDependencies\": [\"a\"]}"
        );
        assert_eq!(without("{\"trustedDependencies\": [\"b\"]}", "b"), "{\"trustedDependencies\": []}");
        assert_eq!(without("{}", "b"), "{}");
    }
}
