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
entry = {"id": task_id, "kind": "text.upper", "payload": "from ä to z"}
r.rpush(pool + ":inbox", json.dumps(entry, ensure_ascii=False))

while state not in ends:
    if time.monotonic() > patience:
        sys.exit(f"{task_id} has not ended; {pool}:inbox:rejected may say why")
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

# The event has a short result only, the task any.
print("result", r.hget(f"{pool}:task:{task_id}", "result"))
