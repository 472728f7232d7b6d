// Resolves manifests with npm and with src/resolve against the same frozen packuments, and compares
// the trees folder by folder.
//
//   node tests/by-hand/conformance.mjs META REGISTRY PACKAGE.JSON…
//
// META is a folder of packuments (NAME.full.json or NAME.corgi.json, `/` written as %2f), REGISTRY
// the address of a server that serves the same ones. Needs npm on the PATH.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
const [meta, registry, ...manifests] = process.argv.slice(2)
const work = mkdtempSync(join(tmpdir(), 'conformance-'))
const clean = s => String(s).replace(/[\t\n]/g, ' ')
const KINDS = { dependencies: 'normal', devDependencies: 'dev', optionalDependencies: 'optional', peerDependencies: 'peer' }
function dependencies (m, kinds) {
  const lines = []
  for (const field of kinds) {
    for (const [name, range] of Object.entries(m[field] || {})) {
      const kind = field === 'peerDependencies' && m.peerDependenciesMeta?.[name]?.optional ? 'peerOptional' : KINDS[field]
      lines.push([kind, name, clean(range)])
    }
  }
  return lines
}
const index = join(work, 'index.tsv')
const out = []
const files = new Set(readdirSync(meta))
for (const f of files) {
  if (!/\.(full|corgi)\.json$/.test(f) || f.includes('%2flatest') || /\/latest\./.test(f)) continue
  if (f.endsWith('.corgi.json') && files.has(f.replace('.corgi.', '.full.'))) continue
  const p = JSON.parse(readFileSync(join(meta, f)))
  if (!p.versions) continue
  out.push(`P\t${p.name}`)
  for (const [t, v] of Object.entries(p['dist-tags'] || {})) out.push(`T\t${t}\t${v}`)
  for (const [v, m] of Object.entries(p.versions)) {
    const e = m.engines && !Array.isArray(m.engines) ? m.engines : {}
    out.push(`V\t${v}\t${m.deprecated ? 1 : 0}\t${clean(e.node ?? '')}\t${clean(e.npm ?? '')}`)
    const optional = new Set(Object.keys(m.optionalDependencies || {}))
    for (const [kind, name, range] of dependencies(m, ['peerDependencies', 'dependencies', 'optionalDependencies'])) {
      if (kind === 'normal' && optional.has(name)) continue
      out.push(`D\t${kind}\t${name}\t${range}`)
    }
    const b = m.bundleDependencies || m.bundledDependencies
    for (const name of b === true ? Object.keys(m.dependencies || {}) : Array.isArray(b) ? b : []) out.push(`B\t${name}`)
  }
}
writeFileSync(index, out.join('\n') + '\n')
const release = process.env.RELEASE ? ['--release'] : []
if (spawnSync('cargo', ['build', '-q', '--example', 'resolve-by-hand', ...release], { stdio: 'inherit' }).status) process.exit(1)
const bin = `target/${release.length ? 'release' : 'debug'}/examples/resolve-by-hand`
let different = 0
for (const file of manifests) {
  const m = JSON.parse(readFileSync(file))
  const dir = mkdtempSync(join(work, 'project-'))
  // Members of a workspace are resolved one by one: what links them is left out.
  const local = n => n.startsWith('@bench/')
  for (const k of Object.keys(KINDS)) for (const n of Object.keys(m[k] || {})) if (local(n)) delete m[k][n]
  delete m.workspaces
  writeFileSync(join(dir, 'package.json'), JSON.stringify(m, null, 2))
  const npm = spawnSync('npm', ['install', '--package-lock-only', '--ignore-scripts', '--no-audit', '--no-fund', '--registry', registry, '--cache', join(work, 'cache')], { cwd: dir, encoding: 'utf8' })
  const lock = join(dir, 'package-lock.json')
  const theirs = new Map()
  if (existsSync(lock)) {
    for (const [path, e] of Object.entries(JSON.parse(readFileSync(lock)).packages)) {
      if (path && !e.inBundle) theirs.set(path, `${e.name || path.split('node_modules/').pop()}@${e.version}`)
    }
  }
  const input = 'I\t\n' + dependencies(m, Object.keys(KINDS)).map(d => d.join('\t')).join('\n') + '\n'
  const report = [`${m.name}: npm ${npm.status ? 'FAILS' : theirs.size}`]
  for (const how of ['tree', 'hoisted']) {
    const run = spawnSync(bin, ['tree', index, process.version.slice(1), how], { input, encoding: 'utf8', maxBuffer: 1 << 28 })
    if (run.status !== 0) {
      report.push(`${how} FAILS: ${run.stderr.trim().slice(0, 600)}`)
      if (!npm.status) different++
      else report.push(npm.stderr.split('\n').slice(0, 12).join('\n'))
      continue
    }
    const ours = new Map(run.stdout.trim().split('\n').filter(Boolean).map(l => l.split('\t')))
    const lines = []
    for (const [path, what] of theirs) if (ours.get(path) !== what) lines.push(`    ${path}: npm ${what}, ours ${ours.get(path) ?? '-'}`)
    for (const [path, what] of ours) if (!theirs.has(path)) lines.push(`    ${path}: npm -, ours ${what}`)
    report.push(`${how} ${ours.size}, ${lines.length} different`)
    if (lines.length) { different++; report.push('\n' + lines.slice(0, 40).join('\n')) }
  }
  if (process.env.TIME) report.push(spawnSync(bin, ['tree', index, process.version.slice(1), 'time'], { input, encoding: 'utf8' }).stdout.trim())
  console.log(report.join('; '))
}
rmSync(work, { recursive: true })
process.exit(different ? 1 : 0)
