//! Machines with a Z80, on the crate `iz80`.
//!
//! | machine | entries |
//! |---|---|
//! | `spectrum` | `0010h` print A (with the control codes of the ROM), `15F2h` the same, `0D6Bh` `0DAFh` clear, `1601h` open a channel, `229Bh` border, `03B5h` beep |
//! | `cpm` | `0005h` BDOS: 0 1 2 6 9 10 11 12 108; `0000h` the end |
//! | `msx` | `00A2h` CHPUT, `009Fh` CHGET, `00C3h` CLS |
//! | `cpc` | `BB5Ah` TXT OUTPUT, `BB06h` wait for a key, `BC14h` clear |
//! | `z80` | `0010h` print A: what the compiler takes when it is told of no machine |
//!
//! Spectrum, MSX and CPC have an interrupt a frame, in mode 1, for a program that waits with `HALT`.

use super::{Ending, Outcome, Terminal};
use crate::platform::Platform;
use iz80::{Cpu, Machine, Reg8, Reg16};
use std::io;

struct Bus {
    memory: Box<[u8; 0x1_0000]>,
    /// Below it nothing can be written.
    rom: u16,
}

impl Machine for Bus {
    fn peek(&mut self, address: u16) -> u8 {
        self.memory[usize::from(address)]
    }
    fn poke(&mut self, address: u16, value: u8) {
        if address >= self.rom {
            self.memory[usize::from(address)] = value;
        }
    }
    /// No key is down, no line is up.
    fn port_in(&mut self, _: u16) -> u8 {
        0xFF
    }
    fn port_out(&mut self, _: u16, _: u8) {}
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum System {
    Spectrum,
    Cpm,
    Msx,
    Cpc,
    Bare,
}

/// What follows a call of an entry.
enum Next {
    Return,
    End(Ending),
}

struct Board<'a, 'b> {
    cpu: Cpu,
    bus: Bus,
    system: System,
    terminal: &'a mut Terminal<'b>,
    /// Spectrum: parameters of a control code that are still to come.
    parameters: u8,
    /// CP/M: the return code.
    code: u16,
    /// What the entries' own `RET`s take.
    returned: u64,
}

/// Where `main` returns to. Going there by a reset is the same.
const EXIT: u16 = 0x0000;
const BDOS: u16 = 0x0005;
/// `EI`, `RET` for the frame's interrupt, and `IM 1`, `EI`, `JP` for the start.
const ROUTINES: std::ops::RangeInclusive<u16> = 0x0038..=0x003F;
/// T states of one frame of the 48K machine; the others are near it.
const FRAME: u64 = 69_888;

pub fn run(
    platform: &Platform,
    origin: u16,
    mut memory: Box<[u8; 0x1_0000]>,
    tail: &str,
    cycles: u64,
    terminal: &mut Terminal<'_>,
) -> io::Result<Outcome> {
    let (system, rom) = match platform.name {
        "spectrum" => (System::Spectrum, 0x4000),
        "cpm" => (System::Cpm, 0),
        "msx" => (System::Msx, 0x4000),
        "cpc" => (System::Cpc, 0),
        _ => (System::Bare, 0),
    };
    let top = u32::from(platform.origin) + platform.memory;
    let stack = (top.min(0xFFFE) as u16).wrapping_sub(2);
    memory[usize::from(stack)..usize::from(stack) + 2].copy_from_slice(&EXIT.to_le_bytes());
    if system == System::Cpm {
        // Programs read the top of their memory from the BDOS's address.
        memory[0] = 0xC3;
        memory[5] = 0xC3;
        memory[6..8].copy_from_slice(&(top as u16).to_le_bytes());
        // As the console's command processor leaves it: the length, a blank, capitals.
        let words = tail.bytes().filter(u8::is_ascii).map(|b| b.to_ascii_uppercase());
        let line: Vec<u8> =
            std::iter::once(b' ').filter(|_| !tail.is_empty()).chain(words).take(126).collect();
        memory[0x80] = line.len() as u8;
        memory[0x81..0x81 + line.len()].copy_from_slice(&line);
    }
    let mut cpu = Cpu::new_z80();
    cpu.registers().set_pc(origin);
    if interrupts(system) {
        let [low, high] = origin.to_le_bytes();
        memory[0x38..0x40].copy_from_slice(&[0xFB, 0xC9, 0xED, 0x56, 0xFB, 0xC3, low, high]);
        cpu.registers().set_pc(0x3A);
    }
    cpu.registers().set16(Reg16::SP, stack);
    let bus = Bus { memory, rom };
    let mut board = Board { cpu, bus, system, terminal, parameters: 0, code: 0, returned: 0 };
    let ending = board.run(cycles)?;
    Ok(Outcome { ending, cycles: board.cycles() })
}

/// Whether a frame's interrupt comes to a program that does nothing about it.
fn interrupts(system: System) -> bool {
    !matches!(system, System::Cpm | System::Bare)
}

impl Board<'_, '_> {
    fn cycles(&self) -> u64 {
        self.cpu.cycle_count() + self.returned
    }

    fn run(&mut self, cycles: u64) -> io::Result<Ending> {
        loop {
            if self.cycles() >= cycles {
                return Ok(Ending::Cycles);
            }
            if self.cpu.is_halted() {
                // Only an interrupt goes on from here, and each comes with the next frame.
                let (enabled, mode) = self.cpu.immutable_registers().get_interrupt_mode();
                match (enabled, mode) {
                    (false, _) => return Ok(Ending::Done),
                    (true, 1) if interrupts(self.system) => {}
                    _ => return Ok(self.lost("waits for an interrupt that nothing here makes")),
                }
                self.returned += FRAME - self.cycles() % FRAME;
                self.cpu.signal_interrupt(true);
                self.cpu.execute_instruction(&mut self.bus);
                self.cpu.signal_interrupt(false);
                continue;
            }
            let pc = self.cpu.immutable_registers().pc();
            // A prefix before a prefix does nothing, and a whole memory of them would never end.
            let prefix = |at: u16| matches!(self.bus.memory[usize::from(at)], 0xDD | 0xFD);
            if prefix(pc) && prefix(pc.wrapping_add(1)) {
                self.cpu.registers().set_pc(pc.wrapping_add(1));
                if prefix(pc.wrapping_add(2)) {
                    return Ok(self.lost("runs through bytes that are no program"));
                }
                continue;
            }
            match self.entry(pc)? {
                None => self.cpu.execute_instruction(&mut self.bus),
                Some(Next::Return) => self.cpu_return(),
                Some(Next::End(ending)) => return Ok(ending),
            }
        }
    }

    fn lost(&self, what: &'static str) -> Ending {
        Ending::Lost { address: self.cpu.immutable_registers().pc(), what }
    }

    /// `RET`, as the entry's own code would end.
    fn cpu_return(&mut self) {
        self.returned += 10;
        let sp = self.cpu.immutable_registers().get16(Reg16::SP);
        let to = self.bus.peek16(sp);
        self.cpu.registers().set16(Reg16::SP, sp.wrapping_add(2));
        self.cpu.registers().set_pc(to);
    }

    /// What the machine's own software does at `pc`; `None`: it is the program's.
    fn entry(&mut self, pc: u16) -> io::Result<Option<Next>> {
        let end = |ending| Ok(Some(Next::End(ending)));
        let a = self.cpu.immutable_registers().a();
        match (self.system, pc) {
            (System::Cpm, BDOS) => return self.bdos(),
            (_, EXIT) => return end(Ending::Done),
            (System::Spectrum, 0x0010 | 0x15F2) => self.spectrum(a)?,
            (System::Msx, 0x00A2) | (System::Cpc, 0xBB5A) | (System::Bare, 0x0010) => {
                self.terminal.put_text(a)?
            }
            (System::Msx, 0x009F) | (System::Cpc, 0xBB06) => match self.terminal.get()? {
                Some(key) => self.cpu.registers().set_a(key),
                None => return end(self.lost("waits for a key, and there is no more input")),
            },
            (system, pc) if interrupts(system) && ROUTINES.contains(&pc) => return Ok(None),
            (System::Spectrum, 0x0D6B | 0x0DAF | 0x1601 | 0x229B | 0x03B5)
            | (System::Msx, 0x00C3)
            | (System::Cpc, 0xBC14) => {}
            (System::Spectrum | System::Msx, 0..0x4000) => {
                return end(self.lost("is in the ROM, which this runner has not"));
            }
            (System::Cpc, 0..0x0040 | 0xB100..) => {
                return end(self.lost("is in the firmware, which this runner has not"));
            }
            (System::Cpm, 0..0x0100 | 0xE400..) => {
                return end(self.lost("is in the system's memory, where nothing is to be called"));
            }
            _ => return Ok(None),
        }
        Ok(Some(Next::Return))
    }

    /// The ROM's `PRINT-A`: control codes with their parameters, 13 ends a line; for those without a meaning
    /// (10 is one) it has a question mark.
    fn spectrum(&mut self, a: u8) -> io::Result<()> {
        if self.parameters > 0 {
            self.parameters -= 1;
            return Ok(());
        }
        match a {
            13 => self.terminal.put_text(a),
            6 => self.terminal.put(b'\t'),
            // INK, PAPER, FLASH, BRIGHT, INVERSE, OVER; AT and TAB.
            16..=21 => {
                self.parameters = 1;
                Ok(())
            }
            22 | 23 => {
                self.parameters = 2;
                Ok(())
            }
            8 | 9 => Ok(()),
            0..32 => self.terminal.put(b'?'),
            _ => self.terminal.put(a),
        }
    }

    fn bdos(&mut self) -> io::Result<Option<Next>> {
        let function = self.cpu.immutable_registers().get8(Reg8::C);
        let de = self.cpu.immutable_registers().get16(Reg16::DE);
        let e = de as u8;
        let mut answer = 0u8;
        match function {
            0 => return Ok(Some(Next::End(self.code()))),
            1 => match self.terminal.get()? {
                // Line ends as the machine's keyboard gives them; 26 is the end of a file.
                Some(b'\n') => answer = 13,
                Some(key) => {
                    answer = key;
                    self.terminal.put(key)?;
                }
                None => answer = 26,
            },
            2 => self.terminal.put_text(e)?,
            6 if e == 0xFF => answer = self.terminal.get()?.unwrap_or(0),
            6 => self.terminal.put_text(e)?,
            9 => {
                let text = (0..=u16::MAX).map(|i| self.bus.memory[usize::from(de.wrapping_add(i))]);
                let text: Vec<u8> = text.take_while(|b| *b != b'$').collect();
                for byte in text {
                    self.terminal.put_text(byte)?;
                }
            }
            10 => {
                let most = usize::from(self.bus.memory[usize::from(de)]);
                let mut line = Vec::new();
                while let Some(key) = self.terminal.get()? {
                    if key == b'\n' {
                        break;
                    }
                    line.push(key);
                }
                line.truncate(most);
                self.bus.poke(de.wrapping_add(1), line.len() as u8);
                for (i, key) in line.into_iter().enumerate() {
                    self.bus.poke(de.wrapping_add(2 + i as u16), key);
                }
            }
            11 => answer = 0,
            12 => answer = 0x22,
            108 if de == 0xFFFF => {
                self.cpu.registers().set16(Reg16::HL, self.code);
                return Ok(Some(Next::Return));
            }
            108 => self.code = de,
            _ => {
                return Ok(Some(Next::End(
                    self.lost("asks the BDOS for a function that this runner has not"),
                )));
            }
        }
        let registers = self.cpu.registers();
        registers.set_a(answer);
        registers.set16(Reg16::HL, u16::from(answer));
        Ok(Some(Next::Return))
    }

    /// `FF00h` and above are failures.
    fn code(&self) -> Ending {
        match self.code {
            0..0xFF00 => Ending::Done,
            code => Ending::Status((code as u8).max(1)),
        }
    }
}
