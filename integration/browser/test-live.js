// What happens in the pool is on the screen without a reload.
import assert from "node:assert/strict";
import test from "node:test";
import { reuse, sharedWorkers, watch } from "./browser.js";
import { lts, push, startConsole, stop, until } from "./servers.js";

const percentile = (all, p) => all.toSorted((a, b) => a - b)[Math.min(all.length - 1, Math.ceil(all.length * p) - 1)];

/** Records when a text appears in the page, by the clock of this machine, which the browser shares. */
const recordTexts = (page) => page.evaluate(() => {
  window.seen = {};
  const look = () => { for (const a of document.querySelectorAll("#main td a")) window.seen[a.textContent] ??= Date.now(); };
  new MutationObserver(look).observe(document.getElementById("main"), { childList: true, subtree: true });
  look();
});

/** Waits until a page has the text in its main part. */
const shows = (page, text) => page.waitForFunction((t) => document.getElementById("main").textContent.includes(t), text, { polling: 50 });

export function liveTests(at) {
  test("live: a pushed task is on the screen", async (t) => {
    const page = await reuse(at.url, { user: "vic" }), took = [];
    await page.goto("/p/default/tasks?q=state:waiting+kind:live.event");
    await recordTexts(page);
    await page.waitForTimeout(1000); // the stream opens after the page has loaded
    for (let i = 0; i < (process.env.FULL ? 30 : 10); i++) { // more would not fit into the 50 rows of a list
      const id = `live-${i}`, began = Date.now();
      await push({ id, kind: "live.event", queue: "live" });
      const shown = await page.waitForFunction((x) => window.seen[x], id, { polling: 50 });
      took.push(await shown.jsonValue() - began);
      await page.waitForTimeout(i * 37 % 300); // the pushes do not keep step with the refreshes
    }
    t.diagnostic(`from RPUSH to the screen, ${took.length} tasks: p50 ${percentile(took, 0.5)} ms, p99 ${percentile(took, 0.99)} ms, longest ${Math.max(...took)} ms`);
    assert.ok(percentile(took, 0.5) < 15000, `p50 ${percentile(took, 0.5)} ms`);
    assert.deepEqual(page.wrong, []);
  });

  test("live: what the user has scrolled stays there", async () => {
    const page = await reuse(at.url, { user: "vic", width: 360 });
    await push({ id: "scroll-1", kind: "live.scroll", queue: "live" });
    await page.goto("/p/default/tasks?q=state:waiting+kind:live.scroll");
    await shows(page, "scroll-1");
    const left = await page.evaluate(() => { const table = document.querySelector("table.tasks"); table.scrollLeft = 80; return table.scrollLeft; });
    assert.ok(left > 0, "the table is not wider than the window");
    await push({ id: "scroll-2", kind: "live.scroll", queue: "live" });
    await shows(page, "scroll-2");
    assert.equal(await page.evaluate(() => document.querySelector("table.tasks").scrollLeft), left);
    assert.deepEqual(page.wrong, []);
  });

  test("live: the log of a running task is searched, wrapped and copied", async () => {
    const page = await reuse(at.url, { user: "vic" }), found = page.locator(".found").first();
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    await page.goto("/p/default/task?id=cut-1");
    await page.fill(".logfind", "FRAME");
    assert.equal(await found.textContent(), "6");
    assert.equal(await page.locator(".logbox mark").count(), 6); // from now on the page holds
    const space = () => page.locator("pre.log").first().evaluate((e) => getComputedStyle(e).whiteSpace), wrapped = await space();
    await page.locator(".wrap").first().dispatchEvent("click");
    assert.notEqual(await space(), wrapped);
    const said = await page.evaluate(() => new Promise((resolve) => { // in the page, which says it for three seconds
      const found = document.querySelector(".found");
      new MutationObserver((_, observer) => {
        if (found.textContent !== "Copied") return;
        observer.disconnect();
        document.querySelector(".wrap").dispatchEvent(new Event("input", { bubbles: true })); // as when the log grows
        resolve(found.textContent);
      }).observe(found, { childList: true });
      document.querySelector(".copy").click();
    }));
    assert.equal(said, "Copied");
    await page.waitForFunction(() => document.querySelector(".found").textContent === "6", null, { polling: 50 });
    assert.match(await page.evaluate(() => navigator.clipboard.readText()), /frame 6 of 6 written/);
    await page.context().clearPermissions();
    assert.deepEqual(page.wrong, []);
  });

  test("live: a stream continues after a restart of the console, without a gap", async () => {
    const { url, port } = at.open, page = await reuse(url);
    await page.goto("/p/default/events");
    await push({ id: "before-1", kind: "live.event", queue: "live" });
    await shows(page, "before-1");
    await stop(at.open.console, "SIGKILL");
    await page.waitForFunction(() => document.getElementById("state").className === "off", null, { polling: 50 });
    await push({ id: "while-1", kind: "live.event", queue: "live" });
    await until("the task is admitted", async () => (await lts(["ls", "--queue", "live", "--json"])).includes("while-1"));
    at.open.console = await startConsole("open", port, "--open");
    await shows(page, "while-1");
    await push({ id: "after-1", kind: "live.event", queue: "live" });
    await shows(page, "after-1");
    const rows = await page.locator("#main tbody tr td:nth-child(2)").allTextContents();
    const of = rows.filter((id) => /^(before|while|after)-1$/.test(id));
    assert.deepEqual(of, ["after-1", "while-1", "before-1"]); // once each, newest first
    await page.waitForFunction(() => document.getElementById("state").className === "", null, { polling: 50 });
  });

  test("live: seven tabs of a browser share one stream", async () => {
    const first = await reuse(at.url, { user: "vic" }), context = first.context(), tabs = [first];
    let streams = 0;
    context.on("request", (request) => { if (request.url().endsWith("/live")) streams++; });
    await first.goto("/p/default/tasks?q=state:waiting+kind:live.tab");
    while (tabs.length < 7) { // tabs that a page opens share its process, which costs less
      const [tab] = await Promise.all([context.waitForEvent("page"), first.evaluate(() => { open(location.href); })]);
      tabs.push(watch(tab, at.url));
      await tab.waitForLoadState();
    }
    for (const tab of tabs) await tab.bringToFront(); // a tab that is hidden reads the page when it is looked at
    await push({ id: "tab-1", kind: "live.tab", queue: "live" });
    for (const tab of tabs) {
      await tab.bringToFront();
      await shows(tab, "tab-1");
    }
    assert.equal(streams, 0, "a page has a stream of its own");
    const workers = (await sharedWorkers()).filter((url) => url.startsWith(at.url));
    assert.equal(workers.length, 1, workers.join(" "));
    assert.deepEqual(tabs.flatMap((tab) => tab.wrong), []);
  });
}
