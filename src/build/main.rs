//! Compresses the texts of the command table (`texts`), and tells the linker what it may leave out of the release
//! binary. Every switch is used only where it is known to work; without them the binary is larger, not broken.

#![allow(clippy::disallowed_methods, reason = "cargo speaks to a build script by variables")]
#![allow(clippy::print_stdout, reason = "and is answered on standard output")]

mod cli;
mod texts;

use std::env::var;
use std::path::PathBuf;
use std::process::Command;

fn main() {
    texts::write(&PathBuf::from(var("OUT_DIR").unwrap_or_default()));
    println!("cargo::rerun-if-changed=src/cli/command.rs");
    println!("cargo::rerun-if-changed=src/cli/table");
    println!("cargo::rerun-if-changed=src/build");
    let linux = var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux");
    let native = var("HOST").is_ok_and(|host| var("TARGET").is_ok_and(|target| host == target));
    if !linux || !var("PROFILE").is_ok_and(|profile| profile == "release") {
        return;
    }
    let root = PathBuf::from(var("CARGO_MANIFEST_DIR").unwrap_or_default());
    // A panic aborts: nobody ever reads the tables for unwinding, an eighth of the file. And what is seldom run lies apart.
    let script = root.join("src/build/layout.ld");
    argument(&format!("-Wl,-T,{}", script.display()));
    argument("-Wl,--build-id=none");
    // The unwinder of a static C library gives way to ours (src/unwinding.rs).
    if var("CARGO_CFG_TARGET_FEATURE").is_ok_and(|list| list.split(',').any(|f| f == "crt-static")) {
        argument("-Wl,-z,muldefs");
    }
    // Relative relocations in a bitmap, where the C library that the program starts with reads it.
    if native && glibc().is_some_and(|version| version >= (2, 36)) {
        argument("-Wl,-z,pack-relative-relocs");
    }
    // Functions of the same code are kept once: only rustc's own linker does that.
    if native && own_linker() {
        argument("-Wl,--icf=all");
    }
}

fn argument(text: &str) {
    println!("cargo::rustc-link-arg-bins={text}");
}

fn glibc() -> Option<(u32, u32)> {
    let out = Command::new("getconf").arg("GNU_LIBC_VERSION").output().ok()?;
    let text = String::from_utf8(out.stdout).ok()?;
    let (major, minor) = text.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.split('.').next()?.parse().ok()?))
}

/// rustc links with the LLD that lies beside it, and nobody told it otherwise.
fn own_linker() -> bool {
    let flags = var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    if var("RUSTC_LINKER").is_ok() || flags.contains("link") || var("TARGET") != Ok(DEFAULT.into()) {
        return false;
    }
    let Ok(out) = Command::new(var("RUSTC").unwrap_or_default()).args(["--print", "sysroot"]).output() else {
        return false;
    };
    let sysroot = PathBuf::from(String::from_utf8_lossy(&out.stdout).trim());
    sysroot.join("lib/rustlib").join(DEFAULT).join("bin/gcc-ld/ld.lld").is_file()
}

/// Where LLD is what rustc takes by default (since 1.90).
const DEFAULT: &str = "x86_64-unknown-linux-gnu";
