package address_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gentask/gentask/queue/internal/address"
)

// TestRedact shows the place of a broker, and never a password.
func TestRedact(t *testing.T) {
	for text, want := range map[string]string{
		"nats://localhost:4222":                          "nats://localhost:4222",
		"nats://me:secret@one:4222,tls://secret@two":     "nats://me:xxxxx@one:4222,tls://xxxxx@two",
		"nats://me:secret@one, nats://me:secret@[::1]:2": "nats://me:xxxxx@one,nats://me:xxxxx@[::1]:2",
		"me:secret@localhost:4222":                       "?",
		"secret":                                         "?",
		"":                                               "?",
		"nats://me:se,cret@localhost":                    "nats://me:xxxxx@localhost",
		"nats://me:12,secret@localhost":                  "nats://me:xxxxx@localhost",
		"nats://me:12/secret@localhost:1/secret":         "nats://me:xxxxx@localhost:1",
		"nats://me:sec#ret@localhost?token=secret":       "nats://me:xxxxx@localhost",
		"nats://me:sec@ret@localhost":                    "nats://me:xxxxx@localhost",
		"nats://me:secret%zz@localhost":                  "nats://me:xxxxx@localhost",
		"nats://sec%72et:x@localhost":                    "nats://xxxxx@localhost",
		"me:secret@localhost/x?y=http://z":               "?",
		"nats://localhost\x1b[2J\n":                      "nats://localhost",
	} {
		require.Equal(t, want, address.Redact(text), text)
	}
}

// TestNoPasswordIsShown, with any content, and with anything before and behind it.
func TestNoPasswordIsShown(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		reserved := rapid.StringMatching(`[:/?#@,%&= ]{0,3}`)
		password := reserved.Draw(t, "left") + "hunter2" + reserved.Draw(t, "right")
		scheme := rapid.SampledFrom([]string{"", "nats://", "amqps://", "//", " nats://", "nats:"}).Draw(t, "scheme")
		list := scheme + rapid.SampledFrom([]string{"me:", "", "m e:"}).Draw(t, "user") + password + "@host:4222"
		if rapid.Bool().Draw(t, "list") {
			list = "nats://a," + list + ",nats://b"
		}
		require.NotContains(t, address.Redact(list), "hunter2", list)
		require.NotContains(t, address.Scheme(list), "hunter2", list)
	})
}

// TestErrorsAreScrubbed: the error of a user's function shows no password either.
func TestErrorsAreScrubbed(t *testing.T) {
	const text = "amqp://me:secret@host:port"
	broken := error(&url.Error{Op: "parse", URL: text, Err: errors.New("invalid port")})
	for _, f := range []address.Func{
		func(context.Context) ([]string, error) { return nil, broken },
		func(context.Context) ([]string, error) { panic("can't dial amqp://me:secret@host") },
		func(context.Context) ([]string, error) { panic(broken) },
	} {
		_, err := address.Asked(f).URLs(t.Context())
		require.ErrorContains(t, err, "xxxxx@host")
		require.NotContains(t, strings.SplitN(err.Error(), "goroutine", 2)[0], "secret")
	}
	_, err := address.Asked(func(context.Context) ([]string, error) { return nil, broken }).URLs(t.Context())
	require.ErrorIs(t, err, broken)
	require.NoError(t, address.ScrubError(nil))
	plain := errors.New("plain")
	require.Equal(t, plain, address.ScrubError(plain))
}
