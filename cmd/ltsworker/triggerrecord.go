package main

import (
	"encoding/json"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/trigger"
)

// triggerRecord is a trigger in JSON output.
type triggerRecord struct {
	Name       string          `json:"name"`
	State      string          `json:"state"`
	Next       string          `json:"next,omitempty"`
	Pending    string          `json:"pending,omitempty"`
	SetAt      string          `json:"set_at,omitempty"`
	Origin     string          `json:"origin,omitempty"`
	Problem    string          `json:"problem,omitempty"`
	Definition json.RawMessage `json:"definition,omitempty"`
}

func recordTrigger(t *pool.TriggerInfo) triggerRecord {
	r := triggerRecord{Name: t.Name, State: stateOf(t), Next: instant(t.Next), Pending: instant(t.Pending), SetAt: instant(t.SetAt), Origin: t.Origin, Definition: definitionText(t)}
	if t.Err != nil {
		r.Problem = t.Err.Error()
	}
	return r
}

// definitionText returns the definition as it is stored, nil if it cannot be read.
func definitionText(t *pool.TriggerInfo) json.RawMessage {
	text, err := trigger.Encode(&t.Trigger)
	if err != nil {
		return nil
	}
	return text
}

// firingRecord is an entry of a trigger's history in JSON output.
type firingRecord struct {
	Planned string `json:"planned"`
	Last    string `json:"last,omitempty"`
	At      string `json:"at"`
	LateMS  int64  `json:"late_ms"`
	Outcome string `json:"outcome"`
	Task    string `json:"task,omitempty"`
	Why     string `json:"why,omitempty"`
}

func recordFiring(e *pool.TriggerRecord) firingRecord {
	return firingRecord{
		Planned: instant(e.Planned), Last: instant(e.Last), At: instant(e.At), LateMS: e.At.Sub(e.Planned).Milliseconds(),
		Outcome: string(e.Outcome), Task: e.Task, Why: e.Why,
	}
}
