package docs_test

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/integration/redisserver"
)

// printout holds what a program has printed so far.
type printout struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (p *printout) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(b)
}

func (p *printout) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

// TestTheSmallestProgramOfTheReadmeRuns starts the program, enqueues a task from another program,
// and ends it with SIGTERM.
func TestTheSmallestProgramOfTheReadmeRuns(t *testing.T) {
	server := redisserver.Start(t)
	dir := t.TempDir()
	var program string
	for _, b := range read(t, "../README.md") {
		if b.isFile() {
			program = strings.ReplaceAll(b.text, "localhost:6379", server.Addr())
		}
	}
	if !strings.Contains(program, server.Addr()) {
		t.Fatal("README.md has no program that connects to localhost:6379")
	}
	write(t, filepath.Join(dir, "main.go"), program)
	bin := filepath.Join(dir, "smallest")
	if out, err := exec.Command("go", "build", "-o", bin, filepath.Join(dir, "main.go")).CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	cmd := exec.CommandContext(t.Context(), bin)
	var said printout
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := server.Client(t).RPush(t.Context(), "lts:{default}:inbox", `{"kind":"greet","payload":{"Name":"shell"}}`).Err(); err != nil {
		t.Error(err)
	}
	greeted := func() bool {
		return strings.Contains(said.String(), "hello world\n") && strings.Contains(said.String(), "hello shell\n")
	}
	// It polls: the output is that of another process.
	for end := time.Now().Add(time.Minute); !greeted() && time.Now().Before(end); {
		time.Sleep(20 * time.Millisecond) // between two looks at the output
	}
	if !greeted() {
		t.Errorf("it said %q", said.String())
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v; it said\n%s", err, said.String())
	}
}
