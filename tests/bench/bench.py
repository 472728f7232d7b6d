"""The benchmarks' main programme; run.sh calls it with the environment set. `--json`: one document on stdout instead of text."""
import datetime
import json
import os
import platform
import re
import subprocess
import sys

import report
from cases import CASES, Session, summary
from entrants import entrants
from lab import REPOSITORY, Failed, Lab, Registry, note, remove

PROGRAMS = ('lookup', 'size')


def main():
    unknown = [word for word in sys.argv[1:] if word != '--json']
    wanted = (os.environ.get('CASES') or ','.join([*CASES, *PROGRAMS])).split(',')
    unknown += [name for name in wanted if name not in CASES and name not in PROGRAMS]
    if unknown:
        sys.exit(f'bench: {unknown[0]}: no such option or case; cases: {", ".join([*CASES, *PROGRAMS])}')
    lab, runs = Lab(), int(os.environ.get('RUNS') or 10)
    peers = (os.environ.get('PEERS') or 'bun,pnpm,npm').split(',')
    remove(lab.work)
    os.makedirs(lab.work)
    load_before, results = os.getloadavg()[0], {}
    registry = Registry(lab)
    try:
        session = Session(lab, registry, entrants(lab.binaries, lab.pantry, lab.static, peers), runs)
        for name in wanted:
            note(f'{name} (load {os.getloadavg()[0]:.1f})')
            results[name] = measure(name, lab, session)
    finally:
        registry.stop()
    document = {
        'date': datetime.datetime.now(datetime.timezone.utc).strftime('%Y-%m-%d %H:%M UTC'),
        'machine': machine(lab, load_before), 'versions': versions(lab, peers), 'runs': runs, 'latency_ms': lab.latency,
        'rows': report.rows(results), 'results': results,
    }
    text = report.text(document)
    os.makedirs(f'{lab.root}/reports', exist_ok=True)
    for name, content in (('report.md', text), ('reports/latest.json', json.dumps(document, indent=1) + '\n')):
        with open(f'{lab.root}/{name}', 'w') as file:
            file.write(content)
    print(json.dumps(document, indent=1) if '--json' in sys.argv else text)
    note(f'written to {lab.root}/report.md')
    remove(lab.work)


def measure(name, lab, session):
    if name == 'size':
        return sizes(lab)
    if name == 'lookup':
        return lookup()
    found = session.run(CASES[name])
    return {who: {**one, **summary(one['runs'])} if one['runs'] else one for who, one in found.items()}


def sizes(lab):
    """The programs as they lie on disk, stripped as they are shipped; for npm its directory and node."""
    out = {}
    for name, files in {
        'pantry': [lab.pantry], 'pantry-static': [lab.static],
        'bun': [f'{lab.binaries}/bun'], 'pnpm': [f'{lab.binaries}/pnpm'],
    }.items():
        there = [os.path.getsize(os.path.realpath(file)) for file in files if os.path.exists(file)]
        out[name] = {'status': 'ok', 'size_mb': sum(there) / 1e6} if there else {'status': 'not there', 'why': '`make dist` makes the static one'}
    npm = os.path.realpath(f'{lab.binaries}/npm')
    if os.path.exists(npm):
        whole = sum(os.path.getsize(f'{parent}/{name}') for parent, _, files in os.walk(os.path.dirname(os.path.dirname(npm))) for name in files)
        node = subprocess.run(['node', '-p', 'process.execPath'], capture_output=True, text=True).stdout.strip()
        out['npm'] = {'status': 'ok', 'size_mb': (whole + os.path.getsize(node)) / 1e6}
    return out


def lookup():
    """What `lookup.rs` prints: a program of its own, because a command's start would hide a lookup. The median of three."""
    command = [os.environ.get('CARGO') or 'cargo', 'bench', '--quiet', '--bench', 'lookup']
    told = []
    for _ in range(3):
        ran = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY)
        told.append({key: float(value) for key, value in re.findall(r'^([a-z-]+): ([0-9.]+) ', ran.stdout, re.M)})
        if ran.returncode != 0 or 'lookup' not in told[-1]:
            why = next((line for line in ran.stderr.splitlines() if 'error' in line), f'exit {ran.returncode}')
            return {'pantry': {'status': 'failed', 'why': why[:200]}}
    names = {'lookup': 'mean_us', 'cold': 'cold_us', 'cold-reads': 'cold_reads', 'cold-bytes': 'cold_kib', 'warm-reads': 'warm_reads'}
    middle = {names[key]: sorted(one[key] for one in told)[1] for key in told[0] if key in names}
    return {'pantry': {'status': 'ok', **middle}}


def machine(lab, load_before):
    with open('/proc/cpuinfo') as file:
        cpu = next((line.split(':')[1].strip() for line in file if line.startswith('model name')), platform.machine())
    memory = os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30
    filesystem = subprocess.run(['stat', '-f', '-c', '%T', lab.work], capture_output=True, text=True).stdout.strip()
    return {'cpu': cpu, 'cores': os.cpu_count(), 'memory_gib': round(memory), 'system': f'{platform.system()} {platform.release()}',
            'filesystem': filesystem, 'load_before': round(load_before, 1), 'load_after': round(os.getloadavg()[0], 1)}


def versions(lab, peers):
    found = {}
    for name, program in [('pantry', lab.pantry), *((peer, f'{lab.binaries}/{peer}') for peer in peers)]:
        try:
            told = subprocess.run([program, '--version'], capture_output=True, text=True, cwd=lab.work)
            found[name] = (told.stdout.split() or ['?'])[-1]
        except OSError:
            found[name] = '(not there)'
    return found


if __name__ == '__main__':
    try:
        main()
    except (Failed, KeyboardInterrupt) as error:
        sys.exit(f'bench: {error or "stopped"}')
