package broker_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/cmd/gentask/internal/broker"
)

func TestRedact(t *testing.T) {
	for _, c := range []struct{ text, address, want string }{
		{"dial amqp://ana:s3cret@host/", "amqp://ana:s3cret@host/", "dial amqp://ana:xxxxx@host/"},
		{"password s3cret is wrong", "amqp://ana:s3cret@host/", "password xxxxx is wrong"},
		{"is p@ss/word", "amqp://ana:p%40ss%2Fword@host/", "is xxxxx"},
		{"is p%40ss%2Fword", "amqp://ana:p%40ss%2Fword@host/", "is xxxxx"},
		{"of guest", "amqp://guest:guest@host/", "of guest"},
		{"at amqp://guest:guest@host/", "", "at amqp://guest:xxxxx@host/"},
		{"at nats://t0ken@host:4222", "", "at nats://xxxxx@host:4222"},
		{"a:4222,nats://u:geheim@b:4222", "nats://u:first1@a,nats://u:geheim@b:4222", "a:4222,nats://u:xxxxx@b:4222"},
		{"is hunter22", "postgres://host/db?password=hunter22", "is xxxxx"},
		{"mail to ana@example.com", "", "mail to ana@example.com"},
		{"postgres://ana@host/db", "", "postgres://ana@host/db"},
	} {
		require.Equal(t, c.want, broker.Redact(c.text, c.address))
	}
}

func TestScrub_KeepsWhatItWraps(t *testing.T) {
	const address = "amqp://ana:s3cret@host/"
	err := broker.Scrub(fmt.Errorf("at %s: %w", address, io.EOF), address)
	require.NotContains(t, err.Error(), "s3cret")
	require.ErrorIs(t, err, io.EOF)
	harmless := errors.New("nothing")
	require.Equal(t, harmless, broker.Scrub(harmless, address))
	require.NoError(t, broker.Scrub(nil, address))
}
