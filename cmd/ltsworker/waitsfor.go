package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/worker"
)

// waitsFor says what keeps a waiting task from starting; "" is nothing but the
// tasks before it in line.
func waitsFor(ctx context.Context, c *client, t *worker.Task) (string, error) {
	s, err := c.Stats(ctx)
	if err != nil {
		return "", err
	}
	var q pool.QueueInfo
	if i := slices.IndexFunc(s.Queues, func(q pool.QueueInfo) bool { return q.Name == t.Queue }); i >= 0 {
		q = s.Queues[i]
	}
	replicas, err := c.Replicas(ctx)
	if err != nil {
		return "", err
	}
	replicas = slices.DeleteFunc(replicas, func(r pool.ReplicaInfo) bool { return r.Draining || r.Queues[t.Queue] == 0 })
	var g pool.GroupInfo
	if t.Group != "" {
		_, groups, err := c.Groups(ctx, t.Group)
		if err != nil {
			return "", err
		}
		g = groups[0]
	}
	slots := 0
	for _, r := range replicas {
		slots += r.Queues[t.Queue]
	}
	able := slices.ContainsFunc(replicas, func(r pool.ReplicaInfo) bool { return slices.Contains(r.Kinds, t.Kind) })
	switch {
	case s.Paused:
		return "resume: the pool is paused", nil
	case q.Paused:
		return "resume: the queue is paused", nil
	case len(replicas) == 0:
		return "a replica: none serves the queue", nil
	case !able:
		return "a replica with a handler for the kind", nil
	case g.Full():
		return fmt.Sprintf("a place in group %s: %d run, the limit is %d", printable(g.Name), g.Running, g.Limit), nil
	case q.Limit > 0 && q.Running >= q.Limit:
		return fmt.Sprintf("a place in the queue: %d run, the limit is %d", q.Running, q.Limit), nil
	case s.Limit > 0 && s.Running >= s.Limit:
		return fmt.Sprintf("a place in the pool: %d run, the limit is %d", s.Running, s.Limit), nil
	case q.Running >= slots:
		return fmt.Sprintf("a slot: all %d for the queue are taken", slots), nil
	}
	return "", nil
}
