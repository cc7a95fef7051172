package worker

import (
	"bytes"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ltsworker/ltsworker/task"
)

// logTail keeps the end of an attempt's log. The attempt's mutex guards it.
type logTail struct {
	max  int    // bytes to keep; 0 or less for none
	text []byte // valid UTF-8; its last max bytes count
	size int64  // bytes of text that were written in total
	part []byte // beginning of a character whose other bytes were not written yet

	changed bool      // since it was sent
	sent    time.Time // when it was sent last
}

// write appends p.
func (l *logTail) write(p []byte) {
	if l.max <= 0 {
		return
	}
	if len(l.part) > 0 {
		p = append(l.part, p...)
	}
	whole := len(p)
	for i := 1; i < utf8.UTFMax && i <= len(p); i++ {
		if c := p[len(p)-i:]; utf8.RuneStart(c[0]) {
			if !utf8.FullRune(c) {
				whole -= i
			}
			break
		}
	}
	l.part = bytes.Clone(p[whole:])
	if whole > 0 {
		l.add(bytes.ToValidUTF8(p[:whole], []byte("\uFFFD")))
	}
}

func (l *logTail) add(text []byte) {
	l.size += int64(len(text))
	l.changed = true
	l.text = append(l.text, text[max(0, len(text)-l.max):]...)
	// Moving only when the buffer has doubled makes the cost per byte constant.
	if len(l.text) > 2*l.max {
		l.text = l.text[:copy(l.text, l.text[len(l.text)-l.max:])]
	}
}

// set replaces the log. If b begins with the log, only the rest counts as written.
func (l *logTail) set(b []byte) {
	if l.max <= 0 {
		return
	}
	before, after := l.tail(), task.CutLog(string(b), l.max)
	if rest, longer := strings.CutPrefix(after, before); longer {
		l.size += int64(len(rest))
	} else {
		l.size += int64(len(after))
	}
	l.part, l.text, l.changed = nil, append(l.text[:0], after...), true
}

// limit keeps at most n bytes from now on.
func (l *logTail) limit(n int) {
	l.max = min(l.max, max(n, 0))
	if text := l.tail(); len(text) < len(l.text) {
		l.text, l.changed = []byte(text), true
	}
}

// tail returns the end of the log.
func (l *logTail) tail() string {
	return task.CutLog(string(l.text[max(0, len(l.text)-max(l.max, 0)):]), l.max)
}
