// `make demo`: visitors for the demo site, bounded in rate and time. Each takes the way people take on a booking site: home, search,
// open times, and some of them log in, book and pay; what they did is posted to /api/metrics as the site's own server would.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs, parseEnv } from "node:util";

const { values } = parseArgs({
  options: { port: { type: "string", default: "8787" }, minutes: { type: "string", default: "5" }, rate: { type: "string", default: "5" } },
});
const minutes = bounded("minutes", 1 / 60, 120);
const rate = bounded("rate", 0.1, 50);
const site = `http://127.0.0.1:${values.port}`;
const token = bootstrapToken();

const COUNTRIES = ["ZA", "ZA", "ZA", "ZA", "ZA", "ZA", "NA", "BW", "GB", "DE"];
const AGENTS = [
  "Mozilla/5.0 (Linux; Android 14; SM-A155F) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36",
  "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
  "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
  "curl/8.5.0",
];
const WORDS = ["dentist", "physio", "huisarts", "eye", "general"];

const totals = { visits: 0, requests: 0, statuses: {}, unreachable: 0 };
const pending = [];
const underway = new Set();
const end = Date.now() + minutes * 60_000;

console.log(`Visitors for ${site}: ${rate} a second for ${minutes} minutes. Ctrl-C ends it.`);
const reporting = setInterval(report, 10_000);
const posting = setInterval(postMetrics, 2_000);
process.once("SIGINT", finish);
while (Date.now() < end) {
  const visiting = visit().finally(() => underway.delete(visiting));
  underway.add(visiting);
  await wait((-Math.log(1 - Math.random()) / rate) * 1_000);
}
await Promise.all(underway);
await finish();

async function visit() {
  totals.visits += 1;
  const number = Math.floor(Math.random() * 20_000);
  const who = {
    "user-agent": pick(AGENTS),
    "cf-connecting-ip": `105.${16 + (number >> 12)}.${(number >> 6) & 63}.${number & 63}`,
    "mf-cf-blob": JSON.stringify({ country: pick(COUNTRIES), colo: "JNB" }),
  };
  const get = (path) => send(who, path);
  const post = (path, body) => send({ ...who, "content-type": "application/json" }, path, { method: "POST", body: JSON.stringify(body) });

  await get("/");
  await get("/assets/site.css");
  count("booking_visits_total", 1);
  if (Math.random() < 0.3) return;
  await think();
  await get(`/search?q=${pick(WORDS)}`);
  if (Math.random() < 0.4) return;
  await think();
  const clinic = 1 + Math.floor(Math.random() * 5);
  await get(`/availability?clinic=${clinic}&day=2026-06-01`);
  if (Math.random() < 0.5) return;
  await think();
  const login = await post("/api/auth/login", { email: "thandi@example.com", password: Math.random() < 0.1 ? "wrong" : "right" });
  if (login?.status !== 200) return;
  const booking = await post("/api/bookings", { clinic, slot: "2026-06-01T09:30+02:00" });
  if (booking?.status !== 201) return;
  count("bookings_completed_total", 1);
  await think();
  const paid = await post("/api/payments", { booking: booking.body.id, amount_cents: 65_000, card: Math.random() < 0.05 ? "declined" : "ok" });
  if (paid?.status === 201) count("revenue_cents_total", 65_000);
}

async function send(headers, path, init = {}) {
  try {
    const answer = await fetch(site + path, { ...init, headers, signal: AbortSignal.timeout(30_000), redirect: "manual" });
    const text = await answer.text();
    totals.requests += 1;
    totals.statuses[answer.status] = (totals.statuses[answer.status] ?? 0) + 1;
    const isJson = answer.headers.get("content-type")?.includes("json");
    return { status: answer.status, body: isJson ? JSON.parse(text) : text };
  } catch {
    totals.unreachable += 1;
    return null;
  }
}

function count(name, value) {
  pending.push({ name, value, kind: "counter", tags: {}, id: uuidV7(), at: Date.now() });
}

async function postMetrics() {
  if (pending.length === 0 || !token) return;
  const batch = pending.splice(0, 100);
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const answer = await send(headers, "/api/metrics", { method: "POST", body: JSON.stringify(batch) });
  // Unacknowledged is unsent: the ids make a second sending harmless.
  if (answer?.status !== 202) pending.unshift(...batch);
  // Nothing is kept for ever where nobody acknowledges.
  pending.splice(1_000);
}

function report() {
  const statuses = Object.entries(totals.statuses).map(([status, times]) => `${status}×${times}`);
  console.log(`${totals.visits} visits, ${totals.requests} requests (${statuses.join(" ")}), ${totals.unreachable} without an answer`);
}

async function finish() {
  clearInterval(reporting);
  clearInterval(posting);
  await postMetrics();
  report();
  process.exit(totals.requests === 0 ? 1 : 0);
}

function bounded(name, least, most) {
  const value = Number(values[name]);
  if (!(value >= least && value <= most)) {
    console.error(`--${name} ${values[name]}: a number from ${least.toPrecision(2)} to ${most} is needed`);
    process.exit(2);
  }
  return value;
}

function bootstrapToken() {
  try {
    return parseEnv(readFileSync(join(import.meta.dirname, "../.dev.vars"), "utf8")).BOOTSTRAP_TOKEN;
  } catch {
    console.log("No .dev.vars, so no token: business metrics are not sent. `make run` makes one.");
    return undefined;
  }
}

function uuidV7() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  new DataView(bytes.buffer).setBigUint64(0, (BigInt(Date.now()) << 16n) | 0x7000n | BigInt(bytes[6] & 15) << 8n | BigInt(bytes[7]));
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

function pick(list) {
  return list[Math.floor(Math.random() * list.length)];
}

function think() {
  return wait(500 + Math.random() * 3_000);
}

function wait(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
