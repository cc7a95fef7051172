package main

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/hinshun/vt10x"
)

// session is a command that runs in a terminal of its own.
type session struct {
	t    testing.TB
	cmd  *exec.Cmd
	keys *os.File
	done chan struct{} // closed when the whole output has been read

	mu     sync.Mutex
	raw    strings.Builder
	screen vt10x.Terminal
}

// terminal starts a command in a terminal of the given size.
func (u *user) terminal(columns, rows int, args ...string) *session {
	u.t.Helper()
	return u.inTerminal(columns, rows, u.command(args...))
}

// inTerminal is terminal for a prepared command.
func (u *user) inTerminal(columns, rows int, cmd *exec.Cmd) *session {
	u.t.Helper()
	cmd.Env = append(cmd.Env, "TERM=xterm-256color")
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Cols: uint16(columns), Rows: uint16(rows)})
	if err != nil {
		u.t.Fatal(err)
	}
	term := &session{t: u.t, cmd: cmd, keys: tty, done: make(chan struct{}), screen: vt10x.New(vt10x.WithSize(columns, rows))}
	go func() {
		defer close(term.done)
		buf := make([]byte, 4096)
		for {
			n, err := tty.Read(buf)
			term.mu.Lock()
			term.raw.Write(buf[:n])
			term.screen.Write(buf[:n])
			term.mu.Unlock()
			if err != nil {
				return // the other side is closed
			}
		}
	}()
	u.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		tty.Close()
		<-term.done
	})
	return term
}

// shown returns the current content of the screen. written returns every byte that was sent to it.
func (m *session) shown() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.screen.String()
}

func (m *session) written() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.raw.String()
}

// await waits until the screen shows all texts, and returns its content. It polls the
// screen, which another process writes.
func (m *session) await(texts ...string) string {
	m.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) { // polls a screen of another process
		screen, missing := m.shown(), ""
		for _, text := range texts {
			if !strings.Contains(screen, text) {
				missing = text
			}
		}
		if missing == "" {
			return screen
		}
		if time.Now().After(deadline) {
			m.t.Fatalf("%q is not shown:\n%s", missing, screen)
		}
	}
}

func (m *session) press(keys string) {
	m.t.Helper()
	if _, err := m.keys.WriteString(keys); err != nil {
		m.t.Fatal(err)
	}
}

// sgr matches a sequence that sets a text style. A sequence without a number, or with 0, only
// resets the style and does not match.
var sgr = regexp.MustCompile(`\x1b\[[1-9][0-9;:]*m`)

func coloursIn(text string) bool { return sgr.MatchString(text) }

// wait returns the exit code of the command.
func (m *session) wait() int {
	m.t.Helper()
	err := m.cmd.Wait()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		m.t.Fatal(err)
	}
	<-m.done
	return m.cmd.ProcessState.ExitCode()
}
