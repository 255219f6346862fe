// Takes the names of functions out of a WebAssembly file: a tenth of what a cold start downloads, and nobody reads them there.
// worker-build keeps them whatever it is told. A module is a header of 8 bytes and sections: an id, a length, the content.
import { readFileSync, writeFileSync } from "node:fs";

const [path] = process.argv.slice(2);
const bytes = readFileSync(path);
const kept = [bytes.subarray(0, 8)];
for (let at = 8; at < bytes.length; ) {
  const [length, content] = leb128(at + 1);
  const end = content + length;
  const custom = bytes[at] === 0;
  const [nameLength, nameAt] = custom ? leb128(content) : [0, 0];
  if (!custom || bytes.toString("utf8", nameAt, nameAt + nameLength) !== "name") kept.push(bytes.subarray(at, end));
  at = end;
}
writeFileSync(path, Buffer.concat(kept));

/** The number at that place, and the place after it. */
function leb128(at) {
  let [value, shift] = [0, 0];
  for (;;) {
    const byte = bytes[at];
    at += 1;
    value += (byte & 0x7f) * 2 ** shift;
    shift += 7;
    if (byte < 0x80) return [value, at];
  }
}
