//! Identifiers that may become part of a path, a URL or a message.
//!
//! Each type can only be built by its parser, so that no function in the
//! project has to ask again whether a `&str` is safe to join to a directory.
//! A value of these types never holds `/` (except the one inside a scope),
//! `\`, a control character, `.`/`..`, or a name that Windows reserves.
//!
//! Not here: version numbers ([`crate::version`]), ranges (the callers' own),
//! dependency syntax (`pantry::dependency`).

use std::fmt;

/// Why a text is not an identifier. `text` is as it was given (unescaped: the
/// renderer escapes it), `rule` is a short clause such as «is empty».
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameError {
    pub kind: &'static str,
    pub text: String,
    pub rule: &'static str,
}

/// Most characters of what is no name in a message.
const SHOWN: usize = 300;

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What is no name may be as long as the file that it stands in.
        let end = self.text.char_indices().nth(SHOWN).map_or(self.text.len(), |(i, _)| i);
        let more = if end < self.text.len() { "…" } else { "" };
        write!(f, "`{}{more}` is not a valid {}: it {}", escape(&self.text[..end]), self.kind, self.rule)
    }
}
impl std::error::Error for NameError {}

/// Text from outside made safe for a terminal: C0, DEL, C1, bidirectional
/// controls and line separators become `\u{…}`.
pub fn escape(text: &str) -> std::borrow::Cow<'_, str> {
    fn bad(c: char) -> bool {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}' | '\u{feff}')
    }
    if !text.chars().any(bad) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if bad(c) { out.extend(c.escape_unicode()) } else { out.push(c) }
    }
    out.into()
}

/// Names that Windows gives to devices, with or without an extension.
pub fn is_reserved_on_windows(segment: &str) -> bool {
    let stem = segment.split('.').next().unwrap_or("").trim_end_matches(' ');
    let is = |name: &str| stem.eq_ignore_ascii_case(name);
    match *stem.as_bytes() {
        [_, _, _] => is("CON") || is("PRN") || is("AUX") || is("NUL"),
        [a, b, c, b'1'..=b'9'] => {
            [a, b, c].eq_ignore_ascii_case(b"COM") || [a, b, c].eq_ignore_ascii_case(b"LPT")
        }
        _ => is("CONIN$") || is("CONOUT$"),
    }
}

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $check:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Box<str>);
        impl $name {
            /// Checks `text` and keeps it.
            pub fn parse(text: &str) -> Result<Self, NameError> {
                match $check(text) {
                    Ok(()) => Ok(Self(text.into())),
                    Err(rule) => Err(NameError { kind: $kind, text: text.to_string(), rule }),
                }
            }
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }
        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

identifier! {
    /// An npm package name, `name` or `@scope/name`, also used as the alias
    /// under which a package is installed (a folder of `node_modules`).
    ///
    /// The grammar is npm's for names that exist (upper case is legal there),
    /// without the names that no file system can hold everywhere.
    PackageName, "package name", check_package
}
identifier! {
    /// A MinZ package name: `[a-z0-9]` words joined by `-`, at most 64 bytes.
    MinzName, "MinZ package name", check_minz
}
identifier! {
    /// The name of an executable in `.bin`: one path segment.
    BinName, "command name", check_bin
}
identifier! {
    /// A relative path with `/` that stays inside: no `.`/`..`/empty segment,
    /// no `\`, no drive, no control character; segments of at most 255 bytes.
    RelPath, "relative path", check_relative
}

impl PackageName {
    /// `scope` of `@scope/name`, without the `@`.
    pub fn scope(&self) -> Option<&str> {
        self.0.strip_prefix('@').and_then(|r| r.split_once('/')).map(|(s, _)| s)
    }
    /// `name` of `@scope/name` or of `name`.
    pub fn base(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }
}

impl RelPath {
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }
    /// The same path from a text that may have `./` in front and `.` or empty
    /// segments inside (as archives and manifests write them): normalised first.
    pub fn normalise(text: &str) -> Result<Self, NameError> {
        if text.starts_with('/') {
            return Err(NameError { kind: "relative path", text: text.to_string(), rule: "is absolute" });
        }
        let joined = text.split('/').filter(|s| !s.is_empty() && *s != ".").collect::<Vec<_>>().join("/");
        Self::parse(&joined).map_err(|e| NameError { text: text.to_string(), ..e })
    }
}

fn check_segment(s: &str) -> Result<(), &'static str> {
    if s.is_empty() {
        return Err("has an empty part");
    }
    if s.len() > 255 {
        return Err("has a part of more than 255 bytes");
    }
    if s == "." || s == ".." {
        return Err("leaves its folder (`.` or `..`)");
    }
    if s.contains('\\') {
        return Err("contains a backslash");
    }
    // Names are read by the thousand, and hardly one of them is not ASCII.
    if s.bytes().any(|b| b < b' ' || b == 0x7f) || (!s.is_ascii() && s.chars().any(char::is_control)) {
        return Err("contains a control character");
    }
    Ok(())
}

fn check_package(s: &str) -> Result<(), &'static str> {
    if s.is_empty() {
        return Err("is empty");
    }
    if s.len() > 214 {
        return Err("is longer than 214 bytes");
    }
    let parts = match s.strip_prefix('@') {
        Some(rest) => match rest.split_once('/') {
            Some((scope, name)) => [Some(scope), Some(name)],
            None => return Err("has a scope but no name"),
        },
        None => [None, Some(s)],
    };
    for part in parts.into_iter().flatten() {
        // Nearly all of them, of which nothing below has anything to say: what is reserved is shorter or has other characters.
        let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if part.len() > 4 && part.bytes().all(is_plain) {
            continue;
        }
        if part.contains('/') {
            return Err("contains a `/`");
        }
        check_segment(part)?;
        if part.starts_with('.') {
            return Err("starts with a dot");
        }
        if !part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.~!'()*".contains(&b)) {
            return Err("contains a character that is not allowed in a URL");
        }
        if part.ends_with('.') {
            return Err("ends with a dot");
        }
        if part.eq_ignore_ascii_case("node_modules") || part.eq_ignore_ascii_case("favicon.ico") {
            return Err("is a reserved name");
        }
        if is_reserved_on_windows(part) {
            return Err("is a device name on Windows");
        }
    }
    Ok(())
}

fn check_minz(s: &str) -> Result<(), &'static str> {
    if s.is_empty() {
        return Err("is empty");
    }
    if s.len() > 64 {
        return Err("is longer than 64 bytes");
    }
    if !s.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        return Err("contains something other than a-z, 0-9 and `-`");
    }
    if !s.as_bytes()[0].is_ascii_lowercase() {
        return Err("does not begin with a letter");
    }
    if s.split('-').any(str::is_empty) {
        return Err("has an empty word (`--` or a `-` at an end)");
    }
    if is_reserved_on_windows(s) {
        return Err("is a device name on Windows");
    }
    Ok(())
}

fn check_bin(s: &str) -> Result<(), &'static str> {
    if s.contains('/') {
        return Err("contains a `/`");
    }
    check_segment(s)?;
    if s.starts_with('-') {
        return Err("begins with `-`");
    }
    if s.chars().any(|c| "<>:\"|?*$`;&'".contains(c) || c.is_whitespace()) {
        return Err("contains a character that a shell or file system treats specially");
    }
    if s.ends_with('.') || is_reserved_on_windows(s) {
        return Err("cannot be a file on Windows");
    }
    Ok(())
}

fn check_relative(s: &str) -> Result<(), &'static str> {
    if s.is_empty() {
        return Err("is empty");
    }
    if s.starts_with('/') {
        return Err("is absolute");
    }
    if s.len() > 4096 {
        return Err("is longer than 4,096 bytes");
    }
    let b = s.as_bytes();
    if b.len() >= 2 && b[1] == b':' && b[0].is_ascii_alphabetic() {
        return Err("names a drive");
    }
    for part in s.split('/') {
        check_segment(part)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn package_names() {
        for ok in [
            "react",
            "@types/node",
            "JSONStream",
            "com",
            "com0",
            "com10",
            "console",
            "nul1",
            "a.b",
            "lodash.merge",
            "@a/b-c_d",
            "x~y",
            "0",
        ] {
            assert!(PackageName::parse(ok).is_ok(), "{ok}");
        }
        for bad in [
            "",
            ".",
            "..",
            "../x",
            "a/b",
            "a/b/c",
            "@a",
            "@/b",
            "@a/",
            "@a/../b",
            ".hidden",
            "node_modules",
            "CON",
            "com1",
            "nul.js",
            "a b",
            "a\\b",
            "a\0b",
            "é",
            "x.",
            "@node_modules/a",
            "@a/b/c",
            "Com9.x",
            "lpt1",
            "AUX",
            "conin$",
            "a\u{85}b",
        ] {
            assert!(PackageName::parse(bad).is_err(), "{bad:?}");
        }
        assert!(PackageName::parse(&"a".repeat(215)).is_err());
        let n = PackageName::parse("@types/node").unwrap();
        assert_eq!((n.scope(), n.base()), (Some("types"), "node"));
    }

    #[test]
    fn relative_paths() {
        for ok in ["a", "a/b.js", "src/..a", "a b/c", "é"] {
            assert!(RelPath::parse(ok).is_ok(), "{ok}");
        }
        for bad in ["", "/a", "a//b", "a/../b", "./a", "..", "C:/x", "c:x", "a\\b", "a\nb", "a/"] {
            assert!(RelPath::parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(RelPath::normalise("./bin//x.js").unwrap().as_str(), "bin/x.js");
        let part = |n: usize| "d".repeat(n);
        assert!(RelPath::parse(&part(255)).is_ok() && RelPath::parse(&part(256)).is_err());
        let long = vec![part(255); 16].join("/");
        assert!(RelPath::parse(&long).is_ok() && RelPath::parse(&format!("{long}/x")).is_err());
        assert_eq!(RelPath::parse("a/b c/d").unwrap().segments().collect::<Vec<_>>(), ["a", "b c", "d"]);
        assert!(RelPath::normalise("a/../../b").is_err());
        assert!(RelPath::normalise("/a").is_err());
    }

    #[test]
    fn bin_and_minz_names() {
        assert!(BinName::parse("tsc").is_ok() && BinName::parse("npm-run-all2").is_ok());
        for bad in ["", "..", "a/b", "../x", "-rf", "a b", "a;b", "$(x)", "con"] {
            assert!(BinName::parse(bad).is_err(), "{bad:?}");
        }
        assert!(MinzName::parse("zx-graphics").is_ok());
        assert!(MinzName::parse(&"a".repeat(64)).is_ok());
        for bad in ["", "ZX", "zx_core", "-a", "a-", "a--b", "9a", "../a", "con", "lpt1", &"a".repeat(65)] {
            assert!(MinzName::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn escapes_control_and_bidi() {
        assert_eq!(escape("a\u{1b}[31mb\u{202e}c"), "a\\u{1b}[31mb\\u{202e}c");
        assert_eq!(escape("plain é"), "plain é");
    }
}
