package redisurl

import (
	"context"
	"crypto/tls"
	"errors"

	"github.com/redis/go-redis/v9"
)

// Target is where a Redis is: one of the options is set.
type Target struct {
	Address  string // as messages name it
	User     string // of the URL; "" for none
	Source   string // who named it: "--redis", "LTS_REDIS", "the config file", "the default"
	server   *redis.Options
	cluster  *redis.ClusterOptions
	sentinel *redis.FailoverOptions // of a master that Sentinels know
}

// plain reports whether it is reached over the network and without TLS.
func (p *Target) plain() bool {
	return *p.tls() == nil && (p.server == nil || p.server.Network != "unix")
}

// FromOptions returns the target that is the server of the options.
func FromOptions(opts *redis.Options) *Target { return &Target{Address: opts.Addr, server: opts} }

// Client connects to the place.
func (p *Target) Client() redis.UniversalClient {
	switch {
	case p.cluster != nil:
		return redis.NewClusterClient(p.cluster)
	case p.sentinel != nil:
		return redis.NewFailoverClient(p.sentinel)
	}
	return redis.NewClient(p.server)
}

// probe connects to the place, with one connection, and does not insist.
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

// tls is where the place keeps how it speaks TLS, nil where it does not.
func (p *Target) tls() **tls.Config {
	switch {
	case p.cluster != nil:
		return &p.cluster.TLSConfig
	case p.sentinel != nil:
		return &p.sentinel.TLSConfig
	}
	return &p.server.TLSConfig
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
