// The runtime's own objects, read and made in one go each: a request's facts, sending it on, a response with fields added.
//
// One crossing between WASM and JavaScript costs about a tenth of a microsecond, and more with its string; reading eight facts
// one by one would be eight. Both ways of a request use these functions: the direct one in entry.mjs and Rust's in fetch.rs,
// by glue.rs. They decide nothing.

/** Method, URL, request id, replay client, address, country, colo, user agent, one a line; header values hold no line feed. */
export function requestFacts(request) {
  const headers = request.headers;
  const cf = request.cf ?? {};
  return [
    request.method,
    request.url,
    headers.get("x-request-id") ?? "",
    headers.get("x-parapet-replay-client") ?? "",
    headers.get("cf-connecting-ip") ?? "",
    cf.country ?? "",
    cf.colo ?? "",
    headers.get("user-agent") ?? "",
  ].join("\n");
}

/** Sends the request with its id to the service binding ORIGIN, else to the site at ORIGIN_URL, else where it was going. */
export function forward(request, env, requestId) {
  const { ORIGIN: origin, ORIGIN_URL: base } = env;
  const outgoing = origin === undefined && base ? new Request(rebased(base, request.url), request) : new Request(request);
  outgoing.headers.set("x-request-id", requestId);
  outgoing.headers.delete("expect");
  return origin === undefined ? fetch(outgoing) : origin.fetch(outgoing);
}

/** The URL with scheme and host of `base`, and its path before it. */
const rebased = (base, url) => base.replace(/\/+$/, "") + url.slice(url.indexOf("/", url.indexOf("://") + 3));

/** Status, declared length, cache status, one a line. */
export function responseFacts(response) {
  const headers = response.headers;
  return `${response.status}\n${headers.get("content-length") ?? ""}\n${headers.get("cf-cache-status") ?? ""}`;
}

/** The same response with fields set: name, value, name, value. The body stays the runtime's own stream. */
export function withFields(response, fields) {
  if (response.status === 101) return response;
  const answer = new Response(response.body, response);
  for (let at = 0; at < fields.length; at += 2) answer.headers.set(fields[at], fields[at + 1]);
  return answer;
}

/** A response of Parapet's own. */
export function ownResponse(status, fields, body) {
  const headers = new Headers();
  for (let at = 0; at < fields.length; at += 2) headers.append(fields[at], fields[at + 1]);
  return new Response(body, { status, headers });
}

/** POSTs JSON text to the Durable Object `name` and gives its answer; any status but 200 is an error that quotes it. */
export async function askObject(namespace, name, path, text) {
  const object = namespace.get(namespace.idFromName(name));
  const answer = await object.fetch(`https://parapet.internal${path}`, { method: "POST", body: text });
  const said = await answer.text();
  if (answer.status !== 200) throw new Error(`${path} answered ${answer.status}: ${said}`);
  return said;
}

/**
 * One exchange with a server: status and header fields as JSON, then the head of the body. No redirect is followed. Null when there can be no
 * such request.
 */
export async function exchange(method, url, fields, body, timeoutMs, mostBytes) {
  let request;
  try {
    const headers = new Headers();
    for (let at = 0; at < fields.length; at += 2) headers.append(fields[at], fields[at + 1]);
    const signal = AbortSignal.timeout(timeoutMs);
    request = new Request(url, { method, headers, body: body.length > 0 ? body : undefined, redirect: "manual", signal });
  } catch {
    return null;
  }
  const response = await fetch(request);
  const head = new Uint8Array(mostBytes);
  let length = 0;
  for await (const chunk of response.body ?? []) {
    const part = chunk.subarray(0, mostBytes - length);
    head.set(part, length);
    length += part.length;
    if (length === mostBytes) break;
  }
  return [JSON.stringify({ status: response.status, headers: [...response.headers].flat() }), head.subarray(0, length)];
}

/** A JSON list of `[sql, parameter, …]` as one batch of D1, and its answer as JSON. */
export async function d1Batch(database, statements) {
  const bound = JSON.parse(statements).map(([sql, ...parameters]) => database.prepare(sql).bind(...parameters));
  const results = await database.batch(bound);
  return JSON.stringify(
    results.map(({ results: rows, meta }) => ({
      rows: rows ?? [],
      changes: meta?.changes ?? 0,
      rows_read: meta?.rows_read ?? 0,
      rows_written: meta?.rows_written ?? 0,
    })),
  );
}
