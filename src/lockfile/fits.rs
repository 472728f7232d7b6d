//! Whether a lock answers what the manifests ask.

use crate::resolve::graph::{Graph, Group, Importer, Package, PackageId, Wanted};
use crate::resolve::{Folder, ImporterRequest, Packed, Requested};
use mirror::name::PackageName;
use std::fmt;

/// One thing in which lock and manifests differ. `importer` is its folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// In the manifest, not in the lock.
    Added {
        importer: String,
        alias: PackageName,
        range: String,
    },
    /// In the lock, no longer in the manifest.
    Removed {
        importer: String,
        alias: PackageName,
    },
    Range {
        importer: String,
        alias: PackageName,
        locked: String,
        asked: String,
    },
    Group {
        importer: String,
        alias: PackageName,
        locked: Group,
        asked: Group,
    },
    /// A folder whose manifest the lock does not know.
    NewImporter {
        importer: String,
    },
    /// A folder in the lock that has no manifest any more.
    GoneImporter {
        importer: String,
    },
    /// A folder that is called otherwise than in the lock, or has another version.
    Folder {
        path: String,
    },
    /// An archive of this machine that is not the one that was locked.
    Packed {
        path: String,
    },
    /// A package whose manifest names another registry than it was locked from.
    Source {
        name: PackageName,
        locked: String,
        asked: String,
    },
    /// The first override that is not what it was; the other one is missing where there is none.
    Override {
        locked: Option<(String, String)>,
        asked: Option<(String, String)>,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = |importer: &str| match importer {
            "" => String::new(),
            path => format!(" ({})", mirror::name::escape(path)),
        };
        let text = |t: &str| mirror::name::escape(t).into_owned();
        match self {
            Self::Added { importer, alias, range } => {
                write!(f, "{alias} {} is not in the lock{}", text(range), place(importer))
            }
            Self::Removed { importer, alias } => {
                write!(f, "{alias} is in the lock, but no longer asked for{}", place(importer))
            }
            Self::Range { importer, alias, locked, asked } => {
                write!(
                    f,
                    "{alias} is locked for {}, asked for as {}{}",
                    text(locked),
                    text(asked),
                    place(importer)
                )
            }
            Self::Group { importer, alias, locked, asked } => {
                let name = |group| super::GROUPS.iter().find(|(g, _)| *g == group).map_or("", |(_, n)| n);
                write!(f, "{alias} has moved from {} to {}{}", name(*locked), name(*asked), place(importer))
            }
            Self::NewImporter { importer } => write!(f, "the lock does not know {}", text(importer)),
            Self::Folder { path } => {
                write!(f, "the package in {} has another name, version or command", text(path))
            }
            Self::Source { name, locked, asked } => {
                write!(f, "{name} is locked from {}, asked for from {}", text(locked), text(asked))
            }
            Self::Packed { path } => write!(f, "{} is another archive than was locked", text(path)),
            Self::Override { locked, asked } => {
                let one = |o: &Option<(String, String)>| match o {
                    Some((what, by)) => format!("{} by {}", text(what), text(by)),
                    None => "nothing".into(),
                };
                write!(
                    f,
                    "the lock was made with other overrides: {} where {} is asked for",
                    one(locked),
                    one(asked)
                )
            }
            Self::GoneImporter { importer } => write!(f, "{} has no manifest any more", text(importer)),
        }
    }
}

/// Whether packages come from where manifests themselves say. What `.npmrc` says counts for what is not locked yet.
pub fn comes_from(lock: &Graph, named: &[(PackageName, String)]) -> Result<(), Vec<Difference>> {
    for (name, asked) in named {
        let others = |p: &&Package| p.name == *name && !p.is_local() && p.source != *asked;
        if let Some(Package { source, .. }) = lock.packages.iter().find(others) {
            let (name, locked, asked) = (name.clone(), source.clone(), asked.clone());
            return Err(vec![Difference::Source { name, locked, asked }]);
        }
    }
    Ok(())
}

/// A lock in which nobody has found those that come from elsewhere.
pub fn without_moved(lock: &Graph, named: &[(PackageName, String)]) -> Graph {
    let mut graph = lock.clone();
    let moved = |id: &PackageId| {
        let package = lock.package(*id);
        named
            .iter()
            .any(|(name, asked)| package.name == *name && !package.is_local() && package.source != *asked)
    };
    let edges = graph.packages.iter_mut().flat_map(|p| p.dependencies.iter_mut().map(|e| &mut e.target));
    let wanted = graph.importers.iter_mut().flat_map(|i| i.dependencies.iter_mut().map(|w| &mut w.target));
    edges.chain(wanted).for_each(|target| *target = target.filter(|id| !moved(id)));
    graph
}

/// Whether `lock` was made for exactly these manifests. It compares words, not
/// versions: a lock that fits holds what its own ranges were resolved to.
pub fn fits(lock: &Graph, asked: &[ImporterRequest]) -> Result<(), Vec<Difference>> {
    let mut found = Vec::new();
    for importer in asked {
        match lock.importers.binary_search_by(|i| i.path.cmp(&importer.path)) {
            Ok(i) => compare(&lock.importers[i], importer, &mut found),
            Err(_) if importer.path.is_empty() && lock.importers.is_empty() => {
                compare(&Importer::default(), importer, &mut found);
            }
            Err(_) => found.push(Difference::NewImporter { importer: importer.path.clone() }),
        }
    }
    let paths: std::collections::HashSet<&str> = asked.iter().map(|a| a.path.as_str()).collect();
    for importer in &lock.importers {
        if !paths.contains(importer.path.as_str()) {
            found.push(Difference::GoneImporter { importer: importer.path.clone() });
        }
    }
    let nothing = ImporterRequest::default();
    let root = asked.iter().find(|a| a.path.is_empty()).unwrap_or(&nothing);
    for package in &lock.packages {
        let Some(path) = package.folder() else { continue };
        let same = |f: &&Folder| f.path == path && f.name == package.name && f.version == package.version;
        if !root.folders.iter().any(|f| same(&f) && f.bins == package.bins) {
            found.push(Difference::Folder { path: path.to_string() });
        }
    }
    for package in &lock.packages {
        let Some(path) = package.packed() else { continue };
        let same =
            |p: &Packed| p.path == path && p.name == package.name && p.record.integrity == package.integrity;
        if !root.packed.iter().any(same) {
            found.push(Difference::Packed { path: path.to_string() });
        }
    }
    let locked = |f: &&Folder| lock.packages.iter().any(|p| p.folder() == Some(&f.path));
    let new = root.folders.iter().filter(|f| f.member && !locked(f));
    found.extend(new.map(|f| Difference::Folder { path: f.path.clone() }));
    if found.is_empty() { Ok(()) } else { Err(found) }
}

/// Both sides hold each (alias, peer or not) at most once.
fn compare(locked: &Importer, asked: &ImporterRequest, found: &mut Vec<Difference>) {
    let importer = || locked.path.clone();
    let (had, asks) = (&locked.overrides, asked.overrides_as_text());
    if *had != asks {
        let at = had.iter().zip(&asks).take_while(|(a, b)| a == b).count();
        found.push(Difference::Override { locked: had.get(at).cloned(), asked: asks.get(at).cloned() });
    }
    let mut wanted: Vec<&Requested> = asked.dependencies.iter().collect();
    mirror::order::sort_by_key(&mut wanted, |a| (&a.alias, a.group == Group::Peer));
    let mut have: Vec<&Wanted> = locked.dependencies.iter().collect();
    mirror::order::sort_by_key(&mut have, |w| (&w.alias, w.group == Group::Peer));
    let (mut have, mut wanted) = (have.into_iter().peekable(), wanted.into_iter().peekable());
    loop {
        let order = match (have.peek(), wanted.peek()) {
            (None, None) => return,
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some(h), Some(w)) => (&h.alias, h.group == Group::Peer).cmp(&(&w.alias, w.group == Group::Peer)),
        };
        let h = if order.is_le() { have.next() } else { None };
        let w = if order.is_ge() { wanted.next() } else { None };
        match (h, w) {
            (Some(h), Some(w)) => {
                if h.range != w.range {
                    let (locked, asked) = (h.range.clone(), w.range.clone());
                    found.push(Difference::Range {
                        importer: importer(),
                        alias: h.alias.clone(),
                        locked,
                        asked,
                    });
                }
                if h.group != w.group {
                    let (locked, asked) = (h.group, w.group);
                    found.push(Difference::Group {
                        importer: importer(),
                        alias: h.alias.clone(),
                        locked,
                        asked,
                    });
                }
            }
            (Some(h), None) => {
                found.push(Difference::Removed { importer: importer(), alias: h.alias.clone() })
            }
            (None, Some(w)) => found.push(Difference::Added {
                importer: importer(),
                alias: w.alias.clone(),
                range: w.range.clone(),
            }),
            (None, None) => return,
        }
    }
}
