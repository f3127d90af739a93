// After vite build: compresses what the server sends compressed, and notes which sources dist was built from.
import { createHash } from 'node:crypto'
import { readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'

const web = join(fileURLToPath(import.meta.url), '..', '..')
const dist = join(web, '..', 'dist')

function files(dir, skip = () => false) {
  return readdirSync(dir, { withFileTypes: true })
    .filter((e) => !skip(e.name))
    .flatMap((e) => (e.isDirectory() ? files(join(dir, e.name), skip) : [join(dir, e.name)]))
}

let before = 0
let after = 0
for (const file of files(dist)) {
  if (!/\.(js|css|svg|html)$/.test(file)) continue
  const text = readFileSync(file)
  const packed = gzipSync(text, { level: 9 })
  packed[9] = 255 // the system this was packed on: the same bytes everywhere
  before += text.length
  after += packed.length
  writeFileSync(file + '.gz', packed)
  rmSync(file)
}

// The same as sourcesHash in adminui/embed_test.go. Tests do not change what is built.
const sum = createHash('sha256')
const sources = files(web, (name) => name === 'node_modules' || name === 'tests' || name.startsWith('.'))
  .map((f) => relative(web, f).split(sep).join('/'))
  .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
for (const name of sources) {
  const text = readFileSync(join(web, name))
  sum.update(`${name}\n${text.length}\n`).update(text)
}
writeFileSync(join(dist, 'SOURCES'), sum.digest('hex') + '\n')
console.log(`dist: ${sources.length} sources, ${(before / 1024).toFixed(0)} KiB, compressed ${(after / 1024).toFixed(0)} KiB`)
