// The keyboard, and what users of each role do.
import assert from "node:assert/strict";
import test from "node:test";
import { open } from "./browser.js";
import { lts, push, until } from "./servers.js";

const state = async (id) => JSON.parse(await lts(["get", id, "--json"])).state;
const reaches = (id, want) => until(`${id} is ${want}`, async () => (await state(id)) === want);

/** Does something in a page that leads to another page, and waits for that. */
export const leads = async (page, act) => { await Promise.all([page.waitForNavigation(), act]); };

export function actionTests(at) {
  test("keyboard: find, move, choose, open, go", async () => {
    const page = await open(at.url, { user: "olga" }), key = (k) => page.keyboard.press(k);
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

    // The list holds while a row is chosen, says so, and goes on afterwards.
    await push({ id: "wait-held", kind: "mail.send", queue: "nowhere" });
    await page.waitForFunction(() => document.getElementById("state").textContent === document.body.dataset.held, null, { polling: 50 });
    assert.equal(await page.locator("td", { hasText: "wait-held" }).count(), 0);
    await key("x");
    await page.locator("td", { hasText: "wait-held" }).first().waitFor();

    await key("?");
    assert.ok(await page.locator("dialog#keys").isVisible());
    await key("Escape");
    assert.ok(!await page.locator("dialog#keys").isVisible());
    await key("j");
    const chosen = await at0();
    await leads(page, key("Enter"));
    assert.ok(page.url().includes(`/task?id=${chosen}`), page.url());
    for (const [k, path] of [["q", "queues"], ["r", "replicas"], ["e", "events"], ["l", "alerts"], ["d", "doctor"], ["o", ""]]) {
      await key("g");
      await leads(page, key(k));
      assert.equal(new URL(page.url()).pathname, `/p/default/${path}`);
    }
    assert.deepEqual(page.wrong, []);
    await page.context().close();
  });

  test("actions: an operator stops, retries, and makes tasks", async () => {
    const page = await open(at.url, { user: "olga" });
    page.on("dialog", (dialog) => dialog.accept());
    await page.goto("/p/default/task?id=later-6");
    await page.fill("form.actions input[name=reason]", "not needed");
    await leads(page, page.click("button[formaction$='tasks/stop']"));
    assert.equal(await state("later-6"), "stopped");
    assert.ok((await page.content()).includes("not needed"));

    await page.goto("/p/default/task?id=later-6");
    await leads(page, page.click("form.actions button[formaction$='tasks/retry']"));
    await reaches("later-6", "succeeded");

    await page.goto("/p/default/enqueue");
    await page.fill("input[name=kind]", "report.make");
    await page.fill("textarea[name=payload]", '{"customer": 99}');
    await leads(page, page.click("form.edit button.main"));
    const id = new URL(page.url()).searchParams.get("id");
    assert.ok(id, page.url());
    await page.locator("h1", { hasText: "succeeded" }).waitFor();
    assert.deepEqual(page.wrong, []);
    await page.context().close();
  });

  test("actions: a job changes the counted tasks", async () => {
    const page = await open(at.url, { user: "olga" });
    await page.goto("/p/default/tasks?q=" + encodeURIComponent("state:failed kind:disk.write"));
    await leads(page, page.click("button[formaction$='bulk/retry']"));
    await page.locator("form[action$='bulk/confirm']").waitFor();
    const exactly = (await page.locator("form[action$='bulk/confirm'] label").last().textContent()).match(/\d+/)[0];
    assert.equal(exactly, "8");
    await page.fill("form[action$='bulk/confirm'] input[name=reason]", "the disk has room again");
    await page.fill("form[action$='bulk/confirm'] input[name=count]", exactly);
    await leads(page, page.click("form[action$='bulk/confirm'] button"));
    await page.waitForFunction(() => !document.querySelector("form[action$='bulk/cancel']") && !document.querySelector("h1 meter"), null, { polling: 50 });
    await until("8 tasks were retried", async () => (await page.locator("main dl").textContent()).replace(/\s+/g, " ").includes("8"));
    await until("they fail again", async () => (await lts(["ls", "--state", "failed", "--kind", "disk.write", "--json"])).trim().split("\n").length === 8);
    assert.equal(JSON.parse(await lts(["get", "export-1", "--json"])).generation, 1);
    await page.context().close();
  });

  test("actions: an admin makes and removes a trigger, and deletes a task", async () => {
    const page = await open(at.url, { user: "ann" });
    await page.goto("/p/default/triggers/edit");
    await page.fill("input[name=name]", "hourly");
    await page.selectOption("select[name=schedule]", "cron");
    await page.fill("input[name=cron]", "0 * * * *");
    await page.fill("input[name='task.kind']", "report.make");
    await page.waitForFunction(() => document.querySelectorAll("#preview li time").length === 5, null, { polling: 50 });
    await leads(page, page.click("form.edit button.main"));
    assert.ok((await lts(["trigger", "ls"])).includes("hourly"));
    page.on("dialog", (dialog) => dialog.accept());
    await page.goto("/p/default/trigger?name=hourly");
    await leads(page, page.click("button[formaction$='triggers/remove']"));
    assert.equal(new URL(page.url()).pathname, "/p/default/triggers");
    assert.ok(!(await lts(["trigger", "ls"])).includes("hourly"));

    await page.goto("/p/default/task?id=export-2");
    await leads(page, page.click("form.actions button[formaction$='tasks/delete']"));
    assert.equal(new URL(page.url()).pathname, "/p/default/tasks");
    assert.deepEqual(page.wrong, []);
    await page.context().close();
  });

  test("rights: a viewer has no buttons and is refused", async () => {
    const page = await open(at.url, { user: "vic" });
    for (const path of ["", "tasks?q=state:failed", "task?id=mail-101", "queues", "queue?name=media", "groups", "replicas", "triggers", "trigger?name=night", "rejected", "bulk"]) {
      await page.goto("/p/default/" + path);
      assert.equal(await page.locator("main form[method=post] button, main input[type=checkbox][name=id]").count(), 0, path);
    }
    for (const path of ["tasks/stop", "tasks/retry", "tasks/delete", "enqueue", "triggers/set", "bulk/retry"]) {
      const status = await page.evaluate(async (p) => (await fetch("/p/default/" + p, { method: "POST", body: new URLSearchParams({ id: "mail-101", state: "failed" }) })).status, path);
      assert.equal(status, 403, path);
    }
    assert.equal(await state("mail-101"), "failed");
    await page.context().close();
  });
}
