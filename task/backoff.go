package task

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Backoff is the wait between a failed attempt and the next one. The zero value means
// DefaultBackoff.
//
// Exponential backoff has full jitter: the wait before retry n (the first is 1) is a
// random time between 0 and min(Max, Base·2ⁿ⁻¹). The jitter spreads the retries of
// tasks that failed together. See "Exponential Backoff And Jitter", AWS Architecture
// Blog, 2015.
type Backoff struct {
	Fixed bool          // wait exactly Base
	Base  time.Duration // from 1 ms to 365 days
	Max   time.Duration // exponential only, from Base to 365 days; 0: the longer of DefaultBackoff.Max and Base
}

// DefaultBackoff is the backoff of tasks and kinds that set none.
var DefaultBackoff = Backoff{Base: time.Second, Max: 10 * time.Minute}

// maxBackoff keeps every delay, in milliseconds, within the integers that Lua's
// floating-point numbers hold exactly.
const maxBackoff = 365 * 24 * time.Hour

// String returns the wire form: "exponential:BASE_MS:MAX_MS" or "fixed:MS". It returns
// "" for the zero value.
func (b Backoff) String() string {
	switch {
	case b == Backoff{}:
		return ""
	case b.Fixed:
		return fmt.Sprintf("fixed:%d", b.Base.Milliseconds())
	default:
		return fmt.Sprintf("exponential:%d:%d", b.Base.Milliseconds(), b.longest().Milliseconds())
	}
}

func (b Backoff) longest() time.Duration {
	if b.Max == 0 {
		return max(b.Base, DefaultBackoff.Max)
	}
	return b.Max
}

// Ceiling returns the longest wait before retry n. The first retry is 1.
func (b Backoff) Ceiling(n int) time.Duration {
	if b == (Backoff{}) {
		b = DefaultBackoff
	}
	if b.Fixed {
		return b.Base
	}
	longest := b.longest()
	wait := b.Base
	for range n - 1 {
		if wait > longest/2 { // so that doubling cannot overflow
			return longest
		}
		wait *= 2
	}
	return min(wait, longest)
}

// ParseBackoff parses the wire form. The empty string is the zero value.
func ParseBackoff(s string) (Backoff, error) {
	if s == "" {
		return Backoff{}, nil
	}
	bad := fmt.Errorf(`must be "exponential:BASE_MS:MAX_MS" or "fixed:MS", such as "exponential:1000:600000", not %q`, Clip(s))
	parts := strings.Split(s, ":")
	ms := make([]time.Duration, len(parts)-1)
	for i, p := range parts[1:] {
		n, err := strconv.ParseInt(p, 10, 64)
		if err != nil || n < 1 || n > maxBackoff.Milliseconds() {
			return Backoff{}, bad
		}
		ms[i] = time.Duration(n) * time.Millisecond
	}
	var b Backoff
	switch {
	case parts[0] == "fixed" && len(ms) == 1:
		b = Backoff{Fixed: true, Base: ms[0]}
	case parts[0] == "exponential" && len(ms) == 2:
		b = Backoff{Base: ms[0], Max: ms[1]}
	default:
		return Backoff{}, bad
	}
	if b.String() != s { // a sign or leading zeros, which other parsers of the wire form refuse
		return Backoff{}, bad
	}
	return b, b.check()
}

func (b Backoff) check() error {
	switch {
	case b == Backoff{}:
		return nil
	case b.Base < time.Millisecond || b.Base > maxBackoff:
		return fmt.Errorf("needs a base from 1ms to %v, not %v", maxBackoff, b.Base)
	case b.Fixed && b.Max != 0:
		return fmt.Errorf("must not have a maximum if it is fixed, but has %v", b.Max)
	case !b.Fixed && (b.longest() < b.Base || b.Max > maxBackoff):
		return fmt.Errorf("needs a maximum from its base (%v) to %v, not %v", b.Base, maxBackoff, b.Max)
	}
	return nil
}
