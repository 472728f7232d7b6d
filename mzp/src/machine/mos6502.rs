//! Machines with a 6502, on the crate `mos6502`.
//!
//! | machine | entries |
//! |---|---|
//! | `c64`, `6502` | `FFD2h` CHROUT, `FFCFh` CHRIN, `FFE4h` GETIN |
//!
//! `BRK` ends a program: that is how the compiler's `main` ends.

use super::{Ending, Outcome, Terminal};
use crate::platform::Platform;
use mos6502::cpu::CPU;
use mos6502::instruction::Nmos6502;
use mos6502::memory::Bus;
use mos6502::registers::StackPointer;
use std::io;

struct Memory {
    bytes: Box<[u8; 0x1_0000]>,
    /// From here on nothing can be written.
    rom: u16,
}

impl Bus for Memory {
    fn get_byte(&mut self, address: u16) -> u8 {
        self.bytes[usize::from(address)]
    }
    fn set_byte(&mut self, address: u16, value: u8) {
        if address < self.rom {
            self.bytes[usize::from(address)] = value;
        }
    }
}

/// Where `RTS` from the program leads.
const EXIT: u16 = 0xFFF0;
const CHROUT: u16 = 0xFFD2;
const CHRIN: u16 = 0xFFCF;
const GETIN: u16 = 0xFFE4;

pub fn run(
    platform: &Platform,
    origin: u16,
    mut memory: Box<[u8; 0x1_0000]>,
    cycles: u64,
    terminal: &mut Terminal<'_>,
) -> io::Result<Outcome> {
    let rom = if platform.name == "c64" { 0xE000 } else { CHRIN };
    // A return goes to one more than what is on the stack.
    memory[0x01FE..0x0200].copy_from_slice(&(EXIT - 1).to_le_bytes());
    let mut cpu = CPU::new(Memory { bytes: memory, rom }, Nmos6502);
    cpu.registers.program_counter = origin;
    cpu.registers.stack_pointer = StackPointer(0xFD);
    let mut entries = 0;
    let ending = loop {
        let pc = cpu.registers.program_counter;
        if cpu.cycles + entries >= cycles {
            break Ending::Cycles;
        }
        match pc {
            EXIT => break Ending::Done,
            CHROUT => put(cpu.registers.accumulator, terminal)?,
            CHRIN => match terminal.get()? {
                Some(key) => cpu.registers.accumulator = if key == b'\n' { 13 } else { key },
                None => {
                    break Ending::Lost { address: pc, what: "waits for a key, and there is no more input" };
                }
            },
            GETIN => cpu.registers.accumulator = terminal.get()?.unwrap_or(0),
            _ if pc >= rom => {
                break Ending::Lost { address: pc, what: "is in the ROM, which this runner has not" };
            }
            _ if cpu.memory.get_byte(pc) == 0 => break Ending::Done,
            _ => {
                if !cpu.single_step() {
                    break Ending::Lost { address: pc, what: "is no instruction of this processor" };
                }
                continue;
            }
        }
        // `RTS`
        entries += 6;
        let StackPointer(sp) = cpu.registers.stack_pointer;
        let low = cpu.memory.get_byte(0x0100 | u16::from(sp.wrapping_add(1)));
        let high = cpu.memory.get_byte(0x0100 | u16::from(sp.wrapping_add(2)));
        cpu.registers.stack_pointer = StackPointer(sp.wrapping_add(2));
        cpu.registers.program_counter = u16::from_le_bytes([low, high]).wrapping_add(1);
    };
    Ok(Outcome { ending, cycles: cpu.cycles + entries })
}

/// A character of the machine: 13 ends a line, colours and cursor keys print nothing, and the shifted
/// letters of the second character set are capitals.
fn put(byte: u8, terminal: &mut Terminal<'_>) -> io::Result<()> {
    match byte {
        10 | 13 => terminal.put_text(byte),
        0xC1..=0xDA => terminal.put(byte - 0x80),
        0x20..=0x7F => terminal.put(byte),
        _ => Ok(()),
    }
}
