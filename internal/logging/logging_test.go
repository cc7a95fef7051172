package logging

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"
	"unicode"
)

func TestLogOnATerminalIsEscaped(t *testing.T) {
	for _, s := range []string{"\x1b[31mred", "a\u009b31m", "a\nb", "bell\a", "del\x7f", "bad\xff", "\u202eevil", "nul\x00"} {
		var out bytes.Buffer
		log := newText(&out, slog.LevelInfo, true)
		log.Info("attempt failed", "task", s, "err", errors.New(s), "list", []string{s}, "bytes", []byte(s), slog.Group("g", "k", s))
		line := strings.TrimSuffix(out.String(), "\n")
		for _, r := range line {
			if !unicode.IsPrint(r) {
				t.Errorf("%q is logged with %q in it: %q", s, r, line)
			}
		}
	}
}

func TestLogAsJSONIsEscaped(t *testing.T) {
	const s = "\x1b[31mred\u009b31m\a\x7f\u202eevil\U000e0041é"
	var out bytes.Buffer
	NewFormat(&out, slog.LevelInfo, "json").Info("attempt failed", "task", s)
	line := strings.TrimSuffix(out.String(), "\n")
	for _, r := range line {
		if !unicode.IsPrint(r) {
			t.Errorf("%q is logged with %q in it: %q", s, r, line)
		}
	}
	var got struct{ Task string }
	if err := json.Unmarshal([]byte(line), &got); err != nil || got.Task != s {
		t.Errorf("%q is read as %q, %v", s, got.Task, err)
	}
}

func TestDurationsInJSONHaveTheirUnit(t *testing.T) {
	var out bytes.Buffer
	NewFormat(&out, slog.LevelInfo, "json").Info("works again", "after", 1500*time.Millisecond)
	if !strings.Contains(out.String(), `"after_ms":1500`) {
		t.Errorf("got %s", out.String())
	}
}
