package broker

import (
	"context"
	"fmt"
	"strings"
)

// want is what a URL must be like.
const want = "must be like amqp://user:password@host:5672/, nats://host:4222, " +
	"postgres://user:password@host:5432/database or file:./data"

// Open returns the broker at cfg.URL. It connects only as far as it must to know that the broker is
// there. The error wraps ErrURL or ErrAway, and has no password.
func Open(ctx context.Context, cfg Config) (b Broker, err error) {
	switch scheme(cfg.URL) {
	case "amqp", "amqps":
		b, err = openRabbitMQ(cfg)
	case "nats", "tls", "ws", "wss":
		b, err = openJetStream(cfg)
	case "postgres", "postgresql":
		b, err = openPostgres(ctx, cfg)
	case "file":
		b, err = openEmbedded(cfg)
	case "":
		return nil, fmt.Errorf("%w: there is none: give --url, or set GENTASK_URL; it %s", ErrURL, want)
	default:
		return nil, fmt.Errorf("%w: its scheme is %q; it %s", ErrURL, scheme(cfg.URL), want)
	}
	if err != nil {
		return nil, Scrub(err, cfg.URL)
	}
	return b, nil
}

// scheme returns that of a URL, in lower case, and "" if there is none.
func scheme(url string) string {
	name, _, found := strings.Cut(strings.TrimSpace(url), ":")
	if !found {
		return ""
	}
	return strings.ToLower(name)
}
