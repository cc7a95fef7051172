package console

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// anyState selects the tasks of all states.
const anyState task.State = "any"

// anyStates are the states in the order of a list of all states.
var anyStates = []task.State{task.Running, task.Waiting, task.Scheduled, task.Exporting, task.Failed, task.Stopped, task.Expired, task.Succeeded}

// total returns how many tasks a list may have.
func total(counts map[task.State]int, state task.State) (n int) {
	if state != anyState {
		return counts[state]
	}
	for _, c := range counts {
		n += c
	}
	return n
}

// single reports whether the query names single tasks, in whatever state they are.
func (q *query) single() bool { return len(q.IDs) > 0 || q.Unique != "" && q.State == "" }

// anywhere clears the state of a query for the children of a parent in all states, which are one list.
func (q *query) anywhere() {
	if q.Parent != "" && q.State == anyState {
		q.State = ""
	}
}

// listAny reads the tasks of a page of all states, state by state. A position is that of a state behind
// its name.
func (c *Console) listAny(ctx context.Context, s *site, wanted query, p *picture, after string, limit int) (page listed, err error) {
	states := slices.Clone(anyStates)
	if wanted.Reverse {
		slices.Reverse(states)
	}
	if after != "" {
		name, rest, _ := strings.Cut(after, ".")
		i := slices.Index(states, task.State(name))
		if i < 0 {
			return page, &task.FieldError{Field: "after", Msg: "is no position of a page"}
		}
		states, after = states[i:], rest
	}
	has := counts(p.Stats)
	page.Total = total(has, anyState)
	began, read := time.Now(), false
	for _, wanted.State = range states {
		if has[wanted.State] == 0 {
			continue
		}
		// The first state is always read: otherwise a slow page would lead to itself.
		if len(page.Tasks) >= limit || page.Read >= searched || read && time.Since(began) > c.searchTime {
			page.Next = string(wanted.State) + "."
			return page, nil
		}
		part, err := c.list(ctx, s, wanted, p, after, limit-len(page.Tasks))
		read = true
		if err != nil {
			return page, err
		}
		page.Tasks, page.Read, page.More = append(page.Tasks, part.Tasks...), page.Read+part.Read, page.More+part.More
		if part.Next != "" {
			page.Next = string(wanted.State) + "." + part.Next
			return page, nil
		}
		after = ""
	}
	return page, nil
}
