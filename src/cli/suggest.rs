//! «Did you mean …?»: the nearest word by edit distance.

/// The candidate nearest to `word`, if it is near enough to be a slip: at most
/// one edit for each three letters (and one at least). Ties go to the first.
pub fn closest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // A word much longer than any command is not a slip, and the distance is quadratic.
    if word.is_empty() || word.len() > 64 {
        return None;
    }
    let allowed = (word.chars().count() / 3).max(1);
    candidates
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(edits, candidate)| *edits <= allowed && *edits < candidate.chars().count())
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions, substitutions and swaps of neighbours
/// (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let width = b.len() + 1;
    let mut before = vec![0; width];
    let mut previous: Vec<usize> = (0..width).collect();
    for i in 1..=a.len() {
        let mut current = vec![i; width];
        for j in 1..=b.len() {
            let substituted = previous[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = substituted.min(previous[j] + 1).min(current[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            current[j] = best;
        }
        before = std::mem::replace(&mut previous, current);
    }
    previous[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (a, b, edits) in [
            ("", "", 0),
            ("a", "", 1),
            ("install", "install", 0),
            ("isntall", "install", 1),
            ("instal", "install", 1),
            ("dpeth", "depth", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(a, b), edits, "{a} {b}");
            assert_eq!(distance(b, a), edits, "{b} {a}");
        }
    }

    #[test]
    fn only_slips_are_suggested() {
        let words = ["install", "init", "list", "why"];
        let near = |word| closest(word, words.into_iter());
        assert_eq!(near("instal"), Some("install"));
        assert_eq!(near("lst"), Some("list"));
        assert_eq!(near("teleport"), None);
        assert_eq!(near(""), None);
        assert_eq!(near("x"), None);
        assert_eq!(near(&"install".repeat(100)), None);
    }
}
