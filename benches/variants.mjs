// One workerd process a variant: how each is started, loaded and measured.
import { execFileSync, fork, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { buildSync } from "esbuild";
import { Log, LogLevel, Miniflare } from "miniflare";
import { CONFIG, TEST_MAIN, migrate, parapet } from "../scripts/local.mjs";

const MINUTE_MS = 60_000;
const TICKS_PER_SECOND = Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));
export const scratch = mkdtempSync(join(tmpdir(), "parapet-bench-"));
const loopback = fork(join(import.meta.dirname, "loopback.mjs"));
const loopbackPort = await new Promise((resolve) => loopback.once("message", resolve));

/** Where the origin is: a server on loopback, or a Worker in the same process. */
export const LOOPBACK_ORIGIN = { type: "external", address: `127.0.0.1:${loopbackPort}`, http: {} };
export const BOUND_ORIGIN = { type: "worker", worker: "origin" };

/** The address of the loopback server, which takes any POST. */
export const loopbackUrl = (path) => `http://127.0.0.1:${loopbackPort}${path}`;

/** Ends the servers all variants share. */
export function end() {
  loopback.disconnect();
  rmSync(scratch, { recursive: true, force: true });
}

/** The Worker as it is deployed. */
export const startParapet = (origin) => start("Parapet", parapet({ origin, sockets: [{ port: 0 }] }));

/** The Worker inside the tests' gauges: `usage()` says what D1 would bill and how large the WebAssembly memory is. */
export async function startMeasuredParapet(origin, vars) {
  const sockets = [{ port: 0 }, { port: 0, entrypoint: "Control" }];
  const variant = await start("Parapet", parapet({ vars, origin, main: TEST_MAIN, sockets }));
  const control = await variant.runtime.unsafeGetDirectURL(CONFIG.name, "Control");
  // A connection of its own each time: an idle one ends while the load generator holds this process up.
  const usage = async () => (await fetch(control, { headers: { connection: "close" } })).json();
  return { ...variant, usage, settled: () => settled(usage), tick: (now) => tick(variant.runtime, now) };
}

/** Waits until the minute that runs is written: no row for 20 s, beginning with the next minute. */
async function settled(usage) {
  await wait(MINUTE_MS - (Date.now() % MINUTE_MS));
  let written = -1;
  for (let still = 0; still < 20; still += 1) {
    await wait(1_000);
    const now = (await usage()).rows.written;
    if (now !== written) still = 0;
    written = now;
  }
  return written;
}

/** Cron, at that moment; a tick that failed stops the benchmark. */
async function tick(runtime, now) {
  const answer = await runtime.dispatchFetch(`http://localhost/cdn-cgi/local/scheduled?cron=*+*+*+*+*&time=${now}&format=json`);
  const text = await answer.text();
  if (!answer.ok || !text.includes("\"ok\"")) throw new Error(`the tick failed: ${answer.status} ${text}`);
}

/** A Worker of peers/, bundled. */
export const startPeer = (name, file, origin, vars) => start(name, peer(file, origin, vars));

function peer(file, origin, vars = {}) {
  const bundle = buildSync({
    entryPoints: [join(import.meta.dirname, `peers/${file}.js`)],
    bundle: true,
    write: false,
    minify: true,
    format: "esm",
    conditions: ["workerd", "worker", "browser"],
    external: ["cloudflare:*", "node:*"],
  });
  const text = { SENTRY_DSN: `http://public@127.0.0.1:${loopbackPort}/1`, ...vars };
  const env = Object.fromEntries(Object.entries(text).map(([name, value]) => [name, { type: "text", value }]));
  if (origin) env.ORIGIN = origin;
  const manifest = { mainModule: "index.js", modules: { "index.js": { type: "esm", contents: bundle.outputFiles[0].text } } };
  const config = { name: file, compatibilityDate: CONFIG.compatibility_date, compatibilityFlags: ["nodejs_compat"], manifest, env };
  return { config, dev: { unsafeDirectSockets: [{ port: 0 }] } };
}

async function start(name, worker) {
  const before = new Set(workerdChildren());
  const { name: workerName, env } = worker.config;
  const runtime = new Miniflare({
    host: "127.0.0.1",
    port: 0,
    cf: false,
    log: new Log(LogLevel.ERROR),
    resourcePersistencePath: mkdtempSync(join(scratch, "state-")),
    unsafeTriggerHandlers: true,
    // What the Worker logs of each tick and delivery would hide the figures.
    handleStructuredLogs: ({ level, message }) => level === "error" && console.error(message),
    workers: [worker, ...(env.ORIGIN.type === "worker" ? [peer("origin")] : [])],
  });
  const { port } = await runtime.unsafeGetDirectURL(workerName);
  const database = env.DB && (await runtime.getD1Database("DB", workerName));
  if (database) await migrate(database);
  return { name, port, database, runtime, pid: workerdChildren().find((pid) => !before.has(pid)), results: [] };
}

/** The workerd processes that this one started. */
function workerdChildren() {
  return readdirSync("/proc").filter((entry) => {
    if (!/^\d+$/.test(entry)) return false;
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, "utf8");
      return stat.includes("(workerd)") && Number(statFields(stat)[1]) === process.pid;
    } catch {
      return false;
    }
  });
}

/** The fields of /proc/PID/stat from the third on; the second may hold spaces. */
const statFields = (stat) => stat.slice(stat.lastIndexOf(")") + 2).split(" ");

/** User and system time of the process so far. */
export function cpuSeconds(pid) {
  const fields = statFields(readFileSync(`/proc/${pid}/stat`, "utf8"));
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** A port nobody listens on. */
export function freePort() {
  const server = createServer();
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** Requests a second and CPU a request under full load for that long. */
export function measure(variant, seconds) {
  const before = cpuSeconds(variant.pid);
  const result = load(variant.port, { seconds });
  const cpu = cpuSeconds(variant.pid) - before;
  return { rate: result.requests / result.seconds, cpu_us: (cpu * 1_000_000) / result.requests, p99_ms: result.p99_ms };
}

/** Runs load.mjs. Only 200s count: a variant that fails fast must not look fast. */
export function load(port, options) {
  const flags = Object.entries({ port, ...options }).map(([name, value]) => `--${name}=${value}`);
  const run = spawnSync(process.execPath, [join(import.meta.dirname, "load.mjs"), ...flags], { encoding: "utf8", timeout: 300_000 });
  if (run.status !== 0) throw new Error(`the load generator failed: ${run.stderr}`);
  const result = JSON.parse(run.stdout);
  const others = Object.keys(result.statuses).filter((status) => status !== "200");
  if (others.length > 0 || result.requests === 0) throw new Error(`answers other than 200: ${run.stdout}`);
  return result;
}
