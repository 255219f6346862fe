// Makes a WebAssembly file smaller to download, without changing what it does: puts functions that look alike side by side, where
// gzip's window of 32 KB sees both (about 3.5 % of our Worker), and drops their names (a tenth), which worker-build keeps whatever it
// is told. Binaryen moves the functions, since it knows every place that holds an index; it sorts by name, so they are named
// by their place first. A module is a header of 8 bytes and sections: an id, a length, the content.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";

const SHINGLE_BYTES = 6; // an instruction or two
const SHINGLES = 256; // the smallest hashes of a function stand for it; 64 give 3 % instead of 3.5 %
const CROWD = 200; // what more functions share says nothing about any of them

const [path, optimiser] = process.argv.slice(2);
const named = nameByPlace(withoutNames(readFileSync(path)));
writeFileSync(path, named);
execFileSync(optimiser, ["--all-features", "--reorder-functions-by-name", path, "-o", path]);
writeFileSync(path, withoutNames(readFileSync(path)));

function* sections(bytes) {
  for (let at = 8; at < bytes.length; ) {
    const [length, content] = leb128(bytes, at + 1);
    yield { id: bytes[at], at, content, end: content + length };
    at = content + length;
  }
}

function withoutNames(bytes) {
  const kept = [bytes.subarray(0, 8)];
  for (const { id, at, content, end } of sections(bytes)) {
    const [length, start] = id === 0 ? leb128(bytes, content) : [0, 0];
    if (id !== 0 || bytes.toString("utf8", start, start + length) !== "name") kept.push(bytes.subarray(at, end));
  }
  return Buffer.concat(kept);
}

/** The module with a name section in which names sort as functions should stand. */
function nameByPlace(bytes) {
  const [imported, bodies] = functions(bytes);
  const names = Array.from({ length: imported }, (_, index) => [index, `a${digits(index)}`]);
  alike(bodies).forEach((index, place) => names.push([imported + index, `f${digits(place)}`]));
  names.sort(([a], [b]) => a - b);
  const entries = Buffer.concat(names.map(([index, name]) => Buffer.concat([encoded(index), text(name)])));
  const map = Buffer.concat([encoded(names.length), entries]);
  const content = Buffer.concat([text("name"), Buffer.from([1]), encoded(map.length), map]);
  return Buffer.concat([bytes, Buffer.from([0]), encoded(content.length), content]);
}

/** How many functions are imported, and the bodies of the others. */
function functions(bytes) {
  let imported = 0;
  const bodies = [];
  for (const { id, content } of sections(bytes)) {
    if (id === 2) imported = importedFunctions(bytes, content);
    if (id !== 10) continue;
    let [count, at] = leb128(bytes, content);
    for (; count > 0; count -= 1) {
      const [length, start] = leb128(bytes, at);
      at = start + length;
      bodies.push(bytes.subarray(start, at));
    }
  }
  return [imported, bodies];
}

function importedFunctions(bytes, content) {
  let [count, at] = leb128(bytes, content);
  let found = 0;
  for (; count > 0; count -= 1) {
    for (let text = 0; text < 2; text += 1) {
      const [length, start] = leb128(bytes, at);
      at = start + length;
    }
    const kind = bytes[at];
    // A function is its type's index, a tag that after one byte; nothing else is imported by what wasm-bindgen makes.
    if (kind !== 0 && kind !== 4) throw new Error(`${path}: an import of kind ${kind}, which this script does not know`);
    [, at] = leb128(bytes, at + (kind === 4 ? 2 : 1));
    if (kind === 0) found += 1;
  }
  return found;
}

/** The indices of `bodies`, each followed by the one most like it that is still left; at a tie by the nearest. */
function alike(bodies) {
  const shingles = bodies.map(shinglesOf);
  const having = new Map();
  shingles.forEach((hashes, index) => hashes.forEach((hash) => (having.get(hash) ?? having.set(hash, []).get(hash)).push(index)));
  const left = new Set(bodies.keys());
  const order = [];
  for (let current = 0; current !== undefined; ) {
    left.delete(current);
    order.push(current);
    const shared = new Map();
    for (const hash of shingles[current]) {
      for (const other of having.get(hash).slice(0, CROWD)) if (left.has(other)) shared.set(other, (shared.get(other) ?? 0) + 1);
    }
    const here = current;
    let best = left.values().next().value;
    let most = 0;
    for (const [other, count] of shared) {
      if (count > most || (count === most && Math.abs(other - here) < Math.abs(best - here))) [best, most] = [other, count];
    }
    current = best;
  }
  return order;
}

function shinglesOf(body) {
  const hashes = new Set();
  for (let at = 0; at + SHINGLE_BYTES <= body.length; at += 1) {
    let hash = 0x811c9dc5;
    for (let offset = 0; offset < SHINGLE_BYTES; offset += 1) hash = Math.imul(hash ^ body[at + offset], 0x01000193) >>> 0;
    hashes.add(hash);
  }
  return [...hashes].sort((a, b) => a - b).slice(0, SHINGLES);
}

/** The number at that place, and the place after it. */
function leb128(bytes, at) {
  let [value, shift] = [0, 0];
  for (;;) {
    const byte = bytes[at];
    at += 1;
    value += (byte & 0x7f) * 2 ** shift;
    shift += 7;
    if (byte < 0x80) return [value, at];
  }
}

function encoded(number) {
  const bytes = [];
  for (; number >= 0x80; number >>>= 7) bytes.push((number & 0x7f) | 0x80);
  return Buffer.from([...bytes, number]);
}

function text(string) {
  return Buffer.concat([encoded(Buffer.byteLength(string)), Buffer.from(string)]);
}

function digits(number) {
  return String(number).padStart(6, "0");
}
