package main

import "testing"

func TestResumeOfThePoolNamesQueuesThatStayPaused(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	for _, q := range []string{"b", "a", "c"} {
		u.must("enqueue", "x", "--queue", q)
	}
	u.must("pause", "b")
	u.must("pause", "a")
	if out := u.must("pause"); out != "paused the whole pool\n" {
		t.Errorf("got %q", out)
	}
	if out := u.must("resume"); out != "resumed the whole pool; still paused by themselves: a, b\n" {
		t.Errorf("got %q", out)
	}
	if out := u.must("resume", "a"); out != "resumed queue a\n" {
		t.Errorf("got %q", out)
	}
	u.must("resume", "b")
	if out := u.must("resume"); out != "resumed the whole pool\n" {
		t.Errorf("got %q", out)
	}
}
