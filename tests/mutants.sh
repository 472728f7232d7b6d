#!/bin/sh
# `make mutants`: cargo-mutants over the rooms where a mistake costs most: commits, archives, trust. Slow: an hour of one core.
#
# MUTANTS_FILES narrows it to some files, MUTANTS_SHARD=0/8 to a part of the mutants. What survives must stand, with its
# reason, in tests/mutants.tsv (FILE: WHAT, as cargo-mutants prints it without line and column); otherwise this fails.
cd "$(dirname "$0")/.." || exit 1
files=${MUTANTS_FILES:-"
  mirror/src/commit.rs mirror/src/file.rs mirror/src/root.rs mirror/src/lock.rs mirror/src/digest.rs mirror/src/snapshot.rs
  mirror/src/pack.rs mirror/src/segment.rs mirror/src/record/join.rs mirror/src/archive/*.rs"}
if ! cargo mutants --version >/dev/null 2>&1; then
  echo "make mutants: installing cargo-mutants"
  cargo install cargo-mutants --locked || { echo "make mutants: cargo-mutants is not here and cannot be installed" >&2; exit 1; }
fi

# The copy of the tree is made in one place and built in another, so that nothing but what changed is built anew. Its files
# are newer than what was built of a mutant before.
out=$PWD/target/mutants
rm -rf "$out/tree"
mkdir -p "$out/tree"
git ls-files -coz --exclude-standard | xargs -0 cp --parents -t "$out/tree" || exit 1
export CARGO_TARGET_DIR="$out/build"

# A mutant costs a build and a run of the tests: no debug information, few random cases (the same for every mutant), and what
# the tests write lies in memory where there is some. (Optimizing makes the builds slower than it makes the tests quick.)
export CARGO_PROFILE_TEST_DEBUG=0 CARGO_INCREMENTAL=1
export PROPTEST_RNG_SEED="${PROPTEST_RNG_SEED:-20261121}" PROPTEST_CASES="${PROPTEST_CASES:-24}"
if [ -z "$TMPDIR" ] && [ -w /dev/shm ]; then
  TMPDIR=$(mktemp -d /dev/shm/mutants.XXXXXX) || exit 1
  export TMPDIR
  trap 'rm -rf "$TMPDIR"' EXIT
  trap 'exit 130' INT TERM
fi

# ROOM FILES OPTION TESTS: a run of some tests over the mutants of some files. One that hangs (which is noticed, too) gets
# five times what all tests took, at least half a minute.
run() {
  room=$1 in=$2 option=$3 tests=$4
  mkdir -p "$out/$room"
  set -- $option
  for f in $in; do set -- "$@" --file "$f"; done
  [ -z "$MUTANTS_SHARD" ] || set -- "$@" --shard "$MUTANTS_SHARD"
  cargo mutants --dir "$out/tree" --in-place --package mirror --output "$out/$room" --colors never \
    --timeout-multiplier 5 --minimum-test-timeout 30 --cargo-arg=--lib "$@" -- -- $tests
  status=$?
  # 0: all caught, 2: some missed, 3: some hung; others: it did not run.
  case $status in 0 | 2 | 3) ;; *) exit "$status" ;; esac
}
# Each room by its own tests, so that nothing is killed by accident: the quick ones first, then all, for what they leave
# (which cannot be said of a shard).
core= archive=
for f in $files; do
  case $f in */archive/*) archive="$archive $f" ;; *) core="$core $f" ;; esac
done
rm -rf "$out/core" "$out/archive"
others="--skip archive:: --skip http::"
slow="--skip model:: --skip any_prefix --skip flipped_bit --skip leftovers --skip segments_end --skip as_base64ct --skip others_clean_up"
[ -z "$MUTANTS_SHARD" ] || slow=
if [ -n "$core" ]; then
  run core "$core" "" "$others $slow"
  [ -n "$slow" ] && [ -s "$out/core/mutants.out/missed.txt" ] && run core "$core" --iterate "$others"
fi
[ -z "$archive" ] || run archive "$archive" "" archive::

all() { cat "$out"/*/mutants.out/"$1".txt; }
all missed | sed -E 's/:[0-9]+:[0-9]+: /: /' | sort -u >"$out/missed"
tail -n +2 tests/mutants.tsv | cut -f1 | sort -u >"$out/reviewed"
echo "survived $(all missed | wc -l), hung $(all timeout | wc -l), not to be built $(all unviable | wc -l)"
if [ -n "$(comm -23 "$out/missed" "$out/reviewed")" ]; then
  echo "survived without a reason in tests/mutants.tsv:" >&2
  comm -23 "$out/missed" "$out/reviewed" >&2
  exit 1
fi
