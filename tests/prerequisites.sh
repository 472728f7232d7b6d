#!/bin/sh
# Programs that some tests lean on. Missing ones are installed where that can be done without asking (root, apt-get, a
# network); otherwise the tests that need them say SKIPPED, and this says so first. Never fails.
missing=
for pair in strace:strace python3:python3 node:nodejs npm:npm unshare:util-linux bsdtar:libarchive-tools faketime:faketime; do
  command -v "${pair%%:*}" >/dev/null 2>&1 || missing="$missing ${pair##*:}"
done
[ -z "$missing" ] && { echo "prerequisites: strace, python3, node, npm, unshare, bsdtar (libarchive) and faketime are here"; exit 0; }
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "prerequisites: installing$missing"
  { timeout 120 apt-get update -qq; timeout 420 apt-get install -y -qq --no-install-recommends $missing; } >/dev/null 2>&1
fi
for pair in strace:strace python3:python3 node:nodejs npm:npm unshare:util-linux bsdtar:libarchive-tools faketime:faketime; do
  command -v "${pair%%:*}" >/dev/null 2>&1 || echo "prerequisites: NO ${pair%%:*}: the tests that need it are SKIPPED"
done
exit 0
