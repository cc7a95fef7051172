package task

import (
	"sync"
	"testing"
)

func TestInvalidProgressIsRefused(t *testing.T) {
	tk := &Task{}
	if err := tk.SetProgress(make(chan int)); err == nil {
		t.Error("a channel was taken for JSON")
	}
	if err := tk.SetProgress(make([]byte, MaxProgress+1)); err == nil {
		t.Error("more than MaxProgress was taken")
	}
	if tk.Progress != nil {
		t.Errorf("progress is %q", tk.Progress)
	}
	raw := []byte(`{"n":1}`)
	if err := tk.SetProgress(raw); err != nil || string(tk.Progress) != `{"n":1}` {
		t.Errorf("raw bytes: %q, %v", tk.Progress, err)
	}
	raw[0] = 'X'
	if string(tk.Progress) != `{"n":1}` {
		t.Error("it kept the caller's slice")
	}
	tk.SetLog([]byte("nobody runs this task"))
}

func TestSetProgressIsSafeForConcurrentUseWithoutAReplica(t *testing.T) {
	tk := &Task{}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			if err := tk.SetProgress(i); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(tk.Progress) != 1 {
		t.Errorf("progress is %q", tk.Progress)
	}
}
