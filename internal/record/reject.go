package record

import (
	"encoding/json"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// Reject is a rejected entry in JSON output. The text is in one of the last three fields: see
// Task.
type Reject struct {
	ID          string          `json:"id"`
	At          string          `json:"at"`
	AgeMS       int64           `json:"age_ms"`
	Code        string          `json:"code"`
	Reason      string          `json:"reason"`
	Task        string          `json:"task,omitempty"`
	Bytes       int             `json:"bytes"`
	Cut         bool            `json:"cut"` // only the beginning of the text is kept
	Entry       json.RawMessage `json:"entry,omitempty"`
	EntryText   string          `json:"entry_text,omitempty"`
	EntryBase64 []byte          `json:"entry_base64,omitempty"`
}

// OfReject returns the record of a rejected entry. now is the time of Redis.
func OfReject(r *task.Reject, now time.Time) Reject {
	record := Reject{
		ID: r.ID, At: Instant(r.At), AgeMS: max(now.Sub(r.At).Milliseconds(), 0), Code: r.Code, Reason: r.Reason,
		Task: r.Task, Bytes: r.Bytes, Cut: r.Cut(),
	}
	record.Entry, record.EntryText, record.EntryBase64 = Forms([]byte(r.Entry))
	return record
}
