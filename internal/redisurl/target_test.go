package redisurl

import (
	"errors"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/integration/redisserver"
)

func TestAConnectionHasANameWhereItMay(t *testing.T) {
	s := redisserver.Start(t)
	for rules, want := range map[string]string{"~* +@all": "ltsworker", "~* +@all -client|setname": ""} {
		url := s.User(t, "named", strings.Fields(rules)...).URL()
		at, err := Parse(url, false)
		if err != nil {
			t.Fatal(err)
		}
		rdb := at.Client()
		defer rdb.Close()
		if name, err := rdb.ClientGetName(t.Context()).Result(); name != want || err != nil && !errors.Is(err, redis.Nil) {
			t.Errorf("%s: the name is %q, %v; want %q", rules, name, err, want)
		}
	}
}
