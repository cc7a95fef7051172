// One browser for all tests. Its pages record what no page may do.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";
import { passwords } from "./fixture.js";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

let browser;

export async function launch() {
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM || "chromium",
    chromiumSandbox: process.getuid() !== 0, // root cannot use the sandbox
    args: ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
}

/** Returns the addresses of the shared workers that run. */
export async function sharedWorkers() {
  const session = await browser.newBrowserCDPSession(), { targetInfos } = await session.send("Target.getTargets");
  await session.detach();
  return targetInfos.filter((t) => t.type === "shared_worker").map((t) => t.url);
}
export const close = () => browser?.close();

const sessions = new Map(); // of users of a console: the cookies after their login

/** Returns the cookies of a user, who logs in once. */
async function cookies(url, user) {
  const key = `${url} ${user}`;
  if (!sessions.has(key)) {
    const answer = await fetch(`${url}/login`, {
      method: "POST", redirect: "manual", headers: { "Content-Type": "application/x-www-form-urlencoded" },
      body: new URLSearchParams({ name: user, password: passwords[user] }),
    });
    sessions.set(key, answer.headers.getSetCookie().map((line) => {
      const [name, value] = line.split(";")[0].split(/=(.*)/s);
      return { name, value, url };
    }));
  }
  return sessions.get(key);
}

/** Opens a context and a page of it. What the page must not do is in page.wrong. */
export async function open(url, { user, lang = "en", theme = "light", width = 1280, height = 800, js = true } = {}) {
  const context = await browser.newContext({
    baseURL: url, locale: lang === "zh" ? "zh-CN" : "en-US", colorScheme: theme, timezoneId: "UTC",
    viewport: { width, height }, javaScriptEnabled: js, serviceWorkers: "block", reducedMotion: "reduce",
  });
  context.setDefaultTimeout(60000);
  if (user) await context.addCookies(await cookies(url, user));
  const page = await context.newPage();
  watch(page, url);
  return page;
}

const shared = new Map(); // of addresses of consoles: the page that reuse returns, and a session of it

/**
 * Returns the page that the tests of a console share, in the state of a new page: a new context costs as much as ten pages. With js
 * false no script runs. The page accepts each dialog and has their texts in page.asked.
 */
export async function reuse(url, { user, lang = "en", theme = "light", width = 1280, height = 800, js = true } = {}) {
  for (const { page } of shared.values()) await page.goto("about:blank"); // it follows no events
  if (!shared.has(url)) {
    const page = await open(url);
    page.on("dialog", (dialog) => { page.asked.push(dialog.message()); dialog.accept(); });
    shared.set(url, { page, session: await page.context().newCDPSession(page) });
  }
  const { page, session } = shared.get(url), context = page.context();
  for (const other of context.pages()) if (other !== page) await other.close();
  for (const name of ["request", "console", "pageerror"]) page.removeAllListeners(name);
  context.removeAllListeners("request");
  page.asked = [];
  await session.send("Storage.clearDataForOrigin", { origin: new URL(url).origin, storageTypes: "local_storage" });
  await session.send("Emulation.setScriptExecutionDisabled", { value: !js });
  await context.clearCookies();
  await context.addCookies([{ name: "lts_lang", value: lang, url }, ...(user ? await cookies(url, user) : [])]);
  await page.emulateMedia({ colorScheme: theme, reducedMotion: "reduce" });
  await page.setViewportSize({ width, height });
  return watch(page, url);
}

/** Records requests to other hosts, violations of the policy, errors of scripts and answers that are errors. */
export function watch(page, url) {
  page.wrong = [];
  page.on("request", (request) => { if (!request.url().startsWith(url + "/") && !request.url().startsWith("data:")) page.wrong.push(`request to ${request.url()}`); });
  page.on("console", (message) => { if (message.type() === "error") page.wrong.push(`console: ${message.text()} ${message.location().url}`); });
  page.on("pageerror", (err) => page.wrong.push(`script: ${err.stack}`));
  return page;
}

/** Returns what axe finds in a page, a line for each element. Without a rule it checks all rules. */
export async function findings(page, rule) {
  if (!await page.evaluate(() => window.axe)) await page.evaluate(axe);
  const found = await page.evaluate((rule) => window.axe.run(document, { resultTypes: ["violations"], preload: false, ...(rule && { runOnly: [rule] }) }), rule);
  return found.violations.flatMap((v) => v.nodes.map((n) => `${v.id}: ${n.target.join(" ")}: ${n.failureSummary.replaceAll("\n", " ")}`));
}

/** Returns by how many pixels a page is wider than its window, and what is too wide. */
export const overflow = (page) => page.evaluate(() => {
  const width = document.documentElement.clientWidth, over = document.documentElement.scrollWidth - width;
  if (over <= 0) return "";
  const wide = [...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > width + 1).slice(0, 3);
  return `${over} px too wide: ` + wide.map((e) => `${e.tagName} ${e.className} ${e.textContent.slice(0, 40)}`).join(" | ");
});

/** Returns the texts of a Chinese page that are not in Chinese. Names, states and what the tasks contain are not translated. */
export const untranslated = (page) => page.evaluate(() => {
  const found = [], states = /^(scheduled|waiting|running|exporting|succeeded|failed|stopped|expired)$/;
  const check = (what, text) => {
    text = text.trim();
    if (!/[\u4e00-\u9fff]/.test(text) && /[A-Za-z]{3,}/.test(text) && !states.test(text)) found.push(`${what}: ${text}`);
  };
  for (const e of document.querySelectorAll("th, label, button:not([lang]), h2, h3, dt, dd > small, summary, legend, caption, nav a, a.button, .tabs a, .none, .note, .waits, .trouble a, dialog dd, main > p, #state")) {
    if (e.closest("article, td, .pools") || e.closest("section")?.querySelector("h2 ~ dl") === e.closest("dl") && e.matches("section dt")) continue;
    check(e.tagName, [...e.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE).map((node) => node.textContent).join(" "));
  }
  for (const name of ["placeholder", "aria-label", "title", "data-ask"]) {
    for (const e of document.querySelectorAll(`[${name}]:not(td input[type=checkbox])`)) check(name, e.getAttribute(name));
  }
  return found;
});
