package redisserver

import (
	"crypto/rand"
	"net/url"
	"testing"

	"github.com/redis/go-redis/v9"
)

// User is an ACL user of a server.
type User struct {
	Name, Password string

	server *Server
}

// User makes an ACL user with its own password, or replaces the rights of the
// user of that name. The user has exactly the rights of the rules, such as
// "~lts:{p}:inbox", "+rpush".
func (s *Server) User(t testing.TB, name string, rules ...string) *User {
	t.Helper()
	u := &User{Name: name, Password: rand.Text(), server: s}
	args := []any{"ACL", "SETUSER", name, "reset", "on", ">" + u.Password}
	for _, r := range rules {
		args = append(args, r)
	}
	if err := s.Client(t).Do(t.Context(), args...).Err(); err != nil {
		t.Fatal("making an ACL user: ", err)
	}
	return u
}

// Client returns a new client of the user, closed when the test ends.
func (u *User) Client(t testing.TB) *redis.Client {
	t.Helper()
	o := u.server.clientOptions()
	o.Username, o.Password = u.Name, u.Password
	c := redis.NewClient(o)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// URL returns the server's address with the user's name and password.
func (u *User) URL() string {
	scheme := "redis"
	if u.server.options.tls != nil {
		scheme = "rediss"
	}
	return (&url.URL{Scheme: scheme, User: url.UserPassword(u.Name, u.Password), Host: u.server.Addr(), Path: "/0"}).String()
}
