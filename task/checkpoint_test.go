package task

import (
	"context"
	"errors"
	"strings"
	"testing"
)

func TestCheckpointOfATaskWithoutAReplicaIsKeptInIt(t *testing.T) {
	ctx := t.Context()
	tk := &Task{}
	var page int
	if found, err := tk.ReadCheckpoint(&page); found || err != nil {
		t.Errorf("a new task: %v, %v", found, err)
	}
	for _, c := range []struct {
		value any
		want  string
	}{{7, "7"}, {[]byte("raw\x00"), "raw\x00"}, {map[string]int{"page": 2}, `{"page":2}`}, {nil, ""}, {strings.Repeat("x", MaxCheckpoint-2), `"` + strings.Repeat("x", MaxCheckpoint-2) + `"`}, {[]byte{}, ""}, {8, "8"}} {
		if err := tk.Checkpoint(ctx, c.value); err != nil || string(tk.LastCheckpoint) != c.want || (tk.LastCheckpoint == nil) != (c.want == "") {
			t.Errorf("%.20v: %.20q, %v", c.value, tk.LastCheckpoint, err)
		}
	}
	ended, cancel := context.WithCancelCause(ctx)
	cancel(ErrShutdown)
	if err := tk.Checkpoint(ended, 9); !errors.Is(err, ErrShutdown) {
		t.Errorf("with a cancelled context: %v", err)
	}
	for _, value := range []any{make(chan int), make([]byte, MaxCheckpoint+1)} {
		if err := tk.Checkpoint(ctx, value); err == nil {
			t.Errorf("%T was written", value)
		}
	}
	if found, err := tk.ReadCheckpoint(&page); !found || err != nil || page != 8 {
		t.Errorf("page %d, %v, %v", page, found, err)
	}
	var text string
	if found, err := tk.ReadCheckpoint(&text); found || err == nil || !strings.HasPrefix(err.Error(), "decode checkpoint: ") {
		t.Errorf("a number as text: %v, %v", found, err)
	}
}
