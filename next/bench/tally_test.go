package main

import "testing"

func TestExactSeesLostRepeatedAndTwiceHandledTasks(t *testing.T) {
	worker := func(numbers ...int) reply {
		r := newTally(40)
		for _, n := range numbers {
			r.handle(n, 0)
		}
		return r.result()
	}
	for name, c := range map[string]struct {
		n       int
		workers []reply
		ok      bool
	}{
		"each once":              {3, []reply{worker(0, 33), worker(2)}, true},
		"one is lost":            {3, []reply{worker(0), worker(2)}, false},
		"one twice in a process": {3, []reply{worker(0, 1, 2, 2)}, false},
		"one in two processes":   {3, []reply{worker(0, 1), worker(1, 2)}, false},
		"one lost, one twice":    {3, []reply{worker(0, 1), worker(1)}, false},
		"an unknown number":      {2, []reply{worker(0, 1, 64)}, false},
	} {
		if err := exact(c.n, c.workers); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}
