// The main module of the Worker under test: the entry with faults on demand around it.
//
// Production code has no test switches. Here every Durable Object class, the entry point and the D1 binding are wrapped, and the
// wrappers consult a plan that only the `Control` entry point (a socket of its own) can set. One isolate runs all of them, so a
// plain variable is the plan. Modes:
//   refuse        the call fails before anything happens (a D1 batch: "refused", nothing is applied)
//   lose_answer   the call happens, then its caller sees a broken connection
//   hang          the call never happens and its caller waits `HANG_MS`, then fails
//   pass          nothing (to let some calls through in a sequence)
import { WorkerEntrypoint } from "cloudflare:workers";
import { wasmBytes } from "./probe.mjs";
import inner, { Collector as InnerCollector, Engine as InnerEngine, Limiter as InnerLimiter } from "./src/cloudflare/entry.mjs";

const HANG_MS = 30_000;

/** part -> { modes: [...], repeat: bool, next: index, path: string } */
const plan = new Map();
/** part -> mode -> times it struck */
const struck = {};
/** What D1 would bill. */
const rows = { read: 0, written: 0, statements: 0 };

function nextFault(part, path) {
  const entry = plan.get(part);
  if (!entry || (entry.path && !path.startsWith(entry.path))) return "pass";
  const mode = entry.modes[entry.next];
  entry.next += 1;
  if (entry.next === entry.modes.length) {
    if (entry.repeat) entry.next = 0;
    else plan.delete(part);
  }
  struck[part] ??= {};
  struck[part][mode] = (struck[part][mode] ?? 0) + 1;
  return mode;
}

async function under(part, path, call) {
  const fault = nextFault(part, path);
  if (fault === "refuse") throw new Error(`${part} refuses (injected fault)`);
  if (fault === "hang") {
    await new Promise((resolve) => setTimeout(resolve, HANG_MS));
    throw new Error(`${part} hung (injected fault)`);
  }
  const answer = await call();
  if (fault === "lose_answer") throw new Error("Network connection lost. (injected fault)");
  return answer;
}

function faultyObject(part, InnerClass) {
  return class {
    constructor(state, env) {
      this.inner = new InnerClass(state, faultyEnv(env));
    }
    fetch(request) {
      return under(part, new URL(request.url).pathname, () => this.inner.fetch(request));
    }
    alarm(info) {
      return under(`${part}_alarm`, "", () => this.inner.alarm(info));
    }
  };
}
export const Collector = faultyObject("collector", InnerCollector);
export const Limiter = faultyObject("limiter", InnerLimiter);
export const Engine = faultyObject("engine", InnerEngine);

const RUNNING = new Set(["run", "all", "first", "raw"]);
const real = new WeakMap();

function faultyStatement(statement) {
  const proxy = new Proxy(statement, {
    get(target, name) {
      const value = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      if (name === "bind") return (...values) => faultyStatement(target.bind(...values));
      if (RUNNING.has(name)) return (...values) => under("db", "", () => target[name](...values).then(counted));
      return value.bind(target);
    },
  });
  real.set(proxy, statement);
  return proxy;
}

function counted(answer) {
  for (const { meta } of [answer].flat()) {
    rows.read += meta?.rows_read ?? 0;
    rows.written += meta?.rows_written ?? 0;
    rows.statements += 1;
  }
  return answer;
}

/** Keeps the prototype, because the Worker recognises a binding by its constructor's name. */
function faultyDatabase(database) {
  return new Proxy(database, {
    get(target, name) {
      const value = Reflect.get(target, name, target);
      if (typeof value !== "function" || name === "constructor") return value;
      if (name === "prepare") return (sql) => faultyStatement(target.prepare(sql));
      if (name === "batch") return (list) => under("db", "", () => target.batch(list.map((item) => real.get(item) ?? item)).then(counted));
      if (name === "exec") return (sql) => under("db", "", () => target.exec(sql));
      return value.bind(target);
    },
  });
}

const wrapped = new WeakMap();
function faultyEnv(env) {
  if (!wrapped.has(env)) {
    const copy = Object.create(Object.getPrototypeOf(env));
    Object.assign(copy, env, { DB: faultyDatabase(env.DB) });
    wrapped.set(env, copy);
  }
  return wrapped.get(env);
}

/** A runtime that breaks its promise: where the Worker's library unwraps the answer of `waitUntil`, Rust panics. */
function faultyContext(context) {
  const waitUntil = context.waitUntil.bind(context);
  context.waitUntil = (promise) => {
    if (nextFault("wait_until", "") === "refuse") throw new Error("waitUntil refuses (injected fault)");
    waitUntil(promise);
  };
}

export default class extends WorkerEntrypoint {
  constructor(context, env) {
    super(context, env);
    faultyContext(context);
  }
  fetch(request) {
    return inner.fetch(request, faultyEnv(this.env), this.ctx);
  }
  scheduled(controller) {
    return inner.scheduled(controller, faultyEnv(this.env), this.ctx);
  }
}

/** Behind its own loopback socket: POST a plan entry, GET what struck and what was used. */
export class Control extends WorkerEntrypoint {
  async fetch(request) {
    if (request.method === "POST") {
      const { part, modes, repeat, path } = await request.json();
      if (modes.length === 0) plan.delete(part);
      else plan.set(part, { modes, repeat, path, next: 0 });
    }
    return Response.json({ struck, rows, wasm_bytes: wasmBytes() });
  }
}
