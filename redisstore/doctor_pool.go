package redisstore

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/internal/findings"
	"github.com/ltsworker/ltsworker/task"
)

// inspectReplicas checks the replicas.
func (s *Store) inspectReplicas(ctx context.Context, add adder) error {
	now, err := s.now(ctx)
	if err != nil {
		return err
	}
	if err := s.inspectClock(ctx, now, add); err != nil {
		return ignoreWrongType(err)
	}
	var silent []string
	err = s.commands(ctx, func(rdb redis.UniversalClient) error {
		silent, err = rdb.ZRangeByScore(ctx, s.key("replicas"),
			&redis.ZRangeBy{Min: "-inf", Max: strconv.FormatInt(now.UnixMilli(), 10), Count: listPage}).Result()
		return err
	})
	if err != nil {
		return ignoreWrongType(err)
	}
	for _, r := range silent {
		add("replica_silent", named("replica", r))
	}
	live, err := s.Replicas(ctx)
	if err != nil {
		return ignoreWrongType(err)
	}
	for _, r := range live {
		if r.Stuck > 0 {
			draining := 0
			if r.Draining {
				draining = 1
			}
			add("replica_stuck", append(process(r), count("stuck", r.Stuck), count("draining", draining))...)
		}
	}
	if len(live) > 0 {
		add("replicas_alive", count("alive", len(live)))
	}
	inspectOutages(live, add)
	inspectKinds(live, add)
	inspectDisabled(live, add)
	if err := s.inspectCalendars(ctx, live, now, add); err != nil {
		return ignoreWrongType(err)
	}
	st, err := s.Stats(ctx)
	if err == nil {
		inspectRefusals(live, st.Waiting, add)
	}
	if err == nil && len(live) == 0 {
		err = s.inspectNoReplica(ctx, now, st, add)
	}
	if err == nil {
		err = s.inspectQueues(ctx, st, len(live) > 0, add)
	}
	if err == nil {
		err = s.inspectLines(ctx, st, live, add)
	}
	return ignoreWrongType(err)
}

// maxRefusals is how many replicas that refuse tasks an inspection names.
const maxRefusals = 20

// inspectRefusals reports the replicas whose admission refuses tasks. It is a warning if
// tasks wait and no replica takes any.
func inspectRefusals(live []task.ReplicaInfo, waiting int, add adder) {
	severity := task.SeverityNote
	if waiting > 0 && !slices.ContainsFunc(live, func(r task.ReplicaInfo) bool { return !r.Draining && r.Refuses == "" }) {
		severity = task.SeverityWarning
	}
	refusing := slices.DeleteFunc(slices.Clone(live), func(r task.ReplicaInfo) bool { return r.Refuses == "" })
	some, more := splitAt(refusing, maxRefusals)
	for _, r := range some {
		add("replica_refuses", append(process(r), named("why", r.Refuses), findings.As(severity))...)
	}
	if len(more) > 0 {
		add("replicas_refuse", count("more", len(more)), findings.As(severity))
	}
}

// process returns which replica a finding is about.
func process(r task.ReplicaInfo) []findings.Value {
	return []findings.Value{named("replica", r.ID), named("pid", strconv.Itoa(r.PID)), named("host", r.Host)}
}

// inspectOutages reports the servers that tasks need and that do not answer, each once.
func inspectOutages(live []task.ReplicaInfo, add adder) {
	type outage struct {
		task.Outage
		replicas []string
	}
	var all []*outage
	for _, r := range live {
		for _, o := range r.Outages {
			i := slices.IndexFunc(all, func(other *outage) bool { return other.Of == o.Of })
			if i < 0 {
				i = len(all)
				all = append(all, &outage{Outage: o})
			}
			if o.Since.Before(all[i].Since) {
				all[i].Outage = o
			}
			all[i].replicas = append(all[i].replicas, r.ID)
		}
	}
	some, more := splitAt(all, maxRefusals)
	for _, o := range some {
		add("outage", named("of", o.Of), instant("since", o.Since), named("replica", o.replicas[0]), count("replicas", len(o.replicas)),
			count("others", len(o.replicas)-1), named("error", o.Error))
	}
	if len(more) > 0 {
		add("outages", count("more", len(more)))
	}
}

// inspectNoReplica reports that no replica is alive, and what waits for one.
func (s *Store) inspectNoReplica(ctx context.Context, now time.Time, st task.Stats, add adder) error {
	due := int64(0)
	err := s.commands(ctx, func(rdb redis.UniversalClient) (err error) {
		due, err = rdb.ZCount(ctx, s.key("scheduled"), "-inf", strconv.FormatInt(now.UnixMilli(), 10)).Result()
		return err
	})
	if err != nil {
		return err
	}
	code := "no_replica"
	if st.Waiting > 0 || due > 0 || st.Inbox > 0 {
		code = "no_replica_works"
	}
	add(code, count("alive", 0), count("waiting", st.Waiting), count("due", int(due)), count("inbox", st.Inbox))
	return nil
}

// inspectClock reports that the server's clock was set back and has not reached its former
// time yet. Maintenance detects that.
func (s *Store) inspectClock(ctx context.Context, now time.Time, add adder) error {
	text, err := s.setting(ctx, "clock:behind")
	if err != nil {
		return err
	}
	former, _ := strconv.ParseInt(text, 10, 64) // the walk reports what is no number
	if behind := time.UnixMilli(former).Sub(now).Round(time.Second); behind > 0 {
		add("clock_behind", named("behind", behind.String()), findings.Millis("behind_ms", behind))
	}
	return nil
}

// ignoreWrongType returns err, but nil for a key of a wrong type, which the walk reports.
func ignoreWrongType(err error) error {
	if isWrongType(err) {
		return nil
	}
	return err
}

// inspectQueues reports what keeps tasks from starting without being damage: pauses, queues
// without replicas, rejected entries.
func (s *Store) inspectQueues(ctx context.Context, st task.Stats, live bool, add adder) error {
	if st.Paused {
		add("pool_paused")
	}
	var waited []task.QueueInfo // queues with waiting tasks
	for _, q := range st.Queues {
		if q.Paused {
			add("queue_paused", named("queue", q.Name))
		}
		if q.Waiting > 0 && live {
			waited = append(waited, q)
		}
	}
	for len(waited) > 0 {
		var page []task.QueueInfo
		var err error
		page, waited = splitAt(waited, pipelinePage)
		if page, err = s.unserved(ctx, page); err != nil {
			return err
		}
		for _, q := range page {
			add("queue_unserved", named("queue", q.Name), count("waiting", q.Waiting))
		}
	}
	for _, kind := range st.Full {
		add("exports_full", named("kind", kind))
	}
	if st.Rejected > 0 {
		add("entries_rejected", count("rejected", st.Rejected))
	}
	return nil
}

// unserved returns those of the queues that no class of replicas serves.
func (s *Store) unserved(ctx context.Context, queues []task.QueueInfo) ([]task.QueueInfo, error) {
	classes := make([]*redis.StringSliceCmd, len(queues))
	exist := map[string]*redis.IntCmd{}
	err := s.commands(ctx, func(rdb redis.UniversalClient) error {
		p := rdb.Pipeline()
		for i, q := range queues {
			classes[i] = p.SMembers(ctx, s.key("served:", q.Name, "#"))
		}
		if _, err := p.Exec(ctx); err != nil {
			return err
		}
		for _, of := range classes {
			for _, c := range of.Val() {
				if exist[c] == nil {
					exist[c] = p.Exists(ctx, s.key("class:", c))
				}
			}
		}
		_, err := p.Exec(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	var out []task.QueueInfo
	for i, q := range queues {
		if !slices.ContainsFunc(classes[i].Val(), func(c string) bool { return exist[c].Val() > 0 }) {
			out = append(out, q)
		}
	}
	return out, nil
}
