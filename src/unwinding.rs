//! What stands for the unwinder in the release binary, which aborts on a panic and carries no tables to unwind by (src/build).
//!
//! The standard library still asks for one: to clean up, which never happens here, and to print backtraces, for which there is
//! nothing to walk along. Answered here, the linker leaves out what reads debug information and demangles names, and no start
//! waits for libgcc_s to be loaded.

#![allow(unsafe_code, reason = "the names are the unwinder's")]

use std::ffi::{c_int, c_void};

/// Of a stack that has no tables, the end is all there is.
#[unsafe(export_name = "_Unwind_Backtrace")]
extern "C" fn backtrace(_each: *const c_void, _argument: *mut c_void) -> c_int {
    const END_OF_STACK: c_int = 5;
    END_OF_STACK
}

macro_rules! never_called {
    ($($function:ident = $name:literal)*) => {
        $(#[unsafe(export_name = $name)]
        extern "C" fn $function() -> ! {
            std::process::abort()
        })*
    };
}

never_called! {
    resume = "_Unwind_Resume"
    data_base = "_Unwind_GetDataRelBase"
    text_base = "_Unwind_GetTextRelBase"
    region_start = "_Unwind_GetRegionStart"
    language_data = "_Unwind_GetLanguageSpecificData"
    instruction = "_Unwind_GetIPInfo"
    set_instruction = "_Unwind_SetIP"
    set_register = "_Unwind_SetGR"
}
