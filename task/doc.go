// Package task has the words that all packages share: the task and what it carries, its
// states, the events of its life, the errors and limits, and what a replica and a store
// say to each other. It runs nothing and imports no other package of this module.
//
//   - Spec, Receipt, Task, State, Code and Policy describe a task.
//   - Handler and Middleware run it. Permanent, RetryAfter, Snooze and BadPayload are what
//     a handler may say with its error.
//   - Event, Stats, QueueInfo, GroupInfo, ReplicaInfo and AttemptRecord are read from a
//     pool. Filter selects tasks, Setting changes limits and pauses, Finding is the result
//     of a check.
//   - Registration, Exchange, Renewal, Signal and Maintenance travel between a replica (package
//     worker) and a store (package redisstore).
//
// Services find the names that they need in package pool.
package task
