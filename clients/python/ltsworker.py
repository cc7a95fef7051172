"""A client of an ltsworker pool, for redis-py 4.3 or newer. See ../README.md.

    pool = Pool(redis.Redis(decode_responses=True, encoding_errors="replace"))
    print(pool.call("sum", [1, 2])["result"])
"""
import json, uuid, redis

COLUMNS = ("v", "attempt", "replica", "at", "wait_ms", "run_ms", "group")

class Rejected(Exception):
    """The entry was rejected. args[0] is the outcome, with code and error."""

class Pool:
    def __init__(self, connection, name="default"):
        self.redis, self.prefix = connection, "lts:{%s}:" % name

    def enqueue(self, kind, payload=None, **options):
        """Pushes a task and returns its id. After an error, push it again with the same id: only one task is made."""
        id = options.pop("id", None) or uuid.uuid4().hex
        entry = {"id": id, "kind": kind, "payload": payload, **options}
        entry = {name: value for name, value in entry.items() if value is not None}
        self.redis.rpush(self.prefix + "inbox", json.dumps(entry, ensure_ascii=False))
        return id

    def wait(self, id, timeout=30):
        """Removes and returns the outcome of a task with the option reply. BLMOVE KEY KEY LEFT RIGHT would keep it."""
        item = self.redis.blpop(self.prefix + "reply:" + id, timeout)
        if item is None:
            raise TimeoutError(f"{id} has no outcome after {timeout} s")
        outcome = json.loads(item[1])
        if outcome["state"] == "rejected":
            raise Rejected(outcome)
        return outcome

    def call(self, kind, payload=None, timeout=30, **options):
        return self.wait(self.enqueue(kind, payload, reply=True, **options), timeout)

    def events(self, group, consumer, idle=None):
        """Creates the group at the end of the stream. The iterator ends after idle seconds without entries."""
        try:
            self.redis.xgroup_create(self.prefix + "events", group, "$", mkstream=True)
        except redis.ResponseError as err:
            if not str(err).startswith("BUSYGROUP"):
                raise
        return self._read(self.prefix + "events", group, consumer, idle)

    def _read(self, stream, group, consumer, idle):
        reported, position = None, lambda text: [int(number) for number in text.split("-")]
        while True:
            before = next(g["last-delivered-id"] for g in self.redis.xinfo_groups(stream) if g["name"] == group)
            _, entries, deleted = self.redis.xautoclaim(stream, group, consumer, 60_000, count=100)
            for _, new in self.redis.xreadgroup(group, consumer, {stream: ">"}, 100, int((idle or 5) * 1000)):
                entries += new
            trimmed = self.redis.hget(self.prefix + "meta", "events:trimmed") or "0-0"
            if deleted or trimmed != reported and position(before) < position(trimmed):
                reported = trimmed
                yield {"id": "", "state": "missed"}  # entries were trimmed unread: read the tasks instead
            for at, fields in entries:
                columns = {name: fields.pop(name, "-").split(" ") for name in COLUMNS}
                for i, id in enumerate(fields.pop("ids", "").split()):  # a column: one value for all ids or one per id
                    words = {name: column[min(i, len(column) - 1)] for name, column in columns.items()}
                    yield {**fields, "id": id, **{name: word for name, word in words.items() if word != "-"}}
                self.redis.xack(stream, group, at)  # after its last event: redelivered if this process dies before
            if idle and not entries:
                return
