// The login, payloads that are hostile, and the pages without JavaScript.
import assert from "node:assert/strict";
import test from "node:test";
import { leads } from "./test-actions.js";
import { reuse } from "./browser.js";
import { passwords } from "./fixture.js";
import { lts } from "./servers.js";

async function login(page, name, password) {
  await page.fill("input[name=name]", name);
  await page.fill("input[name=password]", password);
  await leads(page, page.click("form.login button"));
}

export function loginTests(at) {
  test("login: wrong, right, and out", async () => {
    const page = await reuse(at.url);
    await page.goto("/p/default/queues");
    assert.equal(new URL(page.url()).pathname, "/login");
    await login(page, "vic", "not the password at all");
    assert.ok(await page.locator("[role=alert]").isVisible());
    await login(page, "vic", passwords.vic);
    assert.equal(new URL(page.url()).pathname, "/p/default/queues"); // where the user wanted to go
    const cookie = (await page.context().cookies()).find(({ name }) => name !== "lts_lang");
    assert.ok(cookie.httpOnly && cookie.sameSite !== "None", JSON.stringify(cookie));
    await leads(page, page.click("form[action$='logout'] button"));
    await page.context().addCookies([{ ...cookie }]); // the session has ended at the server, too
    await page.goto("/p/default/queues");
    assert.equal(new URL(page.url()).pathname, "/login");
  });

  test("login: a first password must be changed", async () => {
    const page = await reuse(at.url);
    await page.goto("/login");
    await login(page, "nora", passwords.nora);
    await page.goto("/p/default/");
    assert.equal(new URL(page.url()).pathname, "/password");
    await page.fill("input[name=old]", passwords.nora);
    await page.fill("input[name=password]", "short");
    await leads(page, page.click("form.login button"));
    assert.ok(await page.locator("[role=alert]").isVisible());
    await page.fill("input[name=old]", passwords.nora);
    await page.fill("input[name=password]", "another password 5");
    await leads(page, page.click("form.login button"));
    await page.goto("/p/default/");
    assert.equal(new URL(page.url()).pathname, "/p/default/");
  });

  test("payloads: scripts are text, secrets are masked", async () => {
    const page = await reuse(at.url, { user: "ann" });
    for (const path of ["task?id=script-1", "tasks?q=payload:script", "archived?id=script-1", "enqueue?from=script-1"]) {
      await page.goto("/p/default/" + path);
      assert.notEqual(await page.title(), "run", path);
      const html = await page.content();
      for (const secret of ["hunter2", "t0ps3cret"]) assert.ok(!html.includes(secret), `${path}: ${secret}`);
      assert.equal(await page.locator("main img").count(), 0, path);
      assert.deepEqual(page.wrong, [], path);
      if (path.startsWith("task?")) {
        assert.ok((await page.locator("main").innerText()).includes("<script>document.title='run'</script>"), path);
        assert.ok(html.includes("•••"), path);
      }
    }
  });

  test("payloads: large and binary ones are cut and escaped", async () => {
    const page = await reuse(at.url, { user: "ann" });
    const length = async (path) => { await page.goto("/p/default/" + path); return (await page.content()).length; };
    assert.ok(await length("task?id=large-1") < 200000, "a payload of 1 MB is not cut");
    assert.ok(await length("rejected") < 400000, "a rejected entry of 10 MB is not cut");
    assert.equal(await page.locator("main pre", { hasText: "yyyy" }).count(), 0, "what is left of the entry is no JSON and may hold secrets");
    await page.goto("/p/default/task?id=bytes-1");
    const text = await page.locator("main").innerText();
    assert.ok(text.includes("17 bytes: 00 01 ff fe"), text);
    assert.ok(![...text].some((c) => c < " " && c !== "\n" && c !== "\t"), "a control character is shown as such");
    assert.deepEqual(page.wrong, []);
    const unmasked = await reuse(at.open.url); // a console that masks nothing
    await unmasked.goto("/p/default/rejected");
    assert.ok(await unmasked.locator("main pre", { hasText: "yyyy" }).count(), "the entry is not shown");
  });

  test("without JavaScript: lists, a task, and its stop", async () => {
    const page = await reuse(at.open.url, { js: false });
    await page.goto("/");
    await page.goto("/p/default/tasks?q=state:scheduled");
    await leads(page, page.getByRole("link", { name: "later-5", exact: true }).click());
    await page.fill("form.actions input[name=reason]", "without a script");
    await leads(page, page.click("button[formaction$='tasks/stop']"));
    assert.ok((await page.content()).includes("without a script"));
    assert.equal(JSON.parse(await lts(["get", "later-5", "--json"])).state, "stopped");
    await page.fill("#find", "state:failed kind:mail.send");
    await leads(page, page.press("#find", "Enter"));
    assert.ok(await page.locator("tbody tr").count() >= 9);
  });
}
