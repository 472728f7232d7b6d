//! `engines.node` of packages, and the node that is here.

use super::range::Range;
use mirror::version::Version;
use std::fmt;
use std::sync::{Arc, OnceLock};

/// The user's node: asked for its version when that first matters, and once.
#[derive(Clone, Default)]
pub struct Node(Option<Arc<Asked>>);

struct Asked {
    answer: OnceLock<Option<Version>>,
    ask: Box<dyn Fn() -> Option<Version> + Send + Sync>,
}

impl Node {
    pub fn new(ask: Box<dyn Fn() -> Option<Version> + Send + Sync>) -> Self {
        Self(Some(Arc::new(Asked { answer: OnceLock::new(), ask })))
    }

    /// `None`: there is none, or nobody wants to know.
    pub fn version(&self) -> Option<&Version> {
        let asked = self.0.as_ref()?;
        asked.answer.get_or_init(|| (asked.ask)()).as_ref()
    }

    /// Nobody is to be asked.
    pub fn is_unknown(&self) -> bool {
        self.0.is_none()
    }

    /// Whether a package with these `engines` is for it. What is no range is for nobody.
    pub fn fits(&self, engines: &[(String, String)]) -> bool {
        let Some(range) = wanted(engines) else { return true };
        self.version().is_none_or(|have| Range::parse_strict(range).is_some_and(|r| r.satisfies(have)))
    }
}

/// The range of `engines.node`.
pub fn wanted(engines: &[(String, String)]) -> Option<&str> {
    engines.iter().find(|(name, range)| name == "node" && !range.is_empty()).map(|(_, range)| range.as_str())
}

impl From<Version> for Node {
    fn from(version: Version) -> Self {
        Self::new(Box::new(move || Some(version.clone())))
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Node").field(&self.0.as_ref().and_then(|asked| asked.answer.get())).finish()
    }
}
