//go:build unix

package command

import (
	"io"
	"os/exec"
	"sync"
	"testing"
)

// slowWriter blocks until the test lets it write.
type slowWriter struct {
	start chan struct{}
	n     int
}

func (w *slowWriter) Write(p []byte) (int, error) {
	<-w.start
	w.n += len(p)
	return len(p), nil
}

func TestRemainingOutputOfAnEndedCommandIsRead(t *testing.T) {
	t.Parallel()
	const size = 48 << 10 // less than a pipe holds, more than one read returns
	out := &slowWriter{start: make(chan struct{})}
	cmd := exec.Command("sh", "-c", "head -c 49152 /dev/zero")
	s, err := start(cmd, nil, out, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cmd.Process.Wait(); err != nil {
		t.Fatal(err)
	}
	var closed sync.WaitGroup
	closed.Go(s.close)
	close(out.start)
	closed.Wait()
	if out.n != size {
		t.Errorf("read %d of %d bytes", out.n, size)
	}
}
