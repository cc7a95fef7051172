package redisstore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// IssueToken stores the hash of an attempt's token for reports from outside. It returns
// ErrLeaseLost if the attempt no longer runs on its replica.
func (s *Store) IssueToken(ctx context.Context, queue string, a task.Attempt, hash string) error {
	reply, err := s.run(ctx, tokenScript, queue, a.ID, fenceOf(a.Fence, a.Number), hash)
	if err != nil {
		return s.fail(ctx, "issue token", err)
	}
	r := readSingle("issue token", reply)
	if r.int() == 0 && r.err == nil {
		return s.fail(ctx, "issue token", task.ErrLeaseLost)
	}
	return r.err
}

// Report ends the attempt that the token belongs to, or sets its progress. It returns
// ErrUnknownToken if the token belongs to no running attempt. The same report is accepted
// again within ten minutes.
func (s *Store) Report(ctx context.Context, token string, r task.OutsideReport) error {
	if err := r.Check(); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	id, hash, err := task.ParseToken(token)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	reply, err := s.run(ctx, deliverScript, appendOutside([]any{seed()}, id, hash, &r)...)
	if err != nil {
		return s.fail(ctx, "report", err)
	}
	rd := readSingle("report", reply)
	if rd.int() == 0 && rd.err == nil {
		return fmt.Errorf("report: %w", task.ErrUnknownToken)
	}
	return rd.err
}

// AwaitReports waits until the list of reports has an entry, for wait or a second,
// whichever is longer. It reports whether there is one.
func (s *Store) AwaitReports(ctx context.Context, wait time.Duration) (bool, error) {
	return s.awaitList(ctx, "reports", wait)
}

// AdmitReports applies or rejects one batch of the reports that other programs push. more
// reports whether their list may have further entries.
func (s *Store) AdmitReports(ctx context.Context) (more bool, err error) {
	fromOpen, entries, err := s.peek(ctx, "reports")
	if err != nil || len(entries) == 0 {
		return false, err
	}
	args := []any{seed(), fromOpen, len(entries), MaxRejected}
	for i := range entries {
		args = appendReportEntry(append(args, &entries[i]), entries[i])
	}
	reply, err := s.run(ctx, reportsScript, args...)
	if err != nil {
		return false, s.fail(ctx, "admit reports", err)
	}
	r := readSingle("admit reports", reply)
	return r.int() != 0, r.err
}

// appendReportEntry appends the arguments of the reports script for an entry, after its
// text.
func appendReportEntry(args []any, entry string) []any {
	token, report, err := task.ParseReport([]byte(entry))
	id, hash, unknown := task.ParseToken(token)
	switch {
	case err != nil:
		return append(args, reason(err), id)
	case unknown != nil:
		return append(args, reason(&task.FieldError{Field: "token", Msg: "is no token"}), "")
	}
	return appendOutside(append(args, ""), id, hash, &report)
}

// appendOutside appends the arguments of the scripts for a report that is valid.
func appendOutside(args []any, id, hash string, r *task.OutsideReport) []any {
	op := outsideOp(r)
	args = append(args, hash, digestOf(op, r), op, id)
	switch op {
	case "result":
		return append(args, r.Result, resultForm(r.Result))
	case "progress":
		return append(args, r.Progress)
	case "fail":
		code, delay := task.CodeError, any("")
		if r.Permanent {
			code = task.CodePermanent
		}
		if r.DelaySet {
			delay = r.Delay.Milliseconds()
		}
		return append(args, "", "", string(code), task.CutHead(r.Error, task.MaxErrorLen), delay)
	case "release":
		delay := r.Delay
		if delay < time.Millisecond {
			delay = task.ReleaseDelay
		}
		return append(args, "", "", string(task.CodeReleased), delay.Milliseconds())
	}
	return args
}

// outsideOp returns the op of a report as the scripts name it.
func outsideOp(r *task.OutsideReport) string {
	switch {
	case r.State == task.ReportProgress:
		return "progress"
	case r.State == task.ReportFailed:
		return "fail"
	case r.State == task.ReportReleased:
		return "release"
	case r.Result != nil:
		return "result"
	default:
		return "ok"
	}
}

// digestOf returns a text by which a repeated report is recognized.
func digestOf(op string, r *task.OutsideReport) string {
	h := sha256.New()
	fmt.Fprintf(h, "%s %d %v %v %d\n", op, r.Delay, r.DelaySet, r.Permanent, len(r.Error))
	h.Write([]byte(r.Error))
	h.Write(r.Result)
	return hex.EncodeToString(h.Sum(nil)[:16])
}
