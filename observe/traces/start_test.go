package traces

import (
	"fmt"
	"testing"
)

func TestStartsAreSharedAndBounded(t *testing.T) {
	t.Parallel()
	var c starts
	first := c.of(startKey{queue: "q", kind: "k0"})
	for i := range maxStarts + 100 {
		kind := fmt.Sprint("k", i)
		if s := c.of(startKey{queue: "q", kind: kind}); s.name != "process "+kind {
			t.Fatalf("the attempts of %s are named %q", kind, s.name)
		}
	}
	if n := len(*c.known.Load()); n != maxStarts {
		t.Errorf("%d starts are kept, want %d", n, maxStarts)
	}
	if c.of(startKey{queue: "q", kind: "k0"}) != first {
		t.Error("the start of a kind was made again")
	}
	if saves := c.of(startKey{queue: "q", kind: "k0", saves: true}); saves.name != "save k0" {
		t.Errorf("the saves of a kind are named %q", saves.name)
	}
}
