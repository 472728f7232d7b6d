//! From the compiler's assembly to an image, through an assembler that is there: `sjasmplus`, `pasmo` or
//! `mza` for the Z80, `ca65` with `ld65` for the 6502.
//!
//! The text is put in order first ([`arrange`]): the compiler places every machine's code at 8000h and
//! data at F000h, and begins with whatever function comes first. Here the code begins at the platform's
//! origin with a jump to `main`, and the data follows it, so that the image is one piece that starts at
//! its first byte, whatever tells the assembler's symbols.

use crate::compiler::Limits;
use crate::compiler::process::{self, Ended};
use crate::error::{AssemblerFailure, Error, Result};
use crate::machine::Image;
use crate::platform::{Cpu, Platform};
use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::path::Path;

/// What was assembled.
#[derive(Debug)]
pub struct Assembled {
    pub image: Image,
    /// The program that did it.
    pub assembler: &'static str,
    /// For each function of the text in its order: its name as the compiler writes it, and its bytes.
    /// Empty where the assembler tells no addresses.
    pub functions: Vec<(String, usize)>,
}

struct Assembler {
    program: &'static str,
    /// Arguments for `main.s` → `main.bin`, and `main.sym` where it can be had.
    arguments: &'static [&'static str],
    /// A second program that makes the image of what the first wrote.
    linker: Option<(&'static str, &'static [&'static str])>,
    /// Name and address in a line of the symbols.
    symbol: fn(&str) -> Option<(&str, u16)>,
}

const SOURCE: &str = "main.s";
const BINARY: &str = "main.bin";
const SYMBOLS: &str = "main.sym";

const Z80: &[Assembler] = &[
    Assembler {
        program: "sjasmplus",
        arguments: &["--nologo", "--raw=main.bin", "--sym=main.sym", SOURCE],
        linker: None,
        symbol: equate,
    },
    Assembler { program: "pasmo", arguments: &[SOURCE, BINARY, SYMBOLS], linker: None, symbol: equate },
    Assembler { program: "mza", arguments: &[SOURCE, "-o", BINARY], linker: None, symbol: |_| None },
];

const MOS6502: &[Assembler] = &[Assembler {
    program: "ca65",
    arguments: &[
        "--feature",
        "pc_assignment",
        "--feature",
        "dollar_in_identifiers",
        "--feature",
        "labels_without_colons",
        "-g",
        SOURCE,
        "-o",
        "main.o",
    ],
    linker: Some(("ld65", &["-t", "none", "main.o", "-o", BINARY, "-Ln", SYMBOLS])),
    symbol: label,
}];

/// The programs that [`assemble`] looks for, in its order.
pub fn known(cpu: Cpu) -> Vec<&'static str> {
    list(cpu).iter().map(|a| a.program).collect()
}

/// These, and the linkers of those that have one.
pub fn programs(cpu: Cpu) -> impl Iterator<Item = &'static str> {
    list(cpu).iter().flat_map(|a| [Some(a.program), a.linker.map(|(program, _)| program)]).flatten()
}

fn list(cpu: Cpu) -> &'static [Assembler] {
    match cpu {
        Cpu::Z80 => Z80,
        Cpu::Mos6502 => MOS6502,
        Cpu::Sm83 => &[],
    }
}

/// Assembles in `directory`, which is the build's own. Several assemblers have gaps of their own: when
/// one fails, the next is tried, and the first one's messages stand.
pub fn assemble(
    text: &str,
    platform: &'static Platform,
    directory: &Path,
    limits: Limits,
) -> Result<Assembled> {
    let arranged = arrange(text, platform);
    mirror::file::replace_scratch(&directory.join(SOURCE), arranged.text.as_bytes())?;
    let mut failure = None;
    for assembler in list(platform.cpu) {
        match attempt(assembler, &arranged, platform, directory, limits) {
            Ok(None) => {}
            Ok(Some(done)) => return Ok(done),
            Err(e @ Error::Assembler(_)) => {
                failure.get_or_insert(e);
            }
            Err(e) => return Err(e),
        }
    }
    Err(failure.unwrap_or_else(|| Error::NoAssembler { platform, known: known(platform.cpu) }))
}

/// `Ok(None)`: it is not here.
fn attempt(
    assembler: &Assembler,
    arranged: &Arranged,
    platform: &'static Platform,
    directory: &Path,
    limits: Limits,
) -> Result<Option<Assembled>> {
    for file in [BINARY, SYMBOLS] {
        mirror::file::remove(&directory.join(file))?;
    }
    let steps = [Some((assembler.program, assembler.arguments)), assembler.linker];
    for (program, arguments) in steps.into_iter().flatten() {
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        let fail = |messages: Vec<String>| Error::Assembler(Box::new(AssemblerFailure { program, messages }));
        let outcome = match process::run(OsStr::new(program), &arguments, directory, limits) {
            Ok(outcome) => outcome,
            Err(e) if e.kind() == ErrorKind::NotFound && program == assembler.program => return Ok(None),
            Err(e) => return Err(fail(vec![format!("cannot be started: {e}")])),
        };
        if outcome.ended != Ended::Status(0) {
            let said = format!("{}\n{}", outcome.stderr, outcome.stdout);
            return Err(fail(arranged.explain(&said)));
        }
    }
    let binary = directory.join(BINARY);
    let bytes = match mirror::file::read(&binary, 1 << 20) {
        Ok(bytes) => bytes,
        Err(mirror::Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
            let messages = vec!["reported success and wrote nothing".to_string()];
            return Err(Error::Assembler(Box::new(AssemblerFailure {
                program: assembler.program,
                messages,
            })));
        }
        Err(e) => return Err(e.into()),
    };
    if bytes.len() > platform.memory as usize {
        return Err(Error::TooBig { platform, bytes: bytes.len() });
    }
    let symbols = mirror::file::read(&directory.join(SYMBOLS), 16 << 20).unwrap_or_default();
    let functions = arranged.sizes(&String::from_utf8_lossy(&symbols), assembler.symbol);
    let image = Image { origin: platform.origin, bytes };
    Ok(Some(Assembled { image, assembler: assembler.program, functions }))
}

/// `main: EQU 0x00008000`, `main EQU 08000H`
fn equate(line: &str) -> Option<(&str, u16)> {
    let mut words = line.split_whitespace();
    let name = words.next()?.trim_end_matches(':');
    let value = words.nth(1)?;
    let digits = value.trim_start_matches("0x").trim_start_matches('$').trim_end_matches(['H', 'h']);
    let value = u32::from_str_radix(digits, 16).ok()?;
    Some((name, u16::try_from(value).ok()?))
}

/// `al 000803 .main`
fn label(line: &str) -> Option<(&str, u16)> {
    let rest = line.strip_prefix("al ")?;
    let (value, name) = rest.split_once(" .")?;
    Some((name, u16::try_from(u32::from_str_radix(value, 16).ok()?).ok()?))
}

/// The compiler's text in order, and what can be told of its lines.
struct Arranged {
    text: String,
    /// Line (from 0) where each function begins, and its name as the compiler writes it.
    functions: Vec<(usize, String)>,
}

const FUNCTION: &str = "; Function: ";
/// Labels of ours, at each function's begin and where the last one ends.
const MARK: &str = "mzp_function_";
const REST: &str = "mzp_rest";

fn arrange(text: &str, platform: &Platform) -> Arranged {
    let (mut code, mut data) = (Vec::new(), Vec::new());
    let (mut in_data, mut placed) = (false, false);
    for line in text.lines() {
        let bare = line.trim();
        match bare {
            "; Data section" => (in_data, placed) = (true, false),
            "; Code section" => (in_data, placed) = (false, false),
            _ => {}
        }
        // The first place of each section is the compiler's; others are the program's own business.
        let places = bare.starts_with("ORG ") || bare.starts_with("* = ") || bare.starts_with("*=");
        if places && !std::mem::replace(&mut placed, true) || bare == "END main" {
            continue;
        }
        if in_data { data.push(line) } else { code.push(line) }
    }
    let mut out = Arranged { text: String::new(), functions: Vec::new() };
    let mut lines = 0;
    let mut put = |out: &mut Arranged, line: &str| {
        out.text.push_str(line);
        out.text.push('\n');
        lines += 1;
        lines
    };
    match platform.cpu {
        Cpu::Mos6502 => {
            put(&mut out, &format!("    * = ${:04X}", platform.origin));
            put(&mut out, "    jmp main");
        }
        Cpu::Z80 | Cpu::Sm83 => {
            put(&mut out, &format!("    ORG ${:04X}", platform.origin));
            put(&mut out, "    JP main");
        }
    }
    let last = code.iter().rposition(|l| l.starts_with(FUNCTION));
    let end = last.map(|i| function_end(&code, i));
    for (i, line) in code.iter().enumerate() {
        if end == Some(i) {
            put(&mut out, &format!("{REST}:"));
        }
        if let Some(name) = line.strip_prefix(FUNCTION) {
            let n = out.functions.len();
            let at = put(&mut out, &format!("{MARK}{n}:"));
            out.functions.push((at, name.trim().to_string()));
        }
        put(&mut out, line);
    }
    if end.is_some_and(|end| end >= code.len()) {
        put(&mut out, &format!("{REST}:"));
    }
    data.iter().for_each(|line| {
        put(&mut out, line);
    });
    out
}

/// The line after a function's last: what comes behind it is the compiler's library, which begins with a
/// label, or a comment at the margin, behind an empty line.
fn function_end(code: &[&str], start: usize) -> usize {
    let own = code[start..].iter().position(|l| l.trim_end().ends_with(':')).map_or(start, |i| start + i);
    for i in own + 1..code.len() {
        let margin = code[i].starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == ';');
        let inner = code[i].contains('$') || code[i].starts_with(code[own].trim_end().trim_end_matches(':'));
        if margin && !inner && code[i - 1].trim().is_empty() {
            return i;
        }
    }
    code.len()
}

impl Arranged {
    /// Each function's bytes, by the symbols of our own labels.
    fn sizes(&self, symbols: &str, read: fn(&str) -> Option<(&str, u16)>) -> Vec<(String, usize)> {
        let mut starts = vec![None; self.functions.len() + 1];
        for (name, address) in symbols.lines().filter_map(read) {
            let name = name.to_ascii_lowercase();
            let n = match name.strip_prefix(MARK) {
                Some(n) => n.parse().ok(),
                None => (name == REST).then_some(self.functions.len()),
            };
            if let Some(slot) = n.and_then(|n| starts.get_mut(n)) {
                *slot = Some(address);
            }
        }
        let Some(starts) = starts.into_iter().collect::<Option<Vec<u16>>>() else { return Vec::new() };
        let sizes = starts.windows(2).map(|pair| usize::from(pair[1].saturating_sub(pair[0])));
        self.functions.iter().map(|(_, name)| name.clone()).zip(sizes).collect()
    }

    /// An assembler's complaints, at most twenty, each with the function that its line is in.
    fn explain(&self, said: &str) -> Vec<String> {
        let lines = said.lines().map(str::trim).filter(|l| !l.is_empty());
        let told = |line: &str| {
            let number =
                line.split(|c: char| !c.is_ascii_digit()).find(|w| !w.is_empty())?.parse::<usize>().ok()?;
            let (_, name) = self.functions.iter().rev().find(|(at, _)| *at < number)?;
            Some(name.clone())
        };
        lines
            .map(|line| match told(line) {
                Some(name) => format!("{line} (in {name})"),
                None => line.to_string(),
            })
            .take(20)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_begins_with_a_jump_and_data_follows_it() {
        let text = "; MinZ generated code\n\n; Data section\n    ORG $F000\n\ntext:\n    DB 1\n\n; Code section\n    ORG $8000\n\n; Function: a\na:\n    RET\n\n; Function: main\nmain:\n    CALL a\n    ORG $9000\n    RET\n\nprint_u8:\n    RET\n\n    END main\n";
        let out = arrange(text, Platform::find("cpm").unwrap());
        assert_eq!(
            out.text,
            "    ORG $0100\n    JP main\n; MinZ generated code\n\n; Code section\n\nmzp_function_0:\n; Function: a\na:\n    RET\n\nmzp_function_1:\n; Function: main\nmain:\n    CALL a\n    ORG $9000\n    RET\n\nmzp_rest:\nprint_u8:\n    RET\n\n; Data section\n\ntext:\n    DB 1\n\n"
        );
        assert_eq!(out.functions, [(7, "a".into()), (12, "main".into())]);
        let symbols = "mzp_function_0\t\tEQU 0103H\nmzp_function_1\t\tEQU 0104H\nmzp_rest: EQU 0x00000108\n";
        assert_eq!(out.sizes(symbols, equate), [("a".into(), 1), ("main".into(), 4)]);
        assert_eq!(out.sizes("mzp_rest EQU 0", equate), []);
        let said = "ERROR on line 14 of file main.s\nERROR: x not found\n";
        assert_eq!(out.explain(said), ["ERROR on line 14 of file main.s (in main)", "ERROR: x not found"]);
    }

    #[test]
    fn the_other_processor() {
        let text = "    * = $0800\n\n; Global variables\nn: .byte 0\n\n; Function: main\nmain:\n    brk\n\n; Helper routines\nprint_char:\n    rts\n";
        let out = arrange(text, Platform::find("c64").unwrap());
        assert!(out.text.starts_with("    * = $080D\n    jmp main\n\n; Global variables\n"), "{}", out.text);
        assert!(out.text.contains("\nmzp_rest:\n; Helper routines\n"), "{}", out.text);
        let symbols = "al 000811 .mzp_function_0\nal 000812 .mzp_rest\nal 00080D .x\n";
        assert_eq!(out.sizes(symbols, label), [("main".into(), 1)]);
    }
}
