// Prometheus as a peer: it scrapes samples with their own timestamps into its memory, then evaluates rules every second.
import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { cpuSeconds, freePort } from "./variants.mjs";

const IDLE_SECONDS = 5;

/**
 * What one evaluation of `rules` (PromQL expressions) costs over `minutes`, each the text of one scrape.
 * The process' CPU while it evaluates, less its CPU while it does not, by the evaluations it counts itself.
 */
export async function measurePrometheus(folder, minutes, rules, evaluations) {
  mkdirSync(folder, { recursive: true });
  const [port, waiting] = [await freePort(), [...minutes]];
  const exporter = createServer((_, response) => response.end(waiting.shift() ?? "")).listen(0, "127.0.0.1");
  const target = `127.0.0.1:${await new Promise((resolve) => exporter.on("listening", () => resolve(exporter.address().port)))}`;
  const configure = (config) => writeFileSync(join(folder, "prometheus.yml"), JSON.stringify({ global: { evaluation_interval: "1s" }, ...config }));
  configure({ scrape_configs: [{ job_name: "bench", scrape_interval: "1s", static_configs: [{ targets: [target] }] }] });
  const expressions = rules.map((expr, n) => ({ alert: `rule_${n}`, expr }));
  writeFileSync(join(folder, "rules.yml"), JSON.stringify({ groups: [{ name: "bench", rules: expressions }] }));
  const flags = ["--config.file=prometheus.yml", "--storage.tsdb.path=data", "--web.enable-lifecycle", "--log.level=error"];
  const prometheus = spawn("prometheus", [...flags, `--web.listen-address=127.0.0.1:${port}`], { cwd: folder, stdio: ["ignore", "ignore", "inherit"] });
  const failed = new Promise((_, reject) => prometheus.once("error", reject));
  try {
    const url = `http://127.0.0.1:${port}`;
    const gauge = async (name) => {
      const line = (await (await fetch(`${url}/metrics`)).text()).split("\n").find((line) => line.startsWith(name) && line[name.length] !== "#");
      return Number(line?.split(" ").at(-1) ?? 0);
    };
    const reload = async (config) => {
      configure(config);
      const answer = await fetch(`${url}/-/reload`, { method: "POST" });
      if (!answer.ok) throw new Error(`prometheus does not take its configuration: ${await answer.text()}`);
    };
    await Promise.race([failed, until("Prometheus", async () => (await fetch(`${url}/-/ready`).catch(() => ({ ok: false }))).ok)]);
    await until("Prometheus to scrape everything", () => waiting.length === 0);
    await wait(2_000);
    await reload({});
    const idle = await cpuOver(prometheus.pid, IDLE_SECONDS);
    const series = await gauge("prometheus_tsdb_head_series");
    await reload({ rule_files: ["rules.yml"] });
    const done = () => gauge("prometheus_rule_group_iterations_total{");
    await until("its first evaluations", async () => (await done()) >= 2);
    const [before, cpuBefore, began] = [await done(), cpuSeconds(prometheus.pid), performance.now()];
    await until("its evaluations", async () => (await done()) >= before + evaluations);
    const count = (await done()) - before;
    const cpu = cpuSeconds(prometheus.pid) - cpuBefore - (idle * (performance.now() - began)) / 1_000;
    const { data } = await (await fetch(`${url}/api/v1/alerts`)).json();
    return {
      cpu_ms: (cpu * 1_000) / count,
      wall_ms: (await gauge("prometheus_rule_group_last_duration_seconds{")) * 1_000,
      firing: data.alerts.filter((alert) => alert.state === "firing").length,
      series,
    };
  } finally {
    prometheus.kill();
    exporter.close();
  }
}

/** CPU seconds a second of the process over that long. */
export async function cpuOver(pid, seconds) {
  const before = cpuSeconds(pid);
  await wait(seconds * 1_000);
  return (cpuSeconds(pid) - before) / seconds;
}

async function until(what, holds) {
  for (let attempt = 0; attempt < 1_200; attempt += 1) {
    if (await holds()) return;
    await wait(100);
  }
  throw new Error(`waited two minutes for ${what}`);
}
