// `make run`: the built Worker with the demo site behind it on http://localhost:PORT, in the same runtime as production.
//
// Miniflare with a direct socket rather than `wrangler dev`, because that rewrites Accept-Encoding and re-compresses bodies. The
// state lies where wrangler keeps it, so `npx wrangler d1 execute DB --local --command "…"` reads this database.
import { randomBytes } from "node:crypto";
import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { enableCompileCache } from "node:module";
import { createServer } from "node:net";
import { join } from "node:path";
import { parseArgs, parseEnv } from "node:util";
import { CONFIG, DEMO_BINDING, ROOT, demoSite, migrate, parapet } from "./local.mjs";

enableCompileCache(join(ROOT, "node_modules/.cache/compile"));
const { Log, LogLevel, Miniflare } = await import("miniflare");

const MINUTE_MS = 60_000;
const { port: portText } = parseArgs({ options: { port: { type: "string", default: "8787" } } }).values;
const port = Number(portText);
if (!(await isFree(port))) {
  console.error(`Port ${portText} is taken: end what listens there, or choose another with \`make run PORT=8788\`.`);
  process.exit(1);
}

const vars = developmentVars();
const runtime = new Miniflare({
  host: "127.0.0.1",
  port: 0,
  cf: false,
  log: new Log(LogLevel.WARN),
  resourcePersistencePath: join(ROOT, ".wrangler/state/v3"),
  unsafeTriggerHandlers: true,
  workers: [parapet({ vars, origin: vars.ORIGIN_URL ? undefined : DEMO_BINDING, sockets: [{ host: "127.0.0.1", port }] }), demoSite()],
});

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.once(signal, async () => {
    // A second signal, or a runtime that does not end, ends this process anyway.
    setTimeout(() => process.exit(1), 5_000).unref();
    await runtime.dispose();
    process.exit(0);
  });
}

await runtime.ready;
await migrate(await runtime.getD1Database("DB", CONFIG.name));
greet();
tickEveryMinute(await runtime.ready);

/** Cron never fires by itself on a developer's machine. The scheduled time is the minute, as in production. */
async function tickEveryMinute(internal) {
  const minute = Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS;
  setTimeout(tickEveryMinute, minute + MINUTE_MS - Date.now(), internal);
  try {
    const answer = await fetch(new URL(`/cdn-cgi/local/scheduled?cron=*+*+*+*+*&time=${minute}`, internal));
    if (!answer.ok) console.error(`cron: ${answer.status} ${await answer.text()}`);
    else await answer.arrayBuffer();
  } catch (error) {
    console.error(`cron: ${error.message}`);
  }
}

/** .dev.vars, with a random BOOTSTRAP_TOKEN added if it has none. */
function developmentVars() {
  const path = join(ROOT, ".dev.vars");
  if (!existsSync(path)) writeFileSync(path, 'ENVIRONMENT="dev"\n', { mode: 0o600 });
  if (!parseEnv(readFileSync(path, "utf8")).BOOTSTRAP_TOKEN) {
    appendFileSync(path, `BOOTSTRAP_TOKEN="${randomBytes(32).toString("hex")}"\n`);
  }
  return { ENVIRONMENT: "dev", ...parseEnv(readFileSync(path, "utf8")) };
}

function greet() {
  const site = `http://localhost:${port}`;
  const token = vars.BOOTSTRAP_TOKEN;
  console.log(`
Parapet runs, with ${vars.ORIGIN_URL ?? "the demo booking site"} behind it. Ctrl-C ends it.

  the site      ${site}/
  realtime      ${site}/api/metrics/realtime
  metrics       ${site}/api/metrics
  token         ${token}   (from .dev.vars)

Try:
  curl -i '${site}/search?q=dentist'
  curl -H 'Authorization: Bearer ${token}' ${site}/api/metrics/realtime
  curl -X POST -H 'Authorization: Bearer ${token}' -H 'Content-Type: application/json' \\
       -d '{"alert_type":"info","message":"hello"}' ${site}/api/test-alert

\`make demo PORT=${port}\` in a second terminal sends visitors.
`);
}

function isFree(candidate) {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(false));
    probe.listen(candidate, "127.0.0.1", () => probe.close(() => resolve(true)));
  });
}
