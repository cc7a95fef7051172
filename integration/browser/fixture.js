// A pool with tasks in every state, as the pages and pictures show it. Names and numbers are the same in each run.
import { createServer } from "node:http";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { dir, freePort, lts, push, redis, startAlerts, startConsole, startRedis, startReplica, until } from "./servers.js";

const config = `
labels: [zone=eu]
lease: 30s
drain_timeout: 1s
stop_grace: 1s
limit: 40
queues:
  default: {workers: 8, limit: 16}
  media: {workers: 4, limit: 6}
  calls: {workers: 2, rate: 2/h burst 2}
  late: {workers: 1}
groups: {default_limit: 4, limits: {acme: 1}}
handlers:
  report.make:
    command: [sh, -c, "cat >/dev/null; echo '{\\"pages\\": 12, \\"bytes\\": 48213}'"]
  bytes.make:
    command: [sh, -c, "cat >/dev/null; printf '\\\\000\\\\001\\\\377\\\\376 binary \\\\033[31m'"]
  text.repeat:
    command: [cat]
  mail.send:
    command: [sh, -c, "grep -q nobody && { echo 'the customer has no address' >&2; exit 65; }; echo 'connect to mail.example.test: connection refused' >&2; exit 1"]
    max_attempts: 1
  disk.write:
    command: [sh, -c, "cat >/dev/null; echo 'write /var/spool/export.tmp: disk full' >&2; exit 1"]
    max_attempts: 2
    backoff: fixed:10
  video.cut:
    command: [sh, -c, "cat >/dev/null; for i in 1 2 3 4 5 6; do echo \\"frame $i of 6 written\\" >&2; done; echo '::progress 0.4 cutting' >&2; exec sleep 3600"]
    soft_timeout: 5s
    timeout: none
  catalogue.part:
    command: [sh, -c, "cat >/dev/null; echo done"]
  call.make:
    command: [sh, -c, "cat >/dev/null; echo ok"]
`;

/** The least number of tasks in each state, once the pool is filled. */
export const counts = { failed: 22, running: 4, succeeded: 20 };

export const passwords = {
  ann: "the password of ann 1",
  olga: "the password of olga 2",
  vic: "the password of vic 3",
  nora: "the password of nora 4",
};

const day = 86400000;
const tasks = () => {
  const all = [];
  for (let i = 1; i <= 9; i++) all.push({ id: `mail-${100 + i}`, kind: "mail.send", payload: { to: `c${i}@customer.example`, template: "invoice" }, headers: { traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01" } });
  for (let i = 1; i <= 5; i++) all.push({ id: `mail-${200 + i}`, kind: "mail.send", payload: { to: "nobody", template: "reminder" } });
  for (let i = 1; i <= 8; i++) all.push({ id: `export-${i}`, kind: "disk.write", group: "globex", payload: { table: "orders", month: i } });
  for (let i = 1; i <= 16; i++) all.push({ id: `report-${i}`, kind: "report.make", retain_ms: "forever", payload: { customer: 40 + i, format: "pdf" } });
  for (let i = 1; i <= 2; i++) all.push({ id: `cut-${i}`, kind: "video.cut", queue: "media", payload: { file: `s3://media/in/${i}.mp4`, from: 30, to: 95 } });
  for (let i = 1; i <= 4; i++) all.push({ id: `acme-${i}`, kind: "video.cut", queue: "media", group: "acme", priority: i, payload: { file: `s3://acme/${i}.mp4` } });
  for (let i = 1; i <= 5; i++) all.push({ id: `call-${i}`, kind: "call.make", queue: "calls", retain_ms: "forever", payload: { number: 555000 + i } });
  for (let i = 1; i <= 6; i++) all.push({ id: `later-${i}`, kind: "report.make", delay_ms: i * day, payload: { customer: i } });
  for (let i = 1; i <= 3; i++) all.push({ id: `gpu-${i}`, kind: "video.cut", labels: ["gpu", "zone=eu"], payload: { file: `s3://media/gpu/${i}.mp4` } });
  return all.concat([
    { id: "held-1", kind: "report.make", hold: true, payload: { customer: 7 } },
    { id: "lonely-1", kind: "report.make", queue: "nowhere", payload: { customer: 8 } },
    { id: "expired-1", kind: "report.make", queue: "closed", ttl_ms: 1, payload: {} },
    { id: "catalogue-1", kind: "catalogue.part", retain_ms: "forever", shards: ["books", "music", "films", "games"], payload: { dump: "2026-01" } },
    { id: "catalogue-2", kind: "video.cut", queue: "media", shards: ["north"], payload: { dump: "2026-02" } },
    { id: "unique-1", kind: "report.make", delay_ms: day, unique: "customer 9", payload: { customer: 9 } },
    { id: "script-1", kind: "text.repeat", retain_ms: "forever", payload: { text: "<script>document.title='run'</script><img src=x onerror=alert(1)>", password: "hunter2", nested: { api_token: "t0ps3cret" } } },
    { id: "bytes-1", kind: "bytes.make", retain_ms: "forever", payload: {} },
    { id: "large-1", kind: "report.make", hold: true, payload: "x".repeat(1000000) },
    { id: "stop-1", kind: "report.make", delay_ms: day, payload: { customer: 10 } },
  ]);
};

/** Starts all servers and fills the pool. It returns the addresses of the consoles: one with users and one that is open. */
export async function fill() {
  await startRedis();
  await writeFile(join(dir, "ltsworker.yaml"), config);
  const replica = startReplica("replica", "ltsworker.yaml");
  await until("the replica has joined", async () => {
    if (replica.exitCode !== null) throw new Error("the replica has ended, see replica.log");
    return (await lts(["replicas", "--json"]).catch(() => "")).includes("video.cut");
  });
  await push(...tasks());
  await push('{"kind":"report.make","prio":5}', { id: "catalogue-1", kind: "report.make" }, { kind: "report.make", unique: "customer 9" });
  await push(`{"kind":"report.make","payload":"${"y".repeat(10 << 20)}"}`);

  await triggers();
  const users = join(dir, "console.users");
  const roles = { ann: "admin", olga: "operator", vic: "viewer", nora: "viewer" };
  for (const [name, role] of Object.entries(roles)) {
    await lts(["console", "user", "add", name, "--users", users, "--roles", `*=${role}`, "--password-file", "-", ...(name === "nora" ? ["--must-change"] : [])], passwords[name] + "\n");
  }
  await writeFile(join(dir, "console.yaml"), `users: console.users\nredact: [password, "*token*"]\narchive: tasks.db\ntrace_url: "https://traces.example/trace/{trace_id}"\n`);
  await until("the pool is filled", async () => {
    const stats = JSON.parse(await lts(["stats", "--json"]));
    if (Object.entries(counts).some(([state, n]) => (stats.kept[state] ?? stats[state]) < n)) return false;
    if (!(await lts(["logs", "cut-1"]).catch(() => "")).includes("frame 6")) return false;
    return (await lts(["get", "large-1", "--json"]).catch(() => "")) && !(await redis("LLEN", "lts:{default}:inbox"));
  });
  await lts(["stop", "stop-1", "--why", "the order was cancelled"]);
  await lts(["reap"]);
  await lts(["pause", "late"]);
  await lts(["limit", "media", "5"]);
  await lts(["archive", "run", "--once", "--db", join(dir, "tasks.db")]);
  await alerts();

  const port = await freePort(), open = await freePort();
  await startConsole("console", port, "-c", "console.yaml");
  const shown = await startConsole("open", open, "--open");
  await fetch(`http://127.0.0.1:${open}/p/default/bulk/stop`, { method: "POST", redirect: "manual", body: new URLSearchParams({ q: "kind:video.cut", state: "waiting" }) });
  return { url: `http://127.0.0.1:${port}`, open: { url: `http://127.0.0.1:${open}`, port: open, console: shown } };
}

async function triggers() {
  const set = (...args) => lts(["trigger", "set", ...args]);
  await set("night", "report.make", '{"full":true}', "--cron", "0 3 * * *", "--zone", "Europe/Berlin", "--overlap", "skip");
  await set("workdays", "mail.send", '{"to":"team"}', "--cron", "30 8 * * *", "--zone", "Asia/Shanghai", "--calendar", "weekdays");
  await set("sweep", "report.make", '{"old":true}', "--daily", "09:00-17:00/2h", "--days", "mon,tue,wed,thu,fri", "--misfire", "skip");
  await set("poll", "report.make", '{"url":"https://partner.example/x"}', "--every", "6h", "--paused");
  await set("once", "report.make", "{}", "--at", "2099-12-31T18:00:00Z");
  await lts(["trigger", "run", "night"]);
}

/** Runs alert rules: one fires and its message is sent, one fires and is silent, one is pending. */
async function alerts() {
  const hook = createServer((_, answer) => answer.end("ok")).unref();
  await new Promise((resolve) => hook.listen(0, "127.0.0.1", resolve));
  await writeFile(join(dir, "alerts.yaml"), `
alerts:
  interval: 1s
  receivers: {ops: {webhook: {url: "http://127.0.0.1:${hook.address().port}/tasks"}, networks: [127.0.0.0/8]}}
  rules:
    unserved: {when: unserved, queues: [nowhere], severity: critical}
    long-wait: {when: oldest_wait, over: 1s, queues: [media], for: 24h}
`);
  await lts(["alert", "set", "calls-wait", "--when", "waiting", "--over", "2", "--queues", "calls", "--to", "ops"]);
  await lts(["alert", "silence", "add", "--rule", "calls-wait", "--for", "4h", "--reason", "the provider is slow today"]);
  startAlerts("alerts", "alerts.yaml");
  await until("the message about an alert is sent", async () => (await lts(["alert", "history", "--json"])).includes('"sent"'));
}
