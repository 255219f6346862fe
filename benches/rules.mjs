// 1,000 rules over 10,000 series: what one tick costs, beside Prometheus with the same rules over the same samples.
//
// Every series has one sample a minute for a quarter of an hour (Prometheus' own default interval), every rule sums five minutes
// of ten of them, and ten rules fire. Parapet's figure is the CPU of the whole workerd process, so the Collector that hands out
// the live window, the Engine and the database are all in it; Prometheus' is that of its process.
//
// Bounds by design: the rows a tick reads follow the alerts that are pending or fire and the messages that are owed, not rules or
// series; a round sends one message of each channel, and a call stops sending after 25 s and leaves the rest to the alarm.
import { mkdtempSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { cpuOver, measurePrometheus } from "./prometheus.mjs";
import { BOUND_ORIGIN, cpuSeconds, loopbackUrl, scratch, startMeasuredParapet } from "./variants.mjs";

const [NAMES, PARTS, NODES] = [100, 10, 10];
const RULES = NAMES * PARTS;
const MINUTE_MS = 60_000;
const MINUTES = 14;
const FIRE = 10;
const TICKS = 10;
/** The shortest interval a rule can have, so that every one of these ticks evaluates all rules. */
const TICK_MS = 10_000;
const BOUND = 1_000;
const TOKEN = "benchmark-token-0123456789abcdef";

/** What `node` of `part` of `name` grows by in a minute; one rule in a hundred sees ten times as much. */
const growth = (name, part, node) => (node + 1) * (name < FIRE && part === 0 ? 10 : 1);
const sum = (values) => values.reduce((a, b) => a + b, 0);

function* series() {
  for (let name = 0; name < NAMES; name += 1) {
    for (let part = 0; part < PARTS; part += 1) for (let node = 0; node < NODES; node += 1) yield [name, part, node];
  }
}

export async function rules(bar, { atMost, exactly }) {
  const peer = await prometheus(moments(0));
  const { steady, storm } = await parapet();
  console.log(`\n## ${RULES} rules over ${NAMES * PARTS * NODES} series, one tick (${TICKS} ticks)\n`);
  console.log("| what | CPU ms | wall ms | fire | D1 statements | D1 rows read | written | messages | sent |\n|---|---|---|---|---|---|---|---|---|");
  console.log(`| Prometheus | ${peer.cpu_ms.toFixed(0)} | ${peer.wall_ms.toFixed(0)} | ${peer.firing} | | | | | |`);
  row("Parapet", steady);
  row("Parapet, when all fire at once", storm);
  console.log("");
  bar("alerts that fire, beside Prometheus'", steady.firing - peer.firing, exactly, 0);
  bar("CPU of a tick, times Prometheus'", steady.cpu_ms / peer.cpu_ms, atMost, 1);
  bar("D1 rows a tick reads, of rules", steady.read / RULES, atMost, 0.5);
  bar("D1 rows read for each message, when all fire", storm.read / storm.messages, atMost, 10_000);
}

/** One a minute, the last of them `ahead` minutes from the minute that runs. */
function moments(ahead) {
  const end = (Math.floor(Date.now() / MINUTE_MS) + ahead) * MINUTE_MS - MINUTE_MS / 2;
  return Array.from({ length: MINUTES }, (_, minute) => end - (MINUTES - 1 - minute) * MINUTE_MS);
}

function row(what, { cpu_ms, wall_ms, firing, statements, read, written, messages, sent }) {
  const counts = [statements, read, written, messages, sent].map((count) => Number(count.toFixed(1)));
  console.log(`| ${what} | ${cpu_ms.toFixed(0)} | ${wall_ms.toFixed(0)} | ${firing} | ${counts.join(" | ")} |`);
}

function prometheus(moments) {
  const totals = new Map();
  const minutes = moments.map((at) => {
    const lines = [];
    for (const [name, part, node] of series()) {
      const key = `load_${name}_total{part="p${part}",node="n${node}"}`;
      totals.set(key, (totals.get(key) ?? 0) + growth(name, part, node));
      lines.push(`${key} ${totals.get(key)} ${at}`);
    }
    return `${lines.join("\n")}\n`;
  });
  const expressions = [];
  for (let name = 0; name < NAMES; name += 1) {
    for (let part = 0; part < PARTS; part += 1) expressions.push(`sum(increase(load_${name}_total{part="p${part}"}[5m])) > ${BOUND}`);
  }
  return measurePrometheus(mkdtempSync(join(scratch, "prometheus-")), minutes, expressions, TICKS);
}

async function parapet() {
  const vars = { ENVIRONMENT: "dev", BOOTSTRAP_TOKEN: TOKEN, CLOUDEVENTS_URL: loopbackUrl("/events") };
  const variant = await startMeasuredParapet(BOUND_ORIGIN, vars);
  const api = async (path, body) => {
    const headers = { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" };
    const answer = await fetch(`http://127.0.0.1:${variant.port}${path}`, { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  };
  const follow = async (config) => {
    const { version } = await api("/api/v1/config", { config });
    while ((await api("/api/v1/config")).in_force !== version) await wait(500);
  };
  await follow(configuration(BOUND));
  // Up to almost five minutes ahead, which is as far as is taken: what is measured comes minutes later, and every tick's window has
  // to be as full as Prometheus' was.
  for (const [minute, at] of moments(5).entries()) {
    const metrics = [...series()].map(([name, part, node]) => {
      const tags = { part: `p${part}`, node: `n${node}` };
      return { name: `load_${name}_total`, kind: "counter", value: growth(name, part, node), tags, at };
    });
    for (let begin = 0; begin < metrics.length; begin += 1_000) {
      const { accepted, rejected } = await api("/api/metrics", metrics.slice(begin, begin + 1_000));
      if (rejected.length > 0 || accepted !== 1_000) throw new Error(`minute ${minute}: ${JSON.stringify(rejected[0])}`);
    }
  }
  await variant.settled();
  let now = Math.ceil(Date.now() / TICK_MS) * TICK_MS;
  // The first two ticks meet a new configuration, and tell people of what fires.
  for (let warm = 0; warm < 2; warm += 1) await variant.tick((now += TICK_MS));
  const idle = await cpuOver(variant.pid, 5);
  const steady = await ticked(variant, TICKS, () => (now += TICK_MS), idle);
  if (steady.messages > 0) throw new Error("alerts changed while a steady state was measured: its samples do not cover the windows");
  await follow(configuration(0));
  const storm = await ticked(variant, 1, () => (now += TICK_MS), idle);
  await variant.runtime.dispose();
  return { steady, storm };
}

/** What a tick of `count` costs on average. */
async function ticked(variant, count, next, idle) {
  const [before, cpu, began] = [await state(variant), cpuSeconds(variant.pid), performance.now()];
  for (let tick = 0; tick < count; tick += 1) await variant.tick(next());
  const wall_ms = performance.now() - began;
  const cpu_ms = (cpuSeconds(variant.pid) - cpu) * 1_000 - idle * wall_ms;
  const after = await state(variant);
  const each = (key) => (after[key] - before[key]) / count;
  const counts = Object.fromEntries(["statements", "read", "written", "messages", "sent"].map((key) => [key, each(key)]));
  return { cpu_ms: cpu_ms / count, wall_ms: wall_ms / count, firing: after.firing, ...counts };
}

/** Counted beside the Worker's own binding, so that looking costs nothing that is counted. */
async function state({ usage, database }) {
  const { rows } = await usage();
  const count = async (sql) => (await database.prepare(sql).first()).n;
  return {
    ...rows,
    firing: await count("SELECT count(*) AS n FROM alerts WHERE phase = 'firing'"),
    messages: await count("SELECT count(*) AS n FROM outbox"),
    sent: await count("SELECT count(*) AS n FROM attempts"),
  };
}

function configuration(bound) {
  const config = JSON.parse(readFileSync(join(import.meta.dirname, "../tests/support/minimal-config.json"), "utf8"));
  config.site = { ...config.site, environment: "dev", console_hosts: ["127.0.0.1"], console_url: "http://127.0.0.1", console_serves_site: "site_too" };
  Object.assign(config.infrastructure, { max_series: 20_000 });
  Object.assign(config.infrastructure.ingest, { max_batch: 1_000, max_body_bytes: 1_048_576, max_series_per_name: 200 });
  config.business = { shown: Array.from({ length: NAMES }, (_, name) => `load_${name}_total`), targets: [] };
  const rules = [];
  for (let name = 0; name < NAMES; name += 1) {
    for (let part = 0; part < PARTS; part += 1) {
      const of = { series: `load_${name}_total`, labels: { part: `p${part}` } };
      const when = { threshold: { of, aggregate: "sum", over: { ms: 5 * MINUTE_MS }, compare: "above", bound: { value: bound } } };
      const id = `load-${name}-${part}`;
      rules.push({ id, name: id, severity: "warning", when, interval_ms: TICK_MS, no_data: "ok", error: "keep", summary: "Load.", runbook: "/load", owner: "ops" });
    }
  }
  config.alerting = {
    channels: [{ id: "events", via: { cloudevents: { secret: "CLOUDEVENTS_URL" } } }],
    routes: [{ channels: ["events"] }],
    rules,
  };
  return config;
}
