//! The machines: one table, and nothing about a machine anywhere else.
//!
//! A *platform* is a machine a program is built for (`spectrum`), a *CPU* what
//! code runs on (`z80`). `z80` and `6502` are both: the bare processor.
//! Backend and target are the compiler's names; it takes an unknown target for
//! the Spectrum without a word, so only names of this table ever reach it.

use crate::suggestion;
use std::fmt;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cpu {
    Z80,
    Mos6502,
    Sm83,
}

impl Cpu {
    pub const ALL: [Self; 3] = [Self::Z80, Self::Mos6502, Self::Sm83];
    pub fn name(self) -> &'static str {
        match self {
            Self::Z80 => "z80",
            Self::Mos6502 => "6502",
            Self::Sm83 => "sm83",
        }
    }
}

/// One row of the table.
#[derive(Debug, PartialEq, Eq)]
pub struct Platform {
    pub name: &'static str,
    /// Other names that manifests and options may use.
    pub aliases: &'static [&'static str],
    pub cpu: Cpu,
    /// `mz -b`
    pub backend: &'static str,
    /// `mz -t`, where the backend has targets.
    pub target: Option<&'static str>,
    /// Address of the program's first byte on the machine.
    pub origin: u16,
    /// Bytes from the origin to the first address the machine keeps for itself.
    pub memory: u32,
    /// Extension of the assembly that the compiler writes, without the dot.
    pub assembly: &'static str,
}

const fn z80(
    name: &'static str,
    aliases: &'static [&'static str],
    target: Option<&'static str>,
    origin: u16,
    end: u32,
) -> Platform {
    Platform {
        name,
        aliases,
        cpu: Cpu::Z80,
        backend: "z80",
        target,
        origin,
        memory: end - origin as u32,
        assembly: "a80",
    }
}

pub static PLATFORMS: [Platform; 8] = [
    // Uncontended memory of a 48K machine.
    z80("spectrum", &["zxspectrum", "zx"], Some("zxspectrum"), 0x8000, 0x1_0000),
    // The transient program area below a 64K system's BDOS.
    z80("cpm", &["cp/m"], Some("cpm"), 0x0100, 0xE400),
    // Up to the work area of the BIOS and the disk.
    z80("msx", &[], Some("msx"), 0x8000, 0xF380),
    // Up to HIMEM with AMSDOS.
    z80("cpc", &["amstrad"], Some("cpc"), 0x8000, 0xA67C),
    z80("z80", &[], None, 0x8000, 0x1_0000),
    Platform {
        name: "6502",
        aliases: &["mos6502"],
        cpu: Cpu::Mos6502,
        backend: "6502",
        target: None,
        origin: 0x0800,
        // Up to the three vectors.
        memory: 0xFFFA - 0x0800,
        assembly: "s",
    },
    Platform {
        name: "c64",
        aliases: &["commodore64"],
        cpu: Cpu::Mos6502,
        backend: "6502",
        target: None,
        // Behind the BASIC line that starts it.
        origin: 0x080D,
        // Up to the BASIC ROM.
        memory: 0xA000 - 0x080D,
        assembly: "s",
    },
    Platform {
        name: "gb",
        aliases: &["gameboy"],
        cpu: Cpu::Sm83,
        backend: "gb",
        target: None,
        origin: 0x0150,
        // Two banks of a cartridge without a mapper.
        memory: 0x8000 - 0x0150,
        assembly: "gb.s",
    },
];

impl Platform {
    pub fn find(name: &str) -> Option<&'static Self> {
        PLATFORMS.iter().find(|p| p.name == name || p.aliases.contains(&name))
    }

    /// The compiler's own default, and ours.
    pub fn usual() -> &'static Self {
        &PLATFORMS[0]
    }

    /// The closest name, for a hint.
    pub fn suggest(name: &str) -> Option<&'static str> {
        suggestion::nearest(name, PLATFORMS.iter().flat_map(|p| p.aliases.iter().copied().chain([p.name])))
    }

    /// Whether `TARGET_<word>` holds for a build for this platform: its own
    /// name, an alias, or its CPU's name.
    pub fn answers_to(&self, word: &str) -> bool {
        let word = word.to_ascii_lowercase();
        word == self.name || word == self.cpu.name() || self.aliases.contains(&word.as_str())
    }

    /// Whether any platform of the table answers to `TARGET_<word>`.
    pub fn is_known_word(word: &str) -> bool {
        PLATFORMS.iter().any(|p| p.answers_to(word))
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// One entry of `supported`: a platform, or a CPU and so each of its platforms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    Platform(&'static Platform),
    Cpu(Cpu),
}

impl Support {
    /// `z80` and `6502` are CPUs here: they cover every machine with one.
    pub fn find(name: &str) -> Option<Self> {
        Cpu::ALL
            .into_iter()
            .find(|c| c.name() == name)
            .map(Self::Cpu)
            .or_else(|| Platform::find(name).map(Self::Platform))
    }
    pub fn covers(&self, platform: &Platform) -> bool {
        match self {
            Self::Platform(p) => p.name == platform.name,
            Self::Cpu(cpu) => *cpu == platform.cpu,
        }
    }
    pub fn name(&self) -> &'static str {
        match self {
            Self::Platform(p) => p.name,
            Self::Cpu(c) => c.name(),
        }
    }
}

/// Whether a `supported` list covers a platform; an empty list covers all.
pub fn supports(list: &[Support], platform: &Platform) -> bool {
    list.is_empty() || list.iter().any(|s| s.covers(platform))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_cover() {
        let spectrum = Platform::find("zxspectrum").unwrap();
        assert_eq!((spectrum.name, spectrum.target), ("spectrum", Some("zxspectrum")));
        assert!(Platform::find("nope").is_none());
        assert_eq!(Platform::suggest("spectrun"), Some("spectrum"));
        assert!(spectrum.answers_to("SPECTRUM") && spectrum.answers_to("Z80"));
        assert!(!spectrum.answers_to("CPM") && Platform::is_known_word("CPM"));
        let z80 = [Support::find("z80").unwrap()];
        assert!(supports(&z80, spectrum) && supports(&[], spectrum));
        assert!(!supports(&z80, Platform::find("c64").unwrap()));
        assert!(supports(&[Support::find("c64").unwrap()], Platform::find("c64").unwrap()));
        assert!(!supports(&[Support::find("c64").unwrap()], Platform::find("6502").unwrap()));
    }

    #[test]
    fn each_name_stands_for_one_machine() {
        let mut names: Vec<_> =
            PLATFORMS.iter().flat_map(|p| p.aliases.iter().copied().chain([p.name])).collect();
        let count = names.len();
        mirror::order::sort(&mut names);
        names.dedup();
        assert_eq!(names.len(), count);
        assert!(PLATFORMS.iter().all(|p| u32::from(p.origin) + p.memory <= 0x1_0000));
    }
}
