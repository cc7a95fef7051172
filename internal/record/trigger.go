package record

import (
	"encoding/json"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/trigger"
)

// Trigger is a trigger in JSON output.
type Trigger struct {
	Name       string          `json:"name"`
	State      string          `json:"state"`
	Next       string          `json:"next,omitempty"`
	Pending    string          `json:"pending,omitempty"`
	SetAt      string          `json:"set_at,omitempty"`
	Origin     string          `json:"origin,omitempty"`
	Problem    string          `json:"problem,omitempty"`
	Definition json.RawMessage `json:"definition,omitempty"`
}

// OfTrigger returns the record of a trigger.
func OfTrigger(t *pool.TriggerInfo) Trigger {
	r := Trigger{Name: t.Name, State: TriggerState(t), Next: Instant(t.Next), Pending: Instant(t.Pending), SetAt: Instant(t.SetAt), Origin: t.Origin, Definition: Definition(t)}
	if t.Err != nil {
		r.Problem = t.Err.Error()
	}
	return r
}

// Definition returns the definition as it is stored, nil if it cannot be read.
func Definition(t *pool.TriggerInfo) json.RawMessage {
	text, err := trigger.Encode(&t.Trigger)
	if err != nil {
		return nil
	}
	return text
}

// TriggerState returns the state of a trigger in one word.
func TriggerState(t *pool.TriggerInfo) string {
	switch {
	case t.Paused:
		return "paused"
	case !t.Pending.IsZero():
		return "pending"
	case !t.Next.IsZero():
		return "planned"
	case t.After > 0:
		return "running"
	default:
		return "ended"
	}
}

// Firing is an entry of a trigger's history in JSON output.
type Firing struct {
	Planned string `json:"planned"`
	Last    string `json:"last,omitempty"`
	At      string `json:"at"`
	LateMS  int64  `json:"late_ms"`
	Outcome string `json:"outcome"`
	Task    string `json:"task,omitempty"`
	Why     string `json:"why,omitempty"`
}

// OfFiring returns the record of an entry of the history.
func OfFiring(e *pool.TriggerRecord) Firing {
	return Firing{
		Planned: Instant(e.Planned), Last: Instant(e.Last), At: Instant(e.At), LateMS: e.At.Sub(e.Planned).Milliseconds(),
		Outcome: string(e.Outcome), Task: e.Task, Why: e.Why,
	}
}
