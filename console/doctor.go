package console

import (
	"context"
	"slices"
	"time"

	"github.com/ltsworker/ltsworker/internal/findings"
	"github.com/ltsworker/ltsworker/task"
)

// inspecting is how long an inspection may take. One of a pool with millions of tasks takes
// longer: its page has what was found so far.
const inspecting = 20 * time.Second

type doctorPage struct{ Findings []task.Finding }

func (q *request) doctor() error {
	found, at, err := q.findings()
	if err != nil {
		return err
	}
	return q.render("doctor", at, doctorPage{found})
}

// findings inspects the pool. Nothing is repaired. All viewers share an inspection for a minute.
func (q *request) findings() ([]task.Finding, time.Time, error) {
	return q.site.inspection.get(q.Context(), func(ctx context.Context) (all []task.Finding, err error) {
		for f, err := range q.site.pool.Inspect(ctx, task.Inspection{}) {
			if err != nil && ctx.Err() != nil {
				return append(all, findings.New("inspection_cut")), nil
			}
			if err != nil {
				return nil, err
			}
			all = append(all, f)
		}
		return all, nil
	})
}

// openFindings returns the findings on which an operator has to act, errors first. They are those of an inspection
// without the records of tasks, about a minute old. Until the first inspection has ended, there are none.
func (s *site) openFindings() []task.Finding {
	return s.brief.latest(func(ctx context.Context) (open []task.Finding, err error) {
		for f, err := range s.pool.Inspect(ctx, task.Inspection{Brief: true}) {
			if err != nil {
				return nil, err
			}
			if f.Open() {
				open = append(open, f)
			}
		}
		slices.SortStableFunc(open, func(a, b task.Finding) int {
			if a.Severity == b.Severity {
				return 0
			}
			if a.Severity == task.SeverityError {
				return -1
			}
			return 1
		})
		return open, nil
	})
}
