package main

import (
	"fmt"
	"strings"
	"testing"
)

func TestAQueueUnlikeAllOthersIsNotedWithAFewOfThem(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	var lines strings.Builder
	for i := range maxQueuesNamed + 5 {
		fmt.Fprintf(&lines, `{"kind":"x","queue":"customer-%02d"}`+"\n", i)
	}
	u.pipe(lines.String(), "enqueue", "--batch", "-")
	a := u.run("pause", "mail")
	if !strings.HasPrefix(a.err, "note: the pool had no queue mail; there are customer-00, ") || !strings.HasSuffix(a.err, "customer-19, and 5 more; remove it with ltsworker queues --forget mail\n") {
		t.Errorf("got %+v", a)
	}
}

// A queue that a replica serves exists before it has a setting or a task.
func TestAQueueThatAReplicaServesIsNotNotedAsNew(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write("mail.yaml", "queues: {mail: {workers: 1}, video: {slots: s}}\nslots: {s: {workers: 1}}\nhandlers: {k: {command: [cat], export: {dir: results}}}\n", 0o600)
	u.startWith("mail.yaml")
	u.awaitReplicas(1)
	for _, args := range [][]string{
		{"limit", "mail"}, {"rate", "ls", "mail"}, {"aging", "mail"}, {"resume", "mail"},
		{"pause", "mail"}, {"limit", "video", "3"}, {"aging", "video"}, {"pause", "export:k"},
	} {
		if a := u.run(args...); a.code != exitDone || a.err != "" {
			t.Errorf("%v: %+v", args, a)
		}
	}
	if a := u.run("resume", "vide"); a.code != exitFailed || !strings.Contains(a.err, "the pool has no queue vide; did you mean video?") {
		t.Errorf("%+v", a)
	}
	if a := u.run("limit", "mial", "3"); a.code != exitDone || !strings.Contains(a.err, "note: the pool had no queue mial; did you mean mail?") {
		t.Errorf("%+v", a)
	}
}
