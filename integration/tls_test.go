package integration

import (
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/integration/redisserver"
)

// Everything works over TLS, with client certificates and a user that has
// rights to this pool only.
func TestPoolWorksOverTLSAsAUserOfItsOwn(t *testing.T) {
	server := redisserver.StartTLS(t)
	var user *redisserver.User
	s := siteAt(t, func(t testing.TB) *redis.Client { return user.Client(t) })
	user = server.User(t, "worker", "~lts:{"+s.name+"}:*", "+@all", "-@admin", "-@dangerous", "+info")
	s.everyday()
}
