// The deployment on this machine: wrangler.toml and build/ as Miniflare options, and D1 migrations.
// `make run`, the end-to-end tests and the benchmarks all start the Worker through here, so they run the same bindings.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "smol-toml";

export const ROOT = join(import.meta.dirname, "..");
const read = (path) => readFileSync(join(ROOT, path), "utf8");

/** wrangler.toml; its `name` is also the Worker's name in the runtime. */
export const CONFIG = parse(read("wrangler.toml"));

/** The modules of the Worker: its entry, and what is built. */
function builtModules() {
  if (!existsSync(join(ROOT, "build/index.js"))) {
    throw new Error("build/index.js is missing: run `make worker` first");
  }
  return {
    [CONFIG.main]: { type: "esm", contents: read(CONFIG.main) },
    "src/cloudflare/glue.mjs": { type: "esm", contents: read("src/cloudflare/glue.mjs") },
    "build/index.js": { type: "esm", contents: read("build/index.js") },
    "build/index_bg.wasm": { type: "wasm", contents: new Uint8Array(readFileSync(join(ROOT, "build/index_bg.wasm"))) },
  };
}

/**
 * Parapet as a Miniflare worker.
 * `vars` are added to (and win over) wrangler.toml's; `origin` is a binding of Miniflare's or undefined;
 * `main` may replace the main module by one that wraps it, such as TEST_MAIN; `sockets` are direct sockets.
 */
export function parapet({ vars = {}, origin, main, sockets }) {
  const env = {};
  for (const [name, value] of Object.entries({ ...CONFIG.vars, ...vars })) env[name] = { type: "text", value: String(value) };
  for (const { binding, database_id: id } of CONFIG.d1_databases) env[binding] = { type: "d1", id };
  for (const { name, class_name: exportName } of CONFIG.durable_objects.bindings) {
    env[name] = { type: "durable-object", worker: CONFIG.name, exportName };
  }
  if (CONFIG.version_metadata) env[CONFIG.version_metadata.binding] = { type: "version-metadata" };
  if (origin) env.ORIGIN = origin;
  const classes = CONFIG.migrations.flatMap((migration) => migration.new_sqlite_classes ?? []);
  const modules = builtModules();
  for (const file of main?.files ?? []) modules[file] = { type: "esm", contents: read(join(main.folder, file)) };
  return {
    config: {
      name: CONFIG.name,
      compatibilityDate: CONFIG.compatibility_date,
      manifest: { mainModule: main?.files[0] ?? CONFIG.main, modules },
      exports: Object.fromEntries(classes.map((name) => [name, { type: "durable-object", storage: "sqlite" }])),
      env,
    },
    dev: { unsafeDirectSockets: sockets },
  };
}

/** The main module of the tests: faults on demand, and gauges. Its `Control` entry point wants a socket of its own. */
export const TEST_MAIN = { folder: "tests/support", files: ["faults.mjs", "probe.mjs"] };

const DEMO = parse(read("demo/wrangler.toml"));

/** The demo booking site as a Miniflare worker. `vars`: LATENCY_SCALE and FAILURE_SCALE (demo/mood.js). */
export function demoSite({ vars = {}, sockets } = {}) {
  const files = readdirSync(join(ROOT, "demo")).filter((file) => file.endsWith(".js"));
  const modules = Object.fromEntries(files.map((file) => [file, { type: "esm", contents: read(join("demo", file)) }]));
  const env = Object.fromEntries(Object.entries(vars).map(([name, value]) => [name, { type: "text", value: String(value) }]));
  return {
    config: {
      name: DEMO.name,
      compatibilityDate: DEMO.compatibility_date,
      manifest: { mainModule: DEMO.main, modules },
      env,
    },
    dev: { unsafeDirectSockets: sockets },
  };
}

/** The binding that reaches it. */
export const DEMO_BINDING = { type: "worker", worker: DEMO.name };

/** Applies what `migrations/` has and the database has not, each file in one transaction, in wrangler's own table. */
export async function migrate(database) {
  await database
    .prepare(
      "CREATE TABLE IF NOT EXISTS d1_migrations (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL)",
    )
    .run();
  const done = new Set((await database.prepare("SELECT name FROM d1_migrations").all()).results.map((row) => row.name));
  for (const name of readdirSync(join(ROOT, "migrations")).filter((file) => file.endsWith(".sql")).sort()) {
    if (done.has(name)) continue;
    const statements = splitSql(read(join("migrations", name))).map((sql) => database.prepare(sql));
    await database.batch([...statements, database.prepare("INSERT INTO d1_migrations (name) VALUES (?)").bind(name)]);
  }
}

/** Statements of an SQL file; a semicolon in a string, a comment or a trigger's body does not end one. */
export function splitSql(text) {
  const statements = [];
  let current = "";
  const token = /--[^\n]*|\/\*[\s\S]*?\*\/|'(?:[^']|'')*'|"(?:[^"]|"")*"|;|[A-Za-z_]+|[\s\S]/g;
  let depth = 0;
  for (const [piece] of text.matchAll(token)) {
    if (piece.startsWith("--") || piece.startsWith("/*")) continue;
    const word = piece.toUpperCase();
    if (/^\s*CREATE\s+(TEMP\s+|TEMPORARY\s+)?TRIGGER\b/i.test(current)) {
      if (word === "BEGIN" || word === "CASE") depth += 1;
      if (word === "END") depth -= 1;
    }
    if (piece === ";" && depth === 0) {
      if (current.trim()) statements.push(current.trim());
      current = "";
    } else {
      current += piece;
    }
  }
  if (current.trim()) statements.push(current.trim());
  return statements;
}
