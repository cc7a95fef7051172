package redisurl

import (
	"context"
	"crypto/tls"
	"errors"

	"github.com/redis/go-redis/v9"
)

// Target is a Redis server, a cluster or a master behind Sentinels, with the options of
// the connection. Exactly one of the three options is set.
type Target struct {
	Address  string // for messages; without user and password
	User     string // of the URL; "" for none
	Source   string // set by the caller, for messages: "--redis", "LTS_REDIS", "the config file", "the default"
	server   *redis.Options
	cluster  *redis.ClusterOptions
	sentinel *redis.FailoverOptions // of a master that Sentinels know
}

// plain reports whether the connection has no TLS and is not a Unix socket.
func (p *Target) plain() bool {
	return *p.tls() == nil && (p.server == nil || p.server.Network != "unix")
}

// FromOptions returns the server of the options as a Target, without the certificates
// of the environment.
func FromOptions(opts *redis.Options) *Target { return &Target{Address: opts.Addr, server: opts} }

// Client makes a client. It connects with the first call.
func (p *Target) Client() redis.UniversalClient {
	switch {
	case p.cluster != nil:
		return redis.NewClusterClient(p.cluster)
	case p.sentinel != nil:
		return redis.NewFailoverClient(p.sentinel)
	}
	return redis.NewClient(p.server)
}

// probe makes a client with one connection and without retries.
func (p *Target) probe() redis.UniversalClient {
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
	return once.Client()
}

// tls returns where the options hold the TLS configuration, which is nil without TLS.
func (p *Target) tls() **tls.Config {
	switch {
	case p.cluster != nil:
		return &p.cluster.TLSConfig
	case p.sentinel != nil:
		return &p.sentinel.TLSConfig
	}
	return &p.server.TLSConfig
}

// introduce sets the name that CLIENT LIST shows. A user that may not do that keeps a
// connection without a name. With the option ClientName the connection would fail.
func introduce(ctx context.Context, conn *redis.Conn) error {
	err := conn.ClientSetName(ctx, "ltsworker").Err()
	var answer redis.Error
	if errors.As(err, &answer) {
		return nil
	}
	return err
}
