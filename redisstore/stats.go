package redisstore

import (
	"cmp"
	"context"
	"slices"
	"strconv"

	"github.com/ltsworker/ltsworker/worker"
)

// firstPage and lastPage are the cursors of a scan at its start and at its end.
const firstPage, lastPage = "0", "0"

// Stats reads the pool at one instant, a page of queues at a time: of a pool with more
// than about 250 queues each page is of an instant of its own, and the other figures are
// those of the first.
func (s *Store) Stats(ctx context.Context) (worker.Stats, error) {
	var st worker.Stats
	for cursor := firstPage; ; {
		reply, err := s.run(ctx, statsScript, cursor, queuePage)
		if err != nil {
			return worker.Stats{}, s.fail(ctx, "stats", err)
		}
		next, page, err := decodeStats(reply)
		if err != nil {
			return worker.Stats{}, err
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
	slices.SortStableFunc(st.Queues, func(a, b worker.QueueInfo) int { return cmp.Compare(a.Name, b.Name) })
	st.Queues = slices.CompactFunc(st.Queues, func(a, b worker.QueueInfo) bool { return a.Name == b.Name })
	for _, q := range st.Queues {
		st.Waiting += q.Waiting
		st.Running += q.Running
	}
	return st, nil
}

func decodeStats(reply any) (next string, st worker.Stats, err error) {
	r := readReply("stats", reply)
	limit := func() int {
		n, _ := strconv.Atoi(r.string())
		return n
	}
	next = r.string()
	st = worker.Stats{Kept: map[worker.State]int{}, Ended: map[worker.State]int64{}}
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
			if worker.State(name).Terminal() {
				st.Ended[worker.State(name)] = n
			}
		}
	}
	kept := r.list()
	for _, state := range []worker.State{worker.Succeeded, worker.Failed, worker.Stopped, worker.Expired} {
		st.Kept[state] = int(kept.int())
	}
	for r.more() {
		q := worker.QueueInfo{Name: r.string(), Waiting: int(r.int())}
		q.GroupsFull = r.int() == 0 && q.Waiting > 0
		q.Running = int(r.int())
		q.Limit, q.MaxLen, q.Paused = limit(), limit(), r.int() == 1
		st.Queues = append(st.Queues, q)
	}
	return next, st, cmp.Or(r.err, totals.err, kept.err)
}
