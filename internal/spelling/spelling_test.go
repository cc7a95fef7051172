package spelling

import "testing"

func TestNearestFindsTheWordThatWasMeant(t *testing.T) {
	words := []string{"lease", "limit", "queues", "handlers", "drain_timeout", "command", "zap_one", "zap_two", "a"}
	for in, want := range map[string]string{
		"leese": "lease", "LEASE": "lease", "limits": "limit", "queus": "queues", "qeueus": "queues",
		"drain_timout": "drain_timeout", "comand": "command", "zebra": "", "drain": "drain_timeout", "handl": "handlers", "li": "", "zap": "", "": "", "x": "", "ab": "a",
	} {
		if got := Nearest(in, words); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}
