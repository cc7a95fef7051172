package command

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"unicode"

	"github.com/ltsworker/ltsworker/task"
)

// progressMark begins a line of the standard error that sets the task's progress:
// "::progress 0.4 message". The message is optional.
const progressMark = "::progress "

const (
	maxProgressLine = 4096 // bytes; a longer line is log
	maxMessage      = 1024 // bytes of the message; a longer one is cut
	lastLines       = 8192 // bytes of the log that are searched for its last line
)

// stderr writes the standard error of a command to the task's log, and lines that begin
// with progressMark to its progress.
type stderr struct {
	task *task.Task
	held []byte // beginning of a line that may set progress
	mid  bool   // the beginning of the current line was written
	end  tail   // of what was written
}

func newStderr(t *task.Task) *stderr { return &stderr{task: t, end: tail{max: lastLines}} }

func (s *stderr) Write(p []byte) (int, error) {
	n := len(p)
	var out []byte
	for len(p) > 0 {
		line := p
		if i := bytes.IndexByte(p, '\n'); i >= 0 {
			line = p[:i+1]
		}
		p = p[len(line):]
		if !s.mid {
			s.held = append(s.held, line...)
			line = s.held
			if mayBeProgress(line) && line[len(line)-1] != '\n' {
				continue // the rest of the line decides
			}
			s.held = s.held[len(s.held):]
			if s.setProgress(line) {
				continue
			}
		}
		out = append(out, line...)
		s.mid = line[len(line)-1] != '\n'
	}
	s.write(out)
	return n, nil
}

// close writes a last line without a newline.
func (s *stderr) close() {
	if len(s.held) > 0 && !s.setProgress(s.held) {
		s.write(s.held)
	}
	s.held = nil
}

func (s *stderr) write(p []byte) {
	if len(p) > 0 {
		_, _ = s.end.Write(p)
		_, _ = s.task.LogWriter().Write(p)
	}
}

// mayBeProgress reports whether a line that begins with b may set progress.
func mayBeProgress(b []byte) bool {
	n := min(len(b), len(progressMark))
	return string(b[:n]) == progressMark[:n] && len(b) <= maxProgressLine
}

// progress is what a line of the standard error sets.
type progress struct {
	Done    float64 `json:"done"` // from 0 to 1
	Message string  `json:"message,omitempty"`
}

// setProgress reports whether the line is a valid one about progress.
func (s *stderr) setProgress(line []byte) bool {
	if !mayBeProgress(line) || len(line) < len(progressMark) {
		return false
	}
	number, message, _ := strings.Cut(strings.TrimSpace(string(line[len(progressMark):])), " ")
	done, err := strconv.ParseFloat(number, 64)
	if err != nil || !(done >= 0 && done <= 1) {
		return false
	}
	message = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(strings.TrimSpace(message), "\uFFFD"))
	if len(message) > maxMessage {
		message = strings.ToValidUTF8(message[:maxMessage], "") + "…"
	}
	b, err := json.Marshal(progress{done, message})
	return err == nil && s.task.SetProgress(b) == nil
}
