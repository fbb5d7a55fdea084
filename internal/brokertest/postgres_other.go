//go:build !unix

package brokertest

import "errors"

// PostgresServer is a private PostgreSQL server, which there is on Unix only.
type PostgresServer struct{}

// StartPostgres returns an error.
func StartPostgres(PostgresConfig) (*PostgresServer, error) {
	return nil, errors.New("brokertest: a private PostgreSQL needs Unix")
}

// URL is the server's.
func (*PostgresServer) URL() string { return "" }
