// Every page in both languages and themes, wide and narrow: nothing for axe to find, no errors, no other host, no overflow, nothing
// that is not translated.
import assert from "node:assert/strict";
import test from "node:test";
import { findings, reuse, overflow, untranslated } from "./browser.js";
import { pages } from "./pages.js";

/** Goes to a page of the list and returns the answer. */
export async function visit(page, { path, follow }) {
  const answer = await page.goto(path);
  if (!follow) return answer;
  const [followed] = await Promise.all([page.waitForNavigation(), page.locator(follow).first().click()]);
  return followed;
}

/** Checks a page in a language and a width. Themes differ only in colours: in the second one axe checks only the contrasts. */
async function check(page, at, lang, width, themes) {
  await page.setViewportSize({ width, height: 800 });
  await page.emulateMedia({ colorScheme: themes[0] });
  const answer = await visit(page, at), wrong = [];
  const expect = (right, text) => { if (!right) wrong.push(text); };
  expect(answer.status() === at.status, `status ${answer.status()}`);
  // A search goes on after the page has loaded.
  if (!(await page.content()).includes(at.shows)) await page.waitForFunction((text) => document.body.outerHTML.includes(text), at.shows, { polling: 100 }).catch(() => wrong.push(`it does not show ${at.shows}`));
  const all = process.env.FULL || !at.alike;
  if (all) wrong.push(...await findings(page));
  for (const theme of themes.slice(1)) {
    await page.emulateMedia({ colorScheme: theme });
    wrong.push(...await findings(page, "color-contrast"));
  }
  if (lang === "zh") wrong.push(...(await untranslated(page)).map((w) => `not translated: ${w}`));
  wrong.push(...page.wrong.splice(0).filter((w) => at.status === 200 || !w.includes(`status of ${at.status}`)));
  for (const w of all && width === 1280 ? [1280, 3840] : [width]) {
    if (w !== width) await page.setViewportSize({ width: w, height: 800 });
    const over = await overflow(page);
    expect(!over, `${w} px: ${over}`);
  }
  return wrong.map((w) => `${at.name}, ${width} px: ${w}`);
}

/** In the usual suite each page has one of the looks, with FULL all of them. */
export function pageTests(at) {
  for (const [l, lang] of ["en", "zh"].entries()) test(`pages: ${lang}`, async () => {
    const page = await reuse(at.url, { user: "ann", lang }), wrong = [];
    for (const [n, p] of pages.entries()) for (const [w, width] of [1280, 360].entries()) {
      const themes = n & 4 ? ["dark", "light"] : ["light", "dark"];
      if (process.env.FULL) wrong.push(...await check(page, p, lang, width, themes));
      else if (n % 4 === 2 * l + w) wrong.push(...await check(page, p, lang, width, themes.slice(0, 1)));
    }
    await page.context().clearCookies({ name: /^(?!lts_lang$)/ }); // before the login
    await page.goto("/login");
    wrong.push(...(await findings(page)).map((w) => `login: ${w}`), ...page.wrong, await overflow(page));
    assert.deepEqual(wrong.filter(Boolean), []);
  });

  test("pages: the text about the age of the data does not move the page", async () => {
    for (const lang of ["en", "zh"]) {
      const page = await reuse(at.url, { user: "ann", lang });
      await page.goto("/p/default/task?id=later-6");
      for (const width of [360, 768, 1024, 1280, 1920]) {
        await page.setViewportSize({ width, height: 800 });
        const tops = await page.evaluate(() => ["", ...["age", "searching", "off", "held"].map((name) => document.body.dataset[name])].map((text) => {
          document.getElementById("state").textContent = text;
          return document.querySelector("h1").getBoundingClientRect().top;
        }));
        assert.deepEqual(tops, tops.map(() => tops[0]), `${lang}, ${width} px`);
      }
    }
  });

  test("pages: the button changes the theme, which stays", async () => {
    const page = await reuse(at.url, { user: "vic" });
    await page.goto("/p/default/");
    const back = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const light = await back();
    await page.click("#theme");
    assert.notEqual(await back(), light);
    await page.reload();
    assert.notEqual(await back(), light);
  });
}
