// Figures of a pool with a million tasks (TASKS): the pages of lists and searches, and the calls to Redis of one viewer and of 200.
// It asserts what must hold on any machine and prints the rest.
import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { dir, end, freePort, lts, redis, startConsole, startRedis } from "./servers.js";

const tasks = Number(process.env.TASKS || 1000000);
let url;

before(async () => {
  await startRedis();
  for (let done = 0; done < tasks; done += 20000) {
    const lines = Array.from({ length: Math.min(20000, tasks - done) }, (_, i) => JSON.stringify({
      id: `t${done + i}`, kind: ["mail.send", "video.cut", "report.make"][i % 3], queue: `q${i % 10}`, delay_ms: i % 4 === 0 ? 86400000 + i : 0,
      payload: { customer: done + i, text: "x".repeat(100) },
    }));
    await writeFile(join(dir, "batch.ndjson"), lines.join("\n"));
    await lts(["enqueue", "--batch", join(dir, "batch.ndjson"), "--json"]);
  }
  const port = await freePort();
  await startConsole("console", port, "--open");
  url = `http://127.0.0.1:${port}/p/default/`;
});
after(end);

/** The calls of Redis by command, and their time in µs. */
async function stats() {
  const all = {};
  for (const line of (await redis("INFO", "commandstats")).split("\r\n")) {
    const m = line.match(/^cmdstat_([^:]+):calls=(\d+),usec=(\d+)/);
    if (m) all[m[1]] = { calls: +m[2], usec: +m[3] };
  }
  return all;
}
const sum = (s, of) => Object.entries(s).reduce((n, [name, x]) => n + (name === "info" ? 0 : x[of]), 0);

test("the pages of a large pool", async (t) => {
  for (const [name, path] of [["overview", ""], ["list", "tasks?state=waiting"], ["list of a kind", "tasks?q=state:waiting+kind:mail.send"],
    ["search of a group that no task has", "tasks?q=state:waiting+group:none"], ["search in payloads", "tasks?q=state:waiting+payload:999999"],
    ["task", "task?id=t5001"], ["queues", "queues"]]) {
    const took = [];
    let bytes = 0;
    await (await fetch(url + path)).text(); // the first one reads the picture
    const from = await stats();
    for (let i = 0; i < 20; i++) {
      const began = performance.now(), answer = await fetch(url + path), text = await answer.text();
      assert.equal(answer.status, 200);
      took.push(performance.now() - began);
      bytes = text.length;
    }
    const to = await stats();
    took.sort((a, b) => a - b);
    t.diagnostic(`${name}: median ${took[10].toFixed(1)} ms, longest ${took[19].toFixed(1)} ms, ${bytes} bytes, ${((sum(to, "calls") - sum(from, "calls")) / 20).toFixed(1)} calls of Redis, ${((sum(to, "usec") - sum(from, "usec")) / 20000).toFixed(1)} ms in Redis (calls within scripts are counted, too)`);
    assert.ok(bytes < 300000, `${name}: ${bytes} bytes`);
  }
  const used = Object.keys(await stats());
  for (const command of ["scan", "keys", "sscan", "zscan"]) assert.ok(!used.includes(command), command);
});

/** Opens streams, and counts the calls of Redis in the seconds that follow, while tasks are made and each viewer reads the page as the browser does. */
async function watched(viewers) {
  const stop = new AbortController();
  let open = 0, pages = 0;
  const views = Array.from({ length: viewers }, async () => {
    // All viewers are one user here, who may open 50 streams: the others only read the page, at the same rate.
    while (!stop.signal.aborted) {
      await (await fetch(url + "queues")).text();
      pages++;
      await new Promise((resolve) => setTimeout(resolve, 1000)); // a viewer who sees a change each second
    }
  });
  const streams = Array.from({ length: Math.min(viewers, 50) }, async () => {
    try {
      const answer = await fetch(url + "live", { signal: stop.signal });
      open++;
      for await (const chunk of answer.body) void chunk;
    } catch (err) { if (err.name !== "AbortError") throw err; }
  });
  await new Promise((resolve) => setTimeout(resolve, 3000)); // the streams open
  const from = await stats(), began = Date.now(), read = pages;
  for (let i = 0; i < 20; i++) {
    await lts(["enqueue", "mail.send"]);
    await new Promise((resolve) => setTimeout(resolve, 1000)); // about one task a second
  }
  const to = await stats(), seconds = (Date.now() - began) / 1000, n = pages - read;
  stop.abort();
  await Promise.all([...views, ...streams]);
  return { calls: (sum(to, "calls") - sum(from, "calls")) / seconds, pages: n / seconds, open };
}

test("200 viewers read Redis like one", async (t) => {
  const one = await watched(1), many = await watched(200);
  t.diagnostic(`calls of Redis a second: ${one.calls.toFixed(1)} with one viewer (${one.pages.toFixed(1)} pages/s, ${one.open} stream), ${many.calls.toFixed(1)} with 200 (${many.pages.toFixed(1)} pages/s, ${many.open} streams)`);
  assert.ok(many.calls < 20 * one.calls + 50, `${many.calls} calls a second with 200 viewers, ${one.calls} with one`);
});
