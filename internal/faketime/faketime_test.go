package faketime

import (
	"runtime"
	"sync"
	"testing"
	"time"
)

// The test does not wait for the timers, so each receiver runs its own.
func TestConcurrentReceivesFromDueTimers(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	Test(t, func(*testing.T) {
		var receivers sync.WaitGroup
		for range 4 {
			receivers.Go(func() {
				for range 100 {
					due := make([]*time.Timer, 500)
					for i := range due {
						due[i] = time.NewTimer(time.Second)
					}
					time.Sleep(time.Second) // fake time
					for _, timer := range due {
						<-timer.C
					}
				}
			})
		}
		receivers.Wait()
	})
	if now := runtime.GOMAXPROCS(0); now != before {
		t.Errorf("%d processors afterwards, want %d", now, before)
	}
}
