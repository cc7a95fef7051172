package demo

import (
	"bytes"
	"errors"
	"strings"
)

// tailBuffer keeps the end of the log of a replica. It may be read when the replica has
// ended.
type tailBuffer struct{ buf []byte }

// tailMax is the size of a tailBuffer in bytes.
const tailMax = 4096

func (b *tailBuffer) Write(p []byte) (int, error) {
	b.buf = append(b.buf, p...)
	if n := len(b.buf) - tailMax; n > 0 {
		b.buf = append(b.buf[:0], b.buf[n:]...)
	}
	return len(p), nil
}

// err returns the log as an error. It is nil if the log is empty.
func (b *tailBuffer) err() error {
	if s := strings.TrimSpace(string(bytes.ToValidUTF8(b.buf, []byte("?")))); s != "" {
		return errors.New(s)
	}
	return nil
}
