package redisurl

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// Environment variables with the paths of PEM files.
const (
	envCA   = "LTS_REDIS_CA"   // the authority of the servers' certificates; the default is those of the system
	envCert = "LTS_REDIS_CERT" // the client's certificate, if the servers require one
	envKey  = "LTS_REDIS_KEY"  // its key
)

// secure adds the certificates of the environment to the TLS configuration. It returns
// an error if there are certificates but no TLS.
func (p *Target) secure() error {
	ca, cert, key := os.Getenv(envCA), os.Getenv(envCert), os.Getenv(envKey)
	config := *p.tls()
	if config == nil {
		if ca+cert+key == "" {
			return nil
		}
		return errors.New("means no TLS, although " + envCA + ", " + envCert + " or " + envKey + " is set: write rediss for redis, or unset them")
	}
	config = config.Clone()
	config.MinVersion = tls.VersionTLS12
	// Each server is verified by its own name, not by that of the first.
	config.ServerName = ""
	if ca != "" {
		pem, err := os.ReadFile(ca)
		if err != nil {
			return fmt.Errorf("needs %s, which cannot be read: %w", envCA, err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return fmt.Errorf("needs %s, but %s holds no PEM certificate", envCA, ca)
		}
	}
	if (cert == "") != (key == "") {
		return errors.New("needs both of " + envCert + " and " + envKey + ", or neither")
	}
	if cert != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return fmt.Errorf("needs %s and %s, which cannot be used: %w", envCert, envKey, err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	*p.tls() = config
	return nil
}
