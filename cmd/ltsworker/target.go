package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/redis/go-redis/v9"
)

// place is where a Redis is: one of the options is set.
type place struct {
	address  string // as messages name it
	user     string // of the URL; "" for none
	from     string // who named it: "--redis", "LTS_REDIS", "the config file", "the default"
	server   *redis.Options
	cluster  *redis.ClusterOptions
	sentinel *redis.FailoverOptions // of a master that Sentinels know
}

// plain reports whether it is reached over the network and without TLS.
func (p *place) plain() bool {
	return *p.tls() == nil && (p.server == nil || p.server.Network != "unix")
}

// readURL returns the URL that is given, or held by the file that is.
func readURL(raw string) (string, error) {
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

// defaultRedis is the URL of the server that is used where none is named.
const defaultRedis = "redis://127.0.0.1:6379/0"
