package redisstore

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// firstPage and lastPage are the cursors of a scan at its start and at its end.
const firstPage, lastPage = "0", "0"

// Snapshot is a pool at one instant.
type Snapshot struct {
	Stats task.Stats
	// Running are running tasks with the fields that a run entry has: ID, Kind, Queue, Group,
	// Replica, StartedAt, Attempt, Fence and Version.
	Running []*task.Task
	At      time.Time // by the server's clock
}

// Stats reads the state of the pool and of its queues at one instant. In a pool with more
// than about 150 queues, it reads pages of queues, each at an instant of its own. The other
// figures are those of the first instant.
func (s *Store) Stats(ctx context.Context) (task.Stats, error) {
	snap, err := s.Snapshot(ctx, 0)
	return snap.Stats, err
}

// Snapshot is Stats with running tasks of the same instant: all of them if there are at
// most n, else about n. It returns at most 1000.
func (s *Store) Snapshot(ctx context.Context, n int) (Snapshot, error) {
	var snap Snapshot
	st := &snap.Stats
	n = min(n, statsRunning)
	for cursor := firstPage; ; {
		reply, err := s.run(ctx, statsScript, cursor, queuePage, n-len(snap.Running))
		if err != nil {
			return Snapshot{}, s.fail(ctx, "stats", err)
		}
		next, page, err := decodeStats(reply)
		if err != nil {
			return Snapshot{}, err
		}
		if cursor == firstPage {
			snap.Stats, snap.At = page.Stats, page.At
		} else {
			st.Queues = append(st.Queues, page.Stats.Queues...)
		}
		snap.Running = append(snap.Running, page.Running[:min(len(page.Running), n-len(snap.Running))]...)
		if cursor = next; cursor == lastPage {
			break
		}
	}
	// A scan may return a queue twice.
	slices.SortStableFunc(st.Queues, func(a, b task.QueueInfo) int { return cmp.Compare(a.Name, b.Name) })
	st.Queues = slices.CompactFunc(st.Queues, func(a, b task.QueueInfo) bool { return a.Name == b.Name })
	slices.SortFunc(snap.Running, func(a, b *task.Task) int { return cmp.Compare(a.ID, b.ID) })
	snap.Running = slices.CompactFunc(snap.Running, func(a, b *task.Task) bool { return a.ID == b.ID })
	for _, q := range st.Queues {
		st.Waiting += q.Waiting
		st.Running += q.Running
	}
	st.Running += st.Parents
	return snap, nil
}

func decodeStats(reply any) (next string, snap Snapshot, err error) {
	r := readReply("stats", reply)
	limit := func() int {
		n, _ := strconv.Atoi(r.string())
		return n
	}
	next = r.string()
	at, _ := strconv.ParseInt(r.string(), 10, 64)
	snap.At = time.UnixMilli(at)
	st := task.Stats{Kept: map[task.State]int{}, Ended: map[task.State]int64{}}
	st.Scheduled, st.Inbox, st.Rejected = int(r.int()), int(r.int()), int(r.int())
	st.Events, st.Replicas = int(r.int()), int(r.int())
	st.Limit, st.Paused = limit(), r.int() == 1
	st.Outside = int(r.int())
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
	st.Hold = int(r.int())
	full := r.list()
	st.Full = full.strings()
	slices.Sort(st.Full)
	st.Parents = int(r.int())
	for r.more() {
		q := task.QueueInfo{Name: r.string(), Waiting: int(r.int())}
		q.GroupsFull = r.int() == 0 && q.Waiting > 0
		q.Running = int(r.int())
		q.Limit, q.MaxLen, q.Paused = limit(), limit(), r.int() == 1
		q.Rate = rateOf(r.string())
		until := momentOf(r.string())
		if q.Waiting > 0 && until.After(snap.At) {
			q.RateUntil = until
		}
		q.Aging = time.Duration(limit()) * time.Millisecond
		for list := r.list(); list.more(); {
			snap.Running = append(snap.Running, runningTask(list.string(), q.Name, list.string()))
		}
		q.MoreLines = int(r.int())
		for list := r.list(); list.more(); q.MoreLines-- {
			q.Lines = append(q.Lines, task.LineInfo{Labels: strings.Split(list.string(), ","), Waiting: int(list.int())})
		}
		st.Queues = append(st.Queues, q)
	}
	snap.Stats = st
	return next, snap, cmp.Or(r.err, totals.err, kept.err)
}

// rateOf reads a rate from a setting. It returns the zero Rate for none, and for a text that
// another program has damaged.
func rateOf(text string) task.Rate {
	r, err := task.ParseRate(text)
	if err != nil || !r.Limits() {
		return task.Rate{}
	}
	return r
}

// momentOf reads a time in ms, "" for none.
func momentOf(text string) time.Time {
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// runningTask decodes a run entry. A task whose entry cannot be read has Broken set.
func runningTask(id, queue, entry string) *task.Task {
	t := &task.Task{Spec: task.Spec{ID: id, Queue: queue}}
	f := fieldReader{what: "task", id: id}
	setRun(t, entry, &f)
	if part := strings.Fields(entry); f.broken == nil {
		t.Kind = part[5]
		if len(part) > 7 {
			t.Group = part[7]
		}
	}
	t.Broken = f.broken
	return t
}
