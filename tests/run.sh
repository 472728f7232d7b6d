#!/bin/sh
# `make test` and `make test-full`: all tests of the workspace, then what was left out, then one line that counts.
log=$(mktemp) || exit 1
trap 'rm -f "$log" "$log.status"' EXIT
# A pipe would lose cargo's status.
{ cargo test --workspace --no-fail-fast 2>&1; echo $? >"$log.status"; } | tee "$log"
status=$(cat "$log.status")
echo
if grep -qE '(SKIPPED:|KNOWN BUG:|NOT SHOWN: )' "$log"; then
  echo "not shown by this run:"
  grep -E '(SKIPPED:|KNOWN BUG: |NOT SHOWN: )' "$log" | grep -v '^    ' | sed 's/^/  /'
fi
[ -n "$PANTRY_TEST_FULL" ] || echo "left out of this tier: make test-full (real registry whole, every kill point), make soak, make fuzz, make powercut"
awk -v status="$status" '
  /^test result: / { for (i = 1; i <= NF; i++) { if ($(i+1) ~ /^passed/) p += $i; if ($(i+1) ~ /^failed/) f += $i; if ($(i+1) ~ /^ignored/) s += $i } }
  END { printf "\ntotal: %d passed; %d failed; %d skipped%s\n", p, f, s, status == 0 ? "" : " (cargo test ended with status " status ")" }' "$log"
exit "$status"
