package archive

import (
	"cmp"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// moment is a time in a column: milliseconds since 1970, NULL for the zero time.
type moment time.Time

func (m *moment) Value() (driver.Value, error) {
	if time.Time(*m).IsZero() {
		return nil, nil
	}
	return time.Time(*m).UnixMilli(), nil
}

func (m *moment) Scan(v any) error {
	switch v := v.(type) {
	case nil:
		*m = moment{}
	case int64:
		*m = moment(time.UnixMilli(v))
	default:
		return fmt.Errorf("a time must be a number, not %T", v)
	}
	return nil
}

// span is a duration in a column, in milliseconds.
type span time.Duration

func (s *span) Value() (driver.Value, error) { return time.Duration(*s).Milliseconds(), nil }

func (s *span) Scan(v any) error {
	ms, ok := v.(int64)
	if !ok {
		return fmt.Errorf("a duration must be a number, not %T", v)
	}
	*s = span(time.Duration(ms) * time.Millisecond)
	return nil
}

// names is a map in a column: a JSON object, "" for none.
type names map[string]string

func (n *names) Value() (driver.Value, error) {
	if len(*n) == 0 {
		return "", nil
	}
	b, err := json.Marshal(map[string]string(*n))
	return strings.ReplaceAll(string(b), `\u0000`, `\ufffd`), err // no database takes a NUL in the JSON of a text
}

func (n *names) Scan(v any) error {
	*n = nil
	s, ok := v.(string)
	if b, isBytes := v.([]byte); isBytes {
		s, ok = string(b), true
	}
	if !ok {
		return fmt.Errorf("headers must be text, not %T", v)
	}
	if s == "" {
		return nil
	}
	return json.Unmarshal([]byte(s), (*map[string]string)(n))
}

// position is the position of an entry in the event stream.
type position struct{ ms, seq int64 }

// positionOf reads a cursor, "MS-SEQ" or "MS". It is zero for one that cannot be read.
func positionOf(cursor string) position {
	ms, seq, _ := strings.Cut(cursor, "-")
	number := func(s string) int64 {
		n, _ := strconv.ParseUint(s, 10, 64)
		return int64(min(n, math.MaxInt64))
	}
	return position{number(ms), number(seq)}
}

func (p position) String() string {
	return strconv.FormatInt(p.ms, 10) + "-" + strconv.FormatInt(p.seq, 10)
}

func (p position) compare(q position) int {
	return cmp.Or(cmp.Compare(p.ms, q.ms), cmp.Compare(p.seq, q.seq))
}

func (p position) before(q position) bool { return p.compare(q) < 0 }
