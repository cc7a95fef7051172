package console

import (
	"context"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// inspecting is how long an inspection may take. One of a pool with millions of tasks takes
// longer: its page has what was found so far.
const inspecting = 20 * time.Second

type doctorPage struct {
	Findings []task.Finding
	Cut      bool // the time was over before all records were checked
}

// doctor inspects the pool. Nothing is repaired.
func (q *request) doctor() error {
	ctx, cancel := context.WithTimeout(q.Context(), inspecting)
	defer cancel()
	var page doctorPage
	for f, err := range q.site.pool.Inspect(ctx, task.Inspection{}) {
		if err != nil && ctx.Err() != nil {
			page.Cut = true
			break
		}
		if err != nil {
			return err
		}
		page.Findings = append(page.Findings, f)
	}
	return q.render("doctor", time.Now(), page)
}
