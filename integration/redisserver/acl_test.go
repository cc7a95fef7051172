package redisserver

import (
	"testing"

	"github.com/redis/go-redis/v9"
)

func TestUserMayDoWhatItsRulesSayAndNothingElse(t *testing.T) {
	s := Start(t)
	u := s.User(t, "producer", "~in", "+rpush")
	rdb := u.Client(t)
	if err := rdb.RPush(t.Context(), "in", "x").Err(); err != nil {
		t.Error(err)
	}
	for name, err := range map[string]error{
		"another key":     rdb.RPush(t.Context(), "out", "x").Err(),
		"another command": rdb.LPop(t.Context(), "in").Err(),
	} {
		if !redis.HasErrorPrefix(err, "NOPERM") {
			t.Errorf("%s: %v", name, err)
		}
	}
	o, err := redis.ParseURL(u.URL())
	if err != nil {
		t.Fatal(err)
	}
	byURL := redis.NewClient(o)
	defer byURL.Close()
	if err := byURL.RPush(t.Context(), "in", "x").Err(); err != nil {
		t.Error(err)
	}
	// Making the user again removes its earlier rights.
	again := s.User(t, "producer", "~in", "+lpop").Client(t)
	if err := again.RPush(t.Context(), "in", "x").Err(); !redis.HasErrorPrefix(err, "NOPERM") {
		t.Error(err)
	}
}
