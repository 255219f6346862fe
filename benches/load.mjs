// The load generator, a process of its own: keep-alive connections on loopback, one request outstanding on each, for SECONDS or
// COUNT requests. Prints {requests, seconds, statuses, p50_ms, p99_ms}. Requests are bytes made beforehand, answers are only framed,
// so that it costs far less than what it measures.
import { connect } from "node:net";
import { parseArgs } from "node:util";

const options = parseArgs({
  options: {
    port: { type: "string" },
    connections: { type: "string", default: "16" },
    seconds: { type: "string" },
    count: { type: "string" },
    rate: { type: "string" },
    distinct: { type: "string", default: "1000" },
  },
}).values;
const connections = Number(options.connections);
const most = options.count ? Number(options.count) : Number.POSITIVE_INFINITY;
const pauseMs = options.rate ? (connections * 1_000) / Number(options.rate) : 0;
const requests = Array.from({ length: Number(options.distinct) }, (_, index) => request(index));

const statuses = {};
const latencies = [];
let sent = 0;
const started = performance.now();
const until = options.seconds ? started + Number(options.seconds) * 1_000 : Number.POSITIVE_INFINITY;
await Promise.all(Array.from({ length: connections }, drive));
const seconds = (performance.now() - started) / 1_000;
latencies.sort((a, b) => a - b);
const at = (share) => Number(latencies[Math.floor(latencies.length * share)]?.toFixed(2));
console.log(JSON.stringify({ requests: latencies.length, seconds, statuses, p50_ms: at(0.5), p99_ms: at(0.99) }));

/** The n-th visitor: a path, an address and a user agent of its own. */
function request(index) {
  const address = `105.${(index >> 16) & 255}.${(index >> 8) & 255}.${index & 255}`;
  const path = index < 1_000 ? `/clinics/${index % 5}?from=${index}` : `/page-${index}/${"abcdefgh"[index & 7]}`;
  const agent = `Mozilla/5.0 (Linux; Android 14; SM-A${index}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36`;
  const cf = JSON.stringify({ country: ["ZA", "NA", "BW", "GB"][index & 3], colo: "JNB", httpProtocol: "HTTP/2" });
  return Buffer.from(
    `GET ${path} HTTP/1.1\r\nHost: bench.example\r\nUser-Agent: ${agent}\r\nAccept: text/html,application/xhtml+xml\r\n` +
      `Accept-Language: en-ZA,en;q=0.9\r\nAccept-Encoding: identity\r\nCookie: session=0b7f6a0e; csrf=1\r\n` +
      `CF-Connecting-IP: ${address}\r\nMF-CF-Blob: ${cf}\r\n\r\n`,
  );
}

function drive() {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(options.port), "127.0.0.1");
    socket.setNoDelay(true);
    let pending = Buffer.alloc(0);
    let sentAt = 0;
    const next = () => {
      if (sent >= most || performance.now() >= until) return socket.end(resolve);
      sentAt = performance.now();
      socket.write(requests[sent % requests.length]);
      sent += 1;
    };
    socket.once("connect", next);
    socket.on("error", reject);
    socket.on("data", (data) => {
      pending = pending.length === 0 ? data : Buffer.concat([pending, data]);
      const end = endOfResponse(pending);
      if (end < 0) return;
      const status = pending.latin1Slice(9, 12);
      statuses[status] = (statuses[status] ?? 0) + 1;
      const took = performance.now() - sentAt;
      latencies.push(took);
      pending = pending.subarray(end);
      if (pauseMs > took) setTimeout(next, pauseMs - took);
      else next();
    });
  });
}

/** Where the first response ends; -1 when it is not all there. */
function endOfResponse(bytes) {
  const head = bytes.indexOf("\r\n\r\n");
  if (head < 0) return -1;
  const text = bytes.latin1Slice(0, head).toLowerCase();
  const length = /\r\ncontent-length: (\d+)/.exec(text);
  if (length) return bytes.length >= head + 4 + Number(length[1]) ? head + 4 + Number(length[1]) : -1;
  if (!text.includes("transfer-encoding: chunked")) return head + 4;
  const end = bytes.indexOf("\r\n0\r\n\r\n", head);
  return end < 0 ? -1 : end + 7;
}
