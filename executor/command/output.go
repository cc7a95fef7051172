package command

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// head keeps the first max bytes of what is written and counts the rest.
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

// result is the output byte for byte where it fits, nil where there was none.
func (h *head) result() []byte {
	if h.total <= int64(h.max) {
		return h.buf
	}
	const mark = "\n[cut: %d of %d bytes]"
	room := h.max - len(fmt.Sprintf(mark, h.max, h.total))
	kept := wholeRunes(h.buf[:room])
	return fmt.Appendf(kept, mark, len(kept), h.total)
}

// wholeRunes takes an unfinished rune off the end of b. Bytes that are no UTF-8
// stay as they are.
func wholeRunes(b []byte) []byte {
	for i := 1; i < utf8.UTFMax && i <= len(b); i++ {
		if last := b[len(b)-i:]; utf8.RuneStart(last[0]) {
			if !utf8.FullRune(last) {
				return b[:len(b)-i]
			}
			break
		}
	}
	return b
}

// tail keeps the last max bytes of what is written.
type tail struct {
	max int
	buf []byte
	cut bool
}

func (t *tail) Write(p []byte) (int, error) {
	n := len(p)
	t.cut = t.cut || len(t.buf)+n > t.max
	t.buf = append(t.buf, p[max(0, n-t.max):]...)
	// Moving only when the buffer has doubled keeps the cost of a byte constant.
	if len(t.buf) > 2*t.max {
		t.buf = t.buf[:copy(t.buf, t.buf[len(t.buf)-t.max:])]
	}
	return n, nil
}

// bytes is the tail as valid UTF-8 that starts with a whole rune.
func (t *tail) bytes() []byte {
	b := t.buf[max(0, len(t.buf)-t.max):]
	for i := 1; t.cut && i < utf8.UTFMax && len(b) > 0 && !utf8.RuneStart(b[0]); i++ {
		b = b[1:]
	}
	return bytes.ToValidUTF8(b, []byte("?"))
}

// maxLastLine keeps the text of an error readable; the log has the whole line.
const maxLastLine = 256

// lastLine is the last line of log that says something, fit for a terminal.
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
		line = string(wholeRunes([]byte(line[:maxLastLine]))) + "…"
	}
	return line
}
