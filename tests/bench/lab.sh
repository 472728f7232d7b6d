#!/bin/sh
# Builds what is missing in LAB: the peers, the two projects, the corpus, the small programs. Nothing is built twice.
#
# The packages are real ones: ordinary `npm install` runs with caches of their own fetch them once from whatever registry
# `npm config get registry` names, and corpus.mjs turns those caches into the files that registry.rs serves on loopback.
# Needs node with npm, rustc, cc, python3; libdeflate and OpenSSL headers (libdeflate-dev, libssl-dev) for the floors.
set -e
BENCH=$(cd "$(dirname "$0")" && pwd)
CORPUS=$LAB/corpus
QUIET="--ignore-scripts --no-audit --no-fund --loglevel=error"
for tool in node npm rustc cc python3; do
  command -v $tool >/dev/null || { echo "bench: needs $tool" >&2; exit 4; }
done
mkdir -p "$LAB/bin" "$LAB/reports" "$CORPUS"
[ -f "$LAB/package.json" ] || echo '{}' >"$LAB/package.json"

# Peers. Their own install steps (run by name, nothing else's) put the native program in place of a launcher script.
missing=
for peer in bun@1.4.5 pnpm@12 npm@11; do [ -d "$LAB/node_modules/${peer%@*}" ] || missing="$missing $peer"; done
if [ -n "$missing" ]; then
  echo "bench: installing$missing into $LAB"
  (cd "$LAB" && npm install $QUIET $missing)
  for peer in bun pnpm; do (cd "$LAB/node_modules/$peer" && node install.js) || true; done
fi

# Projects: written again each time, so that what is measured is what this directory says.
node "$BENCH/projects.mjs" "$LAB/projects"

# Programs: rebuilt when their source is newer.
newer() { [ ! -e "$2" ] || [ "$1" -nt "$2" ]; }
if newer "$BENCH/registry.rs" "$LAB/bin/registry"; then rustc --edition 2024 -O -o "$LAB/bin/registry" "$BENCH/registry.rs"; fi
if newer "$BENCH/launch.c" "$LAB/bin/launch"; then cc -O2 -o "$LAB/bin/launch" "$BENCH/launch.c"; fi
if newer "$BENCH/floor.c" "$LAB/bin/floor"; then
  cc -O3 -march=native -o "$LAB/bin/floor" "$BENCH/floor.c" -ldeflate -lcrypto -lpthread 2>"$LAB/bin/floor.log" ||
    { rm -f "$LAB/bin/floor"; echo "bench: no floors (libdeflate-dev and libssl-dev are not there; see $LAB/bin/floor.log)"; }
fi
if [ ! -x "$LAB/bin/empty" ]; then
  echo 'fn main() {}' >"$LAB/bin/empty.rs"
  rustc -O -C panic=abort -C lto -C strip=symbols -C target-feature=+crt-static -o "$LAB/bin/empty" "$LAB/bin/empty.rs"
fi

# Corpus. stat.json is written last: it marks a corpus as whole.
documents() {
  node "$BENCH/corpus.mjs" "$CORPUS" "http://127.0.0.1:$PORT" "$(npm config get registry)"
  echo "$PORT" >"$CORPUS/port"
}
if [ -f "$CORPUS/stat.json" ]; then
  [ "$(cat "$CORPUS/port" 2>/dev/null || echo 49173)" = "$PORT" ] && exit 0
  echo "bench: the corpus was made for another port; its documents are made again"
  documents
  exit 0
fi
echo "bench: fetching the corpus once, a few minutes"
fetch() { # DIRECTORY OPTIONS...: a normal install, then a resolution with a date, which asks for the full documents
  directory=$CORPUS/warm/$1; shift
  [ -f "$directory/done" ] && return
  (cd "$directory" && rm -rf node_modules package-lock.json && npm install $QUIET "$@" --cache "$CORPUS/npm-corgi" &&
    cp package-lock.json kept.json && rm package-lock.json && rm -rf node_modules &&
    npm install $QUIET "$@" --package-lock-only --before=2031-01-01 --cache "$CORPUS/npm-full" && mv kept.json package-lock.json)
  touch "$directory/done"
}
for project in app mono; do
  [ -d "$CORPUS/warm/$project" ] || { mkdir -p "$CORPUS/warm"; cp -R "$LAB/projects/$project" "$CORPUS/warm/$project"; }
  fetch $project
done
# What is asked for besides: lodash by add and remove, and versions that other resolvers choose for "*" in the workspace.
mkdir -p "$CORPUS/warm/add" "$CORPUS/warm/other"
echo '{"name":"add","version":"1.0.0","dependencies":{"lodash":"^4.17.0","node-gyp":"latest","fsevents":"2.3.3"}}' >"$CORPUS/warm/add/package.json"
echo '{"name":"other","version":"1.0.0","dependencies":{"pino":"10","@types/node":"26"}}' >"$CORPUS/warm/other/package.json"
fetch add --force
fetch other --force
documents
