"""Enqueues a task, follows its events to the end and prints its result.

    python3 follow.py ID

A replica with a handler for text.upper must be running, and README.md says what else.
Environment: REDIS_PORT (6379), LTS_POOL (default).
"""

import json
import os
import sys
import time

import redis

task_id = sys.argv[1]
pool = "lts:{%s}" % os.environ.get("LTS_POOL", "default")
events = pool + ":events"
rejected = pool + ":inbox:rejected"
group = "follow-py"  # one per service: Redis keeps how far the service has read
consumer = "py-%d" % os.getpid()  # one per process
ends = ("succeeded", "failed", "stopped", "expired")
patience = time.monotonic() + 30

state = ""
version = 0  # the highest that was seen of the task
told = "0-0"  # up to where events are known to be trimmed


def see(change):
    """Prints a change of the task. An event that came before is passed over."""
    global state, version
    v = int(change.get("v", 1))
    if v <= version:
        return
    version, state = v, change["state"]
    print(f"{state} {change['code']}" if "code" in change else state)


def rejection(entry, since):
    """The fields of the entry's rejection, if it has one."""
    for _, reject in r.xrevrange(rejected, "+", "(" + since, count=100):
        if reject["entry"] == entry:
            return reject
    return None


def position(text):
    """A position of the stream, to compare with others."""
    return [int(part) for part in text.split("-")]


r = redis.Redis(port=int(os.environ.get("REDIS_PORT", 6379)), decode_responses=True)

# The group comes before the task, so that it gets all of the task's events.
try:
    r.xgroup_create(events, group, "$", mkstream=True)
except redis.ResponseError as err:
    if not str(err).startswith("BUSYGROUP"):
        raise
newest = r.xrevrange(rejected, count=1)
since = newest[0][0] if newest else "0-0"  # rejections up to here are not of what follows
entry = json.dumps({"id": task_id, "kind": "text.upper", "payload": "from ä to z"}, ensure_ascii=False)
r.rpush(pool + ":inbox", entry)

while state not in ends:
    if time.monotonic() > patience:
        sys.exit(f"{task_id} has not ended; is a replica running?")
    place = next(g["last-delivered-id"] for g in r.xinfo_groups(events) if g["name"] == group)
    _, left, deleted = r.xautoclaim(events, group, consumer, 60_000, count=100)
    read = r.xreadgroup(group, consumer, {events: ">"}, count=100, block=1000)
    trimmed = r.hget(pool + ":meta", "events:trimmed") or "0-0"

    for at, event in left + (read[0][1] if read else []):
        if event["id"] == task_id:
            see(event)
        r.xack(events, group, at)  # only now: it comes again if this process dies before

    # Events that nobody can read any more: what they said stands in the task itself.
    if deleted or position(place) < position(trimmed) and position(told) < position(trimmed):
        told = trimmed
        print("missed events")
        task = r.hgetall(f"{pool}:task:{task_id}")
        if task.get("state") in ends:
            see(task)

    # While nothing comes: the entry may have been rejected. A duplicate of its own id means that the task is there.
    if state not in ends and not left and not read and (reject := rejection(entry, since)):
        if reject["code"] != "duplicate" or reject["task"] != task_id:
            sys.exit(f"{task_id} was rejected: {reject['reason']}")
        task = r.hgetall(f"{pool}:task:{task_id}")
        if not task:
            sys.exit(f"{task_id} has ended and is not kept any more")
        if task["state"] in ends:
            see(task)

# The event has a short result only, the task any.
print("result", r.hget(f"{pool}:task:{task_id}", "result"))
