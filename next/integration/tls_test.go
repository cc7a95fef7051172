package integration

import (
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/integration/redisserver"
)

// Over TLS, with client certificates and a user who may touch this pool only,
// everything works as elsewhere.
func TestPoolWorksOverTLSAsAUserOfItsOwn(t *testing.T) {
	server := redisserver.StartTLS(t)
	var user *redisserver.User
	s := siteAt(t, func(t testing.TB) *redis.Client { return user.Client(t) })
	user = server.User(t, "worker", "~lts:{"+s.name+"}:*", "+@all", "-@admin", "-@dangerous", "+info")
	s.everyday()
}
