#!/bin/sh
# `make mutants`: cargo-mutants over the rooms where a mistake costs most: commits, archives, trust. Slow: an hour and more.
#
# MUTANTS_FILES narrows it to some files, MUTANTS_SHARD=1/8 to a part of the mutants. What survives must stand, with its
# reason, in tests/mutants.tsv (FILE: WHAT, as cargo-mutants prints it without line and column); otherwise this fails.
cd "$(dirname "$0")/.." || exit 1
files=${MUTANTS_FILES:-"
  mirror/src/commit.rs mirror/src/file.rs mirror/src/root.rs mirror/src/lock.rs mirror/src/digest.rs mirror/src/snapshot.rs
  mirror/src/pack.rs mirror/src/segment.rs mirror/src/record/join.rs mirror/src/archive/*.rs"}
if ! cargo mutants --version >/dev/null 2>&1; then
  echo "make mutants: installing cargo-mutants"
  cargo install cargo-mutants --locked || { echo "make mutants: cargo-mutants is not here and cannot be installed" >&2; exit 1; }
fi
out=target/mutants
mkdir -p "$out"
set --
for f in $files; do set -- "$@" --file "$f"; done
[ -z "$MUTANTS_SHARD" ] || set -- "$@" --shard "$MUTANTS_SHARD"
# The same random cases for every mutant; one that hangs gets three times what all tests took, at least a minute.
PROPTEST_RNG_SEED=${PROPTEST_RNG_SEED:-20261121} cargo mutants --package mirror --output "$out" --no-shuffle --colors never \
  --timeout-multiplier 3 --minimum-test-timeout 60 --cap-lints true "$@" -- --lib
status=$?
# 0: all caught, 2: some missed, 3: some hung (which is noticed, too); others: it did not run.
case $status in 0 | 2 | 3) ;; *) exit "$status" ;; esac
sed -E 's/:[0-9]+:[0-9]+: /: /' "$out/mutants.out/missed.txt" | sort -u >"$out/missed"
tail -n +2 tests/mutants.tsv | cut -f1 | sort -u >"$out/reviewed"
echo "caught $(wc -l <"$out/mutants.out/caught.txt"), hung $(wc -l <"$out/mutants.out/timeout.txt"), not to be built $(wc -l <"$out/mutants.out/unviable.txt"), survived $(wc -l <"$out/mutants.out/missed.txt")"
if [ -n "$(comm -23 "$out/missed" "$out/reviewed")" ]; then
  echo "survived without a reason in tests/mutants.tsv:" >&2
  comm -23 "$out/missed" "$out/reviewed" >&2
  exit 1
fi
