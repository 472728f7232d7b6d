//! Something that was asked for and could not be found: the three answers of
//! DESIGN section 5 (and the fourth, that no version fits), each with the
//! command that would help.

use mirror::name::escape;
use std::fmt::{self, Write as _};

/// At most so many versions and dependants are listed.
const SHOWN: usize = 8;

/// A package that no mirror and, online, no registry could give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    pub package: String,
    /// The range, tag or version that was wanted; empty when none was named.
    pub range: String,
    /// Who wants it, the project's own dependency first; empty when the user named it.
    pub chain: Vec<String>,
    pub whereabouts: Whereabouts,
    /// Another mirror that had it.
    pub last_seen: Option<Seen>,
}

/// Where something was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// What the mirror calls itself.
    pub label: String,
    /// Unix seconds, 0 when not known.
    pub date: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whereabouts {
    /// No index here knows the name.
    Unknown,
    /// The registry that gives out the name does not know it.
    NotAt { registry: String },
    /// An index has heard of a version that fits, when its registry was last
    /// asked; the archive was never taken. Unix seconds, 0 when not known.
    KnownUpstream { version: String, as_of: u64 },
    /// The archive was here and is not any more.
    ArchiveAbsent { version: String },
    /// The name is here, and no version of it fits. Newest last. `asked`: its registry has no other.
    NoVersionFits { present: Vec<String>, asked: bool },
}

impl Missing {
    /// `name@range` as it is written on a command line.
    fn wanted(&self) -> String {
        if self.range.is_empty() { self.package.clone() } else { format!("{}@{}", self.package, self.range) }
    }

    pub(super) fn hints(&self) -> Vec<String> {
        let pull = |what: &str| {
            format!("where there is a network, `pantry mirror pull {}` fetches it", for_shell(what))
        };
        let connect = self
            .last_seen
            .as_ref()
            .map(|seen| format!("connect the mirror \"{}\" and name it with --mirror", escape(&seen.label)));
        let also = match &self.whereabouts {
            Whereabouts::Unknown if connect.is_some() => vec![pull(&self.wanted())],
            Whereabouts::Unknown => vec![format!("check the spelling; {}", pull(&self.wanted()))],
            Whereabouts::NotAt { .. } => {
                vec!["check the spelling, and which registry `.npmrc` names for it".to_string()]
            }
            Whereabouts::NoVersionFits { asked: true, .. } => {
                vec![format!("`pantry info {} versions` lists all of them", for_shell(&self.package))]
            }
            Whereabouts::KnownUpstream { .. } | Whereabouts::NoVersionFits { .. } => {
                vec![pull(&self.wanted())]
            }
            Whereabouts::ArchiveAbsent { version } => vec![pull(&format!("{}@{version}", self.package))],
        };
        connect.into_iter().chain(also).collect()
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wanted = self.wanted();
        let wanted = escape(&wanted);
        match &self.whereabouts {
            Whereabouts::Unknown if self.last_seen.is_some() => write!(f, "{wanted} is not here")?,
            Whereabouts::Unknown => write!(f, "{wanted} is unknown to every index here")?,
            Whereabouts::NotAt { registry } => write!(f, "{wanted} is unknown to {}", escape(registry))?,
            Whereabouts::KnownUpstream { version, as_of } => {
                write!(
                    f,
                    "{wanted} is not in this mirror, but version {} is known upstream",
                    escape(version)
                )?;
                if *as_of > 0 {
                    write!(f, " as of {}", day(*as_of))?;
                }
            }
            Whereabouts::ArchiveAbsent { version } => {
                write!(
                    f,
                    "{wanted}: version {} is in the index, but its archive is absent",
                    escape(version)
                )?;
            }
            Whereabouts::NoVersionFits { present, asked } => {
                let here = if *asked { "" } else { " here" };
                write!(f, "no version of {}{here} fits {}", escape(&self.package), escape(&self.range))?;
                let newest = &present[present.len().saturating_sub(SHOWN)..];
                let more = if newest.len() < present.len() { "…, " } else { "" };
                match newest.is_empty() {
                    true => f.write_str(" (there is none)")?,
                    false => write!(f, " (there are {more}{})", escape(&newest.join(", ")))?,
                }
            }
        }
        if let Some(Seen { label, date }) = &self.last_seen {
            write!(f, " (last seen on \"{}\"", escape(label))?;
            if *date > 0 {
                write!(f, ", {}", day(*date))?;
            }
            f.write_str(")")?;
        }
        if self.chain.is_empty() { Ok(()) } else { write!(f, "\n  wanted by {}", chain(&self.chain)) }
    }
}

/// `a -> b -> c`, the middle left out when it is long.
pub(super) fn chain(links: &[String]) -> String {
    let mut out = String::new();
    for (index, link) in links.iter().enumerate() {
        if links.len() > SHOWN && index == SHOWN / 2 {
            let _ = write!(out, " -> … {} more …", links.len() - SHOWN);
        }
        if links.len() > SHOWN && (SHOWN / 2..links.len() - SHOWN / 2).contains(&index) {
            continue;
        }
        if index > 0 {
            out.push_str(" -> ");
        }
        out.push_str(&escape(link));
    }
    out
}

/// A word that a shell takes as it is, or the word in quotes.
pub(super) fn for_shell(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "@/._-+:,=%".contains(c);
    let word = escape(word);
    if !word.is_empty() && word.chars().all(plain) {
        word.into_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// `2026-11-20` of Unix seconds.
pub fn day(seconds: u64) -> String {
    // Howard Hinnant's civil_from_days.
    let days = i64::try_from(seconds / 86_400).unwrap_or(0) + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    fn shown(range: &str, chain: &[&str], whereabouts: Whereabouts) -> String {
        seen(range, chain, whereabouts, None)
    }

    fn seen(range: &str, chain: &[&str], whereabouts: Whereabouts, seen: Option<(&str, u64)>) -> String {
        let chain = chain.iter().map(|link| (*link).to_string()).collect();
        let last_seen = seen.map(|(label, date)| Seen { label: label.into(), date });
        let missing = Missing { package: "left".into(), range: range.into(), chain, whereabouts, last_seen };
        let error = Error::Missing(Box::new(missing));
        assert_eq!(error.status().code(), 4);
        format!("{error} | {}", error.hints().join(" | "))
    }

    #[test]
    fn different_answers() {
        assert_eq!(
            shown("^1.3", &[], Whereabouts::KnownUpstream { version: "1.3.0".into(), as_of: 1_795_219_200 }),
            "left@^1.3 is not in this mirror, but version 1.3.0 is known upstream as of 2026-11-21 | where there \
             is a network, `pantry mirror pull 'left@^1.3'` fetches it"
        );
        assert_eq!(
            seen("1", &[], Whereabouts::ArchiveAbsent { version: "1.3.0".into() }, Some(("BLUE", 0))),
            "left@1: version 1.3.0 is in the index, but its archive is absent (last seen on \"BLUE\") | connect the \
             mirror \"BLUE\" and name it with --mirror | where there is a network, `pantry mirror pull left@1.3.0` \
             fetches it"
        );
        assert_eq!(
            shown("", &["top@1.0.0", "middle@2.0.0"], Whereabouts::Unknown),
            "left is unknown to every index here\n  wanted by top@1.0.0 -> middle@2.0.0 | check the spelling; where \
             there is a network, `pantry mirror pull left` fetches it"
        );
        assert_eq!(
            seen("1", &["top@1.0.0"], Whereabouts::Unknown, Some(("BLUE", 1_795_219_200))),
            "left@1 is not here (last seen on \"BLUE\", 2026-11-21)\n  wanted by top@1.0.0 | connect the mirror \
             \"BLUE\" and name it with --mirror | where there is a network, `pantry mirror pull left@1` fetches it"
        );
        let present = (0..20).map(|n| format!("1.{n}.0")).collect();
        let text = shown("^7", &[], Whereabouts::NoVersionFits { present, asked: false });
        assert!(text.starts_with("no version of left here fits ^7 (there are …, 1.12.0,"), "{text}");
        let text = shown("^7", &[], Whereabouts::NoVersionFits { present: Vec::new(), asked: false });
        assert!(text.starts_with("no version of left here fits ^7 (there is none)"), "{text}");
    }

    #[test]
    fn long_chains_and_odd_words() {
        let links: Vec<_> = (0..20).map(|n| format!("p{n}")).collect();
        assert_eq!(chain(&links), "p0 -> p1 -> p2 -> p3 -> … 12 more … -> p16 -> p17 -> p18 -> p19");
        assert_eq!(chain(&links[..8]).matches("->").count(), 7);
        assert_eq!(for_shell("a'b\u{1b} $(x)"), "'a'\\''b\\u{1b} $(x)'");
        assert_eq!(for_shell("@types/node@20.1.0"), "@types/node@20.1.0");
        assert_eq!(for_shell(""), "''");
    }

    #[test]
    fn days() {
        assert_eq!(day(0), "1970-01-01");
        assert_eq!(day(951_827_696), "2000-02-29");
    }
}
