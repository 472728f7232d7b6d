#!/bin/sh
# size.sh FILE BUDGET LABEL: bytes of a file beside what it may have; over budget is an error.
bytes=$(wc -c <"$1") || exit 1
printf '%s: %s bytes (%s), budget %s\n' "$1" "$bytes" "$3" "$2"
[ "$bytes" -le "$2" ] || { echo "over budget by $((bytes - $2)) bytes" >&2; exit 1; }
