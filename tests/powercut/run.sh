#!/bin/sh
# `make powercut`: power cuts on vfat and ext4 in user-mode Linux (tests/README.md). Arguments: the number of cuts per
# command and file system (default $PANTRY_POWERCUT_CUTS or 25). $PANTRY_POWERCUT_SEED repeats a run, $PANTRY_POWERCUT_ONLY
# takes only rows that hold its text. Status 77: not run, and why.
cd "$(dirname "$0")/../.." || exit 1
cuts=${1:-${PANTRY_POWERCUT_CUTS:-25}}
skip() { echo "SKIPPED: power cuts: $*" >&2; exit 77; }

missing=
for pair in linux:user-mode-linux insmod:kmod mkfs.vfat:dosfstools fsck.vfat:dosfstools mkfs.ext4:e2fsprogs python3:python3; do
  PATH=$PATH:/usr/sbin:/sbin command -v "${pair%%:*}" >/dev/null 2>&1 || missing="$missing ${pair##*:}"
done
if [ -n "$missing" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "power cuts: installing$missing"
  { timeout 120 apt-get update -qq; timeout 420 apt-get install -y -qq --no-install-recommends $missing; } >/dev/null 2>&1
fi
PATH=$PATH:/usr/sbin:/sbin
for program in linux insmod mkfs.vfat fsck.vfat mkfs.ext4 python3; do
  command -v $program >/dev/null 2>&1 || skip "no $program here (Debian: user-mode-linux kmod dosfstools e2fsprogs python3)"
done
case $(linux --version 2>/dev/null) in [0-9]*) ;; *) skip "the program linux is not user-mode Linux, or does not start here" ;; esac

pantry=${PANTRY:-target/release/pantry}
[ -n "${PANTRY:-}" ] || ${CARGO:-cargo} build --release || exit 1
mkdir -p target/powercut
TMPDIR=${TMPDIR:-$PWD/target/powercut}
export TMPDIR
exec nice -n 5 python3 -B tests/powercut/powercut.py "$pantry" --cuts "$cuts" ${PANTRY_POWERCUT_SEED:+--seed "$PANTRY_POWERCUT_SEED"} \
  ${PANTRY_POWERCUT_ONLY:+--only "$PANTRY_POWERCUT_ONLY"}
