//! Why there is no resolution, and what was let pass, as data.
//!
//! Where [`crate::error`] has the same case, it words it: [`Failure`] becomes
//! an [`Error`] by `into`, and what is particular to resolving is worded here.

use super::spec::Unsupported;
use crate::error::{self, Demand, Error, Seen, Status, VersionConflict, Whereabouts};
use mirror::name::{NameError, escape};
use std::fmt;

/// A package on the way from a manifest to what is concerned.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Step {
    /// Its folder's name; for an importer its path, `""` for the project.
    pub name: String,
    /// `None`: an importer.
    pub version: Option<String>,
}

/// A dependency that cannot be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The package that was looked up.
    pub package: String,
    /// As the dependant wrote it.
    pub range: String,
    pub reason: Reason,
    /// From the manifest to the dependant.
    pub chain: Vec<Step>,
    /// Another mirror that had it; the resolver does not know of any.
    pub last_seen: Option<Seen>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// No index has the name.
    UnknownName,
    /// No version satisfies. All that can be had, ascending.
    NoVersion { available: Vec<String> },
    /// The highest that satisfies is known, its archive is not here: when its
    /// upstream was last asked (Unix seconds, 0 when not known), and whether
    /// the archive has been here.
    Absent { version: String, as_of: u64, was_here: bool },
    /// `workspace:` names none, or one of this version, which does not fit.
    NoMember { version: Option<String> },
    /// Not from a registry, or no value that npm understands.
    Unsupported(Unsupported),
}

/// Two packages that want different versions of a third beside them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerConflict {
    /// What is wanted twice.
    pub peer: String,
    /// The range that is not met, and who has it (the last of the chain).
    pub range: String,
    pub chain: Vec<Step>,
    /// The version in its way, and who asked for that with which range.
    pub found: Option<String>,
    pub found_for: Vec<(Step, String)>,
}

#[derive(Debug)]
pub enum Failure {
    /// Each dependency that could not be had, in the order of the tree.
    Missing(Vec<Missing>),
    PeerConflict(Box<PeerConflict>),
    /// A dependency's name that is no name, and who has it.
    Name {
        source: NameError,
        dependant: Step,
    },
    /// An override that asks for something else than the project itself does.
    Overridden {
        package: String,
        range: String,
        by: String,
    },
    /// Metadata that makes the tree grow past every real one.
    TooLarge {
        places: usize,
    },
    /// Folders nested deeper than any system can open them.
    TooDeep,
    /// Placing one package takes away what another needs, and so on without
    /// end: the way to a package where that goes on.
    Unsettled {
        chain: Vec<Step>,
    },
    /// The index could not answer.
    Index(Box<Error>),
}

impl Failure {
    /// It came from where things lie in the tree, not from what there is.
    pub fn is_of_the_tree(&self) -> bool {
        matches!(self, Self::PeerConflict(_) | Self::TooLarge { .. } | Self::TooDeep | Self::Unsettled { .. })
    }
}

/// Something that did not stop the resolution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// Why the lock's choices could not be kept; all was chosen anew.
    LockLeft(String),
    PeerConflict(Box<PeerConflict>),
    /// An optional dependency that was left out.
    LeftOut(Missing),
    /// A command whose name or path could not be used.
    Bin {
        package: String,
        command: String,
        path: String,
    },
}

impl From<Failure> for Box<Error> {
    fn from(failure: Failure) -> Self {
        let message = failure.to_string();
        Box::new(match failure {
            Failure::Index(error) => return error,
            Failure::Name { source, dependant } => {
                Error::Name { source, place: format!("a dependency of {dependant}") }
            }
            Failure::PeerConflict(conflict) => Error::VersionConflict(Box::new((*conflict).into())),
            Failure::TooLarge { .. } | Failure::TooDeep => {
                Error::Other { status: Status::Failed, message, hints: Vec::new() }
            }
            Failure::Unsettled { chain } => {
                let last = chain.last().map(|step| escape(&step.name).into_owned());
                let hints = last.map(|name| {
                    format!("ask for versions of `{name}` and its peers in the manifest that go together")
                });
                Error::Other { status: Status::Failed, message, hints: hints.into_iter().collect() }
            }
            Failure::Overridden { package, .. } => {
                let hint = format!(
                    "make both the same, or write `\"{0}\": \"${0}\"` into the overrides: what the project asks for",
                    escape(&package)
                );
                Error::Other { status: Status::Failed, message, hints: vec![hint] }
            }
            Failure::Missing(all) => {
                let mut worded: Vec<Self> = all.iter().filter_map(Missing::worded).collect();
                if all.len() == 1 && worded.len() == 1 {
                    return worded.remove(0);
                }
                let status = if worded.is_empty() { Status::Failed } else { Status::Unreachable };
                let mut hints: Vec<String> = Vec::new();
                match worded.as_slice() {
                    [one] => hints = one.hints(),
                    [] => {}
                    _ => hints.push(
                        "where there is a network, `pantry mirror pull --from MANIFEST --mirror DIR` fetches \
                         everything that a manifest asks for"
                            .into(),
                    ),
                }
                if worded.len() < all.len() {
                    hints.push("versions, ranges, dist-tags and npm: aliases can be resolved".into());
                }
                Error::Other { status, message, hints }
            }
        })
    }
}

impl Missing {
    /// As the one error that it is, when that has words for it.
    fn worded(&self) -> Option<Box<Error>> {
        let whereabouts = match &self.reason {
            Reason::UnknownName => Whereabouts::Unknown,
            Reason::NoVersion { available } => {
                Whereabouts::NoVersionFits { present: available.clone(), asked: false }
            }
            Reason::Absent { version, was_here: true, .. } => {
                Whereabouts::ArchiveAbsent { version: version.clone() }
            }
            Reason::Absent { version, as_of, .. } => {
                Whereabouts::KnownUpstream { version: version.clone(), as_of: *as_of }
            }
            Reason::Unsupported(_) | Reason::NoMember { .. } => return None,
        };
        Some(Box::new(Error::Missing(Box::new(error::Missing {
            package: self.package.clone(),
            range: self.bare_range().to_string(),
            chain: links(&self.chain),
            whereabouts,
            last_seen: self.last_seen.clone(),
        }))))
    }

    /// The range without `npm:name@`.
    pub fn bare_range(&self) -> &str {
        match self.range.get(..4) {
            Some(head) if head.eq_ignore_ascii_case("npm:") => {
                let after = self.range[4..].get(1..).and_then(|r| r.split_once('@'));
                after.map_or("*", |(_, range)| range)
            }
            _ => &self.range,
        }
    }
}

impl From<PeerConflict> for VersionConflict {
    fn from(conflict: PeerConflict) -> Self {
        let mut demands = vec![Demand { range: conflict.range, chain: links(&conflict.chain) }];
        demands.extend(
            conflict
                .found_for
                .iter()
                .map(|(who, range)| Demand { range: range.clone(), chain: links(std::slice::from_ref(who)) }),
        );
        Self { package: conflict.peer, chosen: conflict.found, demands }
    }
}

/// The project itself goes without saying where a package follows.
fn links(chain: &[Step]) -> Vec<String> {
    let named = |s: &&Step| s.version.is_some() || !s.name.is_empty();
    chain.iter().filter(named).map(Step::to_string).collect()
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.version, self.name.as_str()) {
            (Some(version), name) => write!(f, "{}@{}", escape(name), escape(version)),
            (None, "") => f.write_str("the project"),
            (None, path) => f.write_str(&escape(path)),
        }
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(error) = self.worded() {
            return write!(f, "{error}");
        }
        let kind = match self.reason {
            Reason::Unsupported(Unsupported::File) => "is a file or folder, which cannot be resolved yet",
            Reason::Unsupported(Unsupported::Git) => "is a git repository, which cannot be resolved yet",
            Reason::Unsupported(Unsupported::Url) => "is an address, which cannot be resolved yet",
            Reason::NoMember { version: None } => "is no member of this workspace",
            Reason::NoMember { .. } => "does not fit the member's version",
            _ => "is no version, range, dist-tag or alias",
        };
        write!(f, "{}: `{}` {kind}", escape(&self.package), escape(&self.range))?;
        if let Reason::NoMember { version: Some(version) } = &self.reason {
            write!(f, " {}", escape(version))?;
        }
        match links(&self.chain).as_slice() {
            [] => Ok(()),
            links => write!(f, "\n  wanted by {}", links.join(" -> ")),
        }
    }
}

impl fmt::Display for PeerConflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (peer, range) = (escape(&self.peer), escape(&self.range));
        let who = match links(&self.chain) {
            links if links.is_empty() => "the project".to_string(),
            links => links.join(" -> "),
        };
        write!(f, "{who} needs {peer} {range} beside it")?;
        match &self.found {
            Some(found) => write!(f, ", but {peer} {} is there", escape(found))?,
            None => f.write_str(", but no version suits everybody")?,
        }
        for (i, (who, range)) in self.found_for.iter().enumerate() {
            write!(f, "{}{who} ({})", if i > 0 { ", " } else { " for " }, escape(range))?;
        }
        Ok(())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(all) => {
                for (i, missing) in all.iter().enumerate() {
                    write!(f, "{}{missing}", if i > 0 { "\n" } else { "" })?;
                }
                Ok(())
            }
            Self::PeerConflict(conflict) => write!(f, "{conflict}"),
            Self::Name { source, dependant } => write!(f, "a dependency of {dependant}: {source}"),
            Self::Overridden { package, range, by } => {
                let (package, range, by) = (escape(package), escape(range), escape(by));
                write!(f, "the override of {package} by {by} conflicts with the project's own dependency {package} {range}")
            }
            Self::TooLarge { places } => {
                write!(
                    f,
                    "the dependency tree has no end, or is too large: {places} possibilities were looked at"
                )
            }
            Self::TooDeep => f.write_str(
                "the dependency tree is nested so deeply that no system could open its folders: each version of a \
                 package needs another version of one that is above it",
            ),
            Self::Unsettled { chain } => {
                write!(
                    f,
                    "these dependencies never settle: each that is placed takes away what another needs"
                )?;
                for (i, step) in chain.iter().enumerate() {
                    write!(f, "{}{step}", if i == 0 { "\n  at " } else { " > " })?;
                }
                Ok(())
            }
            Self::Index(error) => write!(f, "{error}"),
        }
    }
}
impl std::error::Error for Failure {}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LockLeft(failure) => {
                write!(f, "the lock's versions do not go together any more, all were chosen anew: {failure}")
            }
            Self::PeerConflict(conflict) => write!(f, "{conflict}"),
            Self::LeftOut(missing) => write!(f, "left out an optional dependency: {missing}"),
            Self::Bin { package, command, path } => {
                write!(
                    f,
                    "{}: left out the command `{}` ({})",
                    escape(package),
                    escape(command),
                    escape(path)
                )
            }
        }
    }
}
