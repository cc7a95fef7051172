// The BullMQ side of the benchmark: the same requests, one JSON object per line, as child.go answers for the Go systems.
'use strict';

const readline = require('node:readline');
const { FlowProducer, Queue, QueueEvents, Worker } = require('bullmq');
const IORedis = require('ioredis');

const QUEUE = 'bench';
const KIND = 'noop';
const PARENT = 'parent';
const WHOLE_SECOND = 1; // as in trigger.go
let connection, worker, queue, tuned, lease, rate, run;

// Nanoseconds of the machine's monotonic clock, which the Go side reads too.
const mono = () => Number(process.hrtime.bigint());

function payload(n, size, t) {
  const p = { n: String(n).padStart(8, '0') };
  if (t) p.t = t;
  const short = size - JSON.stringify(p).length - ',"p":""'.length;
  if (short > 0) p.p = 'x'.repeat(short);
  return p;
}

const options = (delay) => ({ ...(delay > 0 && { delay }), ...(tuned && { removeOnComplete: true, removeOnFail: true }) });

const ops = {
  async open(r) {
    tuned = r.tuned;
    lease = r.lease_ms;
    rate = r.start_rate;
    const [host, port] = r.redis.split(':');
    connection = { host, port: Number(port), maxRetriesPerRequest: null, ...(tuned && { enableAutoPipelining: true }) };
    queue = new Queue(QUEUE, { connection });
    await queue.waitUntilReady();
    const version = (name) => require(`${name}/package.json`).version;
    return { version: `BullMQ ${version('bullmq')}, ioredis ${version('ioredis')}, Node ${process.version}` };
  },

  async enqueue(r) {
    const start = mono();
    if (r.rate > 0) {
      await paced(r);
    } else if (r.batch > 0) {
      for (let at = 0; at < r.n; at += r.batch) {
        const jobs = [];
        for (let i = at; i < Math.min(at + r.batch, r.n); i++) {
          jobs.push({ name: KIND, data: payload(r.offset + i, r.size), opts: options() });
        }
        await queue.addBulk(jobs);
      }
    } else {
      let next = 0;
      const caller = async () => {
        while (next < r.n) await queue.add(KIND, payload(r.offset + next++, r.size), options());
      };
      await Promise.all(Array.from({ length: r.callers }, caller));
    }
    return { elapsed_ns: mono() - start };
  },

  async start(r) {
    run = { handled: 0, seen: Buffer.alloc(Math.ceil(r.n / 8)), repeats: 0, first: 0, last: 0, latencies: [] };
    const handle = async (job) => {
      if (job.name === PARENT) return;
      const now = mono();
      const n = Number(job.data.n);
      const bit = 1 << (n & 7);
      if (run.seen[n >> 3] & bit) run.repeats++;
      run.seen[n >> 3] |= bit;
      if (job.data.t === WHOLE_SECOND) run.latencies.push(Math.round(((performance.timeOrigin + performance.now()) % 1000) * 1000));
      else if (job.data.t) run.latencies.push(Math.max(0, Math.round(now / 1000 - job.data.t)));
      if (!run.first) run.first = now;
      run.last = now;
      run.handled++;
      if (r.hang) await new Promise(() => setInterval(() => {}, 1 << 30));
    };
    worker = new Worker(QUEUE, handle, {
      connection,
      concurrency: r.workers,
      ...(rate.N > 0 && { limiter: { max: rate.N, duration: rate.Per / 1e6 } }),
      ...(lease && { lockDuration: lease, stalledInterval: lease }),
    });
    worker.on('error', (err) => process.stderr.write(`${err.stack}\n`));
    await worker.waitUntilReady();
    return {};
  },

  async schedule() {
    await queue.upsertJobScheduler(KIND, { pattern: '* * * * * *' }, { name: KIND, data: payload(0, 16, WHOLE_SECOND), opts: options() });
    return {};
  },

  // fan adds a parent with n children and waits for its end.
  async fan(r) {
    const flow = new FlowProducer({ connection });
    const events = new QueueEvents(QUEUE, { connection });
    await Promise.all([flow.waitUntilReady(), events.waitUntilReady()]);
    const start = mono();
    const children = Array.from({ length: r.n }, (_, i) => ({ name: KIND, queueName: QUEUE, data: payload(i, r.size), opts: options() }));
    const tree = await flow.add({ name: PARENT, queueName: QUEUE, children });
    await tree.job.waitUntilFinished(events);
    const elapsed = mono() - start;
    await Promise.all([events.close(), flow.close()]);
    return { elapsed_ns: elapsed };
  },

  async progress() {
    return { handled: run ? run.handled : 0 };
  },

  async result() {
    return {
      handled: run.handled, repeats: run.repeats, seen: run.seen.toString('base64'),
      first_ns: run.first, last_ns: run.last, latencies_us: run.latencies,
    };
  },

  async pending() {
    const c = await queue.getJobCounts('wait', 'active', 'delayed', 'prioritized', 'paused', 'waiting-children', 'failed');
    return { pending: Object.values(c).reduce((a, b) => a + b, 0) };
  },

  async stop() {
    if (worker) await worker.close();
    worker = undefined;
    return {};
  },

  async close() {
    await queue.close();
    return {};
  },
};

// paced adds tasks at a steady rate without waiting for the earlier ones.
async function paced(r) {
  const all = [];
  const start = mono();
  const gap = 1e9 / r.rate;
  for (let i = 0; i < r.n; ) {
    for (; i < r.n && mono() >= start + i * gap; i++) {
      const t = mono() / 1000 + r.delay_ms * 1000;
      all.push(queue.add(KIND, payload(r.offset + i, r.size, Math.round(t)), options(r.delay_ms)));
    }
    const left = (start + i * gap - mono()) / 1e6;
    await new Promise((done) => (left > 1 ? setTimeout(done, left - 1) : setImmediate(done)));
  }
  await Promise.all(all);
}

// The process ends with its parent, whose end closes the pipe.
const lines = readline.createInterface({ input: process.stdin });
lines.on('close', () => process.exit(0));
lines.on('line', async (line) => {
  const r = JSON.parse(line);
  let reply;
  try {
    reply = await ops[r.op](r);
  } catch (err) {
    reply = { error: err.stack };
  }
  process.stdout.write(`${JSON.stringify(reply)}\n`);
});
