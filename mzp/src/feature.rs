//! Features: named parts of a package that its users turn on.
//!
//! A feature's value lists what it brings: a source file of the package
//! (`src/sprites.minz`), another feature, a feature of a dependency
//! (`zx-core/fast`), or an optional dependency's name. `default` is on unless a
//! dependant says otherwise. A file that some feature lists is only reachable
//! while one of those features is on; every other file always is.

use crate::error::{Error, FeatureProblem, Result};
use crate::manifest::Manifest;
use crate::place::Place;
use crate::suggestion::nearest;
use mirror::name::{MinzName, NameError, RelPath};
use mirror::order::Set;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feature {
    pub name: String,
    pub parts: Vec<Part>,
    pub place: Place,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    File(RelPath),
    /// Another feature, or an optional dependency of that name.
    Name(String),
    /// `package/feature`
    Of(MinzName, String),
}

impl Part {
    /// The text form that manifests and index records use.
    pub fn parse(text: &str) -> std::result::Result<Self, NameError> {
        if text.ends_with(".minz") {
            return RelPath::normalise(text).map(Self::File);
        }
        match text.split_once('/') {
            Some((package, feature)) => {
                check_name(feature)?;
                Ok(Self::Of(MinzName::parse(package)?, feature.to_string()))
            }
            None => check_name(text).map(|()| Self::Name(text.to_string())),
        }
    }
}
impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(p) => p.fmt(f),
            Self::Name(n) => f.write_str(n),
            Self::Of(p, n) => write!(f, "{p}/{n}"),
        }
    }
}

/// Feature names have the letters of package names, and `_`.
pub fn check_name(text: &str) -> std::result::Result<(), NameError> {
    let bad = |rule| NameError { kind: "feature name", text: text.chars().take(100).collect(), rule };
    if text.is_empty() || text.len() > 64 {
        return Err(bad("is empty or longer than 64 bytes"));
    }
    if !text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
        return Err(bad("contains something other than letters, digits, `-` and `_`"));
    }
    Ok(())
}

impl Feature {
    pub fn parse(name: &str, items: &[String], place: Place) -> Result<Self> {
        let at = |source| Error::Name { place: place.clone(), source };
        check_name(name).map_err(at)?;
        let parts = items.iter().map(|i| Part::parse(i).map_err(at)).collect::<Result<_>>()?;
        Ok(Self { name: name.to_string(), parts, place })
    }
}

/// What a manifest's own features name must exist, and no feature may need itself.
pub fn check(manifest: &Manifest) -> Result<()> {
    let find = |name: &str| manifest.features.iter().position(|f| f.name == name);
    let depends = |name: &str| manifest.all_dependencies().any(|(_, d)| d.name.as_str() == name);
    let failed = |f: &Feature, feature: &str, problem| Error::Feature {
        place: Some(f.place.clone()),
        package: manifest.name.clone(),
        feature: feature.to_string(),
        problem,
    };
    for f in &manifest.features {
        for part in &f.parts {
            match part {
                Part::File(_) => {}
                Part::Of(package, _) if depends(package.as_str()) => {}
                Part::Of(package, _) => {
                    return Err(failed(f, &f.name, FeatureProblem::NoDependency(package.to_string())));
                }
                Part::Name(name) if find(name).is_some() => {}
                Part::Name(name)
                    if manifest.all_dependencies().any(|(_, d)| d.optional && d.name.as_str() == name) => {}
                Part::Name(name) => {
                    let suggestion = nearest(name, manifest.features.iter().map(|f| f.name.as_str()));
                    let problem = FeatureProblem::Unknown { suggestion: suggestion.map(String::from) };
                    return Err(failed(f, name, problem));
                }
            }
        }
    }
    // Depth first with an explicit stack: (feature, next part).
    let mut done = vec![false; manifest.features.len()];
    for start in 0..manifest.features.len() {
        let mut stack = vec![(start, 0)];
        while let Some((f, next)) = stack.pop() {
            if done[f] {
                continue;
            }
            let Some(part) = manifest.features[f].parts.get(next) else {
                done[f] = true;
                continue;
            };
            stack.push((f, next + 1));
            if let Part::Name(name) = part
                && let Some(to) = find(name)
            {
                if let Some(from) = stack.iter().position(|(s, _)| *s == to) {
                    let ring = stack[from..].iter().map(|(s, _)| manifest.features[*s].name.clone());
                    let ring = ring.chain([name.clone()]).collect();
                    return Err(failed(&manifest.features[to], name, FeatureProblem::Cycle(ring)));
                }
                stack.push((to, 0));
            }
        }
    }
    Ok(())
}

/// The features that are on when `asked` are, in this package alone.
pub fn closure(manifest: &Manifest, asked: &Set<String>, defaults: bool) -> Result<Set<String>> {
    let mut on = Set::new();
    let mut todo: Vec<&str> = asked.iter().map(String::as_str).collect();
    if defaults && manifest.features.iter().any(|f| f.name == "default") {
        todo.push("default");
    }
    while let Some(name) = todo.pop() {
        let Some(feature) = manifest.features.iter().find(|f| f.name == name) else {
            if manifest.all_dependencies().any(|(_, d)| d.optional && d.name.as_str() == name) {
                on.insert(name.to_string());
                continue;
            }
            let suggestion = nearest(name, manifest.features.iter().map(|f| f.name.as_str()));
            return Err(Error::Feature {
                place: None,
                package: manifest.name.clone(),
                feature: name.to_string(),
                problem: FeatureProblem::Unknown { suggestion: suggestion.map(String::from) },
            });
        };
        if on.insert(name.to_string()) {
            todo.extend(feature.parts.iter().filter_map(|p| match p {
                Part::Name(n) => Some(n.as_str()),
                _ => None,
            }));
        }
    }
    Ok(on)
}

/// The feature that must be on for a file to be reachable, when none of its is.
pub fn missing_for<'a>(manifest: &'a Manifest, on: &Set<String>, file: &RelPath) -> Option<&'a str> {
    let mut listed = manifest
        .features
        .iter()
        .filter(|f| f.parts.iter().any(|p| matches!(p, Part::File(f) if f == file)))
        .peekable();
    let first = listed.peek()?.name.as_str();
    (!listed.any(|f| on.contains(&f.name))).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn manifest(features: &str) -> Result<Manifest> {
        let text = format!(
            "[package]\nname = \"a\"\nversion = \"1.0.0\"\n[dependencies]\nb = \"1\"\nc = {{ version = \"1\", optional = true }}\n[features]\n{features}"
        );
        Manifest::parse(Path::new("mzp.toml"), &text)
    }

    #[test]
    fn closure_follows_names() {
        let m =
            manifest("x = [\"y\", \"src/x.minz\"]\ny = [\"b/fast\", \"c\"]\ndefault = [\"x\"]\n").unwrap();
        let on = closure(&m, &Set::new(), true).unwrap();
        assert_eq!(on.iter().map(String::as_str).collect::<Vec<_>>(), ["c", "default", "x", "y"]);
        assert!(closure(&m, &Set::new(), false).unwrap().is_empty());
        let file = RelPath::parse("src/x.minz").unwrap();
        assert_eq!(missing_for(&m, &Set::new(), &file), Some("x"));
        assert_eq!(missing_for(&m, &on, &file), None);
        assert_eq!(missing_for(&m, &on, &RelPath::parse("src/z.minz").unwrap()), None);
        let unknown = closure(&m, &Set::from_iter(["yy".to_string()]), false).unwrap_err();
        assert_eq!(unknown.to_string(), "a has no feature `yy`");
    }

    #[test]
    fn what_a_feature_names_exists() {
        for (features, expected) in [
            ("x = [\"nope\"]\n", "mzp.toml:8:1: a has no feature `nope`"),
            (
                "x = [\"zz/f\"]\n",
                "mzp.toml:8:1: feature `x` of a names `zz`, which is not one of its dependencies",
            ),
            ("x = [\"y\"]\ny = [\"x\"]\n", "mzp.toml:8:1: feature `x` of a needs itself: x -> y -> x"),
            ("x = [\"x\"]\n", "mzp.toml:8:1: feature `x` of a needs itself: x -> x"),
        ] {
            assert_eq!(manifest(features).unwrap_err().to_string(), expected);
        }
    }
}
