// Starts the servers of the tests: redis-server, replicas and consoles, on free ports, with files in a temporary folder.
import { execFile, spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { openSync } from "node:fs";

const run = promisify(execFile);
export const dir = await mkdtemp(join(tmpdir(), "ltsworker-browser-"));
const program = process.env.LTSWORKER_PROGRAM;
if (!program) throw new Error("LTSWORKER_PROGRAM must name the program; scripts/browser.sh sets it");

const started = [];
let ended = false;

/** Ends all processes that this file has started, and removes their files. */
export async function end() {
  ended = true;
  await Promise.all(started.reverse().map(stop));
  await rm(dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
}
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => end().finally(() => process.exit(1)));

/** Starts a program. Its output goes to the file NAME.log. */
export function start(name, command, args, env = {}) {
  const log = openSync(join(dir, name + ".log"), "a");
  const child = spawn(command, args, { cwd: dir, env: { ...process.env, ...environment(), ...env }, stdio: ["ignore", log, log] });
  child.log = name;
  child.gone = new Promise((resolve) => child.on("exit", resolve));
  child.on("error", (err) => { throw err; });
  started.push(child);
  return child;
}

/** Ends a process, by force if it has not ended after 20 seconds. */
export async function stop(child, signal = "SIGTERM") {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill(signal);
  const late = setTimeout(() => child.kill("SIGKILL"), 20000);
  await child.gone;
  clearTimeout(late);
}

/** Waits until the condition returns a value, and returns that. The pauses grow, because most conditions start a program. */
export async function until(what, condition, seconds = 120) {
  const last = Date.now() + seconds * 1000;
  for (let pause = 50; ; pause = Math.min(pause * 1.5, 1000)) {
    const value = await condition();
    if (value) return value;
    if (ended || Date.now() > last) throw new Error(`waited too long: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

/**
 * Returns a port that nothing uses. It is below those that a system gives to connections and to servers that ask for any port: a
 * port of theirs could be taken before its server starts, or while its server is restarted.
 */
const taken = new Set();
export async function freePort() {
  for (;;) {
    const port = 10000 + Math.floor(Math.random() * 10000), server = createServer();
    const free = await new Promise((resolve) => server.once("error", () => resolve(false)).listen(port, "127.0.0.1", () => server.close(() => resolve(true))));
    if (free && !taken.has(port)) { taken.add(port); return port; }
  }
}

export let redisPort = 0;
let socket;
const environment = () => ({ LTS_REDIS: `redis://127.0.0.1:${redisPort}/0`, LTS_POOL: "default", TZ: "UTC" });

/** Starts a redis-server, and a connection for redis(). */
export async function startRedis() {
  redisPort = await freePort();
  const server = start("redis", process.env.REDIS_SERVER || "redis-server", ["--port", redisPort, "--bind", "127.0.0.1", "--save", "", "--dir", dir]);
  socket = await until("redis-server starts", () => {
    if (server.exitCode !== null) throw new Error("redis-server has ended");
    return new Promise((resolve) => {
      const s = connect(redisPort, "127.0.0.1", () => resolve(s));
      s.on("error", () => resolve(null));
    });
  });
  socket.setNoDelay(true);
}

/** Sends a command to Redis and returns its reply: text, a number or a bulk string. Calls do not overlap. */
let turn = Promise.resolve();
export function redis(...args) {
  const call = turn.then(() => new Promise((resolve, reject) => {
    let text = Buffer.alloc(0);
    const read = (chunk) => {
      text = Buffer.concat([text, chunk]);
      const line = text.indexOf("\r\n");
      if (line < 0) return;
      const head = text.toString("utf8", 1, line), type = String.fromCharCode(text[0]);
      if (type === "$" && +head >= 0 && text.length < line + 4 + +head) return;
      socket.off("data", read);
      if (type === "-") reject(new Error(head));
      else if (type === ":") resolve(+head);
      else if (type === "$") resolve(+head < 0 ? null : text.toString("utf8", line + 2, line + 2 + +head));
      else resolve(head);
    };
    socket.on("data", read);
    socket.write(`*${args.length}\r\n`);
    for (const arg of args) socket.write(Buffer.concat([Buffer.from(`$${Buffer.byteLength(String(arg))}\r\n`), Buffer.from(String(arg)), Buffer.from("\r\n")]));
  }));
  turn = call.catch(() => {});
  return call;
}

/**
 * Runs a command of ltsworker, with a text as its standard input, and returns its output. On a busy machine Redis may not answer
 * within the five seconds that a command waits (exit code 3): then the command runs again.
 */
export async function lts(args, input = "") {
  for (let again = 0; ; again++) {
    const running = run(program, args, { cwd: dir, env: { ...process.env, ...environment() }, maxBuffer: 1 << 28 });
    running.child.stdin.end(input);
    try { return (await running).stdout; } catch (err) {
      if (err.code !== 3 || again === 5) throw err;
    }
  }
}

/** Pushes tasks to the inbox. */
export const push = (...entries) => redis("RPUSH", "lts:{default}:inbox", ...entries.map((e) => (typeof e === "string" ? e : JSON.stringify(e))));

export const startReplica = (name, config) => start(name, program, ["run", "-c", config]);

export const startAlerts = (name, config) => start(name, program, ["alert", "run", "-c", config]);

/** Starts a console at a port and returns when it answers. */
export async function startConsole(name, port, ...args) {
  const child = start(name, program, ["console", "--listen", `127.0.0.1:${port}`, ...args]);
  await until(`${name} answers`, async () => {
    if (child.exitCode !== null) throw new Error(`${name} has ended:\n${await readFile(join(dir, name + ".log"), "utf8")}`);
    return fetch(`http://127.0.0.1:${port}/login`).then(() => true, () => false);
  });
  return child;
}
