"""The report: one table of promises, one of everything measured, as aligned markdown; and the same as data for --json."""
import re

from budgets import ROWS

UNITS = {'wall_ms': 'ms', 'rss_mib': 'MiB', 'disk_mb_s': 'MB/s', 'cpu_percent': '%', 'requests': '', 'mean_us': 'us', 'size_mb': 'MB',
         'cold_reads': 'reads', 'warm_reads': 'reads', 'cold_kib': 'KiB'}


def figure(number, key):
    if number is None:
        return ''
    unit = UNITS[key]
    digits = 0 if unit in ('', '%', 'MB/s', 'reads') or number >= 100 else 2 if number < 10 else 1
    return f'{number:.{digits}f} {unit}'.strip()


def judge(row, case):
    """The row as data: figures, ratio, budget and verdict."""
    ours = case.get(row.entrant, {})
    of = lambda name, key=row.figure: case.get(name, {}).get(key) if case.get(name, {}).get('status') == 'ok' else None
    out = {
        'benchmark': row.number, 'work': row.work, 'case': row.case, 'figure': row.figure, 'entrant': row.entrant,
        'specification': row.said, 'specification_bun': row.said_bun, 'ours': of(row.entrant),
        'ours_min': of(row.entrant, 'wall_min_ms') if row.figure == 'wall_ms' else None,
        'peers': {name: of(name) for name in row.peers if name}, 'floor': of(row.floor) if row.figure == 'wall_ms' else None,
        'ratio': None, 'ratio_to': None, 'cpu_ratio': None, 'budget': '', 'verdict': '',
    }
    against = row.bound[0] if row.bound and isinstance(row.bound[0], str) else row.peers[0] if row.peers else None
    if against and out['ours'] is not None and of(against):
        out['ratio'], out['ratio_to'] = out['ours'] / of(against), against
        if row.figure == 'wall_ms' and of(against, 'cpu_ms'):
            out['cpu_ratio'] = of(row.entrant, 'cpu_ms') / of(against, 'cpu_ms')
    if row.bound and isinstance(row.bound[0], str):
        out['budget'] = f'<= {row.bound[1]} x {against}'
    elif row.bound:
        out['budget'] = f'<= {row.bound[0]} {row.bound[1]}'
    if out['ours'] is None:
        out['verdict'] = ours.get('status', 'not run')
    elif not row.bound:
        out['verdict'] = '-'
    elif isinstance(row.bound[0], str):
        out['verdict'] = 'no yardstick' if out['ratio'] is None else verdict(out['ratio'], least(case, row.entrant, against), row.bound[1])
    else:
        out['verdict'] = 'pass' if out['ours'] <= row.bound[0] else 'MISS'
    return out


def least(case, ours, theirs):
    """The ratio of the least times: what both need when nothing disturbs them."""
    return case[ours]['wall_min_ms'] / case[theirs]['wall_min_ms']


def verdict(medians, minima, limit):
    """On a machine with other work, medians and minima can disagree; then more rounds or a quieter hour must tell."""
    if medians <= limit and minima <= limit:
        return 'pass'
    return 'MISS' if medians > limit and minima > limit else 'unsure'


def rows(results):
    return [judge(row, results[row.case]) for row in ROWS if row.case in results]


def unlike(results):
    """Where pantry did not ask the registry for the same as bun: its time there is not quite the time it would need elsewhere."""
    notes = []
    for case, entrants in results.items():
        ours, bun = entrants.get('pantry', {}), entrants.get('bun', {})
        if not ours.get('requests') or ours['status'] != 'ok':
            continue
        if ours['misses'] > bun.get('misses', 0):
            notes.append(f'- {case}: pantry asked for {ours["misses"]} things that the corpus lacks (a 404 costs less than what a real registry sends; '
                         'listed in reports/misses.txt)')
        if bun.get('received_mb') and abs(ours['received_mb'] / bun['received_mb'] - 1) > 0.2:
            notes.append(f'- {case}: pantry received {ours["received_mb"]:.1f} MB, bun {bun["received_mb"]:.1f}: over a network the same bytes would cost '
                         'time, and where that is compression, inflating them')
    return notes


def align(table):
    widths = [max(len(line[i]) for line in table) for i in range(len(table[0]))]
    lines = ['| ' + ' | '.join(cell.ljust(width) for cell, width in zip(line, widths)) + ' |' for line in table]
    lines.insert(1, '|' + '|'.join('-' * (width + 2) for width in widths) + '|')
    return '\n'.join(lines)


def text(document):
    machine, results = document['machine'], document['results']
    promises = [['#', 'work', 'specification (bun)', 'pantry (min)', 'bun', 'pnpm', 'npm', 'floor', 'ratio', 'CPU ratio', 'budget', '']]
    for row in document['rows']:
        peers = [figure(value, row['figure']) for value in row['peers'].values()]
        said = row['specification'] + (f' ({row["specification_bun"]})' if row['specification_bun'] else '')
        ours = figure(row['ours'], row['figure']) + (f' ({row["ours_min"]:.4g})' if row['ours_min'] is not None else '')
        ratio = f'{row["ratio"]:.2f} x {row["ratio_to"]}' if row['ratio'] is not None else ''
        promises.append([row['benchmark'], row['work'], said, ours, *(peers + [''] * 3)[:3], figure(row['floor'], 'wall_ms'),
                         ratio, f'{row["cpu_ratio"]:.2f}' if row['cpu_ratio'] is not None else '', row['budget'], row['verdict']])
    measured = [['case', 'entrant', 'n', 'wall ms (min)', 'CPU ms (user, sys)', 'peak MiB', 'requests (304, 404)', 'MB received']]
    failures = []
    for case, entrants in results.items():
        for name, found in entrants.items():
            if found['status'] != 'ok':
                failures.append(f'- {case}, {name}: {found["status"]}: {found.get("why", "")}')
            elif 'wall_ms' in found:
                net = f'{found["requests"]} ({found["unmodified"]}, {found["misses"]})' if found['requests'] is not None else ''
                measured.append([case, name, str(found['n']), f'{found["wall_ms"]:.1f} ({found["wall_min_ms"]:.1f})',
                                 f'{found["cpu_ms"]:.1f} ({found["user_ms"]:.1f}, {found["sys_ms"]:.1f})', f'{found["rss_mib"]:.1f}', net,
                                 f'{found["received_mb"]:.1f}' if found['requests'] is not None else ''])
    notes = unlike(results)
    busy = max(machine['load_before'], machine['load_after']) > machine['cores']
    versions = ', '.join(f'{name} {version}' for name, version in document['versions'].items())
    page = '\n'.join([
        '# Benchmarks', '',
        f'{document["date"]}. {machine["cpu"]}, {machine["cores"]} cores, {machine["memory_gib"]} GiB, {machine["system"]}; load '
        f'{machine["load_before"]} before, {machine["load_after"]} after. Trees on {machine["filesystem"]}. {versions}.',
        f'Medians of {document["runs"]} rounds and more (short work more often, npm twice), least in brackets; registry on loopback, '
        f'{document["latency_ms"]} ms latency.', *(['The machine was busy: its seconds mean little, and CPU ratios more than those of time.'] if busy else []), '',
        '## Promises', '', align(promises), '',
        'The specification took its figures on another machine with a smaller project: compare ratios, not seconds. `unsure`: the median',
        'and the least time disagree about the budget. A row of a linker is beside the peers\' corresponding mode (bun isolated, bun with',
        'its global store, pnpm with its global virtual store). Floors: see README.md.', '',
        '## Not the same work' if notes else '', *notes, '' if notes else '',
        '## Not measured' if failures else '', *failures, '' if failures else '',
        '## Everything measured', '', align(measured), ''])
    return re.sub('\n{3,}', '\n\n', page)
