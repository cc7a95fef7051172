// Package redisurl reads the URL of a Redis server, a cluster or a master behind
// Sentinels, adds the TLS certificates of the environment, and makes the client. It
// also says which errors of a client mean that Redis cannot be used, without showing
// the password.
//
// Which URL is meant, a flag's, the environment's or the config file's, is decided in
// cmd/ltsworker.
package redisurl
