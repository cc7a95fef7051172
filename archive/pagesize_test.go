package archive

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// largeSource has a task with a large payload for each id.
type largeSource struct{ Source }

func (largeSource) Get(_ context.Context, ids ...string) ([]*task.Task, error) {
	payload := make([]byte, task.MaxPayload)
	var tasks []*task.Task
	for _, id := range ids {
		tasks = append(tasks, &task.Task{Spec: task.Spec{ID: id, Payload: payload}, CreatedAt: time.UnixMilli(1)})
	}
	return tasks, nil
}

func (largeSource) Histories(_ context.Context, ids ...string) ([][]task.AttemptRecord, error) {
	return make([][]task.AttemptRecord, len(ids)), nil
}

// The memory of an archiver does not grow with the number of large tasks in a page of events.
func TestAPageOfLargeTasksIsCut(t *testing.T) {
	a, err := New(nil, largeSource{}, Config{Pool: "p"})
	if err != nil {
		t.Fatal(err)
	}
	const entry = 30 // events of an entry of the stream
	var events []task.Event
	for i := range eventPage {
		events = append(events, task.Event{Cursor: fmt.Sprintf("%d-0", 1+i/entry), ID: fmt.Sprint("t", i), Version: 3, State: task.Succeeded})
	}
	read := 0
	for len(events) > 0 {
		covered, records, err := a.records(t.Context(), events)
		if err != nil || len(covered) == 0 || len(records) != len(covered) {
			t.Fatalf("%d records of %d events, %v", len(records), len(covered), err)
		}
		if size := len(records) * task.MaxPayload; size > pageBytes+(recordPage+entry)*task.MaxPayload {
			t.Errorf("a page has %d bytes", size)
		}
		rest := events[len(covered):]
		if len(rest) > 0 && rest[0].Cursor == covered[len(covered)-1].Cursor {
			t.Errorf("the entry %s is cut", rest[0].Cursor)
		}
		events, read = rest, read+len(covered)
	}
	if read != eventPage {
		t.Errorf("read %d events", read)
	}
}
