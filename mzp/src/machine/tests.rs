use super::*;

fn go(platform: &str, bytes: &[u8], input: &str) -> (String, Ending) {
    let platform = Platform::find(platform).unwrap();
    let image = Image { origin: platform.origin, bytes: bytes.to_vec() };
    let mut output = Vec::new();
    let outcome = run(platform, &image, "a b", 1_000_000, &mut input.as_bytes(), &mut output).unwrap();
    (String::from_utf8_lossy(&output).into_owned(), outcome.ending)
}

fn done(text: &str) -> (String, Ending) {
    (text.into(), Ending::Done)
}

/// `LD A, c` and a call for each character, then `RET`.
fn printing(text: &str, call: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = text.bytes().flat_map(|c| [&[0x3E, c], call].concat()).collect();
    out.push(0xC9);
    out
}

#[test]
fn each_machine_prints_through_its_own_entry() {
    assert_eq!(go("spectrum", &printing("Hi\x16\x01\x02!\x10\x05\r?", &[0xD7]), ""), done("Hi!\n?"));
    assert_eq!(go("msx", &printing("Hi\r\n", &[0xCD, 0xA2, 0x00]), ""), done("Hi\n"));
    assert_eq!(go("z80", &printing("Hi\r", &[0xD7]), ""), done("Hi\n"));
    assert_eq!(go("cpc", &printing("Hi", &[0xCD, 0x5A, 0xBB]), ""), done("Hi"));
    // LD E,'H' LD C,2 CALL 5; LD DE,text LD C,9 CALL 5; RET
    let cpm = [0x1E, b'H', 0x0E, 2, 0xCD, 5, 0, 0x11, 0x10, 0x01, 0x0E, 9, 0xCD, 5, 0, 0xC9, b'i', b'$'];
    assert_eq!(go("cpm", &cpm, ""), done("Hi"));
    for platform in ["c64", "6502"] {
        // LDA #'H' JSR FFD2; LDA #C1 JSR FFD2; BRK
        let program = [0xA9, b'H', 0x20, 0xD2, 0xFF, 0xA9, 0xC1, 0x20, 0xD2, 0xFF, 0x00];
        assert_eq!(go(platform, &program, ""), done("HA"));
        assert_eq!(go(platform, &[0xA9, 13, 0x20, 0xD2, 0xFF, 0x60], ""), done("\n"));
    }
}

#[test]
fn reading() {
    // CP/M: LD C,1 CALL 5; CP 26; JR NZ, begin; RET: echoes until the end.
    let echo = [0x0E, 1, 0xCD, 5, 0, 0xFE, 26, 0x20, 0xF7, 0xC9];
    assert_eq!(go("cpm", &echo, "abc"), done("abc"));
    // LD DE,0200 LD A,3 LD (DE),A LD C,10 CALL 5; LD A,(0201) ADD 30 LD E,A LD C,2 CALL 5; RET
    let line = [
        0x11, 0, 2, 0x3E, 3, 0x12, 0x0E, 10, 0xCD, 5, 0, 0x3A, 1, 2, 0xC6, 0x30, 0x5F, 0x0E, 2, 0xCD, 5, 0,
        0xC9,
    ];
    assert_eq!(go("cpm", &line, "hello\n"), done("3"));
    // The command tail: LD A,(0081) … (0083) … RET, printed.
    let tail = [
        0x3A, 0x80, 0, 0xC6, 0x30, 0x5F, 0x0E, 2, 0xCD, 5, 0, 0x3A, 0x84, 0, 0x5F, 0x0E, 2, 0xCD, 5, 0, 0xC9,
    ];
    assert_eq!(go("cpm", &tail, ""), done("4B"));
    // C64: JSR CHRIN JSR CHROUT RTS
    assert_eq!(go("c64", &[0x20, 0xCF, 0xFF, 0x20, 0xD2, 0xFF, 0x60], "x"), done("x"));
    let (_, ending) = go("msx", &[0xCD, 0x9F, 0x00, 0xC9], "");
    assert!(matches!(ending, Ending::Lost { address: 0x009F, .. }), "{ending:?}");
}

#[test]
fn every_way_to_end() {
    assert_eq!(go("z80", &[0xC9], "").1, Ending::Done);
    assert_eq!(go("z80", &[0xC7], "").1, Ending::Done, "a reset");
    assert_eq!(go("z80", &[0x76], "").1, Ending::Done, "halted with interrupts off");
    assert_eq!(go("cpm", &[0x0E, 0, 0xCD, 5, 0], "").1, Ending::Done);
    assert_eq!(go("cpm", &[0x11, 0x03, 0xFF, 0x0E, 108, 0xCD, 5, 0, 0xC9], "").1, Ending::Done, "no BDOS 0");
    assert_eq!(
        go("cpm", &[0x11, 0x03, 0xFF, 0x0E, 108, 0xCD, 5, 0, 0x0E, 0, 0xCD, 5, 0], "").1,
        Ending::Status(3)
    );
    // HALT waits for the frame where there is one: 20 frames are more than the limit of cycles.
    assert_eq!(go("spectrum", &[0x76, 0x76, 0xC9], "").1, Ending::Done);
    assert_eq!(go("spectrum", &[0x76, 0x18, 0xFD], "").1, Ending::Cycles);
    assert_eq!(go("z80", &[0x18, 0xFE], "").1, Ending::Cycles);
    assert_eq!(go("6502", &[0x4C, 0x00, 0x08], "").1, Ending::Cycles);
    let lost = |platform: &str, bytes: &[u8]| match go(platform, bytes, "").1 {
        Ending::Lost { address, .. } => address,
        other => panic!("{other:?}"),
    };
    assert_eq!(lost("spectrum", &[0xCD, 0x56, 0x05]), 0x0556);
    assert_eq!(lost("cpm", &[0xD7]), 0x0010);
    assert_eq!(lost("cpm", &[0x0E, 200, 0xCD, 5, 0]), 0x0005);
    assert_eq!(lost("cpc", &[0xCD, 0x00, 0xBC]), 0xBC00);
    assert_eq!(lost("spectrum", &[0xED, 0x5E, 0x76]), 0x8003, "mode 2");
    assert_eq!(lost("c64", &[0x20, 0xE4, 0xE3]), 0xE3E4);
    // Through everything that decodes to nothing at all.
    assert_eq!(lost("z80", &[0xDD; 0x8000]), 0x8001);
}

#[test]
fn a_rom_cannot_be_written_and_its_entries_count() {
    // LD HL,0010 LD (HL),0 … RST 16
    assert_eq!(go("spectrum", &[0x21, 0x10, 0x00, 0x36, 0x00, 0x3E, b'x', 0xD7, 0xC9], ""), done("x"));
    // LD SP,9000 RET: a stack full of the entry's address, and the processor does nothing itself.
    let stack = [0x10, 0x00].into_iter().cycle().take(0x6000);
    let bytes: Vec<u8> = [0x31, 0x00, 0x90, 0xC9].into_iter().chain([0; 0xFFC]).chain(stack).collect();
    let image = Image { origin: 0x8000, bytes };
    let spectrum = Platform::find("spectrum").unwrap();
    let limited = run(spectrum, &image, "", 5_000, &mut &b""[..], &mut Vec::new()).unwrap();
    assert_eq!(limited.ending, Ending::Cycles);
}

proptest::proptest! {
    /// Whatever the bytes are, a run ends.
    #[test]
    fn any_bytes_end(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200), which in 0usize..7) {
        let platform = &crate::platform::PLATFORMS[which];
        let image = Image { origin: platform.origin, bytes };
        let mut output = Vec::new();
        run(platform, &image, "", 200_000, &mut &b"input\n"[..], &mut output).unwrap();
        proptest::prop_assert!(output.len() < 200_000);
    }
}
