package client

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRepeatedIDsAreLeftOutAndTheArgumentsLeftAlone(t *testing.T) {
	args := []string{"b", "a", "b", "c"}
	got := Distinct(args)
	if diff := cmp.Diff([]string{"b", "a", "c"}, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"b", "a", "b", "c"}, args); diff != "" {
		t.Error(diff)
	}
}
