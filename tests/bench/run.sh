#!/bin/sh
# The specification's ten benchmarks and DESIGN's budgets, beside bun, pnpm and npm. See README.md.
#
#   make bench                        everything (about a quarter of an hour on two cores)
#   make bench CASES=frozen,noop RUNS=20
#   sh tests/bench/run.sh --json      the same, one JSON document on stdout
#
#   CASES   comma list, see README.md          RUNS    rounds of each case (10)
#   PEERS   comma list (bun,pnpm,npm)          PANTRY a built binary; without it `make build`
#   LAB     corpus, peers, programs, reports   WORK    where trees are made and thrown away (/dev/shm/...)
#   PORT    of the loopback registry (49173)   LATENCY milliseconds before each of its answers (0)
set -e
BENCH=$(cd "$(dirname "$0")" && pwd)
REPO=$(cd "$BENCH/../.." && pwd)
LAB=${LAB:-$HOME/.cache/pantry-bench}
PORT=${PORT:-49173}
if [ -d /dev/shm ] && [ -w /dev/shm ]; then SCRATCH=/dev/shm; else SCRATCH=${TMPDIR:-/tmp}; fi
WORK=${WORK:-$SCRATCH/pantry-bench.$(id -u)}
case "$LAB/ $WORK/" in *"$REPO"/*) echo "bench: LAB and WORK must lie outside the project ($REPO)" >&2; exit 2 ;; esac
export LAB PORT WORK PYTHONDONTWRITEBYTECODE=1

sh "$BENCH/lab.sh" >&2
if [ -z "$PANTRY" ]; then
  (cd "$REPO" && make --no-print-directory build) >&2
  PANTRY=$REPO/target/release/pantry
fi
export PANTRY
exec python3 "$BENCH/bench.py" "$@"
