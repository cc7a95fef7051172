package trigger

import (
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// Redis has lost its data in between, so another definition has the same name and version.
func TestPlanOfAnotherDefinitionIsNotUsedAgain(t *testing.T) {
	p, now := NewPlanner(nil), time.Now()
	for _, payload := range []string{"1", "2"} {
		text, err := Encode(&Definition{Name: "a", Every: time.Hour, Task: task.Spec{Kind: "k", Payload: []byte(payload)}})
		if err != nil {
			t.Fatal(err)
		}
		for _, anchor := range []time.Time{now, now.Add(time.Minute)} {
			f, err := p.Fire(task.StoredTrigger{Name: "a", Version: "1", Definition: string(text), Planned: anchor, Due: anchor, Anchor: anchor}, anchor)
			if err != nil || string(f.Tasks[0].Payload) != payload || !f.Next.Equal(anchor.Add(time.Hour)) {
				t.Errorf("made a task with payload %s, next %v, want %s, %v", f.Tasks[0].Payload, f.Next, payload, err)
			}
		}
	}
}
