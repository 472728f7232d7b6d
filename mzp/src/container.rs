//! Files that machines and emulators load, made of an image. Each begins to run at the image's origin.
//!
//! ```text
//! bin   the bytes, nothing else
//! com   the same, for CP/M: loaded at 0100h and started there
//! prg   LOAD ADDRESS (2, little endian) BASIC LINE `10 SYS 2061` … IMAGE
//! tap   BLOCK… each: LENGTH (2) FLAG (1) DATA PARITY (1); length counts flag to parity, parity is the
//!       XOR of them. A BASIC loader (header, program), then the code (header, bytes).
//!       header: TYPE (1: 0 program, 3 code) NAME (10) LENGTH (2) PARAMETER (2) PARAMETER (2)
//! sna   48K Spectrum: I HL' DE' BC' AF' HL DE BC IY IX (19) IFF2 (1: bit 2) R (1) AF SP (4) IM (1)
//!       BORDER (1), then memory from 4000h; the program counter lies on the stack
//! ```

use crate::machine::Image;
use crate::platform::Platform;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Container {
    Binary,
    Tape,
    Snapshot,
    Com,
    Prg,
}

impl Container {
    pub const ALL: [Self; 5] = [Self::Binary, Self::Tape, Self::Snapshot, Self::Com, Self::Prg];

    /// Its extension, which is also its name for `--emit`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Binary => "bin",
            Self::Tape => "tap",
            Self::Snapshot => "sna",
            Self::Com => "com",
            Self::Prg => "prg",
        }
    }

    /// Whether a platform's machines load it.
    pub fn fits(self, platform: &Platform) -> bool {
        match self {
            Self::Binary => true,
            Self::Tape | Self::Snapshot => platform.name == "spectrum",
            Self::Com => platform.name == "cpm",
            Self::Prg => platform.name == "c64",
        }
    }

    /// What an emulator of the platform is given.
    pub fn usual(platform: &Platform) -> Self {
        Self::ALL.into_iter().rev().find(|c| c.fits(platform) && *c != Self::Snapshot).unwrap_or(Self::Binary)
    }

    /// The file. `name` is what a tape calls the program.
    pub fn write(self, name: &str, image: &Image) -> Vec<u8> {
        match self {
            Self::Binary | Self::Com => image.bytes.clone(),
            Self::Prg => prg(image),
            Self::Tape => tape(name, image),
            Self::Snapshot => snapshot(image),
        }
    }
}

/// Where a `prg` is loaded; the program follows the BASIC line.
pub const PRG_START: u16 = 0x0801;
/// `10 SYS 2061`, and the end of the BASIC program: 12 bytes, so that the code is at 2061 (080Dh).
const SYS: [u8; 12] = [0x0B, 0x08, 10, 0, 0x9E, b'2', b'0', b'6', b'1', 0, 0, 0];

fn prg(image: &Image) -> Vec<u8> {
    let gap = usize::from(image.origin - PRG_START) - SYS.len();
    let mut out = PRG_START.to_le_bytes().to_vec();
    out.extend(SYS);
    out.extend(vec![0; gap]);
    out.extend(&image.bytes);
    out
}

fn tape(name: &str, image: &Image) -> Vec<u8> {
    let origin = image.origin;
    // 10 CLEAR VAL "32767": LOAD "" CODE: RANDOMIZE USR VAL "32768"
    let mut line = vec![0xFD, 0xB0];
    line.extend(format!("\"{}\":", origin - 1).bytes());
    line.extend([0xEF, b'"', b'"', 0xAF, b':', 0xF9, 0xC0, 0xB0]);
    line.extend(format!("\"{origin}\"\r").bytes());
    let mut basic = vec![0, 10];
    basic.extend((line.len() as u16).to_le_bytes());
    basic.extend(line);
    let mut out = Vec::new();
    let mut file = |kind: u8, data: &[u8], one: u16, two: u16| {
        let mut header = vec![kind];
        let name = name.bytes().filter(u8::is_ascii_graphic).chain(std::iter::repeat(b' '));
        header.extend(name.take(10));
        for word in [data.len() as u16, one, two] {
            header.extend(word.to_le_bytes());
        }
        block(&mut out, 0x00, &header);
        block(&mut out, 0xFF, data);
    };
    // Starts at line 10; no variables follow the program.
    file(0, &basic, 10, basic.len() as u16);
    file(3, &image.bytes, origin, 0x8000);
    out
}

fn block(out: &mut Vec<u8>, flag: u8, data: &[u8]) {
    out.extend((data.len() as u16 + 2).to_le_bytes());
    out.push(flag);
    out.extend(data);
    out.push(data.iter().fold(flag, |parity, b| parity ^ b));
}

/// RAM below the image is as the ROM leaves it after it started: without the system variables `RST 16`
/// would print through nothing.
fn snapshot(image: &Image) -> Vec<u8> {
    let mut memory = vec![0u8; 0xC000];
    let mut put = |at: u16, bytes: &[u8]| {
        let at = usize::from(at) - 0x4000;
        let length = bytes.len().min(memory.len() - at);
        memory[at..at + length].copy_from_slice(&bytes[..length]);
    };
    let word = |value: u16| value.to_le_bytes();
    put(0x5800, &[0x38; 0x300]);
    // The machine stack's end below RAMTOP: the address of the main loop's report, which ends both an
    // error and a program that returns.
    let ramtop = image.origin - 1;
    let error = ramtop - 3;
    put(ramtop, &[0x3E]);
    put(error, &word(0x1303));
    put(error - 2, &word(0x1303));
    put(error - 4, &word(image.origin));
    for (at, value) in [
        (0x5C36, 0x3C00),        // CHARS
        (0x5C3D, error),         // ERR_SP
        (0x5C4B, VARIABLES),     // VARS
        (0x5C4F, CHANNELS),      // CHANS
        (0x5C51, CHANNELS + 5),  // CURCHL: the upper screen
        (0x5C53, VARIABLES),     // PROG
        (0x5C57, VARIABLES - 1), // DATADD
        (0x5C59, VARIABLES + 1), // E_LINE
        (0x5C5D, VARIABLES + 1), // CH_ADD
        (0x5C61, VARIABLES + 3), // WORKSP
        (0x5C63, VARIABLES + 3), // STKBOT
        (0x5C65, VARIABLES + 3), // STKEND
        (0x5C68, 0x5C92),        // MEM
        (0x5C7B, 0xFF58),        // UDG
        (0x5C82, 0x1721),        // ECHO_E
        (0x5C84, 0x4000),        // DF_CC
        (0x5C86, 0x50E0),        // DF_CCL
        (0x5C88, 0x1821),        // S_POSN
        (0x5C8A, 0x1721),        // SPOSNL
        (0x5CB2, ramtop),        // RAMTOP
        (0x5CB4, 0xFFFF),        // P_RAMT
    ] {
        put(at, &word(value));
    }
    for (at, value) in [
        (0x5C09, 0x23), // REPDEL
        (0x5C0A, 0x05), // REPPER
        (0x5C3A, 0xFF), // ERR_NR
        (0x5C3B, 0x0C), // FLAGS
        (0x5C3C, 0x00), // TV_FLAG: the upper screen
        (0x5C48, 0x38), // BORDCR
        (0x5C6B, 0x02), // DF_SZ
        (0x5C7F, 0x21), // P_POSN
        (0x5C80, 0x00),
        (0x5C81, 0x5B), // PR_CC, its high byte
        (0x5C8C, 0xFF), // SCR_CT: no `scroll?` for long
        (0x5C8D, 0x38), // ATTR_P
        (0x5C8F, 0x38), // ATTR_T
    ] {
        put(at, &[value]);
    }
    // STRMS: where the channels of streams -3 to 3 lie.
    put(0x5C10, &[0x01, 0, 0x06, 0, 0x0B, 0, 0x01, 0, 0x01, 0, 0x06, 0, 0x10, 0]);
    // Output, input, name: keyboard, screen, work space, printer.
    put(
        CHANNELS,
        &[
            0xF4, 0x09, 0xA8, 0x10, b'K', 0xF4, 0x09, 0xC4, 0x15, b'S', 0x81, 0x0F, 0xC4, 0x15, b'R', 0xF4,
            0x09, 0xC4, 0x15, b'P', 0x80,
        ],
    );
    // No variables; an empty line to edit.
    put(VARIABLES, &[0x80, 0x0D, 0x80]);
    put(image.origin, &image.bytes);

    let mut out = vec![0x3F];
    for register in [0x2758u16, 0, 0, 0x0044, 0x2758, 0, image.origin, 0x5C3A, 0] {
        out.extend(word(register));
    }
    // Interrupts on; R; AF; SP; mode 1; a white border.
    out.extend([0x04, 0x00, 0x44, 0x00]);
    out.extend(word(error - 4));
    out.extend([1, 7]);
    out.extend(memory);
    out
}

/// The channels' table, and where an empty BASIC program's variables begin.
const CHANNELS: u16 = 0x5CB6;
const VARIABLES: u16 = 0x5CCB;

#[cfg(test)]
mod tests {
    use super::*;

    fn image(origin: u16) -> Image {
        Image { origin, bytes: vec![0xC9, 1, 2] }
    }

    #[test]
    fn which_machine_loads_what() {
        let fit = |name: &str| -> Vec<&str> {
            let platform = Platform::find(name).unwrap();
            Container::ALL.into_iter().filter(|c| c.fits(platform)).map(Container::name).collect()
        };
        assert_eq!(fit("spectrum"), ["bin", "tap", "sna"]);
        assert_eq!((fit("cpm"), fit("c64")), (vec!["bin", "com"], vec!["bin", "prg"]));
        assert_eq!((fit("msx"), fit("6502")), (vec!["bin"], vec!["bin"]));
        let usual = |name: &str| Container::usual(Platform::find(name).unwrap()).name();
        assert_eq!(
            (usual("spectrum"), usual("cpm"), usual("c64"), usual("cpc")),
            ("tap", "com", "prg", "bin")
        );
    }

    #[test]
    fn a_prg_begins_with_a_line_that_starts_it() {
        let file = Container::Prg.write("x", &image(0x080D));
        assert_eq!(file.len(), 2 + 12 + 3);
        assert_eq!(&file[..2], [0x01, 0x08]);
        // The line's link leads to the end mark of the program.
        let link = usize::from(u16::from_le_bytes([file[2], file[3]]) - PRG_START) + 2;
        assert_eq!(&file[link..link + 2], [0, 0]);
        assert_eq!(&file[7..11], b"2061");
        assert_eq!(file[2 + 2061 - usize::from(PRG_START)], 0xC9);
    }

    #[test]
    fn a_tape_has_four_blocks_whose_parity_is_right() {
        let file = Container::Tape.write("my-long-name-here", &image(0x8000));
        let (mut at, mut blocks) = (0, Vec::new());
        while at < file.len() {
            let length = usize::from(u16::from_le_bytes([file[at], file[at + 1]]));
            let block = &file[at + 2..at + 2 + length];
            assert_eq!(block.iter().fold(0, |x, b| x ^ b), 0);
            blocks.push(block);
            at += 2 + length;
        }
        assert_eq!(blocks.iter().map(|b| b[0]).collect::<Vec<_>>(), [0, 0xFF, 0, 0xFF]);
        assert_eq!((blocks[0].len(), blocks[2].len()), (19, 19));
        assert_eq!(&blocks[0][2..12], b"my-long-na");
        assert_eq!(&blocks[2][14..16], [0x00, 0x80]);
        assert_eq!(&blocks[3][1..4], [0xC9, 1, 2]);
    }

    #[test]
    fn a_snapshot_starts_at_the_image() {
        let file = Container::Snapshot.write("x", &image(0x8000));
        assert_eq!(file.len(), 49_179);
        let sp = usize::from(u16::from_le_bytes([file[23], file[24]]));
        let at =
            |address: usize| u16::from_le_bytes([file[27 + address - 0x4000], file[28 + address - 0x4000]]);
        assert_eq!(at(sp), 0x8000);
        assert_eq!(file[27 + 0x4000], 0xC9);
        assert!(sp > 0x7F00 && sp < 0x8000);
    }
}
