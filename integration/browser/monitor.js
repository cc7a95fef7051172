// What the console asks of Redis, as MONITOR shows it: how many calls, which commands, and whether each read has a bound.
import { connect } from "node:net";
import { redis, redisPort } from "./servers.js";

// Keys whose size does not depend on the number of tasks: names of queues, settings, totals, and what belongs to one task, replica,
// trigger or job. Only these may be read whole or scanned.
const small = /^lts:\{[^}]*\}:(queues|meta|stats|full|triggers|alerts|silences|archives|replicas|bulks:open|load:\d+|(replica|more|trigger|bulk|served|idle|fired|history|group:queues):.*)$/;
// The script of the state reads the running tasks of a queue whole if they are at most 1,000.
const running = /^lts:\{[^}]*\}:run:/;
const whole = ["HGETALL", "HKEYS", "HVALS", "SMEMBERS", "SSCAN", "HSCAN", "ZSCAN"];
const most = 1001; // members in one reply

/** Says why a command may read more in a pool with more tasks; "" if it has a bound. */
export function unbounded([command, key, ...args]) {
  const has = (word) => args.findIndex((arg) => arg.toUpperCase() === word);
  const span = () => {
    const [from, to] = args.map(Number);
    return from >= 0 === to >= 0 && to - from < most || small.test(key) ? "" : `reads from ${args[0]} to ${args[1]}`;
  };
  const count = (word, at) => (has(word) >= 0 && Number(args[has(word) + at]) <= most || small.test(key) ? "" : `has no ${word}`);
  switch (command = command.toUpperCase()) {
    case "KEYS": case "SCAN": case "SORT": return "walks all keys";
    case "LRANGE": case "ZREVRANGE": return span();
    case "ZRANGE": return has("BYSCORE") >= 0 || has("BYLEX") >= 0 ? count("LIMIT", 2) : span();
    case "ZRANGEBYSCORE": case "ZREVRANGEBYSCORE": case "ZRANGEBYLEX": return count("LIMIT", 2);
    case "XRANGE": case "XREVRANGE": return count("COUNT", 1);
    case "XREAD": return /COUNT/i.test([key, ...args].join(" ")) ? "" : "has no COUNT";
  }
  if (whole.includes(command) && !small.test(key) && !running.test(key)) return "reads a whole key";
  return "";
}

/**
 * Runs what, and returns what Redis was asked meanwhile by the console: calls, the commands of these and of their scripts,
 * and reads without a bound.
 */
export async function monitored(what) {
  const socket = connect(redisPort, "127.0.0.1"), calls = {}, wrong = new Set();
  const others = new Set(); // clients that are not the console
  let text = "", commands = 0, ours = false, open, closed;
  const opened = new Promise((resolve) => { open = resolve; }), end = new Promise((resolve) => { closed = resolve; });
  const mark = `end-${Math.random()}`;
  const line = (line) => {
    const from = line.match(/^[\d.]+ \[\d+ (\S+)\] /);
    if (!from) { if (line.startsWith("OK")) open(); return; }
    const args = [...line.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map((m) => m[1]);
    if (args[1] === mark) { closed(); return; }
    // The commands of a script follow its call.
    if (from[1] !== "lua") {
      ours = !others.has(from[1]);
      if (ours) calls[args[0].toUpperCase()] = (calls[args[0].toUpperCase()] ?? 0) + 1;
    }
    if (!ours) return;
    commands++;
    const why = unbounded(args);
    if (why) wrong.add(`${args.slice(0, 8).join(" ").slice(0, 200)}: ${why}`);
  };
  socket.on("data", (chunk) => {
    const lines = (text + chunk.toString("latin1")).split("\r\n");
    text = lines.pop();
    for (const l of lines) line(l.replace(/^\+/, ""));
  });
  await redis("CLIENT", "SETNAME", "measurement");
  for (const client of (await redis("CLIENT", "LIST")).split("\n")) {
    const m = client.match(/ addr=(\S+) .* name=(million|measurement) /);
    if (m) others.add(m[1]);
  }
  socket.write("MONITOR\r\n");
  await opened;
  try { await what(); } finally {
    await redis("ECHO", mark);
    await end;
    socket.destroy();
  }
  return { calls: Object.values(calls).reduce((a, b) => a + b, 0), names: calls, commands, wrong: [...wrong] };
}

/** The bytes that Redis has sent so far, and the processor time that it has used, in ms. */
export async function used() {
  const number = async (section, name) => Number((await redis("INFO", section)).match(new RegExp(`^${name}:(.*)$`, "m"))[1]);
  return { bytes: await number("stats", "total_net_output_bytes"), cpu: (await number("cpu", "used_cpu_user") + await number("cpu", "used_cpu_sys")) * 1000 };
}
