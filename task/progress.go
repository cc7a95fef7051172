package task

import (
	"fmt"
	"sync"
)

// MaxProgress is the largest size of a progress value, in bytes.
const MaxProgress = 4096

// unheld guards the fields that handlers set in all tasks that no replica runs. One mutex
// is enough because they are few. It is not in Task, so that a Task can be copied.
var unheld sync.Mutex

// SetProgress publishes how far the handler is: v as JSON, or unchanged if it is a
// []byte or a json.RawMessage. It does not call the store: the newest progress is sent
// with the next renewal of leases, within about a second. It returns an error if v
// cannot be encoded or is longer than MaxProgress; the task continues. It is safe for
// concurrent use.
//
// On a task that no replica runs, such as one made for a test of a handler, it sets
// Progress. Read that field only after the calls have returned.
func (t *Task) SetProgress(v any) error {
	b, err := encodeValue(v)
	if err != nil {
		return fmt.Errorf("encode progress: %w", err)
	}
	if len(b) > MaxProgress {
		return fmt.Errorf("progress is %d bytes; the limit is %d", len(b), MaxProgress)
	}
	if b == nil {
		b = []byte{} // nil means "no new progress"
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
