// Starts the built Worker in Miniflare for the Rust fixture and takes its orders: one JSON object a line on stdin, one answer a
// line on stdout, marked by a leading @ because the Worker's console shares it. The first is @{"ready":true,…}. When stdin ends,
// everything ends.
import { enableCompileCache } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { CONFIG, DEMO_BINDING, ROOT, TEST_MAIN, demoSite, migrate, parapet } from "../../scripts/local.mjs";

enableCompileCache(join(ROOT, "node_modules/.cache/compile"));
const { Log, LogLevel, Miniflare } = await import("miniflare");

const options = JSON.parse(process.argv[2]); // {state, port, vars, origin: "demo" | "none" | {external: "127.0.0.1:1"}}
const origin = options.origin === "demo" ? DEMO_BINDING : options.origin.external && { type: "external", address: options.origin.external, http: {} };

const sockets = [
  { host: "127.0.0.1", port: options.port },
  { host: "127.0.0.1", port: 0, entrypoint: "Control" },
];
const miniflare = new Miniflare({
  host: "127.0.0.1",
  port: 0,
  cf: false,
  log: new Log(LogLevel.WARN),
  resourcePersistencePath: options.state,
  unsafeTriggerHandlers: true,
  workers: [parapet({ vars: options.vars, origin, main: TEST_MAIN, sockets }), ...(options.origin === "demo" ? [demoSite({ vars: { LATENCY_SCALE: 0, FAILURE_SCALE: 0 } })] : [])],
});

const say = (answer) => process.stdout.write(`@${JSON.stringify(answer)}\n`);

const url = await miniflare.unsafeGetDirectURL(CONFIG.name);
const control = await miniflare.unsafeGetDirectURL(CONFIG.name, "Control");
const database = await miniflare.getD1Database("DB", CONFIG.name);
await migrate(database);

const orders = {
  async tick({ now }) {
    const answer = await miniflare.dispatchFetch(`http://localhost/cdn-cgi/local/scheduled?cron=*+*+*+*+*&time=${now}&format=json`);
    return { status: answer.status, text: await answer.text() };
  },
  async d1({ sql, params = [] }) {
    return (await database.prepare(sql).bind(...params).all()).results;
  },
  async fault(entry) {
    return (await fetch(control, { method: "POST", body: JSON.stringify(entry) })).json();
  },
  async usage() {
    return (await fetch(control)).json();
  },
  async evict({ class: className, name }) {
    await miniflare.unsafeEvictDurableObject(CONFIG.name, className, { name });
    return null;
  },
  async object_sql({ class: className, name, sql }) {
    const storage = await miniflare.unsafeGetDurableObjectStorage(CONFIG.name, className, { name });
    return await storage.exec(sql);
  },
};

say({ ready: true, url: url.href });
const lines = createInterface({ input: process.stdin });
lines.on("line", async (line) => {
  const { id, order, ...rest } = JSON.parse(line);
  try {
    say({ id, ok: await orders[order](rest) });
  } catch (error) {
    say({ id, error: String(error?.stack ?? error) });
  }
});
lines.on("close", async () => {
  await miniflare.dispose();
  process.exit(0);
});
