package redisstore

import (
	"context"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/internal/findings"
	"github.com/ltsworker/ltsworker/task"
)

const (
	// inspectPage is how many entries one call of an inspection checks. Redis serves no
	// other client meanwhile, for a few milliseconds.
	inspectPage = 75
	// maxWalks is how many times an inspection walks at most. It walks again after a
	// repair, which may make other damage visible.
	maxWalks = 4
	// maxFindings is how many findings about entries one inspection reports at most, so
	// that a pool that lost an index does not fill the caller's memory. It does not
	// bound the repairs.
	maxFindings = 10_000
)

// Inspect checks the server, the user's rights and every key of the pool. It repairs
// broken entries if how.Fix is set. Each entry is checked and repaired in one atomic
// step, so Inspect may run on a live pool. It ends with an error if the server cannot be
// reached or refuses the checks.
func (s *Store) Inspect(ctx context.Context, how task.Inspection) iter.Seq2[task.Finding, error] {
	return func(yield func(task.Finding, error) bool) {
		findings, ready, err := s.inspectServer(ctx, how.Fix)
		for _, f := range findings {
			if !yield(f, nil) {
				return
			}
		}
		if err != nil {
			yield(task.Finding{}, s.fail(ctx, "inspect", err))
			return
		}
		if !ready || how.Brief {
			return
		}
		if err := s.walkKeys(ctx, how, func(f task.Finding) bool { return yield(f, nil) }); err != nil {
			yield(task.Finding{}, s.fail(ctx, "inspect", err))
		}
	}
}

// walkKeys checks every key of the pool, and again after a walk that repaired something.
func (s *Store) walkKeys(ctx context.Context, how task.Inspection, report func(task.Finding) bool) error {
	w := inspection{Inspection: how, report: report, reported: map[string]bool{}}
	if how.Progress != nil {
		if st, err := s.Stats(ctx); err == nil {
			w.total = 2 * (st.Scheduled + st.Waiting + st.Running)
			for _, n := range st.Kept {
				w.total += 2 * n
			}
		}
	}
	for range maxWalks {
		w.repaired, w.deferred = 0, nil
		if stopped, err := s.walkOnce(ctx, &w); err != nil || stopped {
			return err
		}
		if w.repaired == 0 {
			break
		}
	}
	for _, f := range w.deferred {
		w.broken++
		if !report(f) {
			return nil
		}
	}
	w.summarize()
	w.reportSlow()
	return nil
}

// inspection is one Inspect's walk over the keys.
type inspection struct {
	task.Inspection
	report   func(task.Finding) bool
	reported map[string]bool // findings of the walks so far
	checked  int             // entries checked in the longest walk
	total    int             // expected in one walk
	deferred []task.Finding  // of this walk; reported unless another walk follows
	repaired int             // in this walk
	broken   int             // found in all walks
	slow     int             // attempts past their soft timeout, in the last walk
}

func (s *Store) walkOnce(ctx context.Context, w *inspection) (stopped bool, err error) {
	mode := reportMode
	if w.Fix {
		mode = "repair"
	}
	w.slow = 0
	for cursor, checked := "", 0; ; {
		page, err := s.checkPage(ctx, mode, inspectPage, cursor)
		if err != nil {
			return false, err
		}
		for _, f := range page.findings {
			if !w.add(f) {
				return true, nil
			}
		}
		checked += page.checked
		w.slow += page.slow
		if w.Progress != nil {
			w.Progress(checked, max(w.total, checked))
		}
		if cursor = page.next; cursor == "" {
			w.checked = max(w.checked, checked)
			return false, nil
		}
	}
}

// add reports a finding unless an earlier walk did. It returns false if the caller wants
// no more findings.
func (w *inspection) add(f task.Finding) bool {
	if f.Fixed != "" {
		w.repaired++
	}
	id := f.Code + " " + f.Key + " " + f.Task
	if w.reported[id] {
		return true
	}
	if f.Code == unchecked && w.Fix {
		// The next walk may be able to check it after the repairs of this one.
		w.deferred = append(w.deferred, f)
		return true
	}
	if f.Severity != task.SeverityNote {
		w.broken++
	}
	if len(w.reported) >= maxFindings {
		return true
	}
	w.reported[id] = true
	return w.report(f)
}

// summarize reports how many entries were checked and how many are broken.
func (w *inspection) summarize() {
	code := "entries_ok"
	if w.broken > 0 {
		code = "entries_broken"
	}
	w.report(findings.New(code, count("entries", w.checked), count("broken", w.broken)))
}

// reportSlow reports how many running attempts are past their soft timeout.
func (w *inspection) reportSlow() {
	if w.slow == 0 {
		return
	}
	w.report(findings.New("tasks_slow", count("slow", w.slow)))
}

// checkReply is the reply to one call of the check script.
type checkReply struct {
	next     string        // where the walk continues; "" at its end
	pause    time.Duration // until the shared walk starts again
	checked  int           // entries
	slow     int           // running attempts among them that are past their soft timeout
	findings []task.Finding
}

// reportMode is the mode of the check script in which it writes nothing.
const reportMode = "report"

// checkPage checks one page of a walk.
func (s *Store) checkPage(ctx context.Context, mode string, page int, cursor string) (checkReply, error) {
	sc := checkScript
	if mode == reportMode {
		sc = inspectScript
	}
	reply, err := s.run(ctx, sc, mode, page, cursor, slowPause.Milliseconds())
	if err != nil {
		return checkReply{}, err
	}
	return decodeCheck(reply, s.prefix)
}

func decodeCheck(reply any, prefix string) (checkReply, error) {
	r := readReply("check", reply)
	c := checkReply{next: r.string(), pause: time.Duration(r.int()) * time.Millisecond, checked: int(r.int()), slow: int(r.int())}
	for r.more() {
		f := r.list()
		code, name, id, detail, fixed := f.string(), f.string(), f.string(), f.string(), f.string()
		if f.err != nil {
			return c, f.err
		}
		c.findings = append(c.findings, damage(code, prefix+name, id, detail, fixed))
	}
	return c, r.err
}

// The slow check is the same walk in small steps. Each turn of maintenance takes one. All
// replicas share the walk, whose cursor is in meta.
const (
	slowPage  = 100
	slowPause = time.Minute
)

// isWrongType reports whether a command failed on a key of a wrong type.
func isWrongType(err error) bool { return err != nil && strings.Contains(err.Error(), "WRONGTYPE") }

// repaired returns the findings that were repaired.
func repaired(findings []task.Finding) []task.Finding {
	return slices.DeleteFunc(findings, func(f task.Finding) bool { return f.Fixed == "" })
}
