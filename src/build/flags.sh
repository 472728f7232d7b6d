#!/bin/sh
# What rustc is to be told for the release binary besides the profile. Nothing here is needed: a build without it
# is larger, and does the same.
#
# `flags.sh every`: for every crate (RUSTFLAGS). What lies on the stack is reached by the frame pointer, whose
# instructions are a byte shorter and can be shared by the outliner below: 64 KB less (1.8 %). And places in the
# sources of others are told without the folder of whoever builds. SHA-2 for processors that have neither
# instructions for it nor AVX2 is written in rounds: 22 KB less.
#
# `flags.sh`: for the program (behind `cargo rustc --`). Sequences of machine code that occur again and again
# become functions where that saves 12 bytes and more: 77 KB less (2.2 %), 0.02 % more instructions for verifying
# archives, 0.4 % for reading them into a mirror; without the bound 104 KB and 5 %. Functions that differ in
# constants only become one; and what needs much of the stack keeps it to itself, and is not made a part of what
# calls it, whose own variables would lie far off: together 51 KB less, 0.3 % more instructions for resolving.
# LLVM's options are no promise: nothing is printed for a rustc that does not know them.
# `flags.sh 1` takes that bound away, for the build for MinZ alone.
if [ "$1" = every ]; then
  printf '%s' '-C force-frame-pointers=yes --cfg sha2_backend_soft="compact"'
  ${CARGO:-cargo} fetch --quiet 2>/dev/null
  for sources in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/; do
    case "$sources" in *' '*) ;; *) printf ' --remap-path-prefix=%s=' "$sources" ;; esac
  done
  exit 0
fi
flags="-C llvm-args=-enable-machine-outliner=always -C llvm-args=-outliner-benefit-threshold=${1:-12}"
flags="$flags -C llvm-args=-enable-global-merge-func -C llvm-args=-inline-max-stacksize=64"
case "$(uname -m)" in x86_64) ;; *) exit 0 ;; esac
${RUSTC:-rustc} --print cfg $flags >/dev/null 2>&1 && echo "$flags"
exit 0
