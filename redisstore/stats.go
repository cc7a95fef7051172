package redisstore

import (
	"cmp"
	"context"
	"slices"
	"strconv"

	"github.com/ltsworker/ltsworker/task"
)

// firstPage and lastPage are the cursors of a scan at its start and at its end.
const firstPage, lastPage = "0", "0"

// Stats reads the state of the pool and of its queues at one instant. In a pool with more
// than about 250 queues, it reads pages of queues, each at an instant of its own. The other
// figures are those of the first instant.
func (s *Store) Stats(ctx context.Context) (task.Stats, error) {
	var st task.Stats
	for cursor := firstPage; ; {
		reply, err := s.run(ctx, statsScript, cursor, queuePage)
		if err != nil {
			return task.Stats{}, s.fail(ctx, "stats", err)
		}
		next, page, err := decodeStats(reply)
		if err != nil {
			return task.Stats{}, err
		}
		if cursor == firstPage {
			st = page
		} else {
			st.Queues = append(st.Queues, page.Queues...)
		}
		if cursor = next; cursor == lastPage {
			break
		}
	}
	// A scan may return a queue twice.
	slices.SortStableFunc(st.Queues, func(a, b task.QueueInfo) int { return cmp.Compare(a.Name, b.Name) })
	st.Queues = slices.CompactFunc(st.Queues, func(a, b task.QueueInfo) bool { return a.Name == b.Name })
	for _, q := range st.Queues {
		st.Waiting += q.Waiting
		st.Running += q.Running
	}
	return st, nil
}

func decodeStats(reply any) (next string, st task.Stats, err error) {
	r := readReply("stats", reply)
	limit := func() int {
		n, _ := strconv.Atoi(r.string())
		return n
	}
	next = r.string()
	st = task.Stats{Kept: map[task.State]int{}, Ended: map[task.State]int64{}}
	st.Scheduled, st.Inbox, st.Rejected = int(r.int()), int(r.int()), int(r.int())
	st.Events, st.Replicas = int(r.int()), int(r.int())
	st.Limit, st.Paused = limit(), r.int() == 1
	totals := r.list()
	for totals.more() {
		name := totals.string()
		n, _ := strconv.ParseInt(totals.string(), 10, 64)
		switch name {
		case "enqueued":
			st.Enqueued = n
		case "retried":
			st.Retried = n
		case "lost":
			st.LeasesLost = n
		default:
			if task.State(name).Terminal() {
				st.Ended[task.State(name)] = n
			}
		}
	}
	kept := r.list()
	for _, state := range []task.State{task.Succeeded, task.Failed, task.Stopped, task.Expired} {
		st.Kept[state] = int(kept.int())
	}
	for r.more() {
		q := task.QueueInfo{Name: r.string(), Waiting: int(r.int())}
		q.GroupsFull = r.int() == 0 && q.Waiting > 0
		q.Running = int(r.int())
		q.Limit, q.MaxLen, q.Paused = limit(), limit(), r.int() == 1
		st.Queues = append(st.Queues, q)
	}
	return next, st, cmp.Or(r.err, totals.err, kept.err)
}
