//! How the C library's allocator shares out memory: fit for a program that runs for a second and handles many buffers.
//!
//! By itself glibc keeps an arena for every thread and, once a large buffer was freed, serves the next ones out of the arenas, where
//! what lives on keeps the room of what is gone. Measured with a fresh install of 235 packages: 26 MiB at the peak, 11 MiB
//! this way, for 3 % more CPU time. (A limit of 64 KiB instead of 32 gives 19 MiB: inflating takes buffers of that size.)

#![allow(unsafe_code, reason = "the C library's own function; it only changes numbers of its allocator")]

use std::ffi::c_int;

unsafe extern "C" {
    safe fn mallopt(parameter: c_int, value: c_int) -> c_int;
}

/// The numbers of `malloc.h`.
const TRIM_THRESHOLD: c_int = -1;
const MMAP_THRESHOLD: c_int = -3;
const ARENA_MAX: c_int = -8;

pub fn settle() {
    // Larger ones come from the system and go back to it at once.
    mallopt(MMAP_THRESHOLD, 32 << 10);
    mallopt(TRIM_THRESHOLD, 64 << 10);
    mallopt(ARENA_MAX, 2);
}
