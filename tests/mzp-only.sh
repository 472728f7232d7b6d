#!/bin/sh
# mzp-only.sh FULL SMALL: the build for MinZ alone (SMALL) lives from a mirror that the full one (FULL) made: it lists and verifies
# it, installs, builds, runs and tests a game, and says of the rest that it has it not.
set -eu
house=$(cd "$(dirname "$0")/.." && pwd)
full=$(realpath "$1") small=$(realpath "$2")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT INT TERM
mkdir "$dir/bin" "$dir/home"
ln -s "$small" "$dir/bin/mzp"
PATH=$dir/bin:$PATH HOME=$dir/home PANTRY_HOME=$dir/home/.pantry MZ=$house/tests/support/fake-mz
export PATH HOME PANTRY_HOME MZ
unset PANTRY_MIRROR PANTRY_OFFLINE 2>/dev/null || :
fail() { printf 'mzp-only: %s\n' "$*" >&2; exit 1; }
# says TEXT COMMAND…: it succeeds and says so
says() { text=$1; shift; "$@" >"$dir/out" 2>&1 || { cat "$dir/out"; fail "$*"; }; grep -qF -- "$text" "$dir/out" || { cat "$dir/out"; fail "$*: no \`$text\`"; }; }
# refuses STATUS TEXT COMMAND…
refuses() {
  wanted=$1 text=$2; shift 2; status=0; "$@" >"$dir/out" 2>&1 || status=$?
  [ "$status" = "$wanted" ] && grep -qF -- "$text" "$dir/out" || { cat "$dir/out"; fail "$* (status $status): $text"; }
}

"$full" mirror init "$dir/mirror" >/dev/null 2>&1
"$full" mirror add --mirror "$dir/mirror" "$house"/z80-fixtures/packages/* >/dev/null 2>&1
says 'minz:zx-core' "$small" mirror list "$dir/mirror"
says 'packages' "$small" mirror status "$dir/mirror"
says 'Verified' "$small" mirror verify "$dir/mirror"
cp -R "$house/z80-fixtures/games/hello" "$dir/game"
cd "$dir/game"
rm -rf packages build mzp.lock
says 'Installed' mzp install --mirror "$dir/mirror"
[ -f packages/zx-core/.mzp ] || fail "zx-core is not installed"
says '' mzp install --frozen-lockfile
says '' mzp build --emit bundle
says '' mzp build
if command -v pasmo >/dev/null 2>&1; then
  says '' mzp build --emit tap
  mzp run >"$dir/said" 2>/dev/null || fail "mzp run"
  [ -s "$dir/said" ] || fail "the game says nothing"
  mkdir -p tests
  printf '// expect: four\nfun main() -> void { @print("four"); }\n' >tests/four.minz
  says '1 passed, 0 failed' mzp test
fi
says '+ math-fixed' mzp add math-fixed --mirror "$dir/mirror"
says 'Published' mzp publish --to "$dir/www"
mkdir "$dir/new"
(cd "$dir/new" && says '' mzp init && says '' mzp build --emit bundle)

refuses 1 'not in this version' mzp publish --mirror "$dir/mirror"
refuses 1 'not in this version' "$small" mirror init "$dir/other"
refuses 1 'not in this version' "$small" mirror add --mirror "$dir/mirror" "$house"/z80-fixtures/packages/utils-0.4.0
printf 'mzp-only: %s bytes install, build, run and test from a mirror\n' "$(wc -c <"$small")"
