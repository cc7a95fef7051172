// A client of an ltsworker pool, for the package redis 5 or newer. See ../README.md.
//
//   const pool = new Pool(await createClientPool().connect()); // each wait takes a connection for itself
//   console.log((await pool.call('sum', [1, 2])).result);
import { randomUUID } from 'node:crypto';

const COLUMNS = ['v', 'attempt', 'replica', 'at', 'wait_ms', 'run_ms', 'group'];
const position = (text) => text.split('-').map((number) => number.padStart(20, '0')).join();

// Rejected is thrown when an entry was rejected. Its outcome has code and error.
export class Rejected extends Error {
  constructor(outcome) {
    super(`${outcome.id} was rejected: ${outcome.error}`);
    this.outcome = outcome;
  }
}

export class Pool {
  constructor(redis, name = 'default') {
    Object.assign(this, { redis, prefix: `lts:{${name}}:`, stream: `lts:{${name}}:events` });
  }

  // enqueue pushes a task and returns its id. After an error, push it again with the same id: only
  // one task is made.
  async enqueue(kind, payload, options = {}) {
    const id = options.id ?? randomUUID();
    const entry = Object.assign({ id, kind, payload }, options, { id });
    await this.redis.rPush(`${this.prefix}inbox`, JSON.stringify(entry));
    return id;
  }

  // wait removes and returns the outcome of a task with the option reply. BLMOVE KEY KEY LEFT RIGHT would keep it.
  async wait(id, timeout = 30) {
    const item = await this.redis.blPop(`${this.prefix}reply:${id}`, timeout);
    if (!item) throw new Error(`${id} has no outcome after ${timeout} s`);
    const outcome = JSON.parse(item.element);
    if (outcome.state === 'rejected') throw new Rejected(outcome);
    return outcome;
  }

  async call(kind, payload, { timeout = 30, ...options } = {}) {
    return this.wait(await this.enqueue(kind, payload, { ...options, reply: true }), timeout);
  }

  // events creates the group at the end of the stream. The iterator ends after idle seconds without entries.
  async events(group, consumer, idle) {
    await this.redis.xGroupCreate(this.stream, group, '$', { MKSTREAM: true })
      .catch((err) => { if (!err.message.startsWith('BUSYGROUP')) throw err; });
    return this.#read(this.stream, group, consumer, idle);
  }

  async *#read(stream, group, consumer, idle) {
    for (let reported; ; ) {
      const before = (await this.redis.xInfoGroups(stream)).find((g) => g.name === group)['last-delivered-id'];
      const old = await this.redis.xAutoClaim(stream, group, consumer, 60_000, '0-0', { COUNT: 100 });
      const options = { COUNT: 100, BLOCK: Math.ceil((idle || 5) * 1000) };
      const read = await this.redis.xReadGroup(group, consumer, { key: stream, id: '>' }, options);
      const entries = [...old.messages, ...(read?.[0].messages ?? [])];
      const trimmed = (await this.redis.hGet(`${this.prefix}meta`, 'events:trimmed')) ?? '0-0';
      if (old.deletedMessages.length || (trimmed !== reported && position(before) < position(trimmed))) {
        reported = trimmed;
        yield { id: '', state: 'missed' }; // entries were trimmed unread: read the tasks instead
      }
      for (const { id: at, message: { ids = '', ...fields } } of entries) {
        for (const [i, id] of ids.split(' ').filter(Boolean).entries()) {
          const event = { ...fields, id };
          for (const name of COLUMNS) { // one value for all ids or one per id
            const words = (fields[name] ?? '-').split(' ');
            event[name] = words[Math.min(i, words.length - 1)];
            if (event[name] === '-') delete event[name];
          }
          yield event;
        }
        await this.redis.xAck(stream, group, at); // after its last event: it is redelivered if this process dies before
      }
      if (idle && !entries.length) return;
    }
  }
}
