"""Enqueues a task, waits for its outcome, and prints the events and the outcome.

    python3 follow.py ID [KIND]

README.md says which replica must be running.
Environment: REDIS_PORT (6379), LTS_POOL (default).
"""
import os
import sys

import redis

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../clients/python"))
from ltsworker import Pool, Rejected

id, kind = (sys.argv + ["text.upper"])[1:3]
port = int(os.environ.get("REDIS_PORT", 6379))
connection = redis.Redis(port=port, decode_responses=True, encoding_errors="replace")
pool = Pool(connection, os.environ.get("LTS_POOL", "default"))

# Create the group before the task, so that it gets all of the task's events. Use a group per service and a consumer per
# process.
events = pool.events("follow-py", f"py-{os.getpid()}", idle=1)
try:
    outcome = pool.call(kind, "from ä to z", id=id)
except Rejected as err:
    sys.exit(f"{id} was rejected: {err.args[0]['error']}")

version = 0  # the highest that was printed: a group can get an event twice
for event in events:
    if event["state"] == "missed":
        print("missed events")
    elif event["id"] == id and int(event["v"]) > version:
        version = int(event["v"])
        print(event["state"])
print("outcome:", outcome["state"], outcome.get("error") or outcome["result"])
