// Tests the client in JavaScript against a running pool, for scripts/polyglot.sh. ltsworker is in PATH. Environment: REDIS_PORT,
// LTS_REDIS.
import { deepEqual, equal, ok, rejects } from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClientPool } from 'redis';
import { Pool, Rejected } from '../../clients/node/ltsworker.mjs';

const redis = await createClientPool({ url: `redis://127.0.0.1:${process.env.REDIS_PORT}` }).connect();
const pool = new Pool(redis);
const noOutcome = (id) => rejects(pool.wait(id, 0.2), /has no outcome/);
const rejection = (kind, payload, options) => pool.call(kind, payload, options).then(
  (outcome) => { throw new Error(`not rejected: ${JSON.stringify(outcome)}`); },
  (err) => { ok(err instanceof Rejected, err); return err.outcome; },
);
// untimed is an outcome without the time at which its task was made.
const untimed = ({ created_at, ...outcome }) => {
  ok(created_at > 1e12 && created_at <= Date.now() + 60_000, `made at ${created_at}`);
  return outcome;
};
// admitted waits until a task exists and the inbox is empty.
const admitted = async (id) => {
  while (!(await redis.exists(`lts:{default}:task:${id}`)) || await redis.lLen('lts:{default}:inbox')) await sleep(50);
};
const events = await pool.events('behaviour-js', '1', 1);

// An enqueue is repeated while the task is live, as after a lost answer: there is one task and one outcome.
for (let i = 0; i < 3; i++) await pool.enqueue('text.upper', 'a', { id: 'js-repeat', delay_ms: 86_400_000, reply: true });
await admitted('js-repeat');
execFileSync('ltsworker', ['run-now', 'js-repeat']);
deepEqual(untimed(await pool.wait('js-repeat')), { id: 'js-repeat', state: 'succeeded', result: 'A' });
await noOutcome('js-repeat');
// It is repeated after the task has ended, as after a lost outcome: the kept task replies again and does not run again.
equal((await pool.call('text.upper', 'a', { id: 'js-repeat' })).result, 'A');
await noOutcome('js-repeat');
// A live task replies to a later enqueue that requests a reply, even if the first one did not or both are admitted together.
await pool.enqueue('text.upper', 'b', { id: 'js-asked', delay_ms: 1000 });
await admitted('js-asked');
equal((await pool.call('text.upper', 'b', { id: 'js-asked' })).result, 'B');
const both = { kind: 'text.upper', payload: 'b', id: 'js-both', delay_ms: 100 };
await redis.rPush('lts:{default}:inbox', [JSON.stringify(both), JSON.stringify({ ...both, reply: true })]);
equal((await pool.wait('js-both')).result, 'B');

// Rejected entries.
equal((await rejection('text.upper', 'c', { colour: 1 })).code, 'invalid');
await pool.enqueue('text.upper', 'c', { id: 'js-holder', unique: 'the only one/js', delay_ms: 86_400_000 });
const taken = await rejection('text.upper', 'c', { unique: 'the only one/js' });
equal(taken.code, 'duplicate');
equal(taken.error, 'duplicate of task js-holder, which is scheduled');

// The outcome of a failed task is no rejection.
const failed = await pool.call('text.refuse', undefined, { id: 'js-failed' });
const error = 'command ended with exit status 65';
deepEqual(untimed(failed), { id: 'js-failed', state: 'failed', code: 'permanent', error });

// The outcome has only the length of a long result, which is read from the task.
const long = await pool.call('text.repeat', 70_000, { id: 'js-long', queue: 'go' });
deepEqual(untimed(long), { id: 'js-long', state: 'succeeded', result_bytes: 70_002 });
equal(await redis.hGet('lts:{default}:more:js-long', 'result'), `"${'a'.repeat(70_000)}"`);

// A wait may begin after the end. The outcome is kept for ten minutes and can be read without removing it.
await pool.enqueue('text.upper', 'd', { id: 'js-late', reply: true });
while ((await redis.zScore('lts:{default}:ended:succeeded', 'js-late')) === null) await sleep(50);
const key = 'lts:{default}:reply:js-late';
const peeked = JSON.parse(await redis.blMove(key, key, 'LEFT', 'RIGHT', 1));
const expires = await redis.pTTL(key);
ok(expires > 0 && expires <= 600_000, `the reply expires in ${expires} ms`);
deepEqual(untimed(peeked), { id: 'js-late', state: 'succeeded', result: 'D' });
deepEqual(await pool.wait('js-late', 1), peeked);

// Many wait at once.
const texts = Array.from({ length: 30 }, (_, i) => `text ${i}`);
const outcomes = await Promise.all(texts.map((text) => pool.call('text.upper', text)));
deepEqual(outcomes.map((outcome) => outcome.result), texts.map((text) => text.toUpperCase()));

// Entries of many events, and one that is no event, are split and acknowledged.
await redis.xAdd('lts:{default}:events', '*', { something: 'else' });
const ids = Array.from({ length: 120 }, (_, i) => `js-many-${i}`);
const entries = ids.map((id, i) => ({ kind: 'text.upper', id, delay_ms: 86_400_000, group: i % 2 ? 'one' : undefined }));
await redis.rPush('lts:{default}:inbox', entries.map((entry) => JSON.stringify(entry)));
await admitted(ids.at(-1));
const seen = {};
let runs = 0;
for await (const event of events) {
  if (event.id === 'js-repeat' && event.state === 'running') runs++;
  if (event.id.startsWith('js-many-')) seen[event.id] = event;
}
equal(runs, 1);
deepEqual(Object.keys(seen).sort(), ids.toSorted());
for (const [i, id] of ids.entries()) {
  const wanted = { id, state: 'scheduled', kind: 'text.upper', queue: 'default', v: '1', at: seen[id].at };
  deepEqual({ ...seen[id] }, i % 2 ? { ...wanted, group: 'one' } : wanted);
}
equal((await redis.xPending('lts:{default}:events', 'behaviour-js')).pending, 0);
await redis.close();
