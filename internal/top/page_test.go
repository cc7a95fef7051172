package top

import (
	"fmt"
	"testing"

	"github.com/ltsworker/ltsworker/task"
)

func TestPageShowsTheFirstTasksAfterAChangeOfTheOrder(t *testing.T) {
	m := newTestModel(t, 80, 24)
	m.get(busyPool())
	m.press("2", "enter")
	c := content{note: "running"}
	for i := range 30 {
		c.lines = append(c.lines, fmt.Sprint("line ", i))
		c.rows = append(c.rows, taskRows([]*task.Task{{Spec: task.Spec{ID: fmt.Sprint("t", 10+i)}, State: task.Running}}, &m.now)...)
	}
	m.Update(readMsg{snapshot: m.now, page: m.page(), content: c})
	m.reading = true
	m.press("G")
	if got := m.marked(); got != "t39" {
		t.Errorf("it is on %q", got)
	}
	m.press(">")
	if got := m.marked(); got != "t10" {
		t.Errorf("after > it is on %q", got)
	}
	m.shows("TASK↑ (running)")
	m.press("down", "O")
	if got := m.marked(); got != "t39" {
		t.Errorf("after O it is on %q", got)
	}
	m.press("g", "O") // the tasks are below the screen
	m.shows("line 0")
}
