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
