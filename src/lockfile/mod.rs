//! `pantry.lock`: the resolved [`Graph`], as the file that users commit and merge.
//!
//! ```json
//! {
//!   "lockfileVersion": 1,
//!   "importers": {
//!     "": {
//!       "dependencies": {
//!         "react": "18.2.0 ^18.0.0",
//!         "strip": "strip-ansi@6.0.1 npm:strip-ansi@6"
//!       },
//!       "optionalDependencies": {
//!         "fsevents": "- ^2.3.0"
//!       }
//!     }
//!   },
//!   "packages": {
//!     "js-tokens@4.0.0": {"integrity": "sha512-…"},
//!     "loose-envify@1.4.0": {"integrity": "sha512-…", "dependencies": {"js-tokens": "4.0.0 ^3.0.0 || ^4.0.0"}, "bin": {"loose-envify": "cli.js"}},
//!     "react@18.2.0": {"integrity": "sha512-…", "dependencies": {"loose-envify": "1.4.0 ^1.1.0"}, "engines": {"node": ">=0.10.0"}}
//!   }
//! }
//! ```
//!
//! - A package is **one line**, keyed `name@version`, or `name@version#n` where
//!   the same version stands more than once with different dependencies
//!   (n = 1, 2, …). Lines are sorted by name, version (by precedence) and n; so
//!   two branches that touch different packages merge without a conflict.
//! - An importer is a manifest, keyed by its folder from the project's root
//!   (`""` is the root itself), with one line per dependency in the groups of package.json; then
//!   `overrides`, in the manifest's order: `a@^1 >> b` for b anywhere under a, `a > b` for a's own.
//! - A dependency's value is `TARGET RANGE`, parted by the first blank: the
//!   range as its manifest wrote it, and what it came to: `version[#n]` of the
//!   package that is called like the dependency, `name@version[#n]` of another
//!   one (an alias), or `-` for an optional one or a peer that is not there.
//! - Properties of a package, each only where there is something to say and in
//!   this order: `source` (the authority, unless it is `npm`), `tarball` (only
//!   where the URL cannot be derived), `integrity`, `dependencies`,
//!   `optionalDependencies`, `peerDependencies`, `optionalPeerDependencies`,
//!   `bin`, `bundled`, `os`, `cpu`, `libc`, `engines`, `installScript`, `deprecated`.
//!   `dev` and `optional` are not here: they follow from the edges.
//! - Every package has an integrity stronger than SHA-1. The one exception is a
//!   linked folder (a member of the workspace, a `file:` dependency), whose source
//!   is `link:` and its path from the project's root. It has no dependencies here:
//!   they are those of the importer of that path. It fits only as long as the
//!   folder's manifest has the same name, version and commands.
//! - `places`, only where there are any: folders of `node_modules` that lie elsewhere in the hoisted
//!   layout than the rest alone would have them (`install::hoist` says how they are followed), one a line, sorted:
//!
//!   ```json
//!     "places": [
//!       "node_modules/sharp/node_modules/b4a",
//!       "packages/web/node_modules/react"
//!     ]
//!   ```
//!
//!   Each is an importer's folder and then `node_modules/NAME`, once or more. One that nothing needs (left over by a merge)
//!   means nothing; none can take from a package what its line says it gets.
//! - `catalog:` is recorded as what the catalog has; `file:` and `link:` as `link:` and the path from the root.
//! - No user name or password: they are taken off any URL.
//! - Two-space indentation, `\n` line ends, one at the end; the same graph gives
//!   the same bytes. Reading is strict JSON, bounded, in any order of lines (a
//!   merge may have put them out of order), and refuses what it does not know:
//!   a change of meaning comes with another `lockfileVersion`.

mod error;
mod fits;
pub mod foreign;
mod read;
mod write;

pub use error::{Error, Problem};
pub use fits::{Difference, comes_from, fits, without_moved};
pub use read::read;
pub use write::write;

use crate::resolve::graph::{EdgeKind, Graph, Group, LINK, Package};

/// The file's name, beside the manifest.
pub const FILE: &str = "pantry.lock";
/// The version of the format this program writes, and the newest it reads.
pub const VERSION: u64 = 1;
/// Largest file that is read, in bytes: about 150,000 packages.
pub const LIMIT: usize = 64 << 20;

/// The source that goes without saying.
const DEFAULT_SOURCE: &str = "npm";

const GROUPS: [(Group, &str); 4] = [
    (Group::Normal, "dependencies"),
    (Group::Dev, "devDependencies"),
    (Group::Optional, "optionalDependencies"),
    (Group::Peer, "peerDependencies"),
];

const KINDS: [(EdgeKind, &str); 4] = [
    (EdgeKind::Normal, "dependencies"),
    (EdgeKind::Optional, "optionalDependencies"),
    (EdgeKind::Peer, "peerDependencies"),
    (EdgeKind::PeerOptional, "optionalPeerDependencies"),
];

/// `name@version` or `name@version#n`: a package's key.
fn push_key(out: &mut String, package: &Package) {
    use std::fmt::Write;
    let _ = write!(out, "{}@{}", package.name, package.version);
    push_variant(out, package.variant);
}

fn push_variant(out: &mut String, variant: u32) {
    use std::fmt::Write;
    if variant > 0 {
        let _ = write!(out, "#{variant}");
    }
}

/// Whether a graph holds what this module promises about order, so that ids
/// and bytes are stable.
fn is_sorted(graph: &Graph) -> bool {
    let key = |p: &Package| (p.name.clone(), p.version.clone(), p.variant);
    graph.importers.is_sorted_by(|a, b| a.path < b.path)
        && graph.packages.is_sorted_by(|a, b| key(a) < key(b))
        && graph.packages.iter().all(|p| {
            p.dependencies.is_sorted_by_key(|e| (&e.alias, e.kind)) && p.bins.is_sorted_by(|a, b| a.0 < b.0)
        })
}

#[cfg(test)]
mod tests;
