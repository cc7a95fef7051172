package redisstore

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ltsworker/ltsworker/worker"
)

// Configure changes live settings. They hold until somebody changes them again
// or a replica joins with another configuration than the last one did.
func (s *Store) Configure(ctx context.Context, settings ...worker.Setting) error {
	var fields, groups []any
	regroup := false
	set := func(field string, n *int) {
		if n == nil {
			return
		}
		value := ""
		if *n > 0 {
			value = strconv.Itoa(*n)
		}
		fields = append(fields, field, value)
	}
	pause := func(field string, on *bool) {
		if on == nil {
			return
		}
		value := ""
		if *on {
			value = "1"
		}
		fields = append(fields, field, value)
	}
	for _, c := range settings {
		switch c.Scope {
		case worker.PoolScope:
			set("limit", c.Limit)
			pause("paused", c.Pause)
		case worker.QueueScope:
			set("limit:queue:"+c.Name, c.Limit)
			set("cap:"+c.Name, c.MaxLen)
			pause("paused:"+c.Name, c.Pause)
		case worker.GroupScope:
			set("limit:group:"+c.Name, c.Limit)
			groups = append(groups, c.Name)
		case worker.GroupsScope:
			set("limit:group", c.Limit)
			regroup = true
		default:
			return fmt.Errorf("configure: unknown scope %q", c.Scope)
		}
	}
	if err := s.mayWrite(ctx); err != nil {
		return err
	}
	args := append([]any{len(fields) / 2}, fields...)
	if _, err := s.run(ctx, configureScript, append(args, groups...)...); err != nil {
		return s.fail(ctx, "configure", err)
	}
	if regroup {
		return s.fail(ctx, "configure", s.regroup(ctx))
	}
	return nil
}

// ForgetQueue takes a queue that nobody uses off the list, with its settings.
func (s *Store) ForgetQueue(ctx context.Context, queue string) error {
	if err := s.mayWrite(ctx); err != nil {
		return err
	}
	scheduled := worker.Filter{Queues: []string{queue}, States: []worker.State{worker.Scheduled}, Brief: true}
	for t, err := range s.Tasks(ctx, scheduled) {
		if err != nil {
			return err
		}
		return fmt.Errorf("%w: task %s is scheduled for it", worker.ErrQueueInUse, t.ID)
	}
	reply, err := s.run(ctx, forgetScript, queue)
	if err != nil {
		return s.fail(ctx, "forget queue", err)
	}
	r := readSingle("forget queue", reply)
	switch why := r.string(); why {
	case "":
		return r.err
	case "none":
		return worker.ErrNoQueue
	case "inbox":
		return fmt.Errorf("%w: the inbox has entries, which may be for it", worker.ErrQueueInUse)
	case "tasks":
		return fmt.Errorf("%w: tasks wait or run in it", worker.ErrQueueInUse)
	case "replica":
		return fmt.Errorf("%w: a replica serves it", worker.ErrQueueInUse)
	default:
		return fmt.Errorf("forget queue: the reply is %q, which says nothing known", clipName(why))
	}
}

// regroup brings the groups that a changed default lets go back to their lines,
// some at a time so that no call takes long.
func (s *Store) regroup(ctx context.Context) error {
	queues, err := s.rdb.SMembers(ctx, s.key("queues")).Result()
	if err != nil {
		return err
	}
	for _, q := range queues {
		for after := ""; ; {
			reply, err := s.run(ctx, regroupScript, q, after, 200)
			if err != nil {
				return err
			}
			r := readSingle("regroup", reply)
			if after = r.string(); r.err != nil {
				return r.err
			}
			if after == "" {
				break
			}
		}
	}
	return nil
}

// Stats reads the pool at one instant.
func (s *Store) Stats(ctx context.Context) (worker.Stats, error) {
	reply, err := s.run(ctx, statsScript)
	if err != nil {
		return worker.Stats{}, s.fail(ctx, "stats", err)
	}
	return decodeStats(reply)
}

func decodeStats(reply any) (worker.Stats, error) {
	r := readReply("stats", reply)
	limit := func() int {
		n, _ := strconv.Atoi(r.string())
		return n
	}
	st := worker.Stats{Kept: map[worker.State]int{}, Ended: map[worker.State]int64{}}
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
		st.Waiting += q.Waiting
		st.Running += q.Running
		st.Queues = append(st.Queues, q)
	}
	sortQueues(st.Queues)
	if r.err == nil {
		r.err = kept.err
	}
	return st, r.err
}

func sortQueues(qs []worker.QueueInfo) {
	slices.SortFunc(qs, func(a, b worker.QueueInfo) int { return strings.Compare(a.Name, b.Name) })
}
