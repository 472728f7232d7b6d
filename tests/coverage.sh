#!/bin/sh
# `make coverage`: which lines of the crates the tests run (the unit tests and, through them, the built binary as a
# child), in total and for each area for which the specification has a goal. Fails below 85 % in total.
# The report to look at is target/coverage/tarpaulin-report.html.
set -u
out=target/coverage
if ! cargo tarpaulin --version >/dev/null 2>&1; then
  echo "coverage: installing cargo-tarpaulin into $out/tools (a few minutes)"
  cargo install --quiet --locked --root "$out/tools" cargo-tarpaulin || exit 1
fi
PATH="$PWD/$out/tools/bin:$PATH"
mkdir -p "$out"
# The commands that tests/faults kills write no profile: half a one cannot be read.
cargo tarpaulin --engine llvm --follow-exec --workspace --no-fail-fast --implicit-test-threads --skip-clean --timeout 600 \
  --target-dir "$out" --objects "$out/debug/pantry" --exclude-files 'tests/*' 'target/*' 'z80-fixtures/*' '*tests.rs' \
  --out Stdout --out Html --output-dir "$out" -- --skip the_top_level_is_as_drawn >"$out/log" 2>&1
status=$?
# Of the build script: nobody's (and the reason for the `--skip`).
rm -f build_rs_cov.profraw
awk '
  function room(f) {
    if (f ~ /^mirror\//) return "core: mirror"
    if (f ~ /^mzp\//) return "MinZ: mzp"
    if (f ~ /^src\/(install\/(cache|store|listing|verify|shared)|commands\/(cache|store))\.rs/) return "cache: store and its commands"
    if (f ~ /^src\/install\//) return "install"
    if (f ~ /^src\/(cli|commands|ui|settings)/) return "CLI: cli, commands, ui, settings"
    return "packages: manifest, lockfile, resolve, source"
  }
  BEGIN {
    goal["core: mirror"] = 95; goal["cache: store and its commands"] = 90; goal["install"] = 85
    goal["packages: manifest, lockfile, resolve, source"] = 85; goal["CLI: cli, commands, ui, settings"] = 80
  }
  /^\|\| [^ ]+: [0-9]+\/[0-9]+/ { split($3, n, "/"); r = room($2); hit[r] += n[1]; all[r] += n[2]; h += n[1]; a += n[2] }
  END {
    if (!a) { print "coverage: no report; see the log" > "/dev/stderr"; exit 1 }
    for (r in all) {
      p = 100 * hit[r] / all[r]
      printf "%-48s %5.1f %% of %5d lines%s\n", r, p, all[r], r in goal ? sprintf("   goal %d%s", goal[r], p < goal[r] ? ", BELOW" : "") : ""
    }
    printf "%-48s %5.1f %% of %5d lines   goal 85\n", "total", 100 * h / a, a
    print "not built yet, so without a figure: environments (90), shell (80), services (95)"
    exit 100 * h / a < 85
  }' "$out/log" || exit 1
[ "$status" = 0 ] || echo "coverage: tests failed or the tool did (status $status); the end of $out/log:" >&2
[ "$status" = 0 ] || tail -n 5 "$out/log" >&2
exit "$status"
