//! What a project puts in place of what its packages ask for, in each dialect:
//!
//! | field | keys | the project's own dependencies |
//! |---|---|---|
//! | `overrides` (npm, bun) | `name`, `name@range`, nested objects with `.` for the package itself | must ask for the same |
//! | `resolutions` (yarn, bun) | `name`, `**/name`, `parent/name`, `parent/**/name`, each with `@range` | follow |
//! | `pnpm.overrides` | `name`, `name@range`, `parent>name` | follow |
//!
//! A value `$name` is what the project asks for under that name. Only the
//! project's own manifests count, not those of members or packages.

use super::{Error, Manifest, Problem};
use crate::json::{Kind, Scanner};
use crate::resolve::range::Range;
use crate::resolve::{Override, Selector};
use mirror::name::PackageName;

/// Deeper no one nests, and each level is a call.
const DEEPEST: usize = 50;
/// More is no list that somebody wrote; they are compared with each other.
const MOST: usize = 1_000;

/// How a flat key is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    Npm,
    Yarn,
    Pnpm,
}

/// The overrides of these manifests, of one folder. `asked` gives what the project asks for under a name.
pub fn overrides(
    manifests: &[Manifest],
    asked: &dyn Fn(&str) -> Option<String>,
) -> Result<Vec<Override>, Error> {
    let mut found = Vec::new();
    for m in manifests {
        let fields = [
            (&m.overrides, Dialect::Npm),
            (&m.resolutions, Dialect::Yarn),
            (&m.pnpm_overrides, Dialect::Pnpm),
        ];
        for (span, dialect) in fields {
            let (Some(span), Some(text)) = (span, m.raw(span)) else { continue };
            let mut reader =
                Reader { json: Scanner::new(text, m.format.syntax()), dialect, asked, found: &mut found };
            reader.table(&mut Vec::new()).map_err(|(offset, problem)| Error {
                path: m.path.clone(),
                problem,
                excerpt: Some(Box::new(m.excerpt(span.start + offset))),
            })?;
        }
    }
    Ok(found)
}

type Fault = (usize, Problem);

struct Reader<'a> {
    json: Scanner<'a>,
    dialect: Dialect,
    asked: &'a dyn Fn(&str) -> Option<String>,
    found: &'a mut Vec<Override>,
}

impl Reader<'_> {
    fn table(&mut self, path: &mut Vec<Selector>) -> Result<(), Fault> {
        let syntax = |e: crate::json::Error| (e.offset, Problem::Syntax(e.problem));
        if self.json.peek().map_err(syntax)? != Kind::Object {
            // Some tools write `"overrides": []` for their own ends; npm looks at objects only.
            return self.json.skip().map(drop).map_err(syntax);
        }
        self.json.object().map_err(syntax)?;
        let mut itself = false;
        let at = self.found.len();
        while let Some(key) = self.json.key().map_err(syntax)? {
            let wrong = |why| (key.offset, Problem::Override { key: key.name.clone().into_owned(), why });
            let kind = self.json.peek().map_err(syntax)?;
            let depth = path.len();
            let is_self = key.name == "." && depth > 0 && self.dialect == Dialect::Npm;
            if is_self {
                itself = true;
            } else {
                path.extend(selectors(&key.name, self.dialect).ok_or_else(|| wrong(NO_SELECTOR))?);
            }
            if path.len() > DEEPEST || self.found.len() >= MOST {
                return Err(wrong("is nested too deeply, or one too many"));
            }
            match kind {
                Kind::String => {
                    let value = self.json.string().map_err(syntax)?.into_owned();
                    let value = self.value(value).map_err(wrong)?;
                    let one = self.one(path, value);
                    // The package itself comes before what is under it, so that the order is the nesting's.
                    if is_self { self.found.insert(at, one) } else { self.found.push(one) }
                }
                Kind::Object if self.dialect == Dialect::Npm && !is_self => self.table(path)?,
                _ => return Err(wrong("has to be a version or a range")),
            }
            path.truncate(depth);
        }
        // As npm: `a@^1` with nothing but what is under it holds `a` to ^1.
        if let Some(last) = path.last().filter(|s| !itself && !s.range.is_empty()) {
            let value = last.range.clone();
            let one = self.one(path, value);
            self.found.insert(at, one);
        }
        Ok(())
    }

    fn one(&self, path: &[Selector], value: String) -> Override {
        Override { path: path.to_vec(), value, overrules: self.dialect != Dialect::Npm }
    }

    fn value(&self, value: String) -> Result<String, &'static str> {
        match value.strip_prefix('$') {
            Some(name) => (self.asked)(name).ok_or("refers to a dependency that the project does not have"),
            None if value == "-" && self.dialect == Dialect::Pnpm => {
                Err("leaves a dependency out, which this version cannot")
            }
            None => Ok(value),
        }
    }
}

const NO_SELECTOR: &str = "names no package, or a range that is none";

/// The packages that a key names, from outside to inside.
pub fn selectors(key: &str, dialect: Dialect) -> Option<Vec<Selector>> {
    let mut found: Vec<Selector> = Vec::new();
    match dialect {
        Dialect::Npm => found.push(selector(key, false)?),
        Dialect::Pnpm => {
            // `a>b`, but not the one of `a@>2`.
            let mut rest = key;
            let parted =
                |(i, c): (usize, u8)| c == b'>' && i > 0 && !b" |@".contains(&rest.as_bytes()[i - 1]);
            while let Some(i) = rest.bytes().enumerate().position(parted) {
                found.push(selector(&rest[..i], !found.is_empty())?);
                rest = &rest[i + 1..];
                if found.len() > 1 {
                    return None;
                }
            }
            found.push(selector(rest, !found.is_empty())?);
        }
        Dialect::Yarn => {
            let mut parts = key.split('/');
            let mut direct = true;
            while let Some(part) = parts.next() {
                if part == "**" {
                    direct = false;
                    continue;
                }
                // A pattern for many names, which only yarn 1 has.
                if key.replace("**", "").contains('*') {
                    return None;
                }
                let whole = match part.starts_with('@') {
                    true => &*format!("{part}/{}", parts.next()?),
                    false => part,
                };
                found.push(selector(&whole.replacen("@npm:", "@", 1), direct && !found.is_empty())?);
                direct = true;
            }
        }
    }
    (!found.is_empty()).then_some(found)
}

/// `name`, `@scope/name@range`.
fn selector(text: &str, direct: bool) -> Option<Selector> {
    let text = text.trim();
    let at = text.get(1..)?.find('@').map_or(text.len(), |i| i + 1);
    let (name, range) = text.split_at(at);
    let range = range.get(1..).unwrap_or_default().trim();
    let range = if range == "*" { "" } else { range };
    Range::parse(range)?;
    Some(Selector { name: PackageName::parse(name).ok()?, range: range.into(), direct })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_each_dialect() {
        let shown = |key: &str, dialect| {
            selectors(key, dialect)
                .map(|path| Override { path, value: String::new(), overrules: false }.to_string())
        };
        for (key, dialect, expected) in [
            ("a", Dialect::Npm, Some("a")),
            ("@s/a@^1", Dialect::Npm, Some("@s/a@^1")),
            ("a@*", Dialect::Npm, Some("a")),
            ("a@next", Dialect::Npm, None),
            ("", Dialect::Npm, None),
            ("../a", Dialect::Npm, None),
            ("a>b", Dialect::Pnpm, Some("a > b")),
            ("a@1>@s/b@>=2 <3", Dialect::Pnpm, Some("a@1 > @s/b@>=2 <3")),
            ("a@>2", Dialect::Pnpm, Some("a@>2")),
            ("a@1 || >2>b", Dialect::Pnpm, Some("a@1 || >2 > b")),
            ("a>b>c", Dialect::Pnpm, None),
            ("a", Dialect::Yarn, Some("a")),
            ("**/a", Dialect::Yarn, Some("a")),
            ("@s/p/@t/a", Dialect::Yarn, Some("@s/p > @t/a")),
            ("p/**/a", Dialect::Yarn, Some("p >> a")),
            ("a@npm:^1.0.0", Dialect::Yarn, Some("a@^1.0.0")),
            ("@s", Dialect::Yarn, None),
            ("**", Dialect::Yarn, None),
            ("@babel/*", Dialect::Yarn, None),
        ] {
            assert_eq!(shown(key, dialect).as_deref(), expected, "{key}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_key_is_too_odd(key in "[a-z@/>*^ |.$é-]{0,20}") {
            for dialect in [Dialect::Npm, Dialect::Yarn, Dialect::Pnpm] {
                let _ = selectors(&key, dialect);
            }
        }
    }
}
