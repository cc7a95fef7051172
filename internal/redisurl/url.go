package redisurl

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
)

// Read returns raw, or if it is @FILE the URL that the file holds.
func Read(raw string) (string, error) {
	name, ok := strings.CutPrefix(raw, "@")
	if !ok {
		return raw, nil
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return "", fmt.Errorf("names a file that cannot be read: %w", err)
	}
	url := strings.TrimSpace(string(data))
	switch {
	case url == "":
		return "", errors.New("names an empty file")
	case url[0] == '@':
		return "", errors.New("names a file that holds no URL")
	}
	return url, nil
}

// Default is the URL that is used if no other is given.
const Default = "redis://127.0.0.1:6379/0"

// The forms of a Redis URL. rediss instead of redis means TLS.
const (
	clusterForm  = "redis-cluster://HOST:6379,HOST:6379"
	sentinelForm = "redis-sentinel://HOST:26379,HOST:26379/MASTER/0"
	schemes      = "must start with redis://, redis-cluster:// or redis-sentinel://, with rediss for TLS, or with unix://, as in " + Default
)

// Parse reads a Redis URL, or with @FILE the file that holds one, and the certificates
// of the environment. flag says that raw comes from the command line, where a password
// is an error. The text of an error follows the name of what holds the URL, as in
// "--redis must ...". No error shows the URL, which may hold a password.
func Parse(raw string, flag bool) (*Target, error) {
	flag = flag && !strings.HasPrefix(raw, "@")
	raw, err := Read(raw)
	if err != nil {
		return nil, err
	}
	// The part after an unescaped # in a password is no part of the URL, and the part
	// before it would be taken for a host, which messages show.
	if strings.Contains(raw, "#") {
		return nil, errors.New("must not contain #, which ends the address: write %23 for a # in a password")
	}
	single, more := splitHosts(raw)
	u, err := url.Parse(single)
	if err != nil {
		return nil, errors.New("is not a URL; write it like " + Default + ", with special characters of a password as %XX")
	}
	if flag && hasPassword(u) {
		return nil, errors.New("must not hold a password, which all users of this machine can read: put the URL into the environment as LTS_REDIS, or into a file and pass @FILE")
	}
	p, err := parseTarget(u, more)
	var refused *refusedURL
	if errors.As(err, &refused) && refused.reveals(raw, u) {
		return nil, errors.New("cannot be used; write it like " + Default + ", with special characters of a password as %XX")
	}
	if err == nil {
		err = p.secure()
	}
	if err != nil {
		return nil, err
	}
	p.User = u.User.Username()
	return p, nil
}

// HoldsPassword reports whether a Redis URL holds a password. If raw is not a URL, it
// is false.
func HoldsPassword(raw string) bool {
	single, _ := splitHosts(raw)
	u, err := url.Parse(single)
	return err == nil && hasPassword(u)
}

func hasPassword(u *url.URL) bool {
	_, secret := u.User.Password()
	for name := range u.Query() {
		secret = secret || strings.Contains(name, "password")
	}
	return secret
}

// refusedURL is the error of the Redis client about a URL.
type refusedURL struct{ err error }

func (e *refusedURL) Error() string { return "cannot be used: " + e.err.Error() }

// reveals reports whether the message may hold a secret of the URL. Then none of the
// message is shown: the gaps of a message without the secret would show its length. An
// @ in the message comes from a password that was not escaped.
func (e *refusedURL) reveals(raw string, u *url.URL) bool {
	msg := e.err.Error()
	password, _ := u.User.Password()
	secrets := []string{raw, password, "@"}
	for name, values := range u.Query() {
		if strings.Contains(name, "password") {
			secrets = append(secrets, values...)
		}
	}
	return slices.ContainsFunc(secrets, func(s string) bool { return s != "" && strings.Contains(msg, s) })
}

// splitHosts takes all hosts but the first out of a URL.
func splitHosts(raw string) (single string, more []string) {
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok {
		return raw, nil
	}
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	begin := strings.LastIndexByte(rest[:end], '@') + 1
	hosts := strings.Split(rest[begin:end], ",")
	return scheme + "://" + rest[:begin] + hosts[0] + rest[end:], hosts[1:]
}

// withPort completes a host with the port.
func withPort(host, port string) (string, error) {
	h, p, err := net.SplitHostPort(host)
	if err != nil {
		h, p = strings.Trim(host, "[]"), port
	}
	if h == "" || p == "" || strings.ContainsAny(p, "[]:") {
		return "", errors.New("has a host without a name, or without a port after its colon")
	}
	return net.JoinHostPort(h, p), nil
}
