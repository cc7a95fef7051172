package record

import (
	"github.com/ltsworker/ltsworker/internal/batch"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/task"
)

// Receipt is a receipt in JSON output.
type Receipt struct {
	ID        string     `json:"id"`
	State     task.State `json:"state,omitempty"`
	Duplicate bool       `json:"duplicate"`
	Error     string     `json:"error,omitempty"`
	Outcome   string     `json:"outcome,omitempty"` // of a task with an error: refused, not_tried or unknown
	Line      int        `json:"line,omitempty"`    // the line of the batch, if there is an error
}

// OfReceipt returns the record of a task's receipt. line is the line in a batch; 0 means no
// batch.
func OfReceipt(r task.Receipt, line int) Receipt {
	out := Receipt{ID: r.ID, State: r.State, Duplicate: r.Duplicate}
	if r.Err != nil {
		out.Error, out.Outcome, out.Line = terminal.TidyError(r.Err.Error()), batch.Outcome(r.Err), line
	}
	return out
}
