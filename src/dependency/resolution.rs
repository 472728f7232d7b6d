//! `sourceResolution`: which source a name belongs to when its words do not say.

/// Where a name without further words can come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    Pkgx,
    Npm,
    Github,
}

impl Origin {
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "pkgx" => Some(Self::Pkgx),
            "npm" => Some(Self::Npm),
            "github" => Some(Self::Github),
            _ => None,
        }
    }
    pub fn name(self) -> &'static str {
        match self {
            Self::Pkgx => "pkgx",
            Self::Npm => "npm",
            Self::Github => "github",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceResolution {
    /// Each at most once.
    pub order: Vec<Origin>,
    /// Pattern → origin, as written. `*` stands for any characters but `/`.
    pub preferences: Vec<(String, Origin)>,
}

impl Default for SourceResolution {
    fn default() -> Self {
        Self { order: vec![Origin::Pkgx, Origin::Npm, Origin::Github], preferences: Vec::new() }
    }
}

impl SourceResolution {
    /// What the preferences say of `name`: the name itself before any pattern,
    /// of patterns the one with the most literal characters, of equals the first.
    pub fn preferred(&self, name: &str) -> Option<Origin> {
        let literal = |p: &str| if p == name { usize::MAX } else { p.bytes().filter(|&b| b != b'*').count() };
        let mut best: Option<(usize, Origin)> = None;
        for (pattern, origin) in &self.preferences {
            let weight = literal(pattern);
            if matches(pattern.as_bytes(), name.as_bytes()) && best.is_none_or(|(w, _)| weight > w) {
                best = Some((weight, *origin));
            }
        }
        best.map(|(_, origin)| origin)
    }
}

/// Whole-name match with `*` (any run without `/`). Linear in practice, never
/// worse than pattern × name.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    // Where the last `*` stood, and how much of the name it has swallowed up to.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p, n));
            p += 1;
        } else if pattern.get(p) == Some(&name[n]) {
            (p, n) = (p + 1, n + 1);
        } else {
            match star {
                Some((at, from)) if name[from] != b'/' => {
                    star = Some((at, from + 1));
                    (p, n) = (at + 1, from + 1);
                }
                _ => return false,
            }
        }
    }
    pattern[p..].iter().all(|&b| b == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, yes, no) in [
            ("typescript", "typescript", "typescript2"),
            ("*.org", "nodejs.org", "nodejs.orgs"),
            ("*/*", "owner/repo", "owner"),
            ("@*/*", "@types/node", "types/node"),
            ("@types/*", "@types/node", "@types2/node"),
            ("a*b*c", "axxbyyc", "axxbyy"),
            ("*", "name", "a/b"),
            ("**", "", "a/b"),
        ] {
            assert!(matches(pattern.as_bytes(), yes.as_bytes()), "{pattern} {yes}");
            assert!(!matches(pattern.as_bytes(), no.as_bytes()), "{pattern} {no}");
        }
        let long = "a".repeat(2_000);
        assert!(!matches("*a*a*a*a*a*a*b".as_bytes(), long.as_bytes()));
    }

    #[test]
    fn the_name_itself_wins_then_the_closer_pattern() {
        let r = SourceResolution {
            preferences: vec![
                ("*".into(), Origin::Github),
                ("type*".into(), Origin::Pkgx),
                ("typescript".into(), Origin::Npm),
            ],
            ..Default::default()
        };
        assert_eq!(r.preferred("typescript"), Some(Origin::Npm));
        assert_eq!(r.preferred("typefest"), Some(Origin::Pkgx));
        assert_eq!(r.preferred("x"), Some(Origin::Github));
        assert_eq!(r.preferred("a/b"), None);
    }
}
