// A registry on loopback that never changes: what it is asked for is fetched once from the registry of npm's own
// configuration, kept in a folder, and served from there for ever after.
//
//   FOLDER/packuments/NAME.json.gz      abbreviated, as `application/vnd.npm.install-v1+json` has them ("/" is "%2f");
//                                       archives' addresses begin with LOCAL
//   FOLDER/archives/NAME/-/FILE.tgz     only those that npm looks into before it installs (bundled dependencies)
//   FOLDER/absent/NAME                  names that the registry does not know
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { dirname, join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
const LOCAL = 'http://local.example.com/'
const ABBREVIATED = 'application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8'
const KEPT = ['name', 'version', 'deprecated', 'dependencies', 'optionalDependencies', 'peerDependencies', 'peerDependenciesMeta',
  'bundleDependencies', 'bundledDependencies', 'acceptDependencies', 'bin', 'directories', 'dist', 'engines', 'os', 'cpu', 'libc',
  'hasInstallScript', '_hasShrinkwrap']

/** Serves FOLDER; without `frozen`, what is not in it is fetched. Gives the address, and what was asked for in vain. */
export async function start (folder, frozen) {
  const upstream = execFileSync('npm', ['config', 'get', 'registry'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim().replace(/\/*$/, '/')
  const keep = (file, bytes) => {
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(`${file}.${process.pid}`, bytes)
    renameSync(`${file}.${process.pid}`, file)
    return bytes
  }
  const ask = async (path, accept) => {
    for (let tries = 0; ; tries++) {
      try {
        const answer = await fetch(upstream + path, { headers: { accept } })
        if (answer.status === 404) return null
        if (!answer.ok) throw new Error(`${path}: ${answer.status}`)
        return Buffer.from(await answer.arrayBuffer())
      } catch (e) { if (tries === 4) throw e }
    }
  }
  const abbreviated = text => {
    const full = JSON.parse(text)
    const versions = {}
    for (const [number, from] of Object.entries(full.versions || {})) {
      const to = versions[number] = {}
      for (const field of KEPT) if (from[field] !== undefined) to[field] = from[field]
      const scripts = from.scripts || {}
      if (scripts.preinstall || scripts.install || scripts.postinstall) to.hasInstallScript = true
      if (to.dist?.tarball) to.dist = { ...to.dist, tarball: LOCAL + to.dist.tarball.replace(/^[a-z]+:\/\/[^/]*\//, '') }
    }
    return JSON.stringify({ name: full.name, modified: full.modified || full.time?.modified, 'dist-tags': full['dist-tags'], versions })
  }
  const vain = new Set()
  const memory = new Map() // NAME → promise of its text, with LOCAL in it
  const packument = async name => {
    const file = join(folder, 'packuments', `${name.replace('/', '%2f')}.json.gz`)
    const absent = join(folder, 'absent', name.replace('/', '%2f'))
    if (existsSync(file)) return gunzipSync(readFileSync(file))
    if (!existsSync(absent)) {
      if (frozen) { vain.add(name); return null }
      const text = await ask(name.replace('/', '%2f'), ABBREVIATED)
      if (text) return gunzipSync(keep(file, gzipSync(abbreviated(text))))
      keep(absent, '')
    }
    return null
  }
  const archive = async path => {
    const file = join(folder, 'archives', path)
    if (existsSync(file)) return readFileSync(file)
    if (frozen) { vain.add(path); return null }
    const bytes = await ask(path, '*/*')
    return bytes && keep(file, bytes)
  }
  const server = createServer(async (request, response) => {
    const path = decodeURIComponent(request.url.slice(1))
    const send = (status, body, type) => { response.writeHead(status, { 'content-type': type }); response.end(body) }
    try {
      if (!/^(@[\w.~-]+\/)?[\w.~-]+(\/-\/[\w.~@+-]+)?$/.test(path) || path.split('/').includes('..')) return send(404, '{}', 'application/json')
      if (path.includes('/-/')) {
        const bytes = await archive(path)
        return bytes ? send(200, bytes, 'application/octet-stream') : send(404, '{}', 'application/json')
      }
      if (!memory.has(path)) memory.set(path, packument(path))
      const text = await memory.get(path)
      if (!text) return send(404, '{}', 'application/json')
      const here = text.toString().replaceAll(LOCAL, `http://${request.headers.host}/`)
      send(200, here, 'application/vnd.npm.install-v1+json')
    } catch (e) {
      console.error(`registry: ${path}: ${e.message}`)
      send(500, '{}', 'application/json')
    }
  })
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
  return { url: `http://127.0.0.1:${server.address().port}/`, vain, close: () => server.close() }
}
