// How the demo site feels: log-normal latencies and small failure rates per kind of route, and bursts of failures on request.
// LATENCY_SCALE and FAILURE_SCALE (variables, 1 when absent) turn both down; the tests and the benchmarks set 0.

/** Median and spread (sigma of the logarithm) as seen on a booking site with a database behind it; failures per request. */
const MOODS = {
  asset: { median_ms: 3, sigma: 0.4, failure: 0 },
  page: { median_ms: 35, sigma: 0.5, failure: 0.001 },
  search: { median_ms: 90, sigma: 0.7, failure: 0.004 },
  login: { median_ms: 140, sigma: 0.4, failure: 0.003 },
  booking: { median_ms: 120, sigma: 0.6, failure: 0.008 },
  payment: { median_ms: 420, sigma: 0.5, failure: 0.015 },
};
const LONGEST_MS = 8_000;

let burst = { rate: 0, until: 0 };

/** `/demo/fail?rate=0.5&seconds=60` (at most ten minutes; `seconds=0` ends it). */
export function beginFailing(query) {
  const rate = Math.min(Math.max(Number(query.get("rate") ?? 0.5), 0), 1) || 0;
  const seconds = Math.min(Math.max(Number(query.get("seconds") ?? 60), 0), 600) || 0;
  burst = { rate, until: Date.now() + seconds * 1_000 };
  return { failing: { rate, seconds } };
}

/** Whether the running burst strikes this request. */
export const isFailing = () => Date.now() < burst.until && Math.random() < burst.rate;

/** Waits as long as such a route takes; the failure to answer with, if it fails. */
export async function takeTime(mood, env) {
  const { median_ms, sigma, failure } = MOODS[mood];
  const latency = median_ms * Math.exp(sigma * gaussian()) * Number(env.LATENCY_SCALE ?? 1);
  if (latency > 0) await scheduler.wait(Math.min(latency, LONGEST_MS));
  if (isFailing()) return { status: 500, text: "the demo was told to fail" };
  if (Math.random() < failure * Number(env.FAILURE_SCALE ?? 1)) return { status: 503, text: "the database is busy" };
  return null;
}

function gaussian() {
  return Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
}
