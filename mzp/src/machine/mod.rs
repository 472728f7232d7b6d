//! The built-in runner: a program's image on a bare machine, its output to a stream. No emulator, no
//! ROM, no screen.
//!
//! A machine here is a processor, 64 KiB, and the few entries of its ROM or BIOS that print or read a
//! character; they are listed in [`z80`] and [`mos6502`]. A program ends when it returns from `main`,
//! resets, halts with interrupts off, or (6502) breaks. Whatever else it calls in the ROM is not there,
//! and that is said instead of running on through nothing.

mod mos6502;
mod z80;

use crate::platform::{Cpu, Platform};
use std::io::{self, BufRead, Write};

/// Bytes from `origin` on; execution begins at the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    pub origin: u16,
    /// At most as many as lie between the origin and the end of memory.
    pub bytes: Vec<u8>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// It returned, reset the machine, or halted for good.
    Done,
    /// CP/M: the return code it set (BDOS 108), when that says failure.
    Status(u8),
    /// The limit of cycles came first.
    Cycles,
    /// It went somewhere, or asked for something, that this machine has not.
    Lost { address: u16, what: &'static str },
}

#[derive(Debug)]
pub struct Outcome {
    pub ending: Ending,
    /// Of the processor; an entry of the ROM counts as its `RET` alone.
    pub cycles: u64,
}

/// Whether there is a machine for it here.
pub fn can_run(platform: &Platform) -> bool {
    platform.cpu != Cpu::Sm83
}

/// Runs an image for at most `cycles` processor cycles. What the program prints goes to `output` (as
/// bytes of the machine's character set, the end of a line as `\n`), what it reads comes from `input`.
/// `tail` is what stood behind the program's name: CP/M's command tail; other machines have none.
pub fn run(
    platform: &Platform,
    image: &Image,
    tail: &str,
    cycles: u64,
    input: &mut dyn BufRead,
    output: &mut dyn Write,
) -> io::Result<Outcome> {
    let mut memory = Box::new([0u8; 0x1_0000]);
    let at = usize::from(image.origin);
    let length = image.bytes.len().min(memory.len() - at);
    memory[at..at + length].copy_from_slice(&image.bytes[..length]);
    let mut terminal = Terminal { input, output, returned: false };
    let outcome = match platform.cpu {
        Cpu::Z80 => z80::run(platform, image.origin, memory, tail, cycles, &mut terminal),
        Cpu::Mos6502 => mos6502::run(platform, image.origin, memory, cycles, &mut terminal),
        Cpu::Sm83 => return Err(io::Error::other("there is no runner for this processor")),
    };
    terminal.output.flush()?;
    outcome
}

/// What the ROM's entries are connected to.
struct Terminal<'a> {
    input: &'a mut dyn BufRead,
    output: &'a mut dyn Write,
    /// The last byte was a carriage return.
    returned: bool,
}

impl Terminal<'_> {
    fn put(&mut self, byte: u8) -> io::Result<()> {
        self.returned = false;
        self.output.write_all(&[byte])
    }

    /// 13, 10, and 13 with 10 behind it all end one line: machines differ, and so do programs for them.
    fn put_text(&mut self, byte: u8) -> io::Result<()> {
        match byte {
            13 => {
                self.put(b'\n')?;
                self.returned = true;
                Ok(())
            }
            10 if self.returned => {
                self.returned = false;
                Ok(())
            }
            _ => self.put(byte),
        }
    }

    /// The next byte of the input, `None` at its end. What was printed is shown first.
    fn get(&mut self) -> io::Result<Option<u8>> {
        self.output.flush()?;
        let next = self.input.fill_buf()?.first().copied();
        if next.is_some() {
            self.input.consume(1);
        }
        Ok(next)
    }
}

#[cfg(test)]
mod tests;
