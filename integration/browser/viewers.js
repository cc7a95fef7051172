// Viewers of the console without a browser: each has a stream of events and reads its page again as console.js does.
import { readFile } from "node:fs/promises";
import { monitored } from "./monitor.js";
import { push } from "./servers.js";

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const percentile = (all, p) => all.toSorted((a, b) => a - b)[Math.min(all.length - 1, Math.ceil(all.length * p) - 1)];
const seconds = 6;

/** One viewer until stopped: a page after each message, at most two a second. */
async function view({ url }, path, name, stop, of) {
  const page = `${url}/p/default/${path}`, headers = { "X-User": name, "HX-Request": "true", "HX-Target": "main" };
  let stale = false;
  const reads = (async () => {
    while (!stop.signal.aborted) {
      if (stale) {
        stale = false;
        const began = performance.now(), answer = await fetch(page, { headers });
        if (answer.status !== 200) throw new Error(`${page}: ${answer.status} ${await answer.text()}`);
        await answer.text();
        of.took.push(performance.now() - began);
        await sleep(Math.max(500 - (performance.now() - began), 0));
      } else {
        await sleep(10);
      }
    }
  })();
  const listens = (async () => {
    try {
      const answer = await fetch(`${url}/p/default/live`, { signal: stop.signal, headers: { "X-User": name } });
      if (answer.status !== 200) throw new Error(`stream: ${answer.status}`);
      of.streams++;
      for await (const chunk of answer.body) if (Buffer.from(chunk).includes("data:")) stale = true;
    } catch (err) { if (err.name !== "AbortError") throw err; }
  })();
  await Promise.all([reads, listens]);
}

/** Processor time of a process in seconds, and its memory in MB. */
async function process(pid) {
  const fields = (await readFile(`/proc/${pid}/stat`, "utf8")).split(") ")[1].split(" ");
  const memory = (await readFile(`/proc/${pid}/status`, "utf8")).match(/VmRSS:\s+(\d+)/)[1];
  return { cpu: (+fields[11] + +fields[12]) / 100, memory: Math.round(memory / 1000) };
}

let made = 0;

/** What viewers of a page cost, while two tasks are made in a second. */
export async function watched(console, path, viewers) {
  const stop = new AbortController(), of = { took: [], streams: 0 };
  const all = Promise.all(Array.from({ length: viewers }, (_, i) => view(console, path, `viewer-${i}`, stop, of)));
  all.catch(() => {}); // is awaited below
  for (let i = 0; of.streams < viewers && i < 600; i++) await sleep(50);
  await sleep(2000); // each page was read after its stream opened
  const before = await process(console.child.pid), began = performance.now(), read = of.took.length;
  const asked = await monitored(async () => {
    for (let i = 0; i < 2 * seconds; i++) {
      await push({ id: `watched-${made++}`, kind: "live.event", queue: "live" });
      await sleep(500);
    }
  });
  const took = (performance.now() - began) / 1000, now = await process(console.child.pid), times = of.took.slice(read);
  stop.abort();
  await all;
  return { names: asked.names, calls: asked.calls / took, pages: times.length / took, p50: percentile(times, 0.5), p99: percentile(times, 0.99), streams: of.streams, cpu: (now.cpu - before.cpu) / took * 100, memory: now.memory };
}
