package redisstore

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

const (
	// inspectPage is how many entries one call of an inspection looks at. It keeps
	// Redis from everything else for a few milliseconds.
	inspectPage = 150
	// maxWalks bounds how often an inspection that repairs walks again: a repair may
	// uncover other damage.
	maxWalks = 4
	// maxFindings bounds how many findings about entries one inspection reports, so
	// that a pool that lost an index does not fill the caller's memory. Repairs are
	// not bounded.
	maxFindings = 10_000
)

// Inspect looks at the server, at what the user may do, and at every key of the
// pool, and repairs broken entries if how.Fix is set. Each is checked and
// repaired in one atomic step, so it may run on a live pool. An error ends it: the
// server cannot be reached or refuses even to be looked at.
func (s *Store) Inspect(ctx context.Context, how task.Inspection) iter.Seq2[task.Finding, error] {
	return func(yield func(task.Finding, error) bool) {
		findings, ready, err := s.inspectServer(ctx)
		for _, f := range findings {
			if !yield(f, nil) {
				return
			}
		}
		if err != nil {
			yield(task.Finding{}, s.fail(ctx, "inspect", err))
			return
		}
		if !ready {
			return
		}
		if err := s.walkKeys(ctx, how, func(f task.Finding) bool { return yield(f, nil) }); err != nil {
			yield(task.Finding{}, s.fail(ctx, "inspect", err))
		}
	}
}

// walkKeys looks at every key of the pool, again after a walk that repaired
// something.
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
		w.repaired, w.held = 0, nil
		if stopped, err := s.walkOnce(ctx, &w); err != nil || stopped {
			return err
		}
		if w.repaired == 0 {
			break
		}
	}
	for _, f := range w.held {
		w.broken++
		if !report(f) {
			return nil
		}
	}
	w.sum()
	return nil
}

// inspection is one Inspect's walk over the keys.
type inspection struct {
	task.Inspection
	report   func(task.Finding) bool
	reported map[string]bool // findings of the walks so far
	first    int             // entries looked at in the longest walk
	total    int             // expected in one walk
	held     []task.Finding  // of this walk; reported unless another walk follows
	repaired int             // in this walk
	broken   int             // found in all walks
}

func (s *Store) walkOnce(ctx context.Context, w *inspection) (stopped bool, err error) {
	mode := "report"
	if w.Fix {
		mode = "repair"
	}
	for cursor, looked := "", 0; ; {
		page, err := s.checkPage(ctx, mode, inspectPage, cursor)
		if err != nil {
			return false, err
		}
		for _, f := range page.findings {
			if !w.add(f) {
				return true, nil
			}
		}
		looked += page.looked
		if w.Progress != nil {
			w.Progress(looked, max(w.total, looked))
		}
		if cursor = page.next; cursor == "" {
			w.first = max(w.first, looked)
			return false, nil
		}
	}
}

// add reports a finding, unless an earlier walk did. It returns false if the caller
// wants no more.
func (w *inspection) add(f task.Finding) bool {
	if f.Fixed != "" {
		w.repaired++
	}
	id := f.Code + " " + f.Key + " " + f.Task
	if w.reported[id] {
		return true
	}
	if f.Code == unchecked && w.Fix {
		// The next walk may repair what was in the way.
		w.held = append(w.held, f)
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

// sum ends the walk with how much was looked at.
func (w *inspection) sum() {
	f := task.Finding{Severity: task.SeverityOK, Check: entriesCheck, What: fmt.Sprintf("%d keys and index entries, none of them broken", w.first)}
	if w.broken > 0 {
		f.Severity, f.What = task.SeverityNote, fmt.Sprintf("%d keys and index entries, of which %d are broken or were", w.first, w.broken)
	}
	w.report(f)
}

// checked is what one call of the check script found.
type checked struct {
	next     string        // where the walk goes on; "" at its end
	pause    time.Duration // until the shared walk starts again
	looked   int
	findings []task.Finding
}

// checkPage takes a walk one page on.
func (s *Store) checkPage(ctx context.Context, mode string, page int, cursor string) (checked, error) {
	reply, err := s.run(ctx, checkScript, mode, page, cursor, slowPause.Milliseconds())
	if err != nil {
		return checked{}, err
	}
	return decodeCheck(reply, s.prefix)
}

func decodeCheck(reply any, prefix string) (checked, error) {
	r := readReply("check", reply)
	c := checked{next: r.string(), pause: time.Duration(r.int()) * time.Millisecond, looked: int(r.int())}
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

// The slow check is the same walk in small steps, one with each turn of maintenance,
// shared by all replicas: meta has its cursor.
const (
	slowPage  = 100
	slowPause = time.Minute
)

// isWrongType reports whether a script met a key of a wrong type.
func isWrongType(err error) bool { return err != nil && strings.Contains(err.Error(), "WRONGTYPE") }

// repaired are the findings about which something was done.
func repaired(findings []task.Finding) []task.Finding {
	return slices.DeleteFunc(findings, func(f task.Finding) bool { return f.Fixed == "" })
}
