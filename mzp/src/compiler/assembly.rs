//! What the compiler writes, made fit: the time of day taken out (so that the
//! same program gives the same bytes) and functions that it wrote twice left
//! once (assemblers refuse a label that is there twice).

use std::collections::HashMap;

const FUNCTION: &str = "; Function: ";

/// Whether there is a `main:` label.
pub fn has_entry(text: &str) -> bool {
    text.lines().any(|l| l.trim_end() == "main:")
}

/// The text without its time stamp and duplicate functions, and how many those were.
pub fn tidy(text: &str) -> (String, usize) {
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
