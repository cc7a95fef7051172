package main

import (
	"strings"
	"testing"
)

func TestGetShowsTheCheckpoint(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.must("enqueue", "x", "--id", "c", "--delay", "1h")
	for _, c := range []struct{ checkpoint, line, json string }{
		{`{"page":12}`, `{"page":12} (11 bytes, `, `"checkpoint": {"page":12},`},
		{"row 7\n", "row 7 (6 bytes, ", `"checkpoint_text": "row 7\n",`},
		{"\xff\x1b", "(2 bytes, ", `"checkpoint_base64": "/xs=",`},
		{strings.Repeat("a", 1000), strings.Repeat("a", 200) + "… (1000 bytes, ", `"checkpoint_text": "aaaa`},
	} {
		u.redis("HSET", "lts:{"+u.pool+"}:more:c", "checkpoint", c.checkpoint, "checkpoint_at", "1700000000000")
		u.redis("SETRANGE", "lts:{"+u.pool+"}:task:c", 1, "1")
		if out := u.must("get", "c"); !strings.Contains(out, "checkpoint") || !strings.Contains(out, c.line) {
			t.Errorf("%.20q: got %q", c.checkpoint, out)
		}
		if out := u.must("get", "c", "--json"); !strings.Contains(strings.ReplaceAll(out, `": `, `":`), strings.ReplaceAll(c.json, `": `, `":`)) || !strings.Contains(out, "checkpoint_at") {
			t.Errorf("%.20q: got %q", c.checkpoint, out)
		}
	}
}
