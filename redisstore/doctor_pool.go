package redisstore

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

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
		add(task.SeverityWarning, "replicas", "replica "+r+" stopped renewing and is still on the list",
			"start a replica: its maintenance takes back what this one held")
	}
	live, err := s.Replicas(ctx)
	if err != nil {
		return ignoreWrongType(err)
	}
	for _, r := range live {
		if r.Stuck > 0 {
			add(task.SeverityWarning, "replicas", fmt.Sprintf("replica %s (process %d on %s) has %s", r.ID, r.PID, r.Host,
				plural(r.Stuck, "1 slot taken by a handler that ignores its cancelled context", "%d slots taken by handlers that ignore their cancelled context")), "restart it, and make its handlers return when their context ends", count("stuck", r.Stuck))
		}
	}
	if len(live) > 0 {
		add(task.SeverityOK, "replicas", fmt.Sprintf("%d alive", len(live)), "", count("alive", len(live)))
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
	named, more := splitAt(refusing, maxRefusals)
	const do = "reduce the load of its machine, start replicas on others, or change what its admission allows"
	for _, r := range named {
		add(severity, "replicas", fmt.Sprintf("replica %s (process %d on %s) takes no tasks: %s", r.ID, r.PID, r.Host, r.Refuses), do)
	}
	if len(more) > 0 {
		add(severity, "replicas", plural(len(more), "1 more replica takes no tasks", "%d more replicas take no tasks"), do)
	}
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
	named, more := splitAt(all, maxRefusals)
	const do = "make it answer again; the tasks that need it wait or fail, as their policies say"
	for _, o := range named {
		on := "replica " + o.replicas[0]
		if others := len(o.replicas) - 1; others > 0 {
			on += fmt.Sprintf(" and %d more", others)
		}
		add(task.SeverityWarning, "outages", fmt.Sprintf("calls to %s fail since %s on %s: %s", o.Of, o.Since.UTC().Format(time.RFC3339), on, o.Error), do,
			count("replicas", len(o.replicas)))
	}
	if len(more) > 0 {
		add(task.SeverityWarning, "outages", plural(len(more), "1 more server that tasks need does not answer", "%d more servers that tasks need do not answer"), do)
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
	severity, what := task.SeverityNote, "no live replica"
	for _, of := range []struct {
		n         int
		one, many string
	}{
		{st.Waiting, "1 task waits", "%d tasks wait"},
		{int(due), "1 scheduled task is due", "%d scheduled tasks are due"},
		{st.Inbox, "1 entry is in the inbox", "%d entries are in the inbox"},
	} {
		if of.n > 0 {
			severity, what = task.SeverityWarning, what+", "+plural(of.n, of.one, of.many)
		}
	}
	add(severity, "replicas", what, "start one with ltsworker run",
		count("alive", 0), count("waiting", st.Waiting), count("due", int(due)), count("inbox", st.Inbox))
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
		add(task.SeverityWarning, "clock", "Redis's clock was set back and is "+behind.String()+" behind its former time",
			"correct the clock; until then tasks that were scheduled, or wait for a retry, start late")
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
		add(task.SeverityNote, "queues", "the whole pool is paused", "ltsworker resume")
	}
	var waited []task.QueueInfo // queues with waiting tasks
	for _, q := range st.Queues {
		if q.Paused {
			add(task.SeverityNote, "queues", "queue "+q.Name+" is paused", "ltsworker resume "+q.Name)
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
			add(task.SeverityWarning, "queues", "no live replica serves queue "+q.Name+", where "+plural(q.Waiting, "1 task waits", "%d tasks wait"),
				"name it in a replica's config, or stop the tasks if the name is a mistake", count("waiting", q.Waiting))
		}
	}
	for _, kind := range st.Full {
		add(task.SeverityWarning, "queues", "no task of kind "+kind+" starts, because too many of its results wait to be saved",
			"ltsworker get a task of queue "+task.ExportQueue+kind+" for the error of its exporter")
	}
	if st.Rejected > 0 {
		add(task.SeverityNote, "inbox", plural(st.Rejected, "1 entry was rejected", "%d entries were rejected"),
			"read why, then put them back or drop them: ltsworker rejected list", count("rejected", st.Rejected))
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

// plural returns one for 1, else many with the number for its %d.
func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return fmt.Sprintf(many, n)
}
