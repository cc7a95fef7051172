package console

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"slices"

	"github.com/ltsworker/ltsworker/task"
)

// place is the position of a task in the list of running tasks. Parents come after all other tasks. Both
// parts are sorted by the start, the earliest first. The next page begins after the place of the last task
// of a page, also if that task has ended meanwhile.
type place struct {
	Parent  bool   `json:"p,omitempty"`
	Started int64  `json:"t"` // in ms; of a parent when it was made
	ID      string `json:"id"`
}

func placeOf(t *task.Task) place {
	if t.IsParent() {
		return place{true, t.CreatedAt.UnixMilli(), t.ID}
	}
	return place{false, t.StartedAt.UnixMilli(), t.ID}
}

// compare compares two places. With reverse the order is reversed.
func (p place) compare(other place, reverse bool) int {
	if reverse {
		p, other = other, p
	}
	if p.Parent != other.Parent {
		if p.Parent {
			return 1
		}
		return -1
	}
	return cmp.Or(cmp.Compare(p.Started, other.Started), cmp.Compare(p.ID, other.ID))
}

func (p place) String() string {
	text, _ := json.Marshal(p)
	return base64.RawURLEncoding.EncodeToString(text)
}

func parsePlace(text string) (p place, err error) {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil {
		err = json.Unmarshal(raw, &p)
	}
	if err != nil || p.ID == "" {
		return p, &task.FieldError{Field: "after", Msg: "is no position of a page"}
	}
	return p, nil
}

// unindexed reports whether the query has words that the index of running tasks cannot answer: it has only
// their kind, queue, group and start.
func (q *query) unindexed() bool {
	return len(q.Labels)+len(q.Error)+len(q.Causes) > 0 || q.whole() || q.Unique != "" || q.Older+q.Newer > 0
}

// listRunning selects running tasks of the picture. For words that the index does not have the tasks are read.
func (c *Console) listRunning(ctx context.Context, s *site, wanted query, p *picture, after string, limit int) (page listed, err error) {
	var from *place
	if after != "" {
		last, err := parsePlace(after)
		if err != nil {
			return page, err
		}
		from = &last
	}
	known := query{State: wanted.State, Kinds: wanted.Kinds, Queues: wanted.Queues, Groups: wanted.Groups}
	all := slices.Concat(p.Running, p.Parents)
	page.Total, page.More = p.Stats.Running, max(p.Stats.Running-len(all), 0)
	all = slices.DeleteFunc(all, func(t *task.Task) bool { return from != nil && placeOf(t).compare(*from, wanted.Reverse) <= 0 })
	slices.SortFunc(all, func(a, b *task.Task) int { return placeOf(a).compare(placeOf(b), wanted.Reverse) })
	page.Read = len(all)
	all = slices.DeleteFunc(all, func(t *task.Task) bool { return !known.matches(t, p.At) })
	places := map[string]place{} // of the index, from which the next page is read
	for _, t := range all {
		places[t.ID] = placeOf(t)
	}
	add := func(t *task.Task) (full bool) {
		if len(page.Tasks) == limit {
			page.Next = places[page.Tasks[limit-1].ID].String()
			return true
		}
		page.Tasks = append(page.Tasks, t)
		return false
	}
	if !wanted.unindexed() {
		for _, t := range all {
			if add(t) {
				break
			}
		}
		return page, nil
	}
	for t, err := range s.details(ctx, all, !wanted.whole()) {
		if err != nil {
			return page, err
		}
		if c.redact(t); !wanted.matches(t, p.At) {
			continue
		}
		forgetData(t)
		if add(t) {
			break
		}
	}
	return page, nil
}
