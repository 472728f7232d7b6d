//! The words of hints: what would help, in one line, as an action.
//!
//! The five of the specification («Error Recovery») are [`Advice`]; what is
//! particular to one error is worded beside it.

use super::missing::for_shell;
use mirror::http::{HttpError, TlsProblem};
use std::io;

/// The specification's contextual suggestions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advice {
    Network,
    Permission,
    DiskSpace,
    CorruptedPackage,
    VersionConflict,
    /// Beside the specification's.
    Medium,
}

impl Advice {
    pub fn words(self) -> &'static str {
        match self {
            Self::Network => "check the connection, or use --offline to install from what mirrors have",
            Self::Permission => {
                "look at the owner and the permissions of that file or folder; it may take another user"
            }
            Self::DiskSpace => {
                "make room on that disk (some have a limit for the number of files, too); `pantry cache:clear` deletes what can be made again"
            }
            Self::Medium => {
                "plug the medium in again, or mount it, and run the command again: it goes on where it was"
            }
            Self::CorruptedPackage => {
                "clear the cache with `pantry cache:clear` and try again; `pantry mirror verify` checks a mirror"
            }
            Self::VersionConflict => {
                "change one of these ranges (`pantry tree` shows the whole tree), or do not look at peers: --legacy-peer-deps"
            }
        }
    }

    /// What the system's answer suggests.
    pub fn for_io(error: &io::Error) -> Option<Self> {
        use io::ErrorKind as K;
        if let Some(error) = HttpError::inside(error) {
            return Self::for_http(error);
        }
        match error.kind() {
            K::PermissionDenied => Some(Self::Permission),
            K::StorageFull | K::QuotaExceeded => Some(Self::DiskSpace),
            K::ConnectionRefused
            | K::ConnectionReset
            | K::HostUnreachable
            | K::NetworkUnreachable
            | K::NetworkDown
            | K::TimedOut => Some(Self::Network),
            // What the file systems say of a device that is gone: FUSE, NFS, and ENODEV, EIO (a worn one says it too).
            K::NotConnected | K::ConnectionAborted | K::StaleNetworkFileHandle => Some(Self::Medium),
            _ => matches!(error.raw_os_error(), Some(5 | 19)).then_some(Self::Medium),
        }
    }

    pub fn for_archive(error: &mirror::archive::ArchiveError) -> Option<Self> {
        use mirror::archive::ArchiveError as A;
        match error {
            A::Refused { rule, .. } if !rule.is_damage() => None,
            A::Refused { .. } | A::Integrity { .. } => Some(Self::CorruptedPackage),
            A::Read(source) | A::Write { source, .. } => Self::for_io(source),
        }
    }

    pub fn for_http(error: &HttpError) -> Option<Self> {
        (error.is_unreachable() && !matches!(error, HttpError::Offline { .. })).then_some(Self::Network)
    }

    pub fn for_mzp(error: &mzp::Error) -> Option<Self> {
        match error {
            mzp::Error::Io { source, .. } => Self::for_io(source),
            mzp::Error::HashMismatch { .. } => Some(Self::CorruptedPackage),
            mzp::Error::Archive { source, .. } => Self::for_archive(source),
            mzp::Error::Answer { status, .. } if *status >= 500 => Some(Self::Network),
            _ => None,
        }
    }

    pub fn for_mirror(error: &mirror::Error) -> Option<Self> {
        use mirror::Error as M;
        match error {
            M::Io { source, .. } => Self::for_io(source),
            M::NoSpace { .. } => Some(Self::DiskSpace),
            M::WrongBytes { .. } => Some(Self::CorruptedPackage),
            _ => None,
        }
    }
}

/// What helps with a particular trouble of a mirror.
pub(super) fn for_mirror(error: &mirror::Error) -> Vec<String> {
    use mirror::Error as M;
    let shell = |path: &std::path::Path| for_shell(&path.to_string_lossy());
    let one = match error {
        M::NotAMirror { path } => format!("`pantry mirror init {}` makes one", shell(path)),
        M::AlreadyThere { path } => format!("`pantry mirror status {}` shows what it holds", shell(path)),
        M::NewerFormat { .. } => "a newer version of pantry can read it".to_string(),
        M::Damaged { path, .. } if path.parent().is_some_and(|dir| dir.ends_with("trust/mirrors")) => {
            let id = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            format!("`pantry mirror key unpin {id}` forgets what was remembered of that mirror")
        }
        M::Damaged { .. } | M::Record { .. } | M::NotRegular { .. } => {
            "`pantry mirror verify` finds everything that is damaged".to_string()
        }
        M::ReadOnly { .. } => "a read-only mirror can be installed from, not written to".to_string(),
        M::Conflict(_) => "one of the two was altered; compare both with where they came from".to_string(),
        M::Untrusted(untrusted) => for_trust(&untrusted.why, &shell(&untrusted.path)),
        M::Unvouched(unvouched) => for_statement(&unvouched.doubt).to_string(),
        M::NoKey { path } => format!(
            "`pantry mirror key rotate --add KEY {}`, where its key is, lets another machine write; `pantry mirror key` shows KEY",
            shell(path)
        ),
        M::Locked { .. } => "try again when the other process has finished".to_string(),
        _ => return Vec::new(),
    };
    vec![one]
}

fn for_statement(doubt: &mirror::trust::Doubt) -> &'static str {
    use mirror::trust::Doubt;
    match doubt {
        Doubt::Unsigned => {
            "`pantry mirror add FILE` keeps the statement of FILE.sig; `[signatures]` in config.toml says of which packages one is asked"
        }
        Doubt::Unknown(_) => "`pantry keyring add KEY` trusts a key, once you know whose it is",
        Doubt::OtherKind(_) => "`pantry update NAME` locks it by the hash that a mirror has",
        Doubt::Wrong(_) => {
            "ask whoever gave it to you: the archive or the statement was altered, or is another package's"
        }
    }
}

fn for_trust(why: &mirror::trust::Why, mirror: &str) -> String {
    use mirror::trust::Why;
    match why {
        Why::Unsigned => format!(
            "`pantry mirror key create {mirror}` signs it with this machine's key; PANTRY_SIGNATURES=warn takes it as it is"
        ),
        Why::NotPinned(_) => format!("`pantry mirror key pin {mirror}` trusts it from now on"),
        Why::NoLonger | Why::NoKeys | Why::Others { .. } => {
            format!(
                "ask whoever gave it to you; `pantry mirror key pin {mirror}` trusts the keys that it has now"
            )
        }
        Why::Aged { .. } => {
            "`mirror-max-age` in config.toml (or PANTRY_MIRROR_MAX_AGE) says how many days a mirror may be old".to_string()
        }
        Why::Older { .. } | Why::Forked(_) | Why::TooFar { .. } => format!(
            "an old copy, or not the mirror that it was; `pantry mirror key pin {mirror} --accept-rollback` takes it as it is"
        ),
    }
}

/// What helps against an archive that nobody's disk has damaged.
pub(super) fn for_archive(error: &mirror::archive::ArchiveError) -> Vec<String> {
    match error.rule() {
        Some(rule) if !rule.is_damage() => {
            vec!["nothing of it was kept; choose another version, or tell whoever published it".to_string()]
        }
        _ => Vec::new(),
    }
}

/// What helps against a server or the way to it.
pub(super) fn for_http(error: &HttpError) -> Vec<String> {
    let one = match error {
        HttpError::Offline { .. } => "without --offline and PANTRY_OFFLINE it can be fetched",
        HttpError::Tls { problem, .. } => match problem {
            TlsProblem::Expired(_) | TlsProblem::Early(_) => {
                "look at this machine's clock; if it is right, the server needs another certificate"
            }
            TlsProblem::OtherName(_) => "look at the host's name in the registry's address",
            TlsProblem::Authority => {
                "make one of its own, which the authority signs, or one with `basicConstraints=CA:FALSE` that signs itself"
            }
            TlsProblem::NotTls => "look at port and scheme of the registry's address, and at the proxy's",
            TlsProblem::TooOld => "its owner can turn on TLS 1.2 or 1.3",
            TlsProblem::UnknownIssuer | TlsProblem::Other(_) => {
                "behind a gateway with certificates of its own, name them with --cafile, `cafile` in ~/.npmrc or NODE_EXTRA_CA_CERTS"
            }
        },
        HttpError::Private { .. } => "only a registry that is itself at such an address may point there",
        HttpError::Proxy { .. } => "HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY name the proxies",
        _ => return Vec::new(),
    };
    vec![one.to_string()]
}

/// What helps when a server says no.
pub(super) fn for_answer(status: u16, concerning: &str) -> Vec<String> {
    match status {
        401 | 403 => vec!["check the token for this registry in the user's .npmrc".to_string()],
        // NAME@VERSION, not a search.
        404 if concerning.rfind('@') > Some(0) => vec![
            "the registry names this archive and does not have it; look at `registry` in .npmrc".to_string(),
        ],
        _ => Vec::new(),
    }
}

/// What helps in the MinZ mode.
pub(super) fn for_mzp(error: &mzp::Error) -> Vec<String> {
    use mzp::Error as M;
    let mean = |suggestion: &Option<String>| {
        suggestion.as_ref().map(|near| format!("did you mean `{}`?", mirror::name::escape(near)))
    };
    let one = match error {
        M::NoProject { .. } => Some("`mzp init` makes mzp.toml".to_string()),
        M::UnknownKey { suggestion, .. }
        | M::UnknownPlatform { suggestion, .. }
        | M::Reference { suggestion, .. } => mean(suggestion),
        M::Condition { word, suggestion, .. } => mean(suggestion).or_else(|| {
            let word = mirror::name::escape(word);
            Some(format!("`--define {word}`, or `@define(\"{word}\", \"0\")` in the file or in build.minz, makes it known"))
        }),
        M::Feature { problem: mzp::error::FeatureProblem::Unknown { suggestion }, .. } => mean(suggestion),
        M::Lock { .. } => Some("delete mzp.lock to have `mzp install` choose versions anew".to_string()),
        M::Feature { problem: mzp::error::FeatureProblem::Needs(name), .. } => {
            Some(format!("take {name} out of that feature first"))
        }
        M::NotNamed { suggestion, .. } => {
            mean(suggestion).or_else(|| Some("`mzp list` shows what is there".to_string()))
        }
        M::Conflict(conflict) => Some(match &conflict.change {
            Some(change) => {
                let line = change.place.as_ref().map_or(String::new(), |p| format!("line {} of ", p.line));
                format!("everything fits with `{} = \"{}\"` in {line}mzp.toml", change.name, change.requirement)
            }
            None => "no one change of a version in mzp.toml makes these fit: take one of them out, or another mirror may have more".into(),
        }),
        M::NoLock { .. } => Some("`mzp install` without --frozen-lockfile makes it".to_string()),
        M::LockStale { .. } => {
            Some("`mzp install` without --frozen-lockfile brings it up to date".to_string())
        }
        M::UnknownPackage { name, suggestion, .. } => mean(suggestion).or_else(|| {
            Some(format!("`pantry mirror add FILE` puts an archive of {name} into the home mirror"))
        }),
        M::Taken { .. } => Some("give it a new version: what was published once never changes".to_string()),
        M::Source { name, .. } => Some(format!("publish {name} too, and name its version here")),
        M::Archive { source, .. } => return for_archive(source),
        M::TwoOrigins { name, .. } => Some(format!("say in mzp.toml where {name} comes from, once")),
        M::Foreign { name, .. } => {
            Some(format!("tell whoever made that package: others can get {name} by its name only"))
        }
        M::Document { .. } => Some("is that the address of a MinZ registry?".to_string()),
        M::Answer { status: 404, .. } => Some("check user, repository and tag, or the address".to_string()),
        M::NotHere { .. } => Some("without --offline and PANTRY_OFFLINE it can be fetched".to_string()),
        M::NoRelease { repository } => {
            let repository = mirror::name::escape(repository);
            Some(format!("check the spelling, or name a tag or a commit: {repository}@TAG"))
        }
        M::AbsentVersion { .. } => Some("name the mirror that has it with --mirror".to_string()),
        M::NotOurs { .. } => Some("move that folder away, or give the dependency another name".to_string()),
        M::NotInstalled { .. } => Some("`mzp install` puts the packages in place".to_string()),
        M::MissingImport { problem, .. } => for_import(problem),
        M::NoMain { .. } => Some("a program begins at `fun main()`".to_string()),
        M::Compiler(failure) => for_compiler(&failure.kind),
        M::NoAssembler { known, .. } if !known.is_empty() => Some(
            match known.contains(&"ca65") {
                true => "install cc65 (Debian: cc65)",
                false => "install one of them (Debian: pasmo)",
            }
            .to_string(),
        ),
        _ => None,
    };
    one.into_iter().collect()
}

fn for_import(problem: &mzp::error::ImportProblem) -> Option<String> {
    use mzp::error::ImportProblem as P;
    match problem {
        P::Unknown { package: Some(package) } | P::Undeclared { package, .. } => {
            Some(format!("`mzp install {package}` adds the package"))
        }
        P::FeatureOff { package, feature } => {
            let feature = mirror::name::escape(feature);
            Some(format!("add `features = [\"{feature}\"]` to the dependency {package} in mzp.toml"))
        }
        _ => None,
    }
}

fn for_compiler(problem: &mzp::error::CompilerProblem) -> Option<String> {
    use mzp::error::CompilerProblem as P;
    match problem {
        P::NotFound => {
            Some("set MZ to the MinZ compiler, or use --emit bundle, which needs none".to_string())
        }
        P::TimedOut(_) => Some("--timeout MS allows more time".to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::error::Error;
    use std::io::{Error as IoError, ErrorKind};

    fn hints(kind: ErrorKind) -> String {
        Error::Io { action: "write", path: "x".into(), source: IoError::from(kind) }.hints().join("\n")
    }

    #[test]
    fn what_the_system_says_brings_its_hint() {
        assert!(hints(ErrorKind::PermissionDenied).contains("owner"));
        assert!(hints(ErrorKind::StorageFull).contains("pantry cache:clear"));
        assert!(hints(ErrorKind::ConnectionRefused).contains("--offline"));
        assert!(hints(ErrorKind::TimedOut).contains("--offline"));
        assert_eq!(hints(ErrorKind::NotFound), "");
    }

    #[test]
    fn what_a_mirror_says_brings_its_hint() {
        let full = mirror::Error::NoSpace { path: "m".into(), needed: 2, free: 1 };
        assert!(Box::<Error>::from(full).hints()[0].contains("cache:clear"));
        let none = mirror::Error::NotAMirror { path: "/media/s\u{1b}".into() };
        assert_eq!(Box::<Error>::from(none).hints(), ["`pantry mirror init '/media/s\\u{1b}'` makes one"]);
    }
}
