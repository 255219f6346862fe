// Imported before the Worker: remembers the memory of the WebAssembly instance that it makes, to be asked for its size.
const Instance = WebAssembly.Instance;
let memory;

WebAssembly.Instance = function (module, imports) {
  const instance = new Instance(module, imports);
  memory = instance.exports.memory;
  return instance;
};

export const wasmBytes = () => memory?.buffer.byteLength ?? 0;
