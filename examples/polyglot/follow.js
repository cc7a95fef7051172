// Enqueues a task, waits for its outcome, and prints the events and the outcome.
//
//   node follow.js ID [KIND]
//
// README.md says which replica must be running.
// Environment: REDIS_PORT (6379), LTS_POOL (default).
import { createClientPool } from 'redis';
import { Pool, Rejected } from '../../clients/node/ltsworker.mjs';

const [id, kind = 'text.upper'] = process.argv.slice(2);
const redis = createClientPool({ url: `redis://127.0.0.1:${process.env.REDIS_PORT ?? 6379}` });
const pool = new Pool(await redis.connect(), process.env.LTS_POOL);

// Create the group before the task, so that it gets all of the task's events. Use a group per service and a consumer per
// process.
const events = await pool.events('follow-js', `js-${process.pid}`, 1);
const outcome = await pool.call(kind, 'from ä to z', { id }).catch((err) => {
  if (!(err instanceof Rejected)) throw err;
  console.error(err.message);
  process.exit(1);
});

let version = 0; // the highest that was printed: a group can get an event twice
for await (const event of events) {
  if (event.state === 'missed') {
    console.log('missed events');
  } else if (event.id === id && Number(event.v) > version) {
    version = Number(event.v);
    console.log(event.state);
  }
}
console.log('outcome:', outcome.state, outcome.error ?? outcome.result);
await redis.close();
