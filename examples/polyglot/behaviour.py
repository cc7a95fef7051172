"""Tests the client in Python against a running pool, for scripts/polyglot.sh. ltsworker is in PATH. Environment: REDIS_PORT, LTS_REDIS."""
import json
import os
import subprocess
import sys
import time

import redis

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../clients/python"))
from ltsworker import Pool, Rejected

r = redis.Redis(port=int(os.environ["REDIS_PORT"]), decode_responses=True, encoding_errors="replace")
pool = Pool(r)


def equal(what, got, wanted):
    if got != wanted:
        sys.exit(f"{what}: got {got!r}, wanted {wanted!r}")


def untimed(outcome):
    """An outcome without the time at which its task was made."""
    created_at = outcome.pop("created_at")
    if not 1e12 < created_at <= (time.time() + 60) * 1000:
        sys.exit(f"made at {created_at}")
    return outcome


def no_outcome(id):
    try:
        sys.exit(f"{id} has one more outcome: {pool.wait(id, 0.2)}")
    except TimeoutError:
        pass


def rejection(**task):
    try:
        sys.exit(f"{task} was not rejected: {pool.call(**task)}")
    except Rejected as err:
        return err.args[0]


def admitted(id):
    """Waits until a task exists and the inbox is empty."""
    while not r.exists(pool.prefix + "task:" + id) or r.llen(pool.prefix + "inbox"):
        time.sleep(0.05)


events = pool.events("behaviour-py", "1", idle=1)
done = {"id": "py-repeat", "state": "succeeded", "result": "A"}

# An enqueue is repeated while the task is live, as after a lost answer: there is one task and one outcome.
for _ in range(3):
    pool.enqueue("text.upper", "a", id="py-repeat", delay_ms=86_400_000, reply=True)
admitted("py-repeat")
subprocess.run(["ltsworker", "run-now", "py-repeat"], check=True, stdout=subprocess.DEVNULL)
equal("repeated", untimed(pool.wait("py-repeat")), done)
no_outcome("py-repeat")
# It is repeated after the task has ended, as after a lost outcome: the kept task replies again and does not run again.
equal("repeated after the end", untimed(pool.call("text.upper", "a", id="py-repeat")), done)
no_outcome("py-repeat")
# A live task replies to a later enqueue that requests a reply, even if the first one did not or both are admitted together.
pool.enqueue("text.upper", "b", id="py-asked", delay_ms=1000)
admitted("py-asked")
equal("asked later", pool.call("text.upper", "b", id="py-asked")["result"], "B")
with r.pipeline() as pipe:
    for reply in (False, True):
        Pool(pipe).enqueue("text.upper", "b", id="py-both", delay_ms=100, reply=reply)
    pipe.execute()
equal("asked in the same step", pool.wait("py-both")["result"], "B")

# Rejected entries.
equal("unknown field", rejection(kind="text.upper", id="py-bad", colour=1)["code"], "invalid")
pool.enqueue("text.upper", "c", id="py-holder", unique="the only one/py", delay_ms=86_400_000)
taken = rejection(kind="text.upper", payload="c", id="py-second", unique="the only one/py")
equal("unique key", taken["code"], "duplicate")
equal("its reason", taken["error"], "duplicate of task py-holder, which is scheduled")

# The outcome of a failed task is no rejection.
failed = pool.call("text.refuse", id="py-failed")
error = "command ended with exit status 65"
equal("failed", untimed(failed), {"id": "py-failed", "state": "failed", "code": "permanent", "error": error})

# The outcome has only the length of a long result, which is read from the task.
long = pool.call("text.repeat", 70_000, id="py-long", queue="go")
equal("long", untimed(long), {"id": "py-long", "state": "succeeded", "result_bytes": 70_002})
equal("its result", r.hget("lts:{default}:more:py-long", "result"), '"%s"' % ("a" * 70_000))

# A wait may begin after the end. The outcome is kept for ten minutes and can be read without removing it.
pool.enqueue("text.upper", "d", id="py-late", reply=True)
while r.zscore("lts:{default}:ended:succeeded", "py-late") is None:
    time.sleep(0.05)
key = "lts:{default}:reply:py-late"
peeked = r.blmove(key, key, 1, "LEFT", "RIGHT")
if not 0 < r.pttl(key) <= 600_000:
    sys.exit(f"the reply expires in {r.pttl(key)} ms")
equal("late", pool.wait("py-late", 1), json.loads(peeked))
equal("peeked", untimed(json.loads(peeked)), {"id": "py-late", "state": "succeeded", "result": "D"})

# Entries of many events, and one that is no event, are split and acknowledged.
r.xadd(pool.prefix + "events", {"something": "else"})
ids = [f"py-many-{i}" for i in range(120)]
with r.pipeline() as pipe:
    many = Pool(pipe)
    for i, id in enumerate(ids):
        many.enqueue("text.upper", "x", id=id, delay_ms=86_400_000, **({"group": "one"} if i % 2 else {}))
    pipe.execute()
admitted(ids[-1])
seen = {}
runs = 0
for event in events:
    runs += event["id"] == "py-repeat" and event["state"] == "running"
    if event["id"].startswith("py-many-"):
        seen[event["id"]] = event
equal("runs of the repeated task", runs, 1)
equal("ids", sorted(seen), sorted(ids))
for i, id in enumerate(ids):
    wanted = {"id": id, "state": "scheduled", "kind": "text.upper", "queue": "default", "v": "1", "at": seen[id]["at"]}
    equal(id, seen[id], {**wanted, "group": "one"} if i % 2 else wanted)
equal("not acknowledged", r.xpending(pool.prefix + "events", "behaviour-py")["pending"], 0)
