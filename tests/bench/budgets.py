"""What is promised: the specification's figures as it prints them ("Benchmarks" in its README) and DESIGN's budgets (section 9).

A row of the report: which figure of which case, what the specification says of pantry and of bun, and the bound, if there is one:
  ('bun', 0.8)      at most 0.8 times that entrant's figure in the same rounds
  (14, 'MiB')       at most that, absolutely
"""
from dataclasses import dataclass


@dataclass
class Row:
    number: str                 # of the specification's benchmark, or D for DESIGN's own
    work: str
    case: str
    figure: str                 # a key of cases.summary
    said: str = ''              # the specification's figure for pantry
    said_bun: str = ''
    bound: tuple = ()
    entrant: str = 'pantry'
    peers: tuple = ('bun', 'pnpm', 'npm')
    floor: str = 'floor'


STORE = ('bun-store', 'pnpm-store', '')
ISOLATED = ('bun-isolated', 'pnpm', '')     # pnpm's default layout is an isolated one
ROWS = [
    Row('1', 'fresh', 'fresh', 'wall_ms', '2.1 s', '3.8 s', ('bun', 0.8)),
    Row('1', 'fresh, peak memory', 'fresh', 'rss_mib', '8.2 MB', '95 MB', (14, 'MiB')),
    Row('1', 'fresh, written to disk', 'fresh', 'disk_mb_s', '52 MB/s', '48 MB/s'),
    Row('2', 'cached, no lockfile', 'cached', 'wall_ms', '0.31 s', '0.95 s', ('bun', 0.6)),
    Row('2', 'cached, no lockfile, linker store', 'cached', 'wall_ms', '', '', ('bun-store', 0.6), 'pantry-store', STORE, 'floor-store'),
    Row('2', 'cached, peak memory', 'cached', 'rss_mib', '3.1 MB', '42 MB'),
    Row('3', 'frozen lockfile, hoisted', 'frozen', 'wall_ms', '0.42 s', '1.2 s', ('bun', 0.8)),
    Row('3', 'frozen lockfile, isolated', 'frozen', 'wall_ms', '', '', (), 'pantry-isolated', ISOLATED),
    Row('3', 'frozen lockfile, linker store', 'frozen', 'wall_ms', '', '', ('bun-store', 0.25), 'pantry-store', STORE, 'floor-store'),
    Row('3', 'frozen, peak memory', 'frozen', 'rss_mib', '4.8 MB', '58 MB', (5, 'MiB')),
    Row('3', 'frozen, CPU', 'frozen', 'cpu_percent', '180%', '220%'),
    Row('4', 'add lodash', 'add', 'wall_ms', '0.18 s', '0.52 s', ('bun', 0.4)),
    Row('4', 'add lodash, linker store', 'add', 'wall_ms', '', '', ('bun-store', 0.4), 'pantry-store', STORE),
    Row('4', 'add lodash, peak memory', 'add', 'rss_mib'),
    Row('4', 'add lodash, requests', 'add', 'requests'),
    Row('5', 'remove lodash', 'remove', 'wall_ms', '0.09 s', '0.31 s', ('bun', 0.4)),
    Row('5', 'remove lodash, linker store', 'remove', 'wall_ms', '', '', ('bun-store', 0.4), 'pantry-store', STORE),
    Row('5', 'remove lodash, peak memory', 'remove', 'rss_mib'),
    Row('6', 'update all', 'update', 'wall_ms', '1.8 s', '4.2 s', ('bun', 0.5)),
    Row('6', 'update all, requests', 'update', 'requests', '152', '189'),
    Row('6', 'update all, peak memory', 'update', 'rss_mib'),
    Row('7', 'workspace of 20, fresh', 'workspace-fresh', 'wall_ms', '4.2 s', '9.8 s'),
    Row('7', 'workspace fresh, peak memory', 'workspace-fresh', 'rss_mib', '15 MB', '180 MB', (20, 'MiB')),
    Row('7', 'workspace fresh, CPU (the specification: jobs)', 'workspace-fresh', 'cpu_percent', '8', '8'),
    Row('7', 'workspace frozen, hoisted', 'workspace-frozen', 'wall_ms', '', '', ('bun', 0.85)),
    Row('7', 'workspace frozen, linker store', 'workspace-frozen', 'wall_ms', '', '', ('bun-store', 0.3), 'pantry-store', STORE, 'floor-store'),
    Row('7', 'workspace, nothing to do', 'workspace-noop', 'wall_ms', '', '', ('bun', 0.15)),
    Row('8', 'start (--version)', 'start', 'wall_ms', '3.2 ms', '12 ms', ('bun', 0.7)),
    Row('8', 'start, fully static', 'start', 'wall_ms', '', '', ('bun', 0.7), 'pantry-static'),
    Row('9', 'package lookup, mean of 1,000', 'lookup', 'mean_us', '42 us', '180 us', (42, 'us'), peers=()),
    Row('9', 'of 100,000: reads to open and look up', 'lookup', 'cold_reads', '', '', (6, 'reads'), peers=()),
    Row('9', 'of 100,000: bytes to open and look up', 'lookup', 'cold_kib', '', '', (64, 'KiB'), peers=()),
    Row('9', 'of 100,000: reads of one more', 'lookup', 'warm_reads', '', '', (1, 'reads'), peers=()),
    Row('10', 'binary', 'size', 'size_mb', '3.2 MB', '78 MB', (3.2, 'MB')),
    Row('10', 'binary, fully static', 'size', 'size_mb', '', '', (4.2, 'MB'), 'pantry-static', ()),
    Row('D', 'offline from the mirror, empty store', 'offline', 'wall_ms', '', '', ('bun', 0.85), peers=('bun', 'pnpm', '')),
    Row('D', 'the same, beside the floor', 'offline', 'wall_ms', '', '', ('floor', 1.4), peers=()),
    Row('D', 'offline, peak memory', 'offline', 'rss_mib', '', '', (8, 'MiB'), peers=('bun', 'pnpm', '')),
    Row('D', 'nothing to do', 'noop', 'wall_ms', '', '', ('bun', 0.2)),
    Row('D', 'nothing to do, peak memory', 'noop', 'rss_mib', '', '', (5, 'MiB')),
]
