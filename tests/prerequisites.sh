#!/bin/sh
# Programs that some tests lean on. Missing ones are installed where that can be done without asking (root, apt-get, a
# network); otherwise the tests that need them say SKIPPED, and this says so first. Never fails.
missing=
for pair in strace:strace python3:python3 node:nodejs npm:npm unshare:util-linux bsdtar:libarchive-tools faketime:faketime pasmo:pasmo ca65:cc65 openssl:openssl mkfs.exfat:exfatprogs mount.exfat-fuse:exfat-fuse; do
  command -v "${pair%%:*}" >/dev/null 2>&1 || missing="$missing ${pair##*:}"
done
# From PyPI, where that works: a Spectrum with its ROM, for one test.
command -v python3 >/dev/null 2>&1 && ! python3 -c 'import skoolkit' 2>/dev/null &&
  timeout -k 10 60 python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore skoolkit >/dev/null 2>&1
[ -z "$missing" ] && { echo "prerequisites: strace, python3, node, npm, unshare, bsdtar (libarchive), faketime, pasmo, cc65, openssl and exFAT by FUSE are here"; exit 0; }
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "prerequisites: installing$missing"
  DEBIAN_FRONTEND=noninteractive
  export DEBIAN_FRONTEND
  { timeout -k 10 120 apt-get update -qq; timeout -k 10 300 apt-get install -y -qq --no-install-recommends $missing; } >/dev/null 2>&1 </dev/null
fi
for pair in strace:strace python3:python3 node:nodejs npm:npm unshare:util-linux bsdtar:libarchive-tools faketime:faketime pasmo:pasmo ca65:cc65 openssl:openssl mkfs.exfat:exfatprogs mount.exfat-fuse:exfat-fuse; do
  command -v "${pair%%:*}" >/dev/null 2>&1 || echo "prerequisites: NO ${pair%%:*}: the tests that need it are SKIPPED"
done
exit 0
