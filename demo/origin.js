// Kliniek, a small South African appointment-booking site: the origin behind Parapet on a developer's machine, in the tests and in
// the benchmarks. Its pages and API behave like a real one (latency, failures, cookies, caching); what is under /demo and /ws exists
// to show that Parapet passes traffic through unchanged.
import { beginFailing, isFailing, takeTime } from "./mood.js";
import { bookingPage, homePage, notFoundPage, searchPage, slotsFor, STYLE } from "./pages.js";

/** The first that matches answers: [methods, path, mood, handler]. Moods are in mood.js. */
const ROUTES = [
  ["GET", /^\/$/, "page", ({ request }) => cached(request, homePage(), "text/html; charset=utf-8", "no-cache")],
  ["GET", /^\/search$/, "search", ({ url }) => html(searchPage(url.searchParams.get("q") ?? "", url.searchParams.get("city") ?? ""))],
  ["GET", /^\/availability$/, "search", ({ url }) => json(slotsFor(url.searchParams.get("clinic") ?? "1", url.searchParams.get("day") ?? ""))],
  ["GET", /^\/clinics\/(\d+)$/, "page", ({ params }) => html(bookingPage(Number(params[0])))],
  ["GET", /^\/book$/, "asset", () => new Response(null, { status: 302, headers: { location: "/search" } })],
  ["GET", /^\/assets\/site\.css$/, "asset", ({ request }) => cached(request, STYLE, "text/css", "public, max-age=3600")],
  ["POST", /^\/api\/auth\/login$/, "login", login],
  ["POST", /^\/api\/auth\/logout$/, "asset", () => new Response(null, { status: 204, headers: { "set-cookie": "session=; Path=/; Max-Age=0" } })],
  ["POST", /^\/api\/bookings$/, "booking", createBooking],
  ["GET", /^\/api\/bookings\/([^/]+)$/, "booking", ({ params }) => readBooking(params[0])],
  ["DELETE", /^\/api\/bookings\/(\d+)$/, "booking", () => new Response(null, { status: 204 })],
  ["POST", /^\/api\/payments$/, "payment", pay],
  ["*", /^\/demo\/echo(\/.*)?$/, "none", echo],
  ["GET", /^\/demo\/stream$/, "none", stream],
  ["GET", /^\/demo\/gzip$/, "none", gzipped],
  ["*", /^\/demo\/status\/(\d{3})$/, "none", ({ params, url }) => plainStatus(Number(params[0]), url.searchParams.get("text") ?? undefined)],
  ["*", /^\/demo\/fail$/, "none", ({ url }) => json(beginFailing(url.searchParams))],
  ["GET", /^\/ws$/, "none", webSocketEcho],
];

export default {
  async fetch(request, env) {
    if (request.headers.has("x-parapet-replay-status")) return replayed(request);
    const url = new URL(request.url);
    for (const [methods, path, mood, handler] of ROUTES) {
      const match = path.exec(url.pathname);
      if (!match || (methods !== "*" && methods !== (request.method === "HEAD" ? "GET" : request.method))) continue;
      const failure = mood !== "none" && (await takeTime(mood, env));
      if (failure) return json({ error: failure.text }, failure.status);
      return handler({ request, url, params: match.slice(1) });
    }
    if (isFailing()) return json({ error: "the demo was told to fail" }, 500);
    return html(notFoundPage(), 404);
  },
};

const html = (text, status = 200) => new Response(text, { status, headers: { "content-type": "text/html; charset=utf-8" } });
const json = (value, status = 200) => Response.json(value, { status, headers: { "cache-control": "no-store" } });

/** What a log says was answered then is answered now, so a replayed log keeps its statuses and sizes. */
function replayed(request) {
  const status = Number(request.headers.get("x-parapet-replay-status"));
  if (!Number.isInteger(status) || status < 200 || status > 599) return json({ error: "x-parapet-replay-status is not a status" }, 400);
  const headers = status >= 300 && status < 400 && status !== 304 ? { location: "/" } : {};
  if (request.method === "HEAD" || status === 204 || status === 205 || status === 304) return new Response(null, { status, headers });
  const bytes = Math.min(Math.max(0, Number(request.headers.get("x-parapet-replay-bytes")) || 0), 1_000_000);
  return new Response(new Uint8Array(bytes).fill(46), { status, headers });
}

/** 304 when the visitor has it already. */
async function cached(request, text, type, control) {
  const digest = await crypto.subtle.digest("SHA-1", new TextEncoder().encode(text));
  const etag = `"${[...new Uint8Array(digest).slice(0, 8)].map((byte) => byte.toString(16).padStart(2, "0")).join("")}"`;
  const headers = { etag, "cache-control": control, "content-type": type };
  return request.headers.get("if-none-match") === etag ? new Response(null, { status: 304, headers }) : new Response(text, { headers });
}

async function bodyJson(request) {
  try {
    return await request.json();
  } catch {
    return null;
  }
}

async function login({ request }) {
  const body = await bodyJson(request);
  if (typeof body?.email !== "string" || typeof body?.password !== "string") return json({ error: "email and password are needed" }, 400);
  if (body.password.startsWith("wrong")) return json({ error: "e-mail or password is not right" }, 401);
  const answer = json({ name: body.email.split("@")[0] });
  answer.headers.append("set-cookie", `session=${crypto.randomUUID()}; Path=/; HttpOnly; SameSite=Lax`);
  answer.headers.append("set-cookie", "csrf=1; Path=/; SameSite=Strict");
  return answer;
}

let lastBooking = 4710;

async function createBooking({ request }) {
  const body = await bodyJson(request);
  if (!Number.isInteger(body?.clinic) || typeof body?.slot !== "string") return json({ error: "clinic and slot are needed" }, 422);
  lastBooking += 1;
  return json({ id: lastBooking, clinic: body.clinic, slot: body.slot, state: "reserved", price_cents: 65_000 }, 201);
}

function readBooking(id) {
  if (!/^\d{1,6}$/.test(id)) return json({ error: "no such booking" }, 404);
  return json({ id: Number(id), clinic: (Number(id) % 5) + 1, slot: "2026-06-01T09:30+02:00", state: "reserved", price_cents: 65_000 });
}

async function pay({ request }) {
  const body = await bodyJson(request);
  if (!Number.isInteger(body?.booking) || !Number.isInteger(body?.amount_cents)) return json({ error: "booking and amount_cents are needed" }, 422);
  if (body.card === "declined") return json({ error: "the bank declined" }, 402);
  return json({ booking: body.booking, amount_cents: body.amount_cents, currency: "ZAR", state: "paid" }, 201);
}

/** Everything the origin received, for stories about what Parapet may not change. */
async function echo({ request, url }) {
  const digest = new crypto.DigestStream("SHA-256");
  let bytes = 0;
  const counter = new TransformStream({
    transform(chunk, controller) {
      bytes += chunk.byteLength;
      controller.enqueue(chunk);
    },
  });
  if (request.body) await request.body.pipeThrough(counter).pipeTo(digest);
  else await digest.getWriter().close();
  const sha256 = [...new Uint8Array(await digest.digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const target = request.url.slice(url.origin.length);
  return json({ method: request.method, target, host: url.host, headers: [...request.headers], body_bytes: bytes, body_sha256: sha256 });
}

/** `chunks` pieces, `ms` apart, without a Content-Length. */
function stream({ url }) {
  const chunks = Math.min(Number(url.searchParams.get("chunks") ?? 5), 10_000);
  const pause = Math.min(Number(url.searchParams.get("ms") ?? 50), 5_000);
  let sent = 0;
  const body = new ReadableStream({
    async pull(controller) {
      if (sent === chunks) return controller.close();
      if (sent > 0 && pause > 0) await scheduler.wait(pause);
      sent += 1;
      controller.enqueue(new TextEncoder().encode(`piece ${sent}\n`));
    },
  });
  return new Response(body, { headers: { "content-type": "text/plain" } });
}

/** Compressed here, so that Parapet must hand the very bytes on. */
async function gzipped() {
  const text = "Kliniek het vandag nog plek. ".repeat(200);
  const body = new Response(text).body.pipeThrough(new CompressionStream("gzip"));
  const headers = { "content-type": "text/plain", "content-encoding": "gzip" };
  return new Response(await new Response(body).arrayBuffer(), { headers, encodeBody: "manual" });
}

function plainStatus(status, statusText) {
  if (status < 200 || status > 599) return json({ error: "not a status" }, 400);
  const bodiless = status === 204 || status === 205 || status === 304;
  return new Response(bodiless ? null : `status ${status}\n`, { status, statusText });
}

function webSocketEcho({ request }) {
  if (request.headers.get("upgrade") !== "websocket") return json({ error: "a WebSocket upgrade is needed" }, 426);
  const [client, server] = Object.values(new WebSocketPair());
  server.accept();
  server.addEventListener("message", (event) => server.send(event.data));
  server.addEventListener("close", (event) => server.close(event.code));
  return new Response(null, { status: 101, webSocket: client });
}
