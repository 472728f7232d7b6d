//! Which packages are for which machine: npm's `os`, `cpu` and `libc` filters.
//!
//! A list entry is a name, or `!name`. A list fits when no negated entry names
//! the value and, if there are plain entries, one of them (or `any`) does.

use std::fmt;

/// A target as npm names it: `linux-x64`, `linux-x64-musl`, `darwin-arm64`, `win32-x64`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Platform {
    pub os: String,
    pub cpu: String,
    /// `glibc` or `musl` on Linux; empty elsewhere.
    pub libc: String,
}

/// How many threads can work at a time: the processors that this one may run on, and no more than the control group
/// is given. (The standard library looks for groups of the first version as well, in 9 KB.)
pub fn cores() -> usize {
    #[cfg(target_os = "linux")]
    return {
        let processors = rustix::thread::sched_getaffinity(None).map_or(1, |set| set.count() as usize);
        let quota = std::fs::read_to_string("/sys/fs/cgroup/cpu.max").ok().and_then(|text| quota(&text));
        processors.min(quota.unwrap_or(processors)).max(1)
    };
    #[cfg(not(target_os = "linux"))]
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Whole processors, of `MICROSECONDS PERIOD`; `None` for `max PERIOD`.
#[cfg(target_os = "linux")]
fn quota(text: &str) -> Option<usize> {
    let (time, period) = text.trim().split_once(' ')?;
    time.parse::<usize>().ok()?.checked_div(period.parse().ok()?)
}

impl Platform {
    /// The machine this program runs on. On Linux the C library is told by the
    /// dynamic loader that is installed, since this program may be static.
    pub fn current() -> Self {
        let os = match std::env::consts::OS {
            "macos" => "darwin",
            "windows" => "win32",
            "solaris" | "illumos" => "sunos",
            other => other,
        };
        let cpu = match std::env::consts::ARCH {
            "x86_64" => "x64",
            "aarch64" => "arm64",
            "x86" => "ia32",
            "powerpc64" => "ppc64",
            "loongarch64" => "loong64",
            other => other,
        };
        let libc = if os == "linux" { linux_libc(std::env::consts::ARCH) } else { "" };
        Self { os: os.into(), cpu: cpu.into(), libc: libc.into() }
    }

    /// Reads `os-cpu` or `os-cpu-libc`; `None` when it is neither.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let (os, cpu, libc) = (parts.next()?, parts.next()?, parts.next());
        let known_os = ["aix", "android", "darwin", "freebsd", "linux", "openbsd", "sunos", "win32"];
        let known_cpu = [
            "arm", "arm64", "ia32", "loong64", "mips", "mipsel", "ppc", "ppc64", "riscv64", "s390", "s390x",
            "x64",
        ];
        if parts.next().is_some() || !known_os.contains(&os) || !known_cpu.contains(&cpu) {
            return None;
        }
        let libc = match (os, libc) {
            ("linux", None) => "glibc",
            ("linux", Some(l @ ("glibc" | "musl"))) => l,
            (_, None) => "",
            _ => return None,
        };
        Some(Self { os: os.into(), cpu: cpu.into(), libc: libc.into() })
    }

    /// Whether something with these filters may be installed here.
    pub fn accepts(&self, os: &[String], cpu: &[String], libc: &[String]) -> bool {
        // npm checks libc on Linux only: elsewhere a package that lists one does not fit.
        fits(os, &self.os) && fits(cpu, &self.cpu) && (libc.is_empty() || fits(libc, &self.libc))
    }
}

fn fits(list: &[String], value: &str) -> bool {
    let (mut positive, mut hit) = (false, false);
    for entry in list {
        match entry.strip_prefix('!') {
            Some(name) if name == value => return false,
            Some(_) => {}
            None => {
                positive = true;
                hit |= entry == value || entry == "any";
            }
        }
    }
    !positive || hit
}

fn linux_libc(arch: &str) -> &'static str {
    let musl = format!("/lib/ld-musl-{arch}.so.1");
    if std::path::Path::new(&musl).exists() && !std::path::Path::new("/lib64/ld-linux-x86-64.so.2").exists() {
        "musl"
    } else {
        "glibc"
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.os, self.cpu)?;
        if self.libc == "musl" { f.write_str("-musl") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(items: &[&str]) -> Vec<String> {
        items.iter().map(|s| s.to_string()).collect()
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_a_control_group_is_given() {
        assert_eq!(quota("max 100000\n"), None);
        assert_eq!(quota("250000 100000\n"), Some(2));
        assert_eq!(quota("50000 100000"), Some(0));
        assert_eq!(quota("1 0"), None);
        assert!(cores() > 0);
    }

    #[test]
    fn filters_as_npm_reads_them() {
        let p = Platform::parse("linux-x64").unwrap();
        for (os, cpu, libc, expected) in [
            (list(&[]), list(&[]), list(&[]), true),
            (list(&["linux"]), list(&["x64"]), list(&["glibc"]), true),
            (list(&["linux"]), list(&["x64"]), list(&["musl"]), false),
            (list(&["!win32"]), list(&[]), list(&[]), true),
            (list(&["!linux"]), list(&[]), list(&[]), false),
            (list(&["darwin", "linux"]), list(&["arm64"]), list(&[]), false),
            (list(&["any"]), list(&[]), list(&[]), true),
            (list(&["linux", "!linux"]), list(&[]), list(&[]), false),
        ] {
            assert_eq!(p.accepts(&os, &cpu, &libc), expected, "{os:?} {cpu:?} {libc:?}");
        }
        let mac = Platform::parse("darwin-arm64").unwrap();
        assert!(!mac.accepts(&[], &[], &list(&["glibc"])));
    }

    #[test]
    fn names() {
        assert_eq!(Platform::parse("linux-x64-musl").unwrap().to_string(), "linux-x64-musl");
        assert_eq!(Platform::parse("win32-x64").unwrap().libc, "");
        for bad in ["", "linux", "linux-x86_64", "plan9-x64", "darwin-arm64-musl", "linux-x64-musl-x"] {
            assert_eq!(Platform::parse(bad), None, "{bad}");
        }
        let here = Platform::current();
        assert_eq!(Platform::parse(&here.to_string()), Some(here));
    }
}
