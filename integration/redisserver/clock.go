package redisserver

import (
	_ "embed"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

//go:embed testdata/clock.c
var clockSource []byte

// Clock enables SetClock. A library that is loaded into the server changes its
// clock. Building it needs Linux and a C compiler, as the race detector does.
// On another system the test is skipped; without a compiler it fails.
func Clock(t testing.TB) Option {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("the clock of a server can be changed only on Linux")
	}
	dir := t.TempDir()
	source, library, offset := filepath.Join(dir, "clock.c"), filepath.Join(dir, "clock.so"), filepath.Join(dir, "offset")
	for file, content := range map[string][]byte{source: clockSource, offset: make([]byte, 8)} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("cc", "-shared", "-fPIC", "-o", library, source).CombinedOutput(); err != nil {
		t.Fatalf("cc: %v\n%s", err, out)
	}
	return func(o *options) {
		o.clock = offset
		o.env = append(o.env, "LD_PRELOAD="+library, "CLOCK_OFFSET="+offset)
	}
}

// SetClock sets the clock of a server that was started with Clock to the real
// time plus d. The clock runs on from there.
func (s *Server) SetClock(t testing.TB, d time.Duration) {
	t.Helper()
	if s.options.clock == "" {
		t.Fatal("the server was started without Clock")
	}
	f, err := os.OpenFile(s.options.clock, os.O_WRONLY, 0) // the server has mapped it
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(binary.NativeEndian.AppendUint64(nil, uint64(d))); err != nil {
		t.Fatal(err)
	}
}
