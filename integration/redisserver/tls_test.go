package redisserver

import (
	"crypto/tls"
	"testing"

	"github.com/redis/go-redis/v9"
)

func TestTLSServerTakesOnlyClientsWithItsCertificate(t *testing.T) {
	s := StartTLS(t)
	if err := s.Client(t).Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	good := s.options.tls
	for name, config := range map[string]*tls.Config{
		"plain TCP":                nil,
		"no certificate":           {RootCAs: good.RootCAs},
		"unknown authority":        {Certificates: good.Certificates},
		"another's certificate":    {RootCAs: good.RootCAs, Certificates: StartTLS(t).options.tls.Certificates},
		"another's and its server": StartTLS(t).options.tls,
	} {
		o := s.clientOptions()
		o.TLSConfig, o.MaxRetries = config, -1
		rdb := redis.NewClient(o)
		if err := rdb.Ping(t.Context()).Err(); err == nil {
			t.Errorf("%s: it was admitted", name)
		}
		rdb.Close()
	}
}

func TestTLSServerComesBackAfterARestart(t *testing.T) {
	s := StartTLS(t, AOF())
	rdb := s.Client(t)
	if err := rdb.Set(t.Context(), "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	s.Kill(t)
	s.Restart(t)
	if v, err := rdb.Get(t.Context(), "k").Result(); v != "v" {
		t.Errorf("%q, %v", v, err)
	}
}
