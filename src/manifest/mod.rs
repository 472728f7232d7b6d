//! A project's manifests: what it is called and what it needs.
//!
//! The project is the nearest folder upwards that holds one of these files:
//!
//! | file | text | dependencies are read as |
//! |---|---|---|
//! | `pantry.json` `pantry.jsonc` `package.jsonc` | JSON with comments and trailing commas | pantry's ([`Dialect::Pantry`]) |
//! | `config/deps.ts` | TypeScript: never evaluated before `pantry allow` | – |
//! | `package.json` | strict JSON | npm's ([`Dialect::Npm`]) |
//!
//! Beside one of pantry's files package.json is read too, and its dependencies
//! are installed as well; where the two contradict each other, that is an
//! error that names both places.
//!
//! Reading is strict about what matters to an install (names, duplicate keys,
//! kinds of values), passes over fields it does not know, and keeps the place
//! of everything, so that any later error can show its line. What npm accepts
//! in fields that an install does not need is accepted and left out here too.
//!
//! [`edit`] sets or takes out one dependency in the text.
//!
//! Not here: what a dependency's words mean ([`crate::dependency`]); archives'
//! own package.json ([`crate::import`]).

pub mod edit;
mod error;
mod find;
mod merge;
mod overrides;
mod read;
pub mod workspace;

pub use error::{Error, Problem, Warning};
pub use find::{Project, find};
pub use merge::{Merged, Request, merge};
pub use overrides::overrides;
pub use read::read;

use crate::dependency::{Dependency, Dialect, SourceResolution, Value};
use crate::install::hoist;
use crate::json::{Excerpt, Syntax};
use crate::resolve::graph::Group;
use mirror::name::{BinName, PackageName, RelPath};
use mirror::version::Version;
use std::ops::Range;
use std::path::PathBuf;

/// Largest manifest that is read, in bytes.
pub const LIMIT: usize = 16 << 20;

/// Most dependencies that are read: more folders no project can have ([`crate::install::hoist`]).
pub const MOST_DEPENDENCIES: usize = hoist::MOST_PLACES;

/// Which of a project's files it is, in the order in which they are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    PantryJson,
    PantryJsonc,
    PackageJsonc,
    DepsTs,
    PackageJson,
}

impl Format {
    pub const ALL: [Self; 5] =
        [Self::PantryJson, Self::PantryJsonc, Self::PackageJsonc, Self::DepsTs, Self::PackageJson];

    /// Its path inside the project.
    pub fn file(self) -> &'static str {
        match self {
            Self::PantryJson => "pantry.json",
            Self::PantryJsonc => "pantry.jsonc",
            Self::PackageJsonc => "package.jsonc",
            Self::DepsTs => "config/deps.ts",
            Self::PackageJson => "package.json",
        }
    }

    pub fn dialect(self) -> Dialect {
        if self == Self::PackageJson { Dialect::Npm } else { Dialect::Pantry }
    }

    /// The specification's examples of pantry.json hold comments.
    pub fn syntax(self) -> Syntax {
        if self == Self::PackageJson { Syntax::Json } else { Syntax::Jsonc }
    }
}

/// One manifest as it stands in its file.
#[derive(Debug, Clone)]
pub struct Manifest {
    pub path: PathBuf,
    pub format: Format,
    /// The file's text; offsets and spans below are bytes of it.
    pub text: String,
    pub name: Option<PackageName>,
    pub version: Option<Version>,
    /// All groups, in the order of the file, nothing overruled yet ([`merge`] does that).
    pub dependencies: Vec<Declared>,
    /// Names of `bundleDependencies`.
    pub bundled: Vec<String>,
    pub scripts: Vec<(String, String)>,
    /// Command → file inside the project.
    pub bin: Vec<(BinName, RelPath)>,
    pub engines: Vec<(String, String)>,
    pub os: Vec<String>,
    pub cpu: Vec<String>,
    /// Glob patterns of the members, with `!` in front of those that are taken
    /// out; none leaves the project.
    pub workspaces: Vec<String>,
    /// `catalog` and `catalogs`: the catalog (`default`), a name, its value.
    pub catalogs: Vec<(String, String, String)>,
    /// `trustedDependencies`: packages whose scripts the project would allow.
    pub trusted: Vec<String>,
    /// Mirrors the project names; they count after `pantry allow`.
    pub mirrors: Vec<String>,
    pub resolution: SourceResolution,
    /// The text of fields that others read: where each value stands.
    pub overrides: Option<Range<usize>>,
    pub resolutions: Option<Range<usize>>,
    pub pnpm_overrides: Option<Range<usize>>,
    pub registries: Option<Range<usize>>,
    pub services: Option<Range<usize>>,
    pub warnings: Vec<Warning>,
}

/// One dependency of one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// Left of the colon, as written.
    pub key: String,
    /// Right of the colon, as written.
    pub value: Value,
    pub group: Group,
    /// A peer that `peerDependenciesMeta` makes optional.
    pub optional_peer: bool,
    /// What the words mean.
    pub dependency: Dependency,
    /// Byte offset of the key in the manifest's text.
    pub offset: usize,
}

impl Manifest {
    /// The place of a byte of its text, with the line.
    pub fn excerpt(&self, offset: usize) -> Excerpt {
        Excerpt::new(&self.path, &self.text, offset)
    }

    /// The text of a field that is kept raw.
    pub fn raw(&self, span: &Option<Range<usize>>) -> Option<&str> {
        self.text.get(span.clone()?)
    }
}

#[cfg(test)]
mod tests;
