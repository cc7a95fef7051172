// What users of each role do.
import assert from "node:assert/strict";
import test from "node:test";
import { reuse } from "./browser.js";
import { lts, until } from "./servers.js";

const state = async (id) => JSON.parse(await lts(["get", id, "--json"])).state;
const reaches = (id, want) => until(`${id} is ${want}`, async () => (await state(id)) === want);

/** Does something in a page that leads to another page, and waits for that. */
export const leads = async (page, act) => { await Promise.all([page.waitForNavigation(), act]); };

export function actionTests(at) {
  test("actions: an operator stops, retries, and makes tasks", async () => {
    const page = await reuse(at.url, { user: "olga" });
    await page.goto("/p/default/task?id=later-6");
    await page.fill("form.actions input[name=reason]", "not needed");
    await leads(page, page.click("button[formaction$='tasks/stop']"));
    assert.equal(await state("later-6"), "stopped");
    assert.deepEqual(page.asked, ["Stop this task? A running handler is cancelled."]);
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
  });

  test("actions: an admin makes and removes a trigger, and deletes a task", async () => {
    const page = await reuse(at.url, { user: "ann" });
    await page.goto("/p/default/triggers/edit");
    await page.fill("input[name=name]", "hourly");
    await page.selectOption("select[name=schedule]", "cron");
    await page.fill("input[name=cron]", "0 * * * *");
    await page.fill("input[name='task.kind']", "report.make");
    await page.waitForFunction(() => document.querySelectorAll("#preview li time").length === 5, null, { polling: 50 });
    await leads(page, page.click("form.edit button.main"));
    assert.ok((await lts(["trigger", "ls"])).includes("hourly"));
    await page.goto("/p/default/trigger?name=hourly");
    await leads(page, page.click("button[formaction$='triggers/remove']"));
    assert.equal(new URL(page.url()).pathname, "/p/default/triggers");
    assert.ok(!(await lts(["trigger", "ls"])).includes("hourly"));

    await page.goto("/p/default/task?id=export-2");
    await leads(page, page.click("form.actions button[formaction$='tasks/delete']"));
    assert.equal(new URL(page.url()).pathname, "/p/default/tasks");
    assert.deepEqual(page.wrong, []);
  });

  test("rights: a viewer has no buttons and is refused", async () => {
    const page = await reuse(at.url, { user: "vic" });
    await page.goto("/p/default/");
    for (const path of ["", "tasks?q=state:failed", "task?id=mail-101", "causes", "queues", "queue?name=media", "groups", "replicas", "triggers", "trigger?name=night", "rejected", "bulk"]) {
      const { title, buttons } = await page.evaluate(async (path) => { // the pages are not drawn
        const html = new DOMParser().parseFromString(await (await fetch("/p/default/" + path)).text(), "text/html");
        return { title: html.querySelector("main h1")?.textContent, buttons: html.querySelectorAll("main form[method=post] button, main input[type=checkbox][name=id]").length };
      }, path);
      assert.ok(title && !buttons, `${path}: ${title}, ${buttons} buttons`);
    }
    for (const path of ["tasks/stop", "tasks/retry", "tasks/delete", "enqueue", "triggers/set", "bulk/retry"]) {
      const status = await page.evaluate(async (p) => (await fetch("/p/default/" + p, { method: "POST", body: new URLSearchParams({ id: "mail-101", state: "failed" }) })).status, path);
      assert.equal(status, 403, path);
    }
    assert.equal(await state("mail-101"), "failed");
  });
}
