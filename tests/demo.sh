#!/bin/sh
# `make demo`: the first run of a newcomer, each step checked. Builds the release binary; fills a mirror from z80-fixtures
# without any network; installs a project from it with the network cut off; installs and bundles a MinZ game.
# Everything happens in a temporary directory with a PANTRY_HOME of its own; nothing of yours is touched.
set -eu
cd "$(dirname "$0")/.."
house=$PWD
say() { printf '\n== %s\n' "$*"; }
show() { printf '$ %s\n' "$*"; "$@"; }
fail() { printf 'demo: %s\n' "$*" >&2; exit 1; }

say "the release binary"
[ -n "${PANTRY:-}" ] || { make --no-print-directory build; PANTRY=$house/target/release/pantry; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT INT TERM
mkdir "$dir/bin" "$dir/home" "$dir/app"
ln -s "$PANTRY" "$dir/bin/pantry"
ln -s "$PANTRY" "$dir/bin/mzp"
PATH=$dir/bin:$PATH HOME=$dir/home PANTRY_HOME=$dir/home/.pantry
export PATH HOME PANTRY_HOME
show pantry --version

# Everything from here on runs without a network, where the system can cut it off; with --offline in any case.
if unshare -rn true 2>/dev/null; then
  cut="unshare -rn"; how="the network cut off (unshare -rn)"
else
  cut=""; how="--offline (this system cannot cut the network off)"
fi

say "a mirror: a directory that is a registry, made from z80-fixtures with $how"
show $cut pantry mirror init "$dir/mirror"
show $cut pantry mirror add --mirror "$dir/mirror" "$house"/z80-fixtures/packages/*
show pantry mirror list "$dir/mirror"
show $cut pantry mirror verify "$dir/mirror"

say "a project whose packages come from it, with $how"
# The npm side of the demo is made here too: two packages, packed by nothing but tar.
for spec in greet:2.1.0 colours:1.0.3; do
  name=${spec%%:*} version=${spec##*:}
  mkdir -p "$dir/src/$name/package"
  dependencies='{}'; [ "$name" = greet ] && dependencies='{"colours": "^1.0.0"}'
  printf '{"name": "%s", "version": "%s", "main": "index.js", "dependencies": %s}\n' "$name" "$version" "$dependencies" \
    >"$dir/src/$name/package/package.json"
  printf 'module.exports = "%s %s"\n' "$name" "$version" >"$dir/src/$name/package/index.js"
  tar -czf "$dir/src/$name-$version.tgz" -C "$dir/src/$name" package
done
show $cut pantry mirror add --mirror "$dir/mirror" "$dir"/src/*.tgz
cat >"$dir/app/pantry.json" <<'END'
{
  "name": "demo-app",
  "version": "1.0.0",
  "dependencies": { "greet": "npm:greet@^2.0.0" }
}
END
cd "$dir/app"
show $cut pantry install --offline --mirror "$dir/mirror"
[ -f node_modules/greet/index.js ] || fail "greet was not installed"
[ -f pantry.lock ] || fail "no lock was written"
show cat pantry.lock
if command -v node >/dev/null 2>&1; then
  [ "$(node -p 'require("greet")')" = "greet 2.1.0" ] || fail "node cannot load greet"
  echo "node loads it: $(node -p 'require("greet")')"
fi
show $cut pantry install --offline --mirror "$dir/mirror" --frozen-lockfile

say "a MinZ game: its packages, then one unit that any MinZ compiler takes"
game=
for candidate in "$house"/z80-fixtures/games/snake "$house"/z80-fixtures/games/*; do
  if [ -f "$candidate/mzp.toml" ]; then game=$candidate; break; fi
done
[ -n "$game" ] || fail "z80-fixtures holds no game"
cp -R "$game" "$dir/game"
cd "$dir/game"
rm -rf packages build
show $cut mzp install --offline --mirror "$dir/mirror"
[ -f mzp.lock ] || fail "no mzp.lock was written"
show ls packages
show $cut mzp build --emit bundle -o "$dir/game.minz"
[ -s "$dir/game.minz" ] || fail "no bundle was written"
printf '%s lines, %s bytes in one file; it begins:\n' "$(wc -l <"$dir/game.minz")" "$(wc -c <"$dir/game.minz")"
head -12 "$dir/game.minz"

say "done: a mirror, an npm project and a MinZ game, and no network was used"
