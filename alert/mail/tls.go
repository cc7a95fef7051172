package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
)

// roots is for tests: a configuration with the certificate of their server.
var roots = func() *tls.Config { return &tls.Config{MinVersion: tls.VersionTLS12} }

// encrypt begins TLS on a connection.
func (m *Mail) encrypt(ctx context.Context, conn net.Conn) (net.Conn, error) {
	config := roots()
	config.ServerName = m.host
	encrypted := tls.Client(conn, config)
	if err := encrypted.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return encrypted, nil
}
