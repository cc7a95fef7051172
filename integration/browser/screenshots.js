// Makes the pictures of the console for the documentation: every screen in both languages and themes, in the folder
// SCREENSHOTS or docs/console. Times and the names of processes are the same in each run.
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { close, launch, open } from "./browser.js";
import { fill } from "./fixture.js";
import { pages } from "./pages.js";
import { end, push, until, lts } from "./servers.js";
import { visit } from "./test-pages.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
// These have their full size. The others are for the page with all screens.
const large = new Set(["overview", "tasks", "task", "queues", "triggers"]);
const to = process.env.SCREENSHOTS || join(root, "docs", "console");

/** Runs in the page: moves all times, so that the pool was filled at a fixed time, and replaces names that differ. */
function settle([filled, replica, host]) {
  for (const name of ["htmx:beforeRequest", "htmx:beforeSwap"]) document.body.addEventListener(name, (event) => event.preventDefault());
  const base = Date.parse("2026-03-02T09:30:00Z"), day = 86400000, two = (n) => String(n).padStart(2, "0");
  for (const t of document.querySelectorAll("time")) {
    const at = Date.parse(t.dateTime), away = Math.abs(at - filled), d = new Date(at);
    if (away < 600000) d.setTime(base); // what the fixture did
    else if (away < 365 * day) d.setTime(at + Math.floor(base / day) * day - Math.floor(filled / day) * day); // the times of triggers
    t.textContent = `${d.getUTCFullYear()}-${two(d.getUTCMonth() + 1)}-${two(d.getUTCDate())} ${two(d.getUTCHours())}:${two(d.getUTCMinutes())}:${two(d.getUTCSeconds())}`;
  }
  const walk = document.createTreeWalker(document.getElementById("main"), NodeFilter.SHOW_TEXT);
  for (let node = walk.nextNode(); node; node = walk.nextNode()) {
    node.textContent = node.textContent.replaceAll(replica, "w7k2m4qpzd").replaceAll(host, "worker-1").replace(/worker-1:\d+/, "worker-1:7");
  }
  document.body.dataset.age = document.body.dataset.age.replace("{0}", `1 ${document.body.dataset.units.split("|")[0]}`); // for what the script of the page writes each second
  document.getElementById("state").textContent = document.body.dataset.age;
}

try {
  const filled = Date.now(), at = await fill();
  const [replica] = (await lts(["replicas", "--json"])).trim().split("\n").map((line) => JSON.parse(line));
  await launch();
  await mkdir(to, { recursive: true });
  const charts = await open(at.url, { user: "ann" });
  await charts.goto("/p/default/");
  // A minute of work for the charts.
  for (let i = 0; i < 4; i++) {
    await push(...Array.from({ length: 20 + 12 * i }, (_, n) => ({ id: `work-${i}-${n}`, kind: "report.make", retain_ms: 0, payload: {} })));
    await charts.waitForTimeout(15000); // how often the console reads the figures
  }
  await until("the work is done", async () => !(await lts(["ls", "--state", "waiting,running", "--json"])).includes('"work-'));
  await charts.context().close();
  for (const lang of ["en", "zh"]) for (const theme of ["light", "dark"]) {
    const page = await open(at.url, { user: "ann", lang, theme, width: 1280, height: 800 });
    const session = await page.context().newCDPSession(page);
    for (const p of pages.filter((p) => process.env.ALL || !p.alike)) {
      await visit(page, p);
      await page.waitForTimeout(300); // the charts are drawn after their figures have come
      await page.evaluate(settle, [filled, replica.id, replica.host || "no host"]);
      const height = Math.min(await page.evaluate(() => document.documentElement.scrollHeight), 1000);
      const { data } = await session.send("Page.captureScreenshot", { format: "webp", quality: 82, captureBeyondViewport: true, clip: { x: 0, y: 0, width: 1280, height, scale: large.has(p.name) ? 1 : 0.6 } });
      const picture = Buffer.from(data, "base64"), name = `${p.name}-${lang}-${theme}.webp`;
      if (picture.length > 150 * 1024) throw new Error(`${name} has ${picture.length} bytes`);
      await writeFile(join(to, name), picture);
      console.log(name, picture.length);
    }
    await page.context().close();
  }
} finally {
  await close();
  await end();
}
