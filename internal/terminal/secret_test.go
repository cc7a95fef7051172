package terminal

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/term"
)

// prompts is an output that says when a question was written.
type prompts chan string

func (p prompts) Write(b []byte) (int, error) {
	p <- string(b)
	return len(b), nil
}

func openTerminal(t *testing.T) (keyboard, screen *os.File, state *term.State) {
	keyboard, screen, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keyboard.Close(); screen.Close() })
	if state, err = term.GetState(int(screen.Fd())); err != nil {
		t.Fatal(err)
	}
	return keyboard, screen, state
}

func TestSecretIsNotShown(t *testing.T) {
	keyboard, screen, before := openTerminal(t)
	asked := make(prompts, 2)
	got := make(chan string)
	go func() {
		line, err := Secret(t.Context(), screen, asked, "Password: ")
		if err != nil {
			t.Error(err)
		}
		got <- line
	}()
	// The echo is switched off after the question. A byte that comes before it is shown.
	if q := <-asked; q != "Password: " {
		t.Errorf("question %q", q)
	}
	for {
		state, err := term.GetState(int(screen.Fd()))
		if err != nil {
			t.Fatal(err)
		}
		if *state != *before {
			break
		}
	}
	keyboard.WriteString("s3cret word\n")
	if line := <-got; line != "s3cret word" {
		t.Errorf("read %q", line)
	}
	if after, _ := term.GetState(int(screen.Fd())); *after != *before {
		t.Error("the terminal is not restored")
	}
	screen.WriteString("end")
	buf := make([]byte, 100)
	var shown string
	for !strings.Contains(shown, "end") {
		n, err := keyboard.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		shown += string(buf[:n])
	}
	if strings.Contains(shown, "s3cret") {
		t.Errorf("shown: %q", shown)
	}
}

func TestInterruptedSecretRestoresTheTerminal(t *testing.T) {
	_, screen, before := openTerminal(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("interrupted")
	go func() {
		// The terminal hides what is typed from the read on.
		for state, err := term.GetState(int(screen.Fd())); err != nil || *state == *before; state, err = term.GetState(int(screen.Fd())) {
			time.Sleep(time.Millisecond) // another goroutine reads
		}
		cancel(gone)
	}()
	if _, err := Secret(ctx, screen, &bytes.Buffer{}, "Password: "); !errors.Is(err, gone) {
		t.Errorf("%v", err)
	}
	if after, _ := term.GetState(int(screen.Fd())); *after != *before {
		t.Error("the terminal does not show what is typed")
	}
}

func TestSecretNeedsATerminal(t *testing.T) {
	var out bytes.Buffer
	if _, err := Secret(t.Context(), strings.NewReader("x\n"), &out, "Password: "); !errors.Is(err, ErrNoTerminal) || out.Len() > 0 {
		t.Errorf("%v %q", err, &out)
	}
}
