package main

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"
)

// The forms of a Redis URL. With rediss for redis each of them means TLS.
const (
	clusterForm  = "redis-cluster://HOST:6379,HOST:6379"
	sentinelForm = "redis-sentinel://HOST:26379,HOST:26379/MASTER/0"
	placeForms   = "must start with redis://, redis-cluster:// or redis-sentinel://, with rediss for TLS, or with unix://, as in " + defaultRedis
)

// locate reads a Redis URL, or with @FILE the file that holds one. flag says
// that it was typed. No error shows the URL, which may hold a password.
func locate(raw string, flag bool) (*place, error) {
	flag = flag && !strings.HasPrefix(raw, "@")
	raw, err := readURL(raw)
	if err != nil {
		return nil, err
	}
	// In a password it would make a host, which is shown, of what stands before it.
	if strings.Contains(raw, "#") {
		return nil, errors.New("must not hold a #, which ends the address: one in a password is written %23")
	}
	single, more := splitHosts(raw)
	u, err := url.Parse(single)
	if err != nil {
		return nil, errors.New("is not a URL; write it like " + defaultRedis + ", with special characters of a password as %XX")
	}
	if flag && holdsPassword(u) {
		return nil, errors.New("must not hold a password, which everybody on this machine could read: put the URL into the environment as LTS_REDIS, or into a file and pass @FILE")
	}
	p, err := readPlace(u, more)
	var refused *refusedURL
	if errors.As(err, &refused) && refused.reveals(raw, u) {
		return nil, errors.New("cannot be used; write it like " + defaultRedis + ", with special characters of a password as %XX")
	}
	if err == nil {
		err = p.secure()
	}
	if err != nil {
		return nil, err
	}
	p.user = u.User.Username()
	return p, nil
}

func holdsPassword(u *url.URL) bool {
	_, secret := u.User.Password()
	for name := range u.Query() {
		secret = secret || strings.Contains(name, "password")
	}
	return secret
}

// refusedURL is what the Redis client says of a URL that it does not take.
type refusedURL struct{ err error }

func (e *refusedURL) Error() string { return "cannot be used: " + e.err.Error() }

// reveals reports whether the message may show a secret of the URL: then none of
// it is shown, for what is blotted out of a message can be told from the gaps. An
// @ comes from a password that was not escaped and ended up elsewhere in the URL.
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

// readPlace reads a URL with the hosts that follow its first.
func readPlace(u *url.URL, more []string) (*place, error) {
	scheme, kind, _ := strings.Cut(u.Scheme, "-")
	port := "6379"
	switch {
	case scheme != "redis" && scheme != "rediss" && u.Scheme != "unix", kind != "" && kind != "cluster" && kind != "sentinel":
		return nil, errors.New(placeForms)
	case kind == "" && len(more) > 0:
		return nil, errors.New("names several servers: write " + clusterForm + " or " + sentinelForm)
	case kind == "":
		opts, err := redis.ParseURL(u.String())
		if err != nil {
			return nil, &refusedURL{err}
		}
		opts.OnConnect, opts.ContextTimeoutEnabled = introduce, true
		return &place{address: opts.Addr, server: opts}, nil
	case kind == "sentinel":
		port = "26379"
	}
	// go-redis wants one host in the URL and the others as parameters.
	plain, q := *u, u.Query()
	var addrs []string
	for i, host := range append([]string{u.Host}, more...) {
		addr, err := address(host, port)
		if err != nil {
			return nil, err
		}
		if addrs = append(addrs, addr); i == 0 {
			plain.Host = addr
		} else {
			q.Add("addr", addr)
		}
	}
	plain.Scheme = scheme
	if kind == "cluster" {
		return clusterPlace(plain, q, addrs)
	}
	return sentinelPlace(plain, q, addrs)
}

func clusterPlace(u url.URL, q url.Values, addrs []string) (*place, error) {
	if strings.Trim(u.Path, "/") != "" && u.Path != "/0" {
		return nil, errors.New("cannot be used: a cluster has no databases; write it like " + clusterForm)
	}
	u.Path, u.RawQuery = "", q.Encode()
	opts, err := redis.ParseClusterURL(u.String())
	if err != nil {
		return nil, &refusedURL{err}
	}
	opts.OnConnect, opts.ContextTimeoutEnabled = introduce, true
	return &place{address: strings.Join(addrs, ","), cluster: opts}, nil
}

// sentinelPlace takes the user of the URL for the one of the Redis servers. The
// Sentinels' own, if they want one, is in the parameters sentinel_username and
// sentinel_password.
func sentinelPlace(u url.URL, q url.Values, addrs []string) (*place, error) {
	master, db, _ := strings.Cut(strings.Trim(u.Path, "/"), "/")
	if master == "" {
		return nil, errors.New("does not name the master; write it like " + sentinelForm)
	}
	sentinelUser, sentinelPassword := q.Get("sentinel_username"), q.Get("sentinel_password")
	q.Del("sentinel_username")
	q.Del("sentinel_password")
	q.Set("master_name", master)
	user := u.User
	u.Path, u.User, u.RawQuery = "/"+db, nil, q.Encode()
	opts, err := redis.ParseFailoverURL(u.String())
	if err != nil {
		return nil, &refusedURL{err}
	}
	if user != nil {
		opts.Username = user.Username()
		opts.Password, _ = user.Password()
	}
	opts.SentinelUsername, opts.SentinelPassword = sentinelUser, sentinelPassword
	opts.OnConnect, opts.ContextTimeoutEnabled = introduce, true
	return &place{address: master + " of " + strings.Join(addrs, ","), sentinel: opts}, nil
}

// introduce gives a connection the name that CLIENT LIST shows. A user who may not
// have one does without; as ClientName it would cost the connection.
func introduce(ctx context.Context, conn *redis.Conn) error {
	err := conn.ClientSetName(ctx, "ltsworker").Err()
	var answer redis.Error
	if errors.As(err, &answer) {
		return nil
	}
	return err
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

// address completes a host with the port.
func address(host, port string) (string, error) {
	h, p, err := net.SplitHostPort(host)
	if err != nil {
		h, p = strings.Trim(host, "[]"), port
	}
	if h == "" || p == "" || strings.ContainsAny(p, "[]:") {
		return "", errors.New("has a host without a name, or without a port after its colon")
	}
	return net.JoinHostPort(h, p), nil
}

// connection is a client and where it leads.
type connection struct {
	redis.UniversalClient
	*place
}

// client connects to the place.
func (p *place) client() redis.UniversalClient {
	switch {
	case p.cluster != nil:
		return redis.NewClusterClient(p.cluster)
	case p.sentinel != nil:
		return redis.NewFailoverClient(p.sentinel)
	}
	return redis.NewClient(p.server)
}

// probe connects to the place, with one connection, and does not insist.
func (p *place) probe() redis.UniversalClient {
	once := *p
	switch {
	case p.cluster != nil:
		o := *p.cluster
		o.MaxRedirects, o.DialerRetries, o.PoolSize = -1, 1, 1
		once.cluster = &o
	case p.sentinel != nil:
		o := *p.sentinel
		o.MaxRetries, o.DialerRetries, o.PoolSize = -1, 1, 1
		once.sentinel = &o
	default:
		o := *p.server
		o.MaxRetries, o.DialerRetries, o.PoolSize = -1, 1, 1
		once.server = &o
	}
	return once.client()
}

// tls is where the place keeps how it speaks TLS, nil where it does not.
func (p *place) tls() **tls.Config {
	switch {
	case p.cluster != nil:
		return &p.cluster.TLSConfig
	case p.sentinel != nil:
		return &p.sentinel.TLSConfig
	}
	return &p.server.TLSConfig
}
