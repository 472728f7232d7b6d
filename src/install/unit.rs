//! The wanted `node_modules`, as data: a list of units, each swapped as a whole.
//!
//! A unit is what one rename can put in place: a top-level package folder with
//! everything nested in it (`react`, `@types/node`), a link, the `.bin` folder,
//! or a folder of the isolated linker's virtual store. Two trees are compared
//! by their units' digests, so that an install touches only what changed.

use super::bins::Bin;
use super::store::Key;
use mirror::digest::Hash;

/// How `node_modules` is built (`--linker`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Linker {
    /// npm's shape: every package as high as it goes, files linked or copied from the store.
    Hoisted,
    /// Strict: a virtual store inside the project, which sees only what it asks for.
    Isolated,
    /// One link per direct dependency into trees shared by all projects.
    Store,
}

impl Linker {
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "hoisted" => Some(Self::Hoisted),
            "isolated" => Some(Self::Isolated),
            "store" => Some(Self::Store),
            _ => None,
        }
    }
    pub fn name(self) -> &'static str {
        match self {
            Self::Hoisted => "hoisted",
            Self::Isolated => "isolated",
            Self::Store => "store",
        }
    }
}

/// One thing to make. Paths are relative to the unit's own path; `""` is the unit itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// A package's files, from the store.
    Package {
        at: String,
        key: Key,
        /// Its own copies, which its scripts may change ([`super::scripts`]).
        own: bool,
    },
    Directory {
        at: String,
    },
    /// A symbolic link (on volumes without links: a copy is planned instead, never a link).
    Link {
        at: String,
        target: String,
    },
    /// A small executable text file.
    Script {
        at: String,
        text: String,
    },
}

impl Op {
    pub fn at(&self) -> &str {
        match self {
            Self::Package { at, .. }
            | Self::Directory { at }
            | Self::Link { at, .. }
            | Self::Script { at, .. } => at,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// Relative to `node_modules`.
    pub path: String,
    /// Parents before what lies in them.
    pub ops: Vec<Op>,
    pub digest: Digest,
}

/// 16 bytes of SHA-256 over a unit's operations.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest(pub [u8; 16]);

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&mirror::digest::hex(&self.0))
    }
}

impl Unit {
    pub fn new(path: String, ops: Vec<Op>) -> Self {
        let mut text = Vec::with_capacity(ops.len() * 64);
        for op in &ops {
            let (kind, at, what) = match op {
                Op::Package { at, key, own: false } => (b'p', at, key.as_str()),
                Op::Package { at, key, own: true } => (b'o', at, key.as_str()),
                Op::Directory { at } => (b'd', at, ""),
                Op::Link { at, target } => (b'l', at, target.as_str()),
                Op::Script { at, text } => (b's', at, text.as_str()),
            };
            text.push(kind);
            text.extend_from_slice(at.as_bytes());
            text.push(0);
            text.extend_from_slice(what.as_bytes());
            text.push(0);
        }
        let mut digest = Digest([0; 16]);
        digest.0.copy_from_slice(&Hash::of(&text).0[..16]);
        Self { path, ops, digest }
    }

    /// Whether scripts may run in it.
    pub fn has_own(&self) -> bool {
        self.ops.iter().any(|op| matches!(op, Op::Package { own: true, .. }))
    }

    pub fn packages(&self) -> impl Iterator<Item = &Key> {
        self.ops.iter().filter_map(|op| match op {
            Op::Package { key, .. } => Some(key),
            _ => None,
        })
    }
}

/// The operations of a `.bin` folder at `at` (empty: the unit itself).
pub fn bin_ops(at: &str, bins: &[Bin], symlinks: bool) -> Vec<Op> {
    let inside = |name: &str| if at.is_empty() { name.to_string() } else { format!("{at}/{name}") };
    let mut ops = vec![Op::Directory { at: at.to_string() }];
    for bin in bins {
        if symlinks {
            ops.push(Op::Link { at: inside(bin.name.as_str()), target: bin.link_target() });
        } else {
            ops.push(Op::Script { at: inside(bin.name.as_str()), text: bin.shell_script() });
            ops.push(Op::Script { at: inside(&format!("{}.cmd", bin.name)), text: bin.cmd_script() });
        }
    }
    ops
}
