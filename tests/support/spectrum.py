#!/usr/bin/env python3
"""Loads a .tap or starts a .sna on a 48K Spectrum with its real ROM (skoolkit, from PyPI, simulates it) and prints the screen.

    spectrum.py FILE ORIGIN
"""
import contextlib, io, os, sys, tempfile

import skoolkit
from skoolkit import tap2sna, trace
from skoolkit.snapshot import Snapshot

file, origin = sys.argv[1:]
with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
    start, end = os.path.join(folder, "start.z80"), os.path.join(folder, "end.z80")
    if file.endswith(".tap"):
        tap2sna.main(["--start", origin, file, start])
    else:
        start = file
    trace.main(["--max-operations", "150000", start, end])
    memory = [0] * 0x4000 + list(Snapshot.get(end).ram(-1))
with open(os.path.join(os.path.dirname(skoolkit.__file__), "resources", "48.rom"), "rb") as f:
    rom = f.read()
font = {rom[0x3D00 + 8 * i : 0x3D08 + 8 * i]: chr(32 + i) for i in range(96)}
for row in range(24):
    cells = [0x4000 + ((row & 0x18) << 8) + ((row & 7) << 5) + column for column in range(32)]
    line = "".join(font.get(bytes(memory[cell + 256 * k] for k in range(8)), "?") for cell in cells).rstrip()
    if line:
        print(line)
