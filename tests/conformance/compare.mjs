// `make conformance`: the manifests of this folder, resolved by npm and by pantry against the same frozen registry, their
// trees compared folder by folder (name@version at each path): the tree in which versions are chosen, and the one that is
// laid out from the lock. `reviewed.tsv` explains what may differ. As in npm, versions whose
// `engines` exclude the node that runs this come last.
//
//   node tests/conformance/compare.mjs [NAME…]       only some of manifests/, or one of the settings in settings.tsv
//
// PANTRY_CONFORMANCE: where the frozen registry lies, instead of ~/.cache/pantry-conformance. What is not there yet is
// fetched once; with PANTRY_CONFORMANCE_FROZEN=1 it is not. Needs npm on the PATH.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { dirname, join, resolve as resolvePath } from 'node:path'
import { fileURLToPath } from 'node:url'
import { start } from './registry.mjs'
const here = dirname(fileURLToPath(import.meta.url))
const folder = process.env.PANTRY_CONFORMANCE || join(homedir(), '.cache/pantry-conformance')
const wanted = process.argv.slice(2)
const lines = file => readFileSync(join(here, file), 'utf8').split('\n').filter(l => l && !l.startsWith('#')).map(l => l.split('\t'))
/** A manifest, or one with settings of npm's (`settings.tsv`). */
const cases = new Map(readdirSync(join(here, 'manifests')).map(f => [f.replace('.json', ''), { manifest: f, npmrc: '' }]))
for (const [manifest, setting] of lines('settings.tsv')) cases.set(`${manifest} with ${setting}`, { manifest: `${manifest}.json`, npmrc: `${setting}=true\n` })
const names = [...cases.keys()].filter(n => !wanted.length || wanted.includes(n) || wanted.includes(n.split(' ').pop()))
const reviewed = new Map()
for (const [name, most, why] of lines('reviewed.tsv')) reviewed.set(name, { most: +most, why })
if (!process.env.CONFORMANCE && spawnSync('cargo', ['build', '-q', '--example', 'conformance'], { stdio: 'inherit' }).status) process.exit(1)
const pantry = process.env.CONFORMANCE || 'target/debug/examples/conformance'
mkdirSync(folder, { recursive: true })
const registry = await start(folder, process.env.PANTRY_CONFORMANCE_FROZEN === '1')
const work = mkdtempSync(join(tmpdir(), 'conformance-'))
const run = (program, args, options) => new Promise(resolve => {
  const child = spawn(program, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
  let out = ''; let err = ''
  child.stdout.on('data', d => { out += d }); child.stderr.on('data', d => { err += d })
  child.on('close', status => resolve({ status, out, err }))
})
/** The tree of a package-lock.json; what lies in a package's own archive is not our business. */
function tree (lock) {
  const found = new Map()
  for (const [path, e] of Object.entries(JSON.parse(readFileSync(lock)).packages)) {
    if (path.includes('node_modules/') && !e.inBundle) {
      found.set(path, e.link ? `-> ${e.resolved}` : `${e.name || path.split('node_modules/').pop()}@${e.version}`)
    }
  }
  return found
}
async function compare (name) {
  const dir = join(work, name)
  mkdirSync(dir)
  const { manifest, npmrc } = cases.get(name)
  writeFileSync(join(dir, 'package.json'), readFileSync(join(here, 'manifests', manifest)))
  writeFileSync(join(dir, '.npmrc'), npmrc)
  const npm = await run('npm', ['install', '--package-lock-only', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error',
    '--registry', registry.url, '--cache', join(work, 'cache')], { cwd: dir })
  const lock = join(dir, 'package-lock.json')
  const theirs = npm.status ? null : tree(lock)
  rmSync(lock, { force: true })
  const env = { ...process.env, npm_config_registry: registry.url, PANTRY_HOME: join(work, 'home', name) }
  const ours = []
  for (const how of ['tree', 'hoisted']) ours.push(await run(resolvePath(pantry), ['project', process.version.slice(1), how], { cwd: dir, env }))
  rmSync(dir, { recursive: true })
  const failure = ours.find(o => o.status)
  if (!theirs || failure) {
    const why = [theirs ? '' : `npm fails: ${npm.err.trim().slice(0, 1500)}`, failure ? `pantry fails: ${failure.err.trim().slice(0, 1500)}` : '']
    return { name, packages: theirs?.size ?? 0, lines: why.filter(Boolean), fails: !!failure && !!theirs, both: !!failure && !theirs }
  }
  const [chosen, laid] = ours.map(o => {
    const mine = new Map(o.out.trim().split('\n').filter(Boolean).map(l => l.split('\t')))
    const lines = []
    for (const [path, what] of theirs) if (mine.get(path) !== what) lines.push(`${path}: npm ${what}, pantry ${mine.get(path) ?? '-'}`)
    for (const [path, what] of mine) if (!theirs.has(path)) lines.push(`${path}: npm -, pantry ${what}`)
    return lines
  })
  return { name, packages: theirs.size, lines: chosen.length ? chosen : laid, chosen: chosen.length }
}
const results = []
const queue = [...names]
let bad = 0
await Promise.all([0, 1].map(async () => {
  for (let name; (name = queue.shift());) {
    const r = await compare(name)
    results.push(r)
    const may = reviewed.get(name)
    const word = r.both ? 'both fail' : r.fails ? 'PANTRY FAILS' : !r.lines.length ? 'identical' : r.chosen ? `${r.chosen} DIFFERENT` : `resolved identically, ${r.lines.length} laid out differently`
    const explained = r.both || (!r.fails && may && r.lines.length <= may.most)
    if (r.lines.length && !explained) bad++
    console.log(`${name}: ${r.packages} folders, ${word}${r.lines.length && explained ? ` (reviewed: ${may?.why ?? 'npm fails too'})` : ''}`)
    for (const line of r.lines.slice(0, process.env.VERBOSE ? 1e9 : 12)) console.log(`    ${line}`)
  }
}))
registry.close()
rmSync(work, { recursive: true, force: true })
const count = f => results.filter(f).length
const whole = results.length - count(r => r.both)
const percent = n => `${n} (${(100 * n / whole).toFixed(1)} %)`
const resolved = count(r => !r.both && !r.fails && !r.chosen)
const identical = count(r => !r.lines.length)
console.log(`${whole} manifests with ${results.reduce((n, r) => n + r.packages, 0)} folders: ${percent(resolved)} resolved as npm does, ${percent(identical)} laid out as npm does too, ` +
  `${count(r => r.fails)} that only pantry cannot resolve; ${bad} differences not explained; besides ${results.length - whole} that npm cannot resolve either`)
if (registry.vain.size) console.log(`not in the frozen registry: ${[...registry.vain].join(' ')}`)
// A list in which most is explained away shows nothing.
process.exit(bad || resolved < 0.95 * whole || identical < 0.95 * whole ? 1 : 0)
