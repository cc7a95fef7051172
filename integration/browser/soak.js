// Figures of the console with a million tasks (TASKS): pages, what they ask of Redis, one viewer and 200, the time from an event to the
// screen, the metrics, and the size of the program. It asserts what holds on any machine, and prints the rest.
import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import { execFile } from "node:child_process";
import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { close, launch, open } from "./browser.js";
import { monitored, used } from "./monitor.js";
import { dir, end, freePort, push, redisPort, start, startConsole, startRedis, stop, until } from "./servers.js";
import { watched } from "./viewers.js";

const tasks = Number(process.env.TASKS || 1000000), small = 100000; // a search compares 5,000 tasks at most, in both pools
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const percentile = (all, p) => all.toSorted((a, b) => a - b)[Math.min(all.length - 1, Math.ceil(all.length * p) - 1)];
const ms = (n) => `${n.toFixed(n < 10 ? 1 : 0)} ms`;
let url, viewers, metrics, replicas;

before(async () => {
  await startRedis();
  replicas = start("million", process.env.MILLION_PROGRAM, ["-redis", `127.0.0.1:${redisPort}`, `small=${small}`, `default=${tasks}`]);
  await until("the pools are filled", async () => {
    assert.equal(replicas.exitCode, null, "million has ended, see its log");
    return (await readFile(join(dir, "million.log"), "utf8")).includes("filled");
  }, 1200);
  const port = await freePort(), other = await freePort();
  await startConsole("console", port, "--open", "--pools", "default,small");
  url = `http://127.0.0.1:${port}`;
  metrics = `127.0.0.1:${await freePort()}`;
  // Of this console each viewer is another user.
  await writeFile(join(dir, "viewers.yaml"), `pools: [default]\nmetrics: ${metrics}\nproxy: {from: [127.0.0.1/32], user_header: X-User, grants: {everyone: {"*": viewer}}}\n`);
  viewers = { url: `http://127.0.0.1:${other}`, child: await startConsole("viewers", other, "-c", "viewers.yaml") };
  await launch();
});
after(async () => { await close(); await end(); });

const pages = [
  // name, path, the most calls of a page whose pool was not read within the last second, and bytes
  ["overview", "", 120, 60000],
  ["list of waiting tasks", "tasks?state=waiting", 120, 100000],
  ["list of failed tasks", "tasks?state=failed", 120, 100000],
  ["list of running tasks", "tasks?state=running", 120, 100000],
  ["search by kind and queue", "tasks?q=state:waiting+kind:video.cut+queue:q1", 120, 100000],
  ["search by kind", "tasks?q=state:failed+kind:video.cut", 120, 100000],
  ["search without a match", "tasks?q=state:waiting+label:gpu", 120, 100000],
  ["search in errors", "tasks?q=state:failed+error:nobody", 250, 100000],
  ["search in payloads", "tasks?q=state:waiting+payload:nobody", 600, 100000],
  ["task", "task?id=t5", 120, 60000],
  ["queues", "queues", 120, 60000],
];

test("pages cost the same with a million tasks", async (t) => {
  for (const [name, path, mostCalls, mostBytes] of pages) {
    const at = (pool) => `${url}/p/${pool}/${path}`;
    let bytes = 0;
    const page = async (pool) => {
      const began = performance.now(), answer = await fetch(at(pool)), text = await answer.text();
      assert.equal(answer.status, 200, `${name}: ${text}`);
      bytes = Buffer.byteLength(text);
      return performance.now() - began;
    };
    const first = [], next = [];
    await page("default");
    const from = await used();
    for (let i = 0; i < 6; i++) {
      await sleep(1100); // the picture of the pool is used for a second
      first.push(await page("default"));
      for (let k = 0; k < 4; k++) next.push(await page("default"));
    }
    const to = await used();
    const asked = {};
    for (const pool of ["small", "default"]) {
      await sleep(1100);
      asked[pool] = await monitored(() => page(pool));
    }
    const { calls, commands, wrong, names } = asked.default;
    t.diagnostic(`${name}: first ${ms(percentile(first, 0.5))}, longest ${ms(Math.max(...first))}; within a second ${ms(percentile(next, 0.5))}; ${(bytes / 1000).toFixed(0)} kB; ` +
      `Redis: ${calls} calls (${asked.small.calls} with ${small} tasks), ${commands} commands with those of scripts; 30 pages took ${ms((to.cpu - from.cpu))} of its processor and ${((to.bytes - from.bytes) / 1000).toFixed(0)} kB`);
    if (process.env.NAMES) t.diagnostic(JSON.stringify(names));
    assert.deepEqual(wrong, [], name);
    assert.ok(calls <= mostCalls, `${name}: ${calls} calls`);
    // A search in texts makes up to ten reads, as many as begin within 150 ms.
    if (!/error:|payload:/.test(path)) assert.ok(calls <= asked.small.calls + 5, `${name}: ${calls} calls, ${asked.small.calls} in a small pool`);
    assert.ok(bytes <= mostBytes, `${name}: ${bytes} bytes`);
  }
});

test("pages in the browser", async (t) => {
  for (const [name, path] of [["overview", ""], ["list", "tasks?state=waiting"], ["search", "tasks?q=state:failed+kind:video.cut"], ["task", "task?id=t5"]]) {
    const page = await open(url), of = [];
    page.on("requestfinished", (request) => of.push(request));
    const measure = async () => {
      of.length = 0;
      await page.goto(`/p/default/${path}`);
      await sleep(500); // for what the scripts ask
      const took = await page.evaluate(() => performance.getEntriesByType("navigation")[0].domContentLoadedEventEnd);
      const sizes = await Promise.all(of.map((request) => request.sizes()));
      return { requests: of.length, took, bytes: sizes.reduce((n, s) => n + s.responseBodySize + s.responseHeadersSize, 0) };
    };
    const cold = await measure(), warm = await measure();
    t.diagnostic(`${name}: ${cold.requests} requests, ${(cold.bytes / 1000).toFixed(0)} kB, ready after ${ms(cold.took)}; again ${warm.requests} requests, ${(warm.bytes / 1000).toFixed(0)} kB, ${ms(warm.took)}`);
    assert.ok(cold.requests <= 12 && warm.requests <= 12, `${name}: ${cold.requests} and ${warm.requests} requests`);
    assert.deepEqual(page.wrong, []);
    await page.context().close();
  }
});

test("an event is on the screen", async (t) => {
  for (const [name, path] of [["list of a queue", (queue) => `tasks?q=state:waiting+queue:${queue}`], ["events", () => "events"]]) {
    const page = await open(url), took = [];
    for (let i = 0; i < 120; i++) {
      const queue = `live-${Math.floor(i / 40)}`; // a page has 50 tasks
      if (i % 40 === 0) {
        await page.goto(`/p/default/${path(queue)}`);
        await page.evaluate(() => {
          window.seen = {};
          new MutationObserver(() => { for (const a of document.querySelectorAll("#main td a")) window.seen[a.textContent] ??= Date.now(); }).observe(document.getElementById("main"), { childList: true, subtree: true });
        });
        await sleep(1000); // the stream opens after the page has loaded
      }
      const id = `${name[0]}-live-${i}`, began = Date.now();
      await push({ id, kind: "live.event", queue });
      took.push(await (await page.waitForFunction((x) => window.seen[x], id, { polling: "raf" })).jsonValue() - began);
      await sleep(i * 37 % 300); // pushes that keep no time with the page
    }
    t.diagnostic(`${name}: from RPUSH to the screen, ${took.length} tasks: p50 ${percentile(took, 0.5)} ms, p99 ${percentile(took, 0.99)} ms, longest ${Math.max(...took)} ms`);
    assert.deepEqual(page.wrong, []);
    await page.context().close();
  }
});

test("200 viewers read Redis like one", async (t) => {
  for (const [name, path] of [["overview", ""], ["list", "tasks?q=state:waiting+queue:q1"], ["task", "task?id=t5"]]) {
    const one = await watched(viewers, path, 1), many = await watched(viewers, path, 200);
    const line = (n, v) => `${n}: ${v.calls.toFixed(1)} calls of Redis a second, ${v.pages.toFixed(1)} pages a second, page p50 ${ms(v.p50)}, p99 ${ms(v.p99)}, console ${v.cpu.toFixed(0)} % of a processor and ${v.memory} MB`;
    t.diagnostic(`${name}: ${line("one viewer", one)}; ${line("200 viewers", many)}`);
    if (process.env.NAMES) t.diagnostic(JSON.stringify([one.names, many.names]));
    assert.equal(many.streams, 200);
    assert.ok(many.pages > 10 * one.pages, `${name}: ${many.pages} pages a second of 200 viewers, ${one.pages} of one`);
    assert.ok(many.calls < 2 * one.calls + 10, `${name}: ${many.calls} calls a second with 200 viewers, ${one.calls} with one`);
  }
});

test("metrics", async (t) => {
  const took = [];
  let bytes = 0;
  for (let i = 0; i < 5; i++) {
    await sleep(2100); // scrapes within two seconds share one reading
    const began = performance.now(), text = await (await fetch(`http://${metrics}/metrics`)).text();
    took.push(performance.now() - began);
    bytes = text.length;
  }
  t.diagnostic(`/metrics of the console: median ${ms(percentile(took, 0.5))}, longest ${ms(Math.max(...took))}, ${(bytes / 1000).toFixed(0)} kB`);
});

test("the console in a Go program", async (t) => {
  const build = async (name, imports, body) => {
    const file = join(dir, name + ".go"), out = join(dir, name);
    await writeFile(file, `package main\n\nimport (\n${imports.map((i) => `\t"github.com/ltsworker/ltsworker/${i}"\n`).join("")}\n\t"github.com/redis/go-redis/v9"\n\t"net/http"\n)\n\n` +
      `func main() {\n\tstore := redisstore.New(redis.NewClient(&redis.Options{}), "default")\n\tp, err := pool.New(store, pool.Config{})\n\tif err != nil {\n\t\tpanic(err)\n\t}\n${body}\tpanic(http.ListenAndServe("127.0.0.1:0", nil))\n}\n`);
    await promisify(execFile)("go", ["build", "-trimpath", "-ldflags", "-s -w", "-o", out, file], { cwd: join(import.meta.dirname, "../..") });
    return (await stat(out)).size;
  };
  const without = await build("without", ["pool", "redisstore"], "\t_ = p\n");
  const withConsole = await build("mounted", ["console", "console/access", "pool", "redisstore"],
    "\t_ = p\n\tgate, _ := access.New(access.Options{Path: \"/\", Open: true})\n\tpages, _ := console.New(console.Options{Stores: []*redisstore.Store{store}, Gate: gate})\n\thttp.Handle(\"/\", pages)\n");
  t.diagnostic(`a Go program: ${(without / 1e6).toFixed(1)} MB without the console, ${(withConsole / 1e6).toFixed(1)} MB with it`);
});
