//! A line diff for failing comparisons.

/// `-` expected, `+` found, two spaces for what both have.
pub fn lines(expected: &str, found: &str) -> String {
    let (a, b): (Vec<_>, Vec<_>) = (expected.lines().collect(), found.lines().collect());
    // Longest common subsequence, quadratic: expectations are short; for the others say only where they part.
    if a.len() * b.len() > 4_000_000 {
        let same = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
        return format!(
            "  … {same} equal lines\n- {}\n+ {}\n",
            a.get(same).unwrap_or(&""),
            b.get(same).unwrap_or(&"")
        );
    }
    let mut common = vec![vec![0_u32; b.len() + 1]; a.len() + 1];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            common[i][j] =
                if a[i] == b[j] { common[i + 1][j + 1] + 1 } else { common[i + 1][j].max(common[i][j + 1]) };
        }
    }
    let (mut i, mut j, mut out) = (0, 0, String::new());
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && a[i] == b[j] {
            out.push_str(&format!("  {}\n", a[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == b.len() || (i < a.len() && common[i + 1][j] >= common[i][j + 1]) {
            out.push_str(&format!("- {}\n", a[i]));
            i += 1;
        } else {
            out.push_str(&format!("+ {}\n", b[j]));
            j += 1;
        }
    }
    if expected.ends_with('\n') != found.ends_with('\n') {
        out.push_str("\\ one of them has no newline at the end\n");
    }
    out
}
