package demo

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ltsworker/ltsworker/internal/client"
)

func TestASecondTerminalGetsWhatItCanUse(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a url")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for raw, want := range map[string]string{
		"redis://h:1/0":          "redis://h:1/0",
		"redis://h:1/0?db=1&x=y": "'redis://h:1/0?db=1&x=y'",
		"@" + file:               "'@" + file + "'",
		"@/dev/null":             "'the URL of /dev/null'",
	} {
		if got := givenAgain(raw); got != want {
			t.Errorf("%s: got %s, want %s", raw, got, want)
		}
	}
	var out strings.Builder
	p := &Place{Client: &client.Client{Name: "p", Address: "h:1"}, url: "redis://:hunter2@h:1", given: givenAgain("@/dev/null")}
	p.invite(&out)
	if strings.Contains(out.String(), "hunter2") || !strings.Contains(out.String(), "export LTS_REDIS='the URL of /dev/null' LTS_POOL=p\n") {
		t.Errorf("got %s", out.String())
	}
}
