package task

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestCheckReturnsAllErrorsOfASpec(t *testing.T) {
	long := strings.Repeat("h", MaxHeaderLen+1)
	many := make(map[string]string)
	for i := range MaxHeaders + 1 {
		many[strings.Repeat("k", i+1)] = ""
	}
	negative, huge := -time.Second, Forever-1
	for name, c := range map[string]struct {
		spec   Spec
		fields []string
	}{
		"fine":                   {Spec{Kind: "k"}, nil},
		"fine at most":           {Spec{Kind: "k", Payload: make([]byte, MaxPayload), MaxAttempts: MaxMaxAttempts, Timeout: Forever, Priority: math.MinInt8, Retain: new(time.Duration)}, nil},
		"bad names":              {Spec{ID: "a b", Kind: "{k}", Queue: "q\n", Group: "g\x00"}, []string{"id", "kind", "queue", "group"}},
		"unique key":             {Spec{Kind: "k", Unique: strings.Repeat("?", MaxUnique)}, nil},
		"long unique key":        {Spec{Kind: "k", Unique: strings.Repeat("u", MaxUnique+1)}, []string{"unique"}},
		"unique key not UTF-8":   {Spec{Kind: "k", Unique: "a\xff"}, []string{"unique"}},
		"names of other scripts": {Spec{ID: "任务-1", Kind: "भेजना", Queue: "คิวที่๑", Group: "عميل"}, nil},
		"reply":                  {Spec{Kind: "k", ID: "a", Reply: true}, nil},
		"reply without an id":    {Spec{Kind: "k", Reply: true}, []string{"reply"}},
		"no kind":                {Spec{}, []string{"kind"}},
		"negative": {Spec{Kind: "k", Delay: negative, Timeout: negative, TTL: negative, Deadline: negative, MaxAttempts: -1, Retain: &negative, Backoff: Backoff{Base: negative}},
			[]string{"delay", "timeout", "ttl", "deadline", "max_attempts", "backoff", "retain"}},
		"huge": {Spec{Kind: "k", Delay: huge, Timeout: huge, TTL: Forever, Deadline: huge, MaxAttempts: math.MaxInt, Retain: &huge, Backoff: Backoff{Base: huge, Max: huge}, Payload: make([]byte, MaxPayload+1)},
			[]string{"payload", "delay", "timeout", "ttl", "deadline", "max_attempts", "backoff", "retain"}},
		"below a millisecond":    {Spec{Kind: "k", Timeout: 1, TTL: 1, Deadline: 1}, []string{"timeout", "ttl", "deadline"}},
		"ttl of the delay":       {Spec{Kind: "k", Delay: time.Hour, TTL: time.Hour}, []string{"ttl"}},
		"shorter than the delay": {Spec{Kind: "k", Delay: time.Hour, TTL: time.Minute, Deadline: time.Minute}, []string{"ttl", "deadline"}},
		"longer than the delay":  {Spec{Kind: "k", Delay: time.Hour, TTL: time.Hour + 1, Deadline: 2 * time.Hour}, nil},
		"two times":              {Spec{Kind: "k", Delay: 1, RunAt: time.Now()}, []string{"delay"}},
		"before 1970":            {Spec{Kind: "k", RunAt: time.Unix(-5, 0)}, []string{"run_at"}},
		"far off":                {Spec{Kind: "k", RunAt: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)}, []string{"run_at"}},
		"headers":                {Spec{Kind: "k", Headers: many}, []string{"headers"}},
		"long header":            {Spec{Kind: "k", Headers: map[string]string{"h": long}}, []string{"headers"}},
		"header not in UTF-8":    {Spec{Kind: "k", Headers: map[string]string{"h": "\xff"}}, []string{"headers"}},
		"name not in UTF-8":      {Spec{Kind: "k", Headers: map[string]string{"\xff": "h"}}, []string{"headers"}},
		"UTF-8":                  {Spec{Kind: "k", Headers: map[string]string{"é": "\uFFFD"}}, nil},
		"text as payload":        {Spec{Kind: "k", Payload: []byte("a\x00\n\ufffd\U0010ffff\ud7ff\ue000")}, nil},
	} {
		t.Run(name, func(t *testing.T) { wantFields(t, c.spec.Check(), c.fields...) })
	}
	for _, bytes := range []string{"\xff", "\x80", "\xc3", "\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xed\xb0\x80", "\xf4\x90\x80\x80", "\xf0\x9f\x9a", "\xfe\xff\x00a"} {
		t.Run(fmt.Sprintf("%q", bytes), func(t *testing.T) {
			for _, payload := range []string{bytes, `"` + bytes + `"`, "a" + bytes + "b"} {
				wantFields(t, (&Spec{Kind: "k", Payload: []byte(payload)}).Check(), "payload")
			}
			wantFields(t, (&Spec{Kind: "k", ID: bytes, Queue: bytes, Group: bytes, Unique: bytes, Headers: map[string]string{"h": bytes}}).Check(),
				"id", "queue", "group", "unique", "headers")
		})
	}
}

// wantFields checks which fields an error of Check refuses.
func wantFields(t *testing.T, err error, want ...string) {
	t.Helper()
	var got []string
	var all interface{ Unwrap() []error }
	if errors.As(err, &all) {
		for _, e := range all.Unwrap() {
			var f *FieldError
			if !errors.As(e, &f) {
				t.Errorf("%v is no FieldError", e)
				continue
			}
			got = append(got, f.Field)
		}
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("refused fields (-want +got):\n%s", diff)
	}
}
