#!/bin/sh
# `make fuzz`: every target of tests/fuzz for FUZZ_SECONDS (600), or those that FUZZ_TARGETS names; a table at the end.
# What a run finds to try again is kept in tests/fuzz/target/corpus (not in the repository), crashes in tests/fuzz/target/crashes.
cd "$(dirname "$0")" || exit 1
seconds=${FUZZ_SECONDS:-600}
known=$(ls corpus)
targets=${FUZZ_TARGETS:-$known}
for t in $targets; do
  echo "$known" | grep -qx "$t" || { echo "make fuzz: no target is called $t; there are:" $known >&2; exit 2; }
done
command -v c++ >/dev/null 2>&1 || { echo "make fuzz: libFuzzer is compiled here, and there is no C++ compiler (Debian: g++)" >&2; exit 1; }
if ! cargo fuzz --version >/dev/null 2>&1; then
  echo "make fuzz: installing cargo-fuzz"
  cargo install cargo-fuzz --locked || { echo "make fuzz: cargo-fuzz is not here and cannot be installed" >&2; exit 1; }
fi
# The stable compiler will do: nothing of ours is unsafe, so there is nothing for a sanitizer to see.
cargo fuzz build --fuzz-dir . --sanitizer none || exit 1
program=target/$(rustc -vV | sed -n 's/^host: //p')/release/targets
table=$(printf '%-14s %8s %12s %7s %7s %8s' target seconds executions edges inputs crashes)
failed=0
for t in $targets; do
  work=target/corpus/$t found=target/crashes/$t log=target/$t.log
  mkdir -p "$work" "$found"
  cp -n corpus/"$t"/* "$work"/
  echo "$t: $seconds seconds"
  FUZZ_TARGET=$t "$program" -max_total_time="$seconds" -timeout=5 -rss_limit_mb=512 -max_len=16384 \
    -artifact_prefix="$found/" -print_final_stats=1 "$work" >"$log" 2>&1
  status=$?
  crashes=$(ls "$found" | wc -l)
  [ "$status" = 0 ] && [ "$crashes" = 0 ] || { failed=1; tail -40 "$log" | cut -c1-400; }
  row=$(awk -v target="$t" -v seconds="$seconds" -v crashes="$crashes" '
    /stat::number_of_executed_units/ { runs = $2 }
    { for (i = 1; i < NF; i++) { if ($i == "cov:") edges = $(i + 1); if ($i == "corp:") inputs = $(i + 1) + 0 } }
    END { printf "%-14s %8d %12d %7d %7d %8d", target, seconds, runs, edges, inputs, crashes }' "$log")
  table="$table
$row"
done
echo "$table"
[ "$failed" = 0 ] || echo "make fuzz: a target failed; its input is in tests/fuzz/target/crashes, and goes to tests/fuzz/crashes/TARGET once it is mended" >&2
exit "$failed"
