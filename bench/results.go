package main

import (
	"cmp"
	"encoding/json"
	"os"
	"slices"
	"sync"
)

// key identifies a row: a figure of a system.
type key struct{ figure, system string }

// results are the samples of all rounds. It is safe for concurrent use.
type results struct {
	mu       sync.Mutex
	order    []key
	samples  map[key][]float64
	units    map[key]string
	versions map[string]string
}

func newResults() *results {
	return &results{samples: map[key][]float64{}, units: map[key]string{}, versions: map[string]string{}}
}

func (r *results) add(figure, system, unit string, value float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := key{figure, system}
	if r.samples[p] == nil {
		r.order = append(r.order, p)
		r.units[p] = unit
	}
	r.samples[p] = append(r.samples[p], value)
}

func (r *results) version(system, v string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.versions[system] = v
}

// median returns the median of a row's rounds.
func (r *results) median(p key) (float64, bool) {
	s := slices.Sorted(slices.Values(r.samples[p]))
	if len(s) == 0 {
		return 0, false
	}
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2, true
}

// record is a row of results.json. Value is the median of the rounds. Low and High are the lowest
// and the highest round. Ratio is the number that the target bounds: the ratio of this row to
// another row, or the value itself, as the target defines. Ratio is null if the row has no target
// or the other row was not measured.
type record struct {
	Figure  string   `json:"figure"`
	System  string   `json:"system"`
	Value   float64  `json:"value"`
	Unit    string   `json:"unit"`
	Ratio   *float64 `json:"ratio"`
	Target  string   `json:"target"`
	Reached *bool    `json:"reached"`
	Low     float64  `json:"low"`
	High    float64  `json:"high"`
	Rounds  int      `json:"rounds"`
}

// records returns the rows by figure, in the order in which they were first measured.
func (r *results) records() []record {
	r.mu.Lock()
	defer r.mu.Unlock()
	first := map[string]int{}
	for i, p := range r.order {
		if _, ok := first[p.figure]; !ok {
			first[p.figure] = i
		}
	}
	order := slices.Clone(r.order)
	slices.SortStableFunc(order, func(a, b key) int { return cmp.Compare(first[a.figure], first[b.figure]) })
	var rows []record
	for _, p := range order {
		v, _ := r.median(p)
		row := record{
			Figure: p.figure, System: p.system, Value: v, Unit: r.units[p],
			Low: slices.Min(r.samples[p]), High: slices.Max(r.samples[p]), Rounds: len(r.samples[p]),
		}
		if t, ok := targets[p]; ok {
			row.Target = t.text
			if ratio, ok := r.ratio(t); ok {
				reached := t.reached(ratio)
				row.Ratio, row.Reached = &ratio, &reached
			}
		}
		rows = append(rows, row)
	}
	return rows
}

func (r *results) ratio(t target) (float64, bool) {
	value, ok := r.median(t.value)
	if t.over == (key{}) || !ok {
		return value, ok
	}
	over, ok := r.median(t.over)
	return value / over, ok && over != 0
}

func writeJSON(path string, rows []record) error {
	text, err := json.MarshalIndent(rows, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}
