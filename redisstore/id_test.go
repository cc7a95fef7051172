package redisstore

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ltsworker/ltsworker/task"
)

func TestIDsOfAProcessAscend(t *testing.T) {
	var all []string
	for range 5 {
		all = append(all, newIDs(10_000)...)
	}
	for i, id := range all {
		if len(id) != 22 || task.CheckName(id) != nil || strings.Trim(id, idDigits) != "" {
			t.Fatalf("id %q", id)
		}
		if i > 0 && all[i-1] >= id {
			t.Fatalf("%q is not after %q", id, all[i-1])
		}
	}
}

func TestIDsAreMadeByManyAtOnce(t *testing.T) {
	var mu sync.Mutex
	var all []string
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				made := newIDs(10)
				mu.Lock()
				all = append(all, made...)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	slices.Sort(all)
	if n := len(slices.Compact(all)); n != 8000 {
		t.Errorf("%d different ids of 8000", n)
	}
}

func TestIDHasItsNumberInDigits(t *testing.T) {
	for _, c := range []struct {
		hi, lo uint64
		want   string
	}{
		{0, 0, "0000000000000000000000"}, {0, 61, "000000000000000000000z"}, {0, 62, "0000000000000000000010"},
		{1<<64 - 1, 1<<64 - 1, "7n42DGM5Tflk9n8mt7Fhc7"}, {1, 0, "00000000000LygHa16AHYG"},
	} {
		if got := string(appendID(make([]byte, 0, idLen), c.hi, c.lo)); got != c.want {
			t.Errorf("%x %x: %s, want %s", c.hi, c.lo, got, c.want)
		}
	}
}
