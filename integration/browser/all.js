// The tests of the console in a browser: one pool, one browser, one test after the other. scripts/browser.sh runs them.
import test, { after, before } from "node:test";
import { actionTests } from "./test-actions.js";
import { close, launch } from "./browser.js";
import { fill } from "./fixture.js";
import { keyboardTests } from "./test-keyboard.js";
import { liveTests } from "./test-live.js";
import { loginTests } from "./test-login.js";
import { pageTests } from "./test-pages.js";
import { end } from "./servers.js";

const at = {};
before(async () => { Object.assign(at, await fill()); await launch(); });
after(async () => { await close(); await end(); });

pageTests(at);
liveTests(at);
keyboardTests(at);
actionTests(at);
loginTests(at);
