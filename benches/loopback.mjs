// Loopback servers in a process of their own: an origin that answers a page at once, and a sink for Sentry envelopes.
import { createServer } from "node:http";

const PAGE = `<!doctype html><title>Kliniek</title>${"<p>Book an appointment today.</p>".repeat(30)}`;

const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
  if (request.method === "POST") {
    request.resume();
    request.on("end", () => response.end("{}"));
  } else {
    response.setHeader("Content-Type", "text/html; charset=utf-8");
    response.end(PAGE);
  }
});
server.listen(0, "127.0.0.1", () => process.send(server.address().port));
process.on("disconnect", () => process.exit());
