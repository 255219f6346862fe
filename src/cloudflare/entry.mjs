// The main module: what the runtime calls first, and who flushes.
//
// Most requests are the site's own and no limit guards them: they wait for nothing but their origin. Those go the direct way,
// below. Rust says yes before (`admit`); the promise between stays the runtime's, because one that crosses into WASM and back
// costs a quarter of the requests a second; and a note of what was seen goes to Rust with a second's others (`flush`), because
// code that runs many times in a row runs a few times faster (`make bench`). Every other request, and one `admit` fails at,
// goes the whole way: `fetch` in fetch.rs. A failure to take note costs samples, never an answer.
//
// Invariant: after every request there is an owner of the next flush, and one owner at a time: the first request after a flush
// sends everything a second later, in its own `waitUntil`. An isolate sends one flush a second at any traffic.
import Parapet, { Collector, Engine, Limiter } from "../../build/index.js";
import { forward, requestFacts, responseFacts, withFields } from "./glue.mjs";

export { Collector, Engine, Limiter };
const { admit, answerFailure, flush, observe } = Parapet.prototype;

const FLUSH_AFTER_MS = 900;
/** Notes that wait here; at 400 bytes each, 25 KB. More go to Rust's buffer, which is bounded by what is counted apart. */
const MOST_NOTES = 64;
let notes = [];
let owned = false;

export default {
  fetch(request, env, context) {
    const arrivedMs = Date.now();
    const { method, url, headers } = request;
    const replay = headers.get("x-parapet-replay-client") ?? "";
    const id = attempt(() => admit(`${method}\n${url}\n${headers.get("x-request-id") ?? ""}\n${replay}`));
    if (id === undefined) return new Parapet(context, env).fetch(request).finally(() => own(env, context));
    return sent(request, env, id).then(
      (response) => {
        take(note(request, id, arrivedMs, responseFacts(response)), response.status, env, context);
        return withFields(response, ["x-request-id", id]);
      },
      (error) => {
        own(env, context);
        return answerFailure(note(request, id, arrivedMs, "\n\n"), String(error?.message ?? error), env, context);
      },
    );
  },
  scheduled(controller, env, context) {
    return new Parapet(context, env).scheduled(controller);
  },
};

/** `forward`, whose refusal of a request (a URL no fetch takes) is a rejection like any other. */
function sent(request, env, id) {
  try {
    return forward(request, env, id);
  } catch (error) {
    return Promise.reject(error);
  }
}

/** When, how long, the response's three, id, method, URL, country, colo, user agent, one a line. */
function note(request, id, arrivedMs, response) {
  const now = Date.now();
  const cf = request.cf;
  const seen = `${now}\n${now - arrivedMs}\n${response}\n${id}\n${request.method}\n${request.url}`;
  return `${seen}\n${cf?.country ?? ""}\n${cf?.colo ?? ""}\n${request.headers.get("user-agent") ?? ""}`;
}

/** Keeps a note for the next flush. An origin's error is told at once, while there is a context to report it in. */
function take(text, status, env, context) {
  own(env, context);
  if (status >= 500) return attempt(() => observe(text, env, context));
  if (notes.push(text) >= MOST_NOTES) attempt(() => observe(taken(), env, context));
}

function taken() {
  const text = notes.join("\n");
  notes = [];
  return text;
}

function own(env, context) {
  if (owned) return;
  owned = true;
  attempt(() => context.waitUntil(flushSoon(env)));
}

async function flushSoon(env) {
  await scheduler.wait(FLUSH_AFTER_MS);
  owned = false;
  await attempt(() => flush(taken(), env));
}

/** The call's value, or undefined if it throws. A panic is told to the runtime: worker-build listens, and starts the instance anew. */
function attempt(call) {
  try {
    return call();
  } catch (error) {
    reportError(error);
    return undefined;
  }
}
