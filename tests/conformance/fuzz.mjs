// Random registries and manifests, resolved by npm's own arborist and by src/resolve, and compared
// folder by folder.
//
//   node tests/conformance/fuzz.mjs [CASES] [FIRST-SEED] [lock|overrides|legacy|strict]
//
// With `lock` each case is resolved a second time with another manifest and the first answer as lock; with `overrides`
// the manifests have some; with `legacy` and `strict` peers are dealt with as `legacy-peer-deps` and `strict-peer-deps` say.
import { createRequire } from 'node:module'
import { createServer } from 'node:http'
import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { random as numbers } from './random.mjs'
const root = execFileSync('npm', ['root', '-g'], { encoding: 'utf8' }).trim()
const require = createRequire(`${root}/npm/index.js`)
const Arborist = require('@npmcli/arborist')
const [cases = 100, first = 1, mode = ''] = process.argv.slice(2)
const NODE = '20.1.0'
const VERSIONS = ['1.0.0', '1.1.0', '1.2.0', '2.0.0', '2.1.0', '3.0.0']
const RANGES = ['^1.0.0', '^2.0.0', '*', '>=2', '1 || 2', '<3', 'latest', '^1 || ^3', '^3.0.0', '^1.1.0', '~1.0.0', '1.0.0', '2.0.0', '^4.0.0']
function registry (seed) {
  const { below: random, one, chance } = numbers(seed)
  const names = 'abcdefghij'.slice(0, 3 + random(8)).split('').map(n => chance(10) ? `@s/${n}` : n)
  const style = { peers: one([0, 10, 30, 60]), optional: one([0, 0, 20]), deps: 1 + random(4), missing: one([0, 0, 0, 2]), wide: chance(70), published: one([65, 90, 100, 100]) }
  // An optional package that is not for this node is left out when it is installed, not when it is chosen.
  const limited = style.optional ? 0 : one([0, 0, 20])
  const packuments = new Map()
  const range = () => chance(style.missing) ? '^4.0.0' : one(RANGES.slice(0, style.wide ? 8 : -1))
  const other = name => one(names.filter(n => n !== name || chance(3)))
  const dependencies = (name, field) => {
    const m = {}
    for (let i = random(style.deps + 1); i > 0; i--) {
      const dep = random(400) === 0 ? 'zz' : other(name)
      const alias = chance(4) ? `npm:${other(name)}@${range()}` : range()
      const kind = chance(style.peers) && !alias.startsWith('npm:') ? 'peerDependencies' : chance(style.optional) ? 'optionalDependencies' : field
      ;(m[kind] ||= {})[dep] = alias
      if (kind === 'peerDependencies' && chance(35)) (m.peerDependenciesMeta ||= {})[dep] = { optional: true }
    }
    return m
  }
  for (const name of names) {
    const versions = {}
    for (const v of VERSIONS.filter(() => chance(style.published))) {
      versions[v] = { name, version: v, ...dependencies(name, 'dependencies'), dist: { tarball: `http://127.0.0.1:1/${name}-${v}.tgz`, integrity: `sha512-${Buffer.from(`${name}@${v}`.padEnd(64, '.')).toString('base64')}` } }
      if (chance(5)) versions[v].deprecated = 'old'
      if (limited && chance(limited)) versions[v].engines = { node: one(['>=18', '>=22', '<20', '^18 || ^20', 'odd']) }
    }
    const all = Object.keys(versions)
    if (!all.length) continue
    packuments.set(name, { name, 'dist-tags': { latest: chance(80) ? all.at(-1) : one(all) }, versions })
  }
  const manifest = () => {
    const m = { name: 'project', version: '1.0.0', dependencies: {}, devDependencies: {} }
    for (let i = 1 + random(4); i > 0; i--) m[chance(80) ? 'dependencies' : 'devDependencies'][one(names)] = range()
    if (chance(style.peers / 4)) m.peerDependencies = { [one(names)]: range() }
    if (mode === 'overrides') {
      m.overrides = {}
      const value = () => chance(60) ? one(VERSIONS) : one(RANGES)
      const key = () => { const name = one(names); return chance(25) ? `${name}@${one(['^1.0.0', '^2.0.0', '1.0.0', '>=2', '<3'])}` : name }
      for (let i = 1 + random(3); i > 0; i--) {
        const k = key()
        m.overrides[k] = chance(60) ? value() : { ...(chance(40) ? { '.': value() } : {}), [key()]: chance(80) ? value() : { [key()]: value() } }
        const direct = m.dependencies[k] ?? m.devDependencies[k]
        if (direct && typeof m.overrides[k] === 'string' && chance(90)) m.overrides[k] = `$${k}`
      }
    }
    for (const k of ['dependencies', 'devDependencies']) m[k] = Object.fromEntries(Object.entries(m[k]).sort())
    return m
  }
  return { packuments, manifests: [manifest(), manifest()] }
}
let current
const server = createServer((q, r) => {
  const p = current.get(decodeURIComponent(q.url.slice(1)).split('/').slice(1).join('/'))
  if (!p) { r.writeHead(404); return r.end('{}') }
  r.writeHead(200, { 'content-type': 'application/json' }); r.end(JSON.stringify(p))
})
await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
const work = mkdtempSync(join(tmpdir(), 'fuzz-'))
execFileSync('cargo', ['build', '-q', '--example', 'conformance'], { stdio: 'inherit' })
const KINDS = { peerDependencies: 'peer', dependencies: 'normal', optionalDependencies: 'optional', devDependencies: 'dev' }
function lines (m, tag) {
  const out = []
  const optional = m.optionalDependencies || {}
  for (const [field, kind] of Object.entries(KINDS)) for (const [n, r] of Object.entries(m[field] || {})) {
    if (kind === 'normal' && optional[n]) continue
    out.push([...tag, kind === 'peer' && m.peerDependenciesMeta?.[n]?.optional ? 'peerOptional' : kind, n, r].join('\t'))
  }
  return out
}
const timeout = (promise, ms) => Promise.race([promise, new Promise((_, no) => setTimeout(() => no(Object.assign(new Error('no end'), { code: 'TIMEOUT' })), ms))])
const ours = (args, input) => new Promise(resolve => {
  const child = spawn('target/debug/examples/conformance', args)
  let out = ''; let err = ''
  child.stdout.on('data', d => { out += d }); child.stderr.on('data', d => { err += d })
  child.on('close', status => resolve({ status, out, err }))
  child.stdin.end(input)
})
const counts = { same: 0, sameFailure: 0, hoistDiffers: 0, treeDiffers: 0, onlyNpmFails: 0, onlyWeFail: 0, npmNoEnd: 0, npmInvalid: 0, lockDiffers: 0 }
for (let n = +first; n < +first + +cases; n++) {
  const { packuments, manifests } = registry(n * 7919)
  current = packuments
  const dir = join(work, `case-${n}`); mkdirSync(dir)
  const index = join(dir, 'index.tsv')
  const text = []
  for (const [name, p] of packuments) {
    text.push(`P\t${name}`, ...Object.entries(p['dist-tags']).map(([t, v]) => `T\t${t}\t${v}`))
    for (const [v, m] of Object.entries(p.versions)) text.push(`V\t${v}\t${m.deprecated ? 1 : 0}\t${m.engines?.node ?? ''}\t`, ...lines(m, ['D']))
  }
  writeFileSync(index, text.join('\n') + '\n')
  const npm = async (manifest, keepLock) => {
    writeFileSync(join(dir, 'package.json'), JSON.stringify(manifest))
    const a = new Arborist({ path: dir, registry: `http://127.0.0.1:${server.address().port}/c${n}/`, cache: join(work, 'cache'), save: true, preferOnline: true, legacyPeerDeps: mode === 'legacy', strictPeerDeps: mode === 'strict', nodeVersion: NODE })
    try {
      const tree = await timeout(a.buildIdealTree({ save: true }), 20000)
      // What nothing leads to is a leftover of npm's (it prunes only with a lock).
      const reached = new Set([tree])
      for (const node of reached) {
        if (node.isLink) reached.add(node.target)
        for (const e of node.edgesOut.values()) if (e.to) reached.add(e.to)
        if (node.parent) reached.add(node.parent)
      }
      const found = [...reached].filter(x => !x.isProjectRoot && !x.inert).map(x => `${x.location}\t${x.target.packageName}@${x.target.version}`).sort()
      if (mode === 'overrides' && [...reached].some(x => [...x.edgesOut.values()].some(e => !e.valid && !e.peer))) return { error: 'INVALID' }
      if (keepLock) { tree.meta.filename ||= join(dir, 'package-lock.json'); writeFileSync(join(dir, 'package-lock.json'), tree.meta.toString()) }
      return { tree: found.join('\n') }
    } catch (e) { return { error: e.code || String(e) } }
  }
  const overrides = (m, from, path) => Object.entries(from).flatMap(([k, v]) => {
    if (k === '.') return []
    const to = [...path, k]
    const range = k.slice(1).split('@')[1]
    const own = typeof v === 'string' ? v : v['.'] ?? range
    const value = own?.startsWith('$') ? m.devDependencies[own.slice(1)] ?? m.dependencies[own.slice(1)] : own
    return [...(value === undefined ? [] : [['O', ...to, value].join('\t')]), ...(typeof v === 'string' ? [] : overrides(m, v, to))]
  })
  const input = manifest => 'I\t\n' + [...lines(manifest, []), ...overrides(manifest, manifest.overrides || {}, [])].join('\n') + '\n'
  const say = (what, more) => { counts[what]++; if (!what.startsWith('same')) console.log(`case ${n}: ${what} ${more ?? ''}`) }
  const theirs = await npm(manifests[0], mode === 'lock')
  const t = await ours(['tree', index, NODE, 'tree', mode], input(manifests[0]))
  if (theirs.error === 'INVALID') { say('npmInvalid', `ours ends with ${t.status}`); continue }
  if (theirs.error === 'TIMEOUT') { say('npmNoEnd', `ours ends with ${t.status}`); continue }
  if (theirs.error) { say(t.status ? 'sameFailure' : 'onlyNpmFails', theirs.error); continue }
  if (t.status) { say('onlyWeFail', t.err.trim().slice(0, 300)); continue }
  const difference = (a, b) => {
    const [x, y] = [a.split('\n'), b.split('\n')]
    return '\n' + [...x.filter(l => !y.includes(l)).map(l => `    npm  ${l}`), ...y.filter(l => !x.includes(l)).map(l => `    ours ${l}`)].join('\n')
  }
  if (t.out.trim() !== theirs.tree) { say('treeDiffers', difference(theirs.tree, t.out.trim())); continue }
  const h = await ours(['tree', index, NODE, 'hoisted', mode], input(manifests[0]))
  const hoisted = h.out.trim().split('\n').sort().join('\n')
  if (hoisted !== theirs.tree) { say('hoistDiffers', difference(theirs.tree, hoisted)); if (mode !== 'lock') continue } else say('same')
  if (mode === 'lock') {
    const again = await npm(manifests[1])
    const l = await ours(['tree', index, NODE, 'locked'], input(manifests[0]) + input(manifests[1]))
    if (again.error || l.status) { if (!again.error !== !l.status) say('lockDiffers', `npm ${again.error ?? 'ok'}, ours ${l.err.trim().slice(0, 200) || 'ok'}`); continue }
    if (l.out.trim() !== again.tree) say('lockDiffers', difference(again.tree, l.out.trim()))
  }
  rmSync(dir, { recursive: true })
}
console.log(JSON.stringify(counts))
rmSync(work, { recursive: true, force: true })
process.exit(0)
