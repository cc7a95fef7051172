package task

import (
	"maps"
	"strings"
	"testing"
)

func TestMetaIsBounded(t *testing.T) {
	tk := &Task{}
	if m := tk.Meta(); m != nil {
		t.Errorf("a new task has %v", m)
	}
	set := func(key, value string, why string) {
		t.Helper()
		before := tk.Meta()
		err := tk.SetMeta(key, value)
		if why == "" && (err != nil || tk.Meta()[key] != value) {
			t.Errorf("%.20q: %v", key, err)
		}
		if why != "" && (err == nil || !strings.Contains(err.Error(), why) || !maps.Equal(before, tk.Meta())) {
			t.Errorf("%.20q: %v, want %q and no change", key, err, why)
		}
	}
	set("pages", "1", "")
	set("pages", strings.Repeat("x", MaxMeta-5), "") // replaces the value
	set("", "", "")
	set("more", "", "keys and values would be 8196 bytes with the entry \"more\"; the limit is 8192")
	set("pages", strings.Repeat("x", MaxMeta-4), "8193 bytes")
	set("pages", "12", "")
	set(strings.Repeat("k", MaxHeaderLen), "v", "")
	set(strings.Repeat("k", MaxHeaderLen+1), "v", "is 1025 bytes; the limit is 1024")
	set("\xff", "v", "UTF-8")
	set("k", "\xff", "UTF-8")
	m := tk.Meta()
	m["pages"] = "changed"
	if tk.Meta()["pages"] != "12" {
		t.Error("Meta is not a copy")
	}
}
