package redisurl

import (
	"errors"
	"net/url"
	"strings"

	"github.com/redis/go-redis/v9"
)

// parseTarget reads a URL. more are the hosts after its first.
func parseTarget(u *url.URL, more []string) (*Target, error) {
	scheme, kind, _ := strings.Cut(u.Scheme, "-")
	port := "6379"
	switch {
	case scheme != "redis" && scheme != "rediss" && u.Scheme != "unix", kind != "" && kind != "cluster" && kind != "sentinel":
		return nil, errors.New(schemes)
	case kind == "" && len(more) > 0:
		return nil, errors.New("names several servers: write " + clusterForm + " or " + sentinelForm)
	case kind == "":
		opts, err := redis.ParseURL(u.String())
		if err != nil {
			return nil, &refusedURL{err}
		}
		opts.OnConnect, opts.ContextTimeoutEnabled = introduce, true
		return &Target{Address: opts.Addr, server: opts}, nil
	case kind == "sentinel":
		port = "26379"
	}
	// go-redis takes one host in the URL and the others as parameters.
	plain, q := *u, u.Query()
	var addrs []string
	for i, host := range append([]string{u.Host}, more...) {
		addr, err := withPort(host, port)
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
		return clusterTarget(plain, q, addrs)
	}
	return sentinelTarget(plain, q, addrs)
}

func clusterTarget(u url.URL, q url.Values, addrs []string) (*Target, error) {
	if strings.Trim(u.Path, "/") != "" && u.Path != "/0" {
		return nil, errors.New("cannot be used: a cluster has no databases; write it like " + clusterForm)
	}
	u.Path, u.RawQuery = "", q.Encode()
	opts, err := redis.ParseClusterURL(u.String())
	if err != nil {
		return nil, &refusedURL{err}
	}
	opts.OnConnect, opts.ContextTimeoutEnabled = introduce, true
	return &Target{Address: strings.Join(addrs, ","), cluster: opts}, nil
}

// sentinelTarget uses the user of the URL for the Redis servers. The user of the
// Sentinels is in the parameters sentinel_username and sentinel_password.
func sentinelTarget(u url.URL, q url.Values, addrs []string) (*Target, error) {
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
	return &Target{Address: master + " of " + strings.Join(addrs, ","), sentinel: opts}, nil
}
