package console

import (
	"slices"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// auditRead is how many entries one read of the audit stream has, and mostAudit how many a page
// compares with its words.
const (
	auditRead = 500
	mostAudit = 5000
)

// auditRow is an action with its outcome. An action that is under way has none yet.
type auditRow struct {
	task.AuditEntry
	Ended bool
}

type auditPage struct {
	Rows    []auditRow
	Refused bool
	Query   string
	Next    string
}

// audit shows the newest entries that have all words of the query. The outcome of an action is in
// the row of the action.
func (q *request) audit() error {
	page := auditPage{Refused: q.FormValue("refused") != "", Query: strings.TrimSpace(q.FormValue("words"))}
	outcomes := map[string]task.AuditEntry{}
	after := q.FormValue("after")
	for read := 0; read < mostAudit; {
		entries, err := q.site.store.AuditLog(q.Context(), after, auditRead, page.Refused)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if after = e.ID; e.Of != "" {
				outcomes[e.Of] = e
				continue
			}
			row := auditRow{e, once(e.Action)}
			if o, ok := outcomes[e.ID]; ok {
				row.Ended, row.Done, row.Error = true, o.Done, o.Error
			}
			if !row.has(page.Query) {
				continue
			}
			if page.Rows = append(page.Rows, row); len(page.Rows) == 2*rows {
				page.Next = after
				return q.render("audit", time.Now(), page)
			}
		}
		if read += len(entries); len(entries) < auditRead {
			return q.render("audit", time.Now(), page)
		}
	}
	page.Next = after
	return q.render("audit", time.Now(), page)
}

// once reports whether an action has no entry with its outcome.
func once(action string) bool {
	return slices.Contains([]string{"login", "logout", "password", "bulk/count", "bulk/cancel", endSessions}, action)
}

// has reports whether the texts of a row have all words, without regard to case.
func (r *auditRow) has(words string) bool {
	text := strings.ToLower(strings.Join([]string{r.User, r.Method, r.Action, r.Target, r.Reason, r.Error}, " "))
	return !slices.ContainsFunc(strings.Fields(strings.ToLower(words)), func(word string) bool { return !strings.Contains(text, word) })
}
