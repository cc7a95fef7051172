package pool

import (
	"fmt"
	"testing"
	"testing/synctest"
)

func TestOneReaderServesAllWaitsAndEndsWithTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakeStore()
		p := newTestPool(t, s, Config{})
		for round := range 3 {
			const n = 50
			var lives []*life
			var waits []chan waited
			for i := range n {
				lives = append(lives, newLife(s, fmt.Sprintf("t%d-%d", round, i)))
				waits = append(waits, startWait(t.Context(), p, lives[i].t.ID))
			}
			synctest.Wait()
			if got := goroutines(); got != 1 {
				t.Errorf("%d goroutines for %d waits, want 1", got, n)
			}
			if got := s.calls("last"); got != round+1 {
				t.Errorf("%d readers began in round %d", got, round)
			}
			for i, l := range lives {
				l.end(fmt.Sprint(i))
			}
			for i, c := range waits {
				if got := <-c; got.N != i || got.Err != nil {
					t.Errorf("wait %d: %+v", i, got)
				}
			}
			synctest.Wait()
			if got := goroutines(); got != 0 {
				t.Errorf("%d goroutines left", got)
			}
		}
	})
}
