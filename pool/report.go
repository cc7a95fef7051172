package pool

import (
	"context"

	"github.com/ltsworker/ltsworker/task"
)

// OutsideReport is a report from outside on an attempt; see task.OutsideReport.
type OutsideReport = task.OutsideReport

// The states of an OutsideReport; see task.ReportState.
const (
	ReportSucceeded = task.ReportSucceeded
	ReportFailed    = task.ReportFailed
	ReportReleased  = task.ReportReleased
	ReportProgress  = task.ReportProgress
)

// Report ends the attempt that a token belongs to, or sets its progress. The handler of
// the attempt has got the token from Task.ReportToken. Report may be called before the
// handler returns: what the handler returns then has no effect.
//
// It returns ErrUnknownToken if the token is wrong, or if its attempt has ended: by
// another report, a stop, a timeout or a lost lease. The same report may be repeated for
// ten minutes, for instance after a lost answer: it is accepted again and has no other
// effect. A report that is invalid is refused with FieldErrors. Progress of a task that
// still runs is not repeated but replaced.
func (p *Pool) Report(ctx context.Context, token string, r OutsideReport) error {
	return p.store.Report(ctx, token, r)
}
