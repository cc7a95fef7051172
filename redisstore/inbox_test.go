package redisstore

import (
	"errors"
	"strings"
	"testing"
)

func TestLongReasonIsCutBetweenCharacters(t *testing.T) {
	for _, before := range []string{"", "x"} { // one of the two is cut inside an é
		got, all := reason(errors.New(before+strings.Repeat("é", maxReason))), before+strings.Repeat("é", maxReason)
		if rest, ok := strings.CutPrefix(all, got); !ok || !strings.HasPrefix(rest, "é") || len(got) < maxReason-1 || len(got) > maxReason {
			t.Errorf("got %d bytes that end in %q", len(got), got[len(got)-4:])
		}
	}
}
