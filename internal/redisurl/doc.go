// Package redisurl reads the URL of a Redis server, a cluster or a master behind
// Sentinels, adds the TLS certificates of the environment, and makes the client. It
// also says which errors of a client mean that Redis cannot be used, without showing
// the password.
//
// cmd/ltsworker selects the URL: that of a flag, of the environment or of the config
// file.
package redisurl
