package main

import (
	"strings"
	"testing"

	"github.com/ltsworker/ltsworker/integration/redisserver"
)

func TestBinarySpeaksTLSWithItsOwnCertificate(t *testing.T) {
	t.Parallel()
	s := redisserver.StartTLS(t)
	producer := s.User(t, "worker", "~lts:*", "+@all", "-@admin", "-@dangerous", "+info")
	u := stranger(t)
	u.env = []string{
		"LTS_REDIS=" + producer.URL(),
		"LTS_REDIS_CA=" + s.CAFile, "LTS_REDIS_CERT=" + s.CertFile, "LTS_REDIS_KEY=" + s.KeyFile,
	}
	u.usable()
	for name, env := range map[string][]string{
		"without certificates":  u.env[:1],
		"without a certificate": u.env[:2],
	} {
		v := stranger(t)
		v.env = env
		if a := v.run("stats"); a.code != exitUnreachable || strings.Contains(a.out+a.err, producer.Password) {
			t.Errorf("%s: %+v", name, a)
		}
	}
}
