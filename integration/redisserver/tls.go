package redisserver

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TLS is a server that accepts only TLS connections of clients with a
// certificate of its own authority.
type TLS struct {
	*Server
	CAFile, CertFile, KeyFile string // PEM files for a client: the authority, the client's certificate and key
}

// StartTLS starts such a server and ends it when the test ends. The
// certificates are made for this server and are valid for an hour.
func StartTLS(t testing.TB, opts ...Option) *TLS {
	t.Helper()
	a := newAuthority(t)
	serverCert, serverKey := a.issue(t, "server")
	s := &TLS{CAFile: a.file}
	s.CertFile, s.KeyFile = a.issue(t, "client")
	opts = append([]Option{
		Config("tls-ca-cert-file", a.file), Config("tls-cert-file", serverCert), Config("tls-key-file", serverKey),
		Config("tls-auth-clients", "yes"),
		func(o *options) { o.tls = a.clientConfig(t, s.CertFile, s.KeyFile) },
	}, opts...)
	s.Server = Start(t, opts...)
	return s
}

// authority issues certificates and writes them to a directory.
type authority struct {
	dir, file string
	cert      *x509.Certificate
	key       *ecdsa.PrivateKey
	issued    int64
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{dir: t.TempDir()}
	template := a.template("test authority")
	template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	a.cert = template
	a.file, _ = a.sign(t, "ca", template, true)
	return a
}

func (a *authority) template(name string) *x509.Certificate {
	a.issued++
	return &x509.Certificate{
		SerialNumber: big.NewInt(a.issued),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now().Add(-time.Minute),
		NotAfter:     time.Now().Add(time.Hour),
	}
}

// issue makes a certificate for servers and clients on this machine.
func (a *authority) issue(t testing.TB, name string) (certFile, keyFile string) {
	t.Helper()
	template := a.template(name)
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	template.IPAddresses, template.DNSNames = []net.IP{net.IPv4(127, 0, 0, 1)}, []string{"localhost"}
	return a.sign(t, name, template, false)
}

func (a *authority) sign(t testing.TB, name string, template *x509.Certificate, self bool) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if self {
		a.key = key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	if self {
		if a.cert, err = x509.ParseCertificate(der); err != nil {
			t.Fatal(err)
		}
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write := func(file, kind string, der []byte) string {
		path := filepath.Join(a.dir, file)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return write(name+".crt", "CERTIFICATE", der), write(name+".key", "PRIVATE KEY", secret)
}

func (a *authority) clientConfig(t testing.TB, certFile, keyFile string) *tls.Config {
	t.Helper()
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	return &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
}
