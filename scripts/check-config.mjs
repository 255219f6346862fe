// What no tool checks about the configuration files: environments repeat every binding, versions are exact, names agree,
// nothing of one machine is in a lock file.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { CONFIG, ROOT } from "./local.mjs";

const mistakes = [];
const expect = (holds, mistake) => holds || mistakes.push(mistake);
const read = (path) => readFileSync(join(ROOT, path), "utf8");

/** What wrangler does not inherit, by kind: the names bound. */
function bindings(section) {
  return {
    vars: Object.keys(section.vars ?? {}),
    d1_databases: (section.d1_databases ?? []).map(({ binding, migrations_dir: folder }) => `${binding} from ${folder}`),
    durable_objects: (section.durable_objects?.bindings ?? []).map(({ name, class_name: className }) => `${name} to ${className}`),
    services: (section.services ?? []).map(({ binding }) => binding),
    version_metadata: section.version_metadata ? [section.version_metadata.binding] : [],
  };
}
const production = bindings(CONFIG);
for (const [name, section] of Object.entries(CONFIG.env ?? {})) {
  for (const [kind, names] of Object.entries(bindings(section))) {
    const [here, there] = [names.toSorted().join(", "), production[kind].toSorted().join(", ")];
    expect(here === there, `wrangler.toml: env.${name} binds ${kind} [${here}], the top level [${there}]`);
  }
  expect(section.vars?.ENVIRONMENT === name, `wrangler.toml: env.${name} has ENVIRONMENT = ${section.vars?.ENVIRONMENT}`);
}
expect(CONFIG.compatibility_date <= "2026-08-03", "wrangler.toml: from 2026-08-04 on, worker::Delay breaks");
const classes = CONFIG.migrations.flatMap((migration) => migration.new_sqlite_classes ?? []);
for (const { class_name: className } of CONFIG.durable_objects.bindings) {
  expect(classes.includes(className), `wrangler.toml: no migration makes the class ${className}`);
}

const manifest = JSON.parse(read("package.json"));
expect(manifest.name === CONFIG.name, `package.json is named ${manifest.name}, wrangler.toml ${CONFIG.name}`);
for (const folder of [".", "benches"]) {
  const { dependencies, devDependencies } = JSON.parse(read(join(folder, "package.json")));
  for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies })) {
    expect(/^\d+\.\d+\.\d+[^ ]*$/.test(version), `${folder}/package.json: ${name} is "${version}", an exact version is wanted`);
  }
  for (const [, host] of read(join(folder, "package-lock.json")).matchAll(/"resolved": "https?:\/\/([^/"]+)/g)) {
    expect(host === "registry.npmjs.org", `${folder}/package-lock.json names the registry host ${host}`);
  }
}
for (const [, source] of read("Cargo.lock").matchAll(/^source = "(.*)"$/gm)) {
  expect(source === "registry+https://github.com/rust-lang/crates.io-index", `Cargo.lock names the source ${source}`);
}
const [channel] = read("rust-toolchain.toml").match(/(?<=^channel = ")[^"]+/m);
const [rustVersion] = read("Cargo.toml").match(/(?<=^rust-version = ")[^"]+/m);
expect(channel.startsWith(rustVersion), `rust-toolchain.toml pins ${channel}, Cargo.toml says ${rustVersion}`);

for (const mistake of mistakes) console.log(mistake);
process.exit(mistakes.length > 0 ? 1 : 0);
