// What teams assemble today: Hono, Sentry around it, a rate limit before it. The limit's store is the cheapest there is (memory) and
// its limit is out of reach; TRACES is Sentry's sample rate, of which 1 measures every request, as Parapet does.
import { withSentry } from "@sentry/cloudflare";
import { Hono } from "hono";
import { rateLimiter } from "hono-rate-limiter";

const app = new Hono();
let limit;
app.use((context, next) => {
  // Made on the first request, because its store starts a timer.
  limit ??= rateLimiter({ windowMs: 60_000, limit: 1_000_000_000, keyGenerator: (it) => it.req.header("cf-connecting-ip") ?? "" });
  return limit(context, next);
});
app.all("*", (context) => context.env.ORIGIN.fetch(context.req.raw));

export default withSentry((env) => ({ dsn: env.SENTRY_DSN, tracesSampleRate: Number(env.TRACES) }), app);
