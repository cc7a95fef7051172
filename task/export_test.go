package task

import (
	"strings"
	"testing"
)

func TestReferenceIsJSONOtherThanNull(t *testing.T) {
	for ref, valid := range map[string]bool{
		`{"file":"a"}`: true, `"a"`: true, `0`: true, `"` + strings.Repeat("x", MaxReference-2) + `"`: true,
		"": false, "null": false, " null\n": false, "{": false, "a": false, `"` + strings.Repeat("x", MaxReference-1) + `"`: false,
	} {
		if err := CheckReference(Reference(ref)); (err == nil) != valid {
			t.Errorf("%.20q: %v", ref, err)
		}
	}
	if err := CheckReference(nil); err == nil {
		t.Error("nil is a reference")
	}
}
