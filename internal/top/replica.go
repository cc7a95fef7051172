package top

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

var replicaColumns = []column{
	{header: "REPLICA"},
	{header: "HOST"},
	{header: "PID", number: true},
	{header: "RUNNING", number: true},
	{header: "STUCK", number: true, paint: terminal.NotEmpty(terminal.Red)},
	{header: "HEARTBEAT", number: true},
	{header: "UP", number: true, from: 100},
	{header: "VERSION", from: 120},
	{header: "LEASE", number: true, from: 140},
	{header: "QUEUES", from: 140},
	{header: "KINDS", from: 170},
	{header: "STATE", paint: terminal.NotEmpty(terminal.Yellow)},
}

func replicaRows(s *snapshot) (rows []row) {
	for _, r := range s.replicas {
		up := max(r.SeenAt.Add(r.Silent).Sub(r.StartedAt), 0)
		slots := terminal.Slots(r)
		rows = append(rows, row{id: r.ID, of: replicaSubject(r), cells: []cell{
			text(r.ID), text(r.Host), number(r.PID, strconv.Itoa(r.PID)), number(r.Running, terminal.RunningText(r.Running, slots)),
			number(r.Stuck, strconv.Itoa(r.Stuck)), number(r.Silent.Seconds(), terminal.Ago(r.Silent)),
			number(up.Seconds(), terminal.ShortDuration(up)), text(r.Version), number(r.Lease.Seconds(), terminal.ShortDuration(r.Lease)),
			text(terminal.QueueSlots(r)), text(strings.Join(r.Kinds, ",")), text(terminal.ReplicaState(r)),
		}})
	}
	return rows
}

// servedSlots returns how many tasks the replica starts at once. One that drains, or
// refuses tasks, starts none.
func servedSlots(r pool.ReplicaInfo) int {
	if r.Draining || r.Refuses != "" {
		return 0
	}
	return terminal.Slots(r)
}

// replicaSubject is a replica as it was when its row was made.
type replicaSubject pool.ReplicaInfo

func (r replicaSubject) title() string { return "replica " + terminal.Printable(r.ID) }

func (replicaSubject) keys() string { return "d drain" }

func (r replicaSubject) act(m *model, key string) tea.Cmd {
	if key != "d" {
		return nil
	}
	if i := slices.IndexFunc(m.now.replicas, func(now pool.ReplicaInfo) bool { return now.ID == r.ID }); i >= 0 {
		m.confirm(m.pool.drain(m.now.replicas[i]))
	} else {
		m.says = "the replica has left"
	}
	return nil
}

func (r replicaSubject) read(_ context.Context, _ *reader, s *snapshot) (content, error) {
	i := slices.IndexFunc(s.replicas, func(other pool.ReplicaInfo) bool { return other.ID == r.ID })
	tasks := s.runningIn(func(t *task.Task) bool { return t.Replica == r.ID })
	if i < 0 {
		return content{lines: []string{"the replica has left, or its lease has ended"}, rows: taskRows(tasks, s), note: "not yet taken over"}, nil
	}
	now := s.replicas[i]
	f := newFields()
	f.add("host", terminal.Printable(task.Host{Name: now.Host, IP: now.IP}.String()))
	f.add("pid", strconv.Itoa(now.PID))
	f.add("version", terminal.Printable(now.Version))
	f.add("up", terminal.ShortDuration(max(now.SeenAt.Add(now.Silent).Sub(now.StartedAt), 0)))
	f.add("state", terminal.ReplicaState(now))
	f.add("heartbeat", fmt.Sprintf("%s, lease %s", terminal.Ago(now.Silent), terminal.ShortDuration(now.Lease)))
	f.add("running", terminal.RunningText(now.Running, terminal.Slots(now)))
	f.add("stuck", strconv.Itoa(now.Stuck))
	f.add("queues", terminal.Printable(terminal.QueueSlots(now)))
	f.add("kinds", terminal.Printable(strings.Join(now.Kinds, " ")))
	return content{lines: f.lines(), rows: taskRows(tasks, s), note: "running"}, nil
}
