//! The words of every error: one or a few lines, lower case, no full stop, no
//! hint. What comes from outside is escaped here.

use super::missing::chain;
use super::{Error, VersionConflict};
use mirror::name::escape;
use std::fmt;
use std::io;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text { excerpt: Some(excerpt), message, .. } => write!(f, "{excerpt}: {message}"),
            Self::Usage { message, .. } | Self::Text { message, .. } | Self::Other { message, .. } => {
                f.write_str(message)
            }
            Self::Setting { name, value, rule } => {
                write!(f, "{} must be {rule}, not `{}`", escape(name), escape(value))
            }
            Self::NoHome => f.write_str("neither PANTRY_HOME nor HOME is set"),
            Self::NoWorkingDirectory { source } => {
                write!(f, "the working directory cannot be used: {}", reason(source))
            }
            Self::NotBuilt { what } => write!(f, "{what} is not in this version"),
            Self::Io { action, path, source } => {
                write!(f, "cannot {action} {}: {}", escape(&path.to_string_lossy()), reason(source))
            }
            Self::Name { source, place } => write!(f, "{place}: {source}"),
            Self::Mirror(error) => error.fmt(f),
            Self::Mzp(error) => error.fmt(f),
            Self::Http(error) => error.fmt(f),
            Self::Answer { url, status, concerning } => {
                let concerning =
                    if concerning.is_empty() { "" } else { &format!("{}: ", escape(concerning)) };
                write!(f, "{concerning}{url} answered with status {status}")
            }
            Self::Missing(missing) => missing.fmt(f),
            Self::VersionConflict(conflict) => conflict.fmt(f),
            Self::Archive { package, source } => write!(f, "{}: {source}", escape(package)),
            Self::OtherBytes { package, mirror, locked, found } => {
                let mirror = mirror.to_string_lossy();
                write!(f, "{} in {} is not the archive that was locked", escape(package), escape(&mirror))?;
                write!(f, "\n  locked {locked}\n  found  {}", escape(found))
            }
            Self::NoIntegrity { package } => {
                write!(f, "{} has no strong hash to check it by", escape(package))
            }
            Self::NoSymlinks { project, linker } => {
                let project = project.to_string_lossy();
                let what =
                    linker.map_or("a folder in the place of a package".into(), |l| format!("--linker {l}"));
                write!(f, "{what} needs symbolic links, which {} does not have", escape(&project))
            }
            Self::WrongPlatform { package, platform, filters } => {
                let lists = [("os", &filters.os), ("cpu", &filters.cpu), ("libc", &filters.libc)];
                let named = lists.iter().filter(|(_, list)| !list.is_empty());
                let wants: Vec<_> = named.map(|(name, list)| format!("{name} {}", list.join(", "))).collect();
                write!(
                    f,
                    "{} is not for {platform} (it asks for {})",
                    escape(package),
                    escape(&wants.join("; "))
                )
            }
            Self::StaleLock { path, missing, differences } => {
                let path = path.to_string_lossy();
                if *missing {
                    return write!(f, "{} is missing, and may not be made here", escape(&path));
                }
                write!(f, "{} does not fit the manifest, and may not be changed here", escape(&path))?;
                differences.iter().take(8).try_for_each(|d| write!(f, "\n  {d}"))?;
                match differences.len().saturating_sub(8) {
                    0 => Ok(()),
                    more => write!(f, "\n  and {more} more"),
                }
            }
        }
    }
}

impl fmt::Display for VersionConflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no version of {} satisfies everyone", escape(&self.package))?;
        if let Some(chosen) = &self.chosen {
            write!(f, " ({} was chosen)", escape(chosen))?;
        }
        self.demands.iter().try_for_each(|demand| {
            let who = if demand.chain.is_empty() { "the project" } else { &chain(&demand.chain) };
            write!(f, "\n  {} by {who}", escape(&demand.range))
        })
    }
}

/// The system's words in lower case, without the number that only a program needs.
fn reason(source: &io::Error) -> String {
    let text = source.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut letters = text.chars();
    let lower = letters.next().map(|first| first.to_lowercase().to_string()).unwrap_or_default();
    escape(&(lower + letters.as_str())).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Status;

    #[test]
    fn wording() {
        let io = |kind| Error::Io { action: "read", path: "a\u{1b}b".into(), source: io::Error::from(kind) };
        assert_eq!(io(io::ErrorKind::NotFound).to_string(), "cannot read a\\u{1b}b: entity not found");
        let os = Error::Io { action: "read", path: "a".into(), source: io::Error::from_raw_os_error(2) };
        assert_eq!(os.to_string(), "cannot read a: no such file or directory");
        let setting =
            Error::Setting { name: "PANTRY_OFFLINE".into(), value: "maybe\n".into(), rule: "0 or 1".into() };
        assert_eq!(setting.to_string(), "PANTRY_OFFLINE must be 0 or 1, not `maybe\\u{a}`");
        assert_eq!(setting.status(), Status::Usage);
    }

    #[test]
    fn conflicts_name_everyone() {
        let demand = |range: &str, chain: &[&str]| super::super::Demand {
            range: range.into(),
            chain: chain.iter().map(|link| (*link).to_string()).collect(),
        };
        let conflict = Error::VersionConflict(Box::new(VersionConflict {
            package: "host".into(),
            chosen: Some("2.0.0".into()),
            demands: vec![demand("^2.0.0", &["app"]), demand("^1", &["app", "plugin@1.0.0"])],
        }));
        assert_eq!(
            conflict.to_string(),
            "no version of host satisfies everyone (2.0.0 was chosen)\n  ^2.0.0 by app\n  ^1 by app -> plugin@1.0.0"
        );
        assert!(conflict.hints()[0].contains("pantry tree"));
    }
}
