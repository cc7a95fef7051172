// Package task defines the types that all packages share: tasks and their states,
// events, errors and limits, and the messages between a replica and a store. It runs
// nothing and imports no other package of this module.
//
//   - Spec, Receipt, Task, State, Code and Policy describe a task.
//   - Handler and Middleware run a task. A handler returns Permanent, RetryAfter, Snooze or
//     BadPayload to decide what happens after a failure.
//   - Event, Stats, QueueInfo, GroupInfo, ReplicaInfo and AttemptRecord are read from a
//     pool. Filter selects tasks, Setting changes limits and pauses, Finding is the result
//     of a check.
//   - Registration, Exchange, Renewal, Signal and Maintenance are exchanged between a replica
//     (package worker) and a store (package redisstore).
//
// Package pool has aliases of the names that services need.
package task
