package redisurl

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestClusterURLNamesItsNodes(t *testing.T) {
	p, err := Parse("redis-cluster://user:se%2Ccret@a,b:7001,[::1]:7002/?dial_timeout=3s", false)
	if err != nil {
		t.Fatal(err)
	}
	o := p.cluster
	if diff := cmp.Diff([]string{"a:6379", "b:7001", "[::1]:7002"}, o.Addrs); diff != "" {
		t.Error(diff)
	}
	if o.Username != "user" || o.Password != "se,cret" || o.DialTimeout.Seconds() != 3 || o.TLSConfig != nil || !o.ContextTimeoutEnabled {
		t.Errorf("%+v", o)
	}
	if p.Address != "a:6379,b:7001,[::1]:7002" {
		t.Error(p.Address)
	}
}

func TestSentinelURLNamesSentinelsMasterAndDatabase(t *testing.T) {
	p, err := Parse("rediss-sentinel://user:secret@a,b:7001/main/3?sentinel_password=other", false)
	if err != nil {
		t.Fatal(err)
	}
	o := p.sentinel
	if diff := cmp.Diff([]string{"a:26379", "b:7001"}, o.SentinelAddrs); diff != "" {
		t.Error(diff)
	}
	if o.MasterName != "main" || o.DB != 3 || o.Username != "user" || o.Password != "secret" || o.SentinelPassword != "other" {
		t.Errorf("%+v", o)
	}
	// Masters come and go under names of their own.
	if o.TLSConfig == nil || o.TLSConfig.ServerName != "" {
		t.Errorf("TLS %+v", o.TLSConfig)
	}
}

func TestURLThatNamesNoPlaceIsRefused(t *testing.T) {
	for url, want := range map[string]string{
		"redis://a:1,b:2/0":             "several servers",
		"redis-cluster://a:1,b:2/1":     "no databases",
		"redis-cluster://a:1,,b:2":      "host without a name",
		"redis-cluster://a:1,b:":        "without a port",
		"redis-cluster://a:1?no_such=1": "no_such",
		"redis-sentinel://a:1,b:2":      "does not name the master",
		"redis-sentinel://a:1/main/x":   "database",
		"redis-sentinel://a:1/main/0/1": "path",
		"redis-proxy://a:1":             "must start with",
		"unix-cluster:///sock":          "must start with",
		"http://a:1":                    "must start with",
	} {
		if _, err := Parse(url, true); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", url, err, want)
		}
	}
}
