package redisurl

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCertificatesThatCannotBeUsedAreRefused(t *testing.T) {
	dir := t.TempDir()
	junk := filepath.Join(dir, "junk")
	if err := os.WriteFile(junk, []byte("no PEM"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ url, ca, cert, key, want string }{
		"plain":          {"redis://h", junk, "", "", "write rediss"},
		"plain cluster":  {"redis-cluster://h", "", junk, junk, "write rediss"},
		"no such CA":     {"rediss://h", filepath.Join(dir, "absent"), "", "", "absent"},
		"CA without PEM": {"rediss-cluster://h", junk, "", "", "no PEM certificate"},
		"only a key":     {"rediss-sentinel://h/main", "", "", junk, "both of LTS_REDIS_CERT and LTS_REDIS_KEY"},
		"bad pair":       {"rediss://h", "", junk, junk, "cannot be used"},
	} {
		t.Setenv("LTS_REDIS_CA", c.ca)
		t.Setenv("LTS_REDIS_CERT", c.cert)
		t.Setenv("LTS_REDIS_KEY", c.key)
		if _, err := Parse(c.url, true); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
