//! What the compiler writes, made fit: the time of day taken out (so that the
//! same program gives the same bytes), functions that it wrote twice left once
//! (assemblers refuse a label that is there twice), and comments that a text with
//! line feeds has torn apart made whole.

use std::collections::HashMap;

const FUNCTION: &str = "; Function: ";

/// Whether there is a `main:` label.
pub fn has_entry(text: &str) -> bool {
    text.lines().any(|l| l.trim_end() == "main:")
}

/// What stands in the output as a comment in place of code, `; TODO: OPERATION` on a line of its own: the
/// function that it is missing in, and the operation.
pub fn left_out(text: &str) -> Vec<(&str, &str)> {
    let mut function = "main";
    let mut out = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix(FUNCTION) {
            function = name.trim();
        } else if let Some(operation) = line.trim().strip_prefix("; TODO: ")
            && operation.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
        {
            out.push((function, operation));
        }
    }
    out
}

/// The text without its time stamp and duplicate functions, and how many those were.
pub fn tidy(text: &str) -> (String, usize) {
    let text = &whole_comments(text);
    let lines: Vec<&str> = text
        .lines()
        .enumerate()
        .filter(|(i, l)| *i > 8 || !l.trim_start().starts_with("; Generated:"))
        .map(|(_, l)| l)
        .collect();
    // Where each block begins; the last one reaches to the end.
    let starts: Vec<usize> =
        lines.iter().enumerate().filter(|(_, l)| l.starts_with(FUNCTION)).map(|(i, _)| i).collect();
    let mut seen: HashMap<&str, &[&str]> = HashMap::new();
    let mut drop = vec![false; lines.len()];
    let mut duplicates = 0;
    for (n, &start) in starts.iter().enumerate() {
        let last = n + 1 == starts.len();
        let end = starts.get(n + 1).copied().unwrap_or(lines.len());
        let block = &lines[start..end];
        match seen.get(block[0]) {
            None => {
                seen.insert(block[0], block);
            }
            Some(first) => {
                // The part that is the same; what follows the very last function
                // (data, END) is not part of it. Labels inside may be numbered
                // anew: then the whole block goes, if its end is known.
                let same = first.iter().zip(block).take_while(|(a, b)| a == b).count();
                let code = first.iter().rposition(|l| !l.trim().is_empty()).map_or(0, |i| i + 1);
                let length = if same >= code {
                    same
                } else if last {
                    continue;
                } else {
                    block.len()
                };
                drop[start..start + length].fill(true);
                duplicates += 1;
            }
        }
    }
    let mut out = String::with_capacity(text.len());
    for (line, _) in lines.iter().zip(&drop).filter(|(_, d)| !**d) {
        out.push_str(line);
        out.push('\n');
    }
    (out, duplicates)
}

/// Most characters of a text that the compiler quotes, and so most line feeds.
const QUOTED: usize = 255;

/// `; Direct print "TEXT" (N chars)` quotes a text as it is. Where that holds line feeds, its later lines would be
/// taken for code: they come back to the first, as `\n`.
fn whole_comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut lines = text.split_inclusive('\n');
    while let Some(line) = lines.next() {
        let quotes = line.trim_start().starts_with(';')
            && line.split_once("rint \"").is_some_and(|(_, quoted)| !ends_quote(quoted));
        let more = lines.clone().take(QUOTED).position(ends_quote).filter(|_| quotes);
        let Some(more) = more else {
            out.push_str(line);
            continue;
        };
        out.push_str(line.trim_end_matches(['\r', '\n']));
        for line in lines.by_ref().take(more + 1) {
            out.push_str("\\n");
            out.push_str(line.trim_end_matches(['\r', '\n']));
        }
        out.push('\n');
    }
    out
}

/// `…" (5 chars)`, or `…" (5 chars via loop)`
fn ends_quote(line: &str) -> bool {
    line.match_indices("\" (").any(|(at, before)| {
        let rest = &line[at + before.len()..];
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        digits > 0 && rest[digits..].starts_with(" chars")
    })
}
