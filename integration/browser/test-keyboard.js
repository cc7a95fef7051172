// The keyboard alone: the keys of the pages, and what an operator does at night with many failures.
import assert from "node:assert/strict";
import test from "node:test";
import { reuse, untranslated } from "./browser.js";
import { lts, push, until } from "./servers.js";
import { leads } from "./test-actions.js";

/** Returns the element that has the focus: a selector of it, and whether the focus can be seen. */
const focus = (page) => page.evaluate(() => {
  const e = document.activeElement, box = e.getBoundingClientRect(), head = document.querySelector("header").getBoundingClientRect();
  return {
    name: [e.tagName, e.className, e.id, e.name].filter(Boolean).join(" "),
    seen: getComputedStyle(e).outlineStyle !== "none" && box.bottom > head.bottom && box.top < innerHeight,
  };
});

/** Checks which element has the focus, and that a user sees it. */
async function focused(page, selector) {
  await page.waitForFunction((s) => document.activeElement.matches(s), selector, { polling: 50 });
  const at = await focus(page);
  assert.ok(at.seen, `${page.url()}: the focus on ${at.name} cannot be seen`);
}

/** Presses keys, without a wait between them: after g, a page waits 1.5 seconds for the second key. */
const inTurn = (page, ...keys) => Promise.all(keys.map((k) => page.keyboard.press(k)));

/** Presses Tab until an element that matches the selector has the focus. */
async function tab(page, selector, most) {
  for (let i = 0; i < most; i++) {
    await page.keyboard.press("Tab");
    if (await page.evaluate((s) => document.activeElement.matches(s), selector)) return focused(page, selector);
  }
  assert.fail(`${page.url()}: ${most} times Tab do not lead to ${selector}, but to ${(await focus(page)).name}`);
}

/** A night operator retries the tasks of one cause and then a single one, without a pointer. */
async function night(at, lang) {
  const page = await reuse(at.url, { user: "ann", lang }), key = (k) => page.keyboard.press(k), type = (text) => page.keyboard.type(text), wrong = [];
  const reach = async (keys, path) => {
    await leads(page, inTurn(page, ...keys));
    assert.ok((page.url() + "&").includes(path), `${keys} leads to ${page.url()}`);
    if (lang === "zh") wrong.push(...(await untranslated(page)).map((w) => `${page.url()}: ${w}`));
  };
  const toCause = async (text) => {
    for (let i = 0; i < 10; i++) {
      await key("j");
      if ((await page.locator("tr.at-cursor").textContent()).includes(text)) return focused(page, "tr.at-cursor a.open");
    }
    assert.fail(`no row with ${text}`);
  };
  await page.goto("/p/default/");
  await reach(["g", "c"], "/causes");
  const counts = (await page.locator("tbody td:first-child").allTextContents()).map(Number);
  assert.deepEqual(counts, counts.toSorted((a, b) => b - a));
  await toCause("disk full");
  await reach(["Enter"], "cause%3A%22");
  assert.equal(await page.locator("table.tasks input[name=id]").count(), 8);
  await key("j");
  await focused(page, "tr.at-cursor td a");
  await reach(["Enter"], "/task?id=export-");
  await tab(page, "pre.log", 60);
  assert.match(await page.evaluate(() => document.activeElement.textContent), /disk full/);

  await reach(["g", "c"], "/causes");
  await toCause("disk full");
  await key("a");
  await focused(page, "button[formaction$='bulk/retry']");
  await reach(["Enter"], "/bulk/job?id=");
  await focused(page, "form[action$='bulk/confirm'] input[name=reason]");
  const reason = `the disk has room again, ${lang}`;
  await type(reason);
  await key("Tab");
  await type("7");
  await reach(["Enter"], "/bulk/confirm"); // a wrong number: what was typed stays
  await focused(page, "form[action$='bulk/confirm'] input[name=count]");
  assert.match(await page.locator("[role=alert]").textContent(), /8/);
  await type("8");
  await reach(["Enter"], "/bulk/job?id=");
  assert.ok((await page.locator("main dl").textContent()).includes(reason));
  await page.waitForFunction(() => !document.querySelector("form[action$='bulk/cancel']"), null, { polling: 50 });
  await until("they fail again", async () => (await lts(["ls", "--state", "failed", "--kind", "disk.write", "--json"])).trim().split("\n").length === 8);
  await reach(["g", "a"], "/audit");
  const row = (text) => page.locator("main tr", { hasText: text }).first();
  assert.match(await row(reason).textContent(), /bulk\/retry[^]*8 \/ 8/);

  // One task: a reason is optional, and the focus is in the page afterwards.
  await key("/");
  await type("mail-102");
  await reach(["Enter"], "/task?id=mail-102");
  await key("a");
  await focused(page, ".actions input[name=reason]");
  await type(`it was a mistake, ${lang}`);
  await key("Tab");
  await focused(page, "button[formaction$='tasks/retry']");
  await reach(["Enter"], "/task?id=mail-102");
  assert.ok(await page.evaluate(() => document.activeElement.closest("main")), "the focus is at the beginning of the page");
  await key("/");
  await type("later-4");
  await reach(["Enter"], "/task?id=later-4");
  await tab(page, "form[action$='tasks/change'] input[name=priority]", 60);
  await key("Control+a");
  await type("7");
  await key("Tab");
  await type(`it is urgent, ${lang}`);
  await reach(["Enter"], "/task?id=later-4");
  assert.equal(JSON.parse(await lts(["get", "later-4", "--json"])).priority, 7);
  await focused(page, "form[action$='tasks/change'] button, form[action$='tasks/change'] input");
  await reach(["g", "a"], "/audit");
  assert.match(await row(`it was a mistake, ${lang}`).textContent(), /tasks\/retrymail-1021 \/ 1/);
  assert.match(await row(`it is urgent, ${lang}`).textContent(), /tasks\/change/);
  await key("?");
  assert.match(await page.locator("dialog#keys").innerText(), lang === "zh" ? /g c\s+失败原因/ : /g c\s+Causes of failures/);
  assert.deepEqual(page.asked, []);
  assert.deepEqual(wrong.concat(page.wrong.filter((w) => !w.includes("status of 400"))), []);
}

export function keyboardTests(at) {
  test("keyboard: find, move, choose, open, go", async () => {
    const page = await reuse(at.url, { user: "olga" }), key = (k) => page.keyboard.press(k);
    await page.goto("/p/default/");
    await key("/");
    assert.equal(await page.evaluate(() => document.activeElement.id), "find");
    await page.keyboard.type("state:waiting");
    await leads(page, key("Enter"));
    assert.match(page.url(), /q=state%3Awaiting/);
    const at0 = () => page.locator("tr.at-cursor td:nth-child(2)").textContent();
    await key("j");
    const first = await at0();
    await key("j");
    const second = await at0();
    assert.notEqual(second, first);
    await key("k");
    assert.equal(await at0(), first);
    await key("x");
    assert.deepEqual(await page.locator("input[name=id]:checked").evaluateAll((all) => all.map((b) => b.value)), [first]);

    // The list holds while a row is chosen, says so, and goes on afterwards. The cursor stays at its task and keeps the focus.
    await push({ id: "wait-held", kind: "mail.send", queue: "nowhere" });
    await page.waitForFunction(() => document.getElementById("state").textContent === document.body.dataset.held, null, { polling: 50 });
    assert.equal(await page.locator("td", { hasText: "wait-held" }).count(), 0);
    await key("x");
    await page.locator("td", { hasText: "wait-held" }).first().waitFor();
    assert.equal(await at0(), first);
    await focused(page, "tr.at-cursor a");

    await key("?");
    assert.ok(await page.locator("dialog#keys").isVisible());
    await key("Escape");
    assert.ok(!await page.locator("dialog#keys").isVisible());
    await key("j");
    const chosen = await at0();
    await leads(page, key("Enter"));
    assert.ok(page.url().includes(`/task?id=${chosen}`), page.url());
    for (const [k, path] of [["q", "queues"], ["c", "causes"], ["l", "alerts"], ["o", ""]]) {
      await leads(page, inTurn(page, "g", k));
      assert.equal(new URL(page.url()).pathname, `/p/default/${path}`);
    }

    // A trouble is a row: a leads to its action.
    await lts(["pause", "parcels"]);
    await push({ id: "parcel-1", kind: "mail.send", queue: "parcels" });
    const trouble = page.locator(".trouble li", { hasText: "parcels" });
    await trouble.waitFor();
    for (let i = 0; i < 20 && !await page.locator(".trouble li.at-cursor", { hasText: "parcels" }).count(); i++) await key("j");
    await focused(page, ".trouble li.at-cursor a");
    await key("a");
    await focused(page, ".trouble form[action$='/resume'] button[aria-label$='parcels']");
    await leads(page, key("Enter"));
    await until("the queue is resumed", async () => !JSON.parse(await lts(["stats", "--json"])).queues.find((q) => q.name === "parcels").paused);
    await lts(["stop", "parcel-1"]);
    assert.deepEqual(page.wrong, []);
  });

  test("keyboard: the box completes each word of a query", async () => {
    const page = await reuse(at.url, { user: "vic" });
    const offers = (...want) => page.waitForFunction((list) => [...document.querySelectorAll("#words option")].map((o) => o.value).join("\n") === list, want.join("\n"), { polling: 50 });
    await page.goto("/p/default/");
    await page.keyboard.press("/");
    await page.keyboard.type("state:fa");
    await offers("state:failed");
    await page.keyboard.type('iled error:"disk full" kind:WRI');
    await offers('state:failed error:"disk full" kind:disk.write');
    await page.fill("#find", "kind:disk.write queue:med");
    await offers("kind:disk.write queue:media");
    await page.fill("#find", "order");
    await offers("order:reverse");
    assert.deepEqual(page.wrong, []);
  });

  for (const lang of process.env.FULL ? ["en", "zh"] : ["zh"]) test(`keyboard: a night with failures, ${lang}`, () => night(at, lang));
}
