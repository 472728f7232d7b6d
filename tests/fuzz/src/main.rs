//! libFuzzer's way in. One program for all targets, named by `FUZZ_TARGET`: twenty would be linked twenty times.
#![no_main]

use pantry_fuzz::Body;
use std::sync::LazyLock;

static BODY: LazyLock<Body> = LazyLock::new(|| {
    let target = std::env::var("FUZZ_TARGET").expect("FUZZ_TARGET names the target");
    let found = pantry_fuzz::TARGETS.iter().find(|(name, _)| *name == target);
    found.unwrap_or_else(|| panic!("no target is called {target}")).1
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| BODY(data));
