package top

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// mostWaiting is how many of the waiting tasks the page of a queue shows.
const mostWaiting = 50

var queueColumns = []column{
	{header: "QUEUE"},
	{header: "WAITING", number: true},
	{header: "RUNNING", number: true},
	{header: "OLDEST", number: true},
	{header: "IN/S", number: true},
	{header: "OUT/S", number: true},
	{header: "SLOTS", number: true, from: 100},
	{header: "REPLICAS", number: true, from: 100},
	{header: "LIMIT", number: true, from: 120},
	{header: "MAX LEN", number: true, from: 120},
	{header: "STATE", paint: terminal.NotEmpty(terminal.Yellow)},
}

// queueRows returns the whole pool and its queues.
func queueRows(s *snapshot) []row {
	var oldest time.Duration
	var in, out float64
	for _, q := range s.queues {
		oldest, in, out = max(oldest, q.OldestWait), in+q.In, out+q.Out
	}
	slots := 0
	for _, r := range s.replicas {
		slots += servedSlots(r)
	}
	all := s.Stats
	rows := []row{{id: "(whole pool)", of: wholePool{}, first: true, cells: []cell{
		text("(whole pool)"), number(all.Waiting, strconv.Itoa(all.Waiting)), number(all.Running, terminal.RunningText(all.Running, all.Limit)),
		number(oldest.Seconds(), terminal.WaitText(oldest)), number(in, terminal.RateText(in)), number(out, terminal.RateText(out)),
		number(slots, strconv.Itoa(slots)), number(len(s.replicas), strconv.Itoa(len(s.replicas))),
		number(all.Limit, terminal.LimitText(all.Limit)), text(""), text(terminal.FlagText(all.Paused, "paused")),
	}}}
	for _, q := range s.queues {
		serving := servers(s, q.Name)
		slots := 0
		for _, r := range serving {
			slots += r.Queues[q.Name]
		}
		rows = append(rows, row{id: q.Name, of: queueSubject(q.Name), cells: []cell{
			text(q.Name), number(q.Waiting, strconv.Itoa(q.Waiting)), number(q.Running, terminal.RunningText(q.Running, q.Limit)),
			number(q.OldestWait.Seconds(), terminal.WaitText(q.OldestWait)), number(q.In, terminal.RateText(q.In)), number(q.Out, terminal.RateText(q.Out)),
			number(slots, strconv.Itoa(slots)), number(len(serving), strconv.Itoa(len(serving))),
			number(q.Limit, terminal.LimitText(q.Limit)), number(q.MaxLen, terminal.LimitText(q.MaxLen)), text(terminal.QueueState(q.QueueInfo, all.Paused)),
		}})
	}
	return rows
}

// servers returns the replicas that take tasks of the queue.
func servers(s *snapshot, queue string) []pool.ReplicaInfo {
	return slices.DeleteFunc(slices.Clone(s.replicas), func(r pool.ReplicaInfo) bool { return r.Draining || r.Queues[queue] == 0 })
}

// wholePool is the pool as a subject.
type wholePool struct{}

func (wholePool) title() string { return "whole pool" }

func (wholePool) keys() string { return "p pause  r resume  s stop" }

func (wholePool) act(m *model, key string) tea.Cmd {
	return m.actOnQueue(key, "", pool.Filter{}, "of the whole pool")
}

func (wholePool) read(_ context.Context, _ *reader, s *snapshot) (content, error) {
	st := s.Stats
	f := newFields()
	f.add("limit", terminal.LimitText(st.Limit))
	f.add("paused", terminal.FlagText(st.Paused, "yes"))
	f.add("scheduled", strconv.Itoa(st.Scheduled))
	f.add("on hold", terminal.FlagText(st.Hold > 0, strconv.Itoa(st.Hold)))
	f.add("waiting", strconv.Itoa(st.Waiting))
	f.add("running", strconv.Itoa(st.Running))
	for _, state := range pool.EndedStates() {
		f.add(string(state), fmt.Sprintf("%d, %d kept", st.Ended[state], st.Kept[state]))
	}
	f.add("enqueued", fmt.Sprintf("%d, %d retried by hand", st.Enqueued, st.Retried))
	f.add("leases lost", strconv.FormatInt(st.LeasesLost, 10))
	f.add("inbox", fmt.Sprintf("%d, %d rejected", st.Inbox, st.Rejected))
	f.add("events", strconv.Itoa(st.Events))
	f.add("replicas", strconv.Itoa(len(s.replicas)))
	return content{lines: f.lines(), rows: taskRows(s.Running, s), note: "running"}, nil
}

// queueSubject is the queue of that name.
type queueSubject string

func (q queueSubject) title() string { return "queue " + terminal.Printable(string(q)) }

func (queueSubject) keys() string { return "p pause  r resume  s stop" }

func (q queueSubject) act(m *model, key string) tea.Cmd {
	return m.actOnQueue(key, string(q), pool.Filter{Queues: []string{string(q)}}, "of "+q.title())
}

// actOnQueue handles a key for a queue, "" for the whole pool. f and of are those of its
// tasks.
func (m *model) actOnQueue(key, queue string, f pool.Filter, of string) tea.Cmd {
	switch key {
	case "p", "r":
		a := m.pool.pause(queue, key == "p")
		if a.question == "" {
			return m.perform(a)
		}
		m.confirm(a)
	case "s":
		return m.ask(func(ctx context.Context) (action, error) { return m.pool.stop(ctx, f, of) })
	}
	return nil
}

// labelsText returns how many tasks wait for each set of labels, "" if no task with labels waits.
func labelsText(q pool.QueueInfo) string {
	var sets []string
	for _, l := range q.Lines {
		sets = append(sets, fmt.Sprintf("%s: %d waiting", terminal.Printable(strings.Join(l.Labels, " ")), l.Waiting))
	}
	if q.MoreLines > 0 {
		sets = append(sets, fmt.Sprintf("%d more sets of labels", q.MoreLines))
	}
	return strings.Join(sets, ", ")
}

func (q queueSubject) read(ctx context.Context, r *reader, s *snapshot) (content, error) {
	name := string(q)
	i := slices.IndexFunc(s.queues, func(l pool.QueueLoad) bool { return l.Name == name })
	if i < 0 {
		return content{lines: []string{"the queue no longer exists"}}, nil
	}
	load := s.queues[i]
	f := newFields()
	f.add("state", terminal.QueueState(load.QueueInfo, s.Stats.Paused))
	f.add("waiting", fmt.Sprintf("%d, cap %s, oldest %s", load.Waiting, terminal.LimitText(load.MaxLen), terminal.WaitText(load.OldestWait)))
	f.add("running", fmt.Sprintf("%d, limit %s", load.Running, terminal.LimitText(load.Limit)))
	f.add("rate", terminal.RateLimitText(load.Rate))
	f.add("aging", terminal.AgingText(load.Aging))
	f.add("per second", fmt.Sprintf("%s in, %s out", terminal.RateText(load.In), terminal.RateText(load.Out)))
	serving := []string{}
	for _, replica := range servers(s, name) {
		serving = append(serving, fmt.Sprintf("%s on %s (%s)", terminal.Printable(replica.ID), terminal.Printable(replica.Host), terminal.Count(replica.Queues[name], "slot")))
	}
	if len(serving) == 0 {
		serving = []string{"no replica"}
	}
	f.add("served by", strings.Join(serving, ", "))
	f.add("labels", labelsText(load.QueueInfo))
	tasks, note := s.runningIn(func(t *task.Task) bool { return t.Queue == name }), "running and waiting"
	if task.CheckName(name) == nil && load.Waiting > 0 {
		n := 0
		for t, err := range r.Tasks(ctx, pool.Filter{States: []pool.State{pool.Waiting}, Queues: []string{name}, Brief: true}) {
			if err != nil {
				return content{}, err
			}
			if n == mostWaiting {
				note = fmt.Sprintf("running, first %d waiting", mostWaiting)
				break
			}
			if t.State == pool.Waiting {
				tasks = append(tasks, t)
				n++
			}
		}
	}
	return content{lines: f.lines(), rows: taskRows(tasks, s), note: note}, nil
}
