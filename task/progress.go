package task

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
)

// MaxProgress is how many bytes one progress may take.
const MaxProgress = 4096

// unheld guards the Progress of all tasks that no replica runs. They are few, and
// Task stays a value that may be copied.
var unheld sync.Mutex

// SetProgress shows readers of the task how far its handler is: v as JSON, or as
// it is if it is a []byte or a json.RawMessage. It makes no call: the newest progress
// travels with the next renewal of leases, at most about a second later. It fails if v
// cannot be encoded or is over MaxProgress; that has no effect on the task. Several goroutines may call it at once. On a task
// that no replica runs, such as one made for a handler's test, it sets Progress,
// which may be read when those calls have returned.
func (t *Task) SetProgress(v any) error {
	var b []byte
	switch v := v.(type) {
	case []byte:
		b = slices.Clone(v)
	case json.RawMessage:
		b = slices.Clone([]byte(v))
	default:
		var err error
		if b, err = json.Marshal(v); err != nil {
			return fmt.Errorf("encode progress: %w", err)
		}
	}
	if len(b) > MaxProgress {
		return fmt.Errorf("progress is %d bytes; the limit is %d", len(b), MaxProgress)
	}
	if b == nil {
		b = []byte{} // nil would mean that there is nothing new
	}
	if t.running != nil {
		t.running.SetProgress(b)
		return nil
	}
	unheld.Lock()
	t.Progress = b
	unheld.Unlock()
	return nil
}
