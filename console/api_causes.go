package console

import (
	"github.com/ltsworker/ltsworker/internal/record"
	"github.com/ltsworker/ltsworker/task"
)

// apiCause is a cause of failures.
type apiCause struct {
	Kind    string   `json:"kind"`
	Cause   string   `json:"cause"`
	Query   string   `json:"query"` // selects its tasks, in a list of tasks and in a bulk job
	Queues  []string `json:"queues"`
	Tasks   int      `json:"tasks"`
	Recent  int      `json:"recent"` // failed in the last ten minutes
	FirstAt string   `json:"first_at"`
	LastAt  string   `json:"last_at"`
	LastID  string   `json:"last_id"` // of the task that failed last
}

type apiCauseList struct {
	At       string     `json:"at"`
	Causes   []apiCause `json:"causes"`
	Total    int        `json:"total"`          // failed tasks that Redis keeps
	Read     int        `json:"read"`           // of these, how many were counted, the newest ones
	Complete bool       `json:"complete"`       // all of them were counted
	More     int        `json:"more,omitempty"` // causes that are not in the list
}

// apiCauses returns the causes of failures, those with the most tasks first.
func (q *request) apiCauses() (any, error) {
	limit, err := q.count("limit", 2*rows, mostCauses)
	if err != nil {
		return nil, err
	}
	p, err := q.site.picture(q.Context())
	if err != nil {
		return nil, err
	}
	counted, _, err := q.site.causes.get(q.Context(), q.site.countCauses)
	if err != nil {
		return nil, err
	}
	list := apiCauseList{At: record.Instant(counted.At), Causes: []apiCause{}, Total: p.Stats.Kept[task.Failed], Read: counted.Read, Complete: counted.All,
		More: max(len(counted.Causes)-limit, 0)}
	for _, c := range counted.Causes[:min(len(counted.Causes), limit)] {
		list.Causes = append(list.Causes, apiCause{Kind: c.Kind, Cause: c.Name, Query: q.CauseQuery(c.Kind, c.Name), Queues: c.Queues, Tasks: c.Tasks,
			Recent: c.Recent, FirstAt: record.Instant(c.First), LastAt: record.Instant(c.Last), LastID: c.ID})
	}
	return list, nil
}
