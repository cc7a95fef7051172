package command

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"
)

// head keeps the first max bytes written to it and counts all.
type head struct {
	max   int
	buf   []byte
	total int64
}

func (h *head) Write(p []byte) (int, error) {
	h.total += int64(len(p))
	h.buf = append(h.buf, p[:min(len(p), h.max-len(h.buf))]...)
	return len(p), nil
}

// tail keeps the last max bytes written to it.
type tail struct {
	max int
	buf []byte
	cut bool
}

func (t *tail) Write(p []byte) (int, error) {
	n := len(p)
	t.cut = t.cut || len(t.buf)+n > t.max
	t.buf = append(t.buf, p[max(0, n-t.max):]...)
	// Moving only when the buffer has doubled makes the cost per byte constant.
	if len(t.buf) > 2*t.max {
		t.buf = t.buf[:copy(t.buf, t.buf[len(t.buf)-t.max:])]
	}
	return n, nil
}

// bytes returns the tail as valid UTF-8 that starts with a whole rune.
func (t *tail) bytes() []byte {
	b := t.buf[max(0, len(t.buf)-t.max):]
	for i := 1; t.cut && i < utf8.UTFMax && len(b) > 0 && !utf8.RuneStart(b[0]); i++ {
		b = b[1:]
	}
	return bytes.ToValidUTF8(b, []byte("?"))
}

// maxLastLine is the length, in bytes, at which the last line is cut in an error. The
// log has the whole line.
const maxLastLine = 256

// lastLine returns the last non-empty line of log without control characters.
func lastLine(log string) string {
	log = strings.TrimSpace(log)
	line := strings.TrimSpace(log[strings.LastIndexAny(log, "\r\n")+1:])
	line = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, line)
	if len(line) > maxLastLine {
		line = strings.ToValidUTF8(line[:maxLastLine], "") + "…"
	}
	return line
}
