package record

import (
	"encoding/json"

	"github.com/ltsworker/ltsworker/task"
)

// Event is an event in JSON output, with the field names of the stream.
type Event struct {
	Cursor       string            `json:"cursor"`
	More         bool              `json:"more,omitempty"` // other events with this cursor follow
	ID           string            `json:"id"`
	Kind         string            `json:"kind"`
	Queue        string            `json:"queue"`
	Group        string            `json:"group,omitempty"`
	State        task.State        `json:"state"`
	Code         task.Code         `json:"code,omitempty"`
	Attempt      int64             `json:"attempt"`
	Version      int64             `json:"v"`
	Replica      string            `json:"replica,omitempty"`
	At           string            `json:"at"`
	WaitMS       int64             `json:"wait_ms"`
	RunMS        int64             `json:"run_ms"`
	Error        string            `json:"error,omitempty"`
	Meta         map[string]string `json:"meta,omitempty"`
	Orphan       string            `json:"orphan,omitempty"`
	ThenID       string            `json:"then_id,omitempty"`
	ThenError    string            `json:"then_error,omitempty"`
	Result       json.RawMessage   `json:"result,omitempty"`
	ResultText   string            `json:"result_text,omitempty"`
	ResultBase64 []byte            `json:"result_base64,omitempty"`
	ResultBytes  int               `json:"result_bytes,omitempty"`
	Trigger      string            `json:"trigger,omitempty"` // a trigger that should have fired at planned; the event is about no task
	Planned      string            `json:"planned,omitempty"`
	Broken       string            `json:"broken,omitempty"` // the part of the entry that could not be read
}

// OfEvent returns the record of an event.
func OfEvent(e task.Event) Event {
	r := Event{
		Cursor: e.Cursor, More: e.More, ID: e.ID, Kind: e.Kind, Queue: e.Queue, Group: e.Group, State: e.State, Code: e.Code,
		Attempt: e.Attempt, Version: e.Version, Replica: e.Replica, At: Instant(e.At),
		WaitMS: e.Wait.Milliseconds(), RunMS: e.Run.Milliseconds(), Error: e.Error, Meta: e.Meta, Orphan: e.Orphan, ThenID: e.ThenID, ThenError: e.ThenError,
		ResultBytes: e.ResultBytes, Trigger: e.Trigger,
	}
	if e.Trigger != "" {
		r.Planned = Instant(e.Planned)
	}
	r.Result, r.ResultText, r.ResultBase64 = Forms(e.Result)
	if e.Broken != nil {
		r.Broken = e.Broken.Error()
	}
	return r
}
