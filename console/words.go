package console

import (
	"net/http"
	"slices"

	"github.com/ltsworker/ltsworker/task"
)

// Words are what the box offers for a word of a query. One that ends with a colon needs a value.
func (q *request) Words() []string {
	words := []string{"kind:", "queue:", "group:", "label:", "error:", "cause:", "payload:", "header:", "age:>1h", "age:<1h", "parent:", "unique:", "hold:true", "order:reverse", "id:"}
	for _, s := range append(task.States(), anyState) {
		words = append(words, "state:"+string(s))
	}
	return words
}

// mostValues is how many values the box offers for a word.
const mostValues = 500

// words returns the values that the script of the box offers for some words of a query.
func (q *request) words() error {
	p, err := q.site.picture(q.Context())
	if err != nil {
		return err
	}
	kinds, queues, groups, labels := []string{}, []string{}, []string{}, []string{}
	for _, r := range p.Replicas {
		kinds, labels = append(kinds, r.Kinds...), append(labels, r.AllLabels()...)
	}
	for _, f := range p.Failures { // of kinds that no replica runs any more, too
		kinds = append(kinds, f.Last.Kind)
	}
	for _, load := range p.Queues {
		queues = append(queues, load.Name)
	}
	for _, g := range p.Groups {
		groups = append(groups, g.Name)
	}
	values := map[string][]string{"kind": kinds, "queue": queues, "group": groups, "label": labels}
	for name, all := range values {
		slices.Sort(all)
		all = slices.Compact(all)
		values[name] = all[:min(len(all), mostValues)]
	}
	q.writeJSON(answer{status: http.StatusOK, value: values})
	return nil
}
