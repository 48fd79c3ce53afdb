// Runs the tests for HTTP caches against a cache that listens already, and sums them up.
//
// Usage: node cache-conformance.mjs SUITE BASE ORIGIN_PORT [RESULTS.json]
// SUITE is a folder with the suite, BASE the cache's URL, ORIGIN_PORT the port that the cache
// forwards to; the suite's own origin is started there. Exit status: 0 when no required test
// failed and all could be run, 1 else.

import { spawn } from 'child_process'
import { writeFileSync } from 'fs'
import { connect } from 'net'
import { resolve } from 'path'
import { pathToFileURL } from 'url'

const [, , folder, base, port, resultsFile] = process.argv
const load = path => import(pathToFileURL(resolve(folder, path)).href)

// Tests at a time: more make it faster, and a busy machine miss the seconds that tests count.
const CHUNK = 40
const READY_MS = 10000

// Required tests that cannot be run, and why.
const NOT_RUN = {
  'headers-store-Transfer-Encoding': 'its origin frames a message wrongly, which is answered by 502'
}

const suites = (await load('tests/index.mjs')).default
const { runTests } = await load('test-engine/client/runner.mjs')
const { testResults: results } = await load('test-engine/client/test.mjs')
const tests = new Map(suites.flatMap(suite => suite.tests).map(test => [test.id, test]))

const origin = spawn(process.execPath, ['test-engine/server/server.mjs'], {
  cwd: folder,
  stdio: 'ignore',
  env: {
    ...process.env,
    npm_config_protocol: 'http',
    npm_config_port: port,
    npm_config_pidfile: resolve(folder, 'server.pid')
  }
})
process.on('exit', () => origin.kill('SIGKILL'))
await listening(port)

await runTests(suites, false, base, CHUNK)
// What failed is tried once more by itself: a busy machine is no fault of the cache.
const again = suites.map(suite => ({
  ...suite,
  tests: suite.tests.filter(test => ['failed', 'harness'].includes(outcome(test)))
}))
const kept = { ...results }
for (const { id } of again.flatMap(suite => suite.tests)) delete results[id]
await runTests(again, false, base, CHUNK)
for (const id of Object.keys(kept)) results[id] ??= kept[id]
if (resultsFile) writeFileSync(resultsFile, JSON.stringify(results, null, 2))
process.exit(report() ? 0 : 1)

// passed, failed, or why it says nothing.
function outcome (test) {
  const result = results[test.id]
  if (result === undefined) return 'untested'
  if ((test.depends_on ?? []).some(id => outcome(tests.get(id)) !== 'passed')) return 'dependency'
  if (result === true) return 'passed'
  if (result[0] === 'Setup') return 'setup'
  return result[0] === 'Assertion' ? 'failed' : 'harness'
}

function report () {
  const lines = []
  let good = true
  console.log('           passed  failed  not run')
  for (const kind of ['required', 'optimal', 'check']) {
    const counts = { passed: 0, failed: 0, other: 0 }
    for (const [id, test] of tests) {
      if (test.browser_only || (test.kind ?? 'required') !== kind) continue
      const found = outcome(test)
      counts[found in counts ? found : 'other'] += 1
      if (found === 'passed' || kind === 'check') continue
      lines.push(`${kind} ${found}: ${id}: ${NOT_RUN[id] ?? results[id]?.[1]}`)
      if (kind === 'required' && (found === 'failed' || !(id in NOT_RUN))) good = false
    }
    const columns = [counts.passed, counts.failed, counts.other]
    console.log(kind.padEnd(9) + columns.map(count => String(count).padStart(8)).join(''))
  }
  console.log(lines.join('\n'))
  return good
}

async function listening (port) {
  const until = Date.now() + READY_MS
  for (;;) {
    const is = await new Promise(resolve => {
      const socket = connect(port, 'localhost')
      socket.on('connect', () => { socket.destroy(); resolve(true) })
      socket.on('error', () => resolve(false))
    })
    if (is) return
    if (Date.now() > until) {
      console.error(`nothing listens on ${port}`)
      process.exit(1)
    }
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}
