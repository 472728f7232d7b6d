//! The one archive reader, and the packer.
//!
//! A package archive is a tar stream in gzip (one or more members), in xz or as
//! it is, or a zip archive; its entries share one leading directory. What it is,
//! its first bytes say:
//!
//! ```text
//! gzip member(s) or xz stream(s), zero padding   hashed as read, byte for byte, to the end of the source
//! └─ tar
//!    ├─ pax global header "g"                tolerated when it does not touch paths or sizes
//!    ├─ pax header "x" / GNU long name "L"   path and size of the next entry
//!    ├─ package/package.json                 the first component is dropped, whatever it is called
//!    ├─ package/lib/a.js
//!    └─ zero blocks to the end               anything else there is a second reading: refused
//! zip                                            see `zip.rs`; nothing in it but entries, each described twice alike
//! ```
//!
//! Everything that reads an archive (install, add, verify) goes through
//! [`read`] or [`Workspace::read`], so that no two parts of the product can
//! disagree about what an archive holds. The policy (DESIGN promise 1):
//!
//! * regular files and directories only; links, devices, FIFOs, sparse files
//!   and unknown types are refused, never skipped;
//! * names are normalised (`./`, `//`), then one leading component is dropped
//!   as npm does it. A *file* beside the leading directory is not part of the
//!   package (npm drops it too); `./package.json` counts `.` as the leading
//!   component, `./package/…` counts both;
//! * `..`, absolute names, backslashes, control characters, parts over
//!   255 bytes, drives in front and the names of Windows' devices (`aux.js`)
//!   are refused; a colon further on is legal (packages that npm installs hold it);
//! * the same normalised path twice: the last one wins, as with npm. Two
//!   different paths that a case-folding or normalising file system would take
//!   for one are refused, and so is a file used as a directory;
//! * bytes that are not UTF-8 in a name become U+FFFD, as with npm;
//! * an executable bit makes 0755, everything else is 0644;
//! * a directory without files is checked but not made (npm does not either);
//! * a zip archive with a manifest at its top has no leading directory; it is never asked to guess: the same name
//!   twice, encrypted entries and names that are neither ASCII nor marked as UTF-8 are refused.
//!
//! Not here: links of pkgx and git trees.

mod decompose;
mod error;
mod extract;
mod gzip;
mod header;
mod manifest;
mod names;
mod pack;
mod read;
mod stream;
mod xz;
mod zip;

pub use error::{ArchiveError, Rule};
pub use extract::{Extract, ListedFile, Listing};
pub use pack::pack;
pub use read::{Entry, Expect, Limits, MANIFEST_CAP, Sink, Summary, Workspace, read};

/// False in a build for MinZ alone, whose packages are all `.tgz`.
const FORMATS: bool = cfg!(feature = "formats");

/// How a file that begins like this is called.
pub fn file_extension(head: &[u8]) -> &'static str {
    match head {
        _ if head.starts_with(zip::LOCAL) => "zip",
        _ if head.starts_with(xz::MAGIC) => "tar.xz",
        _ if head.starts_with(&gzip::MAGIC) => "tgz",
        _ => "tar",
    }
}

#[cfg(test)]
mod corpus;
#[cfg(test)]
mod sources;
#[cfg(test)]
mod tests;
