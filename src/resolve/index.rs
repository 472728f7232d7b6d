//! What the resolver asks: which versions of a package may be chosen, and what
//! each of them needs.

use mirror::name::PackageName;
use mirror::record::{RecordView, VersionRecord};
use std::rc::Rc;

/// Where the resolver looks packages up. Implemented over mirrors, and over
/// packuments fetched ahead; the resolver does not know which.
pub trait Index {
    /// `Ok(None)`: the name is unknown to every index that was asked. An error
    /// is final for the run (damaged mirror, unreachable upstream, …).
    fn package(&self, name: &PackageName) -> Result<Option<Rc<dyn Candidates>>, Box<crate::error::Error>>;
}

/// The versions of one package, ascending by precedence.
pub trait Candidates {
    /// The authority that gave the name out (see [`mirror::record::Key::source`]).
    fn source(&self) -> &str;
    /// The version a dist-tag points to.
    fn tag(&self, tag: &str) -> Option<&str>;
    fn len(&self) -> usize;
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    fn version(&self, i: usize) -> &str;
    /// May be chosen: its archive is present, or an upstream can be asked for it.
    fn is_available(&self, i: usize) -> bool;
    fn is_deprecated(&self, i: usize) -> bool;
    /// Unix seconds; 0: not known.
    fn published(&self, _i: usize) -> u64 {
        0
    }
    /// Unix seconds of the upstream's last answer; 0: not known.
    fn checked(&self) -> u64 {
        0
    }
    fn load(&self, i: usize) -> Result<VersionRecord, Box<crate::error::Error>>;
}

/// A record of a mirror: only archives that are in it can be had.
impl Candidates for RecordView {
    fn source(&self) -> &str {
        &self.key().source
    }
    fn tag(&self, tag: &str) -> Option<&str> {
        RecordView::tag(self, tag)
    }
    fn len(&self) -> usize {
        RecordView::len(self)
    }
    fn version(&self, i: usize) -> &str {
        RecordView::version(self, i)
    }
    fn is_available(&self, i: usize) -> bool {
        self.is_present(i)
    }
    fn is_deprecated(&self, i: usize) -> bool {
        RecordView::is_deprecated(self, i)
    }
    fn published(&self, i: usize) -> u64 {
        RecordView::published(self, i)
    }
    fn checked(&self) -> u64 {
        RecordView::checked(self)
    }
    fn load(&self, i: usize) -> Result<VersionRecord, Box<crate::error::Error>> {
        RecordView::load(self, i).map_err(Box::from)
    }
}
