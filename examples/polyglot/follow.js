// Enqueues a task, follows its events to the end and prints its result.
//
//   node follow.js ID
//
// A replica with a handler for text.upper must be running, and README.md says what else.
// Environment: REDIS_PORT (6379), LTS_POOL (default).

import { createClient } from 'redis';

const id = process.argv[2];
const pool = `lts:{${process.env.LTS_POOL ?? 'default'}}`;
const events = `${pool}:events`;
const rejected = `${pool}:inbox:rejected`;
const group = 'follow-js'; // one per service: Redis keeps how far the service has read
const consumer = `js-${process.pid}`; // one per process
const ends = ['succeeded', 'failed', 'stopped', 'expired'];
const patience = Date.now() + 30_000;

const redis = createClient({ url: `redis://127.0.0.1:${process.env.REDIS_PORT ?? 6379}` });
await redis.connect();

// The group comes before the task, so that it gets all of the task's events.
await redis.xGroupCreate(events, group, '$', { MKSTREAM: true }).catch((err) => {
  if (!err.message.startsWith('BUSYGROUP')) throw err;
});
const newest = await redis.xRevRange(rejected, '+', '-', { COUNT: 1 });
const since = newest[0]?.id ?? '0-0'; // rejections up to here are not of what follows
const pushed = JSON.stringify({ id, kind: 'text.upper', payload: 'from ä to z' });
await redis.rPush(`${pool}:inbox`, pushed);

let state = '';
let version = 0; // the highest that was seen of the task
let told = '0-0'; // up to where events are known to be trimmed

while (!ends.includes(state)) {
  if (Date.now() > patience) fail(`${id} has not ended; is a replica running?`);
  const place = (await redis.xInfoGroups(events)).find((g) => g.name === group)['last-delivered-id'];
  const left = await redis.xAutoClaim(events, group, consumer, 60_000, '0-0', { COUNT: 100 });
  const read = await redis.xReadGroup(group, consumer, { key: events, id: '>' }, { COUNT: 100, BLOCK: 1000 });
  const trimmed = (await redis.hGet(`${pool}:meta`, 'events:trimmed')) ?? '0-0';

  for (const entry of [...left.messages, ...(read?.[0].messages ?? [])]) {
    if (entry.message.id === id) see(entry.message);
    await redis.xAck(events, group, entry.id); // only now: it comes again if this process dies before
  }

  // Events that nobody can read any more: what they said stands in the task itself.
  if (left.deletedMessages.length > 0 || (before(place, trimmed) && before(told, trimmed))) {
    told = trimmed;
    console.log('missed events');
    const task = await redis.hGetAll(`${pool}:task:${id}`);
    if (ends.includes(task.state)) see(task);
  }

  // While nothing comes: the entry may have been rejected. A duplicate of its own id means that the task is there.
  if (!ends.includes(state) && left.messages.length === 0 && !read) {
    const reject = await rejection();
    if (!reject) continue;
    if (reject.code !== 'duplicate' || reject.task !== id) fail(`${id} was rejected: ${reject.reason}`);
    const task = await redis.hGetAll(`${pool}:task:${id}`);
    if (!task.state) fail(`${id} has ended and is not kept any more`);
    if (ends.includes(task.state)) see(task);
  }
}

// The event has a short result only, the task any.
console.log('result', await redis.hGet(`${pool}:task:${id}`, 'result'));
await redis.close();

// see prints a change of the task. An event that came before is passed over.
function see(change) {
  const v = Number(change.v ?? 1);
  if (v <= version) return;
  version = v;
  state = change.state;
  console.log(change.code ? `${state} ${change.code}` : state);
}

// rejection finds the fields of the entry's rejection, if it has one.
async function rejection() {
  const entries = await redis.xRevRange(rejected, '+', `(${since}`, { COUNT: 100 });
  return entries.find((e) => e.message.entry === pushed)?.message;
}

function fail(why) {
  console.error(why);
  process.exit(1);
}

// before compares two positions of the stream.
function before(a, b) {
  const [ms, seq] = a.split('-').map(BigInt);
  const [ms2, seq2] = b.split('-').map(BigInt);
  return ms < ms2 || (ms === ms2 && seq < seq2);
}
