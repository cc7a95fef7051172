package terminal

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
)

func TestBarIsForThePatientAtATerminal(t *testing.T) {
	keyboard, screen, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer keyboard.Close()
	defer screen.Close()
	bar := NewBar(screen, "tasks")
	bar.Set(1, 10)
	if bar.bar != nil {
		t.Error("it is shown at once")
	}
	bar.began = bar.began.Add(-Patience)
	bar.Set(2, 10)
	bar.Clear()
	buf := make([]byte, 4096)
	if err := keyboard.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Logf("reads are not bounded here: %v", err)
	}
	n, err := keyboard.Read(buf)
	if err != nil || !strings.Contains(string(buf[:n]), "tasks") || !strings.Contains(string(buf[:n]), "/10") {
		t.Errorf("got %q, %v", buf[:n], err)
	}

	var pipe bytes.Buffer
	bar = NewBar(&pipe, "tasks")
	bar.began = bar.began.Add(-Patience)
	bar.Set(2, 10)
	bar.Clear()
	if pipe.Len() > 0 {
		t.Errorf("a pipe got %q", pipe.String())
	}
}

func TestABarThatIsDueIsShownForWhatComesNext(t *testing.T) {
	keyboard, screen, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer keyboard.Close()
	defer screen.Close()
	bar := NewBar(screen, "lines")
	bar.began = bar.began.Add(-Patience)
	bar.Count(7)
	bar.SwitchTo("tasks")
	bar.Set(2, 10)
	bar.Clear()
	var out string
	buf := make([]byte, 4096)
	if err := keyboard.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Logf("reads are not bounded here: %v", err)
	}
	for !strings.Contains(out, "/10") {
		n, err := keyboard.Read(buf)
		if err != nil {
			t.Fatalf("%q, %v", out, err)
		}
		out += string(buf[:n])
	}
	if !strings.HasPrefix(out, "\r7 lines\r       \r") || !strings.Contains(out, "tasks") {
		t.Errorf("got %q", out)
	}
}
