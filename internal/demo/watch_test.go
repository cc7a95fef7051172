package demo

import (
	"strings"
	"testing"

	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/task"
)

func TestTasksOfTheKilledReplicaAreCountedWhenOthersLoseTasksToo(t *testing.T) {
	w := newWatch(4)
	running := func(id, replica string) { w.see(task.Event{ID: id, State: task.Running, Replica: replica}) }
	lost := func(id string) { w.see(task.Event{ID: id, State: task.Scheduled, Code: task.CodeLost}) }
	succeeded := func(id string) { w.see(task.Event{ID: id, State: task.Succeeded, Result: []byte(`{}`)}) }
	// The killed replica lost the task before another one did.
	running("twice", "killed")
	lost("twice")
	running("twice", "slow")
	lost("twice")
	running("twice", "third")
	succeeded("twice")
	// The killed replica never held the task.
	running("of-others", "slow")
	lost("of-others")
	running("of-others", "third")
	succeeded("of-others")
	// The replica lost its lease, claimed the task again and finished it before it was killed.
	running("again", "killed")
	lost("again")
	running("again", "killed")
	succeeded("again")
	running("open", "killed")
	lost("open")

	team := &team{members: []*member{{id: "killed"}, {id: "slow"}, {id: "third"}}, killed: "killed"}
	if s := w.summary(team, Limit); s.Recovered != 1 {
		t.Errorf("got %d recovered tasks, want 1", s.Recovered)
	}
	board := strings.Join(w.board(team, terminal.Palette(false)), "\n")
	if !strings.Contains(board, ", 1 of its 2 tasks finished by others\n") {
		t.Errorf("got\n%s", board)
	}
}
