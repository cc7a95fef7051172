package task

import (
	"strings"
	"testing"
)

func TestResultsThatFit(t *testing.T) {
	const own = 200
	for _, c := range []struct {
		large  LargeResult
		total  int64 // negative: not known
		result string
		err    string
	}{
		{"", own, "whole", ""},
		{"", own + 1, "\n[cut: 176 of 201 bytes]", ""},
		{"", -1, "\n[cut: 166 of more than 200 bytes]", ""},
		{TruncateLargeResult, own + 1, "\n[cut: 176 of 201 bytes]", ""},
		{FailLargeResult, own, "whole", ""},
		{FailLargeResult, own + 1, "", "the result is 201 bytes; the limit is 200"},
		{ExportLargeResult, own + 1, "whole", ""},
		{ExportLargeResult, MaxStagedResult, "whole", ""},
		{ExportLargeResult, MaxStagedResult + 1, "", "the result is 4000001 bytes; the limit is 4000000"},
		{ExportLargeResult, -1, "", "more than the limit of 4000000 bytes"},
	} {
		kept := strings.Repeat("x", min(int(max(c.total, own)), c.large.Limit(own)))
		got, err := c.large.Fit([]byte(kept), c.total, own)
		want := kept
		if c.result != "whole" {
			want = c.result
		}
		if c.err == "" && (err != nil || !strings.HasSuffix(string(got), want) || len(got) > c.large.Limit(own)) ||
			c.err != "" && (got != nil || err == nil || !strings.Contains(err.Error(), c.err) || !DispositionOf(err).Permanent) {
			t.Errorf("%q, %d bytes: %d bytes ending in %q, %v", c.large, c.total, len(got), got[max(0, len(got)-40):], err)
		}
	}
}
