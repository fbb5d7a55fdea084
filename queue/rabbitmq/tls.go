package rabbitmq

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"

	amqp "github.com/rabbitmq/amqp091-go"
)

// encrypted is a TLS connection whose Close does not wait for the peer. The one of package tls
// sends an alert first, which takes seconds on a dead network.
type encrypted struct {
	*tls.Conn
	socket net.Conn
}

// Close closes the socket.
func (e *encrypted) Close() error { return e.socket.Close() }

// encrypt makes the TLS handshake, if uri asks for it. The driver does that itself, and not the
// client, because it must see the frames: the client ends a connection that brings a header whose
// type it does not know.
func (b *Broker) encrypt(ctx context.Context, conn net.Conn, uri *amqp.URI) (net.Conn, error) {
	if uri.Scheme != "amqps" {
		return conn, nil
	}
	config, err := b.tlsConfig(uri)
	if err != nil {
		return nil, err
	}
	e := &encrypted{tls.Client(conn, config), conn}
	if err := e.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	return e, nil
}

// tlsConfig returns [Config.TLS], or what the parameters of the URL ask for.
func (b *Broker) tlsConfig(uri *amqp.URI) (*tls.Config, error) {
	config := b.cfg.TLS.Clone()
	if config == nil {
		config = &tls.Config{ServerName: uri.ServerName, MinVersion: tls.VersionTLS12}
		if err := loadCertificates(config, uri); err != nil {
			return nil, err
		}
	}
	if config.ServerName == "" {
		config.ServerName = uri.Host
	}
	return config, nil
}

// loadCertificates loads the files that the URL names. Without a file of authorities those of the
// system count.
func loadCertificates(config *tls.Config, uri *amqp.URI) error {
	if uri.CACertFile != "" {
		pem, err := os.ReadFile(uri.CACertFile)
		if err != nil {
			return fmt.Errorf("read CA certificate: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return badConfig("the URL's cacertfile", uri.CACertFile, "a file with certificates in PEM")
		}
	}
	if uri.CertFile == "" || uri.KeyFile == "" {
		return nil
	}
	own, err := tls.LoadX509KeyPair(uri.CertFile, uri.KeyFile)
	if err != nil {
		return fmt.Errorf("load client certificate: %w", err)
	}
	config.Certificates = []tls.Certificate{own}
	return nil
}

// withoutTLS returns the URL with the scheme that makes the client leave the connection as it is.
func withoutTLS(at string, uri *amqp.URI) string {
	u, err := url.Parse(at)
	if err != nil || uri.Scheme != "amqps" {
		return at // the client returns the error
	}
	u.Scheme, u.Host = "amqp", net.JoinHostPort(uri.Host, strconv.Itoa(uri.Port))
	return u.String()
}
