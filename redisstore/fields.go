package redisstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"
)

// fieldReader reads the fields of a task or an event that another program may have
// written. A field that it cannot read is zero, and an error in broken.
type fieldReader struct {
	what, id string // "task" or "event" and its id, for the texts of broken
	broken   error
}

func (f *fieldReader) fail(name string, err error) {
	f.broken = errors.Join(f.broken, fmt.Errorf("%s %s: field %s %w", f.what, f.id, name, err))
}

func (f *fieldReader) whole(name, v string, least, most int64) int64 {
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n < least || n > most {
		f.fail(name, fmt.Errorf("must be a whole number from %d to %d, not %q", least, most, clipName(v)))
		return 0
	}
	return n
}

func (f *fieldReader) count(name, v string) int64 { return f.whole(name, v, 0, math.MaxInt64) }

// moment reads a time in ms since 1970. It returns the zero time for 0.
func (f *fieldReader) moment(name, v string) time.Time {
	if n := f.count(name, v); n > 0 {
		return time.UnixMilli(n)
	}
	return time.Time{}
}

const maxSpan = math.MaxInt64 / int64(time.Millisecond)

// span reads a duration in ms.
func (f *fieldReader) span(name, v string) time.Duration {
	return time.Duration(f.whole(name, v, 0, maxSpan)) * time.Millisecond
}

// elapsed reads a measured duration in ms, which is negative if the server's clock went
// back meanwhile.
func (f *fieldReader) elapsed(name, v string) time.Duration {
	return time.Duration(f.whole(name, v, -maxSpan, maxSpan)) * time.Millisecond
}

// headers reads an object of strings.
func (f *fieldReader) headers(name, v string) map[string]string {
	var h map[string]string
	if err := json.Unmarshal([]byte(v), &h); err != nil {
		f.fail(name, fmt.Errorf("must be an object of strings: %w", err))
		return nil
	}
	return h
}
