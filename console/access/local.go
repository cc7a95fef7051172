package access

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// local is the user of an open console.
func local() *User {
	return &User{Name: "local", Method: MethodOpen, Roles: map[string]Role{AllPools: Admin}}
}

// fromHere reports whether the request comes from this machine and its host is this machine. The host is
// checked because another site can let its name resolve to 127.0.0.1, so that a browser sends requests
// of that site here. A request with a header of a proxy may come from another machine.
func fromHere(r *http.Request) bool {
	for _, header := range []string{"Forwarded", "X-Forwarded-For", "X-Real-Ip", "Via"} {
		if r.Header.Get(header) != "" {
			return false
		}
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return peer(r).IsLoopback() && loopback(strings.Trim(host, "[]"))
}

func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

// CheckListen returns an error if the console must not listen at the address, HOST:PORT.
// Without a method that identifies users, the host must be localhost or a loopback address.
// An empty host means all addresses.
func (g *Gate) CheckListen(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("must be HOST:PORT: %w", err)
	}
	if g.identifies() || loopback(host) {
		return nil
	}
	if g.options.Open {
		return errors.New("must be a loopback address such as 127.0.0.1:8080, because an open console gives each request the role admin")
	}
	return errors.New("must be a loopback address such as 127.0.0.1:8080 unless users log in: configure a password file, OIDC or a proxy")
}

// ReturnPath returns the path to go to after a login: path if it is one of this console, or
// else the console's first page. The path may have a query and a fragment.
func (g *Gate) ReturnPath(path string) string {
	// Browsers take a backslash as a slash, and skip control characters.
	if strings.ContainsFunc(path, func(c rune) bool { return c <= ' ' || c == '\\' || c == 0x7f }) || len(path) > maxReturn {
		return g.options.Path
	}
	u, err := url.Parse(path)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" || strings.HasPrefix(path, "//") {
		return g.options.Path
	}
	prefix := strings.TrimSuffix(g.options.Path, "/")
	for segment := range strings.SplitSeq(u.Path, "/") {
		if segment == ".." || segment == "." {
			return g.options.Path
		}
	}
	if u.Path != prefix && !strings.HasPrefix(u.Path, prefix+"/") || u.Path == "" {
		return g.options.Path
	}
	return path
}

// maxReturn is the length of a path to return to. It is in a cookie, of 4096 bytes.
const maxReturn = 2048
