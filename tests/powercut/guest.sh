#!/bin/sh
# The first process of the emulated machine: what it needs of the kernel, then guest.py. The root is the host's, read-only;
# `base` and `job` come from the kernel's command line: a folder to cover with memory, and what to do.
PATH=/usr/sbin:/usr/bin:/sbin:/bin
export PATH
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs -o size=160m memory "$base"
read -r _ _ release _ </proc/version
for module in fs/fat/fat fs/fat/vfat fs/nls/nls_cp437 fs/nls/nls_iso8859-1 fs/nls/nls_utf8 fs/nls/nls_ascii; do
  file=/usr/lib/uml/modules/$release/kernel/$module.ko
  [ ! -e "$file" ] || insmod "$file" 2>/dev/null
done
exec python3 -BES "${0%/*}/guest.py" "$job"
