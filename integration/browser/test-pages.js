// Every page in both languages and themes, wide and narrow: nothing for axe to find, no errors, no other host, no overflow.
import assert from "node:assert/strict";
import test from "node:test";
import { findings, open, overflow } from "./browser.js";
import { pages } from "./pages.js";

export const looks = ["en", "zh"].flatMap((lang) => ["light", "dark"].flatMap((theme) => [1280, 360].map((width) => ({ lang, theme, width }))));

/** Goes to a page of the list and returns the answer. */
export async function visit(page, { path, follow }) {
  const answer = await page.goto(path);
  if (!follow) return answer;
  const [followed] = await Promise.all([page.waitForNavigation(), page.locator(follow).first().click()]);
  return followed;
}

async function check(page, at, width) {
  const answer = await visit(page, at), wrong = [];
  const expect = (right, text) => { if (!right) wrong.push(text); };
  expect(answer.status() === at.status, `status ${answer.status()}`);
  expect((await page.content()).includes(at.shows), `it does not show ${at.shows}`);
  wrong.push(...await findings(page), ...page.wrong.splice(0).filter((w) => at.status === 200 || !w.includes(`status of ${at.status}`)));
  for (const w of width === 360 ? [360] : [1280, 3840]) {
    if (w !== width) await page.setViewportSize({ width: w, height: 800 });
    const over = await overflow(page);
    expect(!over, `${w} px: ${over}`);
  }
  if (width !== 360) await page.setViewportSize({ width, height: 800 });
  return wrong;
}

/** In the usual suite each page has one of the looks, with FULL all of them. */
export function pageTests(at) {
  looks.forEach((look, i) => test(`pages: ${look.lang}, ${look.theme}, ${look.width} px`, async () => {
    const page = await open(at.url, { ...look, user: "ann" }), wrong = [];
    for (const [n, p] of pages.entries()) {
      if (!process.env.FULL && n % looks.length !== i) continue;
      for (const w of await check(page, p, look.width)) wrong.push(`${p.name}: ${w}`);
    }
    if (i < 2 || process.env.FULL) { // pages before the login
      await page.context().clearCookies();
      await page.goto("/login");
      wrong.push(...(await findings(page)).map((w) => `login: ${w}`), ...page.wrong, await overflow(page));
    }
    await page.context().close();
    assert.deepEqual(wrong.filter(Boolean), []);
  }));

  test("pages: the button changes the theme, which stays", async () => {
    const page = await open(at.url, { user: "vic" });
    await page.goto("/p/default/");
    const back = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const light = await back();
    await page.click("#theme");
    assert.notEqual(await back(), light);
    await page.reload();
    assert.notEqual(await back(), light);
    await page.context().close();
  });
}
